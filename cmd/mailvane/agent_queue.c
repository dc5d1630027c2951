/*
 * The queues: each is looked at on a schedule of its own, in turns of a millisecond
 * between which lines are read and scrapes answered; of several looks each has its turn. What
 * a look finds is a draft until it is complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "agent.h"
#include "mailvane/base/bug.h"
#include "mailvane/base/clock.h"
#include "mailvane/base/hash.h"
#include "mailvane/metric/draft.h"
#include "mailvane/queue/look.h"
#include "setup.h"

/* One turn of the loop looks so long: at one queue, however many there are. */
#define TURN_US 1000
/* So many times what a look took lie between two. */
#define BACK_OFF 9
/* After so many failed looks nobody knows what is in the queue. */
#define FAILURES_MAX 3

static const enum metric drafted[] = {
    METRIC_QUEUE_MESSAGES,         METRIC_QUEUE_BYTES,
    METRIC_QUEUE_RECIPIENTS,       METRIC_QUEUE_AGE_RECIPIENTS,
    METRIC_QUEUE_CAUSE_RECIPIENTS, METRIC_QUEUE_OLDEST,
    METRIC_QUEUE_UNREADABLE,       METRIC_QUEUE_COLLECT,
    METRIC_QUEUE_LOOK_AGE,         METRIC_QUEUE_COUNTS_ONLY,
};

static const enum metric of_the_spool[] = {METRIC_SPOOL_FREE_BYTES, METRIC_SPOOL_FREE_INODES};

struct agent_queue {
    struct agent *agent;
    char *name; /* the label `mta` */
    char *spool;
    uint16_t mta;
    int64_t interval_ms, timeout_ms;
    struct look *look;
    struct draft *draft;
    struct draft *room;        /* of the spool's file system */
    struct shape *shape;       /* of the look that goes on; NULL: none does */
    struct shape *shown;       /* of the one that is shown; NULL: none is */
    struct loop_timer due;     /* the next look */
    struct loop_timer silence; /* the MTA has said nothing for too long */
    bool looking;
    bool can_go_on; /* the look does not wait for the MTA */
    int64_t began_us;
    int64_t wall;      /* when it began: ages are counted from then */
    int64_t shown_us;  /* when the look began that is shown; 0: none is */
    unsigned failures; /* in a row */
    char *told;        /* the last complaint, so that it is said once */
    bool told_unreadable;
    /* of the message whose recipients are told */
    uint16_t queue, band;
};

/* Says a sentence once, until another one or none is to be said. */
static void tell(struct agent_queue *q, const char *sentence)
{
    if (sentence && (!q->told || strcmp(q->told, sentence) != 0))
        log_warn(&q->agent->log, "queue %s: %s", q->name, sentence);
    if (!sentence && q->told)
        log_info(&q->agent->log, "queue %s: can be read", q->name);
    free(q->told);
    q->told = sentence ? must_strdup(sentence) : NULL;
}

/* Which file is the first that cannot be read changes from look to look: one of them is named. */
static void tell_of_look(struct agent_queue *q)
{
    const struct look *look = q->look;
    bool unreadable = look->unreadable && !look->counts_only;
    if (!unreadable || !q->told || !q->told_unreadable)
        tell(q, look->counts_only || unreadable ? look->note.text : NULL);
    q->told_unreadable = unreadable;
}

static uint16_t label(struct agent_queue *q, enum label which, const char *text)
{
    return metrics_label(q->agent->pipeline.metrics, which, slice_str(text));
}

/* Where it cannot be told any more, what was shown goes. */
static void report_spool(struct agent_queue *q)
{
    const struct series_key none = {{0}};
    struct statvfs fs;
    if (statvfs(q->spool, &fs) != 0) {
        draft_withdraw(q->room);
        return;
    }
    draft_begin(q->room);
    draft_add(q->room, METRIC_SPOOL_FREE_BYTES, none, (double)fs.f_bavail * (double)fs.f_frsize);
    draft_add(q->room, METRIC_SPOOL_FREE_INODES, none, (double)fs.f_favail);
    draft_publish(q->room);
}

