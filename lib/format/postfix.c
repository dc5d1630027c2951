#include "postfix.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/number.h"
#include "mailvane/base/scan.h"
#include "mailvane/format/format.h"

/* Long ids are 16 bytes today; what is longer than this is none. */
#define QUEUE_ID_MAX 26
/* "name[address]": a name of DNS and an address, or a socket's path. */
#define PEER_MAX 600

/* Every program that Postfix logs as: "<syslog_name>/<this>". */
static const struct {
    struct slice name;
    enum postfix_service service;
} programs[] = {
    {SLICE_INIT("smtp"), POSTFIX_SMTP},
    {SLICE_INIT("lmtp"), POSTFIX_LMTP},
    {SLICE_INIT("local"), POSTFIX_LOCAL},
    {SLICE_INIT("virtual"), POSTFIX_VIRTUAL},
    {SLICE_INIT("pipe"), POSTFIX_PIPE},
    {SLICE_INIT("discard"), POSTFIX_DISCARD},
    {SLICE_INIT("error"), POSTFIX_ERROR},
    {SLICE_INIT("retry"), POSTFIX_ERROR},
    {SLICE_INIT("qmgr"), POSTFIX_QMGR},
    {SLICE_INIT("nqmgr"), POSTFIX_QMGR},
    {SLICE_INIT("oqmgr"), POSTFIX_QMGR},
    {SLICE_INIT("smtpd"), POSTFIX_SMTPD},
    {SLICE_INIT("postscreen"), POSTFIX_POSTSCREEN},
    {SLICE_INIT("cleanup"), POSTFIX_CLEANUP},
    {SLICE_INIT("pickup"), POSTFIX_PICKUP},
    {SLICE_INIT("tlsproxy"), POSTFIX_TLSPROXY},
    {SLICE_INIT("anvil"), POSTFIX_OTHER},
    {SLICE_INIT("bounce"), POSTFIX_OTHER},
    {SLICE_INIT("defer"), POSTFIX_OTHER},
    {SLICE_INIT("dnsblog"), POSTFIX_OTHER},
    {SLICE_INIT("flush"), POSTFIX_OTHER},
    {SLICE_INIT("master"), POSTFIX_MASTER},
    {SLICE_INIT("nbdb_reindexd"), POSTFIX_OTHER},
    {SLICE_INIT("postalias"), POSTFIX_OTHER},
    {SLICE_INIT("postcat"), POSTFIX_OTHER},
    {SLICE_INIT("postconf"), POSTFIX_OTHER},
    {SLICE_INIT("postdrop"), POSTFIX_OTHER},
    {SLICE_INIT("postfix"), POSTFIX_OTHER},
    {SLICE_INIT("postfix-script"), POSTFIX_OTHER},
    {SLICE_INIT("postfix-tls-script"), POSTFIX_OTHER},
    {SLICE_INIT("postfix-wrapper"), POSTFIX_OTHER},
    {SLICE_INIT("postkick"), POSTFIX_OTHER},
    {SLICE_INIT("postlock"), POSTFIX_OTHER},
    {SLICE_INIT("postlog"), POSTFIX_OTHER},
    {SLICE_INIT("postlogd"), POSTFIX_OTHER},
    {SLICE_INIT("postmap"), POSTFIX_OTHER},
    {SLICE_INIT("postmulti"), POSTFIX_OTHER},
    {SLICE_INIT("postqueue"), POSTFIX_OTHER},
    {SLICE_INIT("postsuper"), POSTFIX_OTHER},
    {SLICE_INIT("posttls-finger"), POSTFIX_OTHER},
    {SLICE_INIT("proxymap"), POSTFIX_OTHER},
    {SLICE_INIT("proxywrite"), POSTFIX_OTHER},
    {SLICE_INIT("qmqpd"), POSTFIX_OTHER},
    {SLICE_INIT("rewrite"), POSTFIX_OTHER},
    {SLICE_INIT("scache"), POSTFIX_OTHER},
    {SLICE_INIT("sendmail"), POSTFIX_OTHER},
    {SLICE_INIT("showq"), POSTFIX_OTHER},
    {SLICE_INIT("spawn"), POSTFIX_OTHER},
    {SLICE_INIT("tlsmgr"), POSTFIX_OTHER},
    {SLICE_INIT("trace"), POSTFIX_OTHER},
    {SLICE_INIT("trivial-rewrite"), POSTFIX_OTHER},
    {SLICE_INIT("verify"), POSTFIX_OTHER},
};

