/*
 * A pattern, which is the first line, and a text: where the pattern is found in the text,
 * one of its alternatives is found that the sieve lets begin there, and at the same place.
 */
#include "../../lib/classify/pattern.h"
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
        bug_if(needle->len < NEEDLE_MIN || needle->len > NEEDLE_MAX);
        for (unsigned at = 0; at < needle->len; at++)
            bug_if(byte_is_upper(needle->text[at]));
    }
}

static bool find_starts(const struct alternative *alternative, struct slice text,
                        struct places *starts)
{
    uint64_t candidates[SIEVE_WORDS];
    struct sieve *sieve = sieve_new();
    sieve_add(sieve, alternative);
    sieve_look(sieve, text, candidates);
    bug_if(candidates[0] & ~UINT64_C(1));
    bool may = candidates[0] && sieve_starts(sieve, 0, starts);
    bug_if(may && places_next(starts, 0) > text.len);
    bug_if(may && places_next(starts, text.len + 1) != PLACES_MAX);
    sieve_free(sieve);
    return may;
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

/* The leftmost of what the alternatives find; false: not taken apart, or one costs too much. */
static bool find_in_parts(struct slice pattern, struct slice text, struct find *out)
{
    static struct alternative alternative;
    char what[128];
    size_t at;
    out->result = PATTERN_ABSENT;
    while (pattern.ptr) {
        if (!alternative_take(&pattern, &alternative))
            return false;
        check_alternative(&alternative);
        struct pattern *compiled = pattern_new(alternative.source, what, &at);
        if (!compiled)
            return false; /* then rules.c does not take it apart either */
        struct find one = {.result = PATTERN_ABSENT};
        struct places starts;
        if (find_starts(&alternative, text, &starts))
            one = find_at(compiled, text, &starts);
        pattern_free(compiled);
        if (one.result == PATTERN_TOO_COSTLY)
            return false;
        if (one.result == PATTERN_FOUND &&
            (out->result != PATTERN_FOUND || one.span.from < out->span.from))
            *out = one;
    }
    return true;
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
    bug_if(whole.result == PATTERN_FOUND &&
           (whole.span.from != parts.span.from || whole.span.to != parts.span.to));
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
