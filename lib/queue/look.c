#include "mailvane/queue/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "reader.h"

static const struct queue_reader *const readers[] = {
    &queue_reader_postfix, &queue_reader_exim, &queue_reader_sendmail, &queue_reader_opensmtpd};

#define READERS (sizeof(readers) / sizeof(readers[0]))

const struct queue_reader *queue_reader_named(const char *mta)
{
    for (size_t i = 0; i < READERS; i++) {
        if (strcmp(readers[i]->name, mta) == 0)
            return readers[i];
    }
    return NULL;
}

const char *const *queue_reader_queues(const struct queue_reader *reader)
{
    return reader->queues;
}

bool queue_reader_reads(const struct queue_reader *reader)
{
    return reader->reads_files;
}

struct look *look_new(const struct queue_reader *reader, const char *spool)
{
    struct look *look = must_calloc(1, sizeof(*look));
    look->reader = reader;
    look->spool = must_strdup(spool);
    look->fd = -1;
    look->state = must_calloc(1, reader->state_size);
    return look;
}

void look_free(struct look *look)
{
    if (!look)
        return;
    free(look->state);
    free(look->spool);
    free(look);
}

int look_begin(struct look *look, struct error *err)
{
    look->fd = -1;
    look->counts_only = false;
    look->messages = look->unreadable = look->denied = 0;
    return look->reader->begin(look, err);
}

/* Nothing was told since nothing may be read: that is no empty queue. */
static enum look_step end_of(const struct look *look, struct error *err)
{
    if (look->messages || !look->denied)
        return LOOK_END;
    *err = look->note;
    return LOOK_FAILED;
}

/* An address that was cut ends within its local part, which would be told as its domain. */
static void complete_recipient(const struct look *look, struct queue_recipient *recipient)
{
    recipient->mta = look->reader->name;
    if (recipient->address.len > QUEUE_ADDRESS_MAX)
        recipient->address = SLICE_NONE;
}

enum look_step look_next(struct look *look, struct error *err)
{
    enum look_step step = look->reader->next(look, err);
    if (step == LOOK_MESSAGE)
        look->messages++;
    else if (step == LOOK_RECIPIENT)
        complete_recipient(look, &look->recipient);
    return step == LOOK_END ? end_of(look, err) : step;
}

int64_t look_age(const struct look *look, int64_t wall)
{
    bool known = !look->counts_only && wall > look->message.arrived;
    return known ? wall - look->message.arrived : 0;
}

/* Postfix has a queue of its own for that, and not always a reason; the others have a reason. */
bool look_put_off(const struct look *look)
{
    return look->recipient.reason.len || slice_eq(look->message.queue, SLICE("deferred"));
}

int look_silent(const struct look *look, long seconds, struct error *err)
{
    return error_set(err, "%s: nothing was said for %ld seconds", look->spool, seconds);
}

int look_overdue(const struct look *look, long seconds, struct error *err)
{
    return error_set(err, "%s: the look is not complete after %ld seconds", look->spool, seconds);
}

int look_fail(const struct look *look, const char *what, struct error *err)
{
    return error_set(err, "%s%s%s: %s%s", look->spool, *what ? "/" : "", what, strerror(errno),
                     errno == EACCES ? look->reader->hint : "");
}

static enum look_step fail_walk(const struct look *look, const struct walk *walk, const char *what,
                                struct error *err)
{
    char where[sizeof(walk->path) + 32];
    snprintf(where, sizeof(where), "%s%s%s", what, *what && *walk->path ? "/" : "", walk->path);
    look_fail(look, where, err);
    return LOOK_FAILED;
}

bool look_walk(const struct look *look, struct walk *walk, const char *what, enum look_step *step,
               struct error *err)
{
    switch (walk_next(walk)) {
    case WALK_FILE:
        return true;
    case WALK_NOTHING:
        *step = LOOK_NOTHING;
        break;
    case WALK_DONE:
        *step = LOOK_END;
        break;
    case WALK_FAILED:
        *step = fail_walk(look, walk, what, err);
        break;
    }
    return false;
}

static void note(struct look *look, const char *name, const char *why, const char *hint)
{
    if (look->unreadable++ == 0)
        error_set(&look->note, "%s: a message cannot be read: %s: %s%s", look->spool, name, why,
                  hint);
}

enum look_step look_unreadable(struct look *look, const char *name, const char *why)
{
    note(look, name, why, "");
    return LOOK_NOTHING;
}

enum look_step look_unreadable_file(struct look *look, const char *name)
{
    if (errno == ENOENT)
        return LOOK_NOTHING;
    look->denied += errno == EACCES;
    note(look, name, strerror(errno), errno == EACCES ? look->reader->hint : "");
    return LOOK_NOTHING;
}

void look_end(struct look *look)
{
    look->reader->end(look);
    look->fd = -1;
}
