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
    /* Each may stand behind the beginning, and no match begins there. */
    {"box.*full.*is", "full box wxyz is full", true},
    {"box.{0,3}full", "box is full", false},
    {"box.{0,4}full", "box is full", true},
    {"box.{4}full", "box full is full", false},
    {"(?:e-?mail|box) is", "mail is", false},
    {"(?:e-?mail|box) is", "the email is", true},
    {"(?:users |the )?box is", "is the box is", true},
    {"(?:full|boxes).{2}is", "full.is", false},
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
    struct places starts;
    return candidates[number / 64] >> number % 64 & 1 && sieve_starts(sieve, number, &starts);
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

/* Where a match may begin: "2-4,7" are the places 2 to 4 and 7. */
static const struct {
    const char *pattern;
    const char *text;
    const char *want;
} starts_rows[] = {
    {"mailbox", "a mailbox, mailboxes", "2,11"},
    {".?mailbox", "a mailbox", "1-2"},
    {".{0,3}box", "a mailbox", "3-6"},
    {"mail.{0,3}box", "mailbox mail mail box mail", "0,13"},
    {"(?:user|e-?mail)", "user mail", "0,3-4"},
    {".*box", "box and box", "0-8"},
    {"box.*", "box and box", "0,8"},
    {"aa", "aaaaa", "0-3"},
    {"\\bbox",
     "box abox -box _box \xc3\xa4"
     "box 1box box",
     "0,10,21,30"},
    {"box\\b", "box boxa box- box_ box\xc3\xa4 box1 box", "0,9,19,30"},
    {"\\bbox\\b", "boxbox box (box)", "7,12"},
    {".", "four", "0-4"},
    {"", "", "0"},
};

static void write_places(const struct places *places, char *out, size_t room)
{
    size_t len = 0;
    for (size_t first = places_next(places, 0), end; first < PLACES_MAX;
         first = places_next(places, end)) {
        end = places_gap(places, first);
        len += (size_t)snprintf(out + len, room - len, "%s%zu", len ? "," : "", first);
        assert_true(len < room);
        if (end - first > 1)
            len += (size_t)snprintf(out + len, room - len, "-%zu", end - 1);
        assert_true(len < room);
    }
}

static void test_starts(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(starts_rows); i++) {
        uint64_t candidates[SIEVE_WORDS];
        char got[64] = "";
        struct places starts;
        struct sieve *sieve = sieve_new();
        add(sieve, starts_rows[i].pattern);
        sieve_look(sieve, slice_str(starts_rows[i].text), candidates);
        assert_true(candidates[0] == 1 && sieve_starts(sieve, 0, &starts));
        write_places(&starts, got, sizeof(got));
        expect_slice(starts_rows[i].pattern, starts_rows[i].text, slice_str(got),
                     slice_str(starts_rows[i].want));
        sieve_free(sieve);
    }
}

#define CHOICES "(?:one|two|six|ten|all|any)"

static void add_choices(struct sieve *sieve, const char *pattern)
{
    struct alternative alternative;
    struct slice rest = slice_str(pattern);
    assert_true(alternative_take(&rest, &alternative));
    while (alternative_narrow(&alternative))
        sieve_add(sieve, &alternative);
}

/* Of one text and the next, for choices of two alternatives by turns. */
static const struct {
    const char *text;
    uint32_t number; /* of the choice: six of the one, six of the other */
    const char *want;
} choices_rows[] = {
    {"user one user user two", 0, "0"},
    {"user one user user two", 1, "9,14"},
    {"user one user user two", 7, ""},
    {"user one user user two", 0, "0"},
    {"user two full one box two all", 0, ""},
    {"user two full one box two all", 1, "0"},
    {"user two full one box two all", 6, "9"},
    {"user two full one box two all", 4, ""},
    {"user two full one box two all", 10, "9,18"},
    {"user two full one box two all", 7, "9,18"},
    {"one two", 1, ""},
    {"full user", 11, ""},
};

static void test_choices(void **state)
{
    (void)state;
    struct sieve *sieve = sieve_new();
    add_choices(sieve, "user.{0,9}" CHOICES);
    add_choices(sieve, "(?:full|box).*" CHOICES);
    for (size_t i = 0; i < LEN(choices_rows); i++) {
        uint64_t candidates[SIEVE_WORDS];
        uint32_t number = choices_rows[i].number;
        struct places starts;
        char got[64] = "";
        sieve_look(sieve, slice_str(choices_rows[i].text), candidates);
        if (candidates[0] >> number & 1 && sieve_starts(sieve, number, &starts))
            write_places(&starts, got, sizeof(got));
        expect_slice(choices_rows[i].text, choices_rows[i].want, slice_str(got),
                     slice_str(choices_rows[i].want));
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

/* More alternatives have the same needles than the index has room to wake. */
static void test_as_many_with_the_same_needles(void **state)
{
    (void)state;
    uint64_t candidates[SIEVE_WORDS];
    struct sieve *sieve = sieve_new();
    for (unsigned i = 0; i < SIEVE_MAX; i++)
        add(sieve, "(?:one|two|six|ten|all)");
    sieve_look(sieve, SLICE("ten"), candidates);
    for (unsigned i = 0; i < SIEVE_MAX; i++)
        assert_true(passes(sieve, i, candidates));
    sieve_look(sieve, SLICE("five"), candidates);
    for (unsigned i = 0; i < SIEVE_MAX; i++)
        assert_false(passes(sieve, i, candidates));
    sieve_free(sieve);
}

/* As many needles at each place as there can be. */
static void test_the_longest_text(void **state)
{
    (void)state;
    uint64_t candidates[SIEVE_WORDS];
    char text[SIEVE_TEXT_MAX], pattern[NEEDLE_MAX + 1] = "";
    struct places starts;
    struct sieve *sieve = sieve_new();
    memset(text, 'a', sizeof(text));
    memset(pattern, 'a', NEEDLE_MAX);
    for (unsigned len = NEEDLE_MAX; len > 1; len--) {
        pattern[len] = '\0';
        add(sieve, pattern);
    }
    sieve_look(sieve, slice_of(text, sizeof(text)), candidates);
    for (unsigned i = 0; i < NEEDLE_MAX - 1; i++) {
        assert_true(passes(sieve, i, candidates) && sieve_starts(sieve, i, &starts));
        assert_int_equal(places_next(&starts, 0), 0);
        assert_int_equal(places_gap(&starts, 0), sizeof(text) - (NEEDLE_MAX - i) + 1);
    }
    sieve_free(sieve);
}

static void use(struct slice text, void *sieve)
{
    uint64_t candidates[SIEVE_WORDS];
    sieve_look(sieve, text, candidates);
    for (uint32_t i = 0; i < LEN(rows); i++) {
        struct places starts;
        sieve_starts(sieve, i, &starts);
    }
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
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_each_look_begins_anew),
        cmocka_unit_test(test_as_many_as_there_may_be),
        cmocka_unit_test(test_as_many_with_the_same_needles),
        cmocka_unit_test(test_the_longest_text),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
