#include "postfix.h"

#include "mailvane/base/number.h"
#include "mailvane/base/scan.h"

/*
 * A retry has waited at least minimal_backoff_time (postconf(5), 300 s by default)
 * in the queue before this attempt: the first part of delays=. It decides where
 * the message is not remembered.
 */
#define RETRY_SECONDS (300 * NUMBER_ONE)

/* What a delivery line says, while it is read. */
struct reading {
    struct slice line; /* what is left of it */
    enum postfix_service service;
    bool cut; /* the line was, at Postfix' limit */
    bool has_dsn;
    struct slice text; /* within the parentheses behind status= */
    struct delivery *d;
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

/* Behind the separator that ends a field at p; NULL where the field goes on. */
static inline const char *behind_separator(const char *p, const char *end)
{
    if (end - p >= 2 && p[0] == ',' && p[1] == ' ' && (end - p == 2 || p[2] != ' '))
        return p + 2;
    if (p < end &&
        (*p == ',' ? p + 1 == end || p[1] == ' ' : *p == ' ' && key_length(p + 1, end) > 0)) {
        p += *p == ',';
        while (p < end && *p == ' ')
            p++;
        return p;
    }
    return p == end ? p : NULL;
}

/* Moves behind a field that ends at p, and says whether one can end there. */
static inline bool end_field(struct reading *r, const char *p)
{
    const char *end = slice_end(r->line);
    const char *next = p ? behind_separator(p, end) : NULL;
    if (next)
        r->line = slice_between(next, end);
    return next;
}

/* Any value, up to where a field ends. */
static bool take_any(struct reading *r)
{
    struct slice value;
    if (r->line.len && r->line.ptr[0] == '<') {
        if (!take_bracketed(&r->line, &value))
            return false;
    } else {
        take_plain(&r->line, &value);
    }
    return end_field(r, r->line.ptr);
}

static bool take_to(struct reading *r)
{
    struct slice *s = &r->line;
    if (s->len == 0 || s->ptr[0] != '<')
        take_plain(s, &r->d->recipient);
    else if (!take_bracketed(s, &r->d->recipient))
        return false;
    return end_field(r, s->ptr);
}

static bool take_delay(struct reading *r)
{
    const char *p = number_read(r->line.ptr, slice_end(r->line), &r->d->delay);
    r->d->has_delay = end_field(r, p);
    return r->d->has_delay || take_any(r);
}

/* "0.25/0.01/0.04/0.16" and nothing behind it. */
static bool take_delays(struct reading *r)
{
    const char *p = r->line.ptr, *end = slice_end(r->line);
    for (int i = 0; p && i < DELAY_STAGES; i++) {
        if (i && (p == end || *p++ != '/'))
            p = NULL;
        else
            p = number_read(p, end, &r->d->delays[i]);
    }
    r->d->has_delays = end_field(r, p);
    return r->d->has_delays || take_any(r);
}

static bool take_dsn(struct reading *r)
{
    struct slice rest = r->line;
    r->has_dsn = dsn_take(&rest, &r->d->dsn) && end_field(r, rest.ptr);
    return r->has_dsn || take_any(r);
}

/* This machine, as far as an address can tell: a socket's path or a loopback address. */
static bool is_this_machine(struct slice addr)
{
    return slice_find(addr, '/') < addr.len || slice_starts(addr, SLICE("127.")) ||
           slice_eq(addr, SLICE("::1"));
}

/* The line reaches behind the address: there is room to look at it in one step. */
static void set_relay(struct reading *r, const struct peer *peer, const char *line_end)
{
    struct delivery *d = r->d;
    d->connected = true;
    d->relay_host = peer->host;
    d->local = r->service == POSTFIX_LMTP && is_this_machine(peer->addr);
    /* An IPv4 address has neither; a socket's path has a slash and is no address. */
    const char *end = slice_end(peer->addr);
    const char *mark = scan_to2(peer->addr.ptr, line_end, ':', '/');
    d->relay_ipv6 = mark < end && *mark == ':';
    if (mark >= end || d->relay_ipv6)
        d->relay_ip = peer->addr;
}

/* "host[addr]:port" and a separator: as nearly every relay is written. */
static bool take_relay_peer(struct reading *r)
{
    struct peer peer;
    const char *from = r->line.ptr, *end = slice_end(r->line);
    const char *open = scan_to3(from, end, '[', ',', ' ');
    if (!end_field(r, postfix_peer_end(from, open, end, &peer)))
        return false;
    set_relay(r, &peer, end);
    return true;
}

/* relay=host[addr]:port, relay=none, or the name of a local agent's service. */
static bool take_relay(struct reading *r)
{
    struct slice value;
    if (r->d->local)
        return take_any(r);
    if (take_relay_peer(r))
        return true;
    take_plain(&r->line, &value);
    struct peer peer = {.host = value, .addr = slice_skip(value, value.len)};
    if (value.len && !slice_eq(value, SLICE("none"))) {
        postfix_take_peer(&value, &peer);
        set_relay(r, &peer, slice_end(r->line));
    }
    return end_field(r, r->line.ptr);
}

/* The fields that count, in their usual order; versions add and reorder them. */
#define FIELDS(FIELD)                                                                              \
    FIELD("to=", take_to)                                                                          \
    FIELD("relay=", take_relay)                                                                    \
    FIELD("conn_use=", take_any)                                                                   \
    FIELD("delay=", take_delay)                                                                    \
    FIELD("delays=", take_delays)                                                                  \
    FIELD("dsn=", take_dsn)

/* Takes one "key=value" off, whichever it is. */
static bool take_field(struct reading *r)
{
#define FIELD(key, take)                                                                           \
    if (slice_take(&r->line, SLICE(key)))                                                          \
        return take(r);
    FIELDS(FIELD)
#undef FIELD
    size_t len = key_length(r->line.ptr, slice_end(r->line));
    r->line = slice_skip(r->line, len + 1);
    return len > 0 && take_any(r);
}

/*
 * Reads fields up to status=, which is the last: what stands in parentheses behind
 * it is quoted from a remote, and no field is looked for there. The usual order is
 * tried first, key by key, since that is what a log is full of.
 */
static bool take_fields(struct reading *r)
{
#define FIELD(key, take)                                                                           \
    if (slice_take(&r->line, SLICE(key)) && !take(r))                                              \
        return false;
    FIELDS(FIELD)
#undef FIELD
    while (!slice_take(&r->line, SLICE("status="))) {
        if (!take_field(r))
            return false;
    }
    return true;
}

/* "sent (250 ok)": the word decides what happened, the text is somebody's quotation. */
static enum event_kind take_status(struct reading *r)
{
    enum event_kind kind = EVENT_NONE;
    struct slice *s = &r->line;
    for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
        if (slice_take(s, status_rows[i].word)) {
            r->d->status = status_rows[i].status;
            kind = status_rows[i].kind;
            break;
        }
    }
    if (!slice_take(s, SLICE(" ")) && s->len)
        return EVENT_NONE;
    slice_take(s, SLICE("("));
    if (!r->cut && slice_ends(*s, SLICE(")")))
        s->len--;
    r->text = *s;
    return kind;
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

static void read_result(const struct reading *r)
{
    struct delivery *d = r->d;
    bool remote = r->service <= POSTFIX_LMTP;
    if (d->status == STATUS_SENT || d->status == STATUS_DELIVERABLE) {
        d->reply = r->text;
        d->code = remote ? reply_code(r->text) : 0;
    } else {
        postfix_failure_text(r->text, r->cut, r->service, d);
        d->local = d->local || tried_this_machine(r->service, d, r->text);
    }
    if (!r->has_dsn)
        d->dsn = infer_dsn(d);
}

/* Asks the memory, then the arithmetic of delays=, and remembers a deferral. */
static void correlate_delivery(struct postfix *p, struct slice queue_id, struct delivery *d)
{
    enum attempt attempt = correlate_attempt(p->correlate, queue_id, d->recipient);
    uint64_t waited = d->has_delays ? d->delays[DELAY_BEFORE_QUEUE] : d->delay;
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
    struct delivery *d = &out->delivery;
    struct reading r = {
        .line = rest,
        .service = service,
        .cut = env->text.len >= POSTFIX_RECORD_MAX,
        .d = d,
    };
    *d = (struct delivery){.local = service >= POSTFIX_LOCAL && service <= POSTFIX_DISCARD};
    out->kind = EVENT_NONE;
    if (!take_fields(&r))
        return OUTCOME_MALFORMED;
    out->kind = take_status(&r);
    if (out->kind == EVENT_NONE)
        return OUTCOME_MALFORMED;
    d->domain = domain_canonical(address_domain(d->recipient), p->domain);
    /* lmtp(8) and smtp(8) may share a syslog_name, but not the address that they bind. */
    d->origin = service == POSTFIX_LMTP ? env->program
                                        : slice_head(env->program, slice_rfind(env->program, '/'));
    read_result(&r);
    if (out->kind == EVENT_DELIVERY)
        correlate_delivery(p, out->queue_id, d);
    return OUTCOME_EVENT;
}
