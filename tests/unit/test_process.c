#include "guard.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mailvane/expose/process.h"

static struct process_stats read_stats(void)
{
    struct process_stats stats;
    struct error err = {{0}};
    if (process_stats_read(&stats, &err) != 0)
        fail_msg("%s", err.text);
    return stats;
}

static double cpu_used(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Against getrusage, to one tick of each of the two counts, under a name that misleads. */
static void test_process_cpu(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b 2"), 0);
    while (cpu_used() < 0.25)
        ;
    double before = cpu_used();
    double got = read_stats().cpu_seconds;
    double after = cpu_used();
    if (got < before - 0.021 || got > after + 0.021)
        fail_msg("got %f, want from %f to %f", got, before, after);
    assert_int_equal(prctl(PR_SET_NAME, "test_process"), 0);
}

static double distance(double a, double b)
{
    return a > b ? a - b : b - a;
}

/* Against statm, which counts pages; what the readers allocate in between is little. */
static void test_process_memory(void **state)
{
    (void)state;
    unsigned long long size = 0, resident = 0;
    struct process_stats stats = read_stats();
    FILE *statm = fopen("/proc/self/statm", "re");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%llu %llu", &size, &resident), 2);
    fclose(statm);
    double page = (double)sysconf(_SC_PAGESIZE);
    assert_true(distance((double)stats.virtual_bytes, (double)size * page) < 4e6);
    assert_true(distance((double)stats.resident_bytes, (double)resident * page) < 4e6);
}

static void test_process_fds(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (int fd = 0; fd < 4096; fd++)
        before += fcntl(fd, F_GETFD) >= 0;
    assert_int_equal(read_stats().open_fds, before);
    int fds[5];
    for (int i = 0; i < 5; i++)
        assert_true((fds[i] = dup(0)) >= 0);
    assert_int_equal(read_stats().open_fds, before + 5);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    assert_int_equal(read_stats().open_fds, before);

    struct rlimit limit, changed;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    changed = limit;
    changed.rlim_cur = 333;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &changed), 0);
    assert_int_equal(read_stats().max_fds, 333);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A child starts between two looks at the clock; the boot time has whole seconds only. */
static void test_process_start(void **state)
{
    (void)state;
    int ends[2], status = 0;
    double start = 0;
    assert_int_equal(pipe(ends), 0);
    time_t before = time(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct process_stats stats = {0};
        struct error err;
        int failed = process_stats_read(&stats, &err);
        ssize_t sent = write(ends[1], &stats.start_time_seconds, sizeof(start));
        _exit(failed || sent != sizeof(start));
    }
    assert_int_equal(read(ends[0], &start, sizeof(start)), sizeof(start));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    if (start < (double)before - 2 || start > (double)time(NULL) + 2)
        fail_msg("got %f, want from %ld on", start, (long)before);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_cpu),
        cmocka_unit_test(test_process_memory),
        cmocka_unit_test(test_process_fds),
        cmocka_unit_test(test_process_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
