#include "mailvane/format/reason.h"

#include "mailvane/event/dsn.h"

/*
 * An MTA's own words, which begin so and name a host behind that: the phase in which they
 * are said, and the words of Postfix for the same, which the rules for causes know.
 */
struct own_words {
    struct slice text;
    enum phase phase;
    struct slice known; /* empty: the text as it is */
};

/* Sendmail's sm_errstring(), smtpinit() and reply(); the text goes on with the host's name. */
static const struct own_words sendmail_hosts[] = {
    {SLICE_INIT("Connection refused by "), PHASE_CONNECT, SLICE_INIT("Connection refused")},
    {SLICE_INIT("Connection timed out with "), PHASE_CONNECT, SLICE_INIT("Connection timed out")},
    {SLICE_INIT("Operation timed out with "), PHASE_NONE, SLICE_INIT("Operation timed out")},
    {SLICE_INIT("Connection reset by "), PHASE_NONE, SLICE_INIT("Connection reset by peer")},
    {SLICE_INIT("reply: read error from "), PHASE_NONE, SLICE_INIT("lost connection")},
    {SLICE_INIT("timeout waiting for input from "), PHASE_NONE,
     SLICE_INIT("timeout waiting for input")},
};

/* No host that was tried, but a name that could not be looked up. */
static const struct own_words sendmail_words[] = {
    {SLICE_INIT("host map: lookup ("), PHASE_NONE, SLICE_INIT("host name lookup failure")},
    {SLICE_INIT("Name server: "), PHASE_NONE, SLICE_INIT("host name lookup failure")},
};

/* Of mta.c and mta_session.c; a reply may follow. */
static const struct own_words opensmtpd_words[] = {
    {SLICE_INIT("BANNER rejected: "), PHASE_BANNER, SLICE_INIT("")},
    {SLICE_INIT("EHLO rejected: "), PHASE_EHLO, SLICE_INIT("")},
    {SLICE_INIT("HELO rejected: "), PHASE_EHLO, SLICE_INIT("")},
    {SLICE_INIT("LHLO rejected: "), PHASE_EHLO, SLICE_INIT("")},
    {SLICE_INIT("STARTTLS rejected: "), PHASE_STARTTLS, SLICE_INIT("")},
    {SLICE_INIT("AUTH rejected: "), PHASE_AUTH, SLICE_INIT("")},
};

static const struct own_words opensmtpd_routes[] = {
    {SLICE_INIT("Temporary failure in MX lookup"), PHASE_NONE,
     SLICE_INIT("host name lookup failure")},
    {SLICE_INIT("Network error on destination MXs"), PHASE_CONNECT, SLICE_INIT("Network error")},
    {SLICE_INIT("No valid route to "), PHASE_CONNECT, SLICE_INIT("No route to host")},
};

#define ROWS(table) (table), sizeof(table) / sizeof((table)[0])

/* Takes the words off, and leaves what stands behind them. */
static const struct own_words *take(struct slice *text, const struct own_words *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_take(text, rows[i].text))
            return &rows[i];
    }
    return NULL;
}

/* All of it is what the remote said, or what nobody knows better. */
static void plain(struct slice text, struct delivery *out)
{
    struct reply_status status = reply_status_parse(text);
    out->reply = text;
    out->code = status.code;
    if (status.dsn.klass)
        out->dsn = status.dsn;
}

static void put_off(struct delivery *out)
{
    delivery_reset(out);
    out->status = STATUS_DEFERRED;
    out->dsn = (struct dsn){.klass = 4};
}

static void known(const struct own_words *words, struct delivery *out)
{
    out->phase = words->phase;
    out->reply = words->known;
}

/* "Deferred: REPLY", or Sendmail's own words, with or without that; or that alone. */
void sendmail_reason(struct slice reason, struct delivery *out)
{
    const struct own_words *words;
    put_off(out);
    slice_take(&reason, SLICE("Deferred: "));
    if ((words = take(&reason, ROWS(sendmail_hosts)))) {
        known(words, out);
        out->tried_host = slice_cut(&reason, ' ');
        if (slice_ends(out->tried_host, SLICE(".")))
            out->tried_host.len--;
    } else if ((words = take(&reason, ROWS(sendmail_words)))) {
        known(words, out);
    } else if (!slice_eq(reason, SLICE("Deferred"))) {
        plain(reason, out);
    }
}

void opensmtpd_reason(struct slice reason, struct delivery *out)
{
    const struct own_words *words;
    put_off(out);
    if ((words = take(&reason, ROWS(opensmtpd_routes)))) {
        known(words, out);
        return;
    }
    words = take(&reason, ROWS(opensmtpd_words));
    plain(reason, out);
    if (words)
        out->phase = words->phase;
}

static const struct {
    const char *mta;
    void (*read)(struct slice reason, struct delivery *out);
} readers[] = {
    {"postfix", postfix_reason},
    {"sendmail", sendmail_reason},
    {"opensmtpd", opensmtpd_reason},
};

void reason_read(const char *mta, struct slice reason, struct delivery *out)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strcmp(readers[i].mta, mta) == 0) {
            readers[i].read(reason, out);
            return;
        }
    }
    put_off(out);
    plain(reason, out);
}
