/*
 * The state file of follow_driver: one line a row, in text, and before them how long the
 * output was then. It is replaced by rename, so that rows and output are of one moment.
 * Of tests alone: it trusts what it reads, and paths hold no blank.
 */
#ifndef TESTS_FOLLOW_STATE_H
#define TESTS_FOLLOW_STATE_H

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/source/follow.h"

static inline void state_put_row(FILE *file, const struct follow_row *r)
{
#define U PRIu64
    fprintf(file,
            "%u %s %s %" U " %" U " %" PRId64 " %" U " %" U " %" U " %" U " %" U " %" U " %" U
            " %" PRId64 " %d\n",
            (unsigned)r->role, r->pattern, r->path[0] ? r->path : "-", r->dev, r->ino, r->born,
            r->offset, r->size, r->head_len, r->head_hash, r->mark_end, r->mark_len, r->mark_hash,
            r->since, r->skipping);
#undef U
}

static inline bool state_get_row(FILE *file, struct follow_row *r)
{
    char pattern[PATH_MAX + 1], path[PATH_MAX + 1];
    unsigned role;
    int skipping;
#define U SCNu64
    int got =
        fscanf(file,
               "%u %4096s %4096s %" U " %" U " %" SCNd64 " %" U " %" U " %" U " %" U " %" U " %" U
               " %" U " %" SCNd64 " %d",
               &role, pattern, path, &r->dev, &r->ino, &r->born, &r->offset, &r->size, &r->head_len,
               &r->head_hash, &r->mark_end, &r->mark_len, &r->mark_hash, &r->since, &skipping);
#undef U
    if (got != 15)
        return false;
    r->role = (enum follow_role)role;
    r->skipping = skipping != 0;
    r->pattern = must_strdup(pattern);
    r->path = must_strdup(path[0] == '-' ? "" : path);
    return true;
}

/* False where there is none yet. */
static inline bool state_load(const char *name, struct follow_rows *rows, uint64_t *length)
{
    FILE *file = fopen(name, "r");
    struct follow_row row;
    *length = 0;
    if (!file)
        return false;
    bool any = fscanf(file, "%" SCNu64, length) == 1;
    while (any && state_get_row(file, &row)) {
        rows->items = must_realloc(rows->items, (rows->count + 1) * sizeof(*rows->items));
        rows->items[rows->count++] = row;
    }
    fclose(file);
    return any;
}

static inline void state_save(const char *name, const struct follow *follow, uint64_t length)
{
    char next[PATH_MAX];
    struct follow_rows rows = {0};
    follow_save(follow, &rows);
    snprintf(next, sizeof(next), "%s.next", name);
    FILE *file = fopen(next, "w");
    bug_if(!file);
    fprintf(file, "%" PRIu64 "\n", length);
    for (size_t i = 0; i < rows.count; i++)
        state_put_row(file, &rows.items[i]);
    bug_if(fclose(file) != 0 || rename(next, name) != 0);
    follow_rows_release(&rows);
}

#endif
