#include "resolve.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ident.h"
#include "mailvane/base/slice.h"

#define LINKS_MAX 40 /* as the kernel (MAXSYMLINKS) */

/* A path being walked: the directory reached, without symlinks, and what is left of the path. */
struct walk {
    char here[PATH_MAX]; /* "" is the root */
    char rest[PATH_MAX];
    char name[NAME_MAX + 1]; /* the component taken last */
    unsigned links;
};

static const char *here_dir(const struct walk *walk)
{
    return walk->here[0] ? walk->here : "/";
}

static bool copy_text(char *out, size_t cap, struct slice text)
{
    if (text.len >= cap)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* Takes the next component off the rest. */
static bool take_name(struct walk *walk)
{
    struct slice rest = slice_str(walk->rest);
    while (slice_take(&rest, SLICE("/")))
        ;
    size_t len = slice_find(rest, '/');
    bool fits = len > 0 && copy_text(walk->name, sizeof(walk->name), slice_head(rest, len));
    rest = slice_skip(rest, len);
    memmove(walk->rest, rest.ptr, rest.len + 1);
    return fits;
}

static bool is_last(const struct walk *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

static bool join(char out[PATH_MAX], const char *dir, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < PATH_MAX;
}

static bool enter_directory(struct walk *walk)
{
    char next[PATH_MAX];
    if (!join(next, walk->here, walk->name))
        return false;
    return copy_text(walk->here, sizeof(walk->here), slice_str(next));
}

/* "." and ".."; here holds no symlink, so cutting its last part is right. */
static bool is_dots(struct walk *walk)
{
    if (strcmp(walk->name, ".") == 0)
        return true;
    if (strcmp(walk->name, "..") != 0)
        return false;
    char *slash = strrchr(walk->here, '/');
    if (slash)
        *slash = '\0';
    return true;
}

/* Puts what the link says in front of the rest. */
static bool follow_link(struct walk *walk)
{
    char link[PATH_MAX], text[PATH_MAX], rest[PATH_MAX];
    if (++walk->links > LINKS_MAX || !join(link, walk->here, walk->name))
        return false;
    ssize_t len = readlink(link, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    if (!join(rest, text, walk->rest))
        return false;
    if (text[0] == '/')
        walk->here[0] = '\0';
    /* The slash that join put at the end is not part of a last name. */
    size_t keep = strlen(rest);
    while (keep > 1 && rest[keep - 1] == '/')
        keep--;
    return copy_text(walk->rest, sizeof(walk->rest), slice_of(rest, keep));
}

static bool look_here(const struct walk *walk, struct look *look)
{
    char path[PATH_MAX];
    return join(path, walk->here, walk->name) && look_at(AT_FDCWD, path, look);
}

bool resolve_path(struct places *places, struct interests *set, const char *path,
                  struct target *out)
{
    struct walk walk = {0};
    struct look look;
    *out = (struct target){0};
    if (!copy_text(walk.rest, sizeof(walk.rest), slice_str(path)))
        return false;
    while (take_name(&walk)) {
        if (is_dots(&walk))
            continue;
        bool last = is_last(&walk);
        interests_add(set, places, here_dir(&walk), last ? NULL : walk.name);
        bool exists = look_here(&walk, &look);
        if (exists && look.link) {
            if (!follow_link(&walk))
                return false;
        } else if (last) {
            copy_text(out->dir, sizeof(out->dir), slice_str(here_dir(&walk)));
            return copy_text(out->base, sizeof(out->base), slice_str(walk.name));
        } else if (!exists || !look.directory) {
            return true;
        } else if (!enter_directory(&walk)) {
            return false;
        }
    }
    return false;
}

bool resolve_is_glob(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

struct expansion {
    struct places *places;
    struct interests *set;
    resolve_fn fn;
    void *arg;
};

static void expand(const struct expansion *ex, const struct walk *from);

/* The component taken last is a name that exists, or not. */
static void expand_name(const struct expansion *ex, const struct walk *from)
{
    char path[PATH_MAX];
    struct walk walk = *from;
    if (!join(path, walk.here, walk.name))
        return;
    if (!is_last(&walk)) {
        if (enter_directory(&walk))
            expand(ex, &walk);
    } else if (access(path, F_OK) == 0) {
        ex->fn(ex->arg, path);
    }
}

static void expand_wildcard(const struct expansion *ex, const struct walk *from)
{
    struct dirent **entries;
    int count = scandir(here_dir(from), &entries, NULL, alphasort);
    struct walk walk = *from;
    for (int i = 0; i < count; i++) {
        struct slice name = slice_str(entries[i]->d_name);
        if (fnmatch(from->name, name.ptr, FNM_PERIOD) == 0 &&
            copy_text(walk.name, sizeof(walk.name), name))
            expand_name(ex, &walk);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void expand(const struct expansion *ex, const struct walk *from)
{
    struct walk walk = *from;
    if (!take_name(&walk))
        return;
    bool wild = resolve_is_glob(walk.name);
    interests_add(ex->set, ex->places, here_dir(&walk), wild ? NULL : walk.name);
    if (wild)
        expand_wildcard(ex, &walk);
    else
        expand_name(ex, &walk);
}

void resolve_glob(struct places *places, struct interests *set, const char *pattern, resolve_fn fn,
                  void *arg)
{
    struct expansion ex = {.places = places, .set = set, .fn = fn, .arg = arg};
    struct walk walk = {0};
    if (copy_text(walk.rest, sizeof(walk.rest), slice_str(pattern)))
        expand(&ex, &walk);
}
