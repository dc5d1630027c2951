#include "mailvane/source/follow.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"
#include "resolve.h"
#include "rotation.h"

struct follow *follow_new(const struct follow_options *options, struct error *err)
{
    bug_if(options->line_max == 0);
    struct follow *follow = must_calloc(1, sizeof(*follow));
    follow->options = *options;
    follow->queue_end = &follow->queue;
    if (places_init(&follow->places, options->log, err) < 0) {
        free(follow);
        return NULL;
    }
    block_init(&follow->reader, options->line_max);
    return follow;
}

static void source_free(struct follow *follow, struct source *source)
{
    interests_release(&source->set, &follow->places);
    free(source->pattern);
    free(source);
}

void follow_free(struct follow *follow)
{
    if (!follow)
        return;
    for (unsigned i = 0; i < follow->stream_count; i++)
        stream_free(follow->streams[i]);
    for (unsigned i = 0; i < follow->source_count; i++)
        source_free(follow, follow->sources[i]);
    block_release(&follow->reader);
    places_release(&follow->places);
    free(follow);
}

int64_t follow_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void follow_queue(struct stream *stream)
{
    struct follow *follow = stream->follow;
    if (stream->queued)
        return;
    stream->queued = true;
    stream->next_queued = NULL;
    *follow->queue_end = stream;
    follow->queue_end = &stream->next_queued;
}

static struct stream *unqueue(struct follow *follow)
{
    struct stream *stream = follow->queue;
    if (!stream)
        return NULL;
    follow->queue = stream->next_queued;
    if (!follow->queue)
        follow->queue_end = &follow->queue;
    stream->queued = false;
    return stream;
}

struct member *follow_find(const struct follow *follow, const struct ident *id)
{
    for (unsigned i = 0; i < follow->stream_count; i++) {
        for (struct member *m = follow->streams[i]->members; m; m = m->next) {
            if (ident_eq(&m->tail.look.id, id))
                return m;
        }
    }
    return NULL;
}

/* The earlier stream keeps its file, and the files rotated from it. */
static bool shadows(const struct stream *first, const struct stream *stream, const char *dir,
                    const char *base)
{
    if (first == stream || strcmp(first->dir, dir) != 0)
        return false;
    if (strcmp(first->base, base) == 0)
        return first->order < stream->order;
    return first->source <= stream->source && rotation_is_rotated(first->base, base);
}

bool follow_shadowed(const struct stream *stream, const char *dir, const char *base)
{
    const struct follow *follow = stream->follow;
    for (unsigned i = 0; dir[0] && i < follow->stream_count; i++) {
        if (shadows(follow->streams[i], stream, dir, base))
            return true;
    }
    return false;
}

static struct stream *find_stream(const struct follow *follow, unsigned source, const char *path)
{
    for (unsigned i = 0; i < follow->stream_count; i++) {
        struct stream *stream = follow->streams[i];
        if (stream->source == source && strcmp(stream->path, path) == 0)
            return stream;
    }
    return NULL;
}

static void stream_remove(struct follow *follow, unsigned at)
{
    struct stream *stream = follow->streams[at], **link = &follow->queue;
    while (*link && *link != stream)
        link = &(*link)->next_queued;
    if (*link) {
        *link = stream->next_queued;
        if (!*link)
            follow->queue_end = link;
    }
    follow->stream_count--;
    memmove(follow->streams + at, follow->streams + at + 1,
            (follow->stream_count - at) * sizeof(follow->streams[0]));
    stream_free(stream);
}

/* Gives up a stream that a glob made for a file that is gone. */
static void make_stream_room(struct follow *follow)
{
    for (unsigned i = 0; i < follow->stream_count; i++) {
        struct stream *stream = follow->streams[i];
        struct source *source = follow->sources[stream->source];
        if (source->glob && !stream->members && access(stream->path, F_OK) < 0) {
            /* What it knew is forgotten: what is older than now shall not count as new. */
            source->since = follow_now(CLOCK_REALTIME_COARSE);
            stream_remove(follow, i);
            return;
        }
    }
}

struct stream *follow_stream(struct follow *follow, unsigned source, const char *path)
{
    static const char full[] = "cannot follow %s: %d files are followed already";
    struct stream *stream = find_stream(follow, source, path);
    if (stream)
        return stream;
    if (follow->stream_count == FOLLOW_FILES_MAX)
        make_stream_room(follow);
    if (follow->stream_count == FOLLOW_FILES_MAX) {
        if (!follow->full)
            log_warn(follow->options.log, full, path, FOLLOW_FILES_MAX);
        follow->full = true;
        return NULL;
    }
    stream = stream_new(follow, source, path);
    follow->streams[follow->stream_count++] = stream;
    stream->order = follow->orders++;
    follow_queue(stream);
    return stream;
}

/* A glob being expanded. */
struct expanding {
    struct follow *follow;
    unsigned source;
};

static void add_match(void *arg, const char *path)
{
    const struct expanding *ex = arg;
    if (!rotation_is_compressed(path))
        follow_stream(ex->follow, ex->source, path);
}

