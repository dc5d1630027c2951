/*
 * What must be remembered of a message between its log lines, in bounded memory.
 *
 * An MTA's log names a message by its queue id. Three questions need memory:
 *   - is this a recipient's first attempt, or a retry?
 *   - where was a message bound for that expired (the line does not say)?
 *   - was it in the active queue before?
 *
 * Three tables of fixed size answer them: messages by queue id, recipients that
 * were deferred, and the destinations of deferrals. Queue ids are used again after
 * a message is gone, so recipients hang on a serial number that each message gets
 * anew. When a table is full the oldest of a set gives way: the answer is then
 * ATTEMPT_UNKNOWN, and the format falls back on what the line itself tells.
 *
 * Keys are seeded hashes; nothing personal is kept.
 */
#ifndef MAILVANE_FORMAT_CORRELATE_H
#define MAILVANE_FORMAT_CORRELATE_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/image.h"

#define CORRELATE_MESSAGES     16384 /* live messages; 16 bytes each */
#define CORRELATE_RECIPIENTS   65536 /* deferred recipients; 4 bytes each */
#define CORRELATE_DESTINATIONS 1024  /* distinct (domain, host, origin); 384 bytes each */

struct correlate;

enum attempt { ATTEMPT_FIRST, ATTEMPT_RETRY, ATTEMPT_UNKNOWN };

/* Where a deferred recipient was bound for. Slices given out live until the next call. */
struct destination {
    struct slice domain;
    struct slice host;
    struct slice origin;
    bool local;
    bool connected;
    bool relay_ipv6;
};

struct correlate *correlate_new(uint64_t seed);
void correlate_free(struct correlate *c);

/* To be known again after a restart, by a correlate of the same seed. */
void correlate_save(const struct correlate *c, struct image_writer *out);
void correlate_load(struct correlate *c, struct image_reader *in);

/* This id's message will soon be born: what that takes is fetched into the cache meanwhile. */
void correlate_expect(const struct correlate *c, struct slice queue_id);
/* A new message has this id, whatever had it before. */
void correlate_born(struct correlate *c, struct slice queue_id);
/* The message goes on under another id (a requeue). */
void correlate_renamed(struct correlate *c, struct slice from, struct slice to);
void correlate_gone(struct correlate *c, struct slice queue_id);
/* Whether it came into the active queue before. */
bool correlate_activated(struct correlate *c, struct slice queue_id);

/* Whether an attempt is the first for that recipient. */
enum attempt correlate_attempt(struct correlate *c, struct slice queue_id, struct slice recipient);
/* The recipient will be tried again; remembers where it is bound for. */
void correlate_deferred(struct correlate *c, struct slice queue_id, struct slice recipient,
                        const struct destination *to);
/* The destination of the message's last deferral; false where it is not remembered. */
bool correlate_destination(struct correlate *c, struct slice queue_id, struct destination *out);

#endif
