#include "rotation.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/slice.h"

static const char *const compressed_endings[] = {".gz",  ".bz2",  ".xz", ".zst",
                                                 ".lz4", ".lzma", ".Z",  ".zip"};
static const char *const rotated_words[] = {"old", "prev"};

/* ".1" counts down to the newest; what has more digits is a date or a time. */
#define NUMBER_DIGITS_MAX 5

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The name that the file had before it was compressed. */
static struct slice plain_name(const char *name)
{
    struct slice plain = slice_str(name);
    for (size_t i = 0; i < COUNT(compressed_endings); i++) {
        struct slice ending = slice_str(compressed_endings[i]);
        if (slice_ends(plain, ending))
            return slice_head(plain, plain.len - ending.len);
    }
    return plain;
}

bool rotation_is_compressed(const char *name)
{
    return plain_name(name).len < strlen(name);
}

/* Takes the "." or "-" between a name and what was added to it, where something was. */
static bool take_separator(struct slice *s)
{
    return s->len > 1 && (slice_take(s, SLICE(".")) || slice_take(s, SLICE("-")));
}

/* "1" of mail.log.1; empty where name is no base with something added. */
static struct slice added_behind(struct slice base, struct slice name)
{
    return slice_take(&name, base) && take_separator(&name) ? name : SLICE_NONE;
}

/* "20240131" of mail-20240131.log. */
static struct slice added_within(struct slice base, struct slice name)
{
    size_t dot = slice_rfind(base, '.');
    struct slice ending = slice_skip(base, dot);
    struct slice added = added_behind(slice_head(base, dot), name);
    if (dot == 0 || ending.len == 0 || added.len <= ending.len || !slice_ends(added, ending))
        return SLICE_NONE;
    added.len -= ending.len;
    return added;
}

static bool is_rotation_word(struct slice added)
{
    for (size_t i = 0; i < COUNT(rotated_words); i++) {
        if (slice_eq(added, slice_str(rotated_words[i])))
            return true;
    }
    return false;
}

static bool is_count(struct slice added)
{
    if (added.len == 0 || added.len > NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < added.len; i++) {
        if (!byte_is_digit(added.ptr[i]))
            return false;
    }
    return true;
}

/* logrotate's "extension" makes mail.1.log; mail-2.log is the second log of somebody. */
static bool is_log_of_its_own(struct slice within)
{
    return is_count(within) && within.ptr[-1] == '-';
}

/* Digits, and what stands between them in dates and times. */
static bool is_number_or_date(struct slice added)
{
    bool digit = false;
    for (size_t i = 0; i < added.len; i++) {
        char c = added.ptr[i];
        digit |= byte_is_digit(c);
        if (!byte_is_digit(c) && !memchr("-_.:T", c, 5))
            return false;
    }
    return digit;
}

/* What rotation added to base to make name; empty where it did not. */
static struct slice rotation_added(const char *base, const char *name)
{
    struct slice b = slice_str(base), n = plain_name(name);
    struct slice behind = added_behind(b, n);
    struct slice within = added_within(b, n);
    if (is_number_or_date(behind) || is_rotation_word(behind))
        return behind;
    return is_number_or_date(within) && !is_log_of_its_own(within) ? within : SLICE_NONE;
}

bool rotation_is_rotated(const char *base, const char *name)
{
    return rotation_added(base, name).len > 0;
}

bool rotation_is_beside(const char *base, const char *name)
{
    return added_behind(slice_str(base), slice_str(name)).len > 0 ||
           rotation_is_rotated(base, name);
}

/* What siblings are sorted by. */
struct order {
    const struct sibling *sibling;
    struct slice added;
    long number; /* -1: not of the counting kind */
    bool dated;
};

static struct order order_of(const char *base, const struct sibling *sibling)
{
    struct slice added = rotation_added(base, sibling->name);
    long number = -1;
    if (is_count(added)) {
        number = 0;
        for (size_t i = 0; i < added.len; i++)
            number = number * 10 + (added.ptr[i] - '0');
    }
    return (struct order){
        .sibling = sibling, .added = added, .number = number, .dated = added.len && number < 0};
}

/* Names that count say the order better than any clock. */
static int by_number(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->number != y->number)
        return x->number > y->number ? -1 : 1;
    return strcmp(x->sibling->name, y->sibling->name);
}

static int64_t time_of(const struct look *look)
{
    return look->id.born ? look->id.born : look->mtime;
}

