#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mailvane/base/slice.h"
#include "mailvane/daemon/sandbox.h"

/* Each test has a tree of its own: DIR/logs/app/mail.log and what it makes besides. */
#define DIR_MAX  64
#define PATH_LEN 256

static const struct logger loud = {.level = LOG_LEVEL_INFO};

struct tree {
    char dir[DIR_MAX];
};

static const char *path_in(const struct tree *tree, const char *name)
{
    static char paths[4][PATH_LEN];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_LEN, "%s/%s", tree->dir, name);
    return path;
}

static void make_dir(const struct tree *tree, const char *name)
{
    assert_int_equal(mkdir(path_in(tree, name), 0755), 0);
}

static void make_file(const struct tree *tree, const char *name)
{
    int fd = open(path_in(tree, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static void make_link(const struct tree *tree, const char *target, const char *name)
{
    assert_int_equal(symlink(target, path_in(tree, name)), 0);
}

static int plant(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    char made[] = "/tmp/mailvane-sandbox-XXXXXX";
    assert_non_null(mkdtemp(made));
    snprintf(tree->dir, sizeof(tree->dir), "%s", made);
    assert_int_equal(chmod(tree->dir, 0755), 0);
    make_dir(tree, "logs");
    make_dir(tree, "logs/app");
    make_file(tree, "logs/app/mail.log");
    make_dir(tree, "other");
    make_file(tree, "other/file");
    *state = tree;
    return 0;
}

static int fell(void **state)
{
    struct tree *tree = *state;
    char command[DIR_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf %s", tree->dir);
    int status = system(command);
    free(tree);
    return status;
}

/* --- which paths ------------------------------------------------------------------ */

static void expect_grants(struct sandbox *sandbox, const char *what, const char *const *wanted)
{
    size_t count = 0;
    for (; wanted[count]; count++) {
        bool found = false;
        for (size_t i = 0; i < sandbox->count; i++)
            found |= strcmp(sandbox->grants[i].path, wanted[count]) == 0 &&
                     sandbox->grants[i].right == SANDBOX_READ;
        if (!found)
            fail_msg("%s: got no grant of %s", what, wanted[count]);
    }
    if (sandbox->count != count)
        fail_msg("%s: got %zu grants, want %zu; the last is %s", what, sandbox->count, count,
                 sandbox->count ? sandbox->grants[sandbox->count - 1].path : "none");
    sandbox_release(sandbox);
}

#define EXPECT_GRANTS(sandbox, what, ...)                                                          \
    expect_grants(sandbox, what, (const char *const[]){__VA_ARGS__, NULL})

static void a_log_grants_the_directory_above_its_own(void **state)
{
    const struct tree *tree = *state;
    struct sandbox sandbox = {0};
    sandbox_allow_log(&sandbox, path_in(tree, "logs/app/mail.log"));
    EXPECT_GRANTS(&sandbox, "log", path_in(tree, "logs"));
    sandbox_allow_log(&sandbox, path_in(tree, "logs/app/not-yet.log"));
    EXPECT_GRANTS(&sandbox, "log that is not there yet", path_in(tree, "logs"));
}

static void what_the_system_keeps_grants_itself_alone(void **state)
{
    struct sandbox sandbox = {0};
    (void)state;
    sandbox_allow_log(&sandbox, "/var/log/mail.log");
    EXPECT_GRANTS(&sandbox, "/var/log", "/var/log");
    sandbox_allow_log(&sandbox, "/tmp/mail.log");
    EXPECT_GRANTS(&sandbox, "right below the root", "/tmp");
    sandbox_allow_log(&sandbox, "/var/log/mailvane-is-not-there/mail.log");
    EXPECT_GRANTS(&sandbox, "missing in /var/log", "/var/log");
}

static void a_missing_directory_grants_the_nearest_above(void **state)
{
    const struct tree *tree = *state;
    struct sandbox sandbox = {0};
    sandbox_allow_log(&sandbox, path_in(tree, "logs/no/such/mail.log"));
    EXPECT_GRANTS(&sandbox, "log", path_in(tree, "logs"));
    sandbox_allow(&sandbox, SANDBOX_READ, path_in(tree, "other/no/such"));
    EXPECT_GRANTS(&sandbox, "directory", path_in(tree, "other"));
    sandbox_allow_log(&sandbox, "/mailvane-is-not-there/mail.log");
    EXPECT_GRANTS(&sandbox, "nothing of the path is there", "/");
}

static void a_link_grants_where_it_lies_and_where_it_leads(void **state)
{
    const struct tree *tree = *state;
    struct sandbox sandbox = {0};
    make_dir(tree, "links");
    make_dir(tree, "links/deep");
    make_link(tree, "../../other/file", "links/deep/mail.log");
    sandbox_allow_log(&sandbox, path_in(tree, "links/deep/mail.log"));
    EXPECT_GRANTS(&sandbox, "a file's link", path_in(tree, "links/deep"), path_in(tree, "links"),
                  tree->dir);
    make_link(tree, "../logs/app", "links/current");
    sandbox_allow_log(&sandbox, path_in(tree, "links/current/mail.log"));
    EXPECT_GRANTS(&sandbox, "a directory's link", path_in(tree, "links"), path_in(tree, "logs"));
    make_link(tree, "../logs/no/such.log", "links/later.log");
    sandbox_allow_log(&sandbox, path_in(tree, "links/later.log"));
    EXPECT_GRANTS(&sandbox, "a link to nothing", path_in(tree, "links"), tree->dir);
}

static void a_glob_grants_above_its_first_wildcard(void **state)
{
    const struct tree *tree = *state;
    struct sandbox sandbox = {0};
    make_dir(tree, "logs/b");
    make_link(tree, "../../other/file", "logs/b/mail.log");
    sandbox_allow_log(&sandbox, path_in(tree, "logs/*/x*.log"));
    EXPECT_GRANTS(&sandbox, "no match", tree->dir);
    sandbox_allow_log(&sandbox, path_in(tree, "logs/*/*.log"));
    EXPECT_GRANTS(&sandbox, "matches", tree->dir);
}

static void a_file_grants_its_directory_and_that_of_its_target(void **state)
{
    const struct tree *tree = *state;
    struct sandbox sandbox = {0};
    make_link(tree, "../other/file", "logs/table");
    sandbox_allow_file(&sandbox, path_in(tree, "logs/table"));
    EXPECT_GRANTS(&sandbox, "link", path_in(tree, "logs"), path_in(tree, "other"));
    sandbox_allow_file(&sandbox, "/mailvane-is-not-there");
    EXPECT_GRANTS(&sandbox, "right below the root", "/");
}

/* --- in a child that gives up its rights ------------------------------------------- */

/* Runs in the child; true where all was as it should be. */
typedef bool (*deed)(const struct tree *tree);

/* Runs the deed in a child; what it wrote on stderr goes to said. */
static void in_child(const struct tree *tree, deed fn, char *said, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        _exit(fn(tree) ? 0 : 1);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], said + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with %d after saying: %s", status, said);
}

/* In the child: one line for what is not as it should be. */
static bool want(bool holds, const char *what)
{
    if (!holds)
        dprintf(STDERR_FILENO, "not so: %s (errno %d)\n", what, errno);
    return holds;
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_refused(const char *path, int flags)
{
    errno = 0;
    return !can_open(path, flags) && errno == EACCES;
}

static bool enter(struct sandbox *sandbox)
{
    struct error err;
    sandbox->log = &loud;
    if (sandbox_enter(sandbox, &err) == 0)
        return true;
    dprintf(STDERR_FILENO, "%s\n", err.text);
    return false;
}

static int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static bool read_only_what_is_granted(const struct tree *tree)
{
    struct sandbox sandbox = {0};
    bool enforced = landlock_abi() > 0;
    sandbox_allow_log(&sandbox, path_in(tree, "logs/app/mail.log"));
    return enter(&sandbox) &&
           want(can_open(path_in(tree, "logs/app/mail.log"), O_RDONLY), "the log can be read") &&
           want(can_open(path_in(tree, "logs"), O_RDONLY | O_DIRECTORY), "its directory, too") &&
           want(can_open("/proc/self/stat", O_RDONLY), "/proc/self/stat can be read") &&
           want(can_open("/proc/self/fd", O_RDONLY), "/proc/self/fd can be read") &&
           want(can_open("/proc/stat", O_RDONLY), "/proc/stat can be read") &&
           want(can_open("/dev/null", O_WRONLY), "/dev/null can be written") &&
           want(is_refused(path_in(tree, "other/file"), O_RDONLY) == enforced,
                "another file is refused where there is landlock") &&
           want(is_refused("/etc/passwd", O_RDONLY) == enforced,
                "a file of the system is refused where there is landlock") &&
           want(is_refused(path_in(tree, "logs/app/mail.log"), O_WRONLY) == enforced,
                "the log cannot be written where there is landlock");
}

static void only_what_is_granted_can_be_read(void **state)
{
    char said[4096];
    in_child(*state, read_only_what_is_granted, said, sizeof(said));
    assert_int_equal(count_of(said, "landlock is skipped"), landlock_abi() == 0);
}

/* As a kernel does that does not know the call. */
static bool take_away(int number)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool done = filter && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0) == 0 &&
                seccomp_load(filter) == 0;
    seccomp_release(filter);
    return want(done, "the call is taken away");
}

static bool go_without_landlock(const struct tree *tree)
{
    struct sandbox sandbox = {0};
    sandbox_allow_log(&sandbox, path_in(tree, "logs/app/mail.log"));
    return take_away(SCMP_SYS(landlock_create_ruleset)) && enter(&sandbox) &&
           want(can_open(path_in(tree, "other/file"), O_RDONLY), "nothing is refused") &&
           want(prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1, "the rest is given up");
}

static void a_kernel_without_landlock_is_one_warning(void **state)
{
    char said[4096];
    in_child(*state, go_without_landlock, said, sizeof(said));
    assert_int_equal(count_of(said, "landlock is skipped"), 1);
    assert_int_equal(count_of(said, "landlock ABI 0"), 1);
}

static bool write_what_is_granted(const struct tree *tree)
{
    struct sandbox sandbox = {0};
    const char *made = path_in(tree, "logs/app/state.db");
    sandbox_allow(&sandbox, SANDBOX_WRITE, path_in(tree, "logs/app"));
    sandbox_allow(&sandbox, SANDBOX_READ, path_in(tree, "other"));
    return enter(&sandbox) && want(can_open(made, O_RDWR | O_CREAT), "a file can be made") &&
           want(truncate(made, 1) == 0, "and cut") &&
           want(rename(made, path_in(tree, "logs/app/renamed")) == 0, "and renamed") &&
           want(unlink(path_in(tree, "logs/app/renamed")) == 0, "and removed") &&
           want(is_refused(path_in(tree, "other/new"), O_WRONLY | O_CREAT) == (landlock_abi() > 0),
                "none can be made elsewhere where there is landlock");
}

static void where_writing_is_granted_files_come_and_go(void **state)
{
    char said[4096];
    in_child(*state, write_what_is_granted, said, sizeof(said));
}

static bool is_anew_readable(const struct tree *tree)
{
    struct sandbox sandbox = {0};
    int go[2];
    char byte = 0;
    if (pipe(go) != 0)
        return false;
    sandbox_allow_log(&sandbox, path_in(tree, "logs/app/mail.log"));
    /* Another process, which has all rights still, makes the directory anew. */
    pid_t pid = fork();
    if (pid == 0) {
        ssize_t got = read(go[0], &byte, 1);
        bool made = got == 1 && unlink(path_in(tree, "logs/app/mail.log")) == 0 &&
                    rmdir(path_in(tree, "logs/app")) == 0 &&
                    mkdir(path_in(tree, "logs/app"), 0755) == 0 &&
                    can_open(path_in(tree, "logs/app/mail.log"), O_WRONLY | O_CREAT);
        _exit(!made);
    }
    int status = 1;
    return enter(&sandbox) && want(write(go[1], &byte, 1) == 1, "the other one starts") &&
           want(waitpid(pid, &status, 0) == pid && status == 0, "it makes the directory anew") &&
           want(can_open(path_in(tree, "logs/app/mail.log"), O_RDONLY), "it can be read again");
}

static void a_log_directory_made_anew_can_be_read(void **state)
{
    char said[4096];
    in_child(*state, is_anew_readable, said, sizeof(said));
}

/* The number behind a name of /proc/self/status, in that base; -1: no such name. */
static long long status_of(const char *name, int base)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got < 0 ? 0 : got] = '\0';
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, base) : -1;
}

