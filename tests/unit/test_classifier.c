#include "judge.h"
#include "scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../lib/classify/rule_data.h"
#include "../../lib/classify/rules.h"
#include "mailvane/base/strbuf.h"

/* What the rules must reach on the exam, in thousandths. */
#define LENIENT_MIN 970 /* the cause, or one that is acceptable as well */
#define OWNER_MIN   970 /* whose problem it is */
#define UNKNOWN_MAX 20
/* And what makes it one: rows for each cause, and those that lead a careless rule astray. */
#define ROWS_MIN  8
#define TRAPS_MIN 3

static const char *const reply_files[] = {"replies.tsv", "everyday.tsv", "extra.tsv"};

/* --- the exam ---------------------------------------------------------------- */

struct marks {
    unsigned rows, strict, lenient, owner, unknown;
};

static void mark(struct marks *marks, const struct reply_line *line, enum cause got)
{
    enum cause want = replies_cause(line, line->cells[COLUMN_CAUSE]);
    bool owner = cause_rows[got].owner == cause_rows[want].owner;
    bool lenient = replies_accept(line, got);
    marks->rows++;
    marks->strict += got == want;
    marks->lenient += lenient;
    marks->owner += owner;
    marks->unknown += got == CAUSE_UNKNOWN;
    if (!lenient || !owner)
        printf("# %.*s: got %s, want %s%s\n", SLICE_ARG(line->cells[COLUMN_NAME]),
               cause_rows[got].name, cause_rows[want].name, lenient ? " (acceptable)" : "");
}

static struct marks examine(const char *name)
{
    struct marks marks = {0};
    struct reply_table table;
    struct classifier *c = classifier_new(SEED);
    assert_true(replies_open(&table, name, REPLY_COLUMNS));
    for (size_t i = 0; i < table.count; i++) {
        const struct refusal refusal = replies_refusal(&table.lines[i]);
        mark(&marks, &table.lines[i], classifier_judge(c, &refusal)->cause);
    }
    printf("# %s: %u rows, strict %u, lenient %u, owner %u, unknown %u\n", name, marks.rows,
           marks.strict, marks.lenient, marks.owner, marks.unknown);
    fflush(stdout);
    replies_close(&table);
    classifier_free(c);
    return marks;
}

/* In thousandths. */
struct bar {
    unsigned strict, lenient, owner, unknown;
};

static void expect_bar(const char *name, const struct bar *want)
{
    struct marks marks = examine(name);
    unsigned strict = marks.strict * 1000 / marks.rows, lenient = marks.lenient * 1000 / marks.rows;
    unsigned owner = marks.owner * 1000 / marks.rows;
    unsigned unknown = (marks.unknown * 1000 + marks.rows - 1) / marks.rows;
    if (strict < want->strict || lenient < want->lenient || owner < want->owner ||
        unknown > want->unknown)
        fail_msg(
            "%s, of 1000: got strict %u, lenient %u, owner %u, unknown %u, want %u, %u, %u and "
            "at most %u",
            name, strict, lenient, owner, unknown, want->strict, want->lenient, want->owner,
            want->unknown);
}

static void test_exam(void **state)
{
    (void)state;
    expect_bar("replies.tsv",
               &(struct bar){.lenient = LENIENT_MIN, .owner = OWNER_MIN, .unknown = UNKNOWN_MAX});
}

/* Replies that the rules were never mended by: what they do with wordings that are new to them. */
static void test_holdout(void **state)
{
    (void)state;
    expect_bar("holdout.tsv",
               &(struct bar){.strict = 850, .lenient = 920, .owner = 950, .unknown = 20});
}

static void test_everyday(void **state)
{
    (void)state;
    struct marks marks = examine("everyday.tsv");
    assert_int_equal(marks.lenient, marks.rows);
}

