/* What tests of the classifier share: its verdicts on the rows of replies.h and on others. */
#ifndef MAILVANE_TESTS_JUDGE_H
#define MAILVANE_TESTS_JUDGE_H

#include "replies.h"

#define SEED 42

static inline struct verdict judge(struct classifier *c, const char *text)
{
    const struct refusal refusal = {.text = slice_str(text)};
    return *classifier_judge(c, &refusal);
}

static inline void expect_cause(const char *name, struct verdict got, enum cause want)
{
    if (got.cause != want)
        fail_msg("%s: got %s, want %s", name, cause_rows[got.cause].name, cause_rows[want].name);
}

static inline void load_ok(struct classifier *c, const char *name, const char *text)
{
    struct error err = {.text = ""};
    if (classifier_load_text(c, name, slice_str(text), &err) != 0)
        fail_msg("got \"%s\", want no mistake", err.text);
}

#endif
