/*
 * Any bytes as a reply. What is read keeps what the header promises, and the verdict from
 * memory, the fast one and the one without any short cut are the same. The memory is that
 * of all inputs, so that a verdict may come from another one's.
 *
 * The first line gives the other facts: a phase's number, a code, an enhanced code and a
 * provider, parted by blanks; what is missing or wrong is absent.
 */
#include "input.h"
#include "mailvane/classify/classifier.h"

static struct classifier *classifier;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    classifier = classifier_new(1);
    return 0;
}

static struct refusal refusal_of(struct slice text)
{
    struct slice facts = slice_cut(&text, '\n');
    struct slice phase = slice_cut(&facts, ' '), code = slice_cut(&facts, ' ');
    struct slice dsn = slice_cut(&facts, ' ');
    struct refusal refusal = {.provider = facts, .code = reply_code(code)};
    if (phase.len)
        refusal.phase = (enum phase)((unsigned char)phase.ptr[0] % PHASE_COUNT);
    if (!dsn_parse(dsn, &refusal.dsn))
        refusal.dsn = (struct dsn){0};
    refusal.text = copy_of(text);
    return refusal;
}

static void check_reply(const struct reply *reply, const struct refusal *refusal)
{
    bug_if(reply->len > REPLY_TEXT_MAX);
    bug_if(reply->code != refusal->code && (reply->code < 400 || reply->code > 599));
    bug_if(!dsn_equal(reply->dsn, refusal->dsn) && reply->dsn.klass != 2 && reply->dsn.klass != 4 &&
           reply->dsn.klass != 5);
    bug_if(reply->dsn.subject > 999 || reply->dsn.detail > 999);
    for (size_t i = 0; i < reply->len; i++) {
        char c = reply->text[i];
        bug_if(byte_is_upper(c) || (unsigned char)c < ' ' || c == 0x7f);
    }
    bug_if(reply->len && reply->text[reply->len - 1] == ' ');
}

static void check_same(const struct verdict *a, const struct verdict *b)
{
    bug_if(a->cause != b->cause || a->rule != b->rule || a->code != b->code);
    bug_if(!dsn_equal(a->dsn, b->dsn) || !slice_eq(a->list, b->list));
}

static void check_verdict(const struct verdict *verdict, const struct reply *reply)
{
    bug_if(verdict->cause <= CAUSE_NONE || verdict->cause >= CAUSE_COUNT);
    bug_if(verdict->code != reply->code || !dsn_equal(verdict->dsn, reply->dsn));
    struct slice matched = classifier_matched(classifier, verdict, reply);
    bug_if(matched.len &&
           (matched.ptr < reply->text || slice_end(matched) > reply->text + reply->len));
    bug_if(verdict->rule == RULE_NONE && verdict->cause != CAUSE_UNKNOWN);
    if (verdict->rule != RULE_NONE)
        bug_if(classifier_rule(classifier, verdict->rule).line == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refusal refusal = refusal_of(input_of(data, size));
    uint64_t stopped = classifier_stopped(classifier);
    struct reply reply;
    struct verdict slow = classifier_judge_slowly(classifier, &refusal);
    struct verdict anew = classifier_judge_anew(classifier, &refusal, &reply);
    struct verdict first = *classifier_judge(classifier, &refusal);
    struct verdict again = *classifier_judge(classifier, &refusal);
    check_reply(&reply, &refusal);
    check_verdict(&anew, &reply);
    check_same(&again, &first);
    /* What a search was stopped for may be found by slow ones. */
    if (classifier_stopped(classifier) == stopped) {
        check_same(&anew, &slow);
        check_same(&first, &slow);
    }
    copy_free(refusal.text);
    return 0;
}