/* What the agents, and what stands behind them, log without an event in it. */
static const struct slice quiet_texts[] = {
    SLICE_INIT("connect to "),
    SLICE_INIT("SSL_connect error to "),
    SLICE_INIT("certificate verification failed for "),
    SLICE_INIT("server certificate verification failed for "),
    SLICE_INIT("lost connection with "),
    SLICE_INIT("conversation with "),
    SLICE_INIT("host "),
    SLICE_INIT("Cannot start TLS"),
    SLICE_INIT("Host offered STARTTLS"),
    SLICE_INIT("enabling PIX workarounds"),
    SLICE_INIT("breaking line > "),
    SLICE_INIT("sender non-delivery notification"),
    SLICE_INIT("sender delay notification"),
    SLICE_INIT("sender delivery status notification"),
    SLICE_INIT("postmaster "),
    SLICE_INIT("skipped, still being delivered"),
    SLICE_INIT("removed"),
    SLICE_INIT("statistics: "),
    SLICE_INIT("table "),
    SLICE_INIT("using backwards-compatible default setting "),
    SLICE_INIT("initializing the "),
};

static int postfix_claims(struct slice program)
{
    size_t slash = slice_rfind(program, '/');
    if (slash == 0 || slash == program.len)
        return -1;
    struct slice name = slice_skip(program, slash + 1);
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (slice_eq(name, programs[i].name))
            return (int)programs[i].service;
    }
    return -1;
}

static void *postfix_state_new(uint64_t seed)
{
    struct postfix *p = must_calloc(1, sizeof(*p));
    p->correlate = correlate_new(seed);
    return p;
}

static void postfix_state_free(void *state)
{
    struct postfix *p = state;
    correlate_free(p->correlate);
    free(p);
}

static void postfix_state_save(const void *state, struct image_writer *out)
{
    const struct postfix *p = state;
    correlate_save(p->correlate, out);
}

static void postfix_state_load(void *state, struct image_reader *in)
{
    struct postfix *p = state;
    correlate_load(p->correlate, in);
}

/*
 * Short ids are upper-case hexadecimal, long ones digits and consonants
 * (postconf(5), enable_long_queue_ids): no English word is either.
 */
enum { HEX = 1, LONG = 2 };
#define BOTH HEX | LONG
static const uint8_t id_bytes[256] = {
    ['0' ... '9'] = BOTH, ['A'] = HEX,          ['B' ... 'D'] = BOTH, ['E'] = HEX,
    ['F'] = BOTH,         ['G' ... 'H'] = LONG, ['J' ... 'N'] = LONG, ['P' ... 'T'] = LONG,
    ['V' ... 'Z'] = LONG, ['b' ... 'd'] = LONG, ['f' ... 'h'] = LONG, ['j' ... 'n'] = LONG,
    ['p' ... 't'] = LONG, ['v' ... 'z'] = LONG,
};
#undef BOTH

static bool is_queue_id(struct slice s)
{
    uint8_t kind = HEX | LONG;
    for (const char *p = s.ptr, *end = slice_end(s); p < end; p++)
        kind &= id_bytes[(unsigned char)*p];
    return ((kind & HEX) && s.len >= 5) || ((kind & LONG) && s.len >= 10);
}

bool postfix_take_queue_id(struct slice *text, struct slice *queue_id)
{
    const char *from = text->ptr, *end = slice_end(*text);
    const char *limit = text->len > QUEUE_ID_MAX ? from + QUEUE_ID_MAX : end;
    const char *p = from + scan_hex(from, limit);
    bool hex = p - from >= 5 && p < limit && *p == ':';
    if (!hex)
        p = scan_to2(p, limit, ':', ' ');
    if (p + 1 >= limit || *p != ':' || p[1] != ' ' ||
        (!hex && !is_queue_id(slice_between(from, p))))
        return false;
    *queue_id = slice_between(from, p);
    *text = slice_between(p + 2, end);
    return true;
}

const char *postfix_peer_close(const char *from, const char *open, const char *end)
{
    const char *limit = end - from > PEER_MAX ? from + PEER_MAX : end;
    if (open >= limit || *open != '[')
        return NULL;
    const char *close = scan_to(open, limit, ']');
    return close < limit ? close : NULL;
}

const char *postfix_peer_end(const char *close, const char *end)
{
    const char *p = close + 1;
    if (end - p > 1 && p[0] == ':' && byte_is_digit(p[1])) {
        for (p++; p < end && byte_is_digit(*p); p++)
            ;
    }
    return p;
}

bool postfix_take_peer(struct slice *s, struct peer *out)
{
    const char *from = s->ptr, *end = slice_end(*s);
    const char *limit = s->len > PEER_MAX ? from + PEER_MAX : end;
    const char *open = scan_to(from, limit, '[');
    const char *close = postfix_peer_close(from, open, end);
    if (!close)
        return false;
    out->host = slice_between(from, open);
    out->addr = slice_between(open + 1, close);
    *s = slice_between(postfix_peer_end(close, end), end);
    return true;
}

