#include "needle_index.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

#define SLOTS_LOG2  14
#define PAIRS_LOG2  10
#define GRAM        3 /* bytes that a needle is found by, unless it is as short as two */
#define ENTRIES_MAX UINT16_MAX
/* No two needles that begin at one place are of the same length. */
#define FOUND_MAX (NEEDLE_TEXT_MAX * (NEEDLE_MAX - NEEDLE_MIN + 1) + 1)

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
    uint16_t slots[1 << SLOTS_LOG2]; /* by three bytes */
    uint16_t pairs[1 << PAIRS_LOG2]; /* by two */
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

/* How common a byte is in replies: letters by their frequency in English, the blank most. */
static const uint8_t commonness[256] = {
    ['z'] = 1,  ['q'] = 2,  ['j'] = 3,  ['x'] = 4,  ['k'] = 5,  ['v'] = 6,  ['b'] = 7,
    ['y'] = 8,  ['w'] = 9,  ['g'] = 10, ['p'] = 11, ['f'] = 12, ['m'] = 13, ['u'] = 14,
    ['c'] = 15, ['l'] = 16, ['d'] = 17, ['h'] = 18, ['r'] = 19, ['s'] = 20, ['n'] = 21,
    ['i'] = 22, ['o'] = 23, ['a'] = 24, ['t'] = 25, ['e'] = 26, [' '] = 27,
};

static unsigned commonness_of(char c)
{
    return commonness[(unsigned char)c];
}

/* The rarest three bytes: those that say most. */
static unsigned best_offset(const struct needle *needle)
{
    unsigned best = 0, least = UINT32_MAX;
    for (unsigned i = 0; i + GRAM <= needle->len; i++) {
        const char *p = needle->text + i;
        unsigned sum = commonness_of(p[0]) + commonness_of(p[1]) + commonness_of(p[2]);
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return best;
}

uint16_t needle_index_add(struct needle_index *index, const struct needle *needle)
{
    unsigned offset = best_offset(needle);
    uint16_t *slot = needle->len < GRAM ? &index->pairs[pair_of(needle->text)]
                                        : &index->slots[slot_of(needle->text + offset)];
    for (uint16_t at = *slot; at; at = index->entries[at].next) {
        const struct needle *known = &index->entries[at].needle;
        if (known->len == needle->len && memcmp(known->text, needle->text, needle->len) == 0)
            return at;
    }
    if (index->entry_count == ENTRIES_MAX)
        return 0;
    index->entries =
        must_grow(index->entries, index->entry_count, &index->entry_room, sizeof(*index->entries));
    struct entry *entry = &index->entries[index->entry_count];
    *entry = (struct entry){.needle = *needle, .offset = (uint8_t)offset, .next = *slot};
    *slot = (uint16_t)index->entry_count++;
    return *slot;
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
    const struct needle *needle = &entry->needle;
    return entry->offset <= at && at - entry->offset + needle->len <= text.len &&
           bytes_equal(text.ptr + at - entry->offset, needle->text, needle->len);
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
    number_look(index);
    index->found_count = 1;
    for (size_t i = 0; i + NEEDLE_MIN <= text.len; i++) {
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
