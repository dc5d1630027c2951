/* A spool for fuzzers of queues: one directory in it, and a look at what was put there. */
#ifndef TESTS_FUZZ_SPOOL_H
#define TESTS_FUZZ_SPOOL_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/queue/look.h"

static char spool_dir[] = "/tmp/fuzz-spool-XXXXXX";

static inline void spool_remove(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", spool_dir);
    if (system(command) != 0)
        return;
}

static inline void spool_make(const char *dir)
{
    char path[64];
    bug_if(!mkdtemp(spool_dir));
    snprintf(path, sizeof(path), "%s/%s", spool_dir, dir);
    bug_if(mkdir(path, 0700) != 0);
    atexit(spool_remove);
}

/* It is old: nobody is writing it. */
static inline void spool_put(const char *name, struct slice bytes)
{
    static const struct timespec old[2];
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", spool_dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bug_if(fd < 0);
    bug_if(write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len);
    bug_if(futimens(fd, old) != 0);
    close(fd);
}

struct told {
    uint64_t messages, recipients, unreadable;
};

static inline struct told spool_look(const char *mta)
{
    struct told told = {0};
    struct error err;
    enum look_step step;
    struct look *look = look_new(queue_reader_named(mta), spool_dir);
    bug_if(look_begin(look, &err) != 0);
    while ((step = look_next(look, &err)) != LOOK_END) {
        bug_if(step == LOOK_FAILED || step == LOOK_WAIT);
        told.messages += step == LOOK_MESSAGE;
        told.recipients += step == LOOK_RECIPIENT;
    }
    told.unreadable = look->unreadable;
    look_end(look);
    look_free(look);
    return told;
}

#endif
