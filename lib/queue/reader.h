/*
 * How the queue of one MTA is read; look.h describes the steps.
 */
#ifndef QUEUE_READER_H
#define QUEUE_READER_H

#include "mailvane/queue/look.h"

struct queue_reader {
    const char *name;
    const char *queues[LOOK_QUEUES_MAX]; /* NULL behind the last */
    bool reads_files;
    void *(*state_new)(void);
    void (*state_free)(void *state);
    int (*begin)(struct look *look, struct error *err);
    enum look_step (*next)(struct look *look, struct error *err);
    void (*end)(struct look *look);
};

extern const struct queue_reader queue_reader_postfix;
extern const struct queue_reader queue_reader_exim;

#endif
