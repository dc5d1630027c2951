/*
 * queue/look.h with the queue of Postfix: a showq(8) that says what a row has, and spools
 * whose socket cannot be reached; what postqueue(1) said of the laboratory's queue is in
 * showq.tsv. And what holds for the spools of all MTAs.
 */
#include "look_stage.h"

#include <sys/socket.h>
#include <sys/un.h>

#define SNAPSHOT "tests/data/postfix/queue/snapshot/"
#define MESSAGE                                                                                    \
    "queue_name\0deferred\0time\0"                                                                 \
    "12\0size\0"                                                                                   \
    "34\0recipient\0a@a.example\0reason\0x\0\0"

/* A socket that somebody listens on. */
static int listen_at(struct stage *stage)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    stage_put(stage, "public/x", SLICE(""));
    assert_true(strlen(stage->dir) + sizeof("/public/showq") <= sizeof(address.sun_path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/public/showq", stage->dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* Goes on until the look waits or is over; what it told is added to stage->got. */
static enum look_step go_on(struct stage *stage, struct look *look, struct error *err)
{
    for (;;) {
        enum look_step step = look_next(look, err);
        if (step == LOOK_WAIT || step == LOOK_END || step == LOOK_FAILED)
            return step;
        stage_say(stage, look, step);
    }
}

/* A look at a showq that says these bytes in two pieces and closes. */
static enum look_step look_at(struct stage *stage, struct slice bytes, struct error *err)
{
    int listener = listen_at(stage);
    struct look *look = look_new(queue_reader_named("postfix"), stage->dir);
    strbuf_reset(&stage->got);
    strbuf_add_str(&stage->got, "");
    assert_int_equal(look_begin(look, err), 0);
    assert_false(look->counts_only);
    int showq = accept(listener, NULL, NULL);
    expect_int("before a word", "step", go_on(stage, look, err), LOOK_WAIT);
    for (size_t half = bytes.len / 2; bytes.len; half = bytes.len) {
        struct slice part = slice_head(bytes, half ? half : 1);
        assert_int_equal(write(showq, part.ptr, part.len), (ssize_t)part.len);
        bytes = slice_skip(bytes, part.len);
        if (bytes.len)
            go_on(stage, look, err);
    }
    close(showq);
    enum look_step step = go_on(stage, look, err);
    look_end(look);
    look_free(look);
    close(listener);
    return step;
}

/* The error without the name of the stage. */
static struct slice said(const struct stage *stage, const char *text)
{
    struct slice rest = slice_str(text);
    slice_take(&rest, slice_str(stage->dir));
    return rest;
}

static const struct {
    const char *name;
    struct slice bytes;
    const char *told;
    const char *error; /* NULL: the look is complete */
} rows[] = {
    {"an empty queue", SLICE_INIT("\0"), "", NULL},
    {"a message", SLICE_INIT(MESSAGE "\0"), "message deferred 12 34\nrecipient a@a.example | x\n",
     NULL},
    {"nothing at all", SLICE_INIT(""), "", "closed before the list was complete"},
    {"closed between messages", SLICE_INIT(MESSAGE),
     "message deferred 12 34\nrecipient a@a.example | x\n", "closed before the list was complete"},
    {"half an attribute", SLICE_INIT("queue_name\0defer"), "",
     "closed before the list was complete"},
    {"garbage", SLICE_INIT("220 mx.example ESMTP\r\n\0"), "",
     "a list that does not begin with queue_name"},
    {"a number that is none", SLICE_INIT("queue_name\0hold\0time\0x\0"), "",
     "an attribute has a value that it cannot have"},
    {"bytes behind the end", SLICE_INIT("\0x"), "", "bytes behind the end"},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct stage stage;
        struct error err = {{0}};
        char want[200] = "";
        stage_open(&stage);
        expect_int(rows[i].name, "last step", look_at(&stage, rows[i].bytes, &err),
                   rows[i].error ? LOOK_FAILED : LOOK_END);
        expect_slice(rows[i].name, "look", strbuf_slice(&stage.got), slice_str(rows[i].told));
        if (rows[i].error)
            snprintf(want, sizeof(want), "/public/showq: %s", rows[i].error);
        expect_slice(rows[i].name, "error", said(&stage, err.text), slice_str(want));
        stage_close(&stage);
    }
}

/* The lines of showq.tsv that begin so. */
static long lines_of(struct slice text, struct slice prefix)
{
    long count = 0;
    while (text.len)
        count += slice_starts(slice_cut(&text, '\n'), prefix);
    return count;
}

static void test_the_snapshot(void **state)
{
    struct strbuf bytes = STRBUF_INIT, want = STRBUF_INIT;
    struct stage stage;
    struct error err;
    (void)state;
    stage_read(SNAPSHOT "showq.raw.bin", &bytes);
    stage_read(SNAPSHOT "showq.tsv", &want);
    stage_open(&stage);
    assert_int_equal(look_at(&stage, strbuf_slice(&bytes), &err), LOOK_END);
    for (size_t i = 0; i < 2; i++) {
        struct slice word = i ? SLICE("recipient") : SLICE("message");
        expect_int("snapshot", i ? "recipients" : "messages",
                   lines_of(strbuf_slice(&stage.got), word), lines_of(strbuf_slice(&want), word));
    }
    stage_close(&stage);
    strbuf_release(&bytes);
    strbuf_release(&want);
}

/* Nobody listens: messages are counted, by the names of their files alone. */
static void test_the_directories(void **state)
{
    struct stage stage;
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "deferred/A/A1", SLICE(""));
    stage_put(&stage, "deferred/B/B1", SLICE(""));
    stage_put(&stage, "hold/4bXyZ1", SLICE(""));
    stage_put(&stage, "hold/no-queue-id", SLICE(""));
    stage_put(&stage, "hold/1/2/3/4/D4", SLICE(""));
    stage_put(&stage, "hold/1/2/3/4/5/D5", SLICE(""));
    stage_put(&stage, "defer/A/A1", SLICE(""));
    assert_int_equal(stage_look(&stage, "postfix"), LOOK_END);
    struct slice got = strbuf_slice(&stage.got);
    expect_int("counts", "deferred", lines_of(got, SLICE("message deferred ")), 2);
    expect_int("counts", "hold, not deeper than four", lines_of(got, SLICE("message hold ")), 2);
    expect_int("counts", "all", lines_of(got, SLICE("")), 4);
    stage_close(&stage);
}

