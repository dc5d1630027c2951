/*
 * The values of one label, as small numbers.
 *
 * Number 0 is "" (the label is absent), 1 is "other"; the rest are given out in
 * the order of arrival. A dictionary is bounded: once it is full, every new value
 * is "other" and stays it. Nothing is allocated after dict_init.
 */
#ifndef MAILVANE_METRIC_DICT_H
#define MAILVANE_METRIC_DICT_H

#include "mailvane/base/slice.h"

#define DICT_EMPTY     0
#define DICT_OTHER     1
#define DICT_VALUE_MAX 255 /* bytes; a longer value is cut */

struct dict_value {
    uint8_t len;
    char text[DICT_VALUE_MAX];
};

/* The tag tells nearly all values apart without a look at them. */
struct dict_place {
    uint16_t number; /* + 1; 0: free */
    uint16_t tag;    /* of the value's hash */
};

struct dict {
    uint64_t seed;
    uint32_t limit; /* values at most, "" and "other" included */
    uint32_t count; /* numbers given out so far; free ones (dict_remove) among them */
    uint32_t mask;
    uint32_t free_count;
    uint16_t *free;            /* numbers that were removed */
    struct dict_place *index;  /* open addressing */
    struct dict_value *values; /* by number */
    uint64_t *hashes;          /* likewise */
};

/* limit from 2 to 65000. */
void dict_init(struct dict *dict, uint32_t limit, uint64_t seed);
void dict_release(struct dict *dict);

/* The number of a value, DICT_OTHER where there is no room for it. */
uint16_t dict_intern(struct dict *dict, struct slice value);

/* The same, but says "no room" with 0, so that the caller can make some. */
uint16_t dict_try(struct dict *dict, struct slice value);
/* The same in three steps, so that memory is fetched while something else is done. */
uint64_t dict_hash(const struct dict *dict, struct slice value);
/* The number that it probably is, of which the value is being fetched into the cache. */
uint16_t dict_expect(const struct dict *dict, uint64_t hash);
uint16_t dict_try_hashed(struct dict *dict, struct slice value, uint64_t hash);
/* Frees a number; what holds it must have been dealt with before. */
void dict_remove(struct dict *dict, uint16_t number);

static inline struct slice dict_text(const struct dict *dict, uint16_t number)
{
    return slice_of(dict->values[number].text, dict->values[number].len);
}

#endif
