#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"

/* New data, or the watch is gone and nobody knows. */
static void member_notify(struct watched *watched, uint32_t mask, const char *name)
{
    struct member *member = (struct member *)watched;
    (void)name;
    member->ready = true;
    if (mask & IN_IGNORED)
        places_watch(&member->stream->follow->places, watched, member->tail.fd);
    follow_queue(member->stream);
}

struct member *member_new(struct stream *stream, int fd, const struct look *look)
{
    struct member *member = must_calloc(1, sizeof(*member));
    member->stream = stream;
    member->watched.wd = -1;
    member->watched.notify = member_notify;
    member->ready = true;
    tail_init(&member->tail, fd, look);
    stream->follow->open_files++;
    return member;
}

void member_free(struct member *member)
{
    places_forget(&member->stream->follow->places, &member->watched);
    member->stream->follow->open_files--;
    tail_release(&member->tail);
    if (member->archive)
        archive_free(member->archive);
    free(member);
}

static bool join_path(char out[PATH_MAX], const char *dir, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < PATH_MAX;
}

int open_beside(const char *dir, const char *name)
{
    char path[PATH_MAX];
    if (!join_path(path, dir, name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool look_beside(const char *dir, const char *name, struct look *out)
{
    char path[PATH_MAX];
    return dir[0] && join_path(path, dir, name) && look_at(AT_FDCWD, path, out);
}

/* Opens a regular file; -1 with errno. */
static int open_regular(const char *dir, const char *name, struct look *look)
{
    int fd = open_beside(dir, name);
    if (fd >= 0 && look_fd(fd, look) && look->regular)
        return fd;
    if (fd >= 0) {
        close(fd);
        errno = EINVAL;
    }
    return -1;
}

struct member *member_open(struct stream *stream, const char *dir, const char *name)
{
    struct look look;
    int fd = open_regular(dir, name, &look);
    return fd < 0 ? NULL : member_new(stream, fd, &look);
}

static struct member *open_archive(struct stream *stream, const char *dir, const char *name)
{
    const struct logger *log = stream->follow->options.log;
    char path[PATH_MAX];
    struct look look;
    int fd = join_path(path, dir, name) ? open_regular(dir, name, &look) : -1;
    if (fd < 0)
        return NULL;
    struct archive *archive = archive_new(log, path, fd);
    if (!archive) {
        errno = ENOTSUP;
        return NULL;
    }
    look.size = 0; /* of the content, as far as it is known */
    struct member *member = member_new(stream, -1, &look);
    member->archive = archive;
    return member;
}

struct member *member_open_sibling(struct stream *stream, const char *dir,
                                   const struct sibling *sibling)
{
    return sibling->compressed ? open_archive(stream, dir, sibling->name)
                               : member_open(stream, dir, sibling->name);
}
