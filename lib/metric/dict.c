#include "mailvane/metric/dict.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

#define DICT_LIMIT_MAX 65000

/* A power of two of at least twice the limit: probes stay short. */
static uint32_t index_size(uint32_t limit)
{
    uint32_t size = 16;
    while (size < limit * 2)
        size *= 2;
    return size;
}

void dict_init(struct dict *dict, uint32_t limit, uint64_t seed)
{
    bug_if(limit < 2 || limit > DICT_LIMIT_MAX);
    *dict = (struct dict){.seed = seed, .limit = limit, .mask = index_size(limit) - 1};
    dict->index = must_calloc(dict->mask + 1, sizeof(*dict->index));
    dict->values = lines_calloc(limit, sizeof(*dict->values));
    dict->hashes = must_calloc(limit, sizeof(*dict->hashes));
    dict->free = must_calloc(limit, sizeof(*dict->free));
    bug_if(dict_try(dict, SLICE_NONE) != DICT_EMPTY);
    bug_if(dict_intern(dict, SLICE("other")) != DICT_OTHER);
}

void dict_release(struct dict *dict)
{
    free(dict->index);
    lines_free(dict->values);
    free(dict->hashes);
    free(dict->free);
    *dict = (struct dict){0};
}

static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 48);
}

/* Where the value stands in the index, or the free place where it would. */
static uint32_t probe(const struct dict *dict, struct slice value, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & dict->mask;
    for (; dict->index[at].number; at = (at + 1) & dict->mask) {
        if (dict->index[at].tag != tag_of(hash))
            continue;
        const struct dict_value *known = &dict->values[dict->index[at].number - 1];
        if (slice_eq(value, slice_of(known->text, known->len)))
            break;
    }
    return at;
}

/* A number that nobody has; false where all are given out. */
static bool take_number(struct dict *dict, uint16_t *number)
{
    if (dict->free_count)
        *number = dict->free[--dict->free_count];
    else if (dict->count < dict->limit)
        *number = (uint16_t)dict->count++;
    else
        return false;
    return true;
}

static struct slice cut_value(struct slice value)
{
    return slice_head(value, DICT_VALUE_MAX);
}

uint64_t dict_hash(const struct dict *dict, struct slice value)
{
    return hash_slice(cut_value(value), dict->seed);
}

uint16_t dict_expect(const struct dict *dict, uint64_t hash)
{
    uint16_t at = dict->index[(uint32_t)hash & dict->mask].number;
    uint16_t number = at ? (uint16_t)(at - 1) : 0;
    __builtin_prefetch(&dict->values[number]);
    return number;
}

uint16_t dict_try(struct dict *dict, struct slice value)
{
    return dict_try_hashed(dict, value, dict_hash(dict, value));
}

uint16_t dict_try_hashed(struct dict *dict, struct slice value, uint64_t hash)
{
    value = cut_value(value);
    uint32_t at = probe(dict, value, hash);
    if (dict->index[at].number)
        return (uint16_t)(dict->index[at].number - 1);
    uint16_t number;
    if (!take_number(dict, &number))
        return 0;
    struct dict_value *known = &dict->values[number];
    dict->hashes[number] = hash;
    known->len = (uint8_t)value.len;
    memcpy(known->text, value.ptr ? value.ptr : "", value.len);
    dict->index[at] = (struct dict_place){.number = (uint16_t)(number + 1), .tag = tag_of(hash)};
    return number;
}

uint16_t dict_intern(struct dict *dict, struct slice value)
{
    if (value.len == 0)
        return DICT_EMPTY;
    uint16_t number = dict_try(dict, value);
    return number ? number : DICT_OTHER;
}

/* Open addressing without tombstones: what probed past the gap moves into it. */
static void close_gap(struct dict *dict, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & dict->mask; dict->index[at].number; at = (at + 1) & dict->mask) {
        uint32_t home = (uint32_t)dict->hashes[dict->index[at].number - 1] & dict->mask;
        if (((at - home) & dict->mask) < ((at - gap) & dict->mask))
            continue;
        dict->index[gap] = dict->index[at];
        gap = at;
    }
    dict->index[gap] = (struct dict_place){0};
}

void dict_remove(struct dict *dict, uint16_t number)
{
    bug_if(number <= DICT_OTHER || number >= dict->count);
    struct dict_value *known = &dict->values[number];
    uint32_t at = probe(dict, slice_of(known->text, known->len), dict->hashes[number]);
    bug_if(dict->index[at].number != number + 1);
    close_gap(dict, at);
    *known = (struct dict_value){0};
    dict->free[dict->free_count++] = number;
}
