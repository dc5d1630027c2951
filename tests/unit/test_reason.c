/*
 * format/reason.h: what the queues of Postfix, Sendmail and OpenSMTPD had recorded in the
 * laboratory, as postqueue, mailq and smtpctl showed it there, and what the MTAs' sources write
 * beside that.
 */
#include "guard.h"

#include "mailvane/event/dsn.h"
#include "mailvane/format/reason.h"

struct row {
    const char *mta, *reason;
    int code;
    const char *dsn, *reply, *tried_host;
    enum phase phase;
};

static const struct row rows[] = {
    {"sendmail", "Deferred: 454 4.7.0 TLS handshake failed.", 454, "4.7.0",
     "454 4.7.0 TLS handshake failed.", "", PHASE_NONE},
    {"sendmail", "Deferred: 421 4.4.2 mx.e421.example Error: timeout exceeded", 421, "4.4.2",
     "421 4.4.2 mx.e421.example Error: timeout exceeded", "", PHASE_NONE},
    {"sendmail", "Deferred", 0, "4.0.0", "", "", PHASE_NONE},
    {"sendmail", "Deferred: Connection refused by mx.refused.example.", 0, "4.0.0",
     "Connection refused", "mx.refused.example", PHASE_CONNECT},
    {"sendmail", "reply: read error from mx.garbage.example.", 0, "4.0.0", "lost connection",
     "mx.garbage.example", PHASE_NONE},
    {"sendmail", "host map: lookup (servfail.example): deferred", 0, "4.0.0",
     "host name lookup failure", "", PHASE_NONE},
    {"sendmail", "timeout waiting for input from mx.a.example. during client greeting", 0, "4.0.0",
     "timeout waiting for input", "mx.a.example", PHASE_NONE},
    /* A remote's words are nothing but that. */
    {"sendmail", "Deferred: 451 Connection refused by mx.a.example.", 451, "4.0.0",
     "451 Connection refused by mx.a.example.", "", PHASE_NONE},
    {"opensmtpd", "452 4.3.1 Insufficient system storage", 452, "4.3.1",
     "452 4.3.1 Insufficient system storage", "", PHASE_NONE},
    {"opensmtpd", "450 mailbox busy", 450, "4.0.0", "450 mailbox busy", "", PHASE_NONE},
    {"opensmtpd", "Connection closed unexpectedly", 0, "4.0.0", "Connection closed unexpectedly",
     "", PHASE_NONE},
    {"opensmtpd", "Temporary failure in MX lookup", 0, "4.0.0", "host name lookup failure", "",
     PHASE_NONE},
    {"opensmtpd", "Network error on destination MXs", 0, "4.0.0", "Network error", "",
     PHASE_CONNECT},
    {"opensmtpd", "BANNER rejected: 421 4.3.2 busy", 421, "4.3.2", "421 4.3.2 busy", "",
     PHASE_BANNER},
    /* postqueue-j.json of the snapshot, and error(8) in front of it. */
    {"postfix", "connect to mx.refused.example[127.60.0.1]:25: Connection refused", 0, "4.0.0",
     "connect to mx.refused.example[127.60.0.1]:25: Connection refused", "mx.refused.example",
     PHASE_CONNECT},
    {"postfix",
     "host mx.a.example[192.0.2.1] said: 450 4.2.0 Greylisted (in reply to RCPT TO "
     "command)",
     450, "4.2.0", "450 4.2.0 Greylisted", "mx.a.example", PHASE_RCPT},
    {"postfix",
     "delivery temporarily suspended: lost connection with mx.a.example[192.0.2.1] "
     "while receiving the initial server greeting",
     0, "4.0.0",
     "delivery temporarily suspended: lost connection with mx.a.example[192.0.2.1] while receiving "
     "the initial server greeting",
     "mx.a.example", PHASE_BANNER},
    {"exim", "", 0, "4.0.0", "", "", PHASE_NONE},
};

static void test_reasons(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct delivery d;
        char dsn[DSN_TEXT_SIZE];
        reason_read(r->mta, slice_str(r->reason), &d);
        expect_int(r->reason, "code", d.code, r->code);
        expect_slice(r->reason, "dsn", slice_of(dsn, dsn_format(d.dsn, dsn)), slice_str(r->dsn));
        expect_slice(r->reason, "reply", d.reply, slice_str(r->reply));
        expect_slice(r->reason, "tried_host", d.tried_host, slice_str(r->tried_host));
        expect_int(r->reason, "phase", d.phase, r->phase);
        expect_int(r->reason, "status", d.status, STATUS_DEFERRED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
