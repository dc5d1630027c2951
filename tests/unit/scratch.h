/* A directory for what a test writes, below $TMPDIR or /tmp, and the files in it. */
#ifndef MAILVANE_TESTS_SCRATCH_H
#define MAILVANE_TESTS_SCRATCH_H

#include "guard.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>

#define SCRATCH_MAX 200 /* of its path */

static inline void scratch_make(char dir[SCRATCH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, SCRATCH_MAX, "%.150s/mailvane-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static inline int scratch_remove_entry(const char *path, const struct stat *st, int type,
                                       struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* With all that is in it; 0, or what remove() says. */
static inline int scratch_remove(const char *dir)
{
    return nftw(dir, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Instead of what was there. */
static inline void file_write(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr ? bytes.ptr : "", bytes.len), (ssize_t)bytes.len);
    close(fd);
}

static inline void scratch_write(const char *dir, const char *name, const char *text)
{
    char path[SCRATCH_MAX + 100];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file_write(path, slice_str(text));
}

#endif
