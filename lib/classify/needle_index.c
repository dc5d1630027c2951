#include "needle_index.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

#define SLOTS_LOG2  12
#define ENTRIES_MAX UINT16_MAX

struct entry {
    struct needle needle;
    uint8_t offset; /* of the three bytes that it is found by */
    uint16_t next;  /* of the same slot; 0: none */
    uint16_t uses;  /* the first of its rules; 0: none */
};

struct use {
    uint16_t rule;
    uint16_t next;
};

struct needle_index {
    uint16_t slots[1 << SLOTS_LOG2];
    struct entry *entries; /* from 1 on */
    struct use *uses;      /* from 1 on */
    uint32_t entry_count, entry_room;
    uint32_t use_count, use_room;
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
    for (unsigned i = 0; i + NEEDLE_MIN <= needle->len; i++) {
        const char *p = needle->text + i;
        unsigned sum = commonness_of(p[0]) + commonness_of(p[1]) + commonness_of(p[2]);
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return best;
}

static void *grown(void *list, uint32_t count, uint32_t *room, size_t size)
{
    if (list && count < *room)
        return list;
    *room = *room ? *room * 2 : 1024;
    return must_realloc(list, *room * size);
}

/* The entry of a needle, made if it is new. */
static struct entry *entry_of(struct needle_index *index, const struct needle *needle)
{
    unsigned offset = best_offset(needle);
    uint16_t *slot = &index->slots[slot_of(needle->text + offset)];
    for (unsigned at = *slot; at; at = index->entries[at].next) {
        const struct needle *known = &index->entries[at].needle;
        if (known->len == needle->len && memcmp(known->text, needle->text, needle->len) == 0)
            return &index->entries[at];
    }
    index->entries =
        grown(index->entries, index->entry_count, &index->entry_room, sizeof(*index->entries));
    struct entry *entry = &index->entries[index->entry_count];
    *entry = (struct entry){.needle = *needle, .offset = (uint8_t)offset, .next = *slot};
    *slot = (uint16_t)index->entry_count++;
    return entry;
}

bool needle_index_add(struct needle_index *index, const struct needles *needles, unsigned rule)
{
    if (index->entry_count + needles->count >= ENTRIES_MAX ||
        index->use_count + needles->count >= ENTRIES_MAX)
        return false;
    for (unsigned i = 0; i < needles->count; i++) {
        struct entry *entry = entry_of(index, &needles->list[i]);
        index->uses = grown(index->uses, index->use_count, &index->use_room, sizeof(*index->uses));
        index->uses[index->use_count] = (struct use){.rule = (uint16_t)rule, .next = entry->uses};
        entry->uses = (uint16_t)index->use_count++;
    }
    return true;
}

static bool stands_at(const struct entry *entry, struct slice text, size_t at)
{
    const struct needle *needle = &entry->needle;
    return entry->offset <= at && at - entry->offset + needle->len <= text.len &&
           bytes_equal(text.ptr + at - entry->offset, needle->text, needle->len);
}

void needle_index_find(const struct needle_index *index, struct slice text, uint64_t *rules)
{
    for (size_t i = 0; i + NEEDLE_MIN <= text.len; i++) {
        for (unsigned at = index->slots[slot_of(text.ptr + i)]; at; at = index->entries[at].next) {
            const struct entry *entry = &index->entries[at];
            if (!stands_at(entry, text, i))
                continue;
            for (unsigned use = entry->uses; use; use = index->uses[use].next)
                rules[index->uses[use].rule / 64] |= UINT64_C(1) << index->uses[use].rule % 64;
        }
    }
}
