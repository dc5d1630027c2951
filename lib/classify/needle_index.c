#include "needle_index.h"

#include <limits.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

#define SLOTS_LOG2  14
#define PAIRS_LOG2  10
#define GRAM        3 /* bytes that a needle is found by, unless it is shorter */
#define ENTRIES_MAX UINT16_MAX
/* No two needles that begin at one place are of the same length and the same edges, of four. */
#define FOUND_MAX (NEEDLE_TEXT_MAX * NEEDLE_MAX * 4 + 1)

struct entry {
    struct needle needle;
    uint8_t offset; /* of the bytes that it is found by */
    uint16_t next;  /* of the same slot; 0: none */
    uint16_t uses;  /* the first of its bits; 0: none */
    uint16_t found; /* where the look found it last; 0: nowhere */
    uint32_t look;  /* the last that found it */
};

/* A place where a needle was found. */
struct found {
    uint16_t at;
    uint16_t next; /* of the same needle; 0: none */
};

struct use {
    uint16_t bit;
    uint16_t next;
};

struct needle_index {
    bool ready;                      /* for looks, and for no further needles */
    uint16_t slots[1 << SLOTS_LOG2]; /* by three bytes; until it is ready, by the whole needle */
    uint16_t pairs[1 << PAIRS_LOG2]; /* by two */
    uint16_t bytes[UCHAR_MAX + 1];   /* by one */
    struct entry *entries;           /* from 1 on */
    struct use *uses;                /* from 1 on */
    uint32_t entry_count, entry_room;
    uint32_t use_count, use_room;
    uint32_t look;                 /* number of the last one */
    struct found found[FOUND_MAX]; /* by it; from 1 on */
    uint32_t found_count;
};

struct needle_index *needle_index_new(void)
{
    struct needle_index *index = must_calloc(1, sizeof(*index));
    index->entry_count = index->use_count = 1;
    return index;
}

void needle_index_free(struct needle_index *index)
{
    if (!index)
        return;
    free(index->entries);
    free(index->uses);
    free(index);
}

