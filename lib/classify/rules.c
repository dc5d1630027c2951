#include "rules.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "expression.h"
#include "mailvane/base/bug.h"
#include "sieve.h"

/*
 * Searches for one reply: what servers say needs 9 at most, its cause and its block list
 * together, or 16 where it is said twice. A text that was made to be costly gets no more than
 * this for each. A user's rules are the user's to pay for.
 */
#define SEARCHES_MAX 18

_Static_assert(REPLY_TEXT_MAX <= SIEVE_TEXT_MAX, "the sieve takes any reply");

/*
 * An alternative of a rule's pattern, or one choice of it, which is searched for on its own:
 * few of a pattern's alternatives can match a text, and one is found in a fraction of the time
 * of all.
 */
struct branch {
    uint16_t rule;
    struct expression expression;
};

struct rule {
    enum cause cause; /* CAUSE_NONE: it names a list */
    struct slice list;
    unsigned line;
    struct slice text;              /* the row */
    struct slice values[RULE_KEYS]; /* as written; ptr NULL: any */
    struct expression whole;        /* its pattern */
    uint32_t first, end;            /* of its branches */
};

struct rules {
    struct rule *rules;
    uint32_t count, room;
    struct branch *branches; /* in the order of their rules */
    uint32_t branch_count, branch_room;
    struct sieve *sieve; /* of the branches */
    const char *name;
    bool eager;
    struct pattern_limits *limits;
    uint64_t stopped;
};

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (uint32_t i = 0; i < rules->count; i++)
        pattern_free(rules->rules[i].whole.pattern);
    for (uint32_t i = 0; i < rules->branch_count; i++)
        pattern_free(rules->branches[i].expression.pattern);
    pattern_limits_free(rules->limits);
    free(rules->rules);
    free(rules->branches);
    sieve_free(rules->sieve);
    free(rules);
}

/* --- adding ------------------------------------------------------------------ */

static int check_values(const struct row_file *file, const struct rule_row *row, struct error *err)
{
    for (unsigned key = 0; key < RULE_KEYS; key++) {
        struct slice values = row->values[key];
        bool more = values.len > 0;
        while (more) {
            more = slice_find(values, ',') < values.len;
            struct slice word = slice_cut(&values, ',');
            const char *fault = rule_value_fault((enum rule_key)key, word);
            if (fault)
                return row_file_mistake(file, word, fault, err);
        }
    }
    return 0;
}

static void add_branch(struct rules *rules, const struct alternative *alternative)
{
    rules->branches = must_grow(rules->branches, rules->branch_count, &rules->branch_room,
                                sizeof(*rules->branches));
    rules->branches[rules->branch_count++] =
        (struct branch){.rule = (uint16_t)rules->count, .expression = expression_of(alternative)};
    sieve_add(rules->sieve, alternative);
}

/* The pattern as one branch that is always tried; also for a rule without a pattern. */
static void add_whole(struct rules *rules, struct slice source)
{
    struct alternative whole;
    alternative_whole(source, &whole);
    add_branch(rules, &whole);
}

/* Leaves room for a branch of each rule that may follow. */
static bool has_room(const struct rules *rules, unsigned branches)
{
    return rules->branch_count + branches + (CLASSIFIER_RULES_MAX - rules->count) <= SIEVE_MAX;
}

/* It can be searched for alone. What is shipped can be: the tests compile it all. */
static bool is_pattern(const struct rules *rules, const struct alternative *alternative)
{
    char what[128];
    size_t at;
    if (!rules->eager)
        return true;
    const struct expression expression = expression_of(alternative);
    struct pattern *pattern = expression_compile(&expression, what, &at);
    pattern_free(pattern);
    return pattern != NULL;
}

/* One branch, or one for each choice; false where one cannot be searched for alone. */
static bool add_alternative(struct rules *rules, struct alternative *alternative)
{
    if (has_room(rules, alternative->choices.count))
        alternative_narrow(alternative);
    do {
        if (!has_room(rules, 1) || !is_pattern(rules, alternative))
            return false;
        add_branch(rules, alternative);
    } while (alternative->choice_number && alternative_narrow(alternative));
    return true;
}

/*
 * The branches of the rule that is added next; returns the first. Where one cannot be taken
 * apart, those before it are nobody's: they are never searched for, and cost their room.
 */
static uint32_t add_branches(struct rules *rules, struct slice pattern)
{
    uint32_t first = rules->branch_count;
    struct alternative alternative;
    struct slice rest = pattern;
    bool added = true;
    while (rest.ptr && added)
        added = alternative_take(&rest, &alternative) && add_alternative(rules, &alternative);
    if (pattern.ptr && added)
        return first;
    add_whole(rules, pattern);
    return rules->branch_count - 1;
}

