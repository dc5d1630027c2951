#include "guard.h"

#include <stdlib.h>

#include "../../lib/classify/rule_file.h"
#include "../../lib/classify/rules.h"
#include "mailvane/base/strbuf.h"

/* --- what is right ----------------------------------------------------------- */

static const char good[] = "\xef\xbb\xbf# a comment\r\n"
                           "\r\n"
                           "   \t \n"
                           "  # another, user-unknown /x/\n"
                           "user-unknown /no such user/\r\n"
                           "policy\n"
                           "\tthrottled  provider=google,yahoo\tphase=rcpt code=4xx,none "
                           "dsn=4.7.*  /too many .* # of \\/ them/ \t\r\n"
                           "list spamhaus-zen /zen\\.spamhaus/\n"
                           "list a.b-0 code=550 / /\n"
                           "unknown /last/";

struct want_row {
    unsigned line;
    enum cause cause;
    const char *list;
    const char *values[RULE_KEYS]; /* NULL: not there */
    const char *pattern;           /* NULL: none */
};

static const struct want_row good_rows[] = {
    {5, CAUSE_USER_UNKNOWN, "", {NULL}, "no such user"},
    {6, CAUSE_POLICY, "", {NULL}, NULL},
    {7,
     CAUSE_THROTTLED,
     "",
     {"google,yahoo", "rcpt", "4xx,none", "4.7.*"},
     "too many .* # of \\/ them"},
    {8, CAUSE_NONE, "spamhaus-zen", {NULL}, "zen\\.spamhaus"},
    {9, CAUSE_NONE, "a.b-0", {NULL, NULL, "550", NULL}, " "},
    {10, CAUSE_UNKNOWN, "", {NULL}, "last"},
};

static void expect_part(const char *what, struct slice got, const char *want)
{
    if (!want != !got.ptr)
        fail_msg("%s: got %s, want %s", what, got.ptr ? "one" : "none", want ? want : "none");
    if (want)
        expect_slice("row", what, got, slice_str(want));
}

static void test_rows(void **state)
{
    (void)state;
    struct row_file file;
    struct rule_row row;
    struct error err;
    row_file_init(&file, "m", slice_of(good, sizeof(good) - 1));
    for (size_t i = 0; i < LEN(good_rows); i++) {
        const struct want_row *want = &good_rows[i];
        expect_int("row", "result", rule_file_next(&file, &row, &err), RULE_FILE_ROW);
        expect_int("row", "line", row.line, want->line);
        expect_int("row", "cause", row.cause, want->cause);
        expect_slice("row", "list", row.list, slice_str(want->list));
        for (unsigned key = 0; key < RULE_KEYS; key++)
            expect_part("value", row.values[key], want->values[key]);
        expect_part("pattern", row.pattern, want->pattern);
    }
    expect_int("end", "result", rule_file_next(&file, &row, &err), RULE_FILE_END);
    expect_int("end", "again", rule_file_next(&file, &row, &err), RULE_FILE_END);
}

static void test_rules_of_rows(void **state)
{
    (void)state;
    struct error err;
    struct rules *rules = rules_new("m", slice_of(good, sizeof(good) - 1), true, &err);
    assert_non_null(rules);
    assert_int_equal(rules_count(rules), LEN(good_rows));
    for (uint32_t i = 0; i < LEN(good_rows); i++) {
        expect_int("rule", "line", rules_info(rules, i).line, good_rows[i].line);
        expect_int("rule", "cause", rules_cause(rules, i), good_rows[i].cause);
        expect_slice("rule", "list", rules_list(rules, i), slice_str(good_rows[i].list));
        assert_string_equal(rules_info(rules, i).file, "m");
    }
    rules_free(rules);
}

static void test_empty_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "\r\n", "\xef\xbb\xbf", "# only this", " \t"};
    struct error err;
    for (size_t i = 0; i < LEN(texts); i++) {
        struct rules *rules = rules_new("m", slice_str(texts[i]), true, &err);
        assert_non_null(rules);
        expect_int("empty", "rules", rules_count(rules), 0);
        rules_free(rules);
    }
}

