#include "mailvane/daemon/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "mailvane/base/bug.h"

/* Events of one epoll_wait; the rest comes with the next, since they are level-triggered. */
#define EVENTS_MAX 64
/* Far beyond any use; keeps the sum with the clock in its type. */
#define TIMER_MS_MAX (INT64_MAX / 4)

/* Who waits for a descriptor; fn is NULL where nobody does. */
struct watch {
    loop_fn fn;
    void *arg;
    uint32_t generation; /* tells this watch from older ones of the same number */
};

struct loop {
    int epoll_fd;
    bool stopped;
    uint32_t generation;
    struct watch *watches; /* by descriptor, so RLIMIT_NOFILE is its bound */
    size_t watch_count;
    struct loop_timer *timers; /* by due time */
    struct loop_timer *due;    /* those that this round fires, by due time */
};

struct loop *loop_new(struct error *err)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        error_set(err, "cannot make an epoll descriptor: %s", strerror(errno));
        return NULL;
    }
    struct loop *loop = must_calloc(1, sizeof(*loop));
    loop->epoll_fd = epoll_fd;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll_fd);
    free(loop->watches);
    free(loop);
}

/* An event carries both numbers, never a pointer: it may come for a watch that is gone. */
static uint64_t event_key(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* Makes the table reach to that descriptor. */
static void reserve_watch(struct loop *loop, int fd)
{
    size_t need = (size_t)fd + 1;
    if (need <= loop->watch_count)
        return;
    size_t count = loop->watch_count ? loop->watch_count : 16;
    while (count < need)
        count *= 2;
    loop->watches = must_realloc(loop->watches, count * sizeof(*loop->watches));
    memset(loop->watches + loop->watch_count, 0,
           (count - loop->watch_count) * sizeof(*loop->watches));
    loop->watch_count = count;
}

int loop_watch(struct loop *loop, int fd, loop_fn fn, void *arg, struct error *err)
{
    bug_if(!fn);
    uint32_t generation = ++loop->generation;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = event_key(fd, generation)};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return error_set(err, "cannot watch descriptor %d: %s", fd, strerror(errno));
    reserve_watch(loop, fd);
    loop->watches[fd] = (struct watch){.fn = fn, .arg = arg, .generation = generation};
    return 0;
}

void loop_forget(struct loop *loop, int fd)
{
    if (fd < 0 || (size_t)fd >= loop->watch_count || !loop->watches[fd].fn)
        return;
    loop->watches[fd].fn = NULL;
    /* Fails only where the caller closed it first, which took it out as well. */
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Milliseconds of the clock; the part of one that has begun counts only where asked for. */
static int64_t clock_ms(bool round_up)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + (now.tv_nsec + (round_up ? 999999 : 0)) / 1000000;
}

static void timer_unlink(struct loop_timer **list, const struct loop_timer *timer)
{
    for (; *list; list = &(*list)->next) {
        if (*list == timer) {
            *list = timer->next;
            return;
        }
    }
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->due_ms)
        return;
    timer_unlink(&loop->due, timer);
    timer_unlink(&loop->timers, timer);
    timer->due_ms = 0;
    timer->next = NULL;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t ms)
{
    bug_if(!timer->fn);
    loop_timer_disarm(loop, timer);
    if (ms < 0)
        ms = 0;
    if (ms > TIMER_MS_MAX)
        ms = TIMER_MS_MAX;
    /* Rounded up here and down when it is looked at: never too early. 0 means "not armed". */
    timer->due_ms = ms ? clock_ms(true) + ms : clock_ms(false);
    if (!timer->due_ms)
        timer->due_ms = 1;
    struct loop_timer **at = &loop->timers;
    while (*at && (*at)->due_ms <= timer->due_ms)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

/* Takes off the front of the list what is due now. */
static struct loop_timer *take_due(struct loop *loop)
{
    int64_t now = clock_ms(false);
    struct loop_timer *first = loop->timers;
    struct loop_timer **at = &loop->timers;
    while (*at && (*at)->due_ms <= now)
        at = &(*at)->next;
    if (at == &loop->timers)
        return NULL;
    loop->timers = *at;
    *at = NULL;
    return first;
}

/* What a stop left over from the last run is still due, and earlier than the rest. */
static void fire_timers(struct loop *loop)
{
    if (!loop->due)
        loop->due = take_due(loop);
    while (loop->due && !loop->stopped) {
        struct loop_timer *timer = loop->due;
        loop->due = timer->next;
        timer->due_ms = 0;
        timer->next = NULL;
        timer->fn(timer->arg);
    }
}

/* For epoll_wait: until the first timer; -1 where there is none. */
static int wait_ms(const struct loop *loop)
{
    if (!loop->timers)
        return -1;
    int64_t left = loop->timers->due_ms - clock_ms(false);
    if (left <= 0)
        return 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}

/* Calls who waits, if it is still the one whom the event was meant for. */
static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    size_t fd = (uint32_t)event->data.u64;
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    bug_if(fd >= loop->watch_count);
    struct watch watch = loop->watches[fd];
    if (watch.fn && watch.generation == generation)
        watch.fn(watch.arg);
}

/* One wait and the calls that follow from it. */
static int poll_once(struct loop *loop, struct error *err)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));
    if (count < 0 && errno != EINTR)
        return error_set(err, "cannot wait for events: %s", strerror(errno));
    for (int i = 0; i < count && !loop->stopped; i++)
        dispatch(loop, &events[i]);
    return 0;
}

int loop_run(struct loop *loop, struct error *err)
{
    int status = 0;
    while (status == 0 && !loop->stopped) {
        fire_timers(loop);
        if (!loop->stopped)
            status = poll_once(loop, err);
    }
    loop->stopped = false;
    return status;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
