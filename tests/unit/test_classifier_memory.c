/* classify/classifier.h: what it remembers is what it would say anew, and slowly. */
#include "judge.h"

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
    return a->cause == b->cause && a->code == b->code && a->dsn.klass == b->dsn.klass &&
           a->dsn.subject == b->dsn.subject && a->dsn.detail == b->dsn.detail &&
           slice_eq(a->list, b->list) && a->rule == b->rule;
}

static void expect_same(const char *name, const struct refusal *refusal, const struct verdict *got,
                        const struct verdict *want)
{
    if (!same_verdict(got, want))
        fail_msg(
            "%s: \"%.*s\" at \"%.*s\", phase \"%s\", code %u: got %s by rule %u, want %s by %u",
            name, SLICE_ARG(refusal->text), SLICE_ARG(refusal->provider),
            phase_words[refusal->phase], refusal->code, cause_rows[got->cause].name, got->rule,
            cause_rows[want->cause].name, want->rule);
}

static void expect_three_alike(struct classifier *c, const struct refusal *refusal)
{
    struct verdict slow = classifier_judge_slowly(c, refusal);
    struct verdict anew = classifier_judge_anew(c, refusal, NULL);
    struct verdict first = *classifier_judge(c, refusal);
    struct verdict again = *classifier_judge(c, refusal);
    expect_same("anew", refusal, &anew, &slow);
    expect_same("first", refusal, &first, &slow);
    expect_same("from memory", refusal, &again, &slow);
}

/* The refusal with other facts beside the text, now and then. */
static struct refusal vary(uint64_t *random, const struct refusal *refusal)
{
    static const char *const providers[] = {"", "google", "yahoo", "microsoft-365", "cox", "other"};
    static const uint16_t given[] = {0, 421, 450, 451, 550, 552, 554};
    static const struct dsn dsns[] = {{0}, {4, 4, 1}, {5, 1, 1}, {5, 2, 2}, {4, 7, 1}, {5, 7, 26}};
    struct refusal other = *refusal;
    switch (replies_random(random, 5)) {
    case 0:
        other.provider = slice_str(providers[replies_random(random, LEN(providers))]);
        break;
    case 1:
        other.phase = (enum phase)replies_random(random, PHASE_COUNT);
        break;
    case 2:
        other.code = given[replies_random(random, LEN(given))];
        break;
    case 3:
        other.dsn = dsns[replies_random(random, LEN(dsns))];
        break;
    default:
        break;
    }
    return other;
}

/* Nearly the same text: one byte is another. */
static void expect_near_alike(struct classifier *c, uint64_t *random, const struct refusal *refusal)
{
    static const char bytes[] = "a z0159@.:-#<>(]\t\n\0\x1b\xc3\x84\xd0\xffS";
    struct refusal near = *refusal;
    char *copy = must_calloc(refusal->text.len + 1, 1);
    memcpy(copy, refusal->text.ptr, refusal->text.len);
    copy[replies_random(random, (uint32_t)refusal->text.len)] =
        bytes[replies_random(random, sizeof(bytes) - 1)];
    near.text = slice_of(copy, refusal->text.len);
    expect_three_alike(c, &near);
    free(copy);
}

static void test_memory(void **state)
{
    (void)state;
    uint64_t random = 20261122;
    struct classifier *c = classifier_new(SEED);
    struct reply_table table;
    assert_true(replies_open(&table, "replies.tsv", REPLY_COLUMNS));
    for (size_t n = 0; n < 4 * table.count; n++) {
        uint32_t i = replies_random(&random, (uint32_t)table.count);
        struct refusal refusal = replies_refusal(&table.lines[i]);
        struct refusal other = vary(&random, &refusal);
        expect_three_alike(c, &refusal);
        expect_three_alike(c, &other);
        expect_near_alike(c, &random, &other);
    }
    replies_close(&table);
    classifier_free(c);
}

