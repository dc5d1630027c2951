/*
 * A pattern, or the part of one that is searched for on its own. It is compiled when it is
 * first searched for: few of a large file ever are.
 */
#ifndef MAILVANE_CLASSIFY_EXPRESSION_H
#define MAILVANE_CLASSIFY_EXPRESSION_H

#include "needle.h"
#include "pattern.h"

/* In bytes from where the source begins; group_end 0: it is not narrowed. */
struct narrowing {
    uint16_t group, group_end;
    uint16_t choice, choice_end;
};

struct expression {
    struct slice source; /* ptr NULL: none */
    struct narrowing narrowing;
    struct pattern *pattern; /* the expression's; NULL: not compiled yet */
};

struct expression expression_of(const struct alternative *alternative);

/*
 * As pattern_new(). Of a narrowed one, `at` is a place in the text that is put together here,
 * which nobody has written.
 */
struct pattern *expression_compile(const struct expression *expression, char what[128], size_t *at);

#endif
