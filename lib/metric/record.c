#include "mailvane/metric/record.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"

/* Direct-mapped memories of recent look-ups; powers of two. */
#define DSN_MEMOS      256
#define DELAY_MEMOS    64
#define RESULT_MEMOS   512
#define PROVIDER_MEMOS 64
#define CAUSE_MEMOS    64

struct delay_series {
    uint16_t provider;
    union series_value *stage[DELAY_STAGES];
    union series_value *latency; /* NULL: free */
};

struct cause_labels {
    const char *ptr; /* of the name; NULL: free */
    uint16_t cause;
    uint16_t owner;
};

struct result_series {
    struct series_key key;
    union series_value *deliveries; /* NULL: free */
    union series_value *first;
};

/* Label values that are known beforehand or repeat, as numbers; series, as handles. */
struct recorder {
    struct metrics *metrics;
    uint16_t status[STATUS_COUNT];
    uint16_t result[STATUS_COUNT];
    uint16_t phase[PHASE_COUNT];
    uint16_t severity[SEVERITY_COUNT];
    uint16_t stage[DELAY_STAGES];
    uint16_t trust[TRUST_COUNT];
    uint16_t in, out;
    int64_t changed[CHANGE_COUNT]; /* 0: never, as far as is known */
    union series_value *session[SESSION_COUNT];
    union series_value *screening[SCREENING_COUNT];
    union series_value *received, *removed, *size, *recipients;
    struct {
        uint32_t packed; /* the code; 0: free */
        uint16_t number;
    } dsn[DSN_MEMOS];
    struct {
        const char *ptr;
        uint16_t number;
    } providers[PROVIDER_MEMOS];
    uint16_t codes[1000]; /* label numbers of reply codes; 0: not asked for yet */
    struct cause_labels causes[CAUSE_MEMOS];
    struct delay_series delays[DELAY_MEMOS];
    struct result_series results[RESULT_MEMOS];
};

static void intern_words(struct metrics *m, enum label label, const char *const *words,
                         unsigned count, uint16_t *numbers)
{
    for (unsigned i = 0; i < count; i++)
        numbers[i] = metrics_label(m, label, slice_str(words[i]));
}

/* One series for each word, made beforehand: they are few, and 0 is worth seeing. */
static void make_series(struct metrics *m, enum metric id, enum label label,
                        const char *const *words, unsigned count, union series_value **series)
{
    for (unsigned i = 1; i < count; i++)
        series[i] =
            metrics_at(m, id, (struct series_key){{metrics_label(m, label, slice_str(words[i]))}});
}

struct recorder *recorder_new(struct metrics *metrics)
{
    struct recorder *r = must_calloc(1, sizeof(*r));
    r->metrics = metrics;
    intern_words(metrics, LABEL_STATUS, status_words, STATUS_COUNT, r->status);
    intern_words(metrics, LABEL_RESULT, status_words, STATUS_COUNT, r->result);
    intern_words(metrics, LABEL_PHASE, phase_words, PHASE_COUNT, r->phase);
    intern_words(metrics, LABEL_SEVERITY, severity_words, SEVERITY_COUNT, r->severity);
    intern_words(metrics, LABEL_TRUST, trust_words, TRUST_COUNT, r->trust);
    intern_words(metrics, LABEL_STAGE, stage_words, DELAY_STAGES, r->stage);
    make_series(metrics, METRIC_SMTPD_CONNECTIONS, LABEL_EVENT, session_words, SESSION_COUNT,
                r->session);
    make_series(metrics, METRIC_POSTSCREEN, LABEL_ACTION, screening_words, SCREENING_COUNT,
                r->screening);
    struct series_key none = {{0}};
    r->received = metrics_at(metrics, METRIC_MESSAGES_RECEIVED, none);
    r->removed = metrics_at(metrics, METRIC_MESSAGES_REMOVED, none);
    r->size = metrics_at(metrics, METRIC_MESSAGE_SIZE, none);
    r->recipients = metrics_at(metrics, METRIC_MESSAGE_RECIPIENTS, none);
    r->in = metrics_label(metrics, LABEL_DIRECTION, SLICE("in"));
    r->out = metrics_label(metrics, LABEL_DIRECTION, SLICE("out"));
    return r;
}

void recorder_free(struct recorder *recorder)
{
    free(recorder);
}

/* The number of a code's text, without writing the text again for each delivery. */
static uint16_t dsn_number(struct recorder *r, struct dsn dsn)
{
    uint32_t packed = (uint32_t)dsn.klass << 20 | (uint32_t)dsn.subject << 10 | dsn.detail;
    uint32_t slot = (packed * UINT32_C(0x9e3779b1) >> 16) % DSN_MEMOS;
    if (r->dsn[slot].packed != packed) {
        char text[DSN_TEXT_SIZE];
        size_t len = dsn_format(dsn, text);
        r->dsn[slot].packed = packed;
        r->dsn[slot].number = metrics_label(r->metrics, LABEL_DSN, slice_of(text, len));
    }
    return r->dsn[slot].number;
}

