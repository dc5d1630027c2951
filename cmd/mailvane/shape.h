/*
 * What waits in the queues of one MTA, as qshape(1) shows it: recipients by domain and by how
 * long their message has waited.
 *
 *     struct shape *shape = shape_new(queue_reader_queues(reader), 512, hash_seed());
 *     ... shape_message(shape, &look->message, age); shape_recipient(shape, domain); ...
 *     shape_table(shape, i, 20, rows, &table);
 *
 * As in qshape, the recipients of messages that `postsuper -e` has made expire are left out; how
 * many those are is told. Memory is bounded by shape_new, and taken for the queues that have
 * recipients: when more domains come than there is room for, the less busy half of them is added up
 * as "other", so that the busy ones survive. Sums are exact; a domain may count for less than it
 * has, if it has less than a share of 2/domains.
 */
#ifndef MAILVANE_SHAPE_H
#define MAILVANE_SHAPE_H

#include <limits.h>

#include "mailvane/metric/dict.h"
#include "mailvane/queue/look.h"

#define SHAPE_QUEUES    (LOOK_QUEUES_MAX + 1) /* of an MTA; further ones are the last, "other" */
#define SHAPE_QUEUE_MAX 32                    /* bytes of a queue's name */

/* The bands by their upper bounds in minutes, as qshape heads them. */
extern const char *const shape_minutes[QUEUE_BANDS];

struct shape_row {
    char domain[DICT_VALUE_MAX + 1]; /* "" for recipients without one */
    uint64_t all;
    uint64_t bands[QUEUE_BANDS];
};

/* The messages of a queue. */
struct shape_queue {
    char name[SHAPE_QUEUE_MAX + 1];
    uint64_t messages;
    uint64_t bytes;
    int64_t oldest; /* seconds */
    uint64_t left_out;
};

/* A queue with its busiest domains. */
struct shape_table {
    struct shape_queue queue;
    struct shape_row total;
    struct shape_row other; /* what of it is in no row */
    unsigned count;
    struct shape_row *rows; /* the caller's; most recipients first */
};

struct shape;

/* queues: those that there always are, NULL behind the last. domains: at most 60000. */
struct shape *shape_new(const char *const *queues, uint32_t domains, uint64_t seed);
void shape_free(struct shape *shape);

/* age: seconds that it has waited, which a message that is but counted does not tell. */
void shape_message(struct shape *shape, const struct queue_message *message, int64_t age);
/* A recipient of the last message. */
void shape_recipient(struct shape *shape, struct slice domain);

unsigned shape_queues(const struct shape *shape);
#define SHAPE_ALL UINT_MAX /* all queues together */
/* At most max rows are written to rows. */
void shape_table(const struct shape *shape, unsigned queue, unsigned max, struct shape_row *rows,
                 struct shape_table *table);

#endif
