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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_alternatives_than_are_taken_apart),
        cmocka_unit_test(test_how_much_is_searched_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