static uint16_t code_number(struct recorder *r, uint16_t code)
{
    uint16_t *number = &r->codes[code % 1000u];
    if (*number == 0 && code) {
        char text[8];
        int len = snprintf(text, sizeof(text), "%03u", code % 1000u);
        *number = metrics_label(r->metrics, LABEL_CODE, slice_of(text, (size_t)len));
    }
    return *number;
}

/* The handles of a provider's histograms. */
static const struct delay_series *delays_of(struct recorder *r, uint16_t provider)
{
    struct delay_series *memo = &r->delays[provider % DELAY_MEMOS];
    if (memo->provider == provider && memo->latency)
        return memo;
    memo->provider = provider;
    for (int i = 0; i < DELAY_STAGES; i++)
        memo->stage[i] = metrics_at(r->metrics, METRIC_DELIVERY_DELAY,
                                    (struct series_key){{provider, r->stage[i]}});
    memo->latency =
        metrics_at(r->metrics, METRIC_DELIVERY_LATENCY, (struct series_key){{provider}});
    return memo;
}

static void record_delays(struct recorder *r, const struct delivery *d, uint16_t provider)
{
    const struct delay_series *series = delays_of(r, provider);
    for (int i = 0; d->has_delays && i < DELAY_STAGES; i++)
        series_observe(r->metrics, METRIC_DELIVERY_DELAY, series->stage[i], d->delays[i]);
    if (d->status == STATUS_SENT && d->has_delay)
        series_observe(r->metrics, METRIC_DELIVERY_LATENCY, series->latency, d->delay);
}

/* The handles of a result's counters. */
static const struct result_series *result_of(struct recorder *r, uint16_t provider, uint16_t ip,
                                             uint16_t status, uint16_t dsn)
{
    struct series_key key = series_key_of(provider, ip, status, dsn, 0);
    unsigned slot = (provider * 31u + ip * 7u + status + dsn * 5u) % RESULT_MEMOS;
    struct result_series *memo = &r->results[slot];
    if (memo->deliveries && memcmp(&memo->key, &key, sizeof(key)) == 0)
        return memo;
    memo->key = key;
    memo->deliveries = metrics_at(r->metrics, METRIC_DELIVERIES, key);
    memo->first =
        metrics_at(r->metrics, METRIC_FIRST_ATTEMPTS, (struct series_key){{provider, ip, status}});
    return memo;
}

/* Providers' names live in a table that never moves, so the pointer stands for the name. */
static uint16_t provider_number(struct recorder *r, struct slice provider)
{
    unsigned slot = ((uintptr_t)provider.ptr >> 6) % PROVIDER_MEMOS;
    if (r->providers[slot].ptr != provider.ptr) {
        r->providers[slot].ptr = provider.ptr;
        r->providers[slot].number = metrics_label(r->metrics, LABEL_PROVIDER, provider);
    }
    return r->providers[slot].number;
}

/* A cause's name is a text that never moves, and so is its owner's. */
static const struct cause_labels *cause_of(struct recorder *r, const struct delivery *d)
{
    struct cause_labels *memo = &r->causes[((uintptr_t)d->cause.ptr >> 2) % CAUSE_MEMOS];
    if (memo->ptr != d->cause.ptr) {
        memo->ptr = d->cause.ptr;
        memo->cause = metrics_label(r->metrics, LABEL_CAUSE, d->cause);
        memo->owner = metrics_label(r->metrics, LABEL_OWNER, d->owner);
    }
    return memo;
}

static void record_failure(struct recorder *r, const struct delivery *d, uint16_t provider,
                           uint16_t ip)
{
    struct metrics *m = r->metrics;
    const struct cause_labels *cause = cause_of(r, d);
    struct series_key key = {{provider, ip, r->status[d->status], cause->cause, cause->owner,
                              r->phase[d->phase], code_number(r, d->code)}};
    metrics_add(m, METRIC_DELIVERY_FAILURES, key, 1);
    if (d->list.len)
        metrics_add(m, METRIC_LISTED,
                    (struct series_key){{metrics_label(m, LABEL_LIST, d->list), provider, ip}}, 1);
}