static bool has_no_rights(void)
{
    bool root = geteuid() == 0;
    return want(status_of("\nCapEff:", 16) == 0, "no effective capability") &&
           want(status_of("\nCapPrm:", 16) == 0, "no permitted capability") &&
           want(status_of("\nCapInh:", 16) == 0, "no inheritable capability") &&
           want(status_of("\nCapAmb:", 16) == 0, "no ambient capability") &&
           want(status_of("\nNoNewPrivs:", 10) == 1, "no new privileges") &&
           want(status_of("\nSeccomp:", 10) == 2, "system calls are filtered") &&
           want(!root || setuid(12345) != 0, "no other user can be become");
}

static bool give_up_as_we_are(const struct tree *tree)
{
    bool root = geteuid() == 0;
    struct sandbox sandbox = {.user = root ? "nobody" : NULL};
    (void)tree;
    return enter(&sandbox) && has_no_rights() &&
           want(!root || status_of("\nCapBnd:", 16) == 0, "no capability can come back") &&
           want(geteuid() != 0, "not root any more");
}

static void no_privilege_is_left(void **state)
{
    char said[4096];
    in_child(*state, give_up_as_we_are, said, sizeof(said));
}

static bool become_nobody(const struct tree *tree)
{
    const struct passwd *nobody = getpwnam("nobody");
    struct passwd wanted = *nobody;
    struct sandbox sandbox = {.log = &loud, .user = "nobody"};
    uid_t real, effective, saved;
    gid_t group, groups[8];
    struct error err;
    (void)tree;
    if (!want(sandbox_become_user(&sandbox, &err) == 0, "the user is changed"))
        return false;
    getresuid(&real, &effective, &saved);
    group = getegid();
    int count = getgroups(8, groups);
    return want(real == wanted.pw_uid && effective == real && saved == real, "all three ids") &&
           want(group == wanted.pw_gid, "the group") &&
           want(count == 1 && groups[0] == wanted.pw_gid, "no other group") &&
           want(setuid(0) != 0, "there is no way back");
}

