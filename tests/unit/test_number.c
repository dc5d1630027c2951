/* base/number.h: decimal numbers as whole millionths, against strtold. */
#include "guard.h"

#include <stdlib.h>

#include "mailvane/base/number.h"

static const struct {
    const char *name, *text;
    long long want; /* millionths; -1: none is read */
    long long len;  /* how much of the text */
} rows[] = {
    {"zero", "0", 0, 1},
    {"whole", "17", 17000000, 2},
    {"fraction", "0.47", 470000, 4},
    {"smallest", "0.000001", 1, 8},
    {"seven bytes", "1234567", 1234567000000, 7},
    {"eight bytes", "12345678", 12345678000000, 8},
    {"seven bytes and a point", "123.456", 123456000, 7},
    {"nine bytes and a point", "12345.678", 12345678000, 9},
    {"most digits", "999999999999", 999999999999000000, 12},
    {"all there may be", "999999999999.999999", 999999999999999999, 19},
    {"a point at the end", "12.", 12000000, 3},
    {"a slash behind", "0.25/0.01", 250000, 4},
    {"a comma behind", "3, x", 3000000, 1},
    {"a second point", "1.2.3", 1200000, 3},
    {"another script's digit", "1\xd9\xa1", 1000000, 1},
    {"thirteen digits", "1234567890123", -1, 0},
    {"seven places", "0.1234567", -1, 0},
    {"endless", "99999999999999999999999999999999", -1, 0},
    {"a point in front", ".5", -1, 0},
    {"a sign", "-1", -1, 0},
    {"a word", "long", -1, 0},
    {"empty", "", -1, 0},
};

static void expect_read(const char *name, const char *how, struct slice text, long long want,
                        long long len)
{
    uint64_t got = 0;
    const char *end = number_read(text.ptr, slice_end(text), &got);
    expect_int(name, how, end != NULL, want >= 0);
    if (!end)
        return;
    expect_int(name, how, (long long)got, want);
    expect_int(name, "length", end - text.ptr, len);
}

/* At the end of what may be read, and with room to read eight bytes at once. */
static void test_rows(void **state)
{
    struct guard guard;
    (void)state;
    guard_open(&guard, 64);
    for (size_t i = 0; i < LEN(rows); i++) {
        char roomy[64];
        expect_read(rows[i].name, "at the end", guard_put(&guard, slice_str(rows[i].text)),
                    rows[i].want, rows[i].len);
        snprintf(roomy, sizeof(roomy), "%s, dsn=2.0.0", rows[i].text);
        expect_read(rows[i].name, "in a line", slice_str(roomy), rows[i].want, rows[i].len);
    }
    guard_close(&guard);
}

/* Every shape of up to five digits before and six behind the point. */
static void test_shapes(void **state)
{
    char text[32];
    (void)state;
    srandom(1);
    for (int before = 1; before <= 5; before++) {
        for (int behind = 0; behind <= 6; behind++) {
            for (int turn = 0; turn < 50; turn++) {
                int at = 0;
                for (int i = 0; i < before + (behind > 0) + behind; i++)
                    text[at++] = i == before ? '.' : (char)('0' + random() % 10);
                text[at] = '\0';
                long long want = (long long)(strtold(text, NULL) * 1000000.0L + 0.5L);
                expect_read(text, "alone", slice_str(text), want, at);
                snprintf(text + at, sizeof(text) - (size_t)at, "/1234567");
                expect_read(text, "in a line", slice_str(text), want, at);
            }
        }
    }
}

static void test_length(void **state)
{
    static const struct {
        const char *name, *word;
        long long want;
    } words[] = {
        {"none", ",1234567", 0},
        {"one", "1 (queue", 1},
        {"byte below", "12/45678", 2},
        {"byte above", "123:5678", 3},
        {"top bit", "1234\xb5\xb5\xb5\xb5", 4},
        {"last is none", "1234567,", 7},
        {"all", "12345678", 8},
    };
    (void)state;
    for (size_t i = 0; i < LEN(words); i++)
        expect_int(words[i].name, "length", number_length(bytes_load(words[i].word)),
                   words[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
