/*
 * Many needles looked for in one pass over a text: which of them does it hold, and where?
 *
 * Each needle is found by three of its bytes, the rarest ones, and then compared. A needle
 * that is added twice is kept once.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_INDEX_H
#define MAILVANE_CLASSIFY_NEEDLE_INDEX_H

#include "needle.h"

struct needle_index;

struct needle_index *needle_index_new(void);
void needle_index_free(struct needle_index *index);

/* The needle's number, from 1 on; 0 where the index is full. */
uint16_t needle_index_add(struct needle_index *index, const struct needle *needle);
/* A bit to be set where the needle is found; false where the index is full. */
bool needle_index_watch(struct needle_index *index, uint16_t needle, unsigned bit);

/* Looks the text, of less than 64 kB, through; sets the bits of the needles that it holds. */
void needle_index_look(struct needle_index *index, struct slice text, uint64_t *bits);

/* In the text that was looked through last. */
struct needle_place {
    uint16_t len;         /* of the needle; 0: it is not there */
    uint16_t first, last; /* where it begins */
};

struct needle_place needle_index_place(const struct needle_index *index, uint16_t needle);

#endif
