/*
 * A pattern, which is the first line, and a text: where the pattern is found, the text holds
 * one of its needles. The index over needles says what looking for each of them says.
 */
#include "../../lib/classify/needle.h"
#include "../../lib/classify/needle_index.h"
#include "../../lib/classify/pattern.h"
#include "input.h"

static struct pattern_limits *limits;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    limits = pattern_limits_new();
    return 0;
}

static bool holds_needle(const struct needles *needles, struct slice text)
{
    for (unsigned i = 0; i < needles->count; i++) {
        struct slice needle = slice_of(needles->list[i].text, needles->list[i].len);
        if (slice_find_text(text, needle) < text.len)
            return true;
    }
    return false;
}

static void check_needles(const struct needles *needles)
{
    bug_if(needles->count > NEEDLES_MAX);
    for (unsigned i = 0; i < needles->count; i++) {
        const struct needle *needle = &needles->list[i];
        bug_if(needle->len < NEEDLE_MIN || needle->len > NEEDLE_MAX);
        for (unsigned at = 0; at < needle->len; at++)
            bug_if(byte_is_upper(needle->text[at]));
    }
}

static bool index_holds(const struct needles *needles, struct slice text)
{
    struct needle_index *index = needle_index_new();
    uint64_t rules[2] = {0, 0};
    bug_if(!needle_index_add(index, needles, 70));
    needle_index_find(index, text, rules);
    needle_index_free(index);
    bug_if(rules[0] != 0 || (rules[1] & ~(UINT64_C(1) << 6)) != 0);
    return rules[1] != 0;
}

/* The text as rules see it: in lower case. */
static void check_text(struct slice pattern, const struct needles *needles, struct slice text)
{
    char what[128];
    size_t at, from = 0, to = 0;
    bool held = holds_needle(needles, text);
    bug_if(index_holds(needles, text) != held);
    struct pattern *compiled = pattern_new(pattern, what, &at);
    if (!compiled)
        return;
    if (pattern_search(compiled, limits, text, &from, &to) == PATTERN_FOUND) {
        bug_if(needles->count && !held);
        bug_if(from > text.len || to > text.len);
    }
    pattern_free(compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct needles needles;
    struct slice rest = slice_head(input_of(data, size), 2048);
    struct slice pattern = copy_of(slice_cut(&rest, '\n')), text = copy_of(rest);
    char *bytes = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        bytes[i] = byte_lower(bytes[i]);
    needles_of(pattern, &needles);
    check_needles(&needles);
    check_text(pattern, &needles, text);
    copy_free(pattern);
    copy_free(text);
    return 0;
}
