#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Newer than the headers of Debian 12; the kernel may know them. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#define NET_TCP       3ULL /* LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP */
#define SCOPE_SIGNALS (1ULL << 1) /* LANDLOCK_SCOPE_SIGNAL */

/* struct landlock_ruleset_attr with its later members; an older ABI takes its beginning. */
struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

/* What each ABI brought; what is not handled is not forbidden. */
static const struct ruleset brought[] = {
    {.files = LANDLOCK_ACCESS_FS_REFER - 1}, /* 1: all bits below */
    {.files = LANDLOCK_ACCESS_FS_REFER},
    {.files = LANDLOCK_ACCESS_FS_TRUNCATE},
    {.net = NET_TCP},
    {.files = LANDLOCK_ACCESS_FS_IOCTL_DEV},
    {.scoped = SCOPE_SIGNALS},
};

#define KNOWN_ABIS ((int)(sizeof(brought) / sizeof(brought[0])))

#define FILE_READ  LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define FILE_RUN   (FILE_READ | LANDLOCK_ACCESS_FS_EXECUTE)

/* What each right is of a file, and of a directory besides. */
static const struct {
    uint64_t file;
    uint64_t directory;
} rights[] = {
    [SANDBOX_READ] = {FILE_READ, LANDLOCK_ACCESS_FS_READ_DIR},
    [SANDBOX_LIST] = {0, LANDLOCK_ACCESS_FS_READ_DIR},
    [SANDBOX_WRITE] = {FILE_WRITE, LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                       LANDLOCK_ACCESS_FS_REMOVE_FILE},
    [SANDBOX_RUN] = {FILE_RUN, LANDLOCK_ACCESS_FS_READ_DIR},
};

static struct ruleset handled_by(int abi)
{
    struct ruleset all = {0};
    for (int i = 0; i < abi && i < KNOWN_ABIS; i++) {
        all.files |= brought[i].files;
        all.net |= brought[i].net;
        all.scoped |= brought[i].scoped;
    }
    return all;
}

static size_t attr_size(int abi)
{
    if (abi < 4)
        return offsetof(struct ruleset, net);
    return abi < 6 ? offsetof(struct ruleset, scoped) : sizeof(struct ruleset);
}

/*
 * The files of /proc are made anew when the kernel needs memory, and a rule is for
 * the one that it saw: a descriptor that stays open keeps that.
 */
static bool must_stay_open(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Of what a grant allows, what this ABI can forbid. */
static uint64_t access_of(const struct landlock *landlock, enum sandbox_right right, int fd)
{
    struct stat st;
    uint64_t access = rights[right].file;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        access |= rights[right].directory;
    return access & handled_by(landlock->abi).files;
}

static int add_rule(const struct landlock *landlock, const struct sandbox_grant *grant,
                    struct error *err)
{
    int fd = open(grant->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = access_of(landlock, grant->right, fd), .parent_fd = fd};
    int status = 0;
    if (syscall(SYS_landlock_add_rule, landlock->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        status = error_set(err, "landlock: %s: %s", grant->path, strerror(errno));
    if (!must_stay_open(fd))
        close(fd);
    return status;
}

/* 0 where there is none: no such call, turned off, or refused by what we run in. */
static int find_abi(const struct logger *log)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= 1)
        return (int)abi;
    log_warn(log, "landlock is skipped, as the kernel has none: %s", strerror(errno));
    return 0;
}

int landlock_init(struct landlock *landlock, const struct logger *log, struct error *err)
{
    *landlock = (struct landlock){.abi = find_abi(log), .ruleset = -1};
    if (landlock->abi == 0)
        return 0;
    struct ruleset handled = handled_by(landlock->abi);
    size_t size = attr_size(landlock->abi);
    landlock->ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (landlock->ruleset < 0)
        return error_set(err, "landlock: cannot make rules: %s", strerror(errno));
    return 0;
}

int landlock_add(struct landlock *landlock, const struct sandbox_grant *grants, size_t count,
                 struct error *err)
{
    for (size_t i = 0; i < count && landlock->ruleset >= 0; i++) {
        if (add_rule(landlock, &grants[i], err) < 0)
            return -1;
    }
    return 0;
}

int landlock_enforce(const struct landlock *landlock, struct error *err)
{
    if (landlock->ruleset < 0 || syscall(SYS_landlock_restrict_self, landlock->ruleset, 0) == 0)
        return 0;
    return error_set(err, "landlock: %s", strerror(errno));
}

void landlock_release(struct landlock *landlock)
{
    if (landlock->ruleset >= 0)
        close(landlock->ruleset);
    landlock->ruleset = -1;
}
