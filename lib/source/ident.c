#include "ident.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int64_t nanoseconds(struct statx_timestamp stamp)
{
    return stamp.tv_sec * INT64_C(1000000000) + stamp.tv_nsec;
}

bool look_at(int dirfd, const char *name, struct look *out)
{
    struct statx sx;
    if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
              &sx) < 0)
        return false;
    *out = (struct look){
        .id = {.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor), .ino = sx.stx_ino},
        .size = sx.stx_size,
        .mtime = nanoseconds(sx.stx_mtime),
        .regular = S_ISREG(sx.stx_mode),
        .link = S_ISLNK(sx.stx_mode),
        .directory = S_ISDIR(sx.stx_mode),
        .deleted = sx.stx_nlink == 0,
    };
    if (sx.stx_mask & STATX_BTIME)
        out->id.born = nanoseconds(sx.stx_btime);
    return true;
}

bool look_fd(int fd, struct look *out)
{
    return look_at(fd, "", out);
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int ident_compare(const struct ident *a, const struct ident *b)
{
    int by = order(a->ino, b->ino);
    if (by == 0)
        by = order(a->dev, b->dev);
    return by ? by : order((uint64_t)a->born, (uint64_t)b->born);
}
