/*
 * Many needles looked for in one pass over a text: which of them does it hold, and where?
 *
 * Each needle is found by three of its bytes, those that the fewest others have, or by all of
 * two or one, and then compared. A needle that is added twice is kept once.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_INDEX_H
#define MAILVANE_CLASSIFY_NEEDLE_INDEX_H

#include "needle.h"

#define NEEDLE_TEXT_MAX 383 /* bytes of a text */

struct needle_index;

struct needle_index *needle_index_new(void);
void needle_index_free(struct needle_index *index);

/* The needle's number, from 1 on; 0 where the index is full. Not behind the first look. */
uint16_t needle_index_add(struct needle_index *index, const struct needle *needle);
/* A bit to be set where the needle is found; false where the index is full. */
bool needle_index_watch(struct needle_index *index, uint16_t needle, unsigned bit);

/* Looks the text, of at most NEEDLE_TEXT_MAX bytes, through; sets the bits of the needles in it. */
void needle_index_look(struct needle_index *index, struct slice text, uint64_t *bits);

/*
 * Where the needle begins in the text that was looked through last: one place after another,
 * in no order. *found is 0 before the first; false behind the last.
 */
bool needle_index_next(const struct needle_index *index, uint16_t needle, uint16_t *found,
                       size_t *at);

#endif
