/*
 * What a follow set is made of.
 *
 *   source   a pattern; what is counted, is counted for it
 *   stream   one path: the file that it names now (current) and, before it in a
 *            queue, those that it named earlier and that may hold unread bytes
 *   member   an open file in a stream
 *
 * follow.c holds the set, stream.c reads along the queue, settle.c decides which
 * files belong into it. rows.c tells what has to be known after a restart, and
 * restore.c finds again what was told.
 */
#ifndef SOURCE_FOLLOW_PRIVATE_H
#define SOURCE_FOLLOW_PRIVATE_H

#include <time.h>

#include "archive.h"
#include "mailvane/source/follow.h"
#include "places.h"
#include "rotation.h"
#include "tail.h"

/* Drained files a stream keeps open, as their writer may not have reopened yet. */
#define LINGER_MAX 32
/* A file that got nothing for that many slow looks is let go; a deleted one holds disk space. */
#define LINGER_LOOKS         10
#define LINGER_LOOKS_DELETED 1
/* Files taken into a stream at once; more wait on disk. */
#define QUEUE_MAX 64

struct member {
    struct watched watched;
    struct stream *stream;
    struct member *next; /* the newer one */
    struct tail tail;
    struct archive *archive; /* of a compressed file; NULL else */
    bool proven;             /* found again after a restart, by what was read of it */
    bool ready;              /* may have unread lines */
    bool broken;             /* a read failed; said once */
    unsigned quiet;          /* slow looks since the last lines */
};

/* A file beside the path that is accounted for, be it read or none of ours. */
struct known {
    struct ident id;
    uint64_t offset; /* read so far, where it was */
    uint64_t size;
    struct print print; /* of what was read */
    bool pending;       /* it was empty; what it is shows when it has content */
};

struct stream {
    struct follow *follow;
    unsigned source;
    unsigned order; /* of creation: the earlier one keeps a file that two lead to */
    char *path;
    char *dir; /* where the path leads; "" where nowhere yet */
    char *base;
    struct interests set;
    struct member *members; /* oldest first */
    struct member *current; /* among them; NULL while the path names nothing */
    struct known *known;    /* sorted by ident */
    size_t known_count;
    int64_t since; /* nothing older than this can be an unread file of this path */
    bool initial;  /* not settled yet since follow_add */
    bool restored; /* not settled yet since a restart */
    bool dirty;    /* to be settled */
    bool more;     /* there are files waiting on disk */
    bool denied;   /* the file cannot be opened; said once */
    bool queued;   /* in the set's queue of streams with work */
    struct stream *next_queued;
};

struct source {
    char *pattern;
    bool glob;
    bool initial;         /* within follow_add */
    bool dirty;           /* a glob to be expanded */
    struct interests set; /* of a glob */
    int64_t since;        /* when it was added */
    struct follow_stats stats;
};

struct follow {
    struct follow_options options;
    struct places places;
    struct block_reader reader;
    struct source *sources[FOLLOW_SOURCES_MAX];
    unsigned source_count;
    struct stream *streams[FOLLOW_FILES_MAX];
    unsigned stream_count;
    unsigned orders; /* streams made so far */
    unsigned open_files;
    struct stream *queue; /* streams with work, first come first served */
    struct stream **queue_end;
    bool full;   /* too many files; said once */
    bool adding; /* within follow_add: not all is known yet that is to be saved */
};

/* follow.c */
/* ns since the epoch. File systems stamp with CLOCK_REALTIME_COARSE, or later. */
int64_t follow_now(clockid_t clock);
void follow_queue(struct stream *stream);
/* The source's stream of that path, made where there is none; NULL where there are too many. */
struct stream *follow_stream(struct follow *follow, unsigned source, const char *path);
/* Is that file open, in whichever stream? */
struct member *follow_find(const struct follow *follow, const struct ident *id);
/* Does a path that leads to dir/base belong to a stream that comes before this one? */
bool follow_shadowed(const struct stream *stream, const char *dir, const char *base);

static inline struct source *stream_source(const struct stream *stream)
{
    return stream->follow->sources[stream->source];
}

/* restore.c */
/* Before the source is looked at: its streams as they were saved. */
void restore_source(struct follow *follow, unsigned source, const struct follow_rows *saved);

/* member.c */
/* Opens without waiting for a writer of a pipe, and without being led elsewhere. */
int open_beside(const char *dir, const char *name);
bool look_beside(const char *dir, const char *name, struct look *out);
struct member *member_new(struct stream *stream, int fd, const struct look *look);
void member_free(struct member *member);
/* Opens a regular file that is not compressed; NULL with errno. */
struct member *member_open(struct stream *stream, const char *dir, const char *name);
/* The same, compressed or not; ENOTSUP where there is no tool for it. */
struct member *member_open_sibling(struct stream *stream, const char *dir,
                                   const struct sibling *sibling);

/* stream.c */
struct stream *stream_new(struct follow *follow, unsigned source, const char *path);
void stream_free(struct stream *stream);
/* Takes a member out of the stream and ends it. */
void stream_drop(struct stream *stream, struct member *member);
/* Lets drained files go where there are too many. */
void stream_trim(struct stream *stream);
/* The slow look: everything may have changed; what was quiet for long is let go. */
void stream_check(struct stream *stream);
bool stream_next(struct stream *stream, struct follow_block *out);
/* By identity, so that it can be searched. */
void known_sort(struct known *known, size_t count);
struct known *known_find(struct known *known, size_t count, const struct ident *id);
/* What is known of a file beside the path; NULL where nothing is. */
struct known *stream_known(const struct stream *stream, const struct ident *id);

/* settle.c */
/* Finds out which files belong to the stream now. */
void stream_settle(struct stream *stream);

#endif
