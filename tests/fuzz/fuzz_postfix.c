/*
 * The whole path of a line: envelope, format, record, exposition. Any bytes are a
 * log; no line may lead out of its own bytes, and the two families of deliveries
 * hold the same sums whatever the domains are.
 */
#include "clear.h"
#include "counted.h"
#include "mailvane/base/number.h"
#include "mailvane/format/format.h"
#include "mailvane/metric/record.h"

#define REFERENCE INT64_C(1798711200) /* 2026-12-31T10:00:00Z */

struct run {
    struct envelope_parser envelopes;
    struct format_set *formats;
    struct metrics *metrics;
    struct recorder *recorder;
    uint64_t deliveries;
    uint64_t first;
};

static struct run run;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    /* Few places, so that folding is met. */
    const struct metrics_options options = {.domains = 3, .sending_ips = 2, .codes = 4, .seed = 1};
    (void)argc;
    (void)argv;
    run = (struct run){.formats = format_set_new(1), .metrics = metrics_new(&options)};
    return 0;
}

static struct slice nothing(struct image_reader *reader, const char *name)
{
    (void)reader;
    (void)name;
    return SLICE_NONE;
}

/* Everything as it was made: an input must not depend on those before it. */
static void run_begin(void)
{
    struct image_reader none = {.get = nothing};
    format_set_load(run.formats, &none);
    metrics_clear(run.metrics);
    run.recorder = recorder_new(run.metrics);
    run.deliveries = run.first = 0;
    envelope_parser_init(&run.envelopes, REFERENCE);
}

/* Within the line, or in the format's own state: then all of it is readable. */
static void check_slice(struct slice s, struct slice line)
{
    volatile char sink = 0;
    if (s.len == 0)
        return;
    if (s.ptr >= line.ptr && s.ptr < slice_end(line)) {
        bug_if(slice_end(s) > slice_end(line));
        return;
    }
    bug_if(s.len > UINT8_MAX);
    for (size_t i = 0; i < s.len; i++)
        sink = (char)(sink ^ s.ptr[i]);
    (void)sink;
}

static void check_delivery(const struct event *event, struct slice line)
{
    const struct delivery *d = &event->delivery;
    bool probe = event->kind == EVENT_PROBE;
    bug_if(d->status <= STATUS_NONE || d->status >= STATUS_COUNT || d->phase >= PHASE_COUNT);
    bug_if(probe != (d->status == STATUS_DELIVERABLE || d->status == STATUS_UNDELIVERABLE));
    bug_if(d->dsn.klass != 2 && d->dsn.klass != 4 && d->dsn.klass != 5);
    bug_if(d->dsn.subject > 999 || d->dsn.detail > 999);
    bug_if(d->code && (d->code < 200 || d->code > 599));
    bug_if(d->status == STATUS_SENT && d->phase != PHASE_NONE);
    bug_if(!d->connected && d->relay_host.len);
    bug_if(d->has_delay && d->delay / NUMBER_ONE > UINT64_C(1000000000000));
    for (int i = 0; d->has_delays && i < DELAY_STAGES; i++)
        bug_if(d->delays[i] / NUMBER_ONE > UINT64_C(1000000000000));
    const struct slice slices[] = {d->recipient,  d->domain, d->relay_host, d->relay_ip,
                                   d->tried_host, d->reply,  d->origin};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        check_slice(slices[i], line);
}

static void check_event(const struct event *event, struct slice line)
{
    bug_if(event->kind <= EVENT_NONE || event->kind >= EVENT_COUNT);
    bug_if(event->severity >= SEVERITY_COUNT);
    check_slice(event->queue_id, line);
    if (event->kind == EVENT_DELIVERY || event->kind == EVENT_PROBE)
        check_delivery(event, line);
    else if (event->kind == EVENT_SMTPD)
        bug_if(event->session <= SESSION_NONE || event->session >= SESSION_COUNT);
    else if (event->kind == EVENT_POSTSCREEN)
        bug_if(event->screening <= SCREENING_NONE || event->screening >= SCREENING_COUNT);
    else if (event->kind == EVENT_REJECTION)
        bug_if(event->rejection.phase >= PHASE_COUNT || event->rejection.code > 599);
}

/* What the cmd floor fills in. */
static void attribute(struct event *event)
{
    struct delivery *d = &event->delivery;
    if (event->kind == EVENT_DELIVERY || event->kind == EVENT_PROBE) {
        d->provider = d->local ? SLICE("local") : SLICE("other");
        d->cause = d->owner = SLICE("unknown");
        d->list = d->code == 554 ? SLICE("a list") : SLICE_NONE;
    } else if (event->kind == EVENT_TLS) {
        event->tls.provider = SLICE("other");
    }
}

static void count_line(struct slice line)
{
    struct envelope env;
    struct event event;
    enum format_id format;
    memset(&event, 0xa5, sizeof(event));
    envelope_parse(&run.envelopes, line, &env);
    enum outcome outcome = format_set_parse(run.formats, FORMAT_AUTO, &env, &event, &format);
    bug_if(outcome >= OUTCOME_COUNT || format > FORMAT_COUNT);
    if (outcome != OUTCOME_EVENT)
        return;
    check_event(&event, line);
    attribute(&event);
    record_event(run.recorder, &event);
    run.deliveries += event.kind == EVENT_DELIVERY;
    run.first += event.kind == EVENT_DELIVERY && event.delivery.first;
}

static void check_sums(void)
{
    bug_if(sum_of(run.metrics, METRIC_DELIVERIES) != run.deliveries);
    bug_if(sum_of(run.metrics, METRIC_DOMAIN_DELIVERIES) != run.deliveries);
    bug_if(sum_of(run.metrics, METRIC_FIRST_ATTEMPTS) != run.first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice block = input_of(data, size), line;
    unsigned number = 0;
    run_begin();
    while (lines_next(&block, &line)) {
        struct slice copy = copy_of(line);
        count_line(copy);
        copy_free(copy);
        /* A scrape now and then; at the beginning of time, when no domain has been silent. */
        if (++number % 8 == 0)
            metrics_settle(run.metrics, 0, false);
    }
    check_sums();
    metrics_settle(run.metrics, 0, true);
    check_sums();
    check_page(run.metrics);
    recorder_free(run.recorder);
    return 0;
}
