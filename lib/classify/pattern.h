/*
 * Regular expressions of PCRE2: bytes, caseless in ASCII, with limits on what one search
 * may cost. Those that are tried often are compiled for the machine where it lets us (JIT).
 */
#ifndef MAILVANE_CLASSIFY_PATTERN_H
#define MAILVANE_CLASSIFY_PATTERN_H

#include "mailvane/base/slice.h"

struct pattern;
struct pattern_limits; /* what all searches share */

/* [from, to) of a text. */
struct span {
    size_t from, to;
};

enum pattern_result { PATTERN_ABSENT, PATTERN_FOUND, PATTERN_TOO_COSTLY };

struct pattern_limits *pattern_limits_new(void);
void pattern_limits_free(struct pattern_limits *limits);

/* NULL with a sentence in `what` and the byte of the pattern where reading it stopped. */
struct pattern *pattern_new(struct slice source, char what[128], size_t *at);
/* Compiles for the machine at once. */
void pattern_hasten(struct pattern *pattern);
void pattern_free(struct pattern *pattern);

/*
 * The first match in the text that begins in [first, last]; no match begins behind the text's
 * end. out, where found: the part of the text that matched.
 */
enum pattern_result pattern_search(struct pattern *pattern, struct pattern_limits *limits,
                                   struct slice text, size_t first, size_t last, struct span *out);

#endif
