/*
 * What the agent gives away for good once its ports are open and its tables are
 * read, so that a flaw in a parser is worth little to whoever wrote the line.
 *
 * In this order: root, for an unprivileged user; all capabilities, those that could
 * come back included; the way to new ones through setuid programs; every file that
 * was not granted (landlock); system calls that no log needs (seccomp). Nothing of
 * it can be taken back, and child processes have the same. What the kernel lacks is
 * skipped with one warning each. Memory that is writable and executable is given up
 * earlier, by sandbox_seal_memory: before PCRE2 makes any.
 *
 * A grant is for what lies there now. A directory counts with all that will ever be
 * in it; one that is removed and made anew is another one, which is why the grants
 * for logs reach a directory further up. One thread only: a second one would keep
 * its rights.
 */
#ifndef MAILVANE_DAEMON_SANDBOX_H
#define MAILVANE_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"

/* Whom root becomes where none is named. */
#define SANDBOX_USER "mailvane"

enum sandbox_right {
    SANDBOX_READ,
    SANDBOX_LIST,  /* the names in a directory, not what the files hold */
    SANDBOX_WRITE, /* read, too; in a directory also make and remove files */
    SANDBOX_RUN,   /* read and execute */
};

struct sandbox_grant {
    char *path;
    enum sandbox_right right;
};

/* Zeroed but for log, user and may_run before its first use. */
struct sandbox {
    const struct logger *log;
    const char *user; /* whom root becomes; NULL: SANDBOX_USER where there is one */
    bool may_run;     /* programs may be executed: those of the system's own directories */
    struct sandbox_grant *grants;
    size_t count;
};

/*
 * Grants a path and all beneath it. Where nothing is there yet, the nearest
 * directory above it that is there: what appears later can be reached then.
 */
void sandbox_allow(struct sandbox *sandbox, enum sandbox_right right, const char *path);

/* A file that is replaced by renaming: its directory, and that of what a link points to. */
void sandbox_allow_file(struct sandbox *sandbox, const char *path);

/*
 * A log, or a glob of them: reading whatever following them may lead to, through
 * rotation, directories made anew and links that are switched. Reaches one directory
 * further up than the log lies, but never to the root of the file system (unless the
 * log is there, or no directory of its path) and not beyond /var/log.
 */
void sandbox_allow_log(struct sandbox *sandbox, const char *pattern);

/*
 * No memory is writable and executable at once from now on, and none becomes
 * executable later; -1 where the kernel refuses for an unknown reason. Sets
 * "no new privileges", too.
 */
int sandbox_seal_memory(const struct logger *log, struct error *err);

/* Only the change from root to the user; without root a warning where one is named. */
int sandbox_become_user(const struct sandbox *sandbox, struct error *err);

/*
 * Gives everything up. -1 with a sentence where that fails for any other reason than
 * that the kernel lacks it: the process is half confined then, and should end.
 */
int sandbox_enter(struct sandbox *sandbox, struct error *err);

/* Frees the list of grants, not the rights. */
void sandbox_release(struct sandbox *sandbox);

#endif