/* Refusals that differ in one fact each, which a rule asks about: by turns, from memory. */
static void test_memory_knows_each_fact(void **state)
{
    (void)state;
    static const struct {
        struct refusal refusal;
        enum cause want;
    } rows[] = {
        {{.text = SLICE_INIT("one text")}, CAUSE_EXPIRED},
        {{.text = SLICE_INIT("one text"), .provider = SLICE_INIT("google")}, CAUSE_THROTTLED},
        {{.text = SLICE_INIT("one text"), .provider = SLICE_INIT("googlf")}, CAUSE_EXPIRED},
        {{.text = SLICE_INIT("one text"), .phase = PHASE_RCPT}, CAUSE_USER_UNKNOWN},
        {{.text = SLICE_INIT("one text"), .phase = PHASE_DATA}, CAUSE_EXPIRED},
        {{.text = SLICE_INIT("one text"), .code = 451}, CAUSE_GREYLISTED},
        {{.text = SLICE_INIT("one text"), .code = 551}, CAUSE_TOO_LARGE},
        {{.text = SLICE_INIT("one text"), .dsn = {5, 1, 1}}, CAUSE_NETWORK},
        {{.text = SLICE_INIT("one text"), .dsn = {4, 1, 1}}, CAUSE_EXPIRED},
        {{.text = SLICE_INIT("one text"), .dsn = {5, 2, 1}}, CAUSE_TLS_FAILURE},
        {{.text = SLICE_INIT("one text"), .dsn = {5, 1, 2}}, CAUSE_BAD_MESSAGE},
        {{.text = SLICE_INIT("551 one text")}, CAUSE_TOO_LARGE},
        {{.text = SLICE_INIT("550 5.1.2 one text")}, CAUSE_BAD_MESSAGE},
        {{.text = SLICE_INIT("one texts")}, CAUSE_POLICY},
        {{.text = SLICE_INIT("no text")}, CAUSE_RELAY_DENIED},
    };
    struct classifier *c = classifier_new(SEED);
    load_ok(c, "m",
            "throttled provider=google /^one text$/\n"
            "user-unknown phase=rcpt /^one text$/\n"
            "greylisted code=451 /^one text$/\n"
            "too-large code=551 /^one text$/\n"
            "network dsn=5.1.1 /^one text$/\n"
            "tls-failure dsn=5.2.1 /^one text$/\n"
            "bad-message dsn=5.1.2 /^one text$/\n"
            "expired /^one text$/\n"
            "policy /^one texts$/\n"
            "relay-denied /^no text$/\n");
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < LEN(rows); i++) {
            for (size_t k = 0; k < LEN(rows); k++) {
                expect_cause("row", *classifier_judge(c, &rows[i].refusal), rows[i].want);
                expect_cause("other", *classifier_judge(c, &rows[k].refusal), rows[k].want);
            }
        }
    }
    classifier_free(c);
}

/* More replies than are remembered, three times over. */
static void test_more_than_is_remembered(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    load_ok(c, "m", "throttled /even$/\nexpired /odd$/\n");
    for (unsigned i = 0; i < 3 * 4 * CLASSIFIER_MEMORY; i++) {
        char text[80], word[8] = "";
        unsigned n = i % (4 * CLASSIFIER_MEMORY);
        for (unsigned k = 0, rest = n; k < 6; k++, rest /= 7)
            word[k] = (char)('a' + rest % 7);
        snprintf(text, sizeof(text), "%s %s", word, n % 2 ? "odd" : "even");
        expect_cause(text, judge(c, text), n % 2 ? CAUSE_EXPIRED : CAUSE_THROTTLED);
    }
    classifier_free(c);
}

static void test_nothing_said(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    const struct refusal empty = {.text = SLICE_NONE, .provider = SLICE_NONE};
    expect_three_alike(c, &empty);
    expect_cause("empty", *classifier_judge(c, &empty), CAUSE_UNKNOWN);
    assert_int_equal(classifier_judge(c, &empty)->rule, RULE_NONE);
    const struct refusal strange = {
        .text = SLICE("xyzzy plugh"),
        .provider =
            SLICE("a-provider-whose-name-is-longer-than-any-of-the-tables-may-ever-be-at-all"),
    };
    expect_three_alike(c, &strange);
    expect_cause("strange", *classifier_judge(c, &strange), CAUSE_UNKNOWN);
    classifier_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_knows_each_fact),
        cmocka_unit_test(test_more_than_is_remembered),
        cmocka_unit_test(test_nothing_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