static int by_time(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    int64_t s = time_of(&x->sibling->look), t = time_of(&y->sibling->look);
    if (s != t)
        return s < t ? -1 : 1;
    return strverscmp(x->sibling->name, y->sibling->name);
}

/* Dates as rotation writes them, the year first. */
static int by_date(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    return strverscmp(x->sibling->name, y->sibling->name);
}

/* A compressed file was born when it was compressed, but has the time of the last write. */
static int by_last_write(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    int64_t s = x->sibling->look.mtime, t = y->sibling->look.mtime;
    if (s != t)
        return s < t ? -1 : 1;
    return strverscmp(x->sibling->name, y->sibling->name);
}

typedef int (*compare_fn)(const void *a, const void *b);

/* By their names where those are of one kind; what no rotation has named does not matter. */
static compare_fn order_by(const struct order *orders, size_t count)
{
    bool counted = true, dated = true;
    for (size_t i = 0; i < count; i++) {
        counted &= !orders[i].dated;
        dated &=
            orders[i].added.len == 0 || (orders[i].dated && is_number_or_date(orders[i].added));
    }
    if (counted)
        return by_number;
    return dated ? by_date : by_last_write;
}

bool rotation_is_newer(const char *base, const struct sibling *a, const struct sibling *b)
{
    struct order pair[2] = {order_of(base, a), order_of(base, b)};
    return order_by(pair, 2)(&pair[0], &pair[1]) > 0;
}

/* The compressed ones to the front; how many they are. */
static size_t part_compressed(struct order *orders, size_t count)
{
    size_t compressed = 0;
    for (size_t i = 0; i < count; i++) {
        if (orders[i].sibling->compressed) {
            struct order moved = orders[compressed];
            orders[compressed++] = orders[i];
            orders[i] = moved;
        }
    }
    return compressed;
}

/*
 * Where names tell the order they tell it of all files, compressed or not. Else compressed
 * ones are the older ones, and the others are sorted by when they were made.
 */
static void sort_orders(struct order *orders, size_t count)
{
    size_t compressed = part_compressed(orders, count);
    compare_fn by = order_by(orders, count);
    if (by == by_number || (compressed && by == by_date)) {
        qsort(orders, count, sizeof(*orders), by);
        return;
    }
    struct order *others = orders + compressed;
    bool counted = order_by(others, count - compressed) == by_number;
    qsort(orders, compressed, sizeof(*orders), order_by(orders, compressed));
    qsort(others, count - compressed, sizeof(*orders), counted ? by_number : by_time);
}

static void sort(struct siblings *siblings, const char *base)
{
    struct order *orders = must_calloc(siblings->count, sizeof(*orders));
    struct sibling *sorted = must_calloc(siblings->count, sizeof(*sorted));
    for (size_t i = 0; i < siblings->count; i++)
        orders[i] = order_of(base, &siblings->items[i]);
    if (siblings->count)
        sort_orders(orders, siblings->count);
    for (size_t i = 0; i < siblings->count; i++)
        sorted[i] = *orders[i].sibling;
    if (siblings->count)
        memcpy(siblings->items, sorted, siblings->count * sizeof(*sorted));
    free(orders);
    free(sorted);
}

void siblings_add(struct siblings *out, const char *name, const struct look *look)
{
    if ((out->count & (out->count - 1)) == 0)
        out->items =
            must_realloc(out->items, (out->count ? out->count * 2 : 1) * sizeof(*out->items));
    struct sibling *sibling = &out->items[out->count++];
    sibling->look = *look;
    sibling->compressed = rotation_is_compressed(name);
    memcpy(sibling->name, name, strlen(name) + 1);
}

bool siblings_list(struct siblings *out, const char *dir, const char *base)
{
    *out = (struct siblings){0};
    DIR *stream = opendir(dir);
    if (!stream)
        return false;
    const struct dirent *entry;
    while (out->count < SIBLINGS_MAX && (entry = readdir(stream))) {
        struct look look;
        if (rotation_is_beside(base, entry->d_name) &&
            look_at(dirfd(stream), entry->d_name, &look) && look.regular)
            siblings_add(out, entry->d_name, &look);
    }
    closedir(stream);
    sort(out, base);
    return true;
}

bool siblings_have_plain(const struct siblings *siblings, const struct sibling *compressed)
{
    struct slice plain = plain_name(compressed->name);
    for (size_t i = 0; i < siblings->count; i++) {
        if (slice_eq(slice_str(siblings->items[i].name), plain))
            return true;
    }
    return false;
}

void siblings_release(struct siblings *siblings)
{
    free(siblings->items);
    *siblings = (struct siblings){0};
}
