/*
 * A look at OpenSMTPD's spool: the laboratory's envelopes against what smtpctl show queue
 * said of them, and what smtpd writes that the laboratory did not have: by envelope.c and
 * smtpd.conf(5). And files that are none.
 */
#include "look_stage.h"

#define DATA "tests/data/opensmtpd/"

struct sample {
    const char *run;
    const char *envelopes[5];
};

static const struct sample samples[] = {
    {"mx",
     {"1c68e3cb1211d599", "6e6017797322825d", "ce8008297bdbcd6c", "d52fe86592021bfa",
      "d70ce8a418dfa8fd"}},
    {"smart",
     {"4608c1f25acbcc4b", "4faeff39006532d2", "54dabd562da3406e", "62081c2d96a9ac3d",
      "79578f05a4b0c71b"}},
};

/* Not inlined: GCC 12 sees impossible lengths in a row of them. */
__attribute__((noinline)) static struct slice cut(struct slice *rest, char byte)
{
    return slice_cut(rest, byte);
}

/* The nth field of the line that begins with this envelope's id; the last one takes the rest. */
static struct slice listed(struct slice listing, const char *envelope, unsigned field)
{
    struct slice line = SLICE_NONE;
    while (listing.len && !slice_starts(line, slice_str(envelope)))
        line = cut(&listing, '\n');
    assert_true(slice_starts(line, slice_str(envelope)));
    for (; field; field--)
        cut(&line, '|');
    return line;
}

/* "message queue CTIME BYTES", and the recipient with the error that was recorded. */
static void want_of(const struct sample *sample, const char *envelope, struct slice listing,
                    struct strbuf *want)
{
    char path[200];
    struct stat st;
    struct slice dest = listed(listing, envelope, 6), time = listed(listing, envelope, 7);
    struct slice error = listed(listing, envelope, 13);
    dest = cut(&dest, '|');
    time = cut(&time, '|');
    snprintf(path, sizeof(path), DATA "%s/spool/queue/%.2s/%.8s/message", sample->run, envelope,
             envelope);
    assert_int_equal(stat(path, &st), 0);
    strbuf_addf(want, "message queue %.*s %lld\n", SLICE_ARG(time), (long long)st.st_size);
    strbuf_addf(want, "recipient %.*s", SLICE_ARG(dest));
    strbuf_addf(want, error.len ? " | %.*s\n" : "%.*s\n", SLICE_ARG(error));
}

static void test_the_samples_as_smtpctl_showed_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(samples); i++) {
        struct strbuf listing = STRBUF_INIT, want = STRBUF_INIT;
        char path[200], name[64];
        snprintf(path, sizeof(path), DATA "%s/smtpctl-show-queue.txt", samples[i].run);
        stage_read(path, &listing);
        for (size_t e = 0; e < LEN(samples[i].envelopes); e++) {
            const char *id = samples[i].envelopes[e];
            const char *files[] = {id, "message"};
            struct stage stage;
            stage_open(&stage);
            for (size_t f = 0; f < LEN(files); f++) {
                snprintf(name, sizeof(name), "queue/%.2s/%.8s/%s", id, id, files[f]);
                snprintf(path, sizeof(path), DATA "%s/spool/%s", samples[i].run, name);
                stage_copy(&stage, path, name);
            }
            strbuf_reset(&want);
            want_of(&samples[i], id, strbuf_slice(&listing), &want);
            stage_expect(id, &stage, "opensmtpd", want.buf);
            stage_close(&stage);
        }
        strbuf_release(&listing);
        strbuf_release(&want);
    }
}

#define NAME     "6e6017797322825d"
#define PLACE    "queue/6e/6e601779/"
#define ENVELOPE "version: 3\ntype: mta\nsender: s@b.example\nrcpt: list@b.example\n"
#define REST     "dest: a@a.example\nctime: 1795317663\nretry: 2\n"

struct row {
    const char *name;
    struct slice envelope;
    const char *want;
};

#define OF_NONE(why) "unreadable 1: SPOOL: a message cannot be read: " NAME ": " why "\n"
#define MALFORMED    OF_NONE("it is no envelope that is understood")

