/*
 * Prints every line it gets:
 *
 *     follow_driver [--from-start] [--stats] [--check MS] [--state FILE --every N] PATTERN...
 *
 * With more than one pattern each line is led by the source's number and a
 * blank. "ready" goes to stderr once the patterns were added. On SIGTERM it reads
 * what there is, says with --stats what it counted (on stderr), and exits.
 *
 * With a state file, stdout must be a regular file. State is saved after every N blocks,
 * when a file is let go, and at the end; a start goes on from it, and cuts off what was
 * printed later. So the output holds each line once, however often it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "follow_state.h"
#include "mailvane/source/follow.h"

#define LINE_MAX_BYTES 262144

struct arguments {
    bool from_start;
    bool stats;
    int check_ms; /* -1: never */
    const char *state;
    long every;
    char **patterns;
};

/* What is counted, and where that is kept. */
struct driver {
    struct follow *follow;
    const char *state; /* NULL: nowhere */
    long every;
    long blocks;
};

static int usage(void)
{
    fputs("usage: follow_driver [--from-start] [--stats] [--check MS] [--state FILE --every N] "
          "PATTERN...\n",
          stderr);
    return 2;
}

static bool parse(char **argv, struct arguments *out)
{
    *out = (struct arguments){.check_ms = -1, .every = 1};
    for (argv++; *argv && (*argv)[0] == '-'; argv++) {
        if (strcmp(*argv, "--from-start") == 0)
            out->from_start = true;
        else if (strcmp(*argv, "--stats") == 0)
            out->stats = true;
        else if (strcmp(*argv, "--check") == 0 && argv[1])
            out->check_ms = (int)strtol(*++argv, NULL, 10);
        else if (strcmp(*argv, "--state") == 0 && argv[1])
            out->state = *++argv;
        else if (strcmp(*argv, "--every") == 0 && argv[1])
            out->every = strtol(*++argv, NULL, 10);
        else
            return false;
    }
    out->patterns = argv;
    return *argv != NULL;
}

static void print_lines(struct slice lines, unsigned source, bool numbered)
{
    if (!numbered) {
        fwrite(lines.ptr, 1, lines.len, stdout);
        return;
    }
    while (lines.len) {
        struct slice line = slice_cut(&lines, '\n');
        printf("%u %.*s\n", source, SLICE_ARG(line));
    }
}

static void save(void *arg)
{
    const struct driver *driver = arg;
    fflush(stdout);
    if (driver->state)
        state_save(driver->state, driver->follow, (uint64_t)ftello(stdout));
}

static void drain(struct driver *driver)
{
    struct follow *follow = driver->follow;
    struct follow_block block;
    while (follow_next(follow, &block) == FOLLOW_BLOCK) {
        print_lines(block.lines, block.source, follow_sources(follow) > 1);
        if (++driver->blocks % driver->every == 0)
            save(driver);
    }
    fflush(stdout);
}

static void print_stats(const struct follow *follow)
{
    for (unsigned i = 0; i < follow_sources(follow); i++) {
        struct follow_stats s;
        follow_stats_get(follow, i, &s);
        fprintf(stderr,
                "stats source=%u read_bytes=%llu lost_bytes=%llu long_lines=%llu renames=%llu "
                "truncates=%llu behind_bytes=%llu files=%u overflows=%llu\n",
                i, (unsigned long long)s.read_bytes, (unsigned long long)s.lost_bytes,
                (unsigned long long)s.long_lines, (unsigned long long)s.renames,
                (unsigned long long)s.truncates, (unsigned long long)s.behind_bytes, s.files,
                (unsigned long long)follow_overflows(follow));
    }
}

static int signal_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until SIGTERM, and once more after it. */
static void run(struct driver *driver, int check_ms, int stop_fd)
{
    struct follow *follow = driver->follow;
    struct pollfd fds[] = {{.fd = follow_fd(follow), .events = POLLIN},
                           {.fd = stop_fd, .events = POLLIN}};
    drain(driver);
    while (!(fds[1].revents & POLLIN)) {
        int ready = poll(fds, 2, check_ms);
        if (ready < 0 && errno != EINTR)
            return;
        if (ready == 0)
            follow_check(follow);
        follow_wake(follow);
        drain(driver);
    }
}

/* Goes on from the state, where there is one. */
static bool begin(struct driver *driver, const struct arguments *arguments, struct error *err)
{
    static const struct logger log = {.level = LOG_LEVEL_INFO};
    struct follow_options options = {.log = &log,
                                     .line_max = LINE_MAX_BYTES,
                                     .from_start = arguments->from_start,
                                     .before_drop = save,
                                     .arg = driver};
    struct follow_rows rows = {0};
    uint64_t length = 0;
    bool known = arguments->state && state_load(arguments->state, &rows, &length);
    *driver = (struct driver){.state = arguments->state, .every = arguments->every};
    driver->follow = follow_new(&options, err);
    bool good = driver->follow != NULL;
    for (char **pattern = arguments->patterns; good && *pattern; pattern++)
        good = follow_add(driver->follow, *pattern, known ? &rows : NULL, err) >= 0;
    follow_rows_release(&rows);
    if (good && driver->state) {
        bug_if(ftruncate(STDOUT_FILENO, (off_t)length) < 0 ||
               fseeko(stdout, (off_t)length, SEEK_SET) < 0);
        save(driver);
    }
    return good;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct arguments arguments;
    struct driver driver;
    struct error err;
    if (!parse(argv, &arguments))
        return usage();
    int stop_fd = signal_fd();
    if (!begin(&driver, &arguments, &err)) {
        fprintf(stderr, "follow_driver: %s\n", err.text);
        follow_free(driver.follow);
        return 1;
    }
    fputs("ready\n", stderr);
    run(&driver, arguments.check_ms, stop_fd);
    save(&driver);
    if (arguments.stats)
        print_stats(driver.follow);
    follow_free(driver.follow);
    return 0;
}
