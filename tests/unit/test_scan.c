/* base/scan.h: the wide search against the plain one, up to an unreadable page. */
#include "guard.h"

#include <ctype.h>

#include "mailvane/base/scan.h"

#define LONGEST 70 /* four steps of sixteen bytes, and a rest */

/* Every length, the searched byte at every place or nowhere. */
static void test_every_place(void **state)
{
    struct guard guard;
    char bytes[LONGEST];
    (void)state;
    guard_open(&guard, LONGEST);
    for (size_t len = 0; len <= LONGEST; len++) {
        for (size_t at = 0; at <= len; at++) {
            memset(bytes, 'x', len);
            if (at < len)
                bytes[at] = ',';
            struct slice s = guard_put(&guard, slice_of(bytes, len));
            const char *end = s.ptr + s.len;
            expect_int("one byte", "place", scan_to(s.ptr, end, ',') - s.ptr, (long long)at);
            expect_int("two bytes", "place", scan_to2(s.ptr, end, 'y', ',') - s.ptr, (long long)at);
            expect_int("three bytes", "place", scan_to3(s.ptr, end, ',', 'y', 'z') - s.ptr,
                       (long long)at);
        }
    }
    guard_close(&guard);
}

/* The first of several, in front of others and of each other. */
static void test_first_wins(void **state)
{
    static const struct {
        const char *name, *text;
        size_t want;
    } rows[] = {
        {"a before b", "0123456789abcdef:0123,56", 16},
        {"b before a", "0123456789abcdef0,23:56", 17},
        {"both in one step", "01:3,56789abcdef", 2},
        {"the third", "0123456789abcdef0123456[", 23},
        {"in the last bytes", "0123456789abcdef[", 16},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        const char *text = rows[i].text, *end = text + strlen(text);
        expect_int(rows[i].name, "place", scan_to3(text, end, ':', ',', '[') - text,
                   (long long)rows[i].want);
    }
}

/* Bytes above 0x7f are bytes as well, and a NUL ends nothing. */
static void test_any_byte(void **state)
{
    char bytes[40];
    (void)state;
    for (int c = 1; c < 256; c++) {
        memset(bytes, 0, sizeof(bytes));
        bytes[33] = (char)c;
        expect_int("byte", "place", scan_to(bytes, bytes + sizeof(bytes), (char)c) - bytes, 33);
    }
}

/* An upper-case hexadecimal digit is what isxdigit() says and islower() does not. */
static void test_hex(void **state)
{
    struct guard guard;
    (void)state;
    guard_open(&guard, 20);
    for (int c = 0; c < 256; c++) {
        for (size_t len = 1; len <= 18; len++) {
            char bytes[20];
            memset(bytes, 'A', sizeof(bytes));
            bytes[len / 2] = (char)c;
            struct slice s = guard_put(&guard, slice_of(bytes, len));
            size_t want = isxdigit(c) && !islower(c) ? (len < 16 ? len : 16) : len / 2;
            expect_int("hexadecimal", "length", scan_hex(s.ptr, slice_end(s)), (long long)want);
        }
    }
    guard_close(&guard);
}

static void test_eight(void **state)
{
    uint32_t words[8] = {5, 0x80000000, 7, 0xffffffff, 9, 10, 7, 12};
    (void)state;
    expect_int("first", "place", scan_eight(words, 5), 0);
    expect_int("top bit", "place", scan_eight(words, 0x80000000), 1);
    expect_int("twice", "place", scan_eight(words, 7), 2);
    expect_int("all ones", "place", scan_eight(words, 0xffffffff), 3);
    expect_int("in the upper half", "place", scan_eight(words, 9), 4);
    expect_int("last", "place", scan_eight(words, 12), 7);
    expect_int("absent", "place", scan_eight(words, 0), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_place), cmocka_unit_test(test_first_wins),
        cmocka_unit_test(test_any_byte),    cmocka_unit_test(test_hex),
        cmocka_unit_test(test_eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
