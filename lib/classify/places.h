/*
 * A set of places in a text: where a match may begin.
 */
#ifndef MAILVANE_CLASSIFY_PLACES_H
#define MAILVANE_CLASSIFY_PLACES_H

#include "mailvane/base/slice.h"

#define PLACES_MAX   384 /* places: those before each byte of a text, and its end */
#define PLACES_WORDS (PLACES_MAX / 64)

struct places {
    uint64_t bits[PLACES_WORDS];
};

/* All from `first` to `last`, which are below PLACES_MAX. */
void places_add(struct places *places, size_t first, size_t last);
/* Leaves those that are in the other as well; false: none. */
bool places_keep(struct places *places, const struct places *other);
/* The first of `from` or behind that is in the set; PLACES_MAX: none. */
size_t places_next(const struct places *places, size_t from);
/* The first of `from` or behind that is not in the set. */
size_t places_gap(const struct places *places, size_t from);

#endif
