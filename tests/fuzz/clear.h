/*
 * Metrics as they were made, without making them: that takes some megabytes each time, and
 * a harness wants thousands a second. What is cleared is all that counting writes to.
 */
#ifndef MAILVANE_TESTS_FUZZ_CLEAR_H
#define MAILVANE_TESTS_FUZZ_CLEAR_H

#include "../../lib/metric/metrics_private.h"
#include "mailvane/base/bug.h"

static inline void dict_clear(struct dict *dict)
{
    memset(dict->index, 0, (dict->mask + (size_t)1) * sizeof(*dict->index));
    memset(dict->values, 0, dict->count * sizeof(*dict->values));
    dict->count = dict->free_count = 0;
    bug_if(dict_try(dict, SLICE_NONE) != DICT_EMPTY);
    bug_if(dict_intern(dict, SLICE("other")) != DICT_OTHER);
}

static inline void topn_clear(struct topn *topn)
{
    memset(topn->slots, 0, topn->dict.count * sizeof(*topn->slots));
    memset(topn->marks, 0, topn->dict.count * sizeof(*topn->marks));
    dict_clear(&topn->dict);
    topn->shown = 0;
    topn->seen = 0;
}

static inline void metrics_clear(struct metrics *m)
{
    m->births = 0;
    for (unsigned i = 0; i < LABEL_COUNT; i++) {
        if (i != LABEL_DOMAIN)
            dict_clear(&m->dicts[i]);
    }
    topn_clear(&m->domains);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        struct family *f = &m->families[i];
        enum metric_type type = metric_rows[i].type;
        memset(f->index, 0, (f->mask + (size_t)1) * sizeof(*f->index));
        memset(f->series, 0, (size_t)f->count * f->stride);
        f->count = 0;
        f->folded = 0;
        if (metric_rows[i].label_count == 0 && type != GAUGE && type != COUNTER_FLOAT)
            family_at(f, &(struct series_key){{0}});
    }
}

#endif
