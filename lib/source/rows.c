/* What a follow set has to know again after a restart, as plain rows. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"
#include "resolve.h"
#include "rotation.h"
#include "rows.h"

/* Room for that many rows more. */
static void reserve(struct follow_rows *rows, size_t count)
{
    if (count)
        rows->items = must_realloc(rows->items, (rows->count + count) * sizeof(*rows->items));
}

static struct follow_row *append(struct follow_rows *rows, enum follow_role role,
                                 const struct source *source, const char *path)
{
    struct follow_row *row = &rows->items[rows->count++];
    *row = (struct follow_row){
        .role = role, .pattern = must_strdup(source->pattern), .path = must_strdup(path)};
    return row;
}

static void put_ident(struct follow_row *row, const struct ident *id)
{
    row->dev = id->dev;
    row->ino = id->ino;
    row->born = id->born;
}

static void put_print(struct follow_row *row, const struct print *print)
{
    row->head_len = print->head_len;
    row->head_hash = print->head_hash;
    row->mark_end = print->mark_end;
    row->mark_len = print->mark_len;
    row->mark_hash = print->mark_hash;
}

static void save_member(const struct member *member, struct follow_rows *out)
{
    const struct stream *stream = member->stream;
    enum follow_role role = member == stream->current ? FOLLOW_CURRENT : FOLLOW_OLDER;
    struct follow_row *row = append(out, role, stream_source(stream), stream->path);
    struct print print;
    tail_print(&member->tail, &print);
    put_print(row, &print);
    put_ident(row, &member->tail.look.id);
    row->offset = member->tail.offset;
    row->size = member->tail.look.size;
    row->skipping = member->tail.skipping;
}

static void save_known(const struct stream *stream, const struct known *known,
                       struct follow_rows *out)
{
    enum follow_role role = known->pending ? FOLLOW_PENDING : FOLLOW_KNOWN;
    struct follow_row *row = append(out, role, stream_source(stream), stream->path);
    put_ident(row, &known->id);
    put_print(row, &known->print);
    row->offset = known->offset;
    row->size = known->size;
}

static size_t members_of(const struct stream *stream)
{
    size_t count = 0;
    for (const struct member *m = stream->members; m; m = m->next)
        count++;
    return count;
}

static void save_stream(const struct stream *stream, struct follow_rows *out)
{
    reserve(out, 1 + members_of(stream) + stream->known_count);
    struct follow_row *row = append(out, FOLLOW_PATH, stream_source(stream), stream->path);
    /* Not settled since it was added: what waits on disk is unread however old it is. */
    row->since = stream->initial ? INT64_MIN : stream->since;
    for (const struct member *m = stream->members; m; m = m->next)
        save_member(m, out);
    for (size_t i = 0; i < stream->known_count; i++)
        save_known(stream, &stream->known[i], out);
}

void follow_save(const struct follow *follow, struct follow_rows *out)
{
    reserve(out, follow->source_count);
    for (unsigned i = 0; i < follow->source_count; i++)
        append(out, FOLLOW_SOURCE, follow->sources[i], "")->since = follow->sources[i]->since;
    for (unsigned i = 0; i < follow->stream_count; i++)
        save_stream(follow->streams[i], out);
}

void follow_rows_release(struct follow_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->items[i].pattern);
        free(rows->items[i].path);
    }
    free(rows->items);
    *rows = (struct follow_rows){0};
}

void row_print(const struct follow_row *row, struct print *out)
{
    *out = (struct print){
        .head_len = row->head_len,
        .head_hash = row->head_hash,
        .mark_end = row->mark_end,
        .mark_len = row->mark_len,
        .mark_hash = row->mark_hash,
    };
}

struct ident row_ident(const struct follow_row *row)
{
    return (struct ident){.dev = row->dev, .ino = row->ino, .born = row->born};
}

static const char *place_fault(const struct follow_row *row)
{
    if (row->offset > INT64_MAX || row->size > INT64_MAX || row->mark_end > INT64_MAX)
        return "a place that no file has";
    if (row->head_len > TAIL_PRINT || row->mark_len > TAIL_PRINT)
        return "a fingerprint that is too long";
    if (row->mark_len > row->mark_end)
        return "a fingerprint that begins before the file";
    /* Before anything is handed out, the head is the mark. */
    bool first = row->offset == 0 || row->skipping;
    if (row->mark_end > row->offset && (!first || row->mark_end > row->head_len))
        return "a fingerprint of what was not read";
    if (row_is_member(row) && row->offset && (!row->head_len || !row->mark_len))
        return "an offset without a fingerprint";
    return NULL;
}

static bool is_of_pattern(const struct source *source, const char *path)
{
    if (!source->glob)
        return strcmp(source->pattern, path) == 0;
    return fnmatch(source->pattern, path, FNM_PATHNAME | FNM_PERIOD) == 0 &&
           !rotation_is_compressed(path);
}

const char *row_fault(const struct follow_row *row, const struct source *source)
{
    if ((unsigned)row->role > FOLLOW_PENDING)
        return "a role that there is not";
    if (row->role == FOLLOW_SOURCE)
        return NULL;
    if (!row->path || !is_of_pattern(source, row->path))
        return "a path that is none of the source";
    return row->role == FOLLOW_PATH ? NULL : place_fault(row);
}
