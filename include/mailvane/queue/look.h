/*
 * One look at one mail queue after the other, in steps that take no time.
 *
 *     struct look *look = look_new(queue_reader_named("postfix"), "/var/spool/postfix");
 *     if (look_begin(look, &err) == 0)
 *         while ((step = look_next(look, &err)) != LOOK_END && step != LOOK_FAILED) ...
 *     look_end(look);
 *
 * A step reads a few entries at most and never waits: LOOK_WAIT says that look->fd has to
 * become readable first. What a queue holds comes in no order. Messages come and go during
 * a look; one that moves from queue to queue may be seen twice or not at all, as mailq sees
 * it. Memory does not depend on what the queue holds.
 *
 * A message that cannot be read or understood is passed over and counted. Where none can be
 * read for want of rights, the look fails.
 */
#ifndef MAILVANE_QUEUE_LOOK_H
#define MAILVANE_QUEUE_LOOK_H

#include "mailvane/base/error.h"
#include "mailvane/queue/entry.h"

#define LOOK_QUEUES_MAX 8
/* For the caller, who has the clock: whoever drips never ends. */
#define LOOK_MAX_SECONDS 3600

enum look_step {
    LOOK_MESSAGE,   /* look->message */
    LOOK_RECIPIENT, /* look->recipient, of the last message */
    LOOK_NOTHING,   /* a step without a result */
    LOOK_WAIT,      /* for look->fd */
    LOOK_END,
    LOOK_FAILED, /* the error says why; what was told until now is not the queue */
};

struct queue_reader;

struct look {
    const struct queue_reader *reader;
    char *spool;
    struct queue_message message;
    struct queue_recipient recipient;
    int fd;              /* -1: there is nothing to wait for */
    bool counts_only;    /* this look finds messages, but no recipients, sizes and times */
    uint64_t messages;   /* that it has told */
    uint64_t unreadable; /* messages of which it could not tell all */
    uint64_t denied;     /* of those the ones that it may not read */
    struct error note;   /* why there are only counts, or why the first one is unreadable */
    void *state;
};

/* By the MTA's name; NULL for one that is not known. */
const struct queue_reader *queue_reader_named(const char *mta);
/* The queues that it always has, NULL behind the last: an empty one is told as 0. */
const char *const *queue_reader_queues(const struct queue_reader *reader);

/* Whether it reads files of the spool, rather than their names and a socket. */
bool queue_reader_reads(const struct queue_reader *reader);

struct look *look_new(const struct queue_reader *reader, const char *spool);
void look_free(struct look *look);

/* -1 where there is nothing to read; look_end is not needed then. */
int look_begin(struct look *look, struct error *err);
enum look_step look_next(struct look *look, struct error *err);
/* How long the last message has waited at that time, in seconds; 0 where that is not known. */
int64_t look_age(const struct look *look, int64_t wall);
/* Whether an attempt at the last recipient has failed already. */
bool look_put_off(const struct look *look);
/* Why a look is given up whose MTA says nothing, or that does not end; -1. */
int look_silent(const struct look *look, long seconds, struct error *err);
int look_overdue(const struct look *look, long seconds, struct error *err);
/* Gives up what the look has open, complete or not. The caller has forgotten look->fd. */
void look_end(struct look *look);

#endif
