#include "cli.h"
#include "event_json.h"
#include "mailvane/line/lines.h"
#include "pipeline.h"
#include "read.h"

static int print_file(struct pipeline *p, struct file_reader *reader, const char *path,
                      enum format_id format, bool with_recipients, struct error *err)
{
    struct stream stream;
    struct slice block, line;
    struct event event;
    int more;
    if (file_reader_open(reader, path, err) < 0)
        return -1;
    stream_init(&stream, reader->path, format, reader->mtime);
    while ((more = file_reader_next(reader, &block, err)) > 0) {
        while (lines_next(&block, &line)) {
            enum format_id of;
            if (pipeline_parse(p, &stream, line, &event, &of) == OUTCOME_EVENT)
                event_json_write(stdout, formats[of]->name, &event, with_recipients);
        }
    }
    return more;
}

static int print_files(const struct config *config, enum format_id format, bool with_recipients,
                       char **paths)
{
    struct pipeline p;
    struct file_reader reader;
    struct error err;
    struct logger log = {.level = LOG_LEVEL_WARN};
    int status = EXIT_DONE;
    if (pipeline_init(&p, config, &log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    file_reader_init(&reader);
    for (; *paths; paths++) {
        if (print_file(&p, &reader, *paths, format, with_recipients, &err) < 0)
            status = cli_fail(EXIT_WORLD, "%s", err.text);
    }
    if (fflush(stdout) != 0)
        status = cli_fail(EXIT_WORLD, "cannot write to stdout");
    file_reader_release(&reader);
    pipeline_release(&p);
    return status;
}

int run_events(int argc, char **argv)
{
    const char *config_file = NULL, *format_name = "auto";
    bool help = false, with_recipients = false;
    const struct cli_flag flags[] = {
        {"config.file", "F", "Configuration: providers and sending addresses.", &config_file, NULL},
        {"format", "NAME", "auto (default), postfix.", &format_name, NULL},
        {"with-recipients", NULL, "Print whole recipient addresses: they are personal data.", NULL,
         &with_recipients},
        {"help", NULL, "Show this.", NULL, &help},
        {NULL},
    };
    struct error err;
    struct config config;
    enum format_id format;
    int operand = cli_parse(argc, argv, flags, &err);
    if (operand < 0)
        return cli_fail(EXIT_USAGE, "events: %s", err.text);
    if (help) {
        cli_help("events [flags] FILE...",
                 "Prints one JSON object for each event that the log files tell of.", flags);
        return EXIT_DONE;
    }
    if (!format_parse_name(format_name, &format))
        return cli_fail(EXIT_USAGE, "events: unknown format \"%s\"", format_name);
    if (!argv[operand])
        return cli_fail(EXIT_USAGE, "events: no file to read; give - for stdin");
    config_init(&config);
    int status = EXIT_USAGE;
    if (config_file && config_load(&config, config_file, &err) < 0)
        cli_fail(EXIT_USAGE, "%s", err.text);
    else
        status = print_files(&config, format, with_recipients, argv + operand);
    config_release(&config);
    return status;
}
