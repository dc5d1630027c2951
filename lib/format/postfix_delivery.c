#include "postfix.h"

#include "mailvane/base/number.h"
#include "mailvane/base/scan.h"

/*
 * A retry has waited at least minimal_backoff_time (postconf(5), 300 s by default)
 * in the queue before this attempt: the first part of delays=. It decides where
 * the message is not remembered.
 */
#define RETRY_SECONDS 300.0

/* The fields of a delivery line, read by name: versions add and reorder them. */
enum field { FIELD_TO, FIELD_RELAY, FIELD_DELAY, FIELD_DELAYS, FIELD_DSN, FIELD_IGNORED, FIELDS };

struct fields {
    struct slice value[FIELDS];
    struct slice status;
    struct slice text; /* within the parentheses behind status= */
};

static const struct {
    struct slice word;
    enum status status;
    enum event_kind kind;
} status_rows[] = {
    {SLICE_INIT("sent"), STATUS_SENT, EVENT_DELIVERY},
    {SLICE_INIT("deferred"), STATUS_DEFERRED, EVENT_DELIVERY},
    {SLICE_INIT("bounced"), STATUS_BOUNCED, EVENT_DELIVERY},
    {SLICE_INIT("SOFTBOUNCE"), STATUS_DEFERRED, EVENT_DELIVERY},
    {SLICE_INIT("expired"), STATUS_EXPIRED, EVENT_DELIVERY},
    {SLICE_INIT("force-expired"), STATUS_EXPIRED, EVENT_DELIVERY},
    {SLICE_INIT("deliverable"), STATUS_DELIVERABLE, EVENT_PROBE},
    {SLICE_INIT("undeliverable"), STATUS_UNDELIVERABLE, EVENT_PROBE},
};

/* Behind a quoted local part, where a '>' is only a byte; `from` where there is none. */
static const char *skip_quoted(const char *from, const char *end)
{
    if (from == end || *from != '"')
        return from;
    for (const char *p = from + 1; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return from;
}

/* Takes "<address>" off: to the first '>' outside quotes that ends a field. */
static bool take_bracketed(struct slice *s, struct slice *out)
{
    const char *from = s->ptr + 1, *end = slice_end(*s);
    const char *p = scan_to(skip_quoted(from, end), end, '>');
    while (p < end && p + 1 < end && p[1] != ',' && p[1] != ' ')
        p = scan_to(p + 1, end, '>');
    if (p == end)
        return false;
    *out = slice_between(from, p);
    *s = slice_between(p + 1, end);
    return true;
}

static bool is_key_byte(char c)
{
    return byte_is_lower(c) || c == '_';
}

/* The length of the key that begins here, with a '=' behind it; 0 if none does. */
static size_t key_length(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && is_key_byte(*p))
        p++;
    return p < end && *p == '=' ? (size_t)(p - from) : 0;
}

/* Takes a plain value off: to the comma, or to a blank with the next key behind it. */
static void take_plain(struct slice *s, struct slice *out)
{
    const char *from = s->ptr, *end = slice_end(*s);
    const char *p = scan_to2(from, end, ',', ' ');
    while (p < end) {
        if (*p == ',' ? p + 1 == end || p[1] == ' ' : key_length(p + 1, end) > 0)
            break;
        p = scan_to2(p + 1, end, ',', ' ');
    }
    *out = slice_between(from, p);
    *s = slice_between(p, end);
}

/* Keys differ in length and first byte; the rest is compared once. */
static enum field field_of(struct slice key)
{
    switch (key.len) {
    case 2:
        return slice_eq(key, SLICE("to")) ? FIELD_TO : FIELD_IGNORED;
    case 3:
        return slice_eq(key, SLICE("dsn")) ? FIELD_DSN : FIELD_IGNORED;
    case 5:
        if (slice_eq(key, SLICE("relay")))
            return FIELD_RELAY;
        return slice_eq(key, SLICE("delay")) ? FIELD_DELAY : FIELD_IGNORED;
    case 6:
        return slice_eq(key, SLICE("delays")) ? FIELD_DELAYS : FIELD_IGNORED;
    default:
        return FIELD_IGNORED;
    }
}