/* Every value that the head of data/causes.rules allows. */
static void test_values(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "policy code=400",
        "policy code=599",
        "policy code=4xx,5xx,none",
        "policy dsn=5.7.1",
        "policy dsn=4.7.*,x.7.1,x.*.*",
        "policy dsn=2.0.0",
        "policy dsn=none",
        "policy dsn=5.999.999",
        "policy phase=none",
        "policy provider=none",
        "policy phase=connect,banner,ehlo,starttls,auth,mail,rcpt,data,end_of_data,queue,local",
        "policy provider=web.de,hostgator/bluehost",
        "policy dsn=none code=none provider=x phase=rcpt",
        "list abcdefghijklmnopqrstuvwxyz-0123456789.ab /x/",
        "policy /[[:alpha:]]+(?=x)/",
        "policy ///",
        "policy /a/b/",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        struct error err = {.text = ""};
        struct rules *rules = rules_new("m", slice_str(texts[i]), true, &err);
        if (!rules)
            fail_msg("%s: got \"%s\", want no mistake", texts[i], err.text);
        rules_free(rules);
    }
}

/* --- mistakes ---------------------------------------------------------------- */

#define NO_CAUSE   " is no cause, nor the word \"list\""
#define NO_LIST    " is no name of a block list: at most 40 of a-z 0-9 - ."
#define NO_KEY     " is not provider=, phase=, code=, dsn= or a /pattern/ to the line's end"
#define NO_CODE    " is no reply code: 550, 4xx or none"
#define NO_DSN     " is no enhanced code: 5.7.1, x.7.1, 4.7.* or none"
#define NO_PHASE   " is no phase of a session, nor none"
#define NO_PATTERN " is no pattern: it must end with / on this line"
#define TEN        "abcdefghij"

