/*
 * Seeded hashing. Keys come from strangers, so every table takes a seed drawn at
 * start: nobody can choose keys that collide.
 */
#ifndef MAILVANE_BASE_HASH_H
#define MAILVANE_BASE_HASH_H

#include "mailvane/base/slice.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_slice(struct slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.ptr ? s.ptr : "", s.len, seed);
}

/* A seed from the kernel; one a process is enough. */
uint64_t hash_seed(void);

#endif