/* The sentence of a look that cannot begin, or has but counts; of somebody without rights. */
static void expect_obstacle(const char *name, struct stage *stage, bool begins, const char *want)
{
    struct error err = {{0}};
    bool root = geteuid() == 0;
    struct look *look = look_new(queue_reader_named("postfix"), stage->dir);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    int rc = look_begin(look, &err);
    if (root)
        assert_int_equal(seteuid(0), 0);
    expect_int(name, "begins", rc, begins ? 0 : -1);
    expect_slice(name, "sentence", said(stage, begins ? look->note.text : err.text),
                 slice_str(want));
    if (begins) {
        expect_int(name, "counts alone", look->counts_only, true);
        look_end(look);
    }
    look_free(look);
}

#define POSTDROP                                                                                   \
    "/public/showq: Permission denied; only group postdrop may reach it: add mailvane's user to "  \
    "that group"

static void test_sentences(void **state)
{
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    expect_obstacle("nothing", &stage, false,
                    "/public/showq: No such file or directory; is Postfix running?");
    int listener = listen_at(&stage);
    stage_path(&stage, "public/showq", path);
    assert_int_equal(chmod(path, 0), 0);
    expect_obstacle("no rights", &stage, false, POSTDROP);
    stage_put(&stage, "hold/A1", SLICE(""));
    expect_obstacle("rights to count", &stage, true, POSTDROP);
    stage_put(&stage, "incoming/A/x", SLICE(""));
    stage_path(&stage, "incoming", path);
    assert_int_equal(chmod(path, 0), 0);
    expect_obstacle("a queue that may not be read", &stage, false, POSTDROP);
    assert_int_equal(chmod(path, 0755), 0);
    close(listener);
    stage_path(&stage, "public/showq", path);
    assert_int_equal(chmod(path, 0777), 0);
    expect_obstacle("nobody listens", &stage, true,
                    "/public/showq: Connection refused; is Postfix running?");
    stage_close(&stage);
}

