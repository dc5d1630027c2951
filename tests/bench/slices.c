/*
 * How long the agent's loop is away between two waits, for LD_PRELOAD: what takes a
 * millisecond or more is a line of the file $SLICES, "WHEN WALL CPU QUEUED" in microseconds:
 * WHEN by CLOCK_MONOTONIC, QUEUED for how long others had the processors. libmicrohttpd's own
 * epoll_wait, within a slice, is none.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define WORTH_A_LINE 1000

static int64_t us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The second number of schedstat, in nanoseconds. */
static int64_t queued_us(void)
{
    static int fd = -1;
    char text[100];
    long long ran = 0, queued = 0;
    if (fd < 0)
        fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return sscanf(text, "%lld %lld", &ran, &queued) == 2 ? queued / 1000 : 0;
}

static void note(int64_t wall, int64_t cpu, int64_t queued)
{
    static int out = -1;
    char line[80];
    const char *path = getenv("SLICES");
    if (out < 0 && path)
        out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int len = snprintf(line, sizeof(line), "%lld %lld %lld %lld\n", (long long)us(CLOCK_MONOTONIC),
                       (long long)wall, (long long)cpu, (long long)queued);
    if (out >= 0 && write(out, line, (size_t)len) != len)
        _exit(3);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    static int (*real)(int, struct epoll_event *, int, int);
    static int loop = -1;
    static int64_t wall, cpu, queued;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    if (loop < 0)
        loop = fd;
    if (fd != loop)
        return real(fd, events, count, timeout);
    int64_t took = us(CLOCK_MONOTONIC) - wall;
    if (wall && took >= WORTH_A_LINE)
        note(took, us(CLOCK_THREAD_CPUTIME_ID) - cpu, queued_us() - queued);
    int got = real(fd, events, count, timeout);
    queued = queued_us();
    wall = us(CLOCK_MONOTONIC);
    cpu = us(CLOCK_THREAD_CPUTIME_ID);
    return got;
}