static void root_becomes_the_user_with_his_groups(void **state)
{
    char said[4096];
    if (geteuid() != 0)
        skip();
    in_child(*state, become_nobody, said, sizeof(said));
}

static void a_user_that_is_none_or_root_is_an_error(void **state)
{
    struct error err;
    const struct sandbox none = {.user = "mailvane-is-no-user"};
    const struct sandbox root = {.user = "root"};
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(sandbox_become_user(&none, &err), -1);
    assert_non_null(strstr(err.text, "\"mailvane-is-no-user\""));
    assert_int_equal(sandbox_become_user(&root, &err), -1);
    assert_non_null(strstr(err.text, "\"root\""));
    assert_int_equal(geteuid(), 0);
}

static bool is_eperm(long result)
{
    return result < 0 && errno == EPERM;
}

static bool call_what_is_forbidden(const struct tree *tree)
{
    struct sandbox sandbox = {0};
    char *const argv[] = {(char *)"/bin/true", NULL};
    return enter(&sandbox) && want(is_eperm(mount("none", tree->dir, "tmpfs", 0, NULL)), "mount") &&
           want(is_eperm(syscall(SYS_bpf, 0, NULL, 0)), "bpf") &&
           want(is_eperm(syscall(SYS_keyctl, 0, 0, 0)), "keyctl") &&
           want(is_eperm(syscall(SYS_finit_module, -1, "", 0)), "finit_module") &&
           want(is_eperm(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)), "vm") &&
           want(is_eperm(socket(AF_INET, SOCK_DGRAM, 0)), "an internet socket") &&
           want(is_eperm(socket(AF_NETLINK, SOCK_RAW, 0)), "a netlink socket") &&
           want(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0, "a local socket is not refused") &&
           want(is_eperm(execv(argv[0], argv)), "execve");
}

