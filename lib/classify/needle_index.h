/*
 * Many needles looked for in one pass over a text: which rules' needles does it hold?
 *
 * Each needle is found by three of its bytes, the rarest ones, and then compared. A needle
 * that many rules share is kept once.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_INDEX_H
#define MAILVANE_CLASSIFY_NEEDLE_INDEX_H

#include "needle.h"

struct needle_index;

struct needle_index *needle_index_new(void);
void needle_index_free(struct needle_index *index);

/* False where the index is full: the rule must then be tried always. */
bool needle_index_add(struct needle_index *index, const struct needles *needles, unsigned rule);

/* Sets the bit of each rule of which a needle stands in the text. */
void needle_index_find(const struct needle_index *index, struct slice text, uint64_t *rules);

#endif
