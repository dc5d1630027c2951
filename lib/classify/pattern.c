#include "pattern.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * Steps of one search from one place of the text, so that one that backtracks without end is
 * stopped there. Rules that are shipped need some hundred on the longest text.
 */
#define STEPS_MAX 5000
#define DEPTH_MAX 1000
#define HEAP_MAX  256 /* kilobytes, of a search without JIT */

/*
 * Compiling for the machine costs as much as some hundred searches without it. Of the
 * patterns of a large file most are tried now and then: those that are tried often get it.
 */
#define JIT_AFTER 64

struct pattern {
    pcre2_code *code;
    unsigned searches; /* up to JIT_AFTER */
};

struct pattern_limits {
    pcre2_match_context *context;
    pcre2_match_data *data;
};

struct pattern_limits *pattern_limits_new(void)
{
    struct pattern_limits *limits = must_calloc(1, sizeof(*limits));
    limits->context = pcre2_match_context_create(NULL);
    limits->data = pcre2_match_data_create(1, NULL);
    bug_if(!limits->context || !limits->data);
    pcre2_set_match_limit(limits->context, STEPS_MAX);
    pcre2_set_depth_limit(limits->context, DEPTH_MAX);
    pcre2_set_heap_limit(limits->context, HEAP_MAX);
    return limits;
}

void pattern_limits_free(struct pattern_limits *limits)
{
    if (!limits)
        return;
    pcre2_match_data_free(limits->data);
    pcre2_match_context_free(limits->context);
    free(limits);
}

/*
 * PCRE2 looks for what a match must begin with and hold before it tries one. In 10.42 it may be
 * wrong about that behind a look-ahead or in an atomic group, and misses matches: "(?=a)x?a"
 * is not found in "xa", since another "a" is asked for. Such a pattern is tried at each place.
 */
static uint32_t start_options(struct slice source)
{
    bool misled = slice_find_text(source, SLICE("(?=")) < source.len ||
                  slice_find_text(source, SLICE("(?>")) < source.len;
    return misled ? PCRE2_NO_START_OPTIMIZE : 0;
}

struct pattern *pattern_new(struct slice source, char what[128], size_t *at)
{
    int error;
    PCRE2_SIZE offset;
    uint32_t options = PCRE2_CASELESS | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT | start_options(source);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)source.ptr, source.len, options, &error, &offset, NULL);
    if (!code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)what, 128);
        *at = offset;
        return NULL;
    }
    struct pattern *pattern = must_calloc(1, sizeof(*pattern));
    pattern->code = code;
    return pattern;
}

void pattern_hasten(struct pattern *pattern)
{
    /* Where memory may not be made executable it stays a slower, but equal, search. */
    pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    pattern->searches = JIT_AFTER;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

enum pattern_result pattern_search(struct pattern *pattern, struct pattern_limits *limits,
                                   struct slice text, size_t first, size_t last, struct span *out)
{
    if (pattern->searches < JIT_AFTER && ++pattern->searches == JIT_AFTER)
        pattern_hasten(pattern);
    pcre2_set_offset_limit(limits->context, last);
    int rc = pcre2_match(pattern->code, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, first, 0,
                         limits->data, limits->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return PATTERN_ABSENT;
    if (rc < 0)
        return PATTERN_TOO_COSTLY;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(limits->data);
    /* With \K in a look-ahead a match may begin behind its end. */
    *out = (struct span){ends[0] < ends[1] ? ends[0] : ends[1], ends[1]};
    return PATTERN_FOUND;
}