/* The exam asks enough about each cause. */
static void test_exam_is_one(void **state)
{
    (void)state;
    unsigned rows[CAUSE_COUNT] = {0}, traps[CAUSE_COUNT] = {0};
    struct reply_table table;
    assert_true(replies_open(&table, "replies.tsv", REPLY_COLUMNS));
    for (size_t i = 0; i < table.count; i++) {
        const struct slice *cells = table.lines[i].cells;
        enum cause cause = replies_cause(&table.lines[i], cells[COLUMN_CAUSE]);
        rows[cause]++;
        if (cells[COLUMN_TRAP].len == 0)
            continue;
        traps[cause]++;
        if (replies_cause(&table.lines[i], cells[COLUMN_TRAP]) == cause)
            fail_msg("%.*s: the trap is the cause", SLICE_ARG(cells[COLUMN_NAME]));
    }
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        if (i != CAUSE_UNKNOWN && (rows[i] < ROWS_MIN || traps[i] < TRAPS_MIN))
            fail_msg("%s: got %u rows and %u traps, want %u and %u", cause_rows[i].name, rows[i],
                     traps[i], ROWS_MIN, TRAPS_MIN);
    }
    replies_close(&table);
}

static void test_lists(void **state)
{
    (void)state;
    struct reply_table table;
    struct classifier *c = classifier_new(SEED);
    unsigned wrong = 0;
    assert_true(replies_open(&table, "lists.tsv", LIST_COLUMNS));
    for (size_t i = 0; i < table.count; i++) {
        const struct slice *cells = table.lines[i].cells;
        const struct refusal refusal = {.text = cells[COLUMN_LIST_TEXT]};
        struct verdict got = *classifier_judge(c, &refusal);
        struct slice want = cells[COLUMN_LIST];
        if (slice_eq(want, SLICE("none")))
            want = SLICE("");
        if (slice_eq(got.list, want))
            continue;
        wrong++;
        printf("# %.*s: got \"%.*s\" (%s), want \"%.*s\"\n", SLICE_ARG(cells[COLUMN_NAME]),
               SLICE_ARG(got.list), cause_rows[got.cause].name, SLICE_ARG(want));
    }
    replies_close(&table);
    classifier_free(c);
    if (wrong)
        fail_msg("got %u wrong lists, want none", wrong);
}

/* --- no rule is dead --------------------------------------------------------- */

struct hits {
    bool *rules;
    struct classifier *classifier;
    struct rules *shipped;
};

/* The rows that name a list count where a reply names it. */
static void hit_list(struct hits *hits, struct slice list)
{
    for (uint32_t i = 0; list.len && i < rules_count(hits->shipped); i++) {
        if (slice_eq(rules_list(hits->shipped, i), list))
            hits->rules[i] = true;
    }
}

static void hit(struct hits *hits, const struct refusal *refusal)
{
    struct verdict verdict = classifier_judge_anew(hits->classifier, refusal, NULL);
    if (verdict.rule != RULE_NONE)
        hits->rules[verdict.rule] = true;
    hit_list(hits, verdict.list);
}

static void hit_all(struct hits *hits)
{
    struct reply_table table;
    for (size_t file = 0; file < LEN(reply_files); file++) {
        if (!replies_open(&table, reply_files[file], REPLY_COLUMNS))
            continue;
        for (size_t i = 0; i < table.count; i++) {
            const struct refusal refusal = replies_refusal(&table.lines[i]);
            hit(hits, &refusal);
        }
        replies_close(&table);
    }
    assert_true(replies_open(&table, "lists.tsv", LIST_COLUMNS));
    for (size_t i = 0; i < table.count; i++) {
        const struct refusal refusal = {.text = table.lines[i].cells[COLUMN_LIST_TEXT]};
        hit(hits, &refusal);
    }
    replies_close(&table);
}

static void test_no_dead_rule(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct hits hits = {
        .classifier = classifier_new(SEED),
        /* Eagerly, as a user's file is: so every shipped pattern is known to compile. */
        .shipped = rules_new("data/causes.rules", slice_str(rule_data), true, &err),
    };
    if (!hits.shipped)
        fail_msg("got \"%s\", want no mistake", err.text);
    uint32_t count = rules_count(hits.shipped), dead = 0;
    hits.rules = must_calloc(count, sizeof(*hits.rules));
    hit_all(&hits);
    for (uint32_t i = 0; i < count; i++) {
        struct rule_info info = rules_info(hits.shipped, i);
        if (hits.rules[i])
            continue;
        dead++;
        printf("# dead: %s:%u: %.*s\n", info.file, info.line, SLICE_ARG(slice_head(info.text, 90)));
    }
    printf("# %u of %u rules decide nothing\n", dead, count);
    fflush(stdout);
    free(hits.rules);
    rules_free(hits.shipped);
    classifier_free(hits.classifier);
    if (dead)
        fail_msg("got %u rules that decide no reply of tests/data/replies, want none", dead);
}

