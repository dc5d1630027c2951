/*
 * What is to become of a stream, made from one view of its directory: settle.c makes
 * and carries it out, parts.c says which of the files beside the path belong into it.
 */
#ifndef SOURCE_PLAN_H
#define SOURCE_PLAN_H

#include "follow_private.h"
#include "resolve.h"
#include "rotation.h"

struct plan {
    struct stream *stream;
    struct target target;
    struct interests set;
    struct siblings siblings;
    bool listed;                  /* siblings are those of a directory that could be read */
    bool same;                    /* the path still names the current file */
    bool changed;                 /* the current file was truncated */
    bool restart;                 /* the current file is taken from its start, as in again */
    bool open;                    /* the season */
    bool more;                    /* some files have to wait on disk */
    bool copied;                  /* a copy of the truncated file was found */
    bool unmoved;                 /* since a restart: the path names the file that it named */
    const struct sibling *anchor; /* the newest of the files that are open, or were found again */
    struct tail again;            /* shares the current file's descriptor */
    struct member *fresh;         /* the path's file, when it is not open yet */
    struct member *back;          /* the path's file, when it is an older one of the stream */
    struct member *queue;         /* unread files between the current one and fresh; oldest first */
    struct member **queue_end;
    unsigned queue_count;
    unsigned before; /* so many of the queue are older than what the current file holds */
    struct known *known;
    size_t known_count;
};

/* parts.c */
/* After a truncation: the copy that goes on with what was read. */
void plan_take_copy(struct plan *plan);
/* Fills the queue and what is known from the files beside the path. */
void plan_judge_siblings(struct plan *plan);
/* Keeps what was known of files that were not seen now, as they may only have been missed. */
void plan_keep_known(struct plan *plan);
/* Beside a file, an empty one is as a rule a copy just begun: it shows what it is when it grows. */
bool plan_is_just_begun(const struct plan *plan, const struct sibling *sibling);

#endif
