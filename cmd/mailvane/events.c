#include "event_json.h"
#include "mailvane/line/lines.h"
#include "pipeline.h"
#include "read.h"
#include "setup.h"

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

static int print_files(const struct config *config, enum format_id format, char **paths,
                       const void *arg)
{
    struct pipeline p;
    struct file_reader reader;
    struct error err;
    struct logger log = {.level = LOG_LEVEL_WARN};
    const bool *with_recipients = arg;
    int status = EXIT_DONE;
    if (pipeline_init(&p, config, &log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    file_reader_init(&reader);
    for (; *paths; paths++) {
        if (print_file(&p, &reader, *paths, format, *with_recipients, &err) < 0)
            status = cli_fail(EXIT_WORLD, "%s", err.text);
    }
    status = status ? status : cli_flush();
    file_reader_release(&reader);
    pipeline_release(&p);
    return status;
}

int run_events(int argc, char **argv)
{
    bool with_recipients = false;
    const struct cli_flag more[] = {
        {"with-recipients", NULL, "Print whole recipient addresses: personal data.", NULL,
         &with_recipients},
        {NULL},
    };
    const struct files_command command = {
        .name = "events",
        .about = "Prints one JSON object for each event that the log files tell of.",
        .more = more,
        .run = print_files,
        .arg = &with_recipients,
    };
    return files_command_run(&command, argc, argv);
}
