#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_READERS "adm" /* Debian's group for those who read logs */

/* Started as root without a user to become. */
static int stay_root(const struct logger *log)
{
    const struct group *readers = getgrnam(LOG_READERS);
    if (readers)
        initgroups("root", readers->gr_gid);
    log_warn(log, "started as root, and there is no user " SANDBOX_USER ": goes on as root, "
                  "without capabilities; make that user, or name another one with the key user");
    return 0;
}

static int become(const struct passwd *user, struct error *err)
{
    if (initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return error_set(err, "cannot become user %s: %s", user->pw_name, strerror(errno));
    return 0;
}

/* Somebody else has chosen the user, such as systemd. */
static int stay_user(const char *name, const struct logger *log)
{
    const struct passwd *user = name ? getpwnam(name) : NULL;
    if (name && (!user || user->pw_uid != geteuid()))
        log_warn(log, "cannot become user %s, as this was not started as root", name);
    return 0;
}

int privileges_change_user(const char *name, const struct logger *log, struct error *err)
{
    if (geteuid() != 0)
        return stay_user(name, log);
    errno = 0;
    const struct passwd *user = getpwnam(name ? name : SANDBOX_USER);
    if (!user && !name)
        return stay_root(log);
    if (!user)
        return error_set(err, "user: there is no user \"%s\"", name);
    if (user->pw_uid == 0)
        return error_set(err, "user: \"%s\" is root; name a user without rights", user->pw_name);
    return become(user, err);
}

void privileges_drop_bounds(void)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0L, 0L, 0L) == 0; cap++)
        ;
}

/* No wrapper in libc, and libcap would be a library for two calls. */
int privileges_drop(struct error *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2] = {{0}}, none[2] = {{0}};
    /* A unit may have taken them already, and the call with them. */
    if (syscall(SYS_capget, &head, have) == 0 && memcmp(have, none, sizeof(none)) == 0)
        return 0;
    if (syscall(SYS_capset, &head, none) == 0)
        return 0;
    return error_set(err, "cannot drop capabilities: %s", strerror(errno));
}

int privileges_forbid_new(struct error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0)
        return 0;
    return error_set(err, "cannot give up new privileges: %s", strerror(errno));
}
