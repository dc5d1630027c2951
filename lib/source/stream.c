#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"

/* A file that changes faster than it can be looked at waits for the next wake. */
#define TURNS_MAX 256

struct stream *stream_new(struct follow *follow, unsigned source, const char *path)
{
    struct stream *stream = must_calloc(1, sizeof(*stream));
    stream->follow = follow;
    stream->source = source;
    stream->path = must_strdup(path);
    stream->dir = must_strdup("");
    stream->base = must_strdup("");
    stream->since = follow->sources[source]->since;
    stream->initial = follow->sources[source]->initial;
    stream->restored = follow->adding && !stream->initial;
    stream->dirty = true;
    return stream;
}

void stream_free(struct stream *stream)
{
    while (stream->members) {
        struct member *member = stream->members;
        stream->members = member->next;
        member_free(member);
    }
    interests_release(&stream->set, &stream->follow->places);
    free(stream->known);
    free(stream->path);
    free(stream->dir);
    free(stream->base);
    free(stream);
}

static int compare_known(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return ident_compare(&x->id, &y->id);
}

void known_sort(struct known *known, size_t count)
{
    if (count)
        qsort(known, count, sizeof(*known), compare_known);
}

struct known *known_find(struct known *known, size_t count, const struct ident *id)
{
    struct known key = {.id = *id};
    return count ? bsearch(&key, known, count, sizeof(key), compare_known) : NULL;
}

struct known *stream_known(const struct stream *stream, const struct ident *id)
{
    return known_find(stream->known, stream->known_count, id);
}

/* Its last bytes were counted, but where they end may not be saved yet. */
static void announce_drop(const struct member *member)
{
    const struct follow *follow = member->stream->follow;
    if (follow->options.before_drop && !follow->adding && member->tail.offset)
        follow->options.before_drop(follow->options.arg);
}

/* What it still holds has no newline, or will never be read. */
void stream_drop(struct stream *stream, struct member *member)
{
    struct member **link = &stream->members;
    announce_drop(member);
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    if (stream->current == member)
        stream->current = NULL;
    struct known *known = stream_known(stream, &member->tail.look.id);
    if (known) {
        known->offset = member->tail.offset;
        known->size = member->tail.look.size;
        tail_print(&member->tail, &known->print);
    }
    member_free(member);
}

/* Lets go a file that is read to its end; a last line that never ended is lost. */
static void let_go(struct stream *stream, struct member *member)
{
    uint64_t lost = tail_behind(&member->tail);
    /* Before it is dropped the state is saved, with it and without the loss. */
    stream_drop(stream, member);
    stream_source(stream)->stats.lost_bytes += lost;
}

/*
 * Of the files that are read to their end and are no longer the path's, the one that
 * was written to longest ago: names do not tell who still has a writer.
 */
static struct member *quietest_drained(struct stream *stream, unsigned *count)
{
    struct member *quietest = NULL;
    *count = 0;
    for (struct member *m = stream->members; m; m = m->next) {
        if (m == stream->current || m->ready)
            continue;
        if (!quietest || m->tail.look.mtime < quietest->tail.look.mtime)
            quietest = m;
        (*count)++;
    }
    return quietest;
}

void stream_trim(struct stream *stream)
{
    unsigned drained;
    struct member *quietest;
    while ((quietest = quietest_drained(stream, &drained)) && drained > LINGER_MAX)
        let_go(stream, quietest);
}

static bool is_quiet(const struct member *member)
{
    unsigned looks = member->tail.look.deleted ? LINGER_LOOKS_DELETED : LINGER_LOOKS;
    return !member->ready && member->quiet > looks;
}

void stream_check(struct stream *stream)
{
    struct member *next;
    for (struct member *m = stream->members; m; m = next) {
        next = m->next;
        m->quiet++;
        if (m != stream->current && is_quiet(m)) {
            let_go(stream, m);
            continue;
        }
        m->ready = true;
        if (!m->archive)
            places_watch(&stream->follow->places, &m->watched, m->tail.fd);
    }
    stream->dirty = true;
    follow_queue(stream);
}

static struct member *first_ready(const struct stream *stream)
{
    struct member *member = stream->members;
    while (member && !member->ready)
        member = member->next;
    return member;
}

static void fill_block(const struct member *member, struct slice lines, struct follow_block *out)
{
    *out = (struct follow_block){
        .lines = lines,
        .source = member->stream->source,
        .mtime = member->tail.look.mtime / 1000000000,
    };
}

static void complain(struct member *member, int why)
{
    const struct stream *stream = member->stream;
    if (!member->broken)
        log_warn(stream->follow->options.log, "reading %s: %s", stream->path, strerror(why));
    member->broken = true;
}

/* A file that is no longer the path's was written anew: whatever it is now, it is not ours. */
static void member_changed(struct stream *stream, struct member *member)
{
    if (member == stream->current)
        stream->dirty = true;
    else
        let_go(stream, member);
}

/* Reads on, and counts what was read. */
static enum tail_result read_lines(struct member *member, struct slice *lines)
{
    struct follow *follow = member->stream->follow;
    struct archive *archive = member->archive;
    struct block_reader *reader = archive ? &archive->reader : &follow->reader;
    struct follow_stats *stats = &stream_source(member->stream)->stats;
    uint64_t skipped = reader->skipped, offset = member->tail.offset;
    enum tail_result result =
        archive ? archive_read(archive, &member->tail, follow->options.line_max, lines)
                : tail_read(&member->tail, reader, lines);
    if (result == TAIL_LINES || result == TAIL_END) {
        stats->long_lines += reader->skipped - skipped;
        stats->read_bytes += member->tail.offset - offset;
    }
    return result;
}

/* Nothing more to read now; an archive cannot grow. */
static void member_drained(struct stream *stream, struct member *member)
{
    if (member->archive)
        let_go(stream, member);
    stream_trim(stream);
}

/* Gives the next lines of one file; false when it has none, or has to be settled first. */
static bool read_member(struct stream *stream, struct member *member, struct follow_block *out)
{
    struct slice lines;
    /* What comes while it is read marks it again. */
    member->ready = false;
    enum tail_result result = read_lines(member, &lines);
    if (result == TAIL_CHANGED) {
        member_changed(stream, member);
        return false;
    }
    if (result == TAIL_ERROR) {
        complain(member, errno);
        return false;
    }
    if (result == TAIL_END) {
        member_drained(stream, member);
        return false;
    }
    member->ready = true;
    member->quiet = 0;
    fill_block(member, lines, out);
    return true;
}

/*
 * The current file is read only once its first bytes were seen in a settled
 * moment: otherwise it could be another age of the file than the one before
 * which everything was found.
 */
static bool wants_settling(const struct stream *stream, const struct member *next)
{
    if (stream->dirty || (!next && stream->more))
        return true;
    return next && next == stream->current && !tail_pinned(&next->tail);
}

bool stream_next(struct stream *stream, struct follow_block *out)
{
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        struct member *next = first_ready(stream);
        if (wants_settling(stream, next)) {
            stream->dirty = false;
            if (next && next == stream->current)
                next->ready = tail_pinned(&next->tail);
            stream_settle(stream);
            continue;
        }
        if (!next)
            return false;
        if (read_member(stream, next, out))
            return true;
    }
    return false;
}
