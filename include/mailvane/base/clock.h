/*
 * The clock that nobody can put back (CLOCK_MONOTONIC), for how long something takes. What
 * time it is says time(2).
 */
#ifndef MAILVANE_BASE_CLOCK_H
#define MAILVANE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

#endif
