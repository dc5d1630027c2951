#include "mailvane/daemon/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "landlock.h"
#include "privileges.h"
#include "syscalls.h"

/* Newer than the headers of Debian 12; the kernel has it from 6.3 on. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* What the agent reads whatever is configured; what is not there is left out. */
static const struct sandbox_grant always[] = {
    {(char *)"/etc/localtime", SANDBOX_READ}, /* stamps without a zone */
    {(char *)"/usr/share/zoneinfo", SANDBOX_READ},
    {(char *)"/proc/self", SANDBOX_READ}, /* process_* metrics */
    {(char *)"/proc/stat", SANDBOX_READ},
    {(char *)"/dev/null", SANDBOX_WRITE},
};

/* What a program needs to be run, besides. */
static const struct sandbox_grant programs[] = {
    {(char *)"/usr", SANDBOX_RUN},
    {(char *)"/bin", SANDBOX_RUN},
    {(char *)"/lib", SANDBOX_RUN},
    {(char *)"/lib64", SANDBOX_RUN},
    {(char *)"/etc/ld.so.cache", SANDBOX_READ},
    {(char *)"/etc/ld.so.preload", SANDBOX_READ},
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Whether memory can still be made writable and executable. */
static bool wx_is_possible(void)
{
    void *page =
        mmap(NULL, 1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && munmap(page, 1) == 0;
}

int sandbox_seal_memory(const struct logger *log, struct error *err)
{
    if (privileges_forbid_new(err) < 0)
        return -1;
    /* The unit may have done it, or SELinux. */
    if (!wx_is_possible() || prctl(PR_SET_MDWE, (long)PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) == 0)
        return 0;
    return syscalls_forbid_wx(log, err) < 0 ? -1 : 0;
}

int sandbox_become_user(const struct sandbox *sandbox, struct error *err)
{
    return privileges_change_user(sandbox->user, sandbox->log, err);
}

static int make_rules(const struct sandbox *sandbox, struct landlock *landlock, struct error *err)
{
    if (landlock_init(landlock, sandbox->log, err) < 0 ||
        landlock_add(landlock, always, COUNT(always), err) < 0 ||
        landlock_add(landlock, sandbox->grants, sandbox->count, err) < 0)
        return -1;
    return sandbox->may_run ? landlock_add(landlock, programs, COUNT(programs), err) : 0;
}

/* The rules are made by whoever started us, who may reach more of the paths. */
static int give_up(const struct sandbox *sandbox, struct landlock *landlock, struct error *err)
{
    privileges_drop_bounds();
    if (sandbox_become_user(sandbox, err) < 0 || privileges_drop(err) < 0 ||
        privileges_forbid_new(err) < 0 || landlock_enforce(landlock, err) < 0)
        return -1;
    return syscalls_forbid(sandbox->may_run, sandbox->log, err);
}

static void report(const struct sandbox *sandbox, int landlock_abi, bool filtered)
{
    static const char *const words[] = {
        [SANDBOX_READ] = "read", [SANDBOX_WRITE] = "write", [SANDBOX_RUN] = "run"};
    for (size_t i = 0; i < sandbox->count; i++)
        log_debug(sandbox->log, "sandbox: may %s %s", words[sandbox->grants[i].right],
                  sandbox->grants[i].path);
    log_info(sandbox->log, "sandbox: uid %u, no capabilities, landlock ABI %d, system calls %s",
             (unsigned)geteuid(), landlock_abi, filtered ? "filtered" : "not filtered");
}

int sandbox_enter(struct sandbox *sandbox, struct error *err)
{
    struct landlock landlock;
    int filtered = -1;
    if (make_rules(sandbox, &landlock, err) == 0)
        filtered = give_up(sandbox, &landlock, err);
    landlock_release(&landlock);
    if (filtered < 0)
        return -1;
    report(sandbox, landlock.abi, filtered);
    return 0;
}
