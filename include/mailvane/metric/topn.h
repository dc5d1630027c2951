/*
 * The busiest names, bounded and sticky: which recipient domains have a label
 * value of their own (metrics.md, promise 1).
 *
 * Strangers choose the names, so there may be millions. Four times `limit` names
 * are tracked, each with how often it was seen; when the table is full the less
 * busy half of those that were never shown is let go (lossy counting: Manku and
 * Motwani, 2002), so that a busy name always survives. Those names' counts go to
 * "other" - which nobody can notice, since they were never shown.
 *
 * topn_settle decides at each exposition which names are shown from now on. A
 * shown name keeps its place; it is retired only when all places are taken and it
 * has been silent for TOPN_SILENCE seconds, by the clock of the expositions and not of
 * the log; nobody is older for a clock that is put back. The first half of the places is free
 * for all; of the rest a name gets one if its share of what was seen is at least
 * 1/limit, so that a burst of one-off names cannot take them. The last exposition
 * of a whole file (`final`) has no later to save places for, and fills them all.
 *
 * What becomes of the series of a name is told by marks, for the caller to apply.
 */
#ifndef MAILVANE_METRIC_TOPN_H
#define MAILVANE_METRIC_TOPN_H

#include "mailvane/metric/dict.h"

#define TOPN_LIMIT_MAX 10000
#define TOPN_SILENCE   (7 * 24 * 3600)

/* What to do with the series of a name, and with the name. */
enum topn_mark {
    TOPN_KEEP,
    TOPN_FOLD,  /* series into "other"; the name is still tracked */
    TOPN_EVICT, /* series into "other"; the name goes */
    TOPN_DROP,  /* the series end; the name goes */
};

struct topn_slot {
    uint32_t seen; /* halved at each prune: the recent counts more */
    bool shown;
    bool fresh;   /* seen since the last exposition */
    int64_t last; /* the exposition after it was seen last, seconds */
};

struct topn {
    struct dict dict;
    struct topn_slot *slots; /* by number */
    uint8_t *marks;          /* enum topn_mark, by number */
    uint32_t *order;         /* scratch: numbers, the busiest first */
    uint32_t limit;          /* names shown at most */
    uint32_t shown;
    uint64_t seen; /* by all names; halved with them */
};

/* limit from 1 to TOPN_LIMIT_MAX. */
void topn_init(struct topn *topn, uint32_t limit, uint64_t seed);
void topn_release(struct topn *topn);

/* The hash of a name; what topn_touch() looks at is being fetched into the cache. */
uint64_t topn_expect(const struct topn *topn, struct slice name);

/* Counts a name and gives its number; 0: the table is full, topn_prune is due. */
uint16_t topn_touch(struct topn *topn, struct slice name, uint64_t hash);

/*
 * The same for what is seen without being counted: a name that has a place is not seen more
 * often by it, but has not been silent. 0: there is no room, and none has to be made.
 */
uint16_t topn_offer(struct topn *topn, struct slice name);

/* No further name can be tracked before a prune. */
bool topn_is_full(const struct topn *topn);

/* Takes a name over from another table; its number here, 0 where there is no room. */
uint16_t topn_adopt(struct topn *topn, struct slice name, const struct topn_slot *slot);

/* Marks what is let go to make room (EVICT). The caller applies the marks, then calls topn_forget.
 */
void topn_prune(struct topn *topn);

/* Marks at an exposition: FOLD what is not shown yet, DROP what was retired. */
void topn_settle(struct topn *topn, int64_t now, bool final);

/* Frees the numbers of the names that go, and clears the marks. */
void topn_forget(struct topn *topn);

#endif
