/* The rules of one file, where it is as large as may be, and how much is searched for. */
#include "guard.h"

#include "../../lib/classify/rules.h"
#include "mailvane/base/strbuf.h"

#define NAME "test.rules"

static struct rules *read_rules(const struct strbuf *text, bool eager)
{
    struct error err;
    struct rules *rules = rules_new(NAME, strbuf_slice(text), eager, &err);
    if (!rules)
        fail_msg("got \"%s\", want rules", err.text);
    return rules;
}

static uint32_t find(struct rules *rules, const char *text)
{
    struct reply reply;
    reply_read(&reply, slice_str(text), 550, (struct dsn){0});
    const struct rule_facts facts = {.phase = PHASE_RCPT, .reply = &reply};
    return rules_find(rules, RULE_CAUSE, &facts, false).number;
}

/* "kklm" for 12: numbers would be no part of what rules see. */
static struct slice letters(unsigned number, char out[4])
{
    for (int i = 3; i >= 0; i--, number /= 10)
        out[i] = (char)('k' + number % 10);
    return slice_of(out, 4);
}

/* There is no room to take all of them apart; those that are not are tried as a whole. */
static void test_more_alternatives_than_are_taken_apart(void **state)
{
    static const unsigned some[] = {0, 1, 1000, 1637, 1638, 1639, 3000, 4095};
    struct strbuf text = STRBUF_INIT;
    char word[4], reply[40];
    (void)state;
    for (unsigned i = 0; i < CLASSIFIER_RULES_MAX; i++) {
        strbuf_add_str(&text, "policy /");
        for (char c = 'a'; c <= 'j'; c++)
            strbuf_addf(&text, "%s%c%.*s", c == 'a' ? "" : "|", c, SLICE_ARG(letters(i, word)));
        strbuf_add_str(&text, "/\n");
    }
    struct rules *rules = read_rules(&text, true);
    for (size_t i = 0; i < LEN(some); i++) {
        snprintf(reply, sizeof(reply), "550 j%.*s", SLICE_ARG(letters(some[i], word)));
        expect_int(reply, "number", find(rules, reply), some[i]);
    }
    rules_free(rules);
    strbuf_release(&text);
}

/* Nor is there for all choices: of those rules one branch looks for all. */
static void test_more_choices_than_are_searched_for_alone(void **state)
{
    static const unsigned some[] = {0, 1, 1000, 2047, 2048, 2049, 3000, 4095};
    struct strbuf text = STRBUF_INIT;
    char word[4], reply[40];
    (void)state;
    for (unsigned i = 0; i < CLASSIFIER_RULES_MAX; i++)
        strbuf_addf(&text, "policy /%.*s.*(?:one|two|six|ten|all|any)/\n",
                    SLICE_ARG(letters(i, word)));
    struct rules *rules = read_rules(&text, true);
    for (size_t i = 0; i < LEN(some); i++) {
        snprintf(reply, sizeof(reply), "550 %.*s and any", SLICE_ARG(letters(some[i], word)));
        expect_int(reply, "number", find(rules, reply), some[i]);
    }
    rules_free(rules);
    strbuf_release(&text);
}

/* Forty that are searched for in vain, and one behind them. */
static void add_forty(struct strbuf *text)
{
    for (unsigned i = 0; i < 40; i++)
        strbuf_addf(text, "policy /word(?= %c)/\n", 'A' + (char)(i % 26));
    strbuf_add_str(text, "policy /word/\n");
}

static void test_how_much_is_searched_for(void **state)
{
    struct strbuf text = STRBUF_INIT;
    (void)state;
    add_forty(&text);
    struct rules *users = read_rules(&text, true), *shipped = read_rules(&text, false);
    expect_int("a user's", "number", find(users, "550 a word"), 40);
    expect_int("a user's", "stopped", (long)rules_stopped(users), 0);
    expect_int("shipped", "number", find(shipped, "550 a word"), RULE_NONE);
    expect_int("shipped", "stopped", (long)rules_stopped(shipped), 1);
    rules_free(users);
    rules_free(shipped);
    strbuf_release(&text);
}

#define CHOICES "(?:one|two|six|ten|all|any)"

/* What the whole pattern matches, however it was searched for. */
static const struct {
    const char *name;
    const char *row;
    const char *text;
    const char *want;
} matched_rows[] = {
    {"a text", "policy /blocked here/", "550 it is blocked here now", "blocked here"},
    {"the first of two", "policy /box|mail/", "550 the mail box", "mail"},
    {"the longest gap", "policy /user.*" CHOICES "/", "550 a user one or six or so",
     "user one or six"},
    {"the shortest gap", "policy /user.*?" CHOICES "/", "550 a user six or one", "user six"},
    {"the first choice", "policy /.+(?:ten|te|t|a|b|c)$/", "550 it is ten", "it is ten"},
    {"a beginning that is set anew", "policy /box\\Kfull/", "550 the boxfull now", "full"},
    {"codes alone", "policy code=550", "550 whatever", ""},
    {"nothing", "policy /x?/", "550 user", ""},
};

static void test_what_is_matched(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(matched_rows); i++) {
        struct strbuf text = STRBUF_INIT;
        struct reply reply;
        strbuf_add_str(&text, matched_rows[i].row);
        struct rules *rules = read_rules(&text, true);
        reply_read(&reply, slice_str(matched_rows[i].text), 550, (struct dsn){0});
        expect_int(matched_rows[i].name, "number", find(rules, matched_rows[i].text), 0);
        expect_slice(matched_rows[i].name, "fast", rules_matched(rules, 0, &reply, false),
                     slice_str(matched_rows[i].want));
        expect_slice(matched_rows[i].name, "thorough", rules_matched(rules, 0, &reply, true),
                     slice_str(matched_rows[i].want));
        rules_free(rules);
        strbuf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_alternatives_than_are_taken_apart),
        cmocka_unit_test(test_more_choices_than_are_searched_for_alone),
        cmocka_unit_test(test_how_much_is_searched_for),
        cmocka_unit_test(test_what_is_matched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