/* Finds the mistakes of a user's pattern. */
static int compile(const struct row_file *file, struct slice source, struct error *err)
{
    char what[128], sentence[160];
    size_t at = 0;
    struct pattern *pattern = pattern_new(source, what, &at);
    if (pattern) {
        pattern_free(pattern);
        return 0;
    }
    snprintf(sentence, sizeof(sentence), "is no pattern: %s", what);
    struct slice wrong = slice_skip(source, at);
    if (wrong.len)
        return row_file_mistake(file, wrong, sentence, err);
    /* Missed only at the slash that ends it, which says little alone. */
    struct slice slashed = slice_of(source.ptr - 1, source.len + 2);
    return row_file_mistake_at(file, slice_end(source), slashed, sentence, err);
}

static int add_row(struct rules *rules, const struct row_file *file, const struct rule_row *row,
                   struct error *err)
{
    if (check_values(file, row, err) < 0)
        return -1;
    if (rules->count == CLASSIFIER_RULES_MAX)
        return row_file_mistake(file, file->row, "is one rule too many", err);
    if (rules->eager && row->pattern.ptr && compile(file, row->pattern, err) < 0)
        return -1;
    struct rule rule = {
        .cause = row->cause,
        .list = row->list,
        .line = row->line,
        .text = file->row,
        .whole = {.source = row->pattern},
    };
    memcpy(rule.values, row->values, sizeof(rule.values));
    rule.first = add_branches(rules, rule.whole.source);
    rule.end = rules->branch_count;
    rules->rules = must_grow(rules->rules, rules->count, &rules->room, sizeof(*rules->rules));
    rules->rules[rules->count++] = rule;
    return 0;
}

struct rules *rules_new(const char *name, struct slice text, bool eager, struct error *err)
{
    struct rules *rules = must_calloc(1, sizeof(*rules));
    struct row_file file;
    struct rule_row row;
    enum rule_file_result result;
    int rc = 0;
    rules->name = name;
    rules->eager = eager;
    rules->limits = pattern_limits_new();
    rules->sieve = sieve_new();
    row_file_init(&file, name, text);
    while (rc == 0 && (result = rule_file_next(&file, &row, err)) != RULE_FILE_END)
        rc = result == RULE_FILE_ROW ? add_row(rules, &file, &row, err) : -1;
    if (rc == 0)
        return rules;
    rules_free(rules);
    return NULL;
}

/* --- judging ----------------------------------------------------------------- */

/* Nothing is wrong with it: the tests compiled what is shipped, rules_new() what is a user's. */
static struct pattern *compile_late(const struct rules *rules, const struct expression *expression)
{
    char what[128];
    size_t at;
    struct pattern *pattern = expression_compile(expression, what, &at);
    bug_if(!pattern);
    /* What is too costly is too costly from the first search on. */
    if (rules->eager)
        pattern_hasten(pattern);
    return pattern;
}

/* What is known of the text before it is searched, and how much may still be searched for. */
struct look {
    uint64_t candidates[SIEVE_WORDS]; /* branches that may match */
    unsigned searches;
    bool stopped;
};

static void look_at(struct rules *rules, struct slice text, struct look *look)
{
    look->searches = rules->eager ? UINT_MAX : SEARCHES_MAX;
    look->stopped = false;
    sieve_look(rules->sieve, text, look->candidates);
}

/* One search less; false where none is left. */
static bool take_search(struct look *look)
{
    look->stopped = look->searches == 0;
    look->searches -= !look->stopped;
    return !look->stopped;
}

/*
 * One search for each run of places where a match may begin. The expression is compiled if it
 * is not yet.
 */
static bool search(struct rules *rules, struct expression *expression, struct slice text,
                   const struct places *starts, struct look *look, struct span *out)
{
    enum pattern_result result = PATTERN_ABSENT;
    size_t first = places_next(starts, 0);
    if (!expression->pattern)
        expression->pattern = compile_late(rules, expression);
    while (result == PATTERN_ABSENT && first <= text.len && take_search(look)) {
        size_t end = places_gap(starts, first);
        result = pattern_search(expression->pattern, rules->limits, text, first, end - 1, out);
        first = places_next(starts, end);
    }
    rules->stopped += result == PATTERN_TOO_COSTLY;
    return result == PATTERN_FOUND;
}

/* The whole pattern, where a match begins at one of these places. */
static bool search_whole(struct rules *rules, struct rule *rule, struct slice text, size_t first,
                         size_t last, struct span *out)
{
    struct places starts = {{0}};
    struct look look = {.searches = 1};
    places_add(&starts, first, last);
    return search(rules, &rule->whole, text, &starts, &look, out);
}

static bool allows(const struct rule *rule, enum rule_key key, const struct rule_facts *facts)
{
    struct slice values = rule->values[key];
    if (!values.ptr)
        return true;
    while (values.len) {
        if (rule_value_holds(key, slice_cut(&values, ','), facts))
            return true;
    }
    return false;
}

static bool is_set(const uint64_t *bits, uint32_t number)
{
    return bits[number / 64] >> number % 64 & 1;
}

static bool may_match(const struct rules *rules, const struct look *look, uint32_t branch,
                      struct places *starts)
{
    return is_set(look->candidates, branch) && sieve_starts(rules->sieve, branch, starts);
}

