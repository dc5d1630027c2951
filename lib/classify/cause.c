#include "mailvane/classify/cause.h"

#define CAUSE(constant, name_, owner_, temporary_, permanent_, meaning_, action_, avoid_)          \
    [constant] = {                                                                                 \
        .name = name_,                                                                             \
        .owner = OWNER_##owner_,                                                                   \
        .temporary = RETRY_##temporary_,                                                           \
        .permanent = RETRY_##permanent_,                                                           \
        .meaning = meaning_,                                                                       \
        .action = action_,                                                                         \
        .avoid = avoid_,                                                                           \
    },
const struct cause_row cause_rows[CAUSE_COUNT] = {
    [CAUSE_NONE] = {.name = "", .meaning = "", .action = "", .avoid = ""},
#include "mailvane/tables/causes.def"
};
#undef CAUSE

const char *const owner_words[OWNER_COUNT] = {
    [OWNER_NOBODY] = "unknown", [OWNER_RECIPIENT] = "recipient", [OWNER_SENDER] = "sender",
    [OWNER_REMOTE] = "remote",  [OWNER_NETWORK] = "network",
};

const char *const retry_words[RETRY_COUNT] = {
    [RETRY_NO] = "no",
    [RETRY_MINUTES] = "minutes",
    [RETRY_HOURS] = "hours",
    [RETRY_DAYS] = "days",
};

bool cause_parse(struct slice name, enum cause *out)
{
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        if (slice_eq(name, slice_str(cause_rows[i].name))) {
            *out = (enum cause)i;
            return true;
        }
    }
    return false;
}
