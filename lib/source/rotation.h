/*
 * The files beside a log that rotation made of it.
 *
 * Two questions are kept apart. "Beside" is any file that begins with the log's
 * name and "." or "-": a copy may have any name, and its content proves it.
 * "Rotated" is stricter, for files that count because of their name alone: what
 * was added is a number or a date (mail.log.1, mail.log-20240131,
 * mail-20240131.log), "old" or "prev". So mail.err is not taken for a rotated
 * mail, nor mail.log.bak for a rotated mail.log. A compressed file is what its name is
 * without the ending of the compression.
 */
#ifndef SOURCE_ROTATION_H
#define SOURCE_ROTATION_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "ident.h"

/* More files beside one log than any scheme keeps; what is beyond is not looked at. */
#define SIBLINGS_MAX 4096

struct sibling {
    char name[NAME_MAX + 1];
    struct look look;
    bool compressed; /* by its name */
};

struct siblings {
    struct sibling *items;
    size_t count;
};

bool rotation_is_compressed(const char *name);
bool rotation_is_beside(const char *base, const char *name);
bool rotation_is_rotated(const char *base, const char *name);

/* Was the first one rotated after the second? Names tell it where both count or both have dates. */
bool rotation_is_newer(const char *base, const struct sibling *a, const struct sibling *b);

/*
 * The regular files beside base in dir, in the order in which they were rotated, oldest
 * first; where their names do not tell it, the compressed ones are taken for older. False
 * where the directory cannot be read.
 */
bool siblings_list(struct siblings *out, const char *dir, const char *base);
/* One more at the end. */
void siblings_add(struct siblings *out, const char *name, const struct look *look);
/* The file that a compressed one was made of stands there still. */
bool siblings_have_plain(const struct siblings *siblings, const struct sibling *compressed);
void siblings_release(struct siblings *siblings);

#endif
