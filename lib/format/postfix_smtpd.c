#include "postfix.h"

/* A text in front of a line and the word that it is counted under. */
struct word_row {
    struct slice text;
    struct slice word;
};

/* smtpd(8): sessions. */
static const struct word_row session_rows[] = {
    {SLICE_INIT("connect from "), SLICE_INIT("connect")},
    {SLICE_INIT("disconnect from "), SLICE_INIT("disconnect")},
    {SLICE_INIT("lost connection after "), SLICE_INIT("lost_connection")},
    {SLICE_INIT("timeout after "), SLICE_INIT("timeout")},
    {SLICE_INIT("too many errors after "), SLICE_INIT("too_many_errors")},
};

/* postscreen(8), under "logging". */
static const struct word_row postscreen_rows[] = {
    {SLICE_INIT("CONNECT from "), SLICE_INIT("connect")},
    {SLICE_INIT("DISCONNECT "), SLICE_INIT("disconnect")},
    {SLICE_INIT("PASS NEW "), SLICE_INIT("pass_new")},
    {SLICE_INIT("PASS OLD "), SLICE_INIT("pass_old")},
    {SLICE_INIT("HANGUP "), SLICE_INIT("hangup")},
    {SLICE_INIT("NOQUEUE: reject: "), SLICE_INIT("reject")},
    {SLICE_INIT("reject: connect from "), SLICE_INIT("reject")},
    {SLICE_INIT("DNSBL rank "), SLICE_INIT("dnsbl")},
    {SLICE_INIT("PREGREET "), SLICE_INIT("pregreet")},
    {SLICE_INIT("ALLOWLISTED "), SLICE_INIT("allowlisted")},
    {SLICE_INIT("WHITELISTED "), SLICE_INIT("allowlisted")},
    {SLICE_INIT("DENYLISTED "), SLICE_INIT("denylisted")},
    {SLICE_INIT("BLACKLISTED "), SLICE_INIT("denylisted")},
    {SLICE_INIT("ALLOWLIST VETO "), SLICE_INIT("allowlist_veto")},
    {SLICE_INIT("WHITELIST VETO "), SLICE_INIT("allowlist_veto")},
    {SLICE_INIT("COMMAND PIPELINING "), SLICE_INIT("command_pipelining")},
    {SLICE_INIT("COMMAND COUNT LIMIT "), SLICE_INIT("command_count_limit")},
    {SLICE_INIT("COMMAND LENGTH LIMIT "), SLICE_INIT("command_length_limit")},
    {SLICE_INIT("COMMAND TIME LIMIT "), SLICE_INIT("command_time_limit")},
    {SLICE_INIT("NON-SMTP COMMAND "), SLICE_INIT("non_smtp_command")},
    {SLICE_INIT("BARE NEWLINE "), SLICE_INIT("bare_newline")},
    {SLICE_INIT("DATA without valid RCPT "), SLICE_INIT("data_without_rcpt")},
    {SLICE_INIT("BDAT without valid RCPT "), SLICE_INIT("data_without_rcpt")},
};

/* Actions of smtpd(8) that refuse; warn, hold, discard, redirect ... do not. */
static const struct slice refusals[] = {
    SLICE_INIT("reject: "),
    SLICE_INIT("milter-reject: "),
    SLICE_INIT("proxy-reject: "),
};

/* smtpd.c, state->where. */
static const struct {
    struct slice where;
    enum phase phase;
} where_rows[] = {
    {SLICE_INIT("CONNECT"), PHASE_CONNECT}, {SLICE_INIT("HELO"), PHASE_EHLO},
    {SLICE_INIT("EHLO"), PHASE_EHLO},       {SLICE_INIT("STARTTLS"), PHASE_STARTTLS},
    {SLICE_INIT("AUTH"), PHASE_AUTH},       {SLICE_INIT("MAIL"), PHASE_MAIL},
    {SLICE_INIT("RCPT"), PHASE_RCPT},       {SLICE_INIT("DATA"), PHASE_DATA},
    {SLICE_INIT("BDAT"), PHASE_DATA},       {SLICE_INIT("END-OF-MESSAGE"), PHASE_END_OF_DATA},
};

static const struct {
    struct slice text;
    struct slice trust;
} trust_rows[] = {
    {SLICE_INIT("Anonymous"), SLICE_INIT("anonymous")},
    {SLICE_INIT("Untrusted"), SLICE_INIT("untrusted")},
    {SLICE_INIT("Trusted"), SLICE_INIT("trusted")},
    {SLICE_INIT("Verified"), SLICE_INIT("verified")},
};