static const struct {
    const char *name;
    const char *text;
    const char *want;
} mistakes[] = {
    {"a cause unknown", "user-unknwon /x/", "m:1:1: \"user-unknwon\"" NO_CAUSE},
    {"a cause in capitals", "Policy /x/", "m:1:1: \"Policy\"" NO_CAUSE},
    {"half a cause", "user /x/", "m:1:1: \"user\"" NO_CAUSE},
    {"a pattern alone", "/x/", "m:1:1: \"/x/\"" NO_CAUSE},
    {"lists", "lists a /x/", "m:1:1: \"lists\"" NO_CAUSE},
    {"blanks first", "  bogus /x/", "m:1:3: \"bogus\"" NO_CAUSE},
    {"a tab first", "\tbogus /x/", "m:1:2: \"bogus\"" NO_CAUSE},
    {"a list without a name", "list", "m:1:5: \"\"" NO_LIST},
    {"a list with a pattern for a name", "list /x/", "m:1:6: \"/x/\"" NO_LIST},
    {"a list in capitals", "list Zen /x/", "m:1:6: \"Zen\"" NO_LIST},
    {"a list with a line", "list a_b /x/", "m:1:6: \"a_b\"" NO_LIST},
    {"a list of 41", "list " TEN TEN TEN TEN "a /x/", "m:1:6: \"" TEN TEN TEN TEN "a\"" NO_LIST},
    {"a list that is not ASCII", "list caf\xc3\xa9 /x/", "m:1:6: \"caf??\"" NO_LIST},
    {"a list without a pattern", "list zen", "m:1:6: \"zen\" is a block list without a /pattern/"},
    {"a list with a key alone", "list zen code=550",
     "m:1:6: \"zen\" is a block list without a /pattern/"},
    {"a key twice", "policy code=550 phase=rcpt code=551 /x/",
     "m:1:28: \"code=551\" is given twice"},
    {"a provider twice", "policy provider=a provider=a", "m:1:19: \"provider=a\" is given twice"},
    {"no value", "policy code= /x/", "m:1:8: \"code=\" has no value"},
    {"no value of the last", "policy phase=", "m:1:8: \"phase=\" has no value"},
    {"an empty value first", "policy code=,550", "m:1:13: \"\" is an empty value"},
    {"an empty value between", "policy provider=a,,b /x/", "m:1:19: \"\" is an empty value"},
    {"an unknown key", "policy cod=550 /x/", "m:1:8: \"cod=550\"" NO_KEY},
    {"a key in capitals", "policy Code=550 /x/", "m:1:8: \"Code=550\"" NO_KEY},
    {"a word", "policy no such user", "m:1:8: \"no\"" NO_KEY},
    {"two causes", "policy user-unknown /x/", "m:1:8: \"user-unknown\"" NO_KEY},
    {"blanks around the sign", "policy code = 550", "m:1:8: \"code\"" NO_KEY},
    {"a code of two digits", "policy code=55", "m:1:13: \"55\"" NO_CODE},
    {"a code of four digits", "policy code=5500", "m:1:13: \"5500\"" NO_CODE},
    {"a code of a success", "policy code=250", "m:1:13: \"250\"" NO_CODE},
    {"a class of successes", "policy code=2xx", "m:1:13: \"2xx\"" NO_CODE},
    {"a code with one x", "policy code=55x", "m:1:13: \"55x\"" NO_CODE},
    {"capital X", "policy code=5XX", "m:1:13: \"5XX\"" NO_CODE},
    {"the second code", "policy code=550,600,551 /x/", "m:1:17: \"600\"" NO_CODE},
    {"an enhanced code of two parts", "policy dsn=5.7", "m:1:12: \"5.7\"" NO_DSN},
    {"of four parts", "policy dsn=5.7.1.1", "m:1:12: \"5.7.1.1\"" NO_DSN},
    {"of a class there is not", "policy dsn=3.7.1", "m:1:12: \"3.7.1\"" NO_DSN},
    {"with any class", "policy dsn=*.7.1", "m:1:12: \"*.7.1\"" NO_DSN},
    {"with a letter", "policy dsn=5.x.1", "m:1:12: \"5.x.1\"" NO_DSN},
    {"with four digits", "policy dsn=5.7.1234", "m:1:12: \"5.7.1234\"" NO_DSN},
    {"with a part that begins with *", "policy dsn=5.7.*1", "m:1:12: \"5.7.*1\"" NO_DSN},
    {"a dot alone behind", "policy dsn=5.7.", "m:1:12: \"5.7.\"" NO_DSN},
    {"the second enhanced code", "policy dsn=5.7.1,5.8 code=550 /x/", "m:1:18: \"5.8\"" NO_DSN},
    {"a phase", "policy phase=rctp /x/", "m:1:14: \"rctp\"" NO_PHASE},
    {"a phase in capitals", "policy phase=RCPT /x/", "m:1:14: \"RCPT\"" NO_PHASE},
    {"the second phase", "policy phase=rcpt,eod /x/", "m:1:19: \"eod\"" NO_PHASE},
    {"a pattern that does not end", "policy /no such user", "m:1:8: \"/no such user\"" NO_PATTERN},
    {"a pattern with options", "policy /no such user/i", "m:1:8: \"/no such user/i\"" NO_PATTERN},
    {"a comment behind", "policy /x/ # why", "m:1:8: \"/x/ # why\"" NO_PATTERN},
    {"a key behind", "policy /x/ code=550", "m:1:8: \"/x/ code=550\"" NO_PATTERN},
    {"an empty pattern", "policy //", "m:1:8: \"//\" is an empty pattern: leave it out"},
    {"one slash", "policy /", "m:1:8: \"/\"" NO_PATTERN},
    {"a line's end within", "policy /no\nsuch/", "m:1:8: \"/no\"" NO_PATTERN},
    {"the third line", "policy /x/\n# y\npolcy /z/\n", "m:3:1: \"polcy\"" NO_CAUSE},
    {"behind CR LF", "policy /x/\r\npolcy /z/\r\n", "m:2:1: \"polcy\"" NO_CAUSE},
    {"behind a BOM", "\xef\xbb\xbfpolcy /x/", "m:1:1: \"polcy\"" NO_CAUSE},
    {"a BOM in the second line", "policy /x/\n\xef\xbb\xbfpolicy /y/",
     "m:2:1: \"???policy\"" NO_CAUSE},
    {"a control byte", "pol\x1b[2Jicy /x/", "m:1:1: \"pol?[2Jicy\"" NO_CAUSE},
    {"80 bytes are shown", TEN TEN TEN TEN TEN TEN TEN TEN " /x/",
     "m:1:1: \"" TEN TEN TEN TEN TEN TEN TEN TEN "\"" NO_CAUSE},
    {"of 81 the first 80", TEN TEN TEN TEN TEN TEN TEN TEN "a /x/",
     "m:1:1: \"" TEN TEN TEN TEN TEN TEN TEN TEN "...\"" NO_CAUSE},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(mistakes); i++) {
        struct error err = {.text = ""};
        struct rules *rules = rules_new("m", slice_str(mistakes[i].text), true, &err);
        if (rules)
            fail_msg("%s: got no mistake, want one", mistakes[i].name);
        expect_slice(mistakes[i].name, "sentence", slice_str(err.text),
                     slice_str(mistakes[i].want));
    }
    struct error err;
    assert_null(rules_new("m",
                          SLICE("policy code=5\0"
                                "0 /x/"),
                          true, &err));
    assert_string_equal(err.text, "m:1:13: \"5?0\"" NO_CODE);
}

/* A list of values that ends with a comma has an empty one behind it. */
static void test_last_comma(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct rules *rules = rules_new("m", SLICE("policy code=550, /x/"), true, &err);
    rules_free(rules);
    assert_null(rules);
    assert_string_equal(err.text, "m:1:17: \"\" is an empty value");
}

