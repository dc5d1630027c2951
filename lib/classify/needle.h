/*
 * Texts that a pattern cannot match without: what is looked for before a regular
 * expression is run at all.
 *
 * A pattern of PCRE2 is taken apart at the bars of its top level, and each alternative is
 * read only as far as literals go. Where one may match without any text that is long
 * enough, it has no clauses and must always be tried; so what is not understood costs time
 * and never a match.
 *
 * Behind a gap, as in "user.{0,60}(?:unknown|locked|...)", PCRE2 tries each choice of a group at
 * each length of the gap. Such an alternative can be narrowed to one choice after the other,
 * and one that may match is found by the needles of the choice itself.
 */
#ifndef MAILVANE_CLASSIFY_NEEDLE_H
#define MAILVANE_CLASSIFY_NEEDLE_H

#include "mailvane/base/slice.h"

#define NEEDLE_MAX  24  /* bytes; a single one only if it is punctuation */
#define NEEDLES_MAX 300 /* of one alternative */
#define CLAUSES_MAX 6   /* of one alternative: further ones are not asked for */

#define CHOICES_MIN  6     /* of a group that is worth to be narrowed to one of them */
#define NARROWED_MAX 65535 /* bytes of an alternative that is */

#define DISTANCE_ANY UINT16_MAX

/* How many bytes may lie between two places. */
struct distance {
    uint16_t least;
    uint16_t most; /* DISTANCE_ANY: as many as there are */
};

/* Edges of a needle: bits. A word is of letters, digits and underscores: "\bfull\b". */
#define NEEDLE_BEGINS_WORD 1 /* no part of one stands before it */
#define NEEDLE_ENDS_WORD   2 /* nor behind it */

struct needle {
    struct distance distance; /* from where a match begins to where the needle begins */
    uint8_t edges;
    uint8_t len;
    char text[NEEDLE_MAX]; /* lower case */
};

/* Of these, one must be there. */
struct clause {
    uint16_t first; /* in the alternative's list */
    uint16_t count;
};

/* A group behind a gap; count 0: none. */
struct choices {
    unsigned count;
    struct slice group;    /* "(?:...)" */
    bool edge;             /* no part of a word stands before it */
    struct distance at;    /* from where a match begins */
    unsigned clause_count; /* those of what stands before the group */
    unsigned needle_count; /* likewise */
};

struct alternative {
    struct slice source;
    struct choices choices;
    unsigned choice_number; /* of that to which it is narrowed, from 1 on; 0: it is not */
    struct slice choice;    /* likewise; ptr NULL */
    /* A text that it matches holds, in lower case, a needle of each clause, in this order. */
    unsigned clause_count; /* 0: always try */
    struct clause clauses[CLAUSES_MAX];
    unsigned lead; /* the clause that is the hardest to meet */
    unsigned needle_count;
    struct needle list[NEEDLES_MAX];
};

/* Whether the needle, edges and all, stands at a place of the text, which may be any. */
bool needle_stands_at(const struct needle *needle, struct slice text, size_t at);

/*
 * Takes the first alternative off the pattern; behind the last one, pattern->ptr is NULL.
 * False where the pattern is not understood: it is one that must always be tried.
 */
bool alternative_take(struct slice *pattern, struct alternative *out);

/* The pattern in one, of which nothing is understood. */
void alternative_whole(struct slice pattern, struct alternative *out);

/*
 * Narrows it to the first choice, or from one to the next; false where there is none, and it
 * is as it was.
 */
bool alternative_narrow(struct alternative *alternative);

#endif
