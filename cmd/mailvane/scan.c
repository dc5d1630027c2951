#include "mailvane/expose/text.h"
#include "pipeline.h"
#include "read.h"
#include "setup.h"

struct totals {
    uint64_t lines;
    uint64_t bytes;
    double seconds;
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int scan_file(struct pipeline *p, struct file_reader *reader, const char *path,
                     enum format_id format, struct totals *totals, struct error *err)
{
    struct stream stream;
    struct slice block;
    int more;
    if (file_reader_open(reader, path, err) < 0)
        return -1;
    stream_init(&stream, reader->path, format, reader->mtime);
    uint64_t skipped = reader->blocks.skipped;
    while ((more = file_reader_next(reader, &block, err)) > 0)
        pipeline_count(p, &stream, block);
    totals->lines += stream.lines;
    totals->bytes += stream.bytes;
    pipeline_report(p, &stream);
    struct series_key key = {{metrics_label(p->metrics, LABEL_SOURCE, slice_str(stream.name))}};
    metrics_add(p->metrics, METRIC_LOG_READ_BYTES, key, stream.bytes);
    metrics_add(p->metrics, METRIC_LOG_LONG_LINES, key, reader->blocks.skipped - skipped);
    return more;
}

static void print_throughput(const struct totals *t)
{
    double seconds = t->seconds > 0 ? t->seconds : 1e-9;
    fprintf(stderr, "mailvane: %llu lines, %llu bytes in %.3f s: %.0f lines/s, %.1f MB/s\n",
            (unsigned long long)t->lines, (unsigned long long)t->bytes, t->seconds,
            (double)t->lines / seconds, (double)t->bytes / seconds / 1e6);
}

/* The exposition as it is at the end of the files. */
static int print_metrics(struct pipeline *p)
{
    struct strbuf out = STRBUF_INIT;
    metrics_settle(p->metrics, 0, true);
    text_write(&out, p->metrics, TEXT_ALL_SEEN);
    fwrite(out.buf, 1, out.len, stdout);
    strbuf_release(&out);
    return cli_flush();
}

static int scan_files(const struct config *config, enum format_id format, char **paths,
                      const void *arg)
{
    (void)arg;
    struct pipeline p;
    struct file_reader reader;
    struct error err;
    struct totals totals = {0};
    struct logger log = {.level = LOG_LEVEL_WARN};
    int status = EXIT_DONE;
    if (pipeline_init(&p, config, &log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    file_reader_init(&reader);
    double start = now_seconds();
    for (; *paths; paths++) {
        /* One bad file does not keep the others from being counted. */
        if (scan_file(&p, &reader, *paths, format, &totals, &err) < 0)
            status = cli_fail(EXIT_WORLD, "%s", err.text);
    }
    totals.seconds = now_seconds() - start;
    int printed = print_metrics(&p);
    print_throughput(&totals);
    file_reader_release(&reader);
    pipeline_release(&p);
    return status ? status : printed;
}

int run_scan(int argc, char **argv)
{
    const struct files_command command = {
        .name = "scan",
        .about =
            "Reads whole log files (plain or compressed; - is stdin) to the end and prints the "
            "metrics.",
        .run = scan_files,
    };
    return files_command_run(&command, argc, argv);
}
