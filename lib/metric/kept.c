/*
 * The metrics as an image: each label's values in the order of their numbers, a byte of
 * length before each; each metric's series as they lie in its table. Numbers of label values
 * mean something within one image only: whoever loads it translates them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/base/strbuf.h"
#include "metrics_private.h"

#define NAME_BIRTHS "births"

/* From numbers of the image to numbers here. */
struct translation {
    uint32_t count[LABEL_COUNT];
    uint16_t *numbers[LABEL_COUNT];
};

static bool is_kept(enum metric id)
{
    return metric_rows[id].type != GAUGE && metric_rows[id].type != COUNTER_FLOAT;
}

static const struct dict *dict_of(const struct metrics *m, enum label label)
{
    return label == LABEL_DOMAIN ? &m->domains.dict : &m->dicts[label];
}

static const char *slots_region(char name[IMAGE_NAME_MAX + 1])
{
    snprintf(name, IMAGE_NAME_MAX + 1, "domains x%zu", sizeof(struct topn_slot));
    return name;
}

static const char *label_region(char name[IMAGE_NAME_MAX + 1], enum label label)
{
    snprintf(name, IMAGE_NAME_MAX + 1, "label %s", label_names[label]);
    return name;
}

/* What a histogram's counts mean: with other bounds they mean something else. */
static uint32_t bounds_hash(enum metric_type type)
{
    struct buckets buckets = metric_buckets(type);
    struct slice bytes =
        slice_of((const char *)buckets.bounds, buckets.count * sizeof(*buckets.bounds));
    return buckets.count ? (uint32_t)hash_slice(bytes, buckets.parts) : 0;
}

/* The name holds the labels and the values: with others it is another stretch. */
static const char *series_region(char name[IMAGE_NAME_MAX + 1], const struct metrics *m,
                                 enum metric id)
{
    const struct metric_row *row = &metric_rows[id];
    size_t len = (size_t)snprintf(name, IMAGE_NAME_MAX + 1, "series %s x%u/%08x", row->name,
                                  m->families[id].width, (unsigned)bounds_hash(row->type));
    for (unsigned i = 0; i < row->label_count && len < IMAGE_NAME_MAX; i++)
        len += (size_t)snprintf(name + len, IMAGE_NAME_MAX + 1 - len, " %s",
                                label_names[row->labels[i]]);
    return name;
}

/* Values of other labels would fill them for good: the versions that there have been. */
static bool is_kept_label(enum label label)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        for (unsigned at = 0; is_kept((enum metric)i) && at < row->label_count; at++) {
            if (row->labels[at] == label)
                return true;
        }
    }
    return false;
}

static void put_label(const struct metrics *m, enum label label, struct image_writer *out)
{
    char name[IMAGE_NAME_MAX + 1];
    const struct dict *dict = dict_of(m, label);
    struct strbuf packed = STRBUF_INIT;
    for (uint32_t i = 0; i < dict->count; i++) {
        strbuf_add(&packed, &dict->values[i].len, 1);
        strbuf_add(&packed, dict->values[i].text, dict->values[i].len);
    }
    image_put(out, label_region(name, label), packed.buf, packed.len);
    strbuf_release(&packed);
}

void metrics_save(const struct metrics *m, struct image_writer *out)
{
    char name[IMAGE_NAME_MAX + 1];
    image_put(out, NAME_BIRTHS, &m->births, sizeof(m->births));
    for (unsigned i = 0; i < LABEL_COUNT; i++) {
        if (is_kept_label((enum label)i))
            put_label(m, (enum label)i, out);
    }
    image_put(out, slots_region(name), m->domains.slots,
              m->domains.dict.count * sizeof(*m->domains.slots));
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct family *f = &m->families[i];
        if (is_kept((enum metric)i))
            image_put(out, series_region(name, m, (enum metric)i), f->series,
                      (size_t)f->count * f->stride);
    }
}

/* --- is it whole? -------------------------------------------------------------- */

/* Takes the next value off; false where the bytes end within it. */
static bool take_text(struct slice *bytes, struct slice *text)
{
    size_t len = (unsigned char)bytes->ptr[0];
    if (bytes->len <= len)
        return false;
    *text = slice_of(bytes->ptr + 1, len);
    *bytes = slice_skip(*bytes, len + 1);
    return true;
}

static bool count_labels(struct image_reader *in, uint32_t count[LABEL_COUNT])
{
    char name[IMAGE_NAME_MAX + 1];
    for (unsigned i = 0; i < LABEL_COUNT; i++) {
        struct slice bytes = image_get(in, label_region(name, (enum label)i)), text;
        for (count[i] = 0; bytes.len; count[i]++) {
            if (count[i] == UINT16_MAX || !take_text(&bytes, &text))
                return false;
        }
    }
    struct slice slots = image_get(in, slots_region(name));
    return slots.len == count[LABEL_DOMAIN] * sizeof(struct topn_slot);
}

