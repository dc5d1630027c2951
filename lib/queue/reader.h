/*
 * How the queue of one MTA is read; look.h describes the steps.
 */
#ifndef QUEUE_READER_H
#define QUEUE_READER_H

#include "mailvane/queue/look.h"
#include "walk.h"

struct queue_reader {
    const char *name;
    const char *queues[LOOK_QUEUES_MAX]; /* NULL behind the last */
    bool reads_files;
    const char *hint;  /* who may read the files, behind "Permission denied" */
    size_t state_size; /* of what look->state points to, zeroed before the first look */
    int (*begin)(struct look *look, struct error *err);
    enum look_step (*next)(struct look *look, struct error *err);
    void (*end)(struct look *look);
};

/* "SPOOL/WHAT: why", by errno, without WHAT where that is empty; -1. */
int look_fail(const struct look *look, const char *what, struct error *err);

/*
 * The next file of a walk through SPOOL/WHAT: true, and walk->name is its name. Otherwise *step
 * is that of the look: LOOK_END behind the last file, LOOK_FAILED with a sentence that names
 * the directory that cannot be read.
 */
bool look_walk(const struct look *look, struct walk *walk, const char *what, enum look_step *step,
               struct error *err);

/*
 * A message of which something cannot be told: it is counted, and the first one's reason is
 * kept. LOOK_NOTHING, for the caller to return.
 */
enum look_step look_unreadable(struct look *look, const char *name, const char *why);
/* The same by errno; a file that went meanwhile is no message any more. */
enum look_step look_unreadable_file(struct look *look, const char *name);

extern const struct queue_reader queue_reader_postfix;
extern const struct queue_reader queue_reader_exim;
extern const struct queue_reader queue_reader_sendmail;
extern const struct queue_reader queue_reader_opensmtpd;

#endif
