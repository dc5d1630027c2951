/*
 * A pattern, which is the first line, and a text: where the pattern is found in the text,
 * one of its alternatives or their choices is found that the sieve lets begin there, and at the
 * same place.
 */
#include "../../lib/classify/expression.h"
#include "../../lib/classify/sieve.h"
#include "input.h"

static struct pattern_limits *limits;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    limits = pattern_limits_new();
    return 0;
}

struct find {
    enum pattern_result result;
    struct span span;
};

static void check_alternative(const struct alternative *alternative)
{
    bug_if(alternative->needle_count > NEEDLES_MAX || alternative->clause_count > CLAUSES_MAX);
    bug_if(alternative->clause_count && alternative->lead >= alternative->clause_count);
    for (unsigned i = 0; i < alternative->clause_count; i++) {
        const struct clause *clause = &alternative->clauses[i];
        bug_if(clause->count == 0 || clause->first + clause->count > alternative->needle_count);
    }
    for (unsigned i = 0; i < alternative->needle_count; i++) {
        const struct needle *needle = &alternative->list[i];
        bug_if(needle->len < 1 || needle->len > NEEDLE_MAX);
        for (unsigned at = 0; at < needle->len; at++)
            bug_if(byte_is_upper(needle->text[at]));
    }
}

/* The first match that begins in the set, asked for at each place alone. */
static struct find find_at(struct pattern *pattern, struct slice text, const struct places *starts)
{
    struct find find = {.result = PATTERN_ABSENT};
    for (size_t at = places_next(starts, 0); at < PLACES_MAX && find.result == PATTERN_ABSENT;
         at = places_next(starts, at + 1)) {
        find.result = pattern_search(pattern, limits, text, at, at, &find.span);
        bug_if(find.result == PATTERN_FOUND && (find.span.from != at || find.span.to > text.len));
    }
    return find;
}

static struct find find(struct pattern *pattern, struct slice text)
{
    struct find find;
    find.result = pattern_search(pattern, limits, text, 0, text.len, &find.span);
    bug_if(find.result == PATTERN_FOUND && (find.span.from > text.len || find.span.to > text.len));
    return find;
}

/* A pattern while it is taken apart; lost: it is not understood. */
struct taker {
    struct slice rest;
    struct alternative alternative;
    bool begun, lost;
};

static bool take_part(struct taker *taker)
{
    struct alternative *part = &taker->alternative;
    if (taker->begun && part->choice_number && alternative_narrow(part))
        return true;
    if (!taker->rest.ptr)
        return false;
    taker->begun = alternative_take(&taker->rest, part);
    taker->lost = !taker->begun;
    if (taker->begun)
        alternative_narrow(part);
    return taker->begun;
}

/* NULL where the pattern is not taken apart. */
static struct sieve *sieve_of(struct slice pattern)
{
    static struct taker taker;
    struct sieve *sieve = sieve_new();
    unsigned count = 0;
    taker.rest = pattern;
    taker.begun = taker.lost = false;
    while (count++ < SIEVE_MAX && take_part(&taker)) {
        check_alternative(&taker.alternative);
        sieve_add(sieve, &taker.alternative);
    }
    if (!taker.lost && count <= SIEVE_MAX)
        return sieve;
    sieve_free(sieve);
    return NULL;
}

/* The part's first match; false: it is no pattern alone, or costs too much. */
static bool find_part(const struct alternative *part, struct slice text,
                      const struct places *starts, struct find *out)
{
    const struct expression expression = expression_of(part);
    char what[128];
    size_t at;
    struct pattern *compiled = expression_compile(&expression, what, &at);
    if (!compiled)
        return false; /* then rules.c does not take it apart either */
    bug_if(places_next(starts, 0) > text.len);
    bug_if(places_next(starts, text.len + 1) != PLACES_MAX);
    *out = find_at(compiled, text, starts);
    pattern_free(compiled);
    return out->result != PATTERN_TOO_COSTLY;
}

/* The leftmost of what the parts find; false: not taken apart, or one costs too much. */
static bool find_in_parts(struct slice pattern, struct slice text, struct find *out)
{
    static struct taker taker;
    uint64_t candidates[SIEVE_WORDS];
    struct sieve *sieve = sieve_of(pattern);
    bool good = sieve != NULL;
    out->result = PATTERN_ABSENT;
    if (sieve)
        sieve_look(sieve, text, candidates);
    taker.rest = pattern;
    taker.begun = false;
    for (uint32_t number = 0; good && take_part(&taker); number++) {
        struct find one = {.result = PATTERN_ABSENT};
        struct places starts;
        if (candidates[number / 64] >> number % 64 & 1 && sieve_starts(sieve, number, &starts))
            good = find_part(&taker.alternative, text, &starts, &one);
        if (one.result == PATTERN_FOUND &&
            (out->result != PATTERN_FOUND || one.span.from < out->span.from))
            *out = one;
    }
    sieve_free(sieve);
    return good;
}

static void check_text(struct slice pattern, struct slice text)
{
    char what[128];
    size_t at;
    struct find parts;
    bool taken = find_in_parts(pattern, text, &parts);
    struct pattern *compiled = pattern_new(pattern, what, &at);
    if (!compiled)
        return;
    struct find whole = find(compiled, text);
    pattern_free(compiled);
    if (!taken || whole.result == PATTERN_TOO_COSTLY)
        return;
    bug_if(whole.result != parts.result);
    bug_if(whole.result == PATTERN_FOUND && whole.span.from != parts.span.from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_head(input_of(data, size), 2048);
    struct slice pattern = copy_of(slice_cut(&rest, '\n'));
    struct slice text = copy_of(slice_head(rest, SIEVE_TEXT_MAX));
    char *bytes = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        bytes[i] = byte_lower(bytes[i]);
    check_text(pattern, text);
    copy_free(pattern);
    copy_free(text);
    return 0;
}
