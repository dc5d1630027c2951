/*
 * mailvane report: a page over log files for a person.
 */
#include "report.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mailvane/base/hash.h"
#include "mailvane/line/lines.h"
#include "pipeline.h"
#include "read.h"
#include "report_queue.h"
#include "setup.h"

#define PROGRESS_FROM  (32 << 20) /* bytes of a file that is worth showing progress of */
#define PROGRESS_EVERY 128        /* blocks */

struct options {
    const char *since_text;
    const char *top_text;
    bool json, queue;
};

struct reading {
    struct pipeline pipeline;
    struct file_reader reader;
    struct tally *tally;
    int64_t since; /* TIME_UNKNOWN: everything */
    uint64_t lines;
    uint64_t older; /* deliveries before that */
    unsigned files;
};

/* --- --since --------------------------------------------------------------------- */

/* "90m", "24h", "7d": that long before now. */
static bool parse_ago(const char *text, int64_t *out)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;
    long value = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end > text && value > 0 && value < 1000000 && end[0] == units[i].unit && !end[1]) {
            *out = (int64_t)time(NULL) - value * units[i].seconds;
            return true;
        }
    }
    return false;
}

/* "2026-01-04", "2026-01-04 10:12", "2026-01-04T10:12:21", each local, or with a Z. */
static bool parse_stamp(const char *text, int64_t *out)
{
    static const char *const shapes[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                         "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, shapes[i], &tm);
        int day = tm.tm_mday;
        if (end && strcmp(end, "Z") == 0)
            *out = timegm(&tm);
        else if (end && *end == '\0')
            *out = mktime(&tm);
        else
            continue;
        /* The 30th of February would be taken for a day of March. */
        return tm.tm_mday == day;
    }
    return false;
}

/* --- reading --------------------------------------------------------------------- */

/* Where a long file is read, on a terminal; total 0 where it is not known. */
static void show_progress(const struct reading *r, uint64_t done, uint64_t total)
{
    if (total)
        fprintf(stderr, "\r%s: %3.0f %%", r->reader.path, 100.0 * (double)done / (double)total);
    else
        fprintf(stderr, "\r%s: %llu MB", r->reader.path, (unsigned long long)(done >> 20));
}

/* The size of what is worth a progress line; -1 for what is not. */
static int64_t progress_total(const char *path)
{
    struct stat st;
    if (!isatty(STDERR_FILENO) || stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size < PROGRESS_FROM)
        return -1;
    return st.st_size;
}

static void tally_block(struct reading *r, struct stream *stream, struct slice block)
{
    struct slice line;
    struct event event;
    enum format_id format;
    while (lines_next(&block, &line)) {
        r->lines++;
        if (pipeline_parse(&r->pipeline, stream, line, &event, &format) != OUTCOME_EVENT ||
            event.kind != EVENT_DELIVERY)
            continue;
        if (event.time != TIME_UNKNOWN && event.time < r->since)
            r->older++;
        else
            tally_delivery(r->tally, &event);
    }
}

static int read_file(struct reading *r, const char *path, enum format_id format, struct error *err)
{
    struct stream stream;
    struct slice block;
    uint64_t blocks = 0, done = 0;
    int more;
    if (file_reader_open(&r->reader, path, err) < 0)
        return -1;
    int64_t total = progress_total(path);
    stream_init(&stream, r->reader.path, format, r->reader.mtime);
    while ((more = file_reader_next(&r->reader, &block, err)) > 0) {
        tally_block(r, &stream, block);
        done += block.len;
        /* What is decompressed is longer than its file. */
        if (total >= 0 && ++blocks % PROGRESS_EVERY == 0)
            show_progress(r, done, done <= (uint64_t)total ? (uint64_t)total : 0);
    }
    if (total >= 0)
        fputs("\r\033[K", stderr);
    r->files += more == 0 || done > 0;
    return more;
}

static bool parse_top(const char *text, unsigned *out)
{
    char *end;
    long top = strtol(text, &end, 10);
    if (*end || end == text || top < 1 || top > REPORT_TOP_MAX)
        return false;
    *out = (unsigned)top;
    return true;
}

/* Without files. */
static int report_waiting(const struct config *config, const struct options *options, unsigned top)
{
    struct pipeline pipeline;
    struct logger log = {.level = LOG_LEVEL_WARN};
    struct error err;
    if (options->since_text)
        return cli_fail(EXIT_USAGE, "report: --since is of logs, and --queue reads none");
    if (pipeline_init(&pipeline, config, &log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    int status = report_queues(config, &pipeline, top, options->json);
    pipeline_release(&pipeline);
    return status ? status : cli_flush();
}

static int report_files(const struct config *config, enum format_id format, char **paths,
                        const void *arg)
{
    const struct options *options = arg;
    struct error err;
    struct logger log = {.level = LOG_LEVEL_WARN};
    struct reading r = {.since = TIME_UNKNOWN};
    struct report report = {.top = 10};
    int status = EXIT_DONE;
    if (options->top_text && !parse_top(options->top_text, &report.top))
        return cli_fail(EXIT_USAGE, "report: --top \"%s\" is no number from 1 to %d",
                        options->top_text, REPORT_TOP_MAX);
    if (options->queue)
        return report_waiting(config, options, report.top);
    if (options->since_text && !parse_ago(options->since_text, &r.since) &&
        !parse_stamp(options->since_text, &r.since))
        return cli_fail(EXIT_USAGE,
                        "report: --since \"%s\" is no time: 2026-01-04, 2026-01-04T10:12:21Z, or "
                        "how long ago, as 24h or 7d",
                        options->since_text);
    if (pipeline_init(&r.pipeline, config, &log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    r.tally = tally_new(hash_seed());
    file_reader_init(&r.reader);
    for (; *paths; paths++) {
        if (read_file(&r, *paths, format, &err) < 0)
            status = cli_fail(EXIT_WORLD, "%s", err.text);
    }
    report.tally = r.tally;
    report.lines = r.lines;
    report.older = r.older;
    report.files = r.files;
    struct term term = term_of(stdout);
    /* What could not be read at all must not look like a quiet day. */
    if (r.files && options->json)
        report_json(&report);
    else if (r.files)
        report_page(&report, &term);
    status = status ? status : cli_flush();
    file_reader_release(&r.reader);
    tally_free(r.tally);
    pipeline_release(&r.pipeline);
    return status;
}

int run_report(int argc, char **argv)
{
    struct options options = {0};
    const struct cli_flag more[] = {
        {"since", "T", "Only deliveries from then on: a date, a stamp, or how long ago (24h, 7d).",
         &options.since_text, NULL},
        {"top", "N", "Rows of a table, 10 if not given.", &options.top_text, NULL},
        {"queue", NULL, "Look at the mail queues instead of logs: domains by age, and causes.",
         NULL, &options.queue},
        {"json", NULL, "Print JSON.", NULL, &options.json},
        {NULL},
    };
    const struct files_command command = {
        .name = "report",
        .about = "Reads whole log files and prints a page: what failed, why, whose problem it is, "
                 "and what to do.",
        .more = more,
        .no_files = &options.queue,
        .run = report_files,
        .arg = &options,
    };
    return files_command_run(&command, argc, argv);
}
