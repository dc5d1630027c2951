/* cmd/mailvane/shape.h: recipients by domain and age, with bounded memory. */
#include "guard.h"

#include "shape.c"

static const char *const queues[] = {"active", "deferred", NULL};

static struct slice name(char buf[32], unsigned number)
{
    return slice_of(buf, (size_t)snprintf(buf, 32, "d%u.example", number));
}

static void put(struct shape *shape, const char *queue, int64_t age, const char *domain, unsigned n)
{
    const struct queue_message message = {.queue = slice_str(queue), .bytes = 100};
    shape_message(shape, &message, age);
    while (n--)
        shape_recipient(shape, slice_str(domain));
}

/* Whole tables, as "name all/bands...". */
static void expect_row(const char *what, const struct shape_row *row, const char *want)
{
    char got[512];
    int len = snprintf(got, sizeof(got), "%s %llu", row->domain, (unsigned long long)row->all);
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        len += snprintf(got + len, sizeof(got) - (size_t)len, " %llu",
                        (unsigned long long)row->bands[i]);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", what, got, want);
}

static void test_tables(void **state)
{
    (void)state;
    struct shape_row rows[2];
    struct shape_table table;
    struct shape *shape = shape_new(queues, 10, 1);
    put(shape, "deferred", 299, "b.example", 2);
    put(shape, "deferred", 300, "a.example", 2);
    put(shape, "deferred", 76800, "c.example", 3);
    put(shape, "deferred", 0, "", 1);
    put(shape, "active", 5, "a.example", 7);
    put(shape, "corrupt", 5, "z.example", 1);
    expect_int("queues", "count", shape_queues(shape), 3);
    shape_table(shape, 1, 2, rows, &table);
    assert_string_equal(table.queue.name, "deferred");
    expect_int("deferred", "messages", (long)table.queue.messages, 4);
    expect_int("deferred", "bytes", (long)table.queue.bytes, 400);
    expect_int("deferred", "oldest", (long)table.queue.oldest, 76800);
    expect_int("deferred", "rows", table.count, 2);
    expect_row("total", &table.total, "TOTAL 8 3 2 0 0 0 0 0 0 0 3");
    expect_row("first", &rows[0], "c.example 3 0 0 0 0 0 0 0 0 0 3");
    expect_row("by name where alike", &rows[1], "a.example 2 0 2 0 0 0 0 0 0 0 0");
    expect_row("other", &table.other, "other 3 3 0 0 0 0 0 0 0 0 0");
    shape_table(shape, SHAPE_ALL, 2, rows, &table);
    expect_int("all", "messages", (long)table.queue.messages, 6);
    expect_row("total of all", &table.total, "TOTAL 16 11 2 0 0 0 0 0 0 0 3");
    expect_row("first of all", &rows[0], "a.example 9 7 2 0 0 0 0 0 0 0 0");
    shape_table(shape, 2, 2, rows, &table);
    assert_string_equal(table.queue.name, "corrupt");
    expect_row("a queue of its own", &rows[0], "z.example 1 1 0 0 0 0 0 0 0 0 0");
    shape_free(shape);
}

/* As qshape has it; the message itself is there, as postqueue has it. */
static void test_expiring_is_left_out(void **state)
{
    (void)state;
    struct shape_row rows[1];
    struct shape_table table;
    struct shape *shape = shape_new(queues, 10, 1);
    const struct queue_message message = {.queue = SLICE("deferred"), .expiring = true};
    put(shape, "deferred", 0, "a.example", 1);
    shape_message(shape, &message, 0);
    shape_recipient(shape, SLICE("a.example"));
    shape_recipient(shape, SLICE("b.example"));
    shape_table(shape, 1, 1, rows, &table);
    expect_int("deferred", "messages", (long)table.queue.messages, 2);
    expect_int("deferred", "left out", (long)table.queue.left_out, 2);
    expect_row("total", &table.total, "TOTAL 1 1 0 0 0 0 0 0 0 0 0");
    shape_free(shape);
}

/*
 * Lossy counting keeps what has more than one in 32 of the recipients, where 32 of 64 places are
 * given up at a time: here eight domains have one in 16 each, the rest are strangers.
 */
static void test_busy_domains_survive(void **state)
{
    (void)state;
    char buf[32];
    struct shape_row rows[8];
    struct shape_table table;
    struct shape *shape = shape_new(queues, 64, 1);
    put(shape, "active", 0, "none.example", 0);
    for (unsigned i = 0; i < 8000; i++) {
        shape_recipient(shape, name(buf, 100 + i));
        shape_recipient(shape, name(buf, i % 8));
    }
    shape_table(shape, 0, 8, rows, &table);
    expect_int("sum", "recipients", (long)table.total.all, 16000);
    uint64_t sum = table.other.all;
    for (unsigned i = 0; i < table.count; i++)
        sum += rows[i].all;
    expect_int("sum", "rows and other", (long)sum, 16000);
    expect_int("rows", "count", table.count, 8);
    for (unsigned i = 0; i < 8; i++) {
        long number = strtol(rows[i].domain + 1, NULL, 10);
        if (number >= 8 || rows[i].all > 1000)
            fail_msg("row %u: got %s with %llu, want a busy one with at most 1000", i,
                     rows[i].domain, (unsigned long long)rows[i].all);
    }
    shape_free(shape);
}

static void test_queues_are_bounded(void **state)
{
    (void)state;
    char buf[80];
    struct shape_row rows[1];
    struct shape_table table;
    struct shape *shape = shape_new(queues, 10, 1);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(buf, sizeof(buf), "queue%060u", i);
        put(shape, i % 2 ? buf : "hold", 0, "a.example", 1);
        snprintf(buf, sizeof(buf), "queue%u", i);
        put(shape, buf, 0, "a.example", 1);
    }
    expect_int("queues", "count", shape_queues(shape), SHAPE_QUEUES);
    shape_table(shape, SHAPE_QUEUES - 1, 1, rows, &table);
    assert_string_equal(table.queue.name, "other");
    shape_table(shape, SHAPE_ALL, 1, rows, &table);
    expect_row("all", &rows[0], "a.example 200 200 0 0 0 0 0 0 0 0 0");
    shape_free(shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_expiring_is_left_out),
        cmocka_unit_test(test_busy_domains_survive),
        cmocka_unit_test(test_queues_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
