#include "postfix.h"

#include "mailvane/base/number.h"
#include "mailvane/base/scan.h"

/*
 * A retry has waited at least minimal_backoff_time (postconf(5), 300 s by default)
 * in the queue before this attempt: the first part of delays=. It decides where
 * the message is not remembered.
 */
#define RETRY_SECONDS (300 * NUMBER_ONE)

/*
 * What a delivery line says, while it is read. Where the reading is goes from hand to hand
 * as a pointer: what is stored in pieces and loaded as a whole has to wait for itself.
 */
struct reading {
    const char *end; /* of the line */
    enum postfix_service service;
    bool cut; /* the line was, at Postfix' limit */
    bool has_dsn;
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

/* Where "<address>" ends: at the first '>' outside quotes that ends a field; NULL if nowhere. */
static const char *bracketed_end(const char *from, const char *end)
{
    const char *p = scan_to(skip_quoted(from + 1, end), end, '>');
    while (p < end && p + 1 < end && p[1] != ',' && p[1] != ' ')
        p = scan_to(p + 1, end, '>');
    return p < end ? p : NULL;
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

/* Where a plain value ends: at a comma, or at a blank with the next key behind it. */
static const char *plain_end(const char *from, const char *end)
{
    const char *p = scan_to2(from, end, ',', ' ');
    while (p < end) {
        if (*p == ',' ? p + 1 == end || p[1] == ' ' : key_length(p + 1, end) > 0)
            break;
        p = scan_to2(p + 1, end, ',', ' ');
    }
    return p;
}

/* Behind a separator that is none of the usual ones; NULL where the field goes on. */
static const char *behind_any_separator(const char *p, const char *end)
{
    if (p == end)
        return p;
    if (*p == ',' ? p + 1 < end && p[1] != ' ' : *p != ' ' || key_length(p + 1, end) == 0)
        return NULL;
    p += *p == ',';
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* Where the field begins that follows one which ends at p; NULL where p is NULL or ends none. */
ALWAYS_INLINE const char *next_field(const char *p, const char *end)
{
    if (p && end - p > 2 && p[0] == ',' && p[1] == ' ' && p[2] != ' ')
        return p + 2;
    return p ? behind_any_separator(p, end) : NULL;
}

/*
 * The takers: each reads the value at p, and gives where the next field begins, or NULL
 * where the line cannot be read.
 */

/* Any value, up to where a field ends. */
static const char *take_any(struct reading *r, const char *p)
{
    if (p == r->end || *p != '<')
        return next_field(plain_end(p, r->end), r->end);
    p = bracketed_end(p, r->end);
    return p ? next_field(p + 1, r->end) : NULL;
}

static const char *take_to(struct reading *r, const char *p)
{
    bool bracketed = p < r->end && *p == '<';
    const char *close = bracketed ? bracketed_end(p, r->end) : plain_end(p, r->end);
    if (!close)
        return NULL;
    r->d->recipient = slice_between(p + bracketed, close);
    return next_field(close + bracketed, r->end);
}

static const char *take_delay(struct reading *r, const char *p)
{
    const char *next = next_field(number_read(p, r->end, &r->d->delay), r->end);
    r->d->has_delay = next;
    return next ? next : take_any(r, p);
}

/* "0.25/0.01/0.04/0.16" and nothing behind it. */
static const char *take_delays(struct reading *r, const char *from)
{
    const char *p = from;
    for (int i = 0; p && i < DELAY_STAGES; i++) {
        if (i && (p == r->end || *p++ != '/'))
            p = NULL;
        else
            p = number_read(p, r->end, &r->d->delays[i]);
    }
    const char *next = next_field(p, r->end);
    r->d->has_delays = next;
    return next ? next : take_any(r, from);
}

static const char *take_dsn(struct reading *r, const char *p)
{
    const char *next = next_field(dsn_read(p, r->end, &r->d->dsn), r->end);
    r->has_dsn = next;
    return next ? next : take_any(r, p);
}

/* This machine, as far as an address can tell: a socket's path or a loopback address. */
static bool is_this_machine(struct slice addr)
{
    return slice_find(addr, '/') < addr.len || slice_starts(addr, SLICE("127.")) ||
           slice_eq(addr, SLICE("::1"));
}

/* The line reaches behind the address: there is room to look at it in one step. */
static void set_relay(struct reading *r, struct slice host, struct slice addr)
{
    struct delivery *d = r->d;
    d->connected = true;
    d->relay_host = host;
    d->local = r->service == POSTFIX_LMTP && is_this_machine(addr);
    /* An IPv4 address has neither; a socket's path has a slash and is no address. */
    const char *end = slice_end(addr);
    const char *mark = addr.len ? scan_to2(addr.ptr, r->end, ':', '/') : end;
    d->relay_ipv6 = mark < end && *mark == ':';
    if (mark >= end || d->relay_ipv6)
        d->relay_ip = addr;
}

/* relay=none, or the name of a local agent's service; or a host without an address. */
static const char *take_plain_relay(struct reading *r, const char *p)
{
    const char *end = plain_end(p, r->end);
    struct slice value = slice_between(p, end);
    if (value.len && !slice_eq(value, SLICE("none"))) {
        struct peer peer = {.host = value, .addr = SLICE_NONE};
        postfix_take_peer(&value, &peer);
        set_relay(r, peer.host, peer.addr);
    }
    return next_field(end, r->end);
}

/* "host[addr]:port", as nearly every relay is written. */
static const char *take_relay(struct reading *r, const char *p)
{
    if (r->d->local)
        return take_any(r, p);
    const char *open = scan_to3(p, r->end, '[', ',', ' ');
    const char *close = postfix_peer_close(p, open, r->end);
    const char *next = close ? next_field(postfix_peer_end(close, r->end), r->end) : NULL;
    if (!next)
        return take_plain_relay(r, p);
    set_relay(r, slice_between(p, open), slice_between(open + 1, close));
    return next;
}

/* The fields that count, in their usual order; versions add and reorder them. */
#define FIELDS(FIELD)                                                                              \
    FIELD("to=", take_to)                                                                          \
    FIELD("relay=", take_relay)                                                                    \
    FIELD("conn_use=", take_any)                                                                   \
    FIELD("delay=", take_delay)                                                                    \
    FIELD("delays=", take_delays)                                                                  \
    FIELD("dsn=", take_dsn)

#define AT(key) slice_starts(slice_between(p, r->end), SLICE(key))

/* One "key=value", whichever it is. */
static const char *take_field(struct reading *r, const char *p)
{
#define FIELD(key, take)                                                                           \
    if (AT(key))                                                                                   \
        return take(r, p + sizeof(key) - 1);
    FIELDS(FIELD)
#undef FIELD
    size_t len = key_length(p, r->end);
    return len ? take_any(r, p + len + 1) : NULL;
}

/*
 * Reads fields up to status=, which is the last, and gives where its value begins: what
 * stands in parentheses there is quoted from a remote, and no field is looked for in it.
 * The usual order is tried first, key by key, since that is what a log is full of.
 */
static const char *take_fields(struct reading *r, const char *p)
{
#define FIELD(key, take)                                                                           \
    if (AT(key) && !(p = take(r, p + sizeof(key) - 1)))                                            \
        return NULL;
    FIELDS(FIELD)
#undef FIELD
    while (!AT("status=")) {
        p = take_field(r, p);
        if (!p)
            return NULL;
    }
    return p + sizeof("status=") - 1;
}
#undef AT

/* "sent (250 ok)": the word decides what happened, the text is somebody's quotation. */
static enum event_kind take_status(struct reading *r, const char *p, struct slice *text)
{
    enum event_kind kind = EVENT_NONE;
    struct slice s = slice_between(p, r->end);
    for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
        if (slice_take(&s, status_rows[i].word)) {
            r->d->status = status_rows[i].status;
            kind = status_rows[i].kind;
            break;
        }
    }
    if (!slice_take(&s, SLICE(" ")) && s.len)
        return EVENT_NONE;
    slice_take(&s, SLICE("("));
    s.len -= !r->cut && s.len && s.ptr[s.len - 1] == ')';
    *text = s;
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

static void read_result(const struct reading *r, struct slice text)
{
    struct delivery *d = r->d;
    bool remote = r->service <= POSTFIX_LMTP;
    if (d->status == STATUS_SENT || d->status == STATUS_DELIVERABLE) {
        d->reply = text;
        d->code = remote ? reply_code(text) : 0;
    } else {
        postfix_failure_text(text, r->cut, r->service, d);
        d->local = d->local || tried_this_machine(r->service, d, text);
    }
    if (!r->has_dsn)
        d->dsn = infer_dsn(d);
}

/* Asks the memory, then the arithmetic of delays=, and remembers a deferral. */
static void correlate_delivery(struct postfix *p, struct slice queue_id, struct delivery *d)
{
    enum attempt attempt = correlate_attempt(p->correlate, queue_id, d->recipient);
    uint64_t waited = d->has_delays ? d->delays[DELAY_BEFORE_QUEUE] : d->has_delay ? d->delay : 0;
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
    struct slice text = SLICE_NONE;
    struct reading r = {
        .end = slice_end(rest),
        .service = service,
        .cut = env->text.len >= POSTFIX_RECORD_MAX,
        .d = d,
    };
    delivery_reset(d);
    d->local = service >= POSTFIX_LOCAL && service <= POSTFIX_DISCARD;
    const char *status = take_fields(&r, rest.ptr);
    out->kind = status ? take_status(&r, status, &text) : EVENT_NONE;
    if (out->kind == EVENT_NONE)
        return OUTCOME_MALFORMED;
    d->domain = domain_canonical(address_domain(d->recipient), p->domain);
    /* lmtp(8) and smtp(8) may share a syslog_name, but not the address that they bind. */
    d->origin = service == POSTFIX_LMTP ? env->program
                                        : slice_head(env->program, slice_rfind(env->program, '/'));
    read_result(&r, text);
    if (out->kind == EVENT_DELIVERY)
        correlate_delivery(p, out->queue_id, d);
    return OUTCOME_EVENT;
}