/* --- users' files ------------------------------------------------------------ */

#define USUAL "550 5.1.1 <u@example.org>: no such user here"

static void test_users_rules_win(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    expect_cause("built in", judge(c, USUAL), CAUSE_USER_UNKNOWN); /* and remembered */
    load_ok(c, "first", "# mine\npolicy /no such user/\n");
    expect_cause("first", judge(c, USUAL), CAUSE_POLICY);
    load_ok(c, "second", "expired /no such user/\nthrottled /only the second/\n");
    expect_cause("first before second", judge(c, USUAL), CAUSE_POLICY);
    struct reply reply;
    struct refusal refusal = {.phase = PHASE_RCPT, .text = SLICE("550 and only the second one")};
    struct verdict verdict = classifier_judge_anew(c, &refusal, &reply);
    expect_cause("second", verdict, CAUSE_THROTTLED);
    struct rule_info info = classifier_rule(c, verdict.rule);
    assert_string_equal(info.file, "second");
    assert_int_equal(info.line, 2);
    expect_slice("rule", "text", info.text, SLICE("throttled /only the second/"));
    expect_slice("second", "matched", classifier_matched(c, &verdict, &reply),
                 SLICE("only the second"));
    info = classifier_rule(c, judge(c, USUAL).rule);
    assert_string_equal(info.file, "first");
    assert_int_equal(info.line, 2);
    expect_cause("still built in", judge(c, "452 4.2.2 mailbox is over quota"), CAUSE_MAILBOX_FULL);
    verdict = judge(c, "452 4.2.2 mailbox is over quota");
    assert_string_equal(classifier_rule(c, verdict.rule).file, "built-in causes.rules");
    classifier_free(c);
}

#define BLOCKED "550 5.7.1 [203.0.113.4] blocked using zen.spamhaus.org"

static void test_users_lists_win(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    expect_slice("built in", "list", judge(c, BLOCKED).list, SLICE("spamhaus-zen"));
    load_ok(c, "first", "list mine /zen\\.spamhaus/\n");
    expect_slice("first", "list", judge(c, BLOCKED).list, SLICE("mine"));
    load_ok(c, "second", "list theirs /spamhaus/\nlist other /barracuda/\n");
    expect_slice("first before second", "list", judge(c, BLOCKED).list, SLICE("mine"));
    /* A list is told of refusals because of one alone. */
    load_ok(c, "third", "user-unknown /zen\\.spamhaus/\n");
    expect_cause("third", judge(c, BLOCKED), CAUSE_USER_UNKNOWN);
    expect_slice("third", "list", judge(c, BLOCKED).list, SLICE_NONE);
    classifier_free(c);
}

static void test_bad_file_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"policy /no such user/\npolcy /x/\n",
                                        "policy /no such user/\npolicy /(x/\n"};
    struct classifier *c = classifier_new(SEED);
    struct error err;
    for (size_t i = 0; i < LEN(texts); i++) {
        err.text[0] = '\0';
        assert_int_equal(classifier_load_text(c, "bad", slice_str(texts[i]), &err), -1);
        assert_memory_equal(err.text, "bad:2:", 6);
        expect_cause("after a mistake", judge(c, USUAL), CAUSE_USER_UNKNOWN);
    }
    load_ok(c, "good", "policy /no such user/\n");
    assert_int_equal(classifier_load_text(c, "bad", SLICE("expired /no such user/\nx\n"), &err),
                     -1);
    expect_cause("after good and bad", judge(c, USUAL), CAUSE_POLICY);
    assert_string_equal(classifier_rule(c, judge(c, USUAL).rule).file, "good");
    classifier_free(c);
}

