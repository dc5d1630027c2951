/*
 * From a path or a glob to the directories and names that decide what it stands
 * for. Every step takes its interest (places.h) before it looks, so a change
 * after the look is always seen.
 */
#ifndef SOURCE_RESOLVE_H
#define SOURCE_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "places.h"

/* Where a path leads with all symlinks followed. */
struct target {
    char dir[PATH_MAX]; /* "" where the directory does not exist yet */
    char base[NAME_MAX + 1];
};

/* False where no such file can be: a loop of links, a name too long. */
bool resolve_path(struct places *places, struct interests *set, const char *path,
                  struct target *out);

typedef void (*resolve_fn)(void *arg, const char *path);

/* Calls fn for every path that matches now, in the order of their names in each directory. */
void resolve_glob(struct places *places, struct interests *set, const char *pattern, resolve_fn fn,
                  void *arg);

/* Does the pattern hold a wildcard? */
bool resolve_is_glob(const char *pattern);

#endif
