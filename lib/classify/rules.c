#include "rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/scan.h"
#include "needle_index.h"
#include "pattern.h"
#include "rule_file.h"

#define WORDS (CLASSIFIER_RULES_MAX / 64)

struct rule {
    enum cause cause; /* CAUSE_NONE: it names a list */
    struct slice list;
    unsigned line;
    struct slice text;              /* the row */
    struct slice values[RULE_KEYS]; /* as written; ptr NULL: any */
    struct slice source;            /* of the pattern; ptr NULL: none */
    struct pattern *pattern;        /* NULL: not compiled yet, or none */
};

struct rules {
    struct rule *rules;
    uint32_t count, room;
    struct needle_index *needles;
    uint64_t always[WORDS]; /* rules that have no needle */
    uint64_t lists[WORDS];  /* rules that name a block list */
    const char *name;
    struct pattern_limits *limits;
    uint64_t stopped;
};

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (uint32_t i = 0; i < rules->count; i++)
        pattern_free(rules->rules[i].pattern);
    pattern_limits_free(rules->limits);
    free(rules->rules);
    needle_index_free(rules->needles);
    free(rules);
}

/* --- what a row says --------------------------------------------------------- */

static bool is_phase(struct slice word, enum phase phase)
{
    return phase ? slice_eq(word, slice_str(phase_words[phase])) : slice_eq(word, SLICE("none"));
}

/* "550", "5xx" for all of a class, "none". */
static bool is_code(struct slice word, uint16_t code)
{
    char text[3] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                    (char)('0' + code % 10)};
    if (slice_eq(word, SLICE("none")) || code == 0)
        return slice_eq(word, SLICE("none")) && code == 0;
    return word.len == 3 && word.ptr[0] == text[0] &&
           (slice_ends(word, SLICE("xx")) || slice_eq(word, slice_of(text, 3)));
}

/* Takes off what stands before the next dot. */
static struct slice take_part(struct slice *s)
{
    const char *end = slice_end(*s), *p = scan_to(s->ptr, end, '.');
    struct slice part = slice_between(s->ptr, p);
    *s = slice_between(p < end ? p + 1 : end, end);
    return part;
}

static bool is_number(struct slice word, unsigned number)
{
    unsigned value = 0;
    for (size_t i = 0; i < word.len; i++)
        value = value * 10 + (unsigned)(word.ptr[i] - '0');
    return slice_eq(word, SLICE("*")) || value == number;
}

/* "5.7.1", "x.7.1" for both classes, "4.7.*", "none". */
static bool is_dsn(struct slice word, struct dsn dsn)
{
    if (slice_eq(word, SLICE("none")) || dsn.klass == 0)
        return slice_eq(word, SLICE("none")) && dsn.klass == 0;
    struct slice klass = take_part(&word), subject = take_part(&word);
    return (slice_eq(klass, SLICE("x")) || is_number(klass, dsn.klass)) &&
           is_number(subject, dsn.subject) && is_number(word, dsn.detail);
}

static bool is_value(enum rule_key key, struct slice word, const struct rule_facts *facts)
{
    switch (key) {
    case RULE_PROVIDER:
        return slice_eq(word, facts->provider);
    case RULE_PHASE:
        return is_phase(word, facts->phase);
    case RULE_CODE:
        return is_code(word, facts->reply->code);
    default:
        return is_dsn(word, facts->reply->dsn);
    }
}

static bool allows(const struct rule *rule, enum rule_key key, const struct rule_facts *facts)
{
    struct slice values = rule->values[key];
    if (!values.ptr)
        return true;
    while (values.len) {
        if (is_value(key, slice_cut(&values, ','), facts))
            return true;
    }
    return false;
}

static bool is_part(struct slice part)
{
    if (slice_eq(part, SLICE("*")))
        return true;
    for (size_t i = 0; i < part.len; i++) {
        if (!byte_is_digit(part.ptr[i]))
            return false;
    }
    return part.len > 0 && part.len <= 3;
}

static const char *dsn_fault(struct slice word)
{
    struct slice klass = take_part(&word), subject = take_part(&word);
    bool good = klass.len == 1 && strchr("245x", klass.ptr[0]) && is_part(subject) && is_part(word);
    return good ? NULL : "is no enhanced code: 5.7.1, x.7.1, 4.7.* or none";
}

static const char *code_fault(struct slice word)
{
    bool good = word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') &&
                (slice_ends(word, SLICE("xx")) ||
                 (byte_is_digit(word.ptr[1]) && byte_is_digit(word.ptr[2])));
    return good ? NULL : "is no reply code: 550, 4xx or none";
}

static const char *provider_fault(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!byte_is_lower(c) && !byte_is_digit(c) && c != '-' && c != '.' && c != '/')
            return "is no provider's name: a-z 0-9 . - /";
    }
    return NULL;
}

static const char *phase_fault(struct slice word)
{
    for (unsigned i = 1; i < PHASE_COUNT; i++) {
        if (is_phase(word, (enum phase)i))
            return NULL;
    }
    return "is no phase of a session, nor none";
}

/* What is wrong with a value of a key; NULL if nothing is. */
static const char *value_fault(enum rule_key key, struct slice word)
{
    if (word.len == 0)
        return "is an empty value";
    if (key == RULE_PROVIDER)
        return provider_fault(word);
    if (slice_eq(word, SLICE("none")))
        return NULL;
    return key == RULE_PHASE  ? phase_fault(word)
           : key == RULE_CODE ? code_fault(word)
                              : dsn_fault(word);
}