static void set_up(struct agent_queue *q, double up)
{
    metrics_set(q->agent->pipeline.metrics, METRIC_QUEUE_UP, (struct series_key){{q->mta}}, up);
}

/* So many domains a queue are told apart on the page for a person. */
#define PAGE_DOMAINS 128

/* NULL as well: from then on nothing is known. */
static void show_shape(struct agent_queue *q, struct shape *shape)
{
    if (q->shown)
        shape_free(q->shown);
    q->shown = shape;
}

/* What a look has open is closed, whether it is complete or not. */
static void end_look(struct agent_queue *q)
{
    struct loop *loop = q->agent->loop;
    if (!q->looking)
        return;
    if (q->look->fd >= 0)
        loop_forget(loop, q->look->fd);
    look_end(q->look);
    loop_timer_disarm(loop, &q->silence);
    if (q->shape)
        shape_free(q->shape);
    q->shape = NULL;
    q->looking = q->can_go_on = false;
}

/* A look shall cost a tenth of the time at most, whether it works or not. */
static int64_t rest_ms(const struct agent_queue *q)
{
    int64_t rest = (clock_us() - q->began_us) * BACK_OFF / 1000;
    return rest > q->interval_ms ? rest : q->interval_ms;
}

static void fail_look(struct agent_queue *q, const char *sentence, int64_t next_ms)
{
    end_look(q);
    tell(q, sentence);
    q->told_unreadable = false;
    set_up(q, 0);
    if (++q->failures >= FAILURES_MAX) {
        draft_withdraw(q->draft);
        show_shape(q, NULL);
        q->shown_us = 0;
    }
    loop_timer_arm(q->agent->loop, &q->due, next_ms);
}

static void finish_look(struct agent_queue *q)
{
    const struct series_key none = {{0}};
    show_shape(q, q->shape);
    q->shape = NULL;
    end_look(q);
    tell_of_look(q);
    draft_add(q->draft, METRIC_QUEUE_COLLECT, none, (double)(clock_us() - q->began_us) / 1e6);
    draft_add(q->draft, METRIC_QUEUE_LOOK_AGE, none, 0);
    if (queue_reader_reads(q->look->reader))
        draft_add(q->draft, METRIC_QUEUE_UNREADABLE, none, (double)q->look->unreadable);
    else
        draft_add(q->draft, METRIC_QUEUE_COUNTS_ONLY, none, q->look->counts_only);
    draft_publish(q->draft);
    set_up(q, 1);
    q->failures = 0;
    q->shown_us = q->began_us;
    loop_timer_arm(q->agent->loop, &q->due, rest_ms(q));
}

static void count_message(struct agent_queue *q)
{
    const struct queue_message *message = &q->look->message;
    struct metrics *m = q->agent->pipeline.metrics;
    q->queue = metrics_label(m, LABEL_QUEUE, message->queue);
    struct series_key key = {{0, q->queue}};
    int64_t age = look_age(q->look, q->wall);
    draft_add(q->draft, METRIC_QUEUE_MESSAGES, key, 1);
    shape_message(q->shape, message, age);
    if (q->look->counts_only)
        return;
    q->band = label(q, LABEL_AGE, queue_band_words[queue_band(age)]);
    draft_add(q->draft, METRIC_QUEUE_BYTES, key, (double)message->bytes);
    draft_max(q->draft, METRIC_QUEUE_OLDEST, key, (double)age);
}

