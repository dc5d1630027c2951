/*
 * A directory of a harness's own, in memory where the machine has such a place. It is the
 * current one, so that names in it are short, and goes when the harness ends.
 */
#ifndef MAILVANE_TESTS_FUZZ_STAGE_H
#define MAILVANE_TESTS_FUZZ_STAGE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"

static char stage_path[64];
static int stage_fd = -1; /* where libFuzzer's own names are relative to */

/* Removes every file; directories stay. */
static inline void stage_clear(void)
{
    DIR *dir = opendir(stage_path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

static void stage_close(void)
{
    stage_clear();
    rmdir(stage_path);
}

static inline void stage_open(void)
{
    static const char *const places[] = {"/dev/shm", "/tmp"};
    stage_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(stage_path, sizeof(stage_path), "%s/mailvane-fuzz-XXXXXX", places[i]);
        if (mkdtemp(stage_path))
            break;
    }
    bug_if(stage_fd < 0 || atexit(stage_close) != 0);
}

/* To be called around what a harness does: between two inputs names are libFuzzer's. */
static inline void stage_enter(void)
{
    bug_if(chdir(stage_path) != 0);
}

static inline void stage_leave(void)
{
    bug_if(fchdir(stage_fd) != 0);
}

static inline void stage_write(const char *name, struct slice bytes)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bug_if(fd < 0 || write(fd, bytes.ptr ? bytes.ptr : "", bytes.len) != (ssize_t)bytes.len);
    close(fd);
}

#endif
