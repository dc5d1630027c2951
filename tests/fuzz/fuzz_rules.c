/*
 * Any bytes as a file of rules: they give rules, each of which stands on a line of the
 * text, or one sentence that names the place. What is accepted judges some replies, in parts
 * that may match as in whole patterns; one may be stopped where the others are not.
 */
#include "../../lib/classify/rules.h"
#include "input.h"

static const char *const replies[] = {
    "550 5.1.1 <u@example.org>: Recipient address rejected: User unknown",
    "452-4.2.2 The mailbox is over quota 452 4.2.2 and 4.7.x [203.0.113.5] abcabcabc",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
    "",
};

static void check_rules(const struct rules *rules, struct slice text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    bug_if(rules_count(rules) > lines || rules_count(rules) > CLASSIFIER_RULES_MAX);
    for (uint32_t i = 0; i < rules_count(rules); i++) {
        struct rule_info info = rules_info(rules, i);
        bug_if(info.line < 1 || info.line > lines);
        bug_if(info.text.ptr < text.ptr || slice_end(info.text) > slice_end(text));
        bug_if((rules_cause(rules, i) == CAUSE_NONE) != (rules_list(rules, i).len > 0));
    }
}

static void check_matched(struct rules *rules, uint32_t number, const struct reply *reply)
{
    uint64_t stopped = rules_stopped(rules);
    bug_if(number >= rules_count(rules));
    struct slice fast = rules_matched(rules, number, reply, false);
    struct slice slow = rules_matched(rules, number, reply, true);
    if (rules_stopped(rules) != stopped)
        return;
    bug_if(fast.ptr != slow.ptr || fast.len != slow.len);
    bug_if(fast.ptr < reply->text || slice_end(fast) > reply->text + reply->len);
}

static void judge(struct rules *rules, enum rule_kind kind)
{
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct reply reply;
        reply_read(&reply, slice_str(replies[i]), 0, (struct dsn){0});
        const struct rule_facts facts = {
            .provider = SLICE("google"), .phase = PHASE_RCPT, .reply = &reply};
        uint64_t stopped = rules_stopped(rules);
        struct rule_hit fast = rules_find(rules, kind, &facts, false);
        struct rule_hit slow = rules_find(rules, kind, &facts, true);
        if (rules_stopped(rules) != stopped)
            continue;
        bug_if(fast.number != slow.number);
        if (fast.number != RULE_NONE)
            check_matched(rules, fast.number, &reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {.text = ""};
    struct slice text = copy_of(input_of(data, size));
    struct rules *rules = rules_new("fuzz", text, true, &err);
    bug_if((rules == NULL) != (strncmp(err.text, "fuzz:", 5) == 0));
    if (rules) {
        check_rules(rules, text);
        judge(rules, RULE_CAUSE);
        judge(rules, RULE_LIST);
    }
    rules_free(rules);
    copy_free(text);
    return 0;
}
