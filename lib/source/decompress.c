#include "mailvane/source/decompress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first bytes of each format and the command that reads it from stdin. */
static const struct {
    struct slice magic;
    const char *tool;
} tools[] = {
    {SLICE_INIT("\x1f\x8b"), "gzip"},
    {SLICE_INIT("BZh"), "bzip2"},
    {SLICE_INIT("\xfd"
                "7zXZ"),
     "xz"},
    {SLICE_INIT("\x28\xb5\x2f\xfd"), "zstd"},
};

const char *decompress_tool(struct slice head)
{
    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
        if (slice_starts(head, tools[i].magic))
            return tools[i].tool;
    }
    return NULL;
}

static const char *tool_for(int fd)
{
    char head[8];
    ssize_t got = pread(fd, head, sizeof(head), 0);
    return got > 0 ? decompress_tool(slice_of(head, (size_t)got)) : NULL;
}

bool decompress_knows(int fd)
{
    return tool_for(fd) != NULL;
}

/* Runs "tool -dc" with the file as its stdin and the pipe as its stdout. */
static int spawn_tool(struct decompress *d, int fd, int out, struct error *err)
{
    char *const argv[] = {(char *)d->tool, (char *)"-dc", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    /* The agent blocks the signals that end it; a tool is to end by them. */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    /* Its complaint is told by its exit status, in one sentence of ours. */
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&d->pid, d->tool, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (!failed)
        return 0;
    d->pid = 0;
    return error_set(err, "cannot run %s: %s", d->tool, strerror(failed));
}

int decompress_open(struct decompress *out, const char *path, int fd, struct error *err)
{
    struct error why;
    int ends[2];
    *out = (struct decompress){.fd = fd, .tool = tool_for(fd)};
    if (!out->tool)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        close(fd);
        return error_set(err, "%s: pipe: %s", path, strerror(errno));
    }
    int failed = spawn_tool(out, fd, ends[1], &why);
    close(fd);
    close(ends[1]);
    out->fd = ends[0];
    if (!failed)
        return 0;
    close(out->fd);
    return error_set(err, "%s: %s", path, why.text);
}

static int wait_for(const struct decompress *d)
{
    int status = 0;
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void decompress_abandon(struct decompress *d)
{
    close(d->fd);
    if (d->pid == 0)
        return;
    kill(d->pid, SIGKILL);
    wait_for(d);
}

/* gzip's own word for "all was read, and something stands behind it". */
static bool is_warning(const struct decompress *d, int status)
{
    return strcmp(d->tool, "gzip") == 0 && WEXITSTATUS(status) == 2;
}

int decompress_close(struct decompress *d, const char *path, struct error *err)
{
    close(d->fd);
    if (d->pid == 0)
        return 0;
    int status = wait_for(d);
    if (WIFSIGNALED(status))
        return error_set(err, "%s: %s was ended by signal %d", path, d->tool, WTERMSIG(status));
    if (WEXITSTATUS(status) == 0 || is_warning(d, status))
        return 0;
    return error_set(err, "%s: %s says that the file is damaged", path, d->tool);
}
