#include "syscalls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_LOOKED_FOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR 1
#endif
#endif

/* On s390 the stack comes first (clone(2)). */
#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

/* A call, and for which value of one argument: where (argument & mask) == value. */
struct row {
    const char *name;
    unsigned argument;
    uint64_t mask; /* 0: whatever the arguments are */
    uint64_t value;
};

/* By what they would be good for. A name that this machine's kernel does not have is passed over.
 */
static const struct row dangerous[] = {
/* other processes */
#ifndef LEAKS_ARE_LOOKED_FOR /* at its end AddressSanitizer traces the process */
    {"ptrace"},
#endif
    {"process_vm_readv"},
    {"process_vm_writev"},
    {"pidfd_getfd"},
    {"kcmp"},
    {"process_madvise"},
    /* file systems and namespaces */
    {"mount"},
    {"umount"},
    {"umount2"},
    {"pivot_root"},
    {"chroot"},
    {"move_mount"},
    {"open_tree"},
    {"fsopen"},
    {"fsconfig"},
    {"fsmount"},
    {"fspick"},
    {"mount_setattr"},
    {"setns"},
    {"unshare"},
    {"clone", CLONE_FLAGS_ARGUMENT, CLONE_NEWUSER, CLONE_NEWUSER},
    {"open_by_handle_at"},
    {"swapon"},
    {"swapoff"},
    {"quotactl"},
    {"quotactl_fd"},
    {"acct"},
    /* code in the kernel, and what looks into it */
    {"init_module"},
    {"finit_module"},
    {"delete_module"},
    {"bpf"},
    {"perf_event_open"},
    {"userfaultfd"},
    {"io_uring_setup"},
    {"io_uring_enter"},
    {"io_uring_register"},
    {"syslog"},
    {"lookup_dcookie"},
    {"kexec_load"},
    {"kexec_file_load"},
    {"iopl"},
    {"ioperm"},
    {"modify_ldt"},
    /* keys */
    {"keyctl"},
    {"add_key"},
    {"request_key"},
    /* the machine */
    {"reboot"},
    {"settimeofday"},
    {"clock_settime"},
    {"clock_adjtime"},
    {"adjtimex"},
    {"sethostname"},
    {"setdomainname"},
    {"vhangup"},
    {"personality"},
};

static const struct row programs[] = {{"execve"}, {"execveat"}};

/* As systemd does it for MemoryDenyWriteExecute=. */
static const struct row writable_code[] = {
    {"mmap", 2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC},
    {"mprotect", 2, PROT_EXEC, PROT_EXEC},
    {"pkey_mprotect", 2, PROT_EXEC, PROT_EXEC},
    {"shmat", 2, SHM_EXEC, SHM_EXEC},
};

static int add_row(scmp_filter_ctx filter, const struct row *row)
{
    int number = seccomp_syscall_resolve_name(row->name);
    /* Negative: known to libseccomp, but not on this machine. */
    if (number < 0)
        return 0;
    const struct scmp_arg_cmp when = {row->argument, SCMP_CMP_MASKED_EQ, row->mask, row->value};
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, row->mask != 0, &when);
}

static int add_rows(scmp_filter_ctx filter, const struct row *rows, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = add_row(filter, &rows[i]);
    return failed;
}

#define ADD_ROWS(filter, rows) add_rows(filter, rows, sizeof(rows) / sizeof((rows)[0]))

/* Sends bytes to nobody but through what is open, and to the supervisor. */
static int forbid_sockets(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_local = {0, SCMP_CMP_NE, AF_UNIX, 0};
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &not_local);
}

/* Its flags lie in memory, where no filter can see them: who calls it falls back on clone(2). */
static int hide_clone3(scmp_filter_ctx filter)
{
    int number = seccomp_syscall_resolve_name("clone3");
    return number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
}

/* Takes and releases the filter. */
static int load(scmp_filter_ctx filter, int failed, const struct logger *log, struct error *err)
{
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    bool made = !failed;
    if (made)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (made && failed) {
        log_warn(log, "the filter of system calls is skipped, as the kernel has none: %s",
                 strerror(-failed));
        return 0;
    }
    return made ? 1 : error_set(err, "cannot make a filter of system calls: %s", strerror(-failed));
}

int syscalls_forbid(bool may_run, const struct logger *log, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return error_set(err, "cannot make a filter of system calls");
    int failed = ADD_ROWS(filter, dangerous);
    if (!failed)
        failed = forbid_sockets(filter);
    if (!failed)
        failed = hide_clone3(filter);
    if (!failed && !may_run)
        failed = ADD_ROWS(filter, programs);
    return load(filter, failed, log, err);
}

int syscalls_forbid_wx(const struct logger *log, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return error_set(err, "cannot make a filter of system calls");
    return load(filter, ADD_ROWS(filter, writable_code), log, err);
}