/* Part of a queue is no queue: a directory within it that may not be read ends the look. */
static void test_a_directory_that_may_not_be_read(void **state)
{
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "hold/A/A1", SLICE(""));
    stage_path(&stage, "hold/A", path);
    assert_int_equal(chmod(path, 0), 0);
    stage_look_as_nobody(&stage, "postfix");
    expect_slice("postfix", "look", strbuf_slice(&stage.got),
                 SLICE("failed: SPOOL/public/showq: No such file or directory; is Postfix "
                       "running?\n"));
    stage_look_as_nobody(&stage, "sendmail");
    assert_true(
        slice_starts(strbuf_slice(&stage.got), SLICE("failed: SPOOL/hold/A: Permission denied; ")));
    assert_int_equal(chmod(path, 0755), 0);
    stage_close(&stage);
}

/* A spool on a file system of its own has one, which is root's. */
static void test_lost_and_found(void **state)
{
    struct stage stage;
    char path[512];
    (void)state;
    stage_open(&stage);
    stage_put(&stage, "lost+found/qfA", SLICE(""));
    stage_put(&stage, "input/lost+found/x", SLICE(""));
    stage_path(&stage, "lost+found", path);
    assert_int_equal(chmod(path, 0), 0);
    stage_path(&stage, "input/lost+found", path);
    assert_int_equal(chmod(path, 0), 0);
    stage_look_as_nobody(&stage, "sendmail");
    expect_slice("sendmail", "look", strbuf_slice(&stage.got), SLICE(""));
    stage_look_as_nobody(&stage, "exim");
    expect_slice("exim", "look", strbuf_slice(&stage.got), SLICE(""));
    assert_int_equal(chmod(path, 0755), 0);
    stage_path(&stage, "lost+found", path);
    assert_int_equal(chmod(path, 0755), 0);
    stage_close(&stage);
}

/* --- what a spool may hold in place of a file ---------------------------------------------- */

#define EXIM      "1abcde-000001-AB-H\nu 1 1\n<>\n1795317425 0\nXX\n1\na@a.example\n\n"
#define SENDMAIL  "V8\nT1795317425\nS<>\nRPFD:<a@a.example>\n.\n"
#define OPENSMTPD "version: 3\ntype: mta\ndest: a@a.example\nctime: 1795317425\n"

/* A message, and how deep its directory lies below the one that the look begins with. */
static const struct {
    const char *mta, *file, *bytes;
    unsigned depth;
} odd_rows[] = {
    {"exim", "input/1abcde-000001-AB-H", EXIM, 0},
    {"sendmail", "mqueue/qfAB", SENDMAIL, 1},
    {"opensmtpd", "queue/c5/c5d0aa11/c5d0aa1111111111", OPENSMTPD, 2},
    {"postfix", "hold/4bXyZ1", "", 0},
};

enum odd { LINK, DIRECTORY_LINK, FIFO, FULL_FIFO, SOCKET, ODD };
static const char *const odd_names[ODD] = {"a link", "a link to its directory", "a FIFO",
                                           "a FIFO with a writer", "a socket"};

