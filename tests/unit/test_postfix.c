/*
 * format/postfix.c through its public face: guard pages, every prefix, and the
 * members that `events` does not print. What lines mean is in tests/golden.
 */
#include "guard.h"

#include "mailvane/format/format.h"

#define HEAD                                                                                       \
    "to=<a@shop.example>, relay=mx.shop.example[192.0.2.10]:25, delay=1, delays=0.5/0/0.2/0.3, "

static const struct {
    const char *program, *text;
} lines[] = {
    {"postfix/smtp", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F0)"},
    {"postfix/smtp",
     "1A2B3C4D5: to=<\"a\\\">b\"@shop.example>, orig_to=<c@d.example>, relay=none, conn_use=3, "
     "delay=90061, delays=90000/0.01/61/0, dsn=4.4.1, status=deferred (connect to "
     "mx.shop.example[2001:db8::10]:25: Connection timed out)"},
    {"postfix/smtp",
     "1A2B3C4D5: " HEAD "dsn=5.1.1, status=bounced (host mx.shop.example[192.0.2.10] said: "
     "550-5.1.1 a 550 5.1.1 b (in reply to RCPT TO command))"},
    {"postfix/smtp",
     "1A2B3C4D5: " HEAD "dsn=4.7.0, status=deferred (host mx.shop.example[192.0.2.10] refused "
     "to talk to me: 421 4.7.0 later)"},
    {"postfix/smtp",
     "1A2B3C4D5: " HEAD "dsn=4.4.2, status=deferred (conversation with mx.shop.example[192.0.2.10] "
     "timed out while sending end of data -- message may be sent more than once)"},
    {"postfix/smtp",
     "1A2B3C4D5: " HEAD "dsn=4.7.8, status=deferred (SASL authentication failed; server "
     "mx.shop.example[192.0.2.10] said: 535 5.7.8 no)"},
    {"postfix/smtp", "1A2B3C4D5: " HEAD "dsn=4.7.4, status=deferred (TLS is required, but host "
                     "mx.shop.example[192.0.2.10] refused to start TLS: 454 4.7.0 no)"},
    {"postfix/lmtp", "1A2B3C4D5: to=<a@b.example>, relay=mx1[private/lmtp], delay=0.1, "
                     "delays=0/0/0/0.1, dsn=2.0.0, "
                     "status=sent (250 2.0.0 Saved)"},
    {"postfix/error",
     "1A2B3C4D5: to=<a@b.example>, relay=none, delay=0.1, delays=0/0/0/0.1, dsn=4.4.1, "
     "status=deferred "
     "(delivery temporarily suspended: lost connection with mx[192.0.2.1] while sending RCPT TO)"},
    {"postfix/qmgr", "1A2B3C4D5: from=<a@b.example>, size=432, nrcpt=2 (queue active)"},
    {"postfix/qmgr", "1A2B3C4D5: from=<a@b.example>, status=force-expired, returned to sender"},
    {"postfix/qmgr", "1A2B3C4D5: removed"},
    {"postfix/pickup", "1A2B3C4D5: uid=102 from=<a@b.example> orig_id=1A2B3C4D6"},
    {"postfix/cleanup", "1A2B3C4D5: message-id=<1@b.example>"},
    {"postfix/cleanup", "1A2B3C4D5: milter-reject: END-OF-MESSAGE from x[192.0.2.1]: 5.7.1 no"},
    {"postfix/smtpd", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 550 5.1.1 no; from=<> to=<>"},
    {"postfix/smtpd", "warning: x[192.0.2.1]: SASL PLAIN authentication failed: no"},
    {"postfix/smtpd", "lost connection after AUTH from x[192.0.2.1]"},
    {"postfix/smtpd",
     "Anonymous TLS connection established from x[192.0.2.1]: TLSv1.3 with cipher X"},
    {"postfix/smtp",
     "Verified TLS connection established to mx.b.example[192.0.2.1]:25: TLSv1.3 with cipher X"},
    {"postfix/postscreen", "COMMAND PIPELINING from [192.0.2.1]:4 after HELO: x"},
    {"postfix/master", "fatal: bind 0.0.0.0 port 25: Address already in use"},
};

static enum outcome parse(struct format_set *set, struct slice program, struct slice text,
                          struct event *out)
{
    struct envelope env = {.time = 1, .program = program, .text = text};
    enum format_id format;
    memset(out, 0xa5, sizeof(*out));
    return format_set_parse(set, FORMAT_AUTO, &env, out, &format);
}

struct prefix_run {
    struct format_set *set;
    struct slice program;
};

static void use_prefix(struct slice s, void *arg)
{
    struct prefix_run *run = arg;
    struct event event;
    enum outcome outcome = parse(run->set, run->program, s, &event);
    assert_in_range(outcome, OUTCOME_EVENT, OUTCOME_MALFORMED);
    if (outcome != OUTCOME_EVENT)
        return;
    assert_true(slice_within(event.queue_id, s));
    assert_in_range(event.kind, EVENT_NONE + 1, EVENT_COUNT - 1);
    if (event.kind != EVENT_DELIVERY && event.kind != EVENT_PROBE)
        return;
    assert_in_range(event.delivery.status, STATUS_SENT, STATUS_COUNT - 1);
    assert_in_range(event.delivery.phase, PHASE_NONE, PHASE_COUNT - 1);
    assert_true(slice_within(event.delivery.recipient, s));
    assert_true(slice_within(event.delivery.reply, s));
    assert_true(slice_within(event.delivery.relay_ip, s));
}

static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(lines); i++) {
        struct prefix_run run = {format_set_new(1), slice_str(lines[i].program)};
        guard_prefixes(slice_str(lines[i].text), use_prefix, &run);
        format_set_free(run.set);
    }
}

