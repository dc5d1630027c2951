#include "guard.h"

#include "../../lib/classify/sieve.h"

/* A pattern, a text, and whether the text has what the pattern must have. */
static const struct {
    const char *pattern;
    const char *text;
    bool want;
} rows[] = {
    {"mailbox.*full", "mailbox is full", true},
    {"mailbox.*full", "full mailbox", false},
    {"mailbox.*full", "mailbox", false},
    {"mailbox.*full", "full", false},
    {"mailbox.*full", "mailboxfull", true},
    {"mailbox.*full", "mailboxful", false},
    {"mailbox.*full", "full mailbox full", true},
    {"mailbox.*full", "", false},
    {"box.*oxen", "boxen", false},
    {"box.*oxen", "box oxen", true},
    {"box.*box", "box", false},
    {"box.*box", "boxbox", true},
    {"box.*full.*box.*full", "box full box full", true},
    {"box.*full.*box.*full", "box box full full", false},
    /* Only the first and the last place are known: this cannot match, and passes. */
    {"box.*full.*is", "full box wxyz is full", true},
    {"(?:user|mailbox) .*(?:full|over)", "the user is over", true},
    {"(?:user|mailbox) .*(?:full|over)", "over the user", false},
    {"(?:user|mailbox) .*(?:full|over)", "over the user is full", true},
    {"(?:user|mailbox) .*(?:full|over)", "the user is", false},
    {"id.*is", "id it is", true},
    {"id.*is", "is it id", false},
    {".", "", true},
    {".*", "whatever", true},
    {"abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz", true},
    {"abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxy", false},
};

static void add(struct sieve *sieve, const char *pattern)
{
    struct alternative alternative;
    struct slice rest = slice_str(pattern);
    assert_true(alternative_take(&rest, &alternative));
    sieve_add(sieve, &alternative);
}

static bool passes(struct sieve *sieve, uint32_t number, const uint64_t *candidates)
{
    return candidates[number / 64] >> number % 64 & 1 && sieve_passes(sieve, number);
}

/* All patterns in one sieve: none has a part in what is said of another. */
static void test_rows(void **state)
{
    (void)state;
    struct sieve *sieve = sieve_new();
    for (size_t i = 0; i < LEN(rows); i++)
        add(sieve, rows[i].pattern);
    for (size_t i = 0; i < LEN(rows); i++) {
        uint64_t candidates[SIEVE_WORDS];
        memset(candidates, 0xff, sizeof(candidates)); /* which the look clears */
        sieve_look(sieve, slice_str(rows[i].text), candidates);
        expect_int(rows[i].pattern, rows[i].text, passes(sieve, (uint32_t)i, candidates),
                   rows[i].want);
    }
    sieve_free(sieve);
}

static void test_each_look_begins_anew(void **state)
{
    (void)state;
    uint64_t candidates[SIEVE_WORDS];
    struct sieve *sieve = sieve_new();
    add(sieve, "mailbox.*full");
    sieve_look(sieve, SLICE("mailbox full"), candidates);
    assert_true(passes(sieve, 0, candidates));
    sieve_look(sieve, SLICE("mailbox"), candidates);
    assert_false(passes(sieve, 0, candidates));
    sieve_free(sieve);
}

/* More than the index of needles has room for: those that are not in it are always tried. */
static void test_as_many_as_there_may_be(void **state)
{
    (void)state;
    uint64_t candidates[SIEVE_WORDS];
    struct sieve *sieve = sieve_new();
    for (unsigned i = 0; i < SIEVE_MAX; i++) {
        char pattern[100];
        snprintf(pattern, sizeof(pattern), "(?:one%05u|two%05u|six%05u|ten%05u|all%05u)", i, i, i,
                 i, i);
        add(sieve, pattern);
    }
    for (unsigned i = 0; i < SIEVE_MAX; i += 1000) {
        char text[20];
        snprintf(text, sizeof(text), "ten%05u", i);
        sieve_look(sieve, slice_str(text), candidates);
        assert_true(passes(sieve, i, candidates));
        assert_false(passes(sieve, 1, candidates));
    }
    sieve_free(sieve);
}

static void use(struct slice text, void *sieve)
{
    uint64_t candidates[SIEVE_WORDS];
    sieve_look(sieve, text, candidates);
    for (uint32_t i = 0; i < LEN(rows); i++)
        sieve_passes(sieve, i);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct sieve *sieve = sieve_new();
    for (size_t i = 0; i < LEN(rows); i++)
        add(sieve, rows[i].pattern);
    for (size_t i = 0; i < LEN(rows); i++)
        guard_prefixes(slice_str(rows[i].text), use, sieve);
    sieve_free(sieve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_each_look_begins_anew),
        cmocka_unit_test(test_as_many_as_there_may_be),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