/* Puts it in the place of the file, which is found elsewhere then. */
static int make_odd(struct stage *stage, const struct stage *elsewhere, enum odd odd,
                    const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[512], away[512], *slash;
    int fd = -1;
    stage_path(stage, name, path);
    stage_path(elsewhere, "away", away);
    slash = strrchr(path, '/');
    if (odd == DIRECTORY_LINK)
        *slash = '\0';
    assert_int_equal(rename(path, away), 0);
    if (odd == LINK || odd == DIRECTORY_LINK)
        assert_int_equal(symlink(away, path), 0);
    else if (odd != SOCKET)
        assert_int_equal(mkfifo(path, 0666), 0);
    if (odd == FULL_FIFO) {
        fd = open(path, O_RDWR | O_NONBLOCK);
        assert_int_equal(write(fd, EXIM, sizeof(EXIM)), sizeof(EXIM));
    } else if (odd == SOCKET) {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    }
    return fd;
}

/* Nothing is read through them, and nothing waits for them. */
static void test_odd_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(odd_rows); i++) {
        for (enum odd odd = LINK; odd < ODD; odd++) {
            char name[128];
            struct stage stage, elsewhere;
            if (odd == DIRECTORY_LINK && odd_rows[i].depth == 0)
                continue; /* which an administrator may make */
            snprintf(name, sizeof(name), "%s: %s", odd_rows[i].mta, odd_names[odd]);
            stage_open(&stage);
            stage_open(&elsewhere);
            stage_put(&stage, odd_rows[i].file, slice_str(odd_rows[i].bytes));
            stage_look(&stage, odd_rows[i].mta);
            assert_int_equal(lines_of(strbuf_slice(&stage.got), SLICE("message ")), 1);
            int fd = make_odd(&stage, &elsewhere, odd, odd_rows[i].file);
            stage_expect(name, &stage, odd_rows[i].mta, "");
            if (fd >= 0)
                close(fd);
            stage_close(&stage);
            stage_close(&elsewhere);
        }
    }
}

/* A path that no address of a socket has room for is counted all the same. */
static void test_a_long_path(void **state)
{
    struct stage stage;
    char inner[128], path[512];
    (void)state;
    stage_open(&stage);
    memset(inner, 'd', 100);
    snprintf(inner + 100, sizeof(inner) - 100, "/hold/A1");
    stage_put(&stage, inner, SLICE(""));
    inner[100] = '\0';
    stage_path(&stage, inner, path);
    struct error err;
    struct look *look = look_new(queue_reader_named("postfix"), path);
    assert_int_equal(look_begin(look, &err), 0);
    expect_int("long", "last step", go_on(&stage, look, &err), LOOK_END);
    expect_int("long", "messages", (long)look->messages, 1);
    assert_true(slice_ends(slice_str(look->note.text), SLICE("/public/showq: File name too long")));
    look_end(look);
    look_free(look);
    stage_close(&stage);
}

static void test_looks_that_are_given_up(void **state)
{
    struct error err;
    (void)state;
    struct look *look = look_new(queue_reader_named("exim"), "/q");
    assert_int_equal(look_silent(look, 30, &err), -1);
    assert_string_equal(err.text, "/q: nothing was said for 30 seconds");
    assert_int_equal(look_overdue(look, 3600, &err), -1);
    assert_string_equal(err.text, "/q: the look is not complete after 3600 seconds");
    look_free(look);
    look_free(NULL);
}

static void test_readers(void **state)
{
    (void)state;
    const struct queue_reader *postfix = queue_reader_named("postfix");
    assert_false(queue_reader_reads(postfix));
    assert_true(queue_reader_reads(queue_reader_named("exim")));
    assert_string_equal(queue_reader_queues(postfix)[3], "deferred");
    assert_null(queue_reader_queues(postfix)[5]);
    assert_null(queue_reader_named("qmail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_the_snapshot),
        cmocka_unit_test(test_the_directories),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_a_directory_that_may_not_be_read),
        cmocka_unit_test(test_lost_and_found),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_a_long_path),
        cmocka_unit_test(test_looks_that_are_given_up),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
