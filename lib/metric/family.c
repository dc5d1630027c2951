#include "family.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/metric/topn.h"

/* Labels whose values are chosen outside of this house. */
static bool is_foldable(uint8_t label)
{
    return label == LABEL_DOMAIN || label == LABEL_DSN || label == LABEL_SENDING_IP ||
           label == LABEL_PROVIDER || label == LABEL_CODE || label == LABEL_SOURCE ||
           label == LABEL_PROTOCOL || label == LABEL_LIST;
}

void family_init(struct family *f, const struct metric_row *row, uint64_t seed, uint64_t *births)
{
    uint32_t size = 4;
    bug_if(row->series >= UINT16_MAX);
    while (size < row->series * 2)
        size *= 2;
    *f = (struct family){.seed = seed, .limit = row->series, .mask = size - 1, .births = births};
    f->keeping = row->type == GAUGE ? FAMILY_LEVELS : FAMILY_COUNTS;
    f->reserve = row->series > 256 ? 64 : row->series / 4;
    struct buckets buckets = metric_buckets(row->type);
    f->width = buckets.count ? buckets.count + 2 : 1;
    bug_if(f->width > METRIC_VALUES_MAX);
    f->stride = (uint32_t)(sizeof(struct series) + f->width * sizeof(union series_value));
    f->index = must_calloc(size, sizeof(*f->index));
    f->series = lines_calloc(f->limit, f->stride);
    for (unsigned i = 0; i < row->label_count; i++) {
        f->fold.value[i] = is_foldable(row->labels[i]) ? DICT_OTHER : 0;
        f->rest.value[i] = DICT_OTHER;
    }
}

void family_release(struct family *f)
{
    free(f->index);
    lines_free(f->series);
    *f = (struct family){0};
}

/* The numbers in a key are ours, so two multiplications mix them well enough. */
static uint32_t key_hash(const struct family *f, const struct series_key *key)
{
    uint64_t half[2];
    memcpy(half, key, sizeof(half));
    uint64_t hash = (half[0] ^ f->seed) * UINT64_C(0x9e3779b97f4a7c15);
    hash = ((hash ^ hash >> 32) + half[1]) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash >> 32);
}

/* Where the key stands in the index, or the free place where it would. */
static uint32_t probe(const struct family *f, const struct series_key *key)
{
    uint32_t at = key_hash(f, key) & f->mask;
    while (f->index[at] &&
           memcmp(&family_series(f, f->index[at] - 1u)->key, key, sizeof(*key)) != 0)
        at = (at + 1) & f->mask;
    return at;
}

void family_expect(const struct family *f, const struct series_key *key)
{
    uint16_t number = f->index[key_hash(f, key) & f->mask];
    __builtin_prefetch(family_series(f, number ? number - 1u : 0), 1);
}

/* The number of a series, made if fewer than `limit` are there; UINT32_MAX if not. */
static uint32_t find_or_add(struct family *f, const struct series_key *key, uint32_t limit)
{
    uint32_t at = probe(f, key);
    if (f->index[at])
        return f->index[at] - 1u;
    if (f->count >= limit)
        return UINT32_MAX;
    struct series *series = family_series(f, f->count);
    series->key = *key;
    series->born = ++*f->births;
    f->index[at] = (uint16_t)++f->count;
    return f->count - 1;
}

struct series *family_series_at(struct family *f, const struct series_key *key)
{
    uint32_t number = find_or_add(f, key, f->limit - f->reserve);
    struct series_key folded = *key;
    if (number == UINT32_MAX) {
        f->folded++;
        for (unsigned i = 0; i < METRIC_LABELS_MAX; i++)
            folded.value[i] = f->fold.value[i] && folded.value[i] ? DICT_OTHER : folded.value[i];
        number = find_or_add(f, &folded, f->limit - 1);
    }
    /*
     * Not even the reserve is enough: one last series takes the rest, whatever its labels. An
     * image may hold more sets of them than events ever make.
     */
    if (number == UINT32_MAX)
        number = find_or_add(f, &f->rest, f->limit);
    bug_if(number == UINT32_MAX);
    return family_series(f, number);
}

union series_value *family_at(struct family *f, const struct series_key *key)
{
    return family_series_at(f, key)->values;
}

/* Adds a series' values to those of the same labels with `position` folded. */
static void pour(struct family *f, uint32_t number, unsigned position)
{
    struct series_key key = family_series(f, number)->key;
    key.value[position] = DICT_OTHER;
    union series_value *to = family_at(f, &key);
    const union series_value *from = family_series(f, number)->values;
    for (uint32_t i = 0; i < f->width && f->keeping == FAMILY_COUNTS; i++)
        to[i].n += from[i].n;
    if (f->keeping != FAMILY_COUNTS)
        to->x += from->x;
}

/* Whether series with that mark end. */
static bool is_leaving(const struct family *f, uint8_t mark)
{
    return mark != TOPN_KEEP && (mark != TOPN_FOLD || f->keeping != FAMILY_DRAFT);
}

/* Which series are to go: those of one value, or those with a mark. */
struct leaving {
    unsigned position;
    const uint8_t *marks; /* NULL: those of `value` */
    uint16_t value;
};

static bool leaves(const struct family *f, uint32_t number, const struct leaving *who)
{
    uint16_t value = family_series(f, number)->key.value[who->position];
    return who->marks ? is_leaving(f, who->marks[value]) : value == who->value;
}

/* Moves what is kept together and indexes it anew. */
static void compact(struct family *f, const struct leaving *who)
{
    uint32_t kept = 0;
    memset(f->index, 0, ((size_t)f->mask + 1) * sizeof(*f->index));
    for (uint32_t i = 0; i < f->count; i++) {
        if (leaves(f, i, who))
            continue;
        memmove(family_series(f, kept), family_series(f, i), f->stride);
        f->index[probe(f, &family_series(f, kept)->key)] = (uint16_t)(kept + 1);
        kept++;
    }
    memset(family_series(f, kept), 0, (size_t)(f->count - kept) * f->stride);
    f->count = kept;
}

bool family_apply(struct family *f, unsigned position, const uint8_t *marks)
{
    uint32_t before = f->count, marked = 0;
    for (uint32_t i = 0; i < before; i++) {
        uint8_t mark = marks[family_series(f, i)->key.value[position]];
        bool goes = is_leaving(f, mark);
        marked += goes;
        if (goes && (mark != TOPN_DROP || f->keeping != FAMILY_COUNTS))
            pour(f, i, position);
        /* A hidden name that is still tracked is no victim of a limit. */
        f->folded += mark == TOPN_EVICT;
    }
    if (marked)
        compact(f, &(struct leaving){.position = position, .marks = marks});
    return marked;
}

void family_remove(struct family *f, unsigned position, uint16_t value)
{
    compact(f, &(struct leaving){.position = position, .value = value});
}

void family_clear(struct family *f)
{
    memset(f->index, 0, ((size_t)f->mask + 1) * sizeof(*f->index));
    memset(f->series, 0, (size_t)f->count * f->stride);
    f->count = 0;
    f->folded = 0;
}