/* msg_warn, msg_error, msg_fatal and msg_panic put their word in front (msg(3)). */
static enum severity take_severity(struct slice *text)
{
    static const struct slice words[SEVERITY_COUNT] = {
        [SEVERITY_WARNING] = SLICE_INIT("warning: "),
        [SEVERITY_ERROR] = SLICE_INIT("error: "),
        [SEVERITY_FATAL] = SLICE_INIT("fatal: "),
        [SEVERITY_PANIC] = SLICE_INIT("panic: "),
    };
    /* Most lines are told by their first byte. */
    char c = text->len ? text->ptr[0] : ' ';
    if (c != 'w' && c != 'e' && c != 'f' && c != 'p')
        return SEVERITY_NONE;
    for (int i = SEVERITY_WARNING; i < SEVERITY_COUNT; i++) {
        if (slice_take(text, words[i]))
            return (enum severity)i;
    }
    return SEVERITY_NONE;
}

static enum outcome quiet_or_unknown(struct slice text)
{
    for (size_t i = 0; i < sizeof(quiet_texts) / sizeof(quiet_texts[0]); i++) {
        if (slice_starts(text, quiet_texts[i]))
            return OUTCOME_QUIET;
    }
    return OUTCOME_UNKNOWN;
}

/* Digits, as many as there are up to 18. */
static bool take_number_slowly(struct slice *s, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;
    while (at < s->len && at < 18 && byte_is_digit(s->ptr[at]))
        value = value * 10 + (uint64_t)(s->ptr[at++] - '0');
    *s = slice_skip(*s, at);
    *out = value;
    return at > 0;
}

/* Up to seven are read as one word: how many there are cannot be predicted. */
static bool take_number(struct slice *s, uint64_t *out)
{
    unsigned len = s->len < 8 || !NUMBER_BY_WORD ? 8 : number_length(bytes_load(s->ptr));
    if (len == 0 || len == 8)
        return take_number_slowly(s, out);
    *out = number_eight_digits(bytes_load(s->ptr) << (64 - 8 * len));
    *s = slice_skip(*s, len);
    return true;
}

/* Behind "from=<...>": an address may hold any text, but no '>' follows it. */
static bool skip_sender(struct slice *rest)
{
    size_t at = slice_rfind(*rest, '>');
    *rest = slice_skip(*rest, at + 1);
    return rest->len > 0;
}

/* "from=<x>, size=432, nrcpt=1 (queue active)" */
static enum outcome qmgr_active(struct postfix *p, struct slice rest, struct event *out)
{
    uint64_t recipients;
    if (!skip_sender(&rest) || !slice_take(&rest, SLICE(", size=")) ||
        !take_number(&rest, &out->active.size) || !slice_take(&rest, SLICE(", nrcpt=")) ||
        !take_number(&rest, &recipients))
        return OUTCOME_MALFORMED;
    out->kind = EVENT_ACTIVE;
    out->active.recipients = recipients > UINT32_MAX ? UINT32_MAX : (uint32_t)recipients;
    out->active.again = correlate_activated(p->correlate, out->queue_id);
    return OUTCOME_EVENT;
}

/*
 * "from=<x>, status=expired, returned to sender": one event a message. The line
 * names no recipient, so it is counted where the last deferral was bound for.
 */
static enum outcome qmgr_expired(struct postfix *p, const struct envelope *env, struct event *out)
{
    struct destination to = {0};
    struct slice syslog_name = slice_head(env->program, slice_rfind(env->program, '/'));
    bool known = correlate_destination(p->correlate, out->queue_id, &to);
    out->kind = EVENT_DELIVERY;
    out->delivery = (struct delivery){
        .status = STATUS_EXPIRED,
        .phase = PHASE_QUEUE,
        .dsn = {.klass = 5},
        .local = to.local,
        .connected = to.connected,
        .relay_ipv6 = to.relay_ipv6,
        .domain = to.domain,
        .relay_host = to.connected ? to.host : SLICE_NONE,
        .tried_host = to.connected ? SLICE_NONE : to.host,
        .origin = known ? to.origin : syslog_name,
    };
    return OUTCOME_EVENT;
}

static enum outcome parse_qmgr(struct postfix *p, const struct envelope *env, struct slice text,
                               struct event *out)
{
    if (slice_eq(text, SLICE("removed"))) {
        correlate_gone(p->correlate, out->queue_id);
        out->kind = EVENT_REMOVED;
        return OUTCOME_EVENT;
    }
    if (!slice_starts(text, SLICE("from=<")))
        return quiet_or_unknown(text);
    if (text.ptr[text.len - 1] == ')')
        return qmgr_active(p, text, out);
    if (slice_ends(text, SLICE(">, status=expired, returned to sender")) ||
        slice_ends(text, SLICE(">, status=force-expired, returned to sender")))
        return qmgr_expired(p, env, out);
    return OUTCOME_MALFORMED;
}