/* Takes a value off, with the separator behind it. */
static inline bool take_value(struct slice *s, struct slice *value)
{
    if (s->len == 0 || s->ptr[0] != '<')
        take_plain(s, value);
    else if (!take_bracketed(s, value))
        return false;
    const char *p = s->ptr, *end = slice_end(*s);
    if (p < end && *p == ',')
        p++;
    while (p < end && *p == ' ')
        p++;
    *s = slice_between(p, end);
    return true;
}

/* Takes one "key=value" off. */
static bool take_field(struct slice *s, struct fields *f)
{
    size_t len = key_length(s->ptr, slice_end(*s));
    if (len == 0)
        return false;
    struct slice *value = &f->value[field_of(slice_head(*s, len))];
    *s = slice_skip(*s, len + 1);
    return take_value(s, value);
}

/*
 * The same for a key that is expected here; if another one stands here, nothing is
 * done. Inlined, so that the key is compared as a constant.
 */
__attribute__((always_inline)) static inline bool take_expected(struct slice *s, struct slice key,
                                                                struct slice *value)
{
    return !slice_take(s, key) || take_value(s, value);
}

/*
 * Reads fields up to status=, which is the last: what stands in parentheses behind
 * it is quoted from a remote, and no field is looked for there. The usual order is
 * tried first, key by key, since that is what a log is full of.
 */
static bool read_fields(struct slice s, bool cut, struct fields *f)
{
    if (!take_expected(&s, SLICE("to="), &f->value[FIELD_TO]) ||
        !take_expected(&s, SLICE("relay="), &f->value[FIELD_RELAY]) ||
        !take_expected(&s, SLICE("conn_use="), &f->value[FIELD_IGNORED]) ||
        !take_expected(&s, SLICE("delay="), &f->value[FIELD_DELAY]) ||
        !take_expected(&s, SLICE("delays="), &f->value[FIELD_DELAYS]) ||
        !take_expected(&s, SLICE("dsn="), &f->value[FIELD_DSN]))
        return false;
    while (!slice_take(&s, SLICE("status="))) {
        if (!take_field(&s, f))
            return false;
    }
    f->status = slice_cut(&s, ' ');
    slice_take(&s, SLICE("("));
    if (!cut && slice_ends(s, SLICE(")")))
        s.len--;
    f->text = s;
    return true;
}

/*
 * "0.25/0.01/0.04/0.16" and nothing behind it. Numbers are read up to the line's end
 * and must end where their field does: there is room to read them by the word.
 */
static bool parse_delays(struct slice s, const char *line_end, double out[DELAY_STAGES])
{
    const char *p = s.ptr;
    for (int i = 0; i < DELAY_STAGES; i++) {
        if (i && *p++ != '/')
            return false;
        p = number_read(p, line_end, &out[i]);
        if (!p || p >= line_end)
            return false;
    }
    return p == slice_end(s);
}

static bool parse_delay(struct slice s, const char *line_end, double *out)
{
    return s.len && number_read(s.ptr, line_end, out) == slice_end(s);
}

/* This machine, as far as an address can tell: a socket's path or a loopback address. */
static bool is_this_machine(struct slice addr)
{
    return slice_find(addr, '/') < addr.len || slice_starts(addr, SLICE("127.")) ||
           slice_eq(addr, SLICE("::1"));
}

/* relay=host[addr]:port, relay=none, or the name of a local agent's service. */
static void parse_relay(struct slice relay, enum postfix_service service, struct delivery *d)
{
    struct peer peer = {.host = relay};
    struct slice rest = relay;
    d->local = service >= POSTFIX_LOCAL && service <= POSTFIX_DISCARD;
    if (d->local || relay.len == 0 || slice_eq(relay, SLICE("none")))
        return;
    postfix_take_peer(&rest, &peer);
    d->connected = true;
    d->relay_host = peer.host;
    d->local = service == POSTFIX_LMTP && is_this_machine(peer.addr);
    /* An IPv4 address has neither; a socket's path has a slash and is no address. */
    const char *end = slice_end(peer.addr);
    const char *mark = scan_to2(peer.addr.ptr, end, ':', '/');
    d->relay_ipv6 = mark < end && *mark == ':';
    if (mark == end || d->relay_ipv6)
        d->relay_ip = peer.addr;
}

