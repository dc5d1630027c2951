/*
 * What a queue holds, whichever MTA's it is: messages, and behind each its recipients
 * that still wait. Slices are borrowed until the reader is asked for what comes next.
 */
#ifndef MAILVANE_QUEUE_ENTRY_H
#define MAILVANE_QUEUE_ENTRY_H

#include "mailvane/base/slice.h"

#define QUEUE_TIME_UNKNOWN INT64_MIN

struct queue_message {
    struct slice queue; /* the MTA's word: "deferred", "hold", "frozen" */
    int64_t arrived;    /* seconds since the epoch */
    uint64_t bytes;
    bool expiring; /* made to expire by hand (postsuper -e): qshape does not count it */
};

/* Bytes. One that is longer is none: where it ends, and so its domain, nobody knows for sure. */
#define QUEUE_ADDRESS_MAX 4095

struct queue_recipient {
    struct slice address; /* empty where it is too long, a file or a program */
    struct slice reason;  /* why it still waits; empty where nothing is recorded */
    const char *mta;      /* whose words those are: filled by look_next */
};

/* qshape's bands by their upper bounds in seconds; one more is open. */
#define QUEUE_BANDS 10
extern const char *const queue_band_words[QUEUE_BANDS];

/* The band of a message that has waited so long; a clock that went back counts as 0. */
unsigned queue_band(int64_t age);

#endif
