#include "postfix.h"

/* A text and the phase that it stands for. */
struct phase_row {
    struct slice text;
    enum phase phase;
};

/* smtp_proto.c, xfer_request[]: behind "(in reply to ". */
static const struct phase_row in_reply_to[] = {
    {SLICE_INIT("MAIL FROM command"), PHASE_MAIL},
    {SLICE_INIT("RCPT TO command"), PHASE_RCPT},
    {SLICE_INIT("DATA command"), PHASE_DATA},
    {SLICE_INIT("end of DATA command"), PHASE_END_OF_DATA},
    {SLICE_INIT("XFORWARD name/address command"), PHASE_MAIL},
    {SLICE_INIT("XFORWARD helo/protocol command"), PHASE_MAIL},
    {SLICE_INIT("EHLO command"), PHASE_EHLO},
    {SLICE_INIT("HELO command"), PHASE_EHLO},
    {SLICE_INIT("LHLO command"), PHASE_EHLO},
    {SLICE_INIT("STARTTLS command"), PHASE_STARTTLS},
    {SLICE_INIT("AUTH command"), PHASE_AUTH},
};

/* smtp_proto.c, xfer_states[] and smtp_helo(): behind "while ". */
static const struct phase_row while_doing[] = {
    {SLICE_INIT("receiving the initial server greeting"), PHASE_BANNER},
    {SLICE_INIT("receiving the initial SMTP greeting"), PHASE_BANNER},
    {SLICE_INIT("performing the initial protocol handshake"), PHASE_EHLO},
    {SLICE_INIT("performing the EHLO handshake"), PHASE_EHLO},
    {SLICE_INIT("performing the HELO handshake"), PHASE_EHLO},
    {SLICE_INIT("performing the LHLO handshake"), PHASE_EHLO},
    {SLICE_INIT("receiving the STARTTLS response"), PHASE_STARTTLS},
    {SLICE_INIT("sending XFORWARD name/address"), PHASE_MAIL},
    {SLICE_INIT("sending XFORWARD protocol/helo_name"), PHASE_MAIL},
    {SLICE_INIT("sending MAIL FROM"), PHASE_MAIL},
    {SLICE_INIT("sending RCPT TO"), PHASE_RCPT},
    {SLICE_INIT("sending DATA command"), PHASE_DATA},
    {SLICE_INIT("sending message body"), PHASE_DATA},
    {SLICE_INIT("sending end of data"), PHASE_END_OF_DATA},
};

/* Postfix' own words about a failure that quotes no reply. */
static const struct phase_row own_words[] = {
    {SLICE_INIT("Cannot start TLS"), PHASE_STARTTLS},
    {SLICE_INIT("TLS is required"), PHASE_STARTTLS},
    {SLICE_INIT("Server certificate"), PHASE_STARTTLS},
    {SLICE_INIT("TLSA lookup error"), PHASE_STARTTLS},
    {SLICE_INIT("non DNSSEC destination"), PHASE_STARTTLS},
    {SLICE_INIT("SASL "), PHASE_AUTH},
};

#define ROWS(table) (table), sizeof(table) / sizeof((table)[0])

static enum phase phase_by_prefix(struct slice text, const struct phase_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_starts(text, rows[i].text))
            return rows[i].phase;
    }
    return PHASE_NONE;
}

/*
 * The code that decided. It stands in front, but where the server sent lines first
 * that are no refusal ("220-wait 421 no", or no reply at all): those are read over,
 * and the next code of the enhanced code's class is the one.
 */
static uint16_t deciding_code(struct slice reply, struct dsn dsn)
{
    uint16_t front = reply_code(reply);
    if (front >= 400)
        return front;
    for (struct slice s = reply; s.len; slice_cut(&s, ' ')) {
        uint16_t code = reply_code(s);
        if (code && code / 100u == dsn.klass)
            return code;
    }
    return front;
}

static void quote_reply(struct slice reply, struct delivery *d)
{
    d->reply = reply;
    d->code = deciding_code(reply, d->dsn);
}

