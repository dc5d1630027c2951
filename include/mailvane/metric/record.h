/*
 * Events into metrics: the one place where the two meet. A new counter for what an
 * event tells is a row in tables/metrics.def and a few lines here.
 */
#ifndef MAILVANE_METRIC_RECORD_H
#define MAILVANE_METRIC_RECORD_H

#include "mailvane/event/event.h"
#include "mailvane/metric/metrics.h"

struct recorder;

/* Counts into metrics, which must outlive it. */
struct recorder *recorder_new(struct metrics *metrics);
void recorder_free(struct recorder *recorder);

/* Counts one event, with its provider and sending_ip filled in. Allocates nothing. */
void record_event(struct recorder *recorder, const struct event *event);

#endif
