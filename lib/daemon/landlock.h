/*
 * Landlock: no file but those of a list. The rules are made while all paths can be
 * reached, and hold from landlock_enforce on. ABI 1 and later; a newer one adds what
 * it can forbid: truncating, ioctl on devices, TCP, signals to others.
 */
#ifndef MAILVANE_DAEMON_LANDLOCK_H
#define MAILVANE_DAEMON_LANDLOCK_H

#include "mailvane/daemon/sandbox.h"

struct landlock {
    int abi;     /* 0: the kernel has none, and nothing is done */
    int ruleset; /* descriptor; -1: none */
};

/* Makes empty rules. Warns where the kernel has no landlock; the rest does nothing then. */
int landlock_init(struct landlock *landlock, const struct logger *log, struct error *err);
/* Adds rules; what is not there is left out. */
int landlock_add(struct landlock *landlock, const struct sandbox_grant *grants, size_t count,
                 struct error *err);
/* Needs "no new privileges". */
int landlock_enforce(const struct landlock *landlock, struct error *err);
void landlock_release(struct landlock *landlock);

#endif
