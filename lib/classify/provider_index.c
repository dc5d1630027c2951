#include "provider_index.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

#define FIRST_ROWS 64
#define FIRST_KEYS 4096

void provider_index_init(struct provider_index *index, uint64_t seed)
{
    *index = (struct provider_index){.seed = seed};
}

void provider_index_release(struct provider_index *index)
{
    free(index->rows);
    free(index->keys);
    free(index->slots);
    *index = (struct provider_index){0};
}

static struct slice row_key(const struct provider_index *index,
                            const struct provider_index_row *row)
{
    return slice_of(index->keys + row->key, row->len);
}

/* Where the key stands, or the free slot where it would. */
static size_t slot_of(const struct provider_index *index, enum provider_key kind, uint64_t hash,
                      struct slice key)
{
    size_t mask = index->slots_len - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        if (index->slots[at] == 0)
            return at;
        const struct provider_index_row *row = &index->rows[index->slots[at] - 1];
        if (row->hash == hash && row->kind == kind && slice_eq(row_key(index, row), key))
            return at;
    }
}

const struct provider_index_row *provider_index_find(const struct provider_index *index,
                                                     enum provider_key kind, struct slice key)
{
    if (index->count == 0 || key.len > index->longest)
        return NULL;
    uint64_t hash = hash_slice(key, index->seed + kind);
    uint32_t row = index->slots[slot_of(index, kind, hash, key)];
    return row ? &index->rows[row - 1] : NULL;
}

static void put_in_slot(struct provider_index *index, size_t number)
{
    const struct provider_index_row *row = &index->rows[number];
    size_t at = slot_of(index, row->kind, row->hash, row_key(index, row));
    index->slots[at] = (uint32_t)number + 1;
}

/* In the order the rows came, so that of two with one key the last is found. */
static void fill_slots(struct provider_index *index)
{
    memset(index->slots, 0, index->slots_len * sizeof(*index->slots));
    for (size_t i = 0; i < index->count; i++)
        put_in_slot(index, i);
}

/* Room for one more row; half of the slots stay free, so that a search is short. */
static void grow_rows(struct provider_index *index)
{
    if (index->count < index->rows_cap)
        return;
    index->rows_cap = index->rows_cap ? index->rows_cap * 2 : FIRST_ROWS;
    index->rows = must_realloc(index->rows, index->rows_cap * sizeof(*index->rows));
    index->slots_len = index->rows_cap * 2;
    index->slots = must_realloc(index->slots, index->slots_len * sizeof(*index->slots));
    fill_slots(index);
}

static uint32_t keep_key(struct provider_index *index, struct slice key)
{
    if (index->keys_cap - index->keys_len < key.len) {
        index->keys_cap = index->keys_cap ? index->keys_cap * 2 : FIRST_KEYS;
        index->keys = must_realloc(index->keys, index->keys_cap);
    }
    uint32_t at = (uint32_t)index->keys_len;
    for (size_t i = 0; i < key.len; i++)
        index->keys[at + i] = byte_lower(key.ptr[i]);
    index->keys_len += key.len;
    return at;
}

void provider_index_add(struct provider_index *index, enum provider_key kind, struct slice key,
                        unsigned name)
{
    bug_if(key.len == 0 || key.len > UINT8_MAX);
    grow_rows(index);
    struct provider_index_row *row = &index->rows[index->count];
    *row = (struct provider_index_row){
        .key = keep_key(index, key),
        .name = (uint16_t)name,
        .len = (uint8_t)key.len,
        .kind = (uint8_t)kind,
    };
    row->hash = hash_slice(row_key(index, row), index->seed + kind);
    index->longest = key.len > index->longest ? key.len : index->longest;
    put_in_slot(index, index->count++);
}

void provider_index_rewind(struct provider_index *index, size_t count)
{
    if (count == index->count)
        return;
    bug_if(count > index->count);
    index->keys_len = index->rows[count].key;
    index->count = count;
    fill_slots(index);
}
