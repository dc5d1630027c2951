/*
 * The report on queues: each is looked at once, from its beginning to its end, and printed as
 * domains by age, as qshape(1) shows them, with the causes that the MTA has recorded.
 *
 * What one look holds in memory does not depend on what the queue holds. A queue that cannot be
 * looked at is one sentence on stderr, and in JSON an object with `error`; the others are
 * reported all the same.
 */
#ifndef MAILVANE_REPORT_QUEUE_H
#define MAILVANE_REPORT_QUEUE_H

#include "pipeline.h"
#include "setup.h"
#include "shape.h"
#include "tally.h"
#include "term.h"

/* What a look has found. */
struct queue_report {
    const struct setup_queue *setup;
    struct look *look;
    struct shape *shape;
    int64_t wall;         /* when it began: ages are counted from then */
    struct counts causes; /* of the recipients that were put off: member causes alone */
    unsigned top;         /* rows of a table at most */
};

/* Looks at all of them and prints; the exit status. */
int report_queues(const struct config *config, struct pipeline *pipeline, unsigned top, bool json);

void report_queue_page(const struct queue_report *report, const struct term *term);
struct js *report_queue_json(const struct queue_report *report);
struct js *report_queue_failure_json(const struct queue_report *report, const char *why);

#endif