/* "uid=0 from=<x>", and " orig_id=OLD" behind it where postsuper -r put it back. */
static enum outcome parse_pickup(struct postfix *p, struct slice text, struct event *out)
{
    if (!slice_starts(text, SLICE("uid=")))
        return quiet_or_unknown(text);
    size_t at = slice_rfind(text, ' ');
    struct slice last = slice_skip(text, at + 1);
    if (slice_take(&last, SLICE("orig_id=")) && is_queue_id(last))
        correlate_renamed(p->correlate, last, out->queue_id);
    return OUTCOME_QUIET;
}

/* Lines that begin with a queue id. */
static enum outcome parse_message_line(struct postfix *p, enum postfix_service service,
                                       const struct envelope *env, struct slice text,
                                       struct event *out)
{
    /* Not only agents tell of a result: qmgr and cleanup return mail themselves. */
    bool result = slice_starts(text, SLICE("to="));
    switch (service) {
    case POSTFIX_SMTPD:
        /* client=: cleanup's message-id= follows, and is the birth of every message. */
        if (!slice_starts(text, SLICE("client=")))
            return postfix_smtpd(text, out);
        correlate_expect(p->correlate, out->queue_id);
        return OUTCOME_QUIET;
    case POSTFIX_CLEANUP:
        return result ? postfix_delivery(p, POSTFIX_ERROR, env, text, out)
                      : postfix_cleanup(p, text, out);
    case POSTFIX_QMGR:
        return result ? postfix_delivery(p, POSTFIX_ERROR, env, text, out)
                      : parse_qmgr(p, env, text, out);
    case POSTFIX_PICKUP:
        return parse_pickup(p, text, out);
    case POSTFIX_POSTSCREEN:
    case POSTFIX_TLSPROXY:
    case POSTFIX_MASTER:
    case POSTFIX_OTHER:
        return OUTCOME_QUIET;
    default:
        return result ? postfix_delivery(p, service, env, text, out) : quiet_or_unknown(text);
    }
}

/* "daemon started -- version 3.7.11, configuration /etc/postfix": master(8) does the deed. */
static enum outcome parse_master(struct slice text, struct event *out)
{
    static const struct {
        struct slice text;
        enum change change;
    } rows[] = {
        {SLICE_INIT("daemon started -- "), CHANGE_MTA_START},
        {SLICE_INIT("reload -- "), CHANGE_MTA_RELOAD},
        {SLICE_INIT("reload configuration "), CHANGE_MTA_RELOAD}, /* before 2.6 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!slice_starts(text, rows[i].text))
            continue;
        out->kind = EVENT_CHANGE;
        out->change = rows[i].change;
        return OUTCOME_EVENT;
    }
    return OUTCOME_QUIET;
}

/* Lines about a connection or about the daemon itself. */
static enum outcome parse_session_line(enum postfix_service service, struct slice text,
                                       struct event *out)
{
    if (postfix_tls(text, out))
        return OUTCOME_EVENT;
    switch (service) {
    case POSTFIX_SMTPD:
        return postfix_smtpd(text, out);
    case POSTFIX_POSTSCREEN:
        return postfix_postscreen(text, out);
    case POSTFIX_MASTER:
        return parse_master(text, out);
    case POSTFIX_OTHER:
        return OUTCOME_QUIET;
    default:
        return quiet_or_unknown(text);
    }
}

static enum outcome postfix_parse(void *state, int service, const struct envelope *env,
                                  struct event *out)
{
    struct postfix *p = state;
    struct slice text = env->text;
    out->severity = SEVERITY_NONE;
    if (postfix_take_queue_id(&text, &out->queue_id))
        return parse_message_line(p, (enum postfix_service)service, env, text, out);
    out->queue_id = SLICE_NONE;
    out->severity = take_severity(&text);
    if (out->severity) {
        if (service == POSTFIX_SMTPD && postfix_smtpd(text, out) == OUTCOME_EVENT &&
            out->kind == EVENT_SASL_FAILURE)
            return OUTCOME_EVENT;
        out->kind = EVENT_MTA;
        return OUTCOME_EVENT;
    }
    return parse_session_line((enum postfix_service)service, text, out);
}

const struct format format_postfix = {
    .name = "postfix",
    .summary = "Postfix 2.3 and later, one instance or several",
    .claims = postfix_claims,
    .state_new = postfix_state_new,
    .state_free = postfix_state_free,
    .state_save = postfix_state_save,
    .state_load = postfix_state_load,
    .parse = postfix_parse,
};