static void expand_source(struct follow *follow, unsigned number)
{
    struct source *source = follow->sources[number];
    struct expanding ex = {.follow = follow, .source = number};
    struct interests set = {0};
    source->dirty = false;
    resolve_glob(&follow->places, &set, source->pattern, add_match, &ex);
    interests_release(&source->set, &follow->places);
    source->set = set;
}

/* Looks at the patterns and paths whose directories changed, in the order of the sources. */
static void look_at_names(struct follow *follow)
{
    follow->places.changed = false;
    for (unsigned i = 0; i < follow->source_count; i++) {
        const struct source *source = follow->sources[i];
        if (source->glob && (source->dirty || interests_stale(&source->set)))
            expand_source(follow, i);
    }
    for (unsigned i = 0; i < follow->stream_count; i++) {
        struct stream *stream = follow->streams[i];
        if (interests_stale(&stream->set)) {
            stream->dirty = true;
            follow_queue(stream);
        }
    }
}

/* Relative patterns are of the directory that is current now, and stay so. */
static char *absolute(const char *pattern, struct error *err)
{
    char cwd[PATH_MAX] = "", path[PATH_MAX];
    if (pattern[0] != '/' && !getcwd(cwd, sizeof(cwd))) {
        error_set(err, "%s: the current directory: %s", pattern, strerror(errno));
        return NULL;
    }
    int len = pattern[0] == '/' ? snprintf(path, sizeof(path), "%s", pattern)
                                : snprintf(path, sizeof(path), "%s/%s", cwd, pattern);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        error_set(err, "%.64s...: the path is longer than %d bytes", pattern, PATH_MAX - 1);
        return NULL;
    }
    return must_strdup(path);
}

static bool usable(const struct follow *follow, const char *pattern, struct error *err)
{
    size_t len = strlen(pattern);
    if (follow->source_count == FOLLOW_SOURCES_MAX)
        error_set(err, "%s: more than %d sources", pattern, FOLLOW_SOURCES_MAX);
    else if (len == 0)
        error_set(err, "the path of a source is empty");
    else if (pattern[len - 1] == '/')
        error_set(err, "%s: a directory; a source is a file or a glob", pattern);
    else
        return true;
    return false;
}

/* What exists now is settled now: it is told from what appears later by that. */
static void first_look(struct follow *follow, unsigned number, const struct follow_rows *saved)
{
    struct source *source = follow->sources[number];
    unsigned before = follow->stream_count;
    follow->adding = true;
    restore_source(follow, number, saved);
    if (source->glob)
        expand_source(follow, number);
    else
        follow_stream(follow, number, source->pattern);
    for (unsigned i = before; i < follow->stream_count; i++) {
        follow->streams[i]->dirty = false;
        stream_settle(follow->streams[i]);
    }
    source->initial = false;
    follow->adding = false;
}

int follow_add(struct follow *follow, const char *pattern, const struct follow_rows *saved,
               struct error *err)
{
    char *path = usable(follow, pattern, err) ? absolute(pattern, err) : NULL;
    if (!path)
        return -1;
    struct source *source = must_calloc(1, sizeof(*source));
    *source = (struct source){.pattern = path,
                              .glob = resolve_is_glob(path),
                              .initial = true,
                              .since = follow_now(CLOCK_REALTIME_COARSE)};
    unsigned number = follow->source_count++;
    follow->sources[number] = source;
    first_look(follow, number, saved);
    return (int)number;
}

int follow_fd(const struct follow *follow)
{
    return follow->places.watch.fd;
}

void follow_wake(struct follow *follow)
{
    places_drain(&follow->places);
}

void follow_check(struct follow *follow)
{
    places_drain(&follow->places);
    for (unsigned i = 0; i < follow->source_count; i++)
        follow->sources[i]->dirty = true;
    for (unsigned i = 0; i < follow->stream_count; i++)
        stream_check(follow->streams[i]);
    follow->places.changed = true;
}

enum follow_result follow_next(struct follow *follow, struct follow_block *out)
{
    for (;;) {
        if (follow->places.changed)
            look_at_names(follow);
        struct stream *stream = unqueue(follow);
        if (!stream)
            return FOLLOW_IDLE;
        if (stream_next(stream, out)) {
            follow_queue(stream);
            return FOLLOW_BLOCK;
        }
    }
}

unsigned follow_sources(const struct follow *follow)
{
    return follow->source_count;
}

static void add_gauges(const struct stream *stream, struct follow_stats *out)
{
    for (const struct member *m = stream->members; m; m = m->next) {
        struct look look;
        out->files++;
        if (m->archive)
            out->behind_bytes += tail_behind(&m->tail);
        else if (look_fd(m->tail.fd, &look) && look.size > m->tail.offset)
            out->behind_bytes += look.size - m->tail.offset;
    }
}

void follow_stats_get(const struct follow *follow, unsigned source, struct follow_stats *out)
{
    bug_if(source >= follow->source_count);
    *out = follow->sources[source]->stats;
    out->pattern = follow->sources[source]->pattern;
    for (unsigned i = 0; i < follow->stream_count; i++) {
        if (follow->streams[i]->source == source)
            add_gauges(follow->streams[i], out);
    }
}

uint64_t follow_overflows(const struct follow *follow)
{
    return follow->places.overflows;
}