static int check_values(const struct row_file *file, const struct rule_row *row, struct error *err)
{
    for (unsigned key = 0; key < RULE_KEYS; key++) {
        struct slice values = row->values[key];
        bool more = values.len > 0;
        while (more) {
            more = slice_find(values, ',') < values.len;
            struct slice word = slice_cut(&values, ',');
            const char *fault = value_fault((enum rule_key)key, word);
            if (fault)
                return row_file_mistake(file, word, fault, err);
        }
    }
    return 0;
}

/* --- adding ------------------------------------------------------------------ */

/* By what the rule is found; one that can be found by nothing is always tried. */
static void add_needles(struct rules *rules, uint32_t number)
{
    struct needles needles;
    needles.count = 0;
    struct slice source = rules->rules[number].source;
    if (source.ptr)
        needles_of(source, &needles);
    if (needles.count == 0 || !needle_index_add(rules->needles, &needles, number))
        rules->always[number / 64] |= UINT64_C(1) << number % 64;
}

static int compile(const struct row_file *file, struct rule *rule, struct error *err)
{
    char what[128], sentence[160];
    size_t at = 0;
    rule->pattern = pattern_new(rule->source, what, &at);
    if (rule->pattern) {
        /* Now, so that what is too costly is too costly from the first search on. */
        pattern_hasten(rule->pattern);
        return 0;
    }
    snprintf(sentence, sizeof(sentence), "is no pattern: %s", what);
    struct slice wrong = slice_skip(rule->source, at);
    if (wrong.len)
        return row_file_mistake(file, wrong, sentence, err);
    /* Missed only at the slash that ends it, which says little alone. */
    struct slice slashed = slice_of(rule->source.ptr - 1, rule->source.len + 2);
    return row_file_mistake_at(file, slice_end(rule->source), slashed, sentence, err);
}

static int add_row(struct rules *rules, const struct row_file *file, const struct rule_row *row,
                   bool eager, struct error *err)
{
    if (check_values(file, row, err) < 0)
        return -1;
    if (rules->count == CLASSIFIER_RULES_MAX)
        return row_file_mistake(file, file->row, "is one rule too many", err);
    struct rule rule = {
        .cause = row->cause,
        .list = row->list,
        .line = row->line,
        .text = file->row,
        .source = row->pattern,
    };
    memcpy(rule.values, row->values, sizeof(rule.values));
    if (eager && rule.source.ptr && compile(file, &rule, err) < 0)
        return -1;
    if (rules->count == rules->room) {
        rules->room = rules->room ? rules->room * 2 : 512;
        rules->rules = must_realloc(rules->rules, rules->room * sizeof(*rules->rules));
    }
    rules->rules[rules->count] = rule;
    if (rule.list.len)
        rules->lists[rules->count / 64] |= UINT64_C(1) << rules->count % 64;
    add_needles(rules, rules->count++);
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
    rules->limits = pattern_limits_new();
    rules->needles = needle_index_new();
    row_file_init(&file, name, text);
    while (rc == 0 && (result = rule_file_next(&file, &row, err)) != RULE_FILE_END)
        rc = result == RULE_FILE_ROW ? add_row(rules, &file, &row, eager, err) : -1;
    if (rc == 0)
        return rules;
    rules_free(rules);
    return NULL;
}

/* --- judging ----------------------------------------------------------------- */

/* A rule that is shipped: its pattern was compiled by the tests, so it can be. */
static void compile_late(struct rule *rule)
{
    char what[128];
    size_t at;
    rule->pattern = pattern_new(rule->source, what, &at);
    bug_if(!rule->pattern);
}

/* The provider is asked for last: where it is not asked for, it has no part in the verdict. */
static bool holds(struct rules *rules, struct rule *rule, const struct rule_facts *facts,
                  struct rule_hit *hit)
{
    size_t from = 0, to = 0;
    for (unsigned key = 0; key < RULE_KEYS; key++) {
        if (key != RULE_PROVIDER && !allows(rule, (enum rule_key)key, facts))
            return false;
    }
    if (rule->source.ptr) {
        if (!rule->pattern)
            compile_late(rule);
        enum pattern_result result =
            pattern_search(rule->pattern, rules->limits, reply_text(facts->reply), &from, &to);
        rules->stopped += result == PATTERN_TOO_COSTLY;
        if (result != PATTERN_FOUND)
            return false;
    }
    hit->by_provider |= rule->values[RULE_PROVIDER].ptr != NULL;
    if (!allows(rule, RULE_PROVIDER, facts))
        return false;
    hit->from = (uint16_t)from;
    hit->to = (uint16_t)to;
    return true;
}

struct rule_hit rules_find(struct rules *rules, enum rule_kind kind, const struct rule_facts *facts,
                           bool thorough)
{
    uint64_t candidates[WORDS];
    struct rule_hit hit = {.number = RULE_NONE};
    memcpy(candidates, rules->always, sizeof(candidates));
    if (thorough)
        memset(candidates, 0xff, sizeof(candidates));
    else
        needle_index_find(rules->needles, reply_text(facts->reply), candidates);
    for (uint32_t word = 0; word * 64 < rules->count; word++) {
        uint64_t of_kind = kind == RULE_LIST ? rules->lists[word] : ~rules->lists[word];
        for (uint64_t left = candidates[word] & of_kind; left; left &= left - 1) {
            uint32_t number = word * 64 + (uint32_t)__builtin_ctzll(left);
            if (number < rules->count && holds(rules, &rules->rules[number], facts, &hit)) {
                hit.number = number;
                return hit;
            }
        }
    }
    return hit;
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