static void test_files(void **state)
{
    (void)state;
    char dir[SCRATCH_MAX], path[256], want[512];
    struct error err;
    struct classifier *c = classifier_new(SEED);
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/mine.rules", dir);

    assert_int_equal(classifier_load(c, path, &err), -1);
    snprintf(want, sizeof(want), "%s: cannot open it: No such file or directory", path);
    assert_string_equal(err.text, want);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "policy /no such user/\n", 22), 22);
    assert_int_equal(classifier_load(c, path, &err), 0);
    expect_cause("file", judge(c, USUAL), CAUSE_POLICY);
    assert_string_equal(classifier_rule(c, judge(c, USUAL).rule).file, path);
    assert_int_equal(write(fd, "  polcy\n", 8), 8);
    assert_int_equal(classifier_load(c, path, &err), -1);
    snprintf(want, sizeof(want), "%s:2:3: \"polcy\" is no cause, nor the word \"list\"", path);
    assert_string_equal(err.text, want);
    assert_int_equal(ftruncate(fd, CLASSIFIER_FILE_MAX + 1), 0);
    assert_int_equal(classifier_load(c, path, &err), -1);
    assert_non_null(strstr(err.text, path));

    close(fd);
    scratch_remove(dir);
    classifier_free(c);
}

static void test_limit_of_files(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    struct error err;
    for (unsigned i = 0; i < CLASSIFIER_FILES_MAX; i++)
        load_ok(c, "m", i ? "expired /no such user/\n" : "policy /no such user/\n");
    assert_int_equal(classifier_load_text(c, "more", SLICE(""), &err), -1);
    assert_string_equal(err.text, "more: is one file of rules too many");
    expect_cause("the first of all", judge(c, USUAL), CAUSE_POLICY);
    expect_cause("the last of all", judge(c, "452 4.2.2 mailbox is over quota"),
                 CAUSE_MAILBOX_FULL);
    classifier_free(c);
}

/* --- patterns without end ---------------------------------------------------- */

static const struct {
    const char *name;
    const char *rules;
    char byte; /* that the text is made of */
} costly[] = {
    {"nested plus", "policy /(a+)+$/\nexpired /!$/\n", 'a'},
    {"two of them", "policy /(x+x+)+[yz]/\nexpired /!$/\n", 'x'},
    {"alternatives alike", "policy /(a|aa)+$/\nexpired /!$/\n", 'a'},
    {"behind a needle", "policy /text: (?:a+)+$/\nexpired /!$/\n", 'a'},
};

static void test_costly_patterns_are_stopped(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(costly); i++) {
        struct classifier *c = classifier_new(SEED);
        char text[120];
        memset(text, costly[i].byte, sizeof(text));
        memcpy(text, "text: ", 6);
        text[sizeof(text) - 2] = '!';
        text[sizeof(text) - 1] = '\0';
        load_ok(c, "m", costly[i].rules);
        expect_int(costly[i].name, "stopped before", (long long)classifier_stopped(c), 0);
        struct verdict verdict = judge(c, text);
        expect_cause(costly[i].name, verdict, CAUSE_EXPIRED);
        assert_int_equal(classifier_rule(c, verdict.rule).line, 2);
        expect_int(costly[i].name, "stopped", (long long)classifier_stopped(c), 1);
        expect_cause(costly[i].name, judge(c, text), CAUSE_EXPIRED);
        expect_int(costly[i].name, "stopped, from memory", (long long)classifier_stopped(c), 1);
        expect_cause(costly[i].name, judge(c, USUAL), CAUSE_USER_UNKNOWN);
        classifier_free(c);
    }
}

/* Not one reply of the exam needs more searches than a reply may have. */
static void test_replies_are_searched_to_the_end(void **state)
{
    (void)state;
    struct classifier *c = classifier_new(SEED);
    for (size_t file = 0; file < LEN(reply_files); file++) {
        struct reply_table table;
        assert_true(replies_open(&table, reply_files[file], REPLY_COLUMNS));
        for (size_t i = 0; i < table.count; i++) {
            const struct refusal refusal = replies_refusal(&table.lines[i]);
            classifier_judge_anew(c, &refusal, NULL);
            if (classifier_stopped(c))
                fail_msg("\"%.*s\": got a search too many", SLICE_ARG(refusal.text));
        }
        replies_close(&table);
    }
    classifier_free(c);
}

/*
 * Words that rules look for, one after the other: some rules are not asked, which is counted
 * once a reply; those that ask for codes alone still are, so that there is a verdict.
 */
