/*
 * Replies within replies: "host X said: 550 5.1.1 unknown".
 */
#ifndef MAILVANE_CLASSIFY_QUOTED_H
#define MAILVANE_CLASSIFY_QUOTED_H

#include "mailvane/base/slice.h"

/* The innermost reply that is quoted, which is the one that decided; else the whole. */
struct slice quoted_innermost(struct slice raw);

/*
 * Is it sure that nothing is quoted in it, and would be if words within it were others?
 * So it is where no refusal stands behind a mark that could announce one.
 */
bool quoted_never(struct slice raw);

#endif
