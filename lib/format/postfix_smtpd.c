#include "postfix.h"

/* A text in front of a line, and the enum session or screening that it stands for. */
struct word_row {
    struct slice text;
    int word;
};

/* smtpd(8): sessions. */
static const struct word_row session_rows[] = {
    {SLICE_INIT("connect from "), SESSION_CONNECT},
    {SLICE_INIT("disconnect from "), SESSION_DISCONNECT},
    {SLICE_INIT("lost connection after "), SESSION_LOST_CONNECTION},
    {SLICE_INIT("timeout after "), SESSION_TIMEOUT},
    {SLICE_INIT("too many errors after "), SESSION_TOO_MANY_ERRORS},
};

/* postscreen(8), under "logging". */
static const struct word_row postscreen_rows[] = {
    {SLICE_INIT("CONNECT from "), SCREENING_CONNECT},
    {SLICE_INIT("DISCONNECT "), SCREENING_DISCONNECT},
    {SLICE_INIT("PASS NEW "), SCREENING_PASS_NEW},
    {SLICE_INIT("PASS OLD "), SCREENING_PASS_OLD},
    {SLICE_INIT("HANGUP "), SCREENING_HANGUP},
    {SLICE_INIT("NOQUEUE: reject: "), SCREENING_REJECT},
    {SLICE_INIT("reject: connect from "), SCREENING_REJECT},
    {SLICE_INIT("DNSBL rank "), SCREENING_DNSBL},
    {SLICE_INIT("PREGREET "), SCREENING_PREGREET},
    {SLICE_INIT("ALLOWLISTED "), SCREENING_ALLOWLISTED},
    {SLICE_INIT("WHITELISTED "), SCREENING_ALLOWLISTED},
    {SLICE_INIT("DENYLISTED "), SCREENING_DENYLISTED},
    {SLICE_INIT("BLACKLISTED "), SCREENING_DENYLISTED},
    {SLICE_INIT("ALLOWLIST VETO "), SCREENING_ALLOWLIST_VETO},
    {SLICE_INIT("WHITELIST VETO "), SCREENING_ALLOWLIST_VETO},
    {SLICE_INIT("COMMAND PIPELINING "), SCREENING_COMMAND_PIPELINING},
    {SLICE_INIT("COMMAND COUNT LIMIT "), SCREENING_COMMAND_COUNT_LIMIT},
    {SLICE_INIT("COMMAND LENGTH LIMIT "), SCREENING_COMMAND_LENGTH_LIMIT},
    {SLICE_INIT("COMMAND TIME LIMIT "), SCREENING_COMMAND_TIME_LIMIT},
    {SLICE_INIT("NON-SMTP COMMAND "), SCREENING_NON_SMTP_COMMAND},
    {SLICE_INIT("BARE NEWLINE "), SCREENING_BARE_NEWLINE},
    {SLICE_INIT("DATA without valid RCPT "), SCREENING_DATA_WITHOUT_RCPT},
    {SLICE_INIT("BDAT without valid RCPT "), SCREENING_DATA_WITHOUT_RCPT},
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
    enum trust trust;
} trust_rows[] = {
    {SLICE_INIT("Anonymous"), TRUST_ANONYMOUS},
    {SLICE_INIT("Untrusted"), TRUST_UNTRUSTED},
    {SLICE_INIT("Trusted"), TRUST_TRUSTED},
    {SLICE_INIT("Verified"), TRUST_VERIFIED},
};

/* The word of the first row whose text stands in front; 0 where none does. */
static int find_word(struct slice text, const struct word_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_starts(text, rows[i].text))
            return rows[i].word;
    }
    return 0;
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
        out->rejection.code = reply_code(text);
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
    out->kind = EVENT_SMTPD;
    out->session =
        (enum session)find_word(text, session_rows, sizeof(session_rows) / sizeof(session_rows[0]));
    if (out->session)
        return OUTCOME_EVENT;
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
    out->kind = EVENT_POSTSCREEN;
    out->screening = (enum screening)find_word(
        text, postscreen_rows, sizeof(postscreen_rows) / sizeof(postscreen_rows[0]));
    return out->screening ? OUTCOME_EVENT : OUTCOME_UNKNOWN;
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
    enum trust trust = TRUST_NONE;
    if (text.len == 0 || !byte_is_upper(text.ptr[0]))
        return false;
    for (size_t i = 0; i < sizeof(trust_rows) / sizeof(trust_rows[0]) && !trust; i++) {
        if (slice_take(&text, trust_rows[i].text))
            trust = trust_rows[i].trust;
    }
    struct peer peer;
    if (!trust || !slice_take(&text, SLICE(" TLS connection established ")))
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
