#include "mailvane/base/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailvane/base/bug.h"

/* Some hundred events a read(2); the longest single one needs under 300 bytes. */
#define WATCH_BUFFER 16384
/* With the longest name. */
#define WATCH_EVENT_MAX ((ssize_t)sizeof(struct inotify_event) + NAME_MAX + 1)

int watch_open(struct watch *watch, struct error *err)
{
    *watch = (struct watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (watch->fd < 0)
        return error_set(err, "inotify: %s (see fs.inotify.max_user_instances)", strerror(errno));
    watch->buf = must_calloc(WATCH_BUFFER, 1);
    return 0;
}

void watch_close(struct watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->buf);
    *watch = (struct watch){.fd = -1};
}

int watch_path(struct watch *watch, const char *path, uint32_t mask)
{
    return inotify_add_watch(watch->fd, path, mask);
}

int watch_fd(struct watch *watch, int fd, uint32_t mask)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return inotify_add_watch(watch->fd, path, mask);
}

void watch_drop(struct watch *watch, int wd)
{
    if (wd >= 0)
        inotify_rm_watch(watch->fd, wd);
}

/*
 * One read(2) takes all that is queued. Asking again at once would not end while
 * somebody writes line by line: each line is an event.
 */
static bool fill(struct watch *watch)
{
    ssize_t got;
    if (watch->emptied) {
        watch->emptied = false;
        return false;
    }
    do {
        got = read(watch->fd, watch->buf, WATCH_BUFFER);
    } while (got < 0 && errno == EINTR);
    watch->at = 0;
    watch->len = got > 0 ? (size_t)got : 0;
    watch->emptied = got > 0 && got + WATCH_EVENT_MAX <= WATCH_BUFFER;
    return got > 0;
}

bool watch_next(struct watch *watch, struct watch_event *out)
{
    if (watch->at == watch->len && !fill(watch))
        return false;
    /* The kernel pads names, so that every event is aligned. */
    const void *here = watch->buf + watch->at;
    const struct inotify_event *event = here;
    watch->at += sizeof(*event) + event->len;
    *out = (struct watch_event){
        .wd = event->wd, .mask = event->mask, .name = event->len ? event->name : ""};
    return true;
}
