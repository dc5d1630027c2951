/*
 * Why a delivery failed, and whose problem that is: the rows of tables/causes.def.
 */
#ifndef MAILVANE_CLASSIFY_CAUSE_H
#define MAILVANE_CLASSIFY_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/slice.h"

#define CAUSE(constant, ...) constant,
enum cause {
    CAUSE_NONE, /* of what did not fail */
#include "mailvane/tables/causes.def"
    CAUSE_COUNT
};
#undef CAUSE

enum owner {
    OWNER_NOBODY,
    OWNER_RECIPIENT,
    OWNER_SENDER,
    OWNER_REMOTE,
    OWNER_NETWORK,
    OWNER_COUNT
};
enum retry { RETRY_NO, RETRY_MINUTES, RETRY_HOURS, RETRY_DAYS, RETRY_COUNT };

struct cause_row {
    const char *name;
    enum owner owner;
    enum retry temporary; /* after a 4xx reply, or none */
    enum retry permanent; /* after a 5xx reply */
    const char *meaning;
    const char *action;
    const char *avoid;
};

extern const struct cause_row cause_rows[CAUSE_COUNT];
extern const char *const owner_words[OWNER_COUNT];
extern const char *const retry_words[RETRY_COUNT];

bool cause_parse(struct slice name, enum cause *out);

/* When to try again after a reply with this code (0: none was given). */
static inline enum retry cause_retry(enum cause cause, uint16_t code)
{
    return code >= 500 ? cause_rows[cause].permanent : cause_rows[cause].temporary;
}

#endif
