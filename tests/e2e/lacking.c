/*
 * Runs a command as on a kernel that lacks something: the calls answer as that
 * kernel's would. Or with nothing but the calls of a list, whose names stand on stdin,
 * one a line; all others answer with EPERM, as they do for a unit of systemd.
 *
 * usage: lacking landlock|seccomp|others COMMAND...
 */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* SCMP_SYS is no constant on every machine, so these are no table. */
static int take_landlock(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
}

static int take_seccomp(scmp_filter_ctx filter)
{
    int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
    return failed ? failed
                  : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
}

/* A name that libseccomp does not know is passed over, as systemd does. */
static int take_others(scmp_filter_ctx filter)
{
    char name[64];
    int failed = 0;
    while (!failed && fgets(name, sizeof(name), stdin)) {
        name[strcspn(name, "\n")] = '\0';
        int number = seccomp_syscall_resolve_name(name);
        if (number >= 0)
            failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    return failed;
}

static int take(scmp_filter_ctx filter, const char *what)
{
    if (strcmp(what, "others") == 0)
        return take_others(filter);
    return strcmp(what, "landlock") == 0 ? take_landlock(filter) : take_seccomp(filter);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: lacking landlock|seccomp|others COMMAND...\n");
        return 2;
    }
    bool others = strcmp(argv[1], "others") == 0;
    scmp_filter_ctx filter = seccomp_init(others ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    int failed = take(filter, argv[1]);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (!failed)
        execvp(argv[2], argv + 2);
    fprintf(stderr, "lacking: %s\n", strerror(failed ? -failed : errno));
    return 3;
}
