/* line/lines.h: both ways to take lines off give what a plain loop over the bytes gives. */
#include "guard.h"

#include <stdlib.h>

#include "mailvane/line/lines.h"

#define LONGEST 700

/* The line that begins at `from`, byte by byte; where the next one begins. */
static size_t plain_line(struct slice block, size_t from, struct slice *line)
{
    size_t at = from;
    while (at < block.len && block.ptr[at] != '\n')
        at++;
    *line = slice_of(block.ptr + from, at - from);
    if (at > from && block.ptr[at - 1] == '\r')
        line->len--;
    return at + 1;
}

static void expect_lines(const char *name, struct slice block)
{
    struct lines lines;
    struct slice rest = block, want, got = SLICE_NONE, ahead = SLICE_NONE;
    lines_init(&lines, block);
    for (size_t at = 0; at < block.len;) {
        at = plain_line(block, at, &want);
        expect_int(name, "a line", lines_next(&rest, &got), true);
        expect_int(name, "a line ahead", lines_take(&lines, &ahead), true);
        expect_slice(name, "line", got, want);
        expect_slice(name, "line ahead", ahead, want);
        expect_int(name, "place", ahead.ptr - block.ptr, want.ptr - block.ptr);
    }
    expect_int(name, "the end", lines_next(&rest, &got), false);
    expect_int(name, "the end ahead", lines_take(&lines, &ahead), false);
    expect_int(name, "still the end", lines_take(&lines, &ahead), false);
}

/* As a carriage return counts before the newline alone. */
static char any_byte(int lengths)
{
    int n = rand() % lengths;
    return n == 0 ? '\n' : n == 1 ? '\r' : 'x';
}

/* Lines of a byte or two up to some hundred, in blocks of all lengths. */
static void test_random(void **state)
{
    static const int lengths[] = {2, 3, 20, 64, 100, 400};
    char bytes[LONGEST];
    struct guard guard;
    (void)state;
    guard_open(&guard, LONGEST);
    srand(1);
    for (size_t len = 0; len <= LONGEST; len++) {
        for (size_t k = 0; k < LEN(lengths); k++) {
            for (size_t i = 0; i < len; i++)
                bytes[i] = any_byte(lengths[k]);
            expect_lines("random", guard_put(&guard, slice_of(bytes, len)));
        }
    }
    guard_close(&guard);
}

/* The most lines that a stretch can hold, and none at all. */
static void test_extremes(void **state)
{
    char bytes[LONGEST];
    struct guard guard;
    (void)state;
    guard_open(&guard, LONGEST);
    for (size_t len = 0; len <= LONGEST; len++) {
        memset(bytes, '\n', sizeof(bytes));
        expect_lines("newlines", guard_put(&guard, slice_of(bytes, len)));
        memset(bytes, 'x', sizeof(bytes));
        expect_lines("one line", guard_put(&guard, slice_of(bytes, len)));
    }
    expect_lines("absent", SLICE_NONE);
    guard_close(&guard);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
