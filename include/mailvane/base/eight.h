/*
 * Sets of eight remembered things, told apart by tags of their seeded hashes: the tags lie side
 * by side, so that one step looks at all of them.
 */
#ifndef MAILVANE_BASE_EIGHT_H
#define MAILVANE_BASE_EIGHT_H

#include "mailvane/base/scan.h"

#define EIGHT 8

/* The upper half of a hash tells the entries of a set apart; 0 is kept for free ones. */
static inline uint32_t eight_tag(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    return tag ? tag : 1;
}

/*
 * Makes the tag the first, and moves those before it one on; where it was not there the last
 * one gives way. Returns how many were moved, so that what belongs to them can be moved, too.
 */
static inline unsigned eight_to_front(uint32_t tags[EIGHT], uint32_t tag)
{
    unsigned at = scan_eight(tags, tag);
    unsigned moved = at < EIGHT ? at : EIGHT - 1;
    memmove(tags + 1, tags, moved * sizeof(*tags));
    tags[0] = tag;
    return moved;
}

#endif
