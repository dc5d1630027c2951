/*
 * Who has got a message already: a set of strings that is forgotten with each message. Only
 * hashes are kept, seeded, so that two strings that look alike to it are a matter of luck and
 * of nobody's choice: less than one in 2^31 each time one is asked for.
 */
#ifndef QUEUE_SEEN_H
#define QUEUE_SEEN_H

#include <stdint.h>

#include "mailvane/base/slice.h"

#define SEEN_MAX   65536
#define SEEN_SLOTS (2 * SEEN_MAX)

struct seen {
    uint64_t seed;
    uint32_t round; /* what a slot of another one holds is forgotten */
    uint32_t count;
    uint64_t slots[SEEN_SLOTS]; /* the round, and half of a hash */
};

/* Into zeroed storage. */
void seen_init(struct seen *seen);
void seen_reset(struct seen *seen);
/* False where there is no room. */
bool seen_add(struct seen *seen, struct slice text);
bool seen_has(const struct seen *seen, struct slice text);

#endif
