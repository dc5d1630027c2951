/*
 * What the metrics of a process are made of.
 */
#ifndef METRIC_METRICS_PRIVATE_H
#define METRIC_METRICS_PRIVATE_H

#include "family.h"
#include "mailvane/metric/metrics.h"
#include "mailvane/metric/topn.h"

#define OCTAVES 64

/* The families of a draft (metric/draft.h) lie beside those that are shown. */
struct draft {
    struct metrics *metrics;
    struct draft *next;
    const enum metric *ids;
    unsigned count;
    uint16_t owner;
    bool refused;    /* a domain found no place in this look */
    uint64_t births; /* of its series, which nobody sees */
    struct family families[];
};

struct metrics {
    uint8_t octaves[METRIC_TYPES][OCTAVES]; /* bounds below each octave */
    struct dict dicts[LABEL_COUNT];         /* all but LABEL_DOMAIN's */
    struct topn domains;
    uint64_t births;
    uint64_t seed;
    struct draft *drafts;
    struct family families[METRIC_COUNT];
};

/* Lets the less busy half of the domains go that were never shown. */
void metrics_prune(struct metrics *m);

#endif
