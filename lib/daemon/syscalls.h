/*
 * seccomp, through libseccomp: system calls answered with EPERM from now on, here
 * and in every child. A list of what is forbidden, not of what is allowed: a libc or
 * a libmicrohttpd that uses a new harmless call must not stop an agent. The unit in
 * packaging/ has a list of what is allowed besides.
 */
#ifndef MAILVANE_DAEMON_SYSCALLS_H
#define MAILVANE_DAEMON_SYSCALLS_H

#include <stdbool.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"

/*
 * All need "no new privileges". 1: done; 0: the kernel, or what we run in, has no
 * seccomp, which was warned of; -1: error.
 */
int syscalls_forbid(bool may_run, const struct logger *log, struct error *err);
/* mmap(2), mprotect(2) and the like that make memory executable and writable. */
int syscalls_forbid_wx(const struct logger *log, struct error *err);

#endif