/* Nothing is dropped in silence: each line has one of four outcomes. */
static void test_outcomes(void **state)
{
    static const struct {
        const char *name, *program, *text;
        enum outcome want;
    } rows[] = {
        {"a delivery", "postfix/smtp", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)",
         OUTCOME_EVENT},
        {"cut in the fields", "postfix/smtp", "1A2B3C4D5: to=<a@shop.example>, relay=mx.sh",
         OUTCOME_MALFORMED},
        {"an unknown status", "postfix/smtp", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=eaten (x)",
         OUTCOME_MALFORMED},
        {"an address that does not end", "postfix/smtp",
         "1A2B3C4D5: to=<a@shop.example, relay=none", OUTCOME_MALFORMED},
        {"a failed MX of several", "postfix/smtp",
         "1A2B3C4D5: host mx[192.0.2.1] said: 450 x (in reply to RCPT TO command)", OUTCOME_QUIET},
        {"a connection that failed", "postfix/smtp",
         "connect to mx[192.0.2.1]:25: Connection refused", OUTCOME_QUIET},
        {"another daemon's line", "postfix/anvil", "statistics: max connection rate 1/60s",
         OUTCOME_QUIET},
        {"a text nobody knows", "postfix/smtp", "some text of a later version", OUTCOME_UNKNOWN},
        {"another program", "dovecot", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)",
         OUTCOME_UNKNOWN},
        {"nearly a daemon", "postfix/smtpx", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)",
         OUTCOME_UNKNOWN},
        {"no syslog name", "/smtp", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)",
         OUTCOME_UNKNOWN},
        {"no program", "", "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)", OUTCOME_UNKNOWN},
    };
    struct format_set *set = format_set_new(1);
    struct event event;
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        expect_int(rows[i].name, "outcome",
                   parse(set, slice_str(rows[i].program), slice_str(rows[i].text), &event),
                   rows[i].want);
    format_set_free(set);
}

/* Short ids are upper-case hexadecimal of five digits and more, long ones ten and more of 0-9BCD...
 */
static void test_queue_ids(void **state)
{
    static const struct {
        const char *name, *id;
        bool ok;
    } rows[] = {
        {"short", "1A2B3C4D5", true},
        {"five digits", "1A2B3", true},
        {"four digits", "1A2B", false},
        {"long", "4jXDyq4g2tz1hgdR", true},
        {"NOQUEUE", "NOQUEUE", false},
        {"a word", "warning", false},
        {"lower hexadecimal", "1a2b3c4d5", false},
        {"a vowel", "4jXDyq4g2tz1hgdA", false},
        {"empty", "", false},
        {"far too long", "1A2B3C4D51A2B3C4D51A2B3C4D51A2B3C4D5", false},
    };
    struct format_set *set = format_set_new(1);
    struct event event;
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        snprintf(text, sizeof(text), "%s: " HEAD "dsn=2.0.0, status=sent (250 ok)", rows[i].id);
        enum outcome got = parse(set, SLICE("postfix/smtp"), slice_str(text), &event);
        bool delivery = got == OUTCOME_EVENT && event.kind == EVENT_DELIVERY;
        expect_int(rows[i].name, "is a delivery", delivery, rows[i].ok);
        if (rows[i].ok)
            expect_slice(rows[i].name, "queue id", event.queue_id, slice_str(rows[i].id));
    }
    format_set_free(set);
}