static void dangerous_calls_are_answered_with_eperm(void **state)
{
    char said[4096];
    in_child(*state, call_what_is_forbidden, said, sizeof(said));
}

static bool run_gzip(const struct tree *tree)
{
    struct sandbox sandbox = {.may_run = true};
    int status = 1;
    (void)tree;
    if (!enter(&sandbox))
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(STDOUT_FILENO);
        execlp("gzip", "gzip", "-dc", "/dev/null", (char *)NULL);
        _exit(127);
    }
    return want(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 127,
                "gzip runs") &&
           want(is_refused("/etc/passwd", O_RDONLY) == (landlock_abi() > 0), "and no more is read");
}

static void programs_run_where_that_is_allowed(void **state)
{
    char said[4096];
    in_child(*state, run_gzip, said, sizeof(said));
    assert_int_equal(count_of(said, "not so"), 0);
}

#define PAGE 4096

static void *page(int protection)
{
    void *at = mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool seal(void)
{
    struct error err;
    return want(sandbox_seal_memory(&loud, &err) == 0, "it is sealed") &&
           want(!page(PROT_READ | PROT_WRITE | PROT_EXEC), "no page of both kinds") &&
           want(mprotect(page(PROT_READ | PROT_WRITE), PAGE, PROT_READ | PROT_EXEC) != 0,
                "what was written is never executed") &&
           want(page(PROT_READ | PROT_WRITE) != NULL, "memory can be had");
}

static bool seal_as_we_are(const struct tree *tree)
{
    (void)tree;
    return seal() && seal();
}

static void sealed_memory_is_never_writable_and_executable(void **state)
{
    char said[4096];
    in_child(*state, seal_as_we_are, said, sizeof(said));
    assert_string_equal(said, "");
}

/* A kernel before 6.3, such as Debian 12's: prctl(2) does not know PR_SET_MDWE. */
static bool seal_without_mdwe(const struct tree *tree)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    (void)tree;
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, 65)) != 0 ||
        seccomp_load(filter) != 0)
        return want(false, "the call is taken away");
    seccomp_release(filter);
    return seal();
}

