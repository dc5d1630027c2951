/* The state's file as a file: whose it is, who has it, and where it is moved when it is damaged. */
#include "checkpoint_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * Stands in the lock once the file beside it was a state file. Of what is damaged nothing else
 * tells whether it ever was one, and a path that was mistyped must not move somebody's file.
 */
static const char claim[] = "the file beside this one is the state of mailvane\n";

/* https://www.sqlite.org/fileformat2.html#the_database_header */
static const char sqlite_magic[16] = "SQLite format 3";

int checkpoint_set_aside(struct checkpoint *c)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[CHECKPOINT_PATH_MAX], to[CHECKPOINT_PATH_MAX + 100];
    long long now = (long long)time(NULL);
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        snprintf(from, sizeof(from), "%s%s", c->path, parts[i]);
        snprintf(to, sizeof(to), "%s.corrupt-%lld%s", c->path, now, parts[i]);
        if (rename(from, to) < 0 && (errno != ENOENT || i == 0))
            return error_set(&c->why, "%s: is damaged, and cannot be moved aside: %s", c->path,
                             strerror(errno));
    }
    c->was_damaged = true;
    log_warn(c->log, "%s: is damaged; it was moved to %s.corrupt-%lld, and counting begins anew",
             c->path, c->path, now);
    return 0;
}

static bool is_claimed(int lock)
{
    char bytes[sizeof(claim) - 1];
    return pread(lock, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) &&
           memcmp(bytes, claim, sizeof(bytes)) == 0;
}

static void lock_path(const char *path, char out[CHECKPOINT_PATH_MAX])
{
    snprintf(out, CHECKPOINT_PATH_MAX, "%s.lock", path);
}

int checkpoint_lock(struct checkpoint *c)
{
    char path[CHECKPOINT_PATH_MAX];
    lock_path(c->path, path);
    c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->lock < 0)
        return error_set(&c->why, "%s: %s", path, strerror(errno));
    c->ours = is_claimed(c->lock);
    if (flock(c->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return error_set(&c->why, "%s: %s", c->path,
                     errno == EWOULDBLOCK ? "is used by another mailvane" : strerror(errno));
}

char *checkpoint_without_links(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct strbuf out = STRBUF_INIT;
    strbuf_add(&out, path, (size_t)(name - path));
    char *real = realpath(out.len ? out.buf : ".", NULL);
    strbuf_reset(&out);
    if (real)
        strbuf_addf(&out, "%s/%s", real, name);
    else
        strbuf_add_str(&out, path);
    free(real);
    return out.buf;
}

void checkpoint_claim(struct checkpoint *c)
{
    if (is_claimed(c->lock))
        return;
    /* Where the disk is full, the next start tries again; only damage meanwhile would need it. */
    if (pwrite(c->lock, claim, sizeof(claim) - 1, 0) < 0)
        log_warn(c->log, "%s.lock: cannot be written: %s", c->path, strerror(errno));
}

static bool was_claimed(const char *path)
{
    char name[CHECKPOINT_PATH_MAX];
    lock_path(path, name);
    int lock = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool claimed = lock >= 0 && is_claimed(lock);
    if (lock >= 0)
        close(lock);
    return claimed;
}

/* PRAGMA user_version, as https://www.sqlite.org/fileformat.html has it at offset 60. */
static unsigned version_at(const char *head)
{
    const unsigned char *bytes = (const unsigned char *)head + 60;
    return (unsigned)bytes[0] << 24 | (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 | bytes[3];
}

/* What the first bytes are, without SQLite: it would make files beside it. */
static int inspect(int fd, const char *path, struct error *err)
{
    char head[100];
    struct stat st;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    ssize_t len = regular ? pread(fd, head, sizeof(head), 0) : -1;
    if (!regular || len < 0)
        return error_set(err, "%s: %s", path, regular ? strerror(errno) : "is no regular file");
    bool database = len == sizeof(head) && memcmp(head, sqlite_magic, sizeof(sqlite_magic)) == 0;
    bool named = database && memcmp(head + 68, CHECKPOINT_APPLICATION_BYTES, 4) == 0;
    bool claimed = was_claimed(path);
    if (named && version_at(head) > CHECKPOINT_VERSION)
        return error_set(err, "%s: is of a newer version (%u, known is %d)", path, version_at(head),
                         CHECKPOINT_VERSION);
    if (len == 0 || named || (database && claimed))
        return 0;
    return error_set(err, "%s: %s", path,
                     claimed ? "is damaged; the agent will move it aside and begin anew"
                             : CHECKPOINT_FOREIGN);
}

int checkpoint_inspect(const char *path, struct error *err)
{
    char lock[CHECKPOINT_PATH_MAX];
    lock_path(path, lock);
    if (access(lock, F_OK) == 0 && access(lock, R_OK | W_OK) < 0)
        return error_set(err, "%s: %s", lock, strerror(errno));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    int rc = inspect(fd, path, err);
    close(fd);
    if (rc == 0 && access(path, W_OK) < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    return rc;
}