static void count_recipient(struct agent_queue *q)
{
    struct pipeline *p = &q->agent->pipeline;
    struct waiting waiting;
    pipeline_explain(p, &q->look->recipient, &waiting);
    uint16_t provider = metrics_label(p->metrics, LABEL_PROVIDER, waiting.provider);
    uint16_t domain = draft_domain(q->draft, waiting.domain);
    const struct series_key by_domain = {{0, q->queue, domain, provider}};
    const struct series_key by_age = {{0, q->queue, provider, q->band}};
    shape_recipient(q->shape, waiting.domain);
    draft_add(q->draft, METRIC_QUEUE_RECIPIENTS, by_domain, 1);
    draft_add(q->draft, METRIC_QUEUE_AGE_RECIPIENTS, by_age, 1);
    if (!look_put_off(q->look))
        return;
    const struct cause_row *cause = &cause_rows[waiting.cause];
    const struct series_key by_cause = {{0, q->queue, provider, label(q, LABEL_CAUSE, cause->name),
                                         label(q, LABEL_OWNER, owner_words[cause->owner])}};
    draft_add(q->draft, METRIC_QUEUE_CAUSE_RECIPIENTS, by_cause, 1);
}

/* One step; the look may be over then, or wait. */
static void step(struct agent_queue *q)
{
    struct error err;
    switch (look_next(q->look, &err)) {
    case LOOK_MESSAGE:
        count_message(q);
        break;
    case LOOK_RECIPIENT:
        count_recipient(q);
        break;
    case LOOK_NOTHING:
        break;
    case LOOK_WAIT:
        q->can_go_on = false;
        break;
    case LOOK_END:
        finish_look(q);
        break;
    case LOOK_FAILED:
        fail_look(q, err.text, rest_ms(q));
        break;
    }
}

static void take_turn(struct agent_queue *q)
{
    struct error err;
    int64_t start = clock_us();
    if (start - q->began_us > LOOK_MAX_SECONDS * INT64_C(1000000)) {
        look_overdue(q->look, LOOK_MAX_SECONDS, &err);
        fail_look(q, err.text, rest_ms(q));
        return;
    }
    /* The clock costs less than a step, which may have to wait for the disk. */
    do
        step(q);
    while (q->can_go_on && clock_us() - start < TURN_US);
    if (q->looking)
        loop_timer_arm(q->agent->loop, &q->silence, q->timeout_ms);
}

/* The next of those that can go on; NULL where all wait, or none is looked at. */
static struct agent_queue *next_in_turn(const struct agent *agent)
{
    for (size_t i = 1; i <= agent->queue_count; i++) {
        struct agent_queue *q = &agent->queues[(agent->queue_turn + i) % agent->queue_count];
        if (q->can_go_on)
            return q;
    }
    return NULL;
}

/* One turn each round of the loop: what one of many queues takes, lines and scrapes wait for. */
static void on_turn(void *arg)
{
    struct agent *agent = arg;
    struct agent_queue *q = next_in_turn(agent);
    if (!q)
        return;
    agent->queue_turn = (size_t)(q - agent->queues);
    take_turn(q);
    if (next_in_turn(agent))
        loop_timer_arm(agent->loop, &agent->queue_looks, 0);
}

/* The MTA has said something, or the look has begun. */
static void go_on(void *arg)
{
    struct agent_queue *q = arg;
    q->can_go_on = true;
    if (!q->agent->queue_looks.due_ms)
        loop_timer_arm(q->agent->loop, &q->agent->queue_looks, 0);
}

static void on_silence(void *arg)
{
    struct agent_queue *q = arg;
    struct error err;
    look_silent(q->look, (long)(q->timeout_ms / 1000), &err);
    /* It was waiting that took long, which costs nothing. */
    fail_look(q, err.text, q->interval_ms);
}

/* An empty queue is 0, and no gap. */
static void begin_draft(struct agent_queue *q)
{
    const char *const *queues = queue_reader_queues(q->look->reader);
    draft_begin(q->draft);
    for (; *queues; queues++) {
        struct series_key key = {{0, label(q, LABEL_QUEUE, *queues)}};
        draft_add(q->draft, METRIC_QUEUE_MESSAGES, key, 0);
        if (q->look->counts_only)
            continue;
        draft_add(q->draft, METRIC_QUEUE_BYTES, key, 0);
        draft_add(q->draft, METRIC_QUEUE_OLDEST, key, 0);
    }
}

