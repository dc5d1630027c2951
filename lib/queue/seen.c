#include "seen.h"

#include "mailvane/base/hash.h"

void seen_init(struct seen *seen)
{
    seen->seed = hash_seed();
    seen_reset(seen);
}

void seen_reset(struct seen *seen)
{
    seen->count = 0;
    if (++seen->round != 0)
        return;
    /* The rounds begin anew: what is left of the old ones must not be taken for new. */
    memset(seen->slots, 0, sizeof(seen->slots));
    seen->round = 1;
}

/* The slot that holds the text, or the free one where it would be. */
static size_t find(const struct seen *seen, struct slice text, uint64_t *want)
{
    uint64_t hash = hash_slice(text, seen->seed);
    size_t at = hash % SEEN_SLOTS;
    *want = (uint64_t)seen->round << 32 | hash >> 32;
    while (seen->slots[at] != *want && seen->slots[at] >> 32 == seen->round)
        at = (at + 1) % SEEN_SLOTS;
    return at;
}

bool seen_add(struct seen *seen, struct slice text)
{
    uint64_t want;
    size_t at = find(seen, text, &want);
    if (seen->slots[at] == want)
        return true;
    if (seen->count == SEEN_MAX)
        return false;
    seen->count++;
    seen->slots[at] = want;
    return true;
}

bool seen_has(const struct seen *seen, struct slice text)
{
    uint64_t want;
    if (!seen->count)
        return false;
    return seen->slots[find(seen, text, &want)] == want;
}
