#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

static int push(struct walk *walk, int fd)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        errno = why;
        return -1;
    }
    walk->dirs[walk->depth++] = dir;
    return 0;
}

int walk_open(struct walk *walk, const char *path)
{
    walk_close(walk);
    walk->path[0] = '\0';
    return push(walk, open(path, DIR_FLAGS & ~O_NOFOLLOW));
}

void walk_close(struct walk *walk)
{
    while (walk->depth)
        closedir(walk->dirs[--walk->depth]);
}

static int top_fd(const struct walk *walk)
{
    return dirfd(walk->dirs[walk->depth - 1]);
}

static void path_add(struct walk *walk, const char *name)
{
    size_t len = strlen(walk->path);
    snprintf(walk->path + len, sizeof(walk->path) - len, "%s%s", len ? "/" : "", name);
}

static void path_cut(struct walk *walk)
{
    char *slash = strrchr(walk->path, '/');
    *(slash ? slash : walk->path) = '\0';
}

static enum walk_step enter(struct walk *walk, const char *name)
{
    if (walk->depth > WALK_DEPTH || strcmp(name, "lost+found") == 0)
        return WALK_NOTHING;
    path_add(walk, name);
    if (push(walk, openat(top_fd(walk), name, DIR_FLAGS)) == 0)
        return WALK_NOTHING;
    if (errno != ENOENT)
        return WALK_FAILED;
    path_cut(walk);
    return WALK_NOTHING;
}

/* Some file systems do not tell the type of an entry. */
static unsigned char type_of(const struct walk *walk, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(top_fd(walk), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

enum walk_step walk_next(struct walk *walk)
{
    if (!walk->depth)
        return WALK_DONE;
    errno = 0;
    const struct dirent *entry = readdir(walk->dirs[walk->depth - 1]);
    if (!entry) {
        if (errno)
            return WALK_FAILED;
        closedir(walk->dirs[--walk->depth]);
        path_cut(walk);
        return WALK_NOTHING;
    }
    if (entry->d_name[0] == '.')
        return WALK_NOTHING;
    unsigned char type = type_of(walk, entry);
    if (type == DT_DIR)
        return enter(walk, entry->d_name);
    walk->name = entry->d_name;
    return type == DT_REG ? WALK_FILE : WALK_NOTHING;
}

int walk_stat(const struct walk *walk, const char *name, struct stat *st)
{
    return fstatat(top_fd(walk), name, st, AT_SYMLINK_NOFOLLOW);
}

int walk_open_file(const struct walk *walk, const char *name)
{
    return openat(top_fd(walk), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}
