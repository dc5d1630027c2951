#include "mailvane/daemon/ready.h"

#include <stdlib.h>

#ifdef MAILVANE_WITH_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include <time.h>

#ifdef MAILVANE_WITH_SYSTEMD

/* Who does not listen is not waited for. */
#define tell(...) ((void)sd_notifyf(0, __VA_ARGS__))

static int64_t watchdog_ms(void)
{
    uint64_t usec = 0;
    return sd_watchdog_enabled(0, &usec) > 0 ? (int64_t)(usec / 1000) : 0;
}

static void warn_if_waited_for(const struct logger *log)
{
    (void)log;
}

#else

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
    (void)format;
}

static int64_t watchdog_ms(void)
{
    return 0;
}

static void warn_if_waited_for(const struct logger *log)
{
    if (getenv("NOTIFY_SOCKET"))
        log_warn(log, "built without libsystemd: the supervisor is not told when this is ready");
}

#endif

static void on_pulse(void *arg)
{
    struct ready *ready = arg;
    tell("WATCHDOG=1");
    loop_timer_arm(ready->loop, &ready->pulse, ready->pulse_ms);
}

void ready_init(struct ready *ready, struct loop *loop, const struct logger *log,
                const char *status)
{
    *ready = (struct ready){.loop = loop, .pulse = {.fn = on_pulse, .arg = ready}};
    ready->pulse_ms = watchdog_ms() / 2;
    warn_if_waited_for(log);
    tell("STATUS=%s", status);
    if (ready->pulse_ms > 0)
        loop_timer_arm(loop, &ready->pulse, 0);
}

void ready_up(struct ready *ready, const char *status)
{
    if (ready->is_up)
        return;
    ready->is_up = true;
    tell("READY=1\nSTATUS=%s", status);
}

/* The time is for units of Type=notify-reload. */
void ready_reload(struct ready *ready)
{
    struct timespec now;
    if (!ready->is_up)
        return;
    ready->is_reloading = true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    tell("RELOADING=1\nMONOTONIC_USEC=%lld", now.tv_sec * 1000000LL + now.tv_nsec / 1000);
}

void ready_reloaded(struct ready *ready)
{
    if (!ready->is_reloading)
        return;
    ready->is_reloading = false;
    tell("READY=1");
}

void ready_stop(struct ready *ready)
{
    if (!ready->loop)
        return;
    loop_timer_disarm(ready->loop, &ready->pulse);
    tell("STOPPING=1\nSTATUS=stopping");
}
