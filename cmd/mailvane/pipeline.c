#include "pipeline.h"

#include "mailvane/base/hash.h"
#include "mailvane/format/reason.h"
#include "mailvane/line/lines.h"

int pipeline_init(struct pipeline *p, const struct config *config, const struct logger *log,
                  struct error *err)
{
    uint64_t seed = hash_seed();
    struct metrics_options options = {
        .domains = (uint32_t)config->series_domains,
        .sending_ips = (uint32_t)config->series_sending_ips,
        .codes = (uint32_t)config->series_codes,
        .seed = seed,
    };
    *p = (struct pipeline){.providers = providers_new(seed)};
    p->classifier = classifier_new(seed);
    p->last_causes = last_causes_new(seed);
    p->sending_ips = sending_ips_new(seed);
    p->formats = format_set_new(seed);
    p->metrics = metrics_new(&options);
    p->recorder = recorder_new(p->metrics);
    for (size_t i = 0; i < config->provider_count; i++) {
        if (providers_load(p->providers, config->providers[i], err) < 0) {
            pipeline_release(p);
            return -1;
        }
    }
    for (size_t i = 0; i < config->cause_count; i++) {
        if (classifier_load(p->classifier, config->causes[i], err) < 0) {
            pipeline_release(p);
            return -1;
        }
    }
    /* A label that is missing is better than deliveries that are not counted. */
    if (sending_ips_rebuild(p->sending_ips, config, err) < 0)
        log_warn(log, "sending addresses are not known: %s", err->text);
    return 0;
}

void pipeline_release(struct pipeline *p)
{
    recorder_free(p->recorder);
    metrics_free(p->metrics);
    format_set_free(p->formats);
    sending_ips_free(p->sending_ips);
    routes_free(p->routes);
    last_causes_free(p->last_causes);
    classifier_free(p->classifier);
    providers_free(p->providers);
    *p = (struct pipeline){0};
}

void pipeline_save(const struct pipeline *p, struct image_writer *out)
{
    metrics_save(p->metrics, out);
    recorder_save(p->recorder, out);
    format_set_save(p->formats, out);
    last_causes_save(p->last_causes, out);
}

bool pipeline_resume(struct pipeline *p, uint64_t seed, struct image_reader *in)
{
    if (!metrics_load(p->metrics, in))
        return false;
    recorder_load(p->recorder, in);
    format_set_free(p->formats);
    last_causes_free(p->last_causes);
    p->formats = format_set_new(seed);
    p->last_causes = last_causes_new(seed);
    format_set_load(p->formats, in);
    last_causes_load(p->last_causes, in);
    return true;
}

static void make_totals_of(struct metrics *m, struct slice provider, struct slice ip)
{
    static const enum status statuses[] = {STATUS_SENT, STATUS_DEFERRED, STATUS_BOUNCED};
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct slice word = slice_str(status_words[statuses[i]]);
        struct series_key key = {{metrics_label(m, LABEL_PROVIDER, provider),
                                  metrics_label(m, LABEL_SENDING_IP, ip),
                                  metrics_label(m, LABEL_STATUS, word)}};
        metrics_add(m, METRIC_FIRST_ATTEMPTS, key, 0);
    }
}

/* Half of the series at most: a user's table may name more providers than mail ever goes to. */
void pipeline_make_totals(struct pipeline *p)
{
    if (sending_ips_differ(p->sending_ips))
        return;
    struct slice ip = sending_ip_of(p->sending_ips, SLICE_NONE, false);
    if (!ip.len)
        ip = sending_ip_of(p->sending_ips, SLICE_NONE, true);
    size_t most = metric_rows[METRIC_FIRST_ATTEMPTS].series / 2 / 3;
    make_totals_of(p->metrics, SLICE("local"), SLICE_NONE);
    for (size_t i = 0; i < provider_count(p->providers) && i + 1 < most; i++)
        make_totals_of(p->metrics, provider_name(p->providers, i), ip);
}

void stream_init(struct stream *stream, const char *name, enum format_id only, int64_t reference)
{
    *stream = (struct stream){.name = name, .only = only, .last_time = TIME_UNKNOWN};
    envelope_parser_init(&stream->envelopes, reference);
}

/* metrics.md: the MX' operator; the domain's where no MX was reached, or the one tried. */
static struct slice provider_of(struct pipeline *p, const struct delivery *d)
{
    if (d->local)
        return SLICE("local");
    if (d->connected)
        return provider_of_host(p->providers, d->relay_host);
    struct slice provider = provider_of_domain(p->providers, d->domain);
    if (d->tried_host.len && slice_eq(provider, SLICE("other")))
        provider = provider_of_host(p->providers, d->tried_host);
    return provider;
}

static const struct verdict *verdict_of(struct pipeline *p, const struct delivery *d)
{
    const struct refusal refusal = {
        .provider = d->provider,
        .phase = d->phase,
        .code = d->code,
        .dsn = d->dsn,
        .text = d->reply,
    };
    return classifier_judge(p->classifier, &refusal);
}

