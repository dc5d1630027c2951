/*
 * A look at Sendmail's queue: the laboratory's control file as mailq showed it, and the forms
 * that the laboratory did not produce, by the Sendmail Installation and Operation Guide
 * ("Queue Files"), and files that are none.
 */
#include "look_stage.h"

#include <time.h>

#define SAMPLE "tests/data/sendmail/"
#define NAME   "qf6AM3H5wi000557"
#define HEAD   "V8\nT1795317425\nK1795317467\nN7\nP570138\nI254/0/11362354\n"
#define TAIL   "H?P?Return-Path: <a@b>\nH??Subject: x\n\tRPFD:<not@a.recipient>\n.\n"

/* mailq.txt has: 8 bytes, Nov 22 03:17, (reply: read error from mx.garbage.example.). */
static void test_the_sample_as_mailq_showed_it(void **state)
{
    struct stage stage;
    char want[200];
    struct tm queued = {.tm_year = 126, .tm_mon = 10, .tm_mday = 22, .tm_hour = 3, .tm_min = 17};
    (void)state;
    stage_open(&stage);
    stage_copy(&stage, SAMPLE NAME, NAME);
    stage_copy(&stage, SAMPLE "df6AM3H5wi000557", "df6AM3H5wi000557");
    /* mailq does not tell the seconds; the Received header of the message has 05. */
    snprintf(want, sizeof(want),
             "message queued %lld 8\n"
             "recipient user@garbage.example | reply: read error from mx.garbage.example.\n",
             (long long)timegm(&queued) + 5);
    stage_expect("sample", &stage, "sendmail", want);
    stage_close(&stage);
}

struct row {
    const char *name;
    struct slice control;
    const char *want;
};

#define OF_NONE(why) "unreadable 1: SPOOL: a message cannot be read: " NAME ": " why "\n"

static const struct row rows[] = {
    {"reasons of its own, of the message, and none",
     SLICE_INIT(HEAD "MDeferred\nFwbs\n$_x [192.0.2.1]\nS<s@b.example>\n"
                     "MDeferred: 451 4.7.1 later\nrRFC822; a@a.example\nRPFD:<a@a.example>\n"
                     "RPFD:<b@b.example>\n" TAIL),
     "message queued 1795317425 0\nrecipient a@a.example | Deferred: 451 4.7.1 later\n"
     "recipient b@b.example | Deferred\n"},
    {"nothing was tried yet", SLICE_INIT(HEAD "S<s@b.example>\nRPFD:<a@a.example>\n" TAIL),
     "message queued 1795317425 0\nrecipient a@a.example\n"},
    {"names, comments, programs and files",
     SLICE_INIT(HEAD "S<>\nRPFD:\"Doe, J. <x>\" <a@a.example>\nRPFD:b@b.example (B)\n"
                     "RPFD:<\"c<d\"@c.example>\nCmail:8:8:<list@b.example>\nRA:\"|/bin/p a@b\"\n"
                     "RA:/var/mail/f\nRPFD:root\nRPFD:<e:f@e.example>\n" TAIL),
     "message queued 1795317425 0\nrecipient a@a.example\nrecipient b@b.example\n"
     "recipient \"c<d\"@c.example\nrecipient \nrecipient /var/mail/f\n"
     "recipient root\nrecipient e:f@e.example\n"},
    {"comments in comments, and files with an '@'",
     SLICE_INIT(HEAD "S<>\nRPFD:x@b.example (nick (a@b))\nRA:/srv/mail/john@doe/inbox\n"
                     "RA:|/bin/p --to john@secret.example\nRA::include:/etc/l@st\n"
                     "RPFD:/S=doe/@x400.example\nRPFD:a)b)\nRPFD:<a@\"c>\"<d@d.example>\n" TAIL),
     "message queued 1795317425 0\nrecipient x@b.example\nrecipient \nrecipient \nrecipient \n"
     "recipient /S=doe/@x400.example\nrecipient a)b)\nrecipient a@\"c>\"<d@d.example\n"},
    {"the first version has no flags", SLICE_INIT("T1795317425\nS<>\nR<a:b@a.example>\n.\n"),
     "message queued 1795317425 0\nrecipient a:b@a.example\n"},
    {"a version to come", SLICE_INIT("V9\nT1\nS<>\n.\n"), OF_NONE("its version is not known")},
    {"no time", SLICE_INIT("V8\nS<>\nRPFD:<a@a.example>\n.\n"), OF_NONE("it has no time")},
    {"a time that is none", SLICE_INIT("V8\nTnow\n.\n"),
     OF_NONE("it has no time that is understood")},
    {"cut", SLICE_INIT(HEAD "S<>\nRPFD:<a@a.example>\n"), OF_NONE("it ends too early")},
    {"empty", SLICE_INIT(""), OF_NONE("it ends too early")},
    {"more behind its end", SLICE_INIT(HEAD "S<>\n.\nRPFD:<a@a.example>\n"),
     OF_NONE("it goes on behind its end")},
};

static void set_mtime(const struct stage *stage, const char *name, time_t at)
{
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
    char path[512];
    stage_path(stage, name, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_old(const struct stage *stage, const char *name)
{
    set_mtime(stage, name, 1000000000);
}

static void test_control_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct stage stage;
        stage_open(&stage);
        stage_put(&stage, NAME, rows[i].control);
        make_old(&stage, NAME);
        stage_expect(rows[i].name, &stage, "sendmail", rows[i].want);
        stage_close(&stage);
    }
}