/* What the sending address is looked up by, and what the agent alone gets to see. */
static void test_hidden_members(void **state)
{
    static const struct {
        const char *name, *program, *relay, *reason, *origin, *tried;
        bool connected, ipv6, local;
    } rows[] = {
        {"connected", "postfix/smtp", "mx.b.example[192.0.2.1]:25", "x", "postfix", "", true, false,
         false},
        {"IPv6", "postfix/out-a/smtp", "mx.b.example[2001:db8::1]:25", "x", "postfix/out-a", "",
         true, true, false},
        {"not reached", "postfix-b/pool/smtp", "none", "connect to mx.b.example[192.0.2.1]:25: x",
         "postfix-b/pool", "mx.b.example", false, false, false},
        {"suspended", "postfix/error", "none",
         "delivery temporarily suspended: host mx.b.example[192.0.2.1] refused to talk to me: 421 "
         "x",
         "postfix", "mx.b.example", false, false, false},
        {"lmtp elsewhere", "postfix/lmtp", "s.b.example[192.0.2.1]:24", "x", "postfix/lmtp", "",
         true, false, false},
        {"lmtp here", "postfix/lmtp", "mx1[private/lmtp]", "x", "postfix/lmtp", "", true, false,
         true},
        {"local", "postfix/local", "local", "x", "postfix", "", false, false, true},
    };
    struct format_set *set = format_set_new(1);
    struct event event;
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        snprintf(text, sizeof(text),
                 "1A2B3C4D5: to=<a@b.example>, relay=%s, delay=1, delays=1/0/0/0, "
                 "dsn=4.0.0, status=deferred (%s)",
                 rows[i].relay, rows[i].reason);
        expect_int(rows[i].name, "outcome",
                   parse(set, slice_str(rows[i].program), slice_str(text), &event), OUTCOME_EVENT);
        const struct delivery *d = &event.delivery;
        expect_slice(rows[i].name, "origin", d->origin, slice_str(rows[i].origin));
        if (!d->connected)
            expect_slice(rows[i].name, "tried host", d->tried_host, slice_str(rows[i].tried));
        expect_int(rows[i].name, "connected", d->connected, rows[i].connected);
        expect_int(rows[i].name, "IPv6", d->relay_ipv6, rows[i].ipv6);
        expect_int(rows[i].name, "local", d->local, rows[i].local);
    }
    format_set_free(set);
}

/* Figures that are no seconds are no delay, and never a wrong one. */
static void test_delays(void **state)
{
    static const struct {
        const char *name, *fields;
        bool has_delay, has_delays;
        uint64_t delay, connect; /* microseconds */
    } rows[] = {
        {"whole", "delay=12, delays=1/2/3/6", true, true, 12000000, 3000000},
        {"fractions", "delay=0.47, delays=0.1/0/0.25/0.12", true, true, 470000, 250000},
        {"days", "delay=432000, delays=431990/0/4/6", true, true, 432000000000, 4000000},
        {"old Postfix", "delay=3", true, false, 3000000, 0},
        {"none", "x=1", false, false, 0, 0},
        {"three parts", "delay=1, delays=1/2/3", true, false, 1000000, 0},
        {"five parts", "delay=1, delays=1/2/3/4/5", true, false, 1000000, 0},
        {"a word", "delay=long, delays=a/b/c/d", false, false, 0, 0},
        {"negative", "delay=-1, delays=-1/0/0/0", false, false, 0, 0},
        {"empty", "delay=, delays=", false, false, 0, 0},
        {"endless", "delay=99999999999999999999999999, delays=0/0/99999999999999999999999999/0",
         false, false, 0, 0},
    };
    struct format_set *set = format_set_new(1);
    struct event event;
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        snprintf(text, sizeof(text),
                 "1A2B3C4D5: to=<a@b.example>, relay=none, %s, dsn=2.0.0, status=sent (x)",
                 rows[i].fields);
        expect_int(rows[i].name, "outcome",
                   parse(set, SLICE("postfix/smtp"), slice_str(text), &event), OUTCOME_EVENT);
        const struct delivery *d = &event.delivery;
        expect_int(rows[i].name, "has delay", d->has_delay, rows[i].has_delay);
        expect_int(rows[i].name, "has delays", d->has_delays, rows[i].has_delays);
        if (rows[i].has_delay)
            assert_true(d->delay == rows[i].delay);
        if (rows[i].has_delays)
            assert_true(d->delays[DELAY_CONNECT] == rows[i].connect);
    }
    format_set_free(set);
}

/* The set remembers who claims a program: a name of any length, and many of them. */
static void test_program_names(void **state)
{
    struct format_set *set = format_set_new(1);
    struct event event;
    char name[400];
    const char *text = "1A2B3C4D5: " HEAD "dsn=2.0.0, status=sent (250 ok)";
    (void)state;
    for (unsigned len = 1; len < 300; len++) {
        memset(name, 'p', len);
        memcpy(name + len, "/smtp", 6);
        assert_int_equal(parse(set, slice_str(name), slice_str(text), &event), OUTCOME_EVENT);
        memcpy(name + len, "/smtx", 6);
        assert_int_equal(parse(set, slice_str(name), slice_str(text), &event), OUTCOME_UNKNOWN);
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "mta%u/%s", i % 500, i % 3 ? "smtp" : "imap");
        assert_int_equal(parse(set, slice_str(name), slice_str(text), &event),
                         i % 3 ? OUTCOME_EVENT : OUTCOME_UNKNOWN);
    }
    format_set_free(set);
}

/* --format names a format: lines of others are not its own. */
static void test_format_names(void **state)
{
    enum format_id id;
    (void)state;
    assert_true(format_parse_name("auto", &id));
    assert_int_equal(id, FORMAT_AUTO);
    assert_true(format_parse_name("postfix", &id));
    assert_int_equal(id, FORMAT_postfix);
    assert_false(format_parse_name("Postfix", &id));
    assert_false(format_parse_name("", &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_queue_ids),    cmocka_unit_test(test_hidden_members),
        cmocka_unit_test(test_delays),       cmocka_unit_test(test_program_names),
        cmocka_unit_test(test_format_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