static void test_hostile_replies_are_not_searched_to_the_end(void **state)
{
    (void)state;
    static const char *const words[] = {
        "message ",  "mailbox ", "account ", "recipient ", "user ",    "sender ",
        "rejected ", "is not ",  "blocked ", "limit ",     "exceed",   "policy ",
        "too many ", "unknown ", "address ", "spam ",      "server ",  "temporarily ",
        "disabled ", "over ",    "failed ",  "invalid ",   "domain ",  "connection ",
        "refused; ", "host ",    "header ",  "quota ",     "missing ", "no such "};
    struct classifier *c = classifier_new(SEED);
    uint64_t random = 20261125, before = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct strbuf text = STRBUF_INIT;
        strbuf_add_str(&text, "550 5.1.1 ");
        while (text.len < 2000)
            strbuf_add_str(&text, words[replies_random(&random, LEN(words))]);
        const struct refusal refusal = {.text = strbuf_slice(&text)};
        struct verdict verdict = classifier_judge_anew(c, &refusal, NULL);
        assert_int_not_equal(verdict.cause, CAUSE_UNKNOWN);
        assert_true(classifier_stopped(c) <= before + 1);
        before = classifier_stopped(c);
        strbuf_release(&text);
    }
    assert_true(before > 0);
    expect_cause("the next one", judge(c, USUAL), CAUSE_USER_UNKNOWN);
    classifier_free(c);
}

/* No reply of the exam is so long or so odd that a shipped pattern would be stopped. */
static void test_shipped_rules_are_not_stopped(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a", "a ",  "user ", "mail box full ",    "sender rejected due to ",
        "#", "no ", "x-",    "https://a.example/"};
    struct classifier *c = classifier_new(SEED);
    struct reply_table table;
    assert_true(replies_open(&table, "replies.tsv", REPLY_COLUMNS));
    for (size_t i = 0; i < table.count; i++) {
        const struct refusal refusal = replies_refusal(&table.lines[i]);
        classifier_judge_slowly(c, &refusal);
    }
    replies_close(&table);
    for (size_t i = 0; i < LEN(pieces); i++) {
        struct strbuf text = STRBUF_INIT;
        while (text.len < 2 * REPLY_TEXT_MAX)
            strbuf_add_str(&text, pieces[i]);
        const struct refusal refusal = {.text = strbuf_slice(&text)};
        classifier_judge_slowly(c, &refusal);
        if (classifier_stopped(c))
            fail_msg("\"%s\" and on: got a search that was stopped, want none", pieces[i]);
        strbuf_release(&text);
    }
    classifier_free(c);
}

static void judge_twice_said(struct classifier *c, struct refusal refusal, enum phase phase)
{
    struct strbuf twice = STRBUF_INIT;
    strbuf_addf(&twice, "%.*s %.*s", SLICE_ARG(refusal.text), SLICE_ARG(refusal.text));
    refusal.text = strbuf_slice(&twice);
    refusal.phase = phase;
    classifier_judge_anew(c, &refusal, NULL);
    if (classifier_stopped(c))
        fail_msg("\"%.*s\": a search was stopped", SLICE_ARG(refusal.text));
    strbuf_release(&twice);
}

/* What a server says, and says again, is searched for to its end, whenever it says so. */
static void test_replies_said_twice_are_not_stopped(void **state)
{
    static const char *const tables[] = {"replies.tsv", "extra.tsv", "holdout.tsv"};
    (void)state;
    struct classifier *c = classifier_new(SEED);
    for (size_t t = 0; t < LEN(tables); t++) {
        struct reply_table table;
        assert_true(replies_open(&table, tables[t], REPLY_COLUMNS));
        for (size_t i = 0; i < table.count; i++) {
            for (enum phase phase = PHASE_NONE; phase < PHASE_COUNT; phase++)
                judge_twice_said(c, replies_refusal(&table.lines[i]), phase);
        }
        replies_close(&table);
    }
    classifier_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exam),
        cmocka_unit_test(test_holdout),
        cmocka_unit_test(test_everyday),
        cmocka_unit_test(test_exam_is_one),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_no_dead_rule),
        cmocka_unit_test(test_users_rules_win),
        cmocka_unit_test(test_users_lists_win),
        cmocka_unit_test(test_bad_file_changes_nothing),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_limit_of_files),
        cmocka_unit_test(test_costly_patterns_are_stopped),
        cmocka_unit_test(test_shipped_rules_are_not_stopped),
        cmocka_unit_test(test_replies_said_twice_are_not_stopped),
        cmocka_unit_test(test_replies_are_searched_to_the_end),
        cmocka_unit_test(test_hostile_replies_are_not_searched_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
