/*
 * The pipeline: the one place that wires the floors together. A block of whole
 * lines goes in; events come out, and are counted if there is somewhere to count.
 *
 *     struct slice line;
 *     struct event event;
 *     enum format_id format;
 *     while (lines_next(&block, &line))
 *         if (pipeline_parse(&pipeline, &stream, line, &event, &format) == OUTCOME_EVENT)
 *             record_event(pipeline.recorder, &event);
 */
#ifndef MAILVANE_PIPELINE_H
#define MAILVANE_PIPELINE_H

#include "mailvane/base/domain.h"
#include "mailvane/base/log.h"
#include "mailvane/classify/classifier.h"
#include "mailvane/classify/last_cause.h"
#include "mailvane/classify/provider.h"
#include "mailvane/classify/route.h"
#include "mailvane/config/config.h"
#include "mailvane/config/postfix_cf.h"
#include "mailvane/config/sending_ip.h"
#include "mailvane/format/format.h"
#include "mailvane/line/envelope.h"
#include "mailvane/metric/metrics.h"
#include "mailvane/metric/record.h"
#include "mailvane/queue/entry.h"

/* What is kept of one source of lines: a followed pattern, or a file that is scanned. */
struct stream {
    const char *name; /* the label `source` */
    enum format_id only;
    struct envelope_parser envelopes;
    int64_t last_time; /* of the last stamped line; TIME_UNKNOWN before */
    uint64_t lines;
    uint64_t bytes;
    uint64_t outcomes[FORMAT_COUNT + 1]
                     [OUTCOME_COUNT]; /* by format; the last: none. Not reported yet */
};

struct pipeline {
    struct format_set *formats;
    struct providers *providers;
    struct classifier *classifier;
    struct last_causes *last_causes;
    struct routes *routes; /* NULL: nobody asks for them */
    struct sending_ips *sending_ips;
    struct metrics *metrics;
    struct recorder *recorder;
    uint64_t stopped; /* searches of rules that were stopped, as far as they are counted */
};

/* Reads what the configuration names: provider files, Postfix' configuration. */
int pipeline_init(struct pipeline *p, const struct config *config, const struct logger *log,
                  struct error *err);
void pipeline_release(struct pipeline *p);

/*
 * Makes the first attempts' totals by provider and status, at 0, where the sending address is
 * the same for all: a Prometheus is to know them before the first event.
 */
void pipeline_make_totals(struct pipeline *p);

void stream_init(struct stream *stream, const char *name, enum format_id only, int64_t reference);

/* All that counting has led to and depends on, to go on from after a restart. */
void pipeline_save(const struct pipeline *p, struct image_writer *out);
/*
 * Goes on from what was saved, before anything is counted. seed: of the hashes in it, then
 * and from now on. False where what was saved is damaged: nothing of it counts.
 */
bool pipeline_resume(struct pipeline *p, uint64_t seed, struct image_reader *in);

/* Parses one line and fills in who and from where; the outcome is counted in the stream.
 * *format says which one took the line, FORMAT_COUNT if none did. */
enum outcome pipeline_parse(struct pipeline *p, struct stream *stream, struct slice line,
                            struct event *event, enum format_id *format);

/* Parses and counts a block of whole lines. */
void pipeline_count(struct pipeline *p, struct stream *stream, struct slice block);

/* From now on the provider of what waits is told by where its domain's mail went lately, too. */
void pipeline_learn_routes(struct pipeline *p);

/* A recipient in a queue: where it will go, and why it has not gone. */
struct waiting {
    struct slice domain;
    struct slice provider; /* of the MX that is tried, else of that reached last, else by domain */
    enum cause cause;      /* CAUSE_UNKNOWN where nothing is recorded */
    char buf[DOMAIN_MAX + 1];
};
void pipeline_explain(struct pipeline *p, const struct queue_recipient *recipient,
                      struct waiting *out);

/* Moves what the stream counted since the last call into the metrics on mailvane itself. */
void pipeline_report(struct pipeline *p, struct stream *stream);

#endif
