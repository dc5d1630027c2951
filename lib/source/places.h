/*
 * What is watched and for whom.
 *
 * Everything watched is found by its wd in a hash table, so an event costs the
 * same however many files there are, and it only marks something dirty. A place
 * is a directory; an interest is one name in it, or any name, with the count of
 * changes when the interest was taken. Who holds interests asks later whether
 * they are stale: the answer is also yes for a change that came while it was
 * still looking, which makes a consistent look possible (settle.c).
 */
#ifndef SOURCE_PLACES_H
#define SOURCE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"
#include "mailvane/base/watch.h"

/* Interests in one set: a glob over directories holds one a directory. */
#define INTERESTS_MAX 1024

/* Anything with a wd; embedded at the start of its owner. */
struct watched {
    int wd; /* -1: not watched */
    void (*notify)(struct watched *watched, uint32_t mask, const char *name);
    UT_hash_handle hh;
};

struct places {
    struct watch watch;
    struct watched *table;
    const struct logger *log;
    bool changed; /* some interest may be stale; the owner clears it */
    bool refused; /* the kernel refused a watch; said once */
    uint64_t overflows;
};

struct spot; /* one name in a directory */

struct interest {
    struct spot *spot;
    uint32_t changes; /* of the spot, when the interest was taken */
};

struct interests {
    struct interest *items;
    size_t count;
};

int places_init(struct places *places, const struct logger *log, struct error *err);
void places_release(struct places *places);

/* Takes in all events there are. */
void places_drain(struct places *places);
/* As if everything had changed. */
void places_shake(struct places *places);

/* Watches an open file for new data. */
void places_watch(struct places *places, struct watched *watched, int fd);
void places_forget(struct places *places, struct watched *watched);

/* Where the directory cannot be watched, there is no interest: the owner's slow look remains. */
void interests_add(struct interests *set, struct places *places, const char *dir, const char *name);
bool interests_stale(const struct interests *set);
void interests_release(struct interests *set, struct places *places);

#endif
