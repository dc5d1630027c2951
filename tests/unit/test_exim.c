/*
 * A look at Exim's spool. What exim -bp said of the laboratory's files is compared in
 * tests/e2e/test_queue.py; here are the forms that it did not produce, by Exim's
 * specification ("Format of spool files"), and files that are none.
 */
#include "look_stage.h"

#include "../../lib/queue/spool.h"

#define ID   "1xUy3a-00004n-2x"
#define HEAD ID "-H\nexim 100 102\n<s@b.example>\n1795317363 3\n"
/* "NNN" counts from behind the flag and the blank, the line's end included. */
#define TAIL "\n010  From: x\n \n"

struct row {
    const char *name;
    struct slice header;
    struct slice journal;
    const char *want;
};

#define OF_NONE(why) "unreadable 1: SPOOL: a message cannot be read: " ID "-H: " why "\n"
#define MALFORMED    OF_NONE("it is no header file that is understood")
#define SHORT        OF_NONE("it ends too early")

static const struct row rows[] = {
    {"plain", SLICE_INIT(HEAD "-local\nXX\n1\na@a.example\n" TAIL), SLICE_INIT(""),
     "message queued 1795317363 10\nrecipient a@a.example\n"},
    {"frozen", SLICE_INIT(HEAD "-frozen 1795317999\nXX\n1\na@a.example\n" TAIL), SLICE_INIT(""),
     "message frozen 1795317363 10\nrecipient a@a.example\n"},
    {"a tree of three, and a journal",
     SLICE_INIT(HEAD "YY c@a.example\nNN b@a.example\nNN d@a.example\n5\na@a.example\n"
                     "b@a.example\nc@a.example\nd@a.example\ne@a.example\n" TAIL),
     SLICE_INIT("e@a.example\n"), "message queued 1795317363 10\nrecipient a@a.example\n"},
    {"an address that begins with a digit, in the tree",
     SLICE_INIT(HEAD "NN 1@a.example\n2\n1@a.example\n2@a.example\n" TAIL), SLICE_INIT(""),
     "message queued 1795317363 10\nrecipient 2@a.example\n"},
    {"who has got it is compared as a whole",
     SLICE_INIT(HEAD "NN ba@a.example\n1\na@a.example\n" TAIL), SLICE_INIT("a@a.example.org\n"),
     "message queued 1795317363 10\nrecipient a@a.example\n"},
    {"domains in capitals, of which Exim writes down lower case",
     SLICE_INIT(HEAD "NN b@b.example\n4\na@A.Example\nb@B.EXAMPLE\nA@a.example\n"
                     "\"x@Y\"@C.example\n" TAIL),
     SLICE_INIT("a@a.example\n\"x@Y\"@c.example\n"),
     "message queued 1795317363 10\nrecipient A@a.example\n"},
    {"variables whose values look like something else",
     SLICE_INIT(HEAD "-aclc 0 10\nXX\n7\nx@y\nz\n--aclm _v 12\n-frozen 1\nNN\n-acl 3 0\n\n"
                     "XX\n1\na@a.example\n" TAIL),
     SLICE_INIT(""), "message queued 1795317363 10\nrecipient a@a.example\n"},
    {"where errors go, and delivery status notifications",
     SLICE_INIT(HEAD "XX\n4\na@a.example e@x.example 11,-1#1\n"
                     "\"b c\"@b.example rfc822;b@b.example 18,3 e@x.example 11,-1#3\n"
                     "c@c.example  0,4  0,-1#3\n\"#1\"@d.example\n" TAIL),
     SLICE_INIT("c@c.example\n"),
     "message queued 1795317363 10\nrecipient a@a.example\nrecipient \"b c\"@b.example\n"
     "recipient \"#1\"@d.example\n"},
    {"a header that was removed, and one of two lines",
     SLICE_INIT(HEAD "XX\n1\na@a.example\n\n010* From: x\n \n012  To: a,\n b@c\n"), SLICE_INIT(""),
     "message queued 1795317363 12\nrecipient a@a.example\n"},
    {"no recipients", SLICE_INIT(HEAD "XX\n0\n" TAIL), SLICE_INIT(""),
     "message queued 1795317363 10\n"},
    {"empty", SLICE_INIT(""), SLICE_INIT(""), SHORT},
    {"garbage", SLICE_INIT("garbage\n"), SLICE_INIT(""), MALFORMED},
    {"another message's", SLICE_INIT("1xUy3b-00004n-2x-H\n"), SLICE_INIT(""), MALFORMED},
    {"no time", SLICE_INIT(ID "-H\nexim 1 1\n<>\nnow\n"), SLICE_INIT(""), MALFORMED},
    {"no tree", SLICE_INIT(HEAD "1\na@a.example\n" TAIL), SLICE_INIT(""), MALFORMED},
    {"a tree that lacks a node", SLICE_INIT(HEAD "YN c@a.example\n1\na@a.example\n" TAIL),
     SLICE_INIT(""), MALFORMED},
    {"fewer recipients than it says", SLICE_INIT(HEAD "XX\n3\na@a.example\n"), SLICE_INIT(""),
     SHORT},
    {"recipients that go on", SLICE_INIT(HEAD "XX\n1\na@a.example\nb@a.example\n" TAIL),
     SLICE_INIT(""), MALFORMED},
    {"a header that is cut", SLICE_INIT(HEAD "XX\n1\na@a.example\n\n010  From\n"), SLICE_INIT(""),
     SHORT},
    {"a header without a length", SLICE_INIT(HEAD "XX\n1\na@a.example\n\nFrom: x\n"),
     SLICE_INIT(""), MALFORMED},
};