static uint32_t slot_of(const char *p)
{
    uint32_t gram = (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
                    (uint32_t)(unsigned char)p[2] << 16;
    return (gram * UINT32_C(0x9e3779b1)) >> (32 - SLOTS_LOG2);
}

static uint32_t pair_of(const char *p)
{
    uint32_t pair = (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8;
    return (pair * UINT32_C(0x9e3779b1)) >> (32 - PAIRS_LOG2);
}

static bool is_same(const struct needle *a, const struct needle *b)
{
    return a->len == b->len && a->edges == b->edges && memcmp(a->text, b->text, a->len) == 0;
}

uint16_t needle_index_add(struct needle_index *index, const struct needle *needle)
{
    uint64_t hash = hash_slice(slice_of(needle->text, needle->len), needle->edges);
    uint16_t *slot = &index->slots[hash % (1 << SLOTS_LOG2)];
    bug_if(index->ready);
    for (uint16_t at = *slot; at; at = index->entries[at].next) {
        if (is_same(&index->entries[at].needle, needle))
            return at;
    }
    if (index->entry_count == ENTRIES_MAX)
        return 0;
    index->entries =
        must_grow(index->entries, index->entry_count, &index->entry_room, sizeof(*index->entries));
    index->entries[index->entry_count] = (struct entry){.needle = *needle, .next = *slot};
    *slot = (uint16_t)index->entry_count++;
    return *slot;
}

/* The three bytes that the fewest needles have: those say most, and are rare in replies, too. */
static unsigned best_offset(const struct needle *needle, const uint16_t *counts)
{
    unsigned best = 0;
    for (unsigned i = 1; i + GRAM <= needle->len; i++) {
        if (counts[slot_of(needle->text + i)] < counts[slot_of(needle->text + best)])
            best = i;
    }
    return best;
}

static void count_grams(const struct needle_index *index, uint16_t *counts)
{
    for (uint32_t entry = 1; entry < index->entry_count; entry++) {
        const struct needle *needle = &index->entries[entry].needle;
        for (unsigned i = 0; i + GRAM <= needle->len; i++) {
            uint16_t *count = &counts[slot_of(needle->text + i)];
            *count += *count < UINT16_MAX;
        }
    }
}

static uint16_t *slot_for(struct needle_index *index, const struct entry *entry)
{
    const struct needle *needle = &entry->needle;
    switch (needle->len) {
    case 1:
        return &index->bytes[(unsigned char)needle->text[0]];
    case 2:
        return &index->pairs[pair_of(needle->text)];
    default:
        return &index->slots[slot_of(needle->text + entry->offset)];
    }
}

static void make_ready(struct needle_index *index)
{
    uint16_t *counts = must_calloc(1 << SLOTS_LOG2, sizeof(*counts));
    count_grams(index, counts);
    memset(index->slots, 0, sizeof(index->slots));
    for (uint32_t i = 1; i < index->entry_count; i++) {
        struct entry *entry = &index->entries[i];
        entry->offset = entry->needle.len < GRAM ? 0 : (uint8_t)best_offset(&entry->needle, counts);
        uint16_t *slot = slot_for(index, entry);
        entry->next = *slot;
        *slot = (uint16_t)i;
    }
    index->ready = true;
    free(counts);
}

bool needle_index_watch(struct needle_index *index, uint16_t needle, unsigned bit)
{
    struct entry *entry = &index->entries[needle];
    if (index->use_count == ENTRIES_MAX)
        return false;
    index->uses = must_grow(index->uses, index->use_count, &index->use_room, sizeof(*index->uses));
    index->uses[index->use_count] = (struct use){.bit = (uint16_t)bit, .next = entry->uses};
    entry->uses = (uint16_t)index->use_count++;
    return true;
}

static bool stands_at(const struct entry *entry, struct slice text, size_t at)
{
    return entry->offset <= at && needle_stands_at(&entry->needle, text, at - entry->offset);
}

static void found_at(struct needle_index *index, struct entry *entry, size_t at, uint64_t *bits)
{
    bool first = entry->look != index->look;
    uint16_t number = (uint16_t)index->found_count++;
    index->found[number] = (struct found){(uint16_t)at, first ? 0 : entry->found};
    entry->found = number;
    entry->look = index->look;
    for (unsigned use = first ? entry->uses : 0; use; use = index->uses[use].next)
        bits[index->uses[use].bit / 64] |= UINT64_C(1) << index->uses[use].bit % 64;
}

/* Of all needles of a slot, those that stand where their bytes stand at `at`. */
static void try_slot(struct needle_index *index, unsigned slot, struct slice text, size_t at,
                     uint64_t *bits)
{
    for (unsigned next = slot; next; next = index->entries[next].next) {
        struct entry *entry = &index->entries[next];
        if (stands_at(entry, text, at))
            found_at(index, entry, at - entry->offset, bits);
    }
}

/* When the numbers begin anew, what was found under the old ones must not be taken for new. */
static void number_look(struct needle_index *index)
{
    if (++index->look != 0)
        return;
    for (uint32_t i = 1; i < index->entry_count; i++)
        index->entries[i].look = 0;
    index->look = 1;
}

void needle_index_look(struct needle_index *index, struct slice text, uint64_t *bits)
{
    bug_if(text.len > NEEDLE_TEXT_MAX);
    if (!index->ready)
        make_ready(index);
    number_look(index);
    index->found_count = 1;
    for (size_t i = 0; i < text.len; i++) {
        try_slot(index, index->bytes[(unsigned char)text.ptr[i]], text, i, bits);
        if (i + 2 <= text.len)
            try_slot(index, index->pairs[pair_of(text.ptr + i)], text, i, bits);
        if (i + GRAM <= text.len)
            try_slot(index, index->slots[slot_of(text.ptr + i)], text, i, bits);
    }
}

bool needle_index_next(const struct needle_index *index, uint16_t needle, uint16_t *found,
                       size_t *at)
{
    const struct entry *entry = &index->entries[needle];
    if (*found)
        *found = index->found[*found].next;
    else if (entry->look == index->look)
        *found = entry->found;
    *at = index->found[*found].at;
    return *found != 0;
}