/* The first row whose text stands in front; takes it off. */
static const struct word_row *take_row(struct slice *text, const struct word_row *rows,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_take(text, rows[i].text))
            return &rows[i];
    }
    return NULL;
}

static enum phase phase_of_where(struct slice where)
{
    for (size_t i = 0; i < sizeof(where_rows) / sizeof(where_rows[0]); i++) {
        if (slice_eq(where, where_rows[i].where))
            return where_rows[i].phase;
    }
    return PHASE_NONE;
}

/* "RCPT from host[addr]: 550 5.1.1 ..."; proxy-reject has "END-OF-MESSAGE: 554 ...". */
static void read_refusal(struct slice text, struct event *out)
{
    size_t end = 0;
    while (end < text.len && text.ptr[end] != ' ' && text.ptr[end] != ':')
        end++;
    out->kind = EVENT_REJECTION;
    out->rejection.phase = phase_of_where(slice_head(text, end));
    out->rejection.code = 0;
    text = slice_skip(text, end);
    struct peer peer;
    if (slice_take(&text, SLICE(" from ")))
        postfix_take_peer(&text, &peer);
    if (slice_take(&text, SLICE(": ")))
        out->rejection.code = reply_status_parse(text).code;
}

/* "host[addr]: SASL PLAIN authentication failed: ..."; an aborted one is none. */
static bool is_sasl_failure(struct slice text)
{
    struct peer peer;
    if (!postfix_take_peer(&text, &peer) || !slice_take(&text, SLICE(": SASL ")))
        return false;
    slice_cut(&text, ' '); /* mechanism */
    return slice_starts(text, SLICE("authentication failed"));
}

enum outcome postfix_smtpd(struct slice text, struct event *out)
{
    if (out->severity) {
        if (!is_sasl_failure(text))
            return OUTCOME_QUIET;
        out->kind = EVENT_SASL_FAILURE;
        return OUTCOME_EVENT;
    }
    const struct word_row *row =
        take_row(&text, session_rows, sizeof(session_rows) / sizeof(session_rows[0]));
    if (row) {
        out->kind = EVENT_SMTPD;
        out->session.what = row->word;
        return OUTCOME_EVENT;
    }
    slice_take(&text, SLICE("NOQUEUE: "));
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (slice_take(&text, refusals[i])) {
            read_refusal(text, out);
            return OUTCOME_EVENT;
        }
    }
    return OUTCOME_QUIET;
}

enum outcome postfix_postscreen(struct slice text, struct event *out)
{
    const struct word_row *row =
        take_row(&text, postscreen_rows, sizeof(postscreen_rows) / sizeof(postscreen_rows[0]));
    if (!row)
        return OUTCOME_UNKNOWN;
    out->kind = EVENT_POSTSCREEN;
    out->session.what = row->word;
    return OUTCOME_EVENT;
}

enum outcome postfix_cleanup(struct postfix *p, struct slice text, struct event *out)
{
    if (slice_starts(text, SLICE("message-id="))) {
        correlate_born(p->correlate, out->queue_id);
        out->kind = EVENT_RECEIVED;
        return OUTCOME_EVENT;
    }
    if (slice_starts(text, SLICE("reject: ")) || slice_starts(text, SLICE("milter-reject: "))) {
        out->kind = EVENT_CLEANUP_REJECTION;
        return OUTCOME_EVENT;
    }
    return OUTCOME_QUIET;
}

bool postfix_tls(struct slice text, struct event *out)
{
    struct slice trust = SLICE_NONE;
    if (text.len == 0 || !byte_is_upper(text.ptr[0]))
        return false;
    for (size_t i = 0; i < sizeof(trust_rows) / sizeof(trust_rows[0]) && !trust.len; i++) {
        if (slice_take(&text, trust_rows[i].text))
            trust = trust_rows[i].trust;
    }
    struct peer peer;
    if (!trust.len || !slice_take(&text, SLICE(" TLS connection established ")))
        return false;
    bool outbound = slice_take(&text, SLICE("to "));
    if ((!outbound && !slice_take(&text, SLICE("from "))) || !postfix_take_peer(&text, &peer) ||
        !slice_take(&text, SLICE(": ")))
        return false;
    out->kind = EVENT_TLS;
    out->tls.outbound = outbound;
    out->tls.host = peer.host;
    out->tls.trust = trust;
    out->tls.protocol = slice_cut(&text, ' ');
    out->tls.provider = SLICE_NONE;
    return true;
}