static struct series_key key_at(struct slice bytes, size_t at)
{
    struct series_key key;
    memcpy(&key, bytes.ptr + at, sizeof(key));
    return key;
}

/* Every series has labels that the image knows, and none where the metric has none. */
static bool check_series(const struct metrics *m, enum metric id, struct slice bytes,
                         const uint32_t count[LABEL_COUNT])
{
    const struct metric_row *row = &metric_rows[id];
    const struct family *f = &m->families[id];
    if (bytes.len % f->stride)
        return false;
    for (size_t at = 0; at < bytes.len; at += f->stride) {
        struct series_key key = key_at(bytes, at);
        for (unsigned i = 0; i < METRIC_LABELS_MAX; i++) {
            if (i < row->label_count ? key.value[i] >= count[row->labels[i]] : key.value[i] != 0)
                return false;
        }
    }
    return true;
}

static bool check_image(const struct metrics *m, struct image_reader *in,
                        uint32_t count[LABEL_COUNT])
{
    char name[IMAGE_NAME_MAX + 1];
    bool good = count_labels(in, count);
    for (unsigned i = 0; i < METRIC_COUNT && good; i++) {
        if (is_kept((enum metric)i))
            good = check_series(m, (enum metric)i,
                                image_get(in, series_region(name, m, (enum metric)i)), count);
    }
    return good;
}

/* --- taking it over ------------------------------------------------------------- */

static struct topn_slot slot_at(struct slice slots, uint32_t number)
{
    const char *bytes = slots.ptr + number * sizeof(struct topn_slot);
    struct topn_slot slot = {0};
    memcpy(&slot.seen, bytes + offsetof(struct topn_slot, seen), sizeof(slot.seen));
    memcpy(&slot.last, bytes + offsetof(struct topn_slot, last), sizeof(slot.last));
    slot.shown = bytes[offsetof(struct topn_slot, shown)] != 0;
    slot.fresh = bytes[offsetof(struct topn_slot, fresh)] != 0;
    return slot;
}

static uint16_t adopt_domain(struct metrics *m, struct slice name, const struct topn_slot *slot)
{
    uint16_t number = topn_adopt(&m->domains, name, slot);
    return number ? number : DICT_OTHER;
}

/* A number without a text was free, but for that of the empty value. */
static void translate(struct metrics *m, struct image_reader *in, enum label label,
                      struct translation *t)
{
    char name[IMAGE_NAME_MAX + 1];
    uint32_t count = t->count[label];
    struct topn_slot *slots = NULL;
    if (label == LABEL_DOMAIN) {
        struct slice bytes = image_get(in, slots_region(name));
        slots = must_calloc(count, sizeof(*slots));
        for (uint32_t i = 0; i < count; i++)
            slots[i] = slot_at(bytes, i);
    }
    struct slice values = image_get(in, label_region(name, label)), text = SLICE_NONE;
    t->numbers[label] = must_calloc(count, sizeof(uint16_t));
    for (uint32_t i = 0; i < count && take_text(&values, &text); i++) {
        uint16_t number = i ? DICT_OTHER : DICT_EMPTY;
        if (text.len && i > DICT_OTHER)
            number = slots ? adopt_domain(m, text, &slots[i]) : metrics_label(m, label, text);
        t->numbers[label][i] = number;
    }
    free(slots);
}

static void add_series(struct metrics *m, enum metric id, struct slice bytes,
                       const struct translation *t)
{
    const struct metric_row *row = &metric_rows[id];
    struct family *f = &m->families[id];
    for (size_t at = 0; at < bytes.len; at += f->stride) {
        const char *from = bytes.ptr + at;
        struct series_key key = key_at(bytes, at);
        uint64_t born, value;
        for (unsigned i = 0; i < row->label_count; i++)
            key.value[i] = t->numbers[row->labels[i]][key.value[i]];
        struct series *series = family_series_at(f, &key);
        memcpy(&born, from + offsetof(struct series, born), sizeof(born));
        series->born = born < series->born ? born : series->born;
        for (uint32_t i = 0; i < f->width; i++) {
            memcpy(&value, from + offsetof(struct series, values) + i * sizeof(value),
                   sizeof(value));
            series->values[i].n += value;
        }
    }
}

bool metrics_load(struct metrics *m, struct image_reader *in)
{
    struct translation t = {0};
    char name[IMAGE_NAME_MAX + 1];
    uint64_t births = 0;
    if (!check_image(m, in, t.count))
        return false;
    image_fill(in, NAME_BIRTHS, &births, sizeof(births));
    /* What is made from here on is younger than all that was saved. */
    m->births += births;
    for (unsigned i = 0; i < LABEL_COUNT; i++) {
        if (is_kept_label((enum label)i))
            translate(m, in, (enum label)i, &t);
    }
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        if (is_kept((enum metric)i))
            add_series(m, (enum metric)i, image_get(in, series_region(name, m, (enum metric)i)),
                       &t);
    }
    for (unsigned i = 0; i < LABEL_COUNT; i++)
        free(t.numbers[i]);
    return true;
}
