/*
 * Texts that a pattern cannot match without: what is looked for before a regular
 * expression is run at all.
 *
 * A pattern of PCRE2 is read only as far as literals go. Where it may match without any
 * text that is long enough, it has no needles and must always be tried; so what is not
 * understood costs time and never a match.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_H
#define MAILVANE_CLASSIFY_NEEDLE_H

#include "mailvane/base/slice.h"

#define NEEDLE_MIN  3 /* bytes: a shorter text is in every reply */
#define NEEDLE_MAX  24
#define NEEDLES_MAX 300 /* alternatives of one pattern */

struct needle {
    uint8_t len;
    char text[NEEDLE_MAX]; /* lower case */
};

struct needles {
    unsigned count; /* 0: none, always try */
    struct needle list[NEEDLES_MAX];
};

/* Every text that the pattern matches holds one of the needles, in lower case. */
void needles_of(struct slice pattern, struct needles *out);

#endif
