/*
 * A disk that fails, for LD_PRELOAD: while the file $FAULTY_WHEN exists, writing to a file
 * whose path holds $FAULTY_PATH fails with the error whose number that file holds. With
 * $FAULTY_UNBORN the file system does not know when a file was made.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* The error that this descriptor is to fail with; 0: none. */
static int error_of(int fd)
{
    const char *when = getenv("FAULTY_WHEN"), *path = getenv("FAULTY_PATH");
    char link[64], target[4096];
    int error = 0;
    FILE *file = when && path ? fopen(when, "re") : NULL;
    if (!file)
        return 0;
    if (fscanf(file, "%d", &error) != 1)
        error = ENOSPC;
    fclose(file);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    return strstr(target, path) ? error : 0;
}

#define FAULTY(type, name, parameters, arguments)                                                  \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        int error = error_of(fd);                                                                  \
        if (!real)                                                                                 \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                             \
        if (!error)                                                                                \
            return real arguments;                                                                 \
        errno = error;                                                                             \
        return -1;                                                                                 \
    }

FAULTY(ssize_t, pwrite64, (int fd, const void *bytes, size_t len, off64_t at), (fd, bytes, len, at))
FAULTY(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t at), (fd, bytes, len, at))
FAULTY(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len))
FAULTY(int, fsync, (int fd), (fd))
FAULTY(int, fdatasync, (int fd), (fd))

int statx(int dirfd, const char *restrict path, int flags, unsigned mask,
          struct statx *restrict out)
{
    static int (*real)(int, const char *, int, unsigned, struct statx *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "statx");
    int rc = real(dirfd, path, flags, mask, out);
    if (rc == 0 && getenv("FAULTY_UNBORN"))
        out->stx_mask &= ~STATX_BTIME;
    return rc;
}
