#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/source/block.h"

#define CHUNKS_MAX 6

/* Chunks come one after the other through a pipe; "|" ends each block in want. */
struct row {
    const char *name;
    size_t cap;
    const char *chunks[CHUNKS_MAX];
    const char *want;
    const char *rest; /* NULL: none */
    uint64_t skipped;
};

static const struct row rows[] = {
    {"one line", 16, {"a\n"}, "a\n|", NULL, 0},
    {"nothing", 16, {""}, "", NULL, 0},
    {"several lines are one block", 16, {"a\nb\n\nc\n"}, "a\nb\n\nc\n|", NULL, 0},
    {"the last line waits", 16, {"a\nb"}, "a\n|", "b", 0},
    {"and is completed", 16, {"a\nb", "c", "\nd"}, "a\n|bc\n|", "d", 0},
    {"a newline alone", 16, {"ab", "\n"}, "ab\n|", NULL, 0},
    {"as long as the buffer", 8, {"1234567\n", "a\n"}, "1234567\n|a\n|", NULL, 0},
    {"one byte longer", 8, {"12345678\n", "a\n"}, "a\n|", NULL, 1},
    {"much longer", 8, {"12345678901234567890123\na\n"}, "a\n|", NULL, 1},
    {"longer, in pieces", 8, {"1234", "5678", "9012", "34\nb\n"}, "b\n|", NULL, 1},
    {"too long twice", 8, {"123456789\n123456789\nb\n"}, "b\n|", NULL, 2},
    {"too long behind a good one", 8, {"a\n123456789\nb\n"}, "a\n|b\n|", NULL, 1},
    {"too long at the end", 8, {"a\n123456789"}, "a\n|", NULL, 1},
};

static void read_all(struct block_reader *reader, int fd, struct strbuf *got)
{
    struct slice lines;
    enum block_result result;
    while ((result = block_next(reader, fd, &lines)) == BLOCK_LINES) {
        strbuf_add_slice(got, lines);
        strbuf_add_str(got, "|");
    }
    /* A pipe that is empty but open says EAGAIN; that is no end, but all there is now. */
    if (result == BLOCK_ERROR)
        assert_int_equal(errno, EAGAIN);
}

static void feed(struct block_reader *reader, const struct row *row, struct strbuf *got)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    for (size_t i = 0; i < CHUNKS_MAX && row->chunks[i]; i++) {
        ssize_t len = (ssize_t)strlen(row->chunks[i]);
        assert_int_equal(write(fds[1], row->chunks[i], (size_t)len), len);
        read_all(reader, fds[0], got);
    }
    close(fds[1]);
    read_all(reader, fds[0], got);
    close(fds[0]);
}

static void expect(const struct row *row, struct slice got, struct slice rest, uint64_t skipped)
{
    if (!slice_eq(got, slice_str(row->want)))
        fail_msg("%s: got \"%.*s\", want \"%s\"", row->name, SLICE_ARG(got), row->want);
    if (!slice_eq(rest, slice_str(row->rest)))
        fail_msg("%s: rest: got \"%.*s\", want \"%s\"", row->name, SLICE_ARG(rest),
                 row->rest ? row->rest : "");
    if (skipped != row->skipped)
        fail_msg("%s: skipped: got %llu, want %llu", row->name, (unsigned long long)skipped,
                 (unsigned long long)row->skipped);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct block_reader reader;
        struct strbuf got = STRBUF_INIT;
        struct slice rest;
        block_init(&reader, rows[i].cap);
        feed(&reader, &rows[i], &got);
        if (!block_rest(&reader, &rest))
            rest = SLICE_NONE;
        expect(&rows[i], strbuf_slice(&got), rest, reader.skipped);
        block_release(&reader);
        strbuf_release(&got);
    }
}

static int file_with(const char *text)
{
    int fd = memfd_create("block", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void test_restart_forgets_what_waits(void **state)
{
    (void)state;
    struct block_reader reader;
    struct slice lines;
    block_init(&reader, 64);
    int one = file_with("a\nwaits"), two = file_with("b\n");
    assert_int_equal(block_next(&reader, one, &lines), BLOCK_LINES);
    assert_int_equal(block_next(&reader, one, &lines), BLOCK_END);
    assert_int_equal(block_waiting(&reader), 5);
    block_restart(&reader, false);
    assert_int_equal(block_waiting(&reader), 0);
    assert_int_equal(block_next(&reader, two, &lines), BLOCK_LINES);
    assert_true(slice_eq(lines, SLICE("b\n")));
    assert_int_equal(reader.bytes, 9);
    close(one);
    close(two);
    block_release(&reader);
}

static void test_restart_within_a_long_line(void **state)
{
    (void)state;
    struct block_reader reader;
    struct slice lines;
    block_init(&reader, 64);
    int fd = file_with("its end\nb\n");
    block_restart(&reader, true);
    assert_int_equal(block_next(&reader, fd, &lines), BLOCK_LINES);
    assert_true(slice_eq(lines, SLICE("b\n")));
    assert_false(reader.skipping);
    /* It was counted where it began. */
    assert_int_equal(reader.skipped, 0);
    close(fd);
    block_release(&reader);
}

static void test_error(void **state)
{
    (void)state;
    struct block_reader reader;
    struct slice lines;
    block_init(&reader, 64);
    assert_int_equal(block_next(&reader, -1, &lines), BLOCK_ERROR);
    assert_int_equal(errno, EBADF);
    block_release(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_restart_forgets_what_waits),
        cmocka_unit_test(test_restart_within_a_long_line),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