/* Sendmail writes a new control file in its place: what is young is not complete yet. */
static void test_one_that_is_being_written(void **state)
{
    struct stage stage;
    (void)state;
    stage_open(&stage);
    stage_put(&stage, NAME, SLICE(HEAD "S<>\nRPFD:<a@a.exa"));
    stage_expect("young", &stage, "sendmail", "");
    set_mtime(&stage, NAME, time(NULL) - 9 * 60);
    stage_expect("nine minutes", &stage, "sendmail", "");
    set_mtime(&stage, NAME, time(NULL) - 11 * 60);
    stage_expect("eleven minutes", &stage, "sendmail", OF_NONE("it ends too early"));
    set_mtime(&stage, NAME, time(NULL) + 3600);
    stage_expect("to come", &stage, "sendmail", OF_NONE("it ends too early"));
    stage_close(&stage);
}

#define SMALL SLICE("V8\nT1\nS<>\n.\n")

/* The guide's names: h quarantined, Q lost; d, t, T and x are no messages. */
static void test_kinds_of_files(void **state)
{
    static const struct {
        const char *name, *want;
    } kinds[] = {
        {"qfA", "message queued 1 0\n"},
        {"hfA", "message quarantined 1 0\n"},
        {"QfA", "message lost 1 0\n"},
        {"dfA", ""},
        {"tfA", ""},
        {"TfA", ""},
        {"xfA", ""},
        {"qf", ""},
    };
    (void)state;
    for (size_t i = 0; i < LEN(kinds); i++) {
        struct stage stage;
        stage_open(&stage);
        stage_put(&stage, kinds[i].name, SMALL);
        stage_expect(kinds[i].name, &stage, "sendmail", kinds[i].want);
        stage_close(&stage);
    }
}

/*
 * Queue groups, directories with qf and df below them, and a data file in another one: mailq
 * of Sendmail 8.17.1.9, asked about such a queue (QueueDirectory=.../q*), finds the same sizes.
 */
static void test_where_the_data_file_is(void **state)
{
    static const struct {
        const char *name, *control, *data;
        struct slice text;
    } places[] = {
        {"beside it", "qfA", "dfA", SLICE_INIT("V8\nT1\nS<>\n.\n")},
        {"a group", "q1/qfA", "q1/dfA", SLICE_INIT("V8\nT1\nS<>\n.\n")},
        {"qf and df", "q1/qf/qfA", "q1/df/dfA", SLICE_INIT("V8\nT1\nS<>\n.\n")},
        {"another one", "q1/qfA", "q2/dfA", SLICE_INIT("V8\nT1\ndq2\nS<>\n.\n")},
        {"df of another one", "q1/qf/qfA", "q2/df/dfA", SLICE_INIT("V8\nT1\ndq2\nS<>\n.\n")},
        {"quarantined", "hfA", "dfA", SLICE_INIT("V8\nT1\nS<>\n.\n")},
    };
    (void)state;
    for (size_t i = 0; i < LEN(places); i++) {
        struct stage stage;
        char want[64];
        stage_open(&stage);
        stage_put(&stage, places[i].control, places[i].text);
        stage_put(&stage, places[i].data, SLICE("a body\n"));
        snprintf(want, sizeof(want), "message %s 1 7\n",
                 places[i].control[0] == 'h' ? "quarantined" : "queued");
        stage_expect(places[i].name, &stage, "sendmail", want);
        stage_close(&stage);
    }
}

/* What lies outside is nobody's data file, whatever the control file says. */
static void test_a_data_file_elsewhere(void **state)
{
    struct stage stage;
    struct strbuf control = STRBUF_INIT;
    (void)state;
    stage_open(&stage);
    strbuf_addf(&control, "V8\nT1\nd%s/other\nS<>\n.\n", stage.dir);
    stage_put(&stage, "q1/qfA", strbuf_slice(&control));
    stage_put(&stage, "q1/qfB", SLICE("V8\nT1\nd../other\nS<>\n.\n"));
    stage_put(&stage, "q1/qfC", SLICE("V8\nT1\nd/other\nS<>\n.\n"));
    stage_put(&stage, "other/dfA", SLICE("a body\n"));
    stage_put(&stage, "other/dfB", SLICE("a body\n"));
    stage_put(&stage, "other/dfC", SLICE("a body\n"));
    stage_expect("elsewhere", &stage, "sendmail",
                 "message queued 1 0\nmessage queued 1 0\nmessage queued 1 0\n");
    stage_close(&stage);
    strbuf_release(&control);
}

/* Of 2 MB: as many as there are. */
static void test_many_recipients(void **state)
{
    enum { ALL = 50000 };
    struct strbuf control = STRBUF_INIT;
    struct stage stage;
    size_t told = 0;
    (void)state;
    strbuf_add_str(&control, HEAD "S<>\n");
    for (int i = 0; i < ALL; i++)
        strbuf_addf(&control, "RPFD:<recipient-number-%06d@domain.example.org>\n", i);
    strbuf_add_str(&control, TAIL);
    stage_open(&stage);
    stage_put(&stage, NAME, strbuf_slice(&control));
    assert_int_equal(stage_look(&stage, "sendmail"), LOOK_END);
    for (struct slice rest = strbuf_slice(&stage.got); rest.len;)
        told += slice_starts(slice_cut(&rest, '\n'), SLICE("recipient recipient-number-"));
    expect_int("many", "recipients", (long long)told, ALL);
    stage_close(&stage);
    strbuf_release(&control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample_as_mailq_showed_it),
        cmocka_unit_test(test_control_files),
        cmocka_unit_test(test_one_that_is_being_written),
        cmocka_unit_test(test_kinds_of_files),
        cmocka_unit_test(test_where_the_data_file_is),
        cmocka_unit_test(test_a_data_file_elsewhere),
        cmocka_unit_test(test_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
