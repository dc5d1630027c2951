#include "mailvane/metric/topn.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

/* Names tracked for each one that may be shown. */
#define TRACKED 4

void topn_init(struct topn *topn, uint32_t limit, uint64_t seed)
{
    bug_if(limit < 1 || limit > TOPN_LIMIT_MAX);
    *topn = (struct topn){.limit = limit};
    uint32_t tracked = limit * TRACKED + 2;
    dict_init(&topn->dict, tracked, seed);
    topn->slots = must_calloc(tracked, sizeof(*topn->slots));
    topn->marks = must_calloc(tracked, sizeof(*topn->marks));
    topn->order = must_calloc(tracked, sizeof(*topn->order));
}

void topn_release(struct topn *topn)
{
    dict_release(&topn->dict);
    free(topn->slots);
    free(topn->marks);
    free(topn->order);
    *topn = (struct topn){0};
}

uint64_t topn_expect(const struct topn *topn, struct slice name)
{
    uint64_t hash = dict_hash(&topn->dict, name);
    uint16_t number = dict_expect(&topn->dict, hash);
    __builtin_prefetch(&topn->slots[number], 1);
    return hash;
}

uint16_t topn_touch(struct topn *topn, struct slice name, uint64_t hash)
{
    uint16_t number = dict_try_hashed(&topn->dict, name, hash);
    if (number <= DICT_OTHER)
        return number;
    struct topn_slot *slot = &topn->slots[number];
    slot->seen++;
    topn->seen++;
    slot->fresh = true;
    return number;
}

uint16_t topn_adopt(struct topn *topn, struct slice name, const struct topn_slot *slot)
{
    uint16_t number = dict_try(&topn->dict, name);
    if (number <= DICT_OTHER)
        return number;
    struct topn_slot *own = &topn->slots[number];
    bool shown = slot->shown && !own->shown && topn->shown < topn->limit;
    topn->shown += shown;
    topn->seen += slot->seen;
    own->seen += slot->seen;
    own->shown |= shown;
    own->fresh |= slot->fresh;
    own->last = slot->last > own->last ? slot->last : own->last;
    return number;
}

static int by_seen(const void *a, const void *b, void *arg)
{
    const struct topn_slot *slots = arg;
    uint32_t x = slots[*(const uint32_t *)a].seen, y = slots[*(const uint32_t *)b].seen;
    return (x < y) - (x > y);
}

/* The names that are tracked and not shown, the busiest first; how many they are. */
static uint32_t rank_hidden(struct topn *topn)
{
    uint32_t count = 0;
    for (uint32_t i = DICT_OTHER + 1; i < topn->dict.count; i++) {
        if (!topn->slots[i].shown && topn->dict.values[i].len)
            topn->order[count++] = i;
    }
    qsort_r(topn->order, count, sizeof(*topn->order), by_seen, topn->slots);
    return count;
}

void topn_prune(struct topn *topn)
{
    uint32_t hidden = rank_hidden(topn);
    bug_if(hidden == 0);
    uint32_t median = topn->slots[topn->order[hidden / 2]].seen;
    for (uint32_t i = 0; i < hidden; i++) {
        /* Ties go as well: of names seen once, none is worth more than another. */
        if (i >= hidden / 2 || topn->slots[topn->order[i]].seen <= median)
            topn->marks[topn->order[i]] = TOPN_EVICT;
    }
    for (uint32_t i = 0; i < topn->dict.count; i++)
        topn->slots[i].seen = (topn->slots[i].seen + 1) / 2;
    topn->seen /= 2;
}

/* Clocks may say anything, so nothing is added to what they say. */
static bool is_silent(const struct topn_slot *slot, int64_t now)
{
    return now > slot->last && (uint64_t)now - (uint64_t)slot->last > TOPN_SILENCE;
}

/* Places are scarce and this name has been silent for long. */
static void retire_silent(struct topn *topn, int64_t now)
{
    for (uint32_t i = DICT_OTHER + 1; i < topn->dict.count && topn->shown >= topn->limit; i++) {
        struct topn_slot *slot = &topn->slots[i];
        if (slot->shown && is_silent(slot, now)) {
            slot->shown = false;
            slot->seen = 0;
            topn->marks[i] = TOPN_DROP;
            topn->shown--;
        }
    }
}

static bool deserves_place(const struct topn *topn, const struct topn_slot *slot, bool final)
{
    if (topn->shown >= topn->limit)
        return false;
    return final || topn->shown < topn->limit / 2 ||
           (uint64_t)slot->seen * topn->limit >= topn->seen;
}

/* Seen since the last exposition is seen now, however long ago that was. */
static void note_fresh(struct topn *topn, int64_t now)
{
    for (uint32_t i = DICT_OTHER + 1; i < topn->dict.count; i++) {
        struct topn_slot *slot = &topn->slots[i];
        if (slot->fresh && now > slot->last)
            slot->last = now;
        slot->fresh = false;
    }
}

void topn_settle(struct topn *topn, int64_t now, bool final)
{
    note_fresh(topn, now);
    uint32_t hidden = rank_hidden(topn);
    if (hidden)
        retire_silent(topn, now);
    for (uint32_t i = 0; i < hidden; i++) {
        struct topn_slot *slot = &topn->slots[topn->order[i]];
        slot->shown = deserves_place(topn, slot, final);
        topn->shown += slot->shown;
        slot->last = slot->shown && now > slot->last ? now : slot->last;
        if (!slot->shown)
            topn->marks[topn->order[i]] = TOPN_FOLD;
    }
}

void topn_forget(struct topn *topn)
{
    for (uint32_t i = DICT_OTHER + 1; i < topn->dict.count; i++) {
        if (topn->marks[i] == TOPN_DROP || topn->marks[i] == TOPN_EVICT) {
            dict_remove(&topn->dict, (uint16_t)i);
            topn->slots[i] = (struct topn_slot){0};
        }
        topn->marks[i] = TOPN_KEEP;
    }
}