/* The enhanced code where the log has none: the reply's, else its class, else the status' own. */
static struct dsn infer_dsn(const struct delivery *d)
{
    static const uint8_t class_of_status[STATUS_COUNT] = {
        [STATUS_SENT] = 2,    [STATUS_DEFERRED] = 4,    [STATUS_BOUNCED] = 5,
        [STATUS_EXPIRED] = 5, [STATUS_DELIVERABLE] = 2, [STATUS_UNDELIVERABLE] = 5,
    };
    struct reply_status reply = reply_status_parse(d->reply);
    if (reply.dsn.klass)
        return reply.dsn;
    unsigned klass = d->code / 100u;
    if (klass != 2 && klass != 4 && klass != 5)
        klass = class_of_status[d->status];
    return (struct dsn){.klass = (uint8_t)klass};
}

/* LMTP that could not connect, to a place that is this machine. */
static bool tried_this_machine(enum postfix_service service, const struct delivery *d,
                               struct slice text)
{
    struct peer peer;
    return service == POSTFIX_LMTP && !d->connected && slice_take(&text, SLICE("connect to ")) &&
           postfix_take_peer(&text, &peer) && is_this_machine(peer.addr);
}

static void read_result(const struct fields *f, bool cut, enum postfix_service service,
                        struct delivery *d)
{
    bool remote = service <= POSTFIX_LMTP;
    if (d->status == STATUS_SENT || d->status == STATUS_DELIVERABLE) {
        d->reply = f->text;
        d->code = remote ? reply_code(f->text) : 0;
    } else {
        dsn_parse(f->value[FIELD_DSN], &d->dsn);
        postfix_failure_text(f->text, cut, service, d);
        d->local = d->local || tried_this_machine(service, d, f->text);
    }
    if (!dsn_parse(f->value[FIELD_DSN], &d->dsn))
        d->dsn = infer_dsn(d);
}

/* Asks the memory, then the arithmetic of delays=, and remembers a deferral. */
static void correlate_delivery(struct postfix *p, struct slice queue_id, struct delivery *d)
{
    enum attempt attempt = correlate_attempt(p->correlate, queue_id, d->recipient);
    double waited = d->has_delays ? d->delays[DELAY_BEFORE_QUEUE] : d->delay;
    d->first = attempt == ATTEMPT_FIRST || (attempt == ATTEMPT_UNKNOWN && waited < RETRY_SECONDS);
    if (d->status != STATUS_DEFERRED)
        return;
    struct destination to = {
        .domain = d->domain,
        .host = d->connected ? d->relay_host : d->tried_host,
        .origin = d->origin,
        .local = d->local,
        .connected = d->connected,
        .relay_ipv6 = d->relay_ipv6,
    };
    correlate_deferred(p->correlate, queue_id, d->recipient, &to);
}

enum outcome postfix_delivery(struct postfix *p, enum postfix_service service,
                              const struct envelope *env, struct slice rest, struct event *out)
{
    struct fields f = {0};
    struct delivery *d = &out->delivery;
    bool cut = env->text.len >= POSTFIX_RECORD_MAX;
    const char *line_end = slice_end(env->text);
    if (!read_fields(rest, cut, &f))
        return OUTCOME_MALFORMED;
    *d = (struct delivery){.recipient = f.value[FIELD_TO]};
    out->kind = EVENT_NONE;
    for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
        if (slice_eq(f.status, status_rows[i].word)) {
            d->status = status_rows[i].status;
            out->kind = status_rows[i].kind;
            break;
        }
    }
    if (out->kind == EVENT_NONE)
        return OUTCOME_MALFORMED;
    d->domain = domain_canonical(address_domain(f.value[FIELD_TO]), p->domain);
    /* lmtp(8) and smtp(8) may share a syslog_name, but not the address that they bind. */
    d->origin = service == POSTFIX_LMTP ? env->program
                                        : slice_head(env->program, slice_rfind(env->program, '/'));
    d->has_delay = parse_delay(f.value[FIELD_DELAY], line_end, &d->delay);
    d->has_delays =
        f.value[FIELD_DELAYS].len && parse_delays(f.value[FIELD_DELAYS], line_end, d->delays);
    parse_relay(f.value[FIELD_RELAY], service, d);
    read_result(&f, cut, service, d);
    if (out->kind == EVENT_DELIVERY)
        correlate_delivery(p, out->queue_id, d);
    return OUTCOME_EVENT;
}
