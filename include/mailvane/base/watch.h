/*
 * inotify, thinly: events one at a time, never blocking.
 *
 * The kernel gives one descriptor (wd) an inode: asking again for the same inode
 * gives the same wd. A wd is dead after an event with IN_IGNORED. An event with
 * IN_Q_OVERFLOW has no wd (-1): anything may have happened.
 */
#ifndef MAILVANE_BASE_WATCH_H
#define MAILVANE_BASE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

#include "mailvane/base/error.h"

/* What changes which file a name in a directory stands for, or who may open it. */
#define WATCH_NAMES                                                                                \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF |            \
     IN_MOVE_SELF | IN_ONLYDIR)

struct watch {
    int fd; /* readable when there are events */
    char *buf;
    size_t at;
    size_t len;
    bool emptied; /* the last read took all there was */
};

struct watch_event {
    int wd;
    uint32_t mask;
    const char
        *name; /* within the directory, "" for the watched thing itself; until the next call */
};

int watch_open(struct watch *watch, struct error *err);
void watch_close(struct watch *watch);

/* Both give the wd, or -1 with errno. */
int watch_path(struct watch *watch, const char *path, uint32_t mask);
/* The very inode that is open, whatever name it has or had. */
int watch_fd(struct watch *watch, int fd, uint32_t mask);
void watch_drop(struct watch *watch, int wd);

/* False when all was said that there was to say when it was asked first. */
bool watch_next(struct watch *watch, struct watch_event *out);

#endif