/*
 * What PCRE2 refuses. It says how far it had read, which is where a person has to look: at
 * the end of a pattern that lacks something, else behind what is wrong (pcre2api(3)).
 */
static const struct {
    const char *name;
    const char *text;
    unsigned column;   /* of the place */
    const char *words; /* of PCRE2's own sentence */
} refused[] = {
    {"an unended group", "policy /abc(def/", 16, "missing closing parenthesis"},
    {"an end too many", "policy /abc)def/", 12, "unmatched closing parenthesis"},
    {"a quantifier of nothing", "policy /abc|*def/", 13, "quantifier does not follow"},
    {"an unended class", "policy code=550 /abc[def/", 25, "missing terminating ]"},
    {"a backslash at the end", "policy /abc\\/", 13, "\\ at end of pattern"},
    {"a range out of order", "  policy /[z-a]/", 14, "range out of order"},
    {"one byte of anything", "policy /abc\\Cdef/", 14, "\\C"},
    {"UTF", "policy /(*UTF)abc/", 15, "UTF"},
    {"properties", "policy /(*UCP)abc/", 15, "UCP"},
};

static void test_refused_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(refused); i++) {
        struct error err = {.text = ""};
        char head[64];
        struct rules *rules = rules_new("m", slice_str(refused[i].text), true, &err);
        if (rules)
            fail_msg("%s: got no mistake, want one", refused[i].name);
        snprintf(head, sizeof(head), "m:1:%u: \"", refused[i].column);
        if (strncmp(err.text, head, strlen(head)) != 0)
            fail_msg("%s: got \"%s\", want %s...", refused[i].name, err.text, head);
        if (!strstr(err.text, "\" is no pattern: ") || !strstr(err.text, refused[i].words))
            fail_msg("%s: got \"%s\", want \"%s\"", refused[i].name, err.text, refused[i].words);
    }
}

/* The rest of the pattern from that place on is the value. */
static void test_value_of_a_refused_pattern(void **state)
{
    (void)state;
    struct error err;
    assert_null(rules_new("m", SLICE("policy /abc)def/"), true, &err));
    assert_non_null(strstr(err.text, "m:1:12: \")def\" is no pattern: "));
    /* Where nothing is left it is the whole one. */
    assert_null(rules_new("m", SLICE("policy /abc(def/"), true, &err));
    assert_non_null(strstr(err.text, "m:1:16: \"/abc(def/\" is no pattern: "));
}

/* The text of a file that is shipped was tried before: it is not compiled to be read. */
static void test_late_patterns(void **state)
{
    (void)state;
    struct error err;
    struct rules *rules = rules_new("m", SLICE("policy /abc)def/"), false, &err);
    assert_non_null(rules);
    rules_free(rules);
}

static void test_limit_of_rules(void **state)
{
    (void)state;
    struct strbuf text = STRBUF_INIT;
    struct error err;
    for (unsigned i = 0; i < CLASSIFIER_RULES_MAX; i++)
        strbuf_add_str(&text, "policy code=550\n");
    struct rules *rules = rules_new("m", strbuf_slice(&text), true, &err);
    assert_non_null(rules);
    assert_int_equal(rules_count(rules), CLASSIFIER_RULES_MAX);
    rules_free(rules);
    strbuf_add_str(&text, "policy code=551\n");
    assert_null(rules_new("m", strbuf_slice(&text), true, &err));
    assert_string_equal(err.text, "m:4097:1: \"policy code=551\" is one rule too many");
    strbuf_release(&text);
}

static void read_all(struct slice text, void *arg)
{
    struct row_file file;
    struct rule_row row;
    struct error err;
    (void)arg;
    row_file_init(&file, "m", text);
    while (rule_file_next(&file, &row, &err) == RULE_FILE_ROW) {
        assert_true(slice_within(row.list, text) && slice_within(row.pattern, text));
        for (unsigned key = 0; key < RULE_KEYS; key++)
            assert_true(slice_within(row.values[key], text));
    }
    rules_free(rules_new("m", text, true, &err));
}

static void test_prefixes(void **state)
{
    (void)state;
    guard_prefixes(slice_of(good, sizeof(good) - 1), read_all, NULL);
    for (size_t i = 0; i < LEN(mistakes); i++)
        guard_prefixes(slice_str(mistakes[i].text), read_all, NULL);
    guard_prefixes(SLICE("policy code=5\0,dsn=\0 /x\0(?<\0/"), read_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rules_of_rows),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_last_comma),
        cmocka_unit_test(test_refused_patterns),
        cmocka_unit_test(test_value_of_a_refused_pattern),
        cmocka_unit_test(test_late_patterns),
        cmocka_unit_test(test_limit_of_rules),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
