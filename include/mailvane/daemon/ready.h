/*
 * What the supervisor is told: systemd's notify protocol, sd_notify(3), where
 * NOTIFY_SOCKET is set and this was built with libsystemd. Else everything here does
 * nothing, with one warning if somebody waits for it.
 *
 * The watchdog is fed by a timer of the loop, twice in its time: a loop that hangs
 * does not feed it. Each message opens a socket of its own, so nothing has to be
 * open before rights are given up, but the socket's path must be reachable.
 */
#ifndef MAILVANE_DAEMON_READY_H
#define MAILVANE_DAEMON_READY_H

#include <stdbool.h>

#include "mailvane/base/log.h"
#include "mailvane/daemon/loop.h"

struct ready {
    struct loop *loop;
    struct loop_timer pulse;
    int64_t pulse_ms; /* 0: no watchdog */
    bool is_up;
    bool is_reloading;
};

/* Status texts are one line for people: what "systemctl status" shows. */
void ready_init(struct ready *ready, struct loop *loop, const struct logger *log,
                const char *status);
/* The start is done. Only the first call counts. */
void ready_up(struct ready *ready, const char *status);
/* Before ready_up there is nothing to reload for the supervisor: it is still the start. */
void ready_reload(struct ready *ready);
/* Ends a reload; without one it does nothing. */
void ready_reloaded(struct ready *ready);
/* Also after a failed start, where ready_init may not have been called (zeroed). */
void ready_stop(struct ready *ready);

#endif
