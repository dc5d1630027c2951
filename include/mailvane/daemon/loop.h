/*
 * The one epoll loop. Everything that can wake the agent is a file descriptor or
 * a timer in it; there is one thread and there are no locks.
 *
 * A callback may do anything to the loop: watch or forget any descriptor, arm or
 * disarm any timer, its own included. What is forgotten or disarmed is not called
 * any more, even where its event was already fetched, and a descriptor whose
 * number is reused within one round never gets the event of the old one.
 *
 * The loop owns nothing that is registered with it: the caller closes its own
 * descriptors, after loop_forget, and keeps a timer's storage while it is armed.
 */
#ifndef MAILVANE_DAEMON_LOOP_H
#define MAILVANE_DAEMON_LOOP_H

#include <stdint.h>

#include "mailvane/base/error.h"

struct loop;

typedef void (*loop_fn)(void *arg);

/* A timer in the caller's storage; zeroed but for fn and arg before its first use. */
struct loop_timer {
    loop_fn fn;
    void *arg;
    int64_t due_ms; /* CLOCK_MONOTONIC; 0: not armed */
    struct loop_timer *next;
};

struct loop *loop_new(struct error *err);
void loop_free(struct loop *loop);

/*
 * Calls fn whenever fd is readable, hung up or in error (level-triggered). One
 * watcher a descriptor; regular files are refused, as epoll refuses them.
 */
int loop_watch(struct loop *loop, int fd, loop_fn fn, void *arg, struct error *err);
/* A descriptor that is not watched is left alone. */
void loop_forget(struct loop *loop, int fd);

/*
 * Calls timer->fn once, no sooner than in ms milliseconds; arming again moves it.
 * Timers fire by due time, the one armed first where it is the same; one that is
 * armed by a timer's callback waits for the next round, so that it cannot starve
 * the descriptors.
 */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t ms);
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/* Runs until loop_stop; -1 only if epoll itself fails. */
int loop_run(struct loop *loop, struct error *err);
/* No callback runs any more; before loop_run, it makes that return at once. */
void loop_stop(struct loop *loop);

#endif
