/*
 * What the metrics of a process are made of.
 */
#ifndef METRIC_METRICS_PRIVATE_H
#define METRIC_METRICS_PRIVATE_H

#include "family.h"
#include "mailvane/metric/metrics.h"
#include "mailvane/metric/topn.h"

#define OCTAVES 64

struct metrics {
    uint8_t octaves[METRIC_TYPES][OCTAVES]; /* bounds below each octave */
    struct dict dicts[LABEL_COUNT];         /* all but LABEL_DOMAIN's */
    struct topn domains;
    uint64_t births;
    struct family families[METRIC_COUNT];
};

#endif
