#include "report_queue.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "cli.h"
#include "js.h"
#include "mailvane/base/clock.h"
#include "mailvane/base/hash.h"

/* So many recipient domains are told apart; the page shows --top of them. */
#define DOMAINS 512

/* Waits for the MTA to say something. */
static int await(const struct queue_report *r, struct error *err)
{
    struct pollfd fd = {.fd = r->look->fd, .events = POLLIN};
    int ready;
    do
        ready = poll(&fd, 1, (int)r->setup->timeout * 1000);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return error_set(err, "%s: poll: %s", r->setup->spool, strerror(errno));
    return ready ? 0 : look_silent(r->look, r->setup->timeout, err);
}

static void take_message(struct queue_report *r)
{
    shape_message(r->shape, &r->look->message, look_age(r->look, r->wall));
}

static void take_recipient(struct queue_report *r, struct pipeline *pipeline)
{
    struct waiting waiting;
    pipeline_explain(pipeline, &r->look->recipient, &waiting);
    shape_recipient(r->shape, waiting.domain);
    if (look_put_off(r->look) && !r->look->message.expiring)
        r->causes.causes[waiting.cause]++;
}

/* To the end; -1 where the look fails, or does not end. */
static int look_through(struct queue_report *r, struct pipeline *pipeline, struct error *err)
{
    int64_t last = clock_ms() + LOOK_MAX_SECONDS * 1000;
    while (clock_ms() < last) {
        switch (look_next(r->look, err)) {
        case LOOK_MESSAGE:
            take_message(r);
            break;
        case LOOK_RECIPIENT:
            take_recipient(r, pipeline);
            break;
        case LOOK_NOTHING:
            break;
        case LOOK_WAIT:
            if (await(r, err) < 0)
                return -1;
            break;
        case LOOK_END:
            return 0;
        case LOOK_FAILED:
            return -1;
        }
    }
    return look_overdue(r->look, LOOK_MAX_SECONDS, err);
}

static int look_at(struct queue_report *r, struct pipeline *pipeline, struct error *err)
{
    r->wall = time(NULL);
    if (look_begin(r->look, err) < 0)
        return -1;
    int rc = look_through(r, pipeline, err);
    look_end(r->look);
    return rc;
}

/* A sentence, and in the list, too: who reads that shall not take silence for an empty queue. */
static int report_failure(const struct queue_report *r, const char *why, struct js *list)
{
    if (list)
        js_add(list, report_queue_failure_json(r, why));
    return cli_fail(EXIT_WORLD, "report: the queue of %s: %s", r->setup->name, why);
}

/* On the page, or in the list where there is one. */
static int report_one(const struct setup_queue *setup, struct pipeline *pipeline, unsigned top,
                      const struct term *term, struct js *list)
{
    const struct queue_reader *reader = queue_reader_named(setup->mta);
    struct error err;
    int status = EXIT_DONE;
    struct queue_report r = {.setup = setup, .top = top};
    r.look = look_new(reader, setup->spool);
    r.shape = shape_new(queue_reader_queues(reader), DOMAINS, hash_seed());
    if (look_at(&r, pipeline, &err) < 0)
        status = report_failure(&r, err.text, list);
    else if (list)
        js_add(list, report_queue_json(&r));
    else
        report_queue_page(&r, term);
    shape_free(r.shape);
    look_free(r.look);
    return status;
}

int report_queues(const struct config *config, struct pipeline *pipeline, unsigned top, bool json)
{
    struct setup_queue queues[SETUP_QUEUES_MAX];
    size_t count = setup_queues(config, queues);
    struct term term = term_of(stdout);
    struct js *list = json ? js_list() : NULL;
    int status = EXIT_DONE;
    if (count == 0)
        status = cli_fail(EXIT_WORLD, "report: no queue is configured, or found in a usual place");
    for (size_t i = 0; i < count; i++) {
        int one = report_one(&queues[i], pipeline, top, &term, list);
        status = one ? one : status;
    }
    if (json) {
        struct js *object = js_object();
        js_set_time(object, "time", time(NULL));
        js_set(object, "queues", list);
        js_print(object, stdout);
    }
    return status;
}