/* The line of an expired message says nothing of what kept it in the queue. */
static enum cause cause_of_expired(struct pipeline *p, struct slice queue_id)
{
    enum cause last = last_cause_of(p->last_causes, queue_id);
    return last != CAUSE_NONE ? last : CAUSE_EXPIRED;
}

/*
 * Why it failed, whose problem that is, and which block list is named. Not inlined: few
 * lines come here, and the others would carry its stack.
 */
__attribute__((noinline)) static void judge(struct pipeline *p, struct event *event)
{
    struct delivery *d = &event->delivery;
    enum cause cause;
    if (d->status == STATUS_EXPIRED) {
        cause = cause_of_expired(p, event->queue_id);
    } else {
        const struct verdict *verdict = verdict_of(p, d);
        cause = verdict->cause;
        d->list = verdict->list;
    }
    if (d->status == STATUS_DEFERRED)
        last_cause_set(p->last_causes, event->queue_id, cause);
    d->cause = slice_str(cause_rows[cause].name);
    d->owner = slice_str(owner_words[cause_rows[cause].owner]);
}

/* Fills in what the log leaves out. */
static void attribute(struct pipeline *p, struct event *event)
{
    if (event->kind == EVENT_DELIVERY || event->kind == EVENT_PROBE) {
        struct delivery *d = &event->delivery;
        d->provider = provider_of(p, d);
        if (p->routes && (d->local || d->connected))
            route_set(p->routes, d->domain, d->provider);
        if (!d->local && !d->sending_ip.len)
            d->sending_ip = sending_ip_of(p->sending_ips, d->origin, d->relay_ipv6);
        d->cause = SLICE_NONE;
        d->owner = SLICE_NONE;
        d->list = SLICE_NONE;
        if (d->status != STATUS_SENT && d->status != STATUS_DELIVERABLE)
            judge(p, event);
    } else if (event->kind == EVENT_TLS && event->tls.outbound) {
        event->tls.provider = provider_of_host(p->providers, event->tls.host);
    }
}

void pipeline_learn_routes(struct pipeline *p)
{
    if (!p->routes)
        p->routes = routes_new(hash_seed());
}

/* As provider_of has it, with what was learnt from deliveries. */
static struct slice provider_waiting(struct pipeline *p, struct slice domain, struct slice tried)
{
    struct slice provider = tried.len ? provider_of_host(p->providers, tried) : SLICE_NONE;
    if (provider.len && !slice_eq(provider, SLICE("other")))
        return provider;
    provider = p->routes ? route_of(p->routes, domain) : SLICE_NONE;
    return provider.len ? provider : provider_of_domain(p->providers, domain);
}

void pipeline_explain(struct pipeline *p, const struct queue_recipient *recipient,
                      struct waiting *out)
{
    struct delivery d;
    reason_read(recipient->mta, recipient->reason, &d);
    out->domain = domain_canonical(address_domain(recipient->address), out->buf);
    out->provider = d.provider = provider_waiting(p, out->domain, d.tried_host);
    out->cause = d.reply.len ? verdict_of(p, &d)->cause : CAUSE_UNKNOWN;
}

enum outcome pipeline_parse(struct pipeline *p, struct stream *stream, struct slice line,
                            struct event *event, enum format_id *format)
{
    struct envelope env;
    envelope_parse(&stream->envelopes, line, &env);
    if (env.time != TIME_UNKNOWN)
        stream->last_time = env.time;
    enum outcome outcome = format_set_parse(p->formats, stream->only, &env, event, format);
    stream->outcomes[*format][outcome]++;
    stream->lines++;
    if (outcome == OUTCOME_EVENT)
        attribute(p, event);
    return outcome;
}

void pipeline_count(struct pipeline *p, struct stream *stream, struct slice block)
{
    struct lines lines;
    struct slice line;
    struct event event;
    enum format_id format;
    stream->bytes += block.len;
    lines_init(&lines, block);
    while (lines_take(&lines, &line)) {
        if (pipeline_parse(p, stream, line, &event, &format) == OUTCOME_EVENT)
            record_event(p->recorder, &event);
    }
}

void pipeline_report(struct pipeline *p, struct stream *stream)
{
    struct metrics *m = p->metrics;
    uint16_t source = metrics_label(m, LABEL_SOURCE, slice_str(stream->name));
    for (unsigned f = 0; f <= FORMAT_COUNT; f++) {
        struct slice format = slice_str(f < FORMAT_COUNT ? formats[f]->name : "");
        for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
            struct series_key key = {
                {source, metrics_label(m, LABEL_FORMAT, format),
                 metrics_label(m, LABEL_OUTCOME, slice_str(outcome_words[o]))}};
            /* No line without a format is anything but unknown. */
            if (f < FORMAT_COUNT || o == OUTCOME_UNKNOWN)
                metrics_add(m, METRIC_LOG_LINES, key, stream->outcomes[f][o]);
            stream->outcomes[f][o] = 0;
        }
    }
    metrics_add_growth(m, METRIC_RULES_STOPPED, (struct series_key){{0}},
                       classifier_stopped(p->classifier), &p->stopped);
    struct series_key key = {{source}};
    if (stream->last_time != TIME_UNKNOWN)
        metrics_set(m, METRIC_LOG_LAST_LINE, key, (double)stream->last_time);
}