static void on_due(void *arg)
{
    struct agent_queue *q = arg;
    struct error err;
    q->began_us = clock_us();
    q->wall = time(NULL);
    if (look_begin(q->look, &err) < 0) {
        fail_look(q, err.text, q->interval_ms);
        return;
    }
    q->looking = true;
    q->shape = shape_new(queue_reader_queues(q->look->reader), PAGE_DOMAINS, hash_seed());
    begin_draft(q);
    if (q->look->fd >= 0 && loop_watch(q->agent->loop, q->look->fd, go_on, q, &err) < 0) {
        fail_look(q, err.text, q->interval_ms);
        return;
    }
    go_on(q);
}

static void open_queue(struct agent *agent, struct agent_queue *q, const struct setup_queue *setup)
{
    struct metrics *m = agent->pipeline.metrics;
    *q = (struct agent_queue){.agent = agent};
    q->name = must_strdup(setup->name);
    q->spool = must_strdup(setup->spool);
    q->mta = label(q, LABEL_MTA, q->name);
    q->interval_ms = setup->interval * 1000;
    q->timeout_ms = setup->timeout * 1000;
    q->look = look_new(queue_reader_named(setup->mta), q->spool);
    q->draft = draft_new(m, drafted, sizeof(drafted) / sizeof(drafted[0]), q->mta);
    q->room = draft_new(m, of_the_spool, sizeof(of_the_spool) / sizeof(of_the_spool[0]),
                        label(q, LABEL_PATH, q->spool));
    q->due = (struct loop_timer){.fn = on_due, .arg = q};
    q->silence = (struct loop_timer){.fn = on_silence, .arg = q};
    log_info(&agent->log, "looking at the queue of %s in %s", q->name, q->spool);
    loop_timer_arm(agent->loop, &q->due, 0);
}

void agent_queues_open(struct agent *agent)
{
    struct setup_queue queues[SETUP_QUEUES_MAX];
    agent->queue_count = setup_queues(&agent->config, queues);
    agent->queues = must_calloc(agent->queue_count, sizeof(*agent->queues));
    if (agent->queue_count)
        pipeline_learn_routes(&agent->pipeline);
    agent->queue_looks = (struct loop_timer){.fn = on_turn, .arg = agent};
    for (size_t i = 0; i < agent->queue_count; i++)
        open_queue(agent, &agent->queues[i], &queues[i]);
}

void agent_queues_report(struct agent *agent)
{
    for (size_t i = 0; i < agent->queue_count; i++) {
        struct agent_queue *q = &agent->queues[i];
        report_spool(q);
        if (q->shown_us)
            metrics_set(agent->pipeline.metrics, METRIC_QUEUE_LOOK_AGE,
                        (struct series_key){{q->mta}}, (double)(clock_us() - q->shown_us) / 1e6);
    }
}

struct queue_view agent_queue_view(const struct agent *agent, size_t queue)
{
    const struct agent_queue *q = &agent->queues[queue];
    return (struct queue_view){
        .name = q->name,
        .shape = q->shown,
        .seconds = (clock_us() - q->shown_us) / 1000000,
        .complaint = q->told,
    };
}

void agent_queues_close(struct agent *agent)
{
    for (size_t i = 0; i < agent->queue_count; i++) {
        struct agent_queue *q = &agent->queues[i];
        end_look(q);
        show_shape(q, NULL);
        loop_timer_disarm(agent->loop, &q->due);
        look_free(q->look);
        draft_free(q->draft);
        draft_free(q->room);
        free(q->told);
        free(q->name);
        free(q->spool);
    }
    free(agent->queues);
    loop_timer_disarm(agent->loop, &agent->queue_looks);
    agent->queue_count = 0;
}
