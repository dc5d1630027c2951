/*
 * What the process says of itself: the numbers behind the standard process_*
 * metrics of Prometheus' client libraries on Linux, read from /proc when asked.
 */
#ifndef MAILVANE_EXPOSE_PROCESS_H
#define MAILVANE_EXPOSE_PROCESS_H

#include <stdint.h>

#include "mailvane/base/error.h"

struct process_stats {
    double cpu_seconds;        /* user and system, of all threads */
    double start_time_seconds; /* since the epoch */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds; /* without the one that counts them */
    uint64_t max_fds;  /* the soft limit; UINT64_MAX: none */
};

int process_stats_read(struct process_stats *stats, struct error *err);

#endif