static void test_header_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct stage stage;
        stage_open(&stage);
        stage_put(&stage, "input/" ID "-H", rows[i].header);
        if (rows[i].journal.len)
            stage_put(&stage, "input/" ID "-J", rows[i].journal);
        stage_expect(rows[i].name, &stage, "exim", rows[i].want);
        stage_close(&stage);
    }
}

/* Of 2.5 MB, every third of whom has got it: as many as there are, whatever the buffers hold. */
static void test_an_envelope_of_many(void **state)
{
    enum { ALL = 60000, GOT = 20000 };
    struct strbuf header = STRBUF_INIT, journal = STRBUF_INIT;
    struct stage stage;
    size_t told = 0;
    (void)state;
    strbuf_addf(&header, HEAD "XX\n%d\n", ALL);
    for (int i = 0; i < ALL; i++)
        strbuf_addf(&header, "recipient-number-%06d@domain-%02d.example.org\n", i, i % 50);
    for (int i = 0; i < GOT; i++)
        strbuf_addf(&journal, "recipient-number-%06d@domain-%02d.example.org\n", i * 3, i * 3 % 50);
    strbuf_add_str(&header, TAIL);
    stage_open(&stage);
    stage_put(&stage, "input/" ID "-H", strbuf_slice(&header));
    stage_put(&stage, "input/" ID "-J", strbuf_slice(&journal));
    assert_int_equal(stage_look(&stage, "exim"), LOOK_END);
    for (struct slice rest = strbuf_slice(&stage.got), line; rest.len;) {
        line = slice_cut(&rest, '\n');
        told += slice_starts(line, SLICE("recipient recipient-number-"));
    }
    expect_int("many", "recipients", (long long)told, ALL - GOT);
    stage_close(&stage);
    strbuf_release(&header);
    strbuf_release(&journal);
}

/* Whatever stands behind an '@' where such an address was cut is no domain. */
static void test_an_address_that_is_too_long(void **state)
{
    (void)state;
    for (size_t len = QUEUE_ADDRESS_MAX; len <= QUEUE_ADDRESS_MAX + 1; len++) {
        struct strbuf header = STRBUF_INIT, want = STRBUF_INIT;
        struct stage stage;
        strbuf_add_str(&want, "message queued 1795317363 10\nrecipient ");
        strbuf_add_str(&header, HEAD "XX\n1\n");
        size_t from = header.len;
        strbuf_add_str(&header, "\"local@");
        while (header.len - from < len)
            strbuf_add_str(&header, "x");
        if (len == QUEUE_ADDRESS_MAX)
            strbuf_add(&want, header.buf + from, len);
        strbuf_add_str(&header, "\n" TAIL);
        strbuf_add_str(&want, "\n");
        stage_open(&stage);
        stage_put(&stage, "input/" ID "-H", strbuf_slice(&header));
        stage_expect("long", &stage, "exim", want.buf);
        stage_close(&stage);
        strbuf_release(&header);
        strbuf_release(&want);
    }
}

/* More than are remembered have got it: nothing is said that would be wrong. */
static void test_too_many_have_got_it(void **state)
{
    struct strbuf journal = STRBUF_INIT;
    struct stage stage;
    (void)state;
    for (int i = 0; i < 65537; i++)
        strbuf_addf(&journal, "%d@a.example\n", i);
    stage_open(&stage);
    stage_put(&stage, "input/" ID "-H", SLICE(HEAD "XX\n1\na@a.example\n" TAIL));
    stage_put(&stage, "input/" ID "-J", strbuf_slice(&journal));
    stage_expect("too many", &stage, "exim",
                 OF_NONE("more have got it already than can be remembered"));
    stage_close(&stage);
    strbuf_release(&journal);
}

