#include "expression.h"

#include "mailvane/base/strbuf.h"

_Static_assert(NARROWED_MAX <= UINT16_MAX, "places in what is narrowed fit");

struct expression expression_of(const struct alternative *alternative)
{
    const char *begin = alternative->source.ptr;
    struct slice group = alternative->choices.group, choice = alternative->choice;
    struct expression expression = {.source = alternative->source};
    if (alternative->choice_number)
        expression.narrowing = (struct narrowing){
            .group = (uint16_t)(group.ptr - begin),
            .group_end = (uint16_t)(slice_end(group) - begin),
            .choice = (uint16_t)(choice.ptr - begin),
            .choice_end = (uint16_t)(slice_end(choice) - begin),
        };
    return expression;
}

/* The source with the choice alone in its group. */
static struct pattern *compile_narrowed(const struct expression *expression, char what[128],
                                        size_t *at)
{
    const struct narrowing *narrowing = &expression->narrowing;
    const char *begin = expression->source.ptr;
    struct strbuf text = STRBUF_INIT;
    strbuf_add(&text, begin, narrowing->group);
    strbuf_add_str(&text, "(?:");
    strbuf_add(&text, begin + narrowing->choice,
               (size_t)(narrowing->choice_end - narrowing->choice));
    strbuf_add_str(&text, ")");
    strbuf_add_slice(&text, slice_skip(expression->source, narrowing->group_end));
    struct pattern *pattern = pattern_new(strbuf_slice(&text), what, at);
    strbuf_release(&text);
    return pattern;
}

struct pattern *expression_compile(const struct expression *expression, char what[128], size_t *at)
{
    if (expression->narrowing.group_end)
        return compile_narrowed(expression, what, at);
    return pattern_new(expression->source, what, at);
}