static bool search_branch(struct rules *rules, uint32_t branch, struct look *look,
                          struct slice text, struct span *out)
{
    struct places starts;
    return may_match(rules, look, branch, &starts) &&
           search(rules, &rules->branches[branch].expression, text, &starts, look, out);
}

static bool any_branch(struct rules *rules, const struct rule *rule, struct look *look,
                       struct slice text)
{
    bool found = false;
    struct span span;
    for (uint32_t i = rule->first; !found && i < rule->end; i++)
        found = search_branch(rules, i, look, text, &span);
    return found;
}

/*
 * The provider is asked for last: where it is not asked for, it has no part in the verdict.
 * look: NULL: search for the whole pattern.
 */
static bool holds(struct rules *rules, struct rule *rule, const struct rule_facts *facts,
                  struct look *look, struct rule_hit *hit)
{
    struct slice text = reply_text(facts->reply);
    struct span span;
    for (unsigned key = 0; key < RULE_KEYS; key++) {
        if (key != RULE_PROVIDER && !allows(rule, (enum rule_key)key, facts))
            return false;
    }
    if (rule->whole.source.ptr && !(look ? any_branch(rules, rule, look, text)
                                         : search_whole(rules, rule, text, 0, text.len, &span)))
        return false;
    hit->by_provider |= rule->values[RULE_PROVIDER].ptr != NULL;
    return allows(rule, RULE_PROVIDER, facts);
}

static bool is_of_kind(const struct rule *rule, enum rule_kind kind)
{
    return (kind == RULE_LIST) == (rule->list.len > 0);
}

static struct rule_hit find_thoroughly(struct rules *rules, enum rule_kind kind,
                                       const struct rule_facts *facts)
{
    struct rule_hit hit = {.number = RULE_NONE};
    for (uint32_t i = 0; i < rules->count && hit.number == RULE_NONE; i++) {
        if (is_of_kind(&rules->rules[i], kind) && holds(rules, &rules->rules[i], facts, NULL, &hit))
            hit.number = i;
    }
    return hit;
}

/* The first rule that holds, of those that have candidates. */
static struct rule_hit find(struct rules *rules, enum rule_kind kind,
                            const struct rule_facts *facts, struct look *look)
{
    struct rule_hit hit = {.number = RULE_NONE};
    uint32_t behind = 0; /* of all rules that were tried */
    for (uint32_t word = 0; word * 64 < rules->branch_count; word++) {
        for (uint64_t left = look->candidates[word]; left; left &= left - 1) {
            uint32_t number = rules->branches[word * 64 + (uint32_t)__builtin_ctzll(left)].rule;
            if (number < behind)
                continue;
            behind = number + 1;
            struct rule *rule = &rules->rules[number];
            if (is_of_kind(rule, kind) && holds(rules, rule, facts, look, &hit)) {
                hit.number = number;
                return hit;
            }
        }
    }
    return hit;
}

struct rule_hit rules_find(struct rules *rules, enum rule_kind kind, const struct rule_facts *facts,
                           bool thorough)
{
    struct look look;
    if (thorough)
        return find_thoroughly(rules, kind, facts);
    look_at(rules, reply_text(facts->reply), &look);
    struct rule_hit hit = find(rules, kind, facts, &look);
    rules->stopped += look.stopped;
    return hit;
}

/* The first match of any branch, which begins where that of the whole pattern does. */
static bool first_match(struct rules *rules, const struct rule *rule, struct slice text,
                        struct span *out)
{
    bool found = false;
    struct look look;
    look_at(rules, text, &look);
    for (uint32_t i = rule->first; i < rule->end; i++) {
        struct span span;
        if (!search_branch(rules, i, &look, text, &span))
            continue;
        *out = found && out->from <= span.from ? *out : span;
        found = true;
    }
    return found;
}

struct slice rules_matched(struct rules *rules, uint32_t number, const struct reply *reply,
                           bool thorough)
{
    struct rule *rule = &rules->rules[number];
    struct slice text = reply_text(reply);
    struct span span = {0};
    if (rule->whole.source.ptr && thorough)
        search_whole(rules, rule, text, 0, text.len, &span);
    /* Where the whole one costs too much, what its branch matched stands. */
    if (rule->whole.source.ptr && !thorough && first_match(rules, rule, text, &span) &&
        rule->end - rule->first > 1)
        search_whole(rules, rule, text, span.from, span.from, &span);
    return slice_of(text.ptr + span.from, span.to - span.from);
}

uint32_t rules_count(const struct rules *rules)
{
    return rules->count;
}

enum cause rules_cause(const struct rules *rules, uint32_t number)
{
    return rules->rules[number].cause;
}

struct slice rules_list(const struct rules *rules, uint32_t number)
{
    return rules->rules[number].list;
}

struct rule_info rules_info(const struct rules *rules, uint32_t number)
{
    const struct rule *rule = &rules->rules[number];
    return (struct rule_info){rules->name, rule->line, rule->text};
}

uint64_t rules_stopped(const struct rules *rules)
{
    return rules->stopped;
}