/* "REPLY (in reply to X)": Postfix' own words are the last, whatever the reply holds. */
static void said(struct slice text, bool cut, struct delivery *d)
{
    struct slice before = cut ? SLICE_NONE : text;
    for (;;) {
        size_t open = slice_rfind(before, '(');
        if (open == before.len)
            break;
        struct slice what = slice_skip(text, open);
        before = slice_head(text, open);
        if (!slice_ends(before, SLICE(" ")) || !slice_take(&what, SLICE("(in reply to ")))
            continue;
        if (slice_ends(what, SLICE(")")))
            what.len--;
        d->phase = phase_by_prefix(what, ROWS(in_reply_to));
        text = slice_head(before, open - 1);
        break;
    }
    quote_reply(text, d);
}

/*
 * "refused to talk to me: REPLY" is logged for the banner and for EHLO alike. A
 * server may open with 220, 421 or 554 only (RFC 5321, 4.3.2); 500 to 504 and 550
 * answer a command.
 */
static void refused(struct slice reply, struct delivery *d)
{
    quote_reply(reply, d);
    bool command = (d->code >= 500 && d->code <= 504) || d->code == 550;
    d->phase = command ? PHASE_EHLO : PHASE_BANNER;
}

/* "host NAME[ADDR] said: ..." and "host NAME[ADDR] refused to talk to me: ..." */
static bool host_text(struct slice text, bool cut, struct delivery *d)
{
    struct peer peer;
    if (!slice_take(&text, SLICE("host ")) || !postfix_take_peer(&text, &peer))
        return false;
    if (slice_take(&text, SLICE(" said: ")))
        said(text, cut, d);
    else if (slice_take(&text, SLICE(" refused to talk to me: ")))
        refused(text, d);
    else
        return false;
    d->tried_host = peer.host;
    return true;
}

/* "connect to NAME[ADDR]:25: Connection refused", without a port for a socket's path. */
static bool connect_text(struct slice text, struct delivery *d)
{
    struct peer peer;
    if (!slice_take(&text, SLICE("connect to ")) || !postfix_take_peer(&text, &peer) ||
        !slice_starts(text, SLICE(": ")))
        return false;
    d->phase = PHASE_CONNECT;
    d->tried_host = peer.host;
    return true;
}

/* "lost connection with NAME[ADDR] while ..." and "conversation with ... timed out while ..." */
static bool session_text(struct slice text, struct delivery *d)
{
    struct peer peer;
    if (!slice_take(&text, SLICE("lost connection with ")) &&
        !slice_take(&text, SLICE("conversation with ")))
        return false;
    if (!postfix_take_peer(&text, &peer))
        return false;
    slice_take(&text, SLICE(" timed out"));
    if (!slice_take(&text, SLICE(" while ")))
        return false;
    d->phase = phase_by_prefix(text, ROWS(while_doing));
    d->tried_host = peer.host;
    return true;
}

/* "SASL authentication failed; server NAME[ADDR] said: REPLY" and its like. */
static bool server_text(struct slice text, struct delivery *d)
{
    static const struct slice leads[] = {
        SLICE_INIT("SASL authentication failed; server "),
        SLICE_INIT("SASL [CACHED] authentication failed; server "),
        SLICE_INIT("TLS is required, but host "),
    };
    struct peer peer;
    enum phase phase = phase_by_prefix(text, ROWS(own_words));
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
        if (!slice_take(&text, leads[i]))
            continue;
        if (!postfix_take_peer(&text, &peer) ||
            (!slice_take(&text, SLICE(" said: ")) &&
             !slice_take(&text, SLICE(" refused to start TLS: "))))
            return false;
        quote_reply(text, d);
        d->phase = phase;
        d->tried_host = peer.host;
        return true;
    }
    return false;
}

void postfix_failure_text(struct slice text, bool cut, enum postfix_service service,
                          struct delivery *d)
{
    d->reply = text;
    if (service == POSTFIX_ERROR)
        slice_take(&text, SLICE("delivery temporarily suspended: "));
    else if (service != POSTFIX_SMTP && service != POSTFIX_LMTP) {
        d->phase = PHASE_LOCAL;
        return;
    }
    if (host_text(text, cut, d) || connect_text(text, d) || session_text(text, d) ||
        server_text(text, d))
        return;
    d->phase = phase_by_prefix(text, ROWS(own_words));
    if (d->phase == PHASE_NONE && service == POSTFIX_ERROR)
        d->phase = PHASE_QUEUE;
}
