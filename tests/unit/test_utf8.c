/* base/utf8.h against RFC 3629: its grammar, and every code point. */
#include "guard.h"

#include "mailvane/base/utf8.h"

static const struct {
    const char *name;
    struct slice bytes;
    size_t want;
} rows[] = {
    {"ASCII", SLICE_INIT("a"), 1},
    {"NUL", SLICE_INIT("\0"), 1},
    {"U+00A2", SLICE_INIT("\xc2\xa2"), 2},
    {"U+20AC", SLICE_INIT("\xe2\x82\xac"), 3},
    {"U+D7FF, below the surrogates", SLICE_INIT("\xed\x9f\xbf"), 3},
    {"U+E000, above them", SLICE_INIT("\xee\x80\x80"), 3},
    {"U+10FFFF, the last", SLICE_INIT("\xf4\x8f\xbf\xbf"), 4},
    {"empty", SLICE_INIT(""), 0},
    {"lone continuation", SLICE_INIT("\x80"), 0},
    {"overlong slash, two bytes", SLICE_INIT("\xc0\xaf"), 0},
    {"overlong, c1", SLICE_INIT("\xc1\xbf"), 0},
    {"overlong slash, three bytes", SLICE_INIT("\xe0\x80\xaf"), 0},
    {"overlong, four bytes", SLICE_INIT("\xf0\x8f\xbf\xbf"), 0},
    {"surrogate U+D800", SLICE_INIT("\xed\xa0\x80"), 0},
    {"surrogate U+DFFF", SLICE_INIT("\xed\xbf\xbf"), 0},
    {"U+110000", SLICE_INIT("\xf4\x90\x80\x80"), 0},
    {"f5", SLICE_INIT("\xf5\x80\x80\x80"), 0},
    {"ff", SLICE_INIT("\xff"), 0},
    {"third byte is ASCII", SLICE_INIT("\xe2\x82("), 0},
    {"fourth byte is ASCII", SLICE_INIT("\xf0\x9f\x98("), 0},
};

static void test_table(void **state)
{
    struct guard guard;
    (void)state;
    guard_open(&guard, 16);
    for (size_t i = 0; i < LEN(rows); i++) {
        size_t got = utf8_sequence(guard_put(&guard, rows[i].bytes));
        expect_int(rows[i].name, "length", (long long)got, (long long)rows[i].want);
    }
    guard_close(&guard);
}

/* RFC 3629, 3: the number of bytes by the code point. */
static size_t encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> len) | code);
    return len;
}

/* Each whole is valid, surrogates are not, and no part of one is. */
static void test_all_code_points(void **state)
{
    struct guard guard;
    char bytes[4];
    (void)state;
    guard_open(&guard, 16);
    for (unsigned code = 0; code <= 0x10ffff; code++) {
        size_t len = encode(code, bytes);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        struct slice s = guard_put(&guard, slice_of(bytes, len));
        size_t want = surrogate ? 0 : len;
        if (utf8_sequence(s) != want)
            fail_msg("U+%04X: got %zu, want %zu", code, utf8_sequence(s), want);
        for (size_t part = 1; part < len; part++) {
            if (utf8_sequence(guard_put(&guard, slice_of(bytes, part))) != 0)
                fail_msg("U+%04X: the first %zu of %zu bytes are taken for a whole", code, part,
                         len);
        }
    }
    guard_close(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_all_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
