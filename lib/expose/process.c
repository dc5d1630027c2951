#include "mailvane/expose/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mailvane/base/slice.h"

#define STAT_PATH "/proc/self/stat"
#define BOOT_PATH "/proc/stat"
#define FD_PATH   "/proc/self/fd"

/* Fields of /proc/self/stat as proc(5) counts them, from 1. */
enum stat_field {
    STAT_STATE = 3,
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_STARTTIME = 22,
    STAT_VSIZE = 23,
    STAT_RSS = 24,
    STAT_END
};

/* Reads the first bytes of a file; returns how many, and puts a NUL behind them. */
static ssize_t read_head(const char *path, char *buf, size_t cap, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "cannot open %s: %s", path, strerror(errno));
    size_t len = 0;
    ssize_t got = 0;
    while (len < cap - 1 && (got = read(fd, buf + len, cap - 1 - len)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        len += got > 0 ? (size_t)got : 0;
    }
    int saved = errno;
    close(fd);
    if (got < 0)
        return error_set(err, "cannot read %s: %s", path, strerror(saved));
    buf[len] = '\0';
    return (ssize_t)len;
}

/* The numbers behind the name, which may itself hold blanks and brackets. */
static int parse_stat(struct slice text, unsigned long long fields[STAT_END], struct error *err)
{
    size_t name_end = slice_rfind(text, ')');
    struct slice rest = slice_skip(text, name_end + 2);
    slice_cut(&rest, ' ');
    for (int field = STAT_STATE + 1; field < STAT_END; field++) {
        struct slice word = slice_cut(&rest, ' ');
        if (!word.len)
            return error_set(err, "%s ends before field %d", STAT_PATH, field);
        fields[field] = strtoull(word.ptr, NULL, 10);
    }
    return 0;
}

static int read_stat(unsigned long long fields[STAT_END], struct error *err)
{
    char buf[1024];
    ssize_t len = read_head(STAT_PATH, buf, sizeof(buf), err);
    return len < 0 ? -1 : parse_stat(slice_of(buf, (size_t)len), fields, err);
}

/* When the machine was started. Line by line: the lines before it grow with the processors. */
static int read_boot_time(double *seconds, struct error *err)
{
    FILE *file = fopen(BOOT_PATH, "re");
    if (!file)
        return error_set(err, "cannot open %s: %s", BOOT_PATH, strerror(errno));
    char piece[256];
    bool found = false;
    while (!found && fgets(piece, sizeof(piece), file)) {
        struct slice line = slice_str(piece);
        found = slice_take(&line, SLICE("btime "));
        if (found)
            *seconds = strtod(line.ptr, NULL);
    }
    fclose(file);
    return found ? 0 : error_set(err, "%s has no line \"btime\"", BOOT_PATH);
}

static int count_fds(uint64_t *count, struct error *err)
{
    DIR *dir = opendir(FD_PATH);
    if (!dir)
        return error_set(err, "cannot open %s: %s", FD_PATH, strerror(errno));
    uint64_t seen = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        seen += entry->d_name[0] != '.';
    closedir(dir);
    *count = seen ? seen - 1 : 0;
    return 0;
}

static int read_fd_limit(uint64_t *max, struct error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return error_set(err, "cannot read the limit of open files: %s", strerror(errno));
    *max = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
    return 0;
}

int process_stats_read(struct process_stats *stats, struct error *err)
{
    unsigned long long fields[STAT_END] = {0};
    double boot = 0;
    *stats = (struct process_stats){0};
    if (read_stat(fields, err) != 0 || read_boot_time(&boot, err) != 0 ||
        count_fds(&stats->open_fds, err) != 0 || read_fd_limit(&stats->max_fds, err) != 0)
        return -1;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    stats->cpu_seconds = (double)(fields[STAT_UTIME] + fields[STAT_STIME]) / ticks;
    stats->start_time_seconds = boot + (double)fields[STAT_STARTTIME] / ticks;
    stats->virtual_bytes = fields[STAT_VSIZE];
    stats->resident_bytes = fields[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}