static void record_delivery(struct recorder *r, const struct event *event)
{
    const struct delivery *d = &event->delivery;
    struct metrics *m = r->metrics;
    uint64_t hash = metrics_expect_domain(m, d->domain);
    uint16_t provider = provider_number(r, d->provider);
    uint16_t ip = metrics_label(m, LABEL_SENDING_IP, d->sending_ip);
    uint16_t status = r->status[d->status];
    uint16_t dsn = dsn_number(r, d->dsn);
    uint16_t domain = metrics_domain(m, d->domain, hash);
    struct series_key by_domain = series_key_of(domain, provider, ip, status, dsn);
    metrics_expect(m, METRIC_DOMAIN_DELIVERIES, &by_domain);
    const struct result_series *result = result_of(r, provider, ip, status, dsn);
    result->deliveries->n++;
    result->first->n += d->first;
    record_delays(r, d, provider);
    metrics_add(m, METRIC_DOMAIN_DELIVERIES, by_domain, 1);
    if (d->status != STATUS_SENT)
        record_failure(r, d, provider, ip);
}

static void record_active(struct recorder *r, const struct event *event)
{
    if (event->active.again)
        return;
    series_observe(r->metrics, METRIC_MESSAGE_SIZE, r->size, event->active.size);
    series_observe(r->metrics, METRIC_MESSAGE_RECIPIENTS, r->recipients, event->active.recipients);
}

static void record_tls(struct recorder *r, const struct event *event)
{
    struct metrics *m = r->metrics;
    struct series_key key = series_key_of(
        event->tls.outbound ? r->out : r->in, provider_number(r, event->tls.provider),
        r->trust[event->tls.trust], metrics_label(m, LABEL_PROTOCOL, event->tls.protocol), 0);
    metrics_add(m, METRIC_TLS_CONNECTIONS, key, 1);
}

void record_change(struct recorder *recorder, enum change change, int64_t time)
{
    struct metrics *m = recorder->metrics;
    uint16_t word = metrics_label(m, LABEL_CHANGE, slice_str(change_words[change]));
    if (time <= recorder->changed[change])
        return;
    recorder->changed[change] = time;
    metrics_set(m, METRIC_LAST_CHANGE, (struct series_key){{word}}, (double)time);
}

/* The name holds the words, so that others begin anew. */
static const char *changes_region(char name[IMAGE_NAME_MAX + 1])
{
    size_t len = (size_t)snprintf(name, IMAGE_NAME_MAX + 1, "changes");
    for (unsigned i = 1; i < CHANGE_COUNT && len < IMAGE_NAME_MAX; i++)
        len += (size_t)snprintf(name + len, IMAGE_NAME_MAX + 1 - len, " %s", change_words[i]);
    return name;
}

void recorder_save(const struct recorder *recorder, struct image_writer *out)
{
    char name[IMAGE_NAME_MAX + 1];
    image_put(out, changes_region(name), recorder->changed, sizeof(recorder->changed));
}

void recorder_load(struct recorder *recorder, struct image_reader *in)
{
    char name[IMAGE_NAME_MAX + 1];
    int64_t changed[CHANGE_COUNT];
    if (!image_fill(in, changes_region(name), changed, sizeof(changed)))
        return;
    for (unsigned i = 1; i < CHANGE_COUNT; i++)
        record_change(recorder, (enum change)i, changed[i]);
}

/* Events that are one step of one counter. */
static void record_plain(struct recorder *r, const struct event *event)
{
    struct metrics *m = r->metrics;
    struct series_key key = {{0}};
    switch (event->kind) {
    case EVENT_PROBE:
        key.value[0] = r->result[event->delivery.status];
        metrics_add(m, METRIC_ADDRESS_PROBES, key, 1);
        break;
    case EVENT_RECEIVED:
        r->received->n++;
        break;
    case EVENT_REMOVED:
        r->removed->n++;
        break;
    case EVENT_SMTPD:
        r->session[event->session]->n++;
        break;
    case EVENT_REJECTION:
        key.value[0] = r->phase[event->rejection.phase];
        key.value[1] = code_number(r, event->rejection.code);
        metrics_add(m, METRIC_SMTPD_REJECTIONS, key, 1);
        break;
    case EVENT_SASL_FAILURE:
        metrics_add(m, METRIC_SASL_FAILURES, key, 1);
        break;
    case EVENT_CLEANUP_REJECTION:
        metrics_add(m, METRIC_CLEANUP_REJECTIONS, key, 1);
        break;
    case EVENT_POSTSCREEN:
        r->screening[event->screening]->n++;
        break;
    case EVENT_CHANGE:
        record_change(r, event->change, event->time);
        break;
    default:
        break;
    }
}

void record_event(struct recorder *recorder, const struct event *event)
{
    if (event->severity)
        metrics_add(recorder->metrics, METRIC_MTA_MESSAGES,
                    (struct series_key){{recorder->severity[event->severity]}}, 1);
    if (event->kind == EVENT_DELIVERY)
        record_delivery(recorder, event);
    else if (event->kind == EVENT_ACTIVE)
        record_active(recorder, event);
    else if (event->kind == EVENT_TLS)
        record_tls(recorder, event);
    else
        record_plain(recorder, event);
}