/* What one message got is nothing to the next one. */
static void test_messages_do_not_mix(void **state)
{
    struct stage stage;
    (void)state;
    stage_open(&stage);
    for (int i = 0; i < 5; i++) {
        char id[24], name[40], header[200];
        snprintf(id, sizeof(id), "1xUy3%d-00004n-2x", i);
        snprintf(name, sizeof(name), "input/%s-H", id);
        int len = snprintf(header, sizeof(header),
                           "%s-H\nexim 1 1\n<>\n1795317363 0\nNN %d@a.example\n5\n0@a.example\n"
                           "1@a.example\n2@a.example\n3@a.example\n4@a.example\n\n",
                           id, i);
        stage_put(&stage, name, slice_of(header, (size_t)len));
    }
    assert_int_equal(stage_look(&stage, "exim"), LOOK_END);
    for (int i = 0; i < 5; i++) {
        char want[40];
        size_t told = 0;
        snprintf(want, sizeof(want), "recipient %d@a.example", i);
        for (struct slice rest = strbuf_slice(&stage.got); rest.len;)
            told += slice_eq(slice_cut(&rest, '\n'), slice_str(want));
        expect_int(want, "times", (long long)told, 4);
    }
    stage_close(&stage);
}

static void test_what_may_not_be_read(void **state)
{
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "input/" ID "-H", SLICE(HEAD "XX\n1\na@a.example\n" TAIL));
    stage_path(&stage, "input/" ID "-H", path);
    assert_int_equal(chmod(path, 0), 0);
    stage_look_as_nobody(&stage, "exim");
    /* Nothing at all: that is no empty queue. */
    const char *why = ": a message cannot be read: " ID "-H: Permission denied; let mailvane's "
                      "user read it, on Debian as a member of group Debian-exim\n";
    char want[512];
    snprintf(want, sizeof(want), "unreadable 1: SPOOL%sfailed: SPOOL%s", why, why);
    expect_slice("none", "look", strbuf_slice(&stage.got), slice_str(want));
    stage_put(&stage, "input/1xUy3b-00004n-2x-H",
              SLICE("1xUy3b-00004n-2x-H\nexim 1 1\n<>\n1795317363 0\nXX\n0\n\n"));
    stage_look_as_nobody(&stage, "exim");
    snprintf(want, sizeof(want), "message queued 1795317363 0\nunreadable 1: SPOOL%s", why);
    expect_slice("one of two", "look", strbuf_slice(&stage.got), slice_str(want));
    stage_close(&stage);
}

/* A directory of that name can be opened, and read(2) fails. */
static void test_a_journal_that_fails(void **state)
{
    struct stage stage;
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "input/" ID "-H", SLICE(HEAD "XX\n1\na@a.example\n" TAIL));
    stage_put(&stage, "input/" ID "-J/x", SLICE(""));
    stage_expect("journal", &stage, "exim",
                 "unreadable 1: SPOOL: a message cannot be read: " ID "-J: Is a directory\n");
    stage_close(&stage);
}

/* Reading a sparse one would take the processor for as long as somebody likes. */
static void test_a_file_that_is_too_large(void **state)
{
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "input/" ID "-H", SLICE(HEAD "XX\n1\na@a.example\n" TAIL));
    stage_put(&stage, "input/" ID "-J", SLICE(""));
    stage_path(&stage, "input/" ID "-J", path);
    assert_int_equal(truncate(path, SPOOL_FILE_MAX), 0);
    stage_expect("as large as may be", &stage, "exim",
                 "message queued 1795317363 10\nrecipient a@a.example\n");
    assert_int_equal(truncate(path, SPOOL_FILE_MAX + 1), 0);
    stage_expect("larger", &stage, "exim",
                 "unreadable 1: SPOOL: a message cannot be read: " ID "-J: File too large\n");
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_files),
        cmocka_unit_test(test_an_envelope_of_many),
        cmocka_unit_test(test_too_many_have_got_it),
        cmocka_unit_test(test_an_address_that_is_too_long),
        cmocka_unit_test(test_messages_do_not_mix),
        cmocka_unit_test(test_what_may_not_be_read),
        cmocka_unit_test(test_a_journal_that_fails),
        cmocka_unit_test(test_a_file_that_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
