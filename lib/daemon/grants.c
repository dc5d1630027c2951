#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/slice.h"
#include "mailvane/daemon/sandbox.h"

/* Made by the system and never anew, so that nothing above it is needed. */
#define LOGS_OF_THE_SYSTEM "/var/log"

/* Whether the directory is the path, or has it somewhere in it; both without links. */
static bool covers(const char *dir, const char *path)
{
    struct slice rest = slice_str(path);
    return slice_take(&rest, slice_str(dir)) && (!rest.len || rest.ptr[0] == '/' || !dir[1]);
}

static void grant(struct sandbox *sandbox, enum sandbox_right right, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return;
    for (size_t i = 0; i < sandbox->count; i++) {
        if (sandbox->grants[i].right == right && covers(sandbox->grants[i].path, real))
            return;
    }
    size_t bytes = (sandbox->count + 1) * sizeof(*sandbox->grants);
    sandbox->grants = must_realloc(sandbox->grants, bytes);
    sandbox->grants[sandbox->count++] =
        (struct sandbox_grant){.path = must_strdup(real), .right = right};
}

void sandbox_release(struct sandbox *sandbox)
{
    while (sandbox->count)
        free(sandbox->grants[--sandbox->count].path);
    free(sandbox->grants);
    sandbox->grants = NULL;
}

/* The path from the root on; false where it is too long to be one. */
static bool make_absolute(char out[PATH_MAX], const char *path)
{
    char cwd[PATH_MAX] = "";
    if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return false;
    int len = snprintf(out, PATH_MAX, "%s%s%s", cwd, *cwd ? "/" : "", path);
    return len > 0 && len < PATH_MAX;
}

/* Cuts the last component off; "/" stays. */
static void go_up(char path[PATH_MAX])
{
    char *up = dirname(path);
    memmove(path, up, strlen(up) + 1);
}

/* Goes up until something is there; true where something was there at once. */
static bool find_existing(char path[PATH_MAX])
{
    bool there = true;
    struct stat st;
    while (stat(path, &st) != 0 && strcmp(path, "/") != 0) {
        go_up(path);
        there = false;
    }
    return there;
}

void sandbox_allow(struct sandbox *sandbox, enum sandbox_right right, const char *path)
{
    char here[PATH_MAX];
    if (!make_absolute(here, path))
        return;
    find_existing(here);
    grant(sandbox, right, here);
}

/* The directory that holds a path, or the path itself right below the root. */
static void allow_holder(struct sandbox *sandbox, const char *path)
{
    char here[PATH_MAX];
    if (!make_absolute(here, path))
        return;
    go_up(here);
    sandbox_allow(sandbox, SANDBOX_READ, strcmp(here, "/") == 0 ? path : here);
}

void sandbox_allow_file(struct sandbox *sandbox, const char *path)
{
    char target[PATH_MAX];
    allow_holder(sandbox, path);
    if (realpath(path, target))
        allow_holder(sandbox, target);
}

/* True where what is above a directory would be all of the file system, or all of /var. */
static bool stands_alone(const char *dir)
{
    return strrchr(dir, '/') == dir || strcmp(dir, LOGS_OF_THE_SYSTEM) == 0;
}

/* A directory of logs: what is above it can make it anew. */
static void allow_directory(struct sandbox *sandbox, const char *dir)
{
    char here[PATH_MAX], real[PATH_MAX];
    if (!make_absolute(here, dir))
        return;
    bool there = find_existing(here);
    if (!realpath(here, real))
        return;
    if (there && !stands_alone(real))
        go_up(real);
    grant(sandbox, SANDBOX_READ, real);
}

/* A link in a path can be switched to what lies beside it. */
static void allow_beside_link(struct sandbox *sandbox, const char *link)
{
    char here[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (lstat(link, &st) != 0 || !S_ISLNK(st.st_mode) || !make_absolute(here, link))
        return;
    go_up(here);
    if (realpath(here, real) && (!stands_alone(real) || strcmp(real, LOGS_OF_THE_SYSTEM) == 0))
        grant(sandbox, SANDBOX_READ, real);
}

/* Looks at every beginning of a path that ends with a component. */
static void allow_links(struct sandbox *sandbox, const char *path)
{
    char part[PATH_MAX];
    for (size_t len = 1; path[len - 1] && len < sizeof(part); len++) {
        if (path[len] != '/' && path[len] != '\0')
            continue;
        memcpy(part, path, len);
        part[len] = '\0';
        allow_beside_link(sandbox, part);
    }
}

/* A name without wildcards: where it lies, and where it leads to. */
static void allow_name(struct sandbox *sandbox, const char *path)
{
    char dir[PATH_MAX], target[PATH_MAX] = "";
    if (!make_absolute(dir, path))
        return;
    allow_links(sandbox, dir);
    go_up(dir);
    allow_directory(sandbox, dir);
    if (realpath(path, target))
        go_up(target);
    /* Else it is what a link leads to and is not there, as far as its first missing part. */
    if (*target)
        allow_directory(sandbox, target);
}

/* The directory above the first wildcard; true where there is one. */
static bool cut_wildcards(char path[PATH_MAX])
{
    size_t at = strcspn(path, "*?[");
    if (!path[at])
        return false;
    path[at] = '\0';
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
    return true;
}

void sandbox_allow_log(struct sandbox *sandbox, const char *pattern)
{
    char fixed[PATH_MAX];
    if (!make_absolute(fixed, pattern))
        return;
    if (!cut_wildcards(fixed)) {
        allow_name(sandbox, pattern);
        return;
    }
    allow_links(sandbox, fixed);
    allow_directory(sandbox, fixed);
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            allow_name(sandbox, found.gl_pathv[i]);
    }
    globfree(&found);
}
