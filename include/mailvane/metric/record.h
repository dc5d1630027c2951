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

/*
 * Counts one event, with its provider and sending_ip filled in. Allocates nothing.
 * A provider's text must outlive the recorder and lie at one place for each name, as
 * in classify/provider.h: its pointer is remembered for it.
 */
void record_event(struct recorder *recorder, const struct event *event);

/*
 * Takes note of a change, of which the last one is shown; an earlier one, or TIME_UNKNOWN,
 * says nothing new: several logs are not read in the order of their lines.
 */
void record_change(struct recorder *recorder, enum change change, int64_t time);

/* The times of changes, which are no counters and yet are not found out anew. */
void recorder_save(const struct recorder *recorder, struct image_writer *out);
void recorder_load(struct recorder *recorder, struct image_reader *in);

#endif
