/* base/slice.h: every function on the edges of its input. */
#include "guard.h"

static void test_compare(void **state)
{
    /* The lengths around those that are compared as words. */
    static const struct {
        const char *name, *a, *b;
        bool eq, starts, ends;
    } rows[] = {
        {"both empty", "", "", true, true, true},
        {"empty prefix", "a", "", false, true, true},
        {"longer prefix", "", "a", false, false, false},
        {"one byte", "a", "a", true, true, true},
        {"one byte differs", "a", "b", false, false, false},
        {"seven bytes", "abcdefg", "abcdefg", true, true, true},
        {"seven, last differs", "abcdefg", "abcdefx", false, false, false},
        {"eight bytes", "abcdefgh", "abcdefgh", true, true, true},
        {"eight, last differs", "abcdefgh", "abcdefgx", false, false, false},
        {"nine, middle differs", "abcdefghi", "abcdxfghi", false, false, false},
        {"sixteen bytes", "0123456789abcdef", "0123456789abcdef", true, true, true},
        {"sixteen, ninth differs", "0123456789abcdef", "01234567x9abcdef", false, false, false},
        {"seventeen, ninth differs", "0123456789abcdefg", "01234567x9abcdefg", false, false, false},
        {"prefix of nine", "0123456789abcdef", "012345678", false, true, false},
        {"suffix of nine", "0123456789abcdef", "789abcdef", false, false, true},
    };
    struct guard one, two;
    (void)state;
    guard_open(&one, 64);
    guard_open(&two, 64);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct slice a = guard_put(&one, slice_str(rows[i].a));
        struct slice b = guard_put(&two, slice_str(rows[i].b));
        expect_int(rows[i].name, "eq", slice_eq(a, b), rows[i].eq);
        expect_int(rows[i].name, "eq the other way", slice_eq(b, a), rows[i].eq);
        expect_int(rows[i].name, "starts", slice_starts(a, b), rows[i].starts);
        expect_int(rows[i].name, "ends", slice_ends(a, b), rows[i].ends);
    }
    guard_close(&one);
    guard_close(&two);
}

static void test_absent(void **state)
{
    struct slice none = SLICE_NONE, left = none;
    (void)state;
    assert_true(slice_eq(none, SLICE("")));
    assert_true(slice_starts(none, SLICE("")));
    assert_true(slice_ends(none, none));
    assert_int_equal(slice_find(none, 'a'), 0);
    assert_int_equal(slice_rfind(none, 'a'), 0);
    assert_int_equal(slice_find_text(none, SLICE("a")), 0);
    assert_int_equal(slice_cut(&left, ',').len, 0);
    assert_int_equal(slice_skip(none, 3).len, 0);
    assert_int_equal(slice_trim(none).len, 0);
    assert_int_equal(slice_str(NULL).len, 0);
}

static void test_find(void **state)
{
    static const struct {
        const char *name, *text;
        char byte;
        size_t first, last;
    } rows[] = {
        {"absent", "abc", 'x', 3, 3},     {"at the front", "abc", 'a', 0, 0},
        {"at the end", "abc", 'c', 2, 2}, {"twice", "a,b,c", ',', 1, 3},
        {"empty", "", ',', 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct slice s = slice_str(rows[i].text);
        expect_int(rows[i].name, "first", (long long)slice_find(s, rows[i].byte),
                   (long long)rows[i].first);
        expect_int(rows[i].name, "last", (long long)slice_rfind(s, rows[i].byte),
                   (long long)rows[i].last);
    }
    assert_int_equal(slice_find_text(SLICE("status=sent"), SLICE("=s")), 6);
    assert_int_equal(slice_find_text(SLICE("status=sent"), SLICE("=x")), 11);
    assert_int_equal(slice_find(slice_of("a\0b", 3), 'b'), 2);
}

static void test_cut(void **state)
{
    static const struct {
        const char *name, *text, *head, *rest;
    } rows[] = {
        {"in the middle", "a=b", "a", "b"}, {"twice", "a=b=c", "a", "b=c"},
        {"absent", "abc", "abc", ""},       {"at the end", "abc=", "abc", ""},
        {"at the front", "=b", "", "b"},    {"empty", "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct slice rest = slice_str(rows[i].text);
        struct slice head = slice_cut(&rest, '=');
        expect_slice(rows[i].name, "head", head, slice_str(rows[i].head));
        expect_slice(rows[i].name, "rest", rest, slice_str(rows[i].rest));
    }
}

static void test_take_skip_head(void **state)
{
    struct slice s = SLICE("dsn=2.0.0");
    (void)state;
    assert_false(slice_take(&s, SLICE("dsn:")));
    assert_int_equal(s.len, 9);
    assert_true(slice_take(&s, SLICE("dsn=")));
    expect_slice("take", "rest", s, SLICE("2.0.0"));
    expect_slice("skip", "rest", slice_skip(s, 4), SLICE("0"));
    expect_slice("skip all", "rest", slice_skip(s, 5), SLICE(""));
    expect_slice("skip more", "rest", slice_skip(s, 500), SLICE(""));
    expect_slice("head", "bytes", slice_head(s, 3), SLICE("2.0"));
    expect_slice("head of more", "bytes", slice_head(s, 300), SLICE("2.0.0"));
}

static void test_trim(void **state)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        {"blanks and tabs", " \t a b\t ", "a b"},
        {"a carriage return behind", "a\r", "a"},
        {"one in front stays", "\ra", "\ra"},
        {"nothing else", " \t ", ""},
        {"no-break space stays", "\xc2\xa0", "\xc2\xa0"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        expect_slice(rows[i].name, "trimmed", slice_trim(slice_str(rows[i].text)),
                     slice_str(rows[i].want));
}

/* By the ASCII chart, whatever the locale says of the upper half. */
static void test_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool digit = c >= 0x30 && c <= 0x39, upper = c >= 0x41 && c <= 0x5a;
        bool lower = c >= 0x61 && c <= 0x7a;
        expect_int("digit", "byte", byte_is_digit((char)c), digit);
        expect_int("upper", "byte", byte_is_upper((char)c), upper);
        expect_int("lower", "byte", byte_is_lower((char)c), lower);
        expect_int("alnum", "byte", byte_is_alnum((char)c), digit || upper || lower);
        expect_int("to lower", "byte", (unsigned char)byte_lower((char)c), upper ? c + 0x20 : c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_find),           cmocka_unit_test(test_cut),
        cmocka_unit_test(test_take_skip_head), cmocka_unit_test(test_trim),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
