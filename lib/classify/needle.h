/*
 * Texts that a pattern cannot match without: what is looked for before a regular
 * expression is run at all.
 *
 * A pattern of PCRE2 is taken apart at the bars of its top level, and each alternative is
 * read only as far as literals go. Where one may match without any text that is long
 * enough, it has no clauses and must always be tried; so what is not understood costs time
 * and never a match.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_H
#define MAILVANE_CLASSIFY_NEEDLE_H

#include "mailvane/base/slice.h"

#define NEEDLE_MIN  2 /* bytes: a shorter text is in every reply */
#define NEEDLE_MAX  24
#define NEEDLES_MAX 300 /* of one alternative */
#define CLAUSES_MAX 6   /* of one alternative: further ones are not asked for */

#define DISTANCE_ANY UINT16_MAX

/* How many bytes may lie between two places. */
struct distance {
    uint16_t least;
    uint16_t most; /* DISTANCE_ANY: as many as there are */
};

struct needle {
    struct distance distance; /* from where a match begins to where the needle begins */
    uint8_t len;
    char text[NEEDLE_MAX]; /* lower case */
};

/* Of these, one must be there. */
struct clause {
    uint16_t first; /* in the alternative's list */
    uint16_t count;
};

struct alternative {
    struct slice source;
    /* A text that it matches holds, in lower case, a needle of each clause, in this order. */
    unsigned clause_count; /* 0: always try */
    struct clause clauses[CLAUSES_MAX];
    unsigned lead; /* the clause that is the hardest to meet */
    unsigned needle_count;
    struct needle list[NEEDLES_MAX];
};

/*
 * Takes the first alternative off the pattern; behind the last one, pattern->ptr is NULL.
 * False where the pattern is not understood: it is one that must always be tried.
 */
bool alternative_take(struct slice *pattern, struct alternative *out);

#endif
