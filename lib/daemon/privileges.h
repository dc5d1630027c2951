/*
 * Who the process is and what the kernel lets it do beyond its files: user,
 * capabilities, new privileges.
 */
#ifndef MAILVANE_DAEMON_PRIVILEGES_H
#define MAILVANE_DAEMON_PRIVILEGES_H

#include "mailvane/daemon/sandbox.h"

/*
 * From root to the user, with the groups that he is a member of. A user that was
 * named and is not there, or is root, is an error. Where none was named and there is
 * no SANDBOX_USER, a warning: it stays root by number, and joins group adm, since
 * without capabilities root reads only what is its own.
 */
int privileges_change_user(const char *user, const struct logger *log, struct error *err);

/* So that nobody gets it back: as far as the process may. Before the user is changed. */
void privileges_drop_bounds(void);

/* All capabilities. */
int privileges_drop(struct error *err);

/* No program that is executed gives more rights than the process has. */
int privileges_forbid_new(struct error *err);

#endif
