/*
 * Runs a command and appends to a file what it took.
 *
 *     measure FILE COMMAND [ARGUMENT...]
 *
 * The line is "SECONDS CPU_SECONDS PEAK_KB": by the clock, user and system time, and
 * the peak of its resident memory. The exit status is the command's. This is C since
 * the kernel counts what the parent had before exec into that peak: a script would
 * add its interpreter to what it measures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int append(const char *path, double wall, const struct rusage *usage)
{
    FILE *out = fopen(path, "a");
    if (!out)
        return -1;
    fprintf(out, "%.6f %.6f %ld\n", wall, seconds_of(usage->ru_utime) + seconds_of(usage->ru_stime),
            usage->ru_maxrss);
    return fclose(out);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: measure FILE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    double start = clock_now();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
        perror("measure");
        return 3;
    }
    if (append(argv[1], clock_now() - start, &usage) != 0) {
        perror(argv[1]);
        return 3;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
