/*
 * The tables of tests/data/replies (its README says their columns), for the tests of what
 * reads replies. A mistake in a table fails the test that opens it.
 */
#ifndef MAILVANE_TESTS_REPLIES_H
#define MAILVANE_TESTS_REPLIES_H

#include "guard.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/classify/classifier.h"

#define REPLIES_DIR "tests/data/replies/"

enum { COLUMN_NAME, COLUMN_LIST_TEXT, COLUMN_LIST, LIST_COLUMNS };
enum {
    COLUMN_CODE = 1,
    COLUMN_DSN,
    COLUMN_STAGE,
    COLUMN_PROVIDER,
    COLUMN_TEXT,
    COLUMN_CAUSE,
    COLUMN_ALSO,
    COLUMN_TRAP,
    REPLY_COLUMNS
};

struct reply_line {
    struct slice cells[REPLY_COLUMNS];
};

struct reply_table {
    char *bytes;
    struct reply_line *lines;
    size_t count;
};

/* A whole file, in memory of its own; NULL if there is none. */
static inline char *replies_read_file(const char *path, size_t *len)
{
    size_t room = 4u << 20;
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *bytes = must_calloc(room, 1);
    *len = fread(bytes, 1, room, file);
    assert_true(*len < room && !ferror(file));
    fclose(file);
    return bytes;
}

static inline void replies_read_line(struct reply_line *line, struct slice text, unsigned columns)
{
    unsigned column = 0;
    for (bool last = false; !last; column++) {
        last = slice_find(text, '\t') == text.len;
        if (column == columns)
            fail_msg("\"%.*s\": more than %u columns", SLICE_ARG(line->cells[0]), columns);
        line->cells[column] = slice_cut(&text, '\t');
    }
    if (column != columns)
        fail_msg("\"%.*s\": got %u columns, want %u", SLICE_ARG(line->cells[0]), column, columns);
}

/* False if the file is not there. */
static inline bool replies_open(struct reply_table *table, const char *name, unsigned columns)
{
    char path[200];
    size_t len, lines = 0;
    snprintf(path, sizeof(path), REPLIES_DIR "%s", name);
    *table = (struct reply_table){.bytes = replies_read_file(path, &len)};
    if (!table->bytes)
        return false;
    struct slice text = slice_of(table->bytes, len);
    for (size_t i = 0; i < len; i++)
        lines += text.ptr[i] == '\n';
    table->lines = must_calloc(lines + 1, sizeof(*table->lines));
    slice_cut(&text, '\n'); /* the columns' names */
    while (text.len) {
        struct slice line = slice_cut(&text, '\n');
        if (line.len)
            replies_read_line(&table->lines[table->count++], line, columns);
    }
    assert_true(table->count > 0);
    return true;
}

static inline void replies_close(struct reply_table *table)
{
    free(table->lines);
    free(table->bytes);
    *table = (struct reply_table){0};
}

static inline enum phase replies_phase(const struct reply_line *line)
{
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        if (slice_eq(line->cells[COLUMN_STAGE], slice_str(phase_words[i])))
            return (enum phase)i;
    }
    fail_msg("%.*s: \"%.*s\" is no phase", SLICE_ARG(line->cells[COLUMN_NAME]),
             SLICE_ARG(line->cells[COLUMN_STAGE]));
    return PHASE_NONE;
}

/* What an event would say of a line with all the columns of a reply. */
static inline struct refusal replies_refusal(const struct reply_line *line)
{
    struct refusal refusal = {
        .provider = line->cells[COLUMN_PROVIDER],
        .phase = replies_phase(line),
        .code = reply_code(line->cells[COLUMN_CODE]),
        .text = line->cells[COLUMN_TEXT],
    };
    struct slice dsn = line->cells[COLUMN_DSN];
    if (dsn.len && !dsn_parse(dsn, &refusal.dsn))
        fail_msg("%.*s: \"%.*s\" is no enhanced code", SLICE_ARG(line->cells[COLUMN_NAME]),
                 SLICE_ARG(dsn));
    return refusal;
}

static inline enum cause replies_cause(const struct reply_line *line, struct slice word)
{
    enum cause cause = CAUSE_NONE;
    if (!cause_parse(word, &cause))
        fail_msg("%.*s: \"%.*s\" is no cause", SLICE_ARG(line->cells[COLUMN_NAME]),
                 SLICE_ARG(word));
    return cause;
}

/* Is this the cause, or one that is acceptable as well? */
static inline bool replies_accept(const struct reply_line *line, enum cause got)
{
    struct slice also = line->cells[COLUMN_ALSO];
    bool good = replies_cause(line, line->cells[COLUMN_CAUSE]) == got;
    while (also.len)
        good |= replies_cause(line, slice_trim(slice_cut(&also, ','))) == got;
    return good;
}

/* A small generator, so that a run that fails can be had again. */
static inline uint32_t replies_random(uint64_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 20) % below);
}

#endif