static void older_kernels_seal_memory_by_a_filter(void **state)
{
    char said[4096];
    in_child(*state, seal_without_mdwe, said, sizeof(said));
    assert_string_equal(said, "");
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, plant, fell)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(a_log_grants_the_directory_above_its_own),
        TREE_TEST(what_the_system_keeps_grants_itself_alone),
        TREE_TEST(a_missing_directory_grants_the_nearest_above),
        TREE_TEST(a_link_grants_where_it_lies_and_where_it_leads),
        TREE_TEST(a_glob_grants_above_its_first_wildcard),
        TREE_TEST(a_file_grants_its_directory_and_that_of_its_target),
        TREE_TEST(only_what_is_granted_can_be_read),
        TREE_TEST(a_kernel_without_landlock_is_one_warning),
        TREE_TEST(where_writing_is_granted_files_come_and_go),
        TREE_TEST(a_log_directory_made_anew_can_be_read),
        TREE_TEST(no_privilege_is_left),
        TREE_TEST(root_becomes_the_user_with_his_groups),
        TREE_TEST(a_user_that_is_none_or_root_is_an_error),
        TREE_TEST(dangerous_calls_are_answered_with_eperm),
        TREE_TEST(programs_run_where_that_is_allowed),
        TREE_TEST(sealed_memory_is_never_writable_and_executable),
        TREE_TEST(older_kernels_seal_memory_by_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