static const struct row rows[] = {
    {"an alias goes to dest", SLICE_INIT(ENVELOPE REST),
     "message queue 1795317663 5\nrecipient a@a.example\n"},
    {"an error that looks like a field",
     SLICE_INIT(ENVELOPE "errorline: 451 dest: evil@x.example\n" REST),
     "message queue 1795317663 5\nrecipient a@a.example | 451 dest: evil@x.example\n"},
    {"a notice goes to the sender",
     SLICE_INIT("version: 3\ntype: bounce\nerrorline: 550 no\nsender: s@b.example\n"
                "rcpt: a@a.example\n" REST "bounce-type: failed\n"),
     "message queue 1795317663 5\nrecipient s@b.example\n"},
    {"local", SLICE_INIT("version: 3\ntype: mda\nmda-user: a\n" REST),
     "message queue 1795317663 5\nrecipient a@a.example\n"},
    {"a version to come", SLICE_INIT("version: 4\ntype: mda\n" REST),
     OF_NONE("its version is not known")},
    {"a version that is none", SLICE_INIT("version: x\ntype: mda\n" REST),
     OF_NONE("its version is not known")},
    {"compressed", SLICE_INIT("\x1f\x8b\x08\0\0"),
     OF_NONE("it is compressed (queue compression), which mailvane does not read")},
    {"encrypted", SLICE_INIT("\x01\xab\xcd\0"),
     OF_NONE("it is encrypted (queue encryption), which mailvane cannot read")},
    {"empty", SLICE_INIT(""), OF_NONE("it lacks version, type, ctime or dest")},
    {"cut", SLICE_INIT(ENVELOPE "dest: a@a.ex"), OF_NONE("it lacks version, type, ctime or dest")},
    {"garbage", SLICE_INIT("garbage\n"), MALFORMED},
    {"no name", SLICE_INIT(": x\n"), MALFORMED},
    {"no time", SLICE_INIT(ENVELOPE "dest: a@a\nctime: now\n"),
     OF_NONE("it has no time that is understood")},
};

static void test_envelopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct stage stage;
        stage_open(&stage);
        stage_put(&stage, PLACE NAME, rows[i].envelope);
        stage_put(&stage, PLACE "message", SLICE("body\n"));
        stage_expect(rows[i].name, &stage, "opensmtpd", rows[i].want);
        stage_close(&stage);
    }
}

static void test_an_envelope_that_is_too_large(void **state)
{
    struct strbuf bytes = STRBUF_INIT;
    struct stage stage;
    (void)state;
    strbuf_add_str(&bytes, ENVELOPE "errorline: ");
    for (int i = 0; i < 16384; i++)
        strbuf_add_str(&bytes, "x");
    strbuf_add_str(&bytes, "\n" REST);
    stage_open(&stage);
    stage_put(&stage, PLACE NAME, strbuf_slice(&bytes));
    stage_expect("large", &stage, "opensmtpd", OF_NONE("it is too large for an envelope"));
    stage_close(&stage);
    strbuf_release(&bytes);
}

/* One message, three recipients, of whom two cannot be told: it counts once on either side. */
static void test_envelopes_of_one_message(void **state)
{
    struct stage stage;
    (void)state;
    stage_open(&stage);
    stage_put(&stage, PLACE "message", SLICE("body\n"));
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof(name), PLACE "6e6017790000000%d", i);
        stage_put(&stage, name, i < 3 ? SLICE(ENVELOPE REST) : SLICE("garbage"));
    }
    assert_int_equal(stage_look(&stage, "opensmtpd"), LOOK_END);
    size_t messages = 0, recipients = 0, unreadable = 0;
    for (struct slice rest = strbuf_slice(&stage.got); rest.len;) {
        struct slice line = cut(&rest, '\n');
        messages += slice_eq(line, SLICE("message queue 1795317663 5"));
        recipients += slice_eq(line, SLICE("recipient a@a.example"));
        unreadable += slice_starts(line, SLICE("unreadable 1: "));
    }
    expect_int("one message", "messages", (long long)messages, 1);
    expect_int("one message", "recipients", (long long)recipients, 3);
    expect_int("one message", "unreadable", (long long)unreadable, 1);
    stage_close(&stage);
}

/* What was handed in while smtpd was down waits; what is received or removed does not. */
static void test_the_other_directories(void **state)
{
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1795317000}};
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "queue/6e/x", SLICE("no envelope"));
    stage_put(&stage, "incoming/6e601779/" NAME, SLICE(ENVELOPE REST));
    stage_put(&stage, "incoming/envelope.tmp", SLICE(ENVELOPE));
    stage_put(&stage, "purge/1/" NAME, SLICE(ENVELOPE REST));
    stage_put(&stage, "temporary/x", SLICE("x"));
    stage_expect("none", &stage, "opensmtpd", "");
    stage_put(&stage, "offline/1795317000.XXXXXX", SLICE("-f|a\nbody\n"));
    stage_path(&stage, "offline/1795317000.XXXXXX", path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    stage_expect("offline", &stage, "opensmtpd", "message offline 1795317000 10\n");
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_samples_as_smtpctl_showed_them),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_an_envelope_that_is_too_large),
        cmocka_unit_test(test_envelopes_of_one_message),
        cmocka_unit_test(test_the_other_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
