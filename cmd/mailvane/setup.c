#include "setup.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/expose/http.h"
#include "mailvane/source/checkpoint.h"

const char *setup_format_names(char names[SETUP_NAMES_MAX])
{
    int len = snprintf(names, SETUP_NAMES_MAX, "auto");
    for (unsigned i = 0; i < FORMAT_COUNT && len < SETUP_NAMES_MAX; i++)
        len += snprintf(names + len, SETUP_NAMES_MAX - (size_t)len, ", %s", formats[i]->name);
    return names;
}

/* Where the usual syslog configurations write mail. */
static const char *const usual_logs[] = {"/var/log/mail.log", "/var/log/maillog"};

#define USUAL_LOGS (sizeof(usual_logs) / sizeof(usual_logs[0]))

const char *setup_log(const struct config *config, size_t i)
{
    if (config->source_count > 0)
        return i < config->source_count ? config->sources[i].file : NULL;
    return i < USUAL_LOGS ? usual_logs[i] : NULL;
}

bool setup_has_usual_log(void)
{
    for (size_t i = 0; i < USUAL_LOGS; i++) {
        if (access(usual_logs[i], F_OK) == 0)
            return true;
    }
    return false;
}

int setup_check_listens(const struct config *config, const char *where, struct error *err)
{
    struct error why;
    for (size_t i = 0; i < config->web_listen_count; i++) {
        if (http_check_address(config->web_listen[i], &why) < 0)
            return error_set(err, "%s: %s", where, why.text);
    }
    return 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Does the pattern reach the file, by its name, by links or through another spelling? */
static bool reaches(const char *pattern, const char *file)
{
    char *one = checkpoint_without_links(pattern), *other = checkpoint_without_links(file);
    bool found =
        fnmatch(pattern, file, FNM_PATHNAME) == 0 || fnmatch(one, other, FNM_PATHNAME) == 0;
    glob_t matches;
    if (!found && glob(pattern, 0, NULL, &matches) == 0) {
        for (size_t i = 0; i < matches.gl_pathc; i++)
            found |= is_same_file(matches.gl_pathv[i], file);
        globfree(&matches);
    }
    free(one);
    free(other);
    return found;
}

/* An empty log would be made a state file, and no line of it counted any more. */
static int check_state(const struct config *config, const char *path, struct error *err)
{
    const char *pattern;
    for (size_t i = 0; config->state && (pattern = setup_log(config, i)); i++) {
        if (reaches(pattern, config->state))
            return error_set(err, "%s: the state cannot be \"%s\", a log that is followed", path,
                             config->state);
    }
    return 0;
}

/* The config floor knows no formats, so their names are checked here. */
static int check_formats(const struct config *config, const char *path, struct error *err)
{
    enum format_id format;
    char names[SETUP_NAMES_MAX];
    for (size_t i = 0; i < config->source_count; i++) {
        const struct config_source *source = &config->sources[i];
        if (source->format && !format_parse_name(source->format, &format))
            return error_set(err, "%s:%d:%d: unknown format \"%s\"; known are %s", path,
                             source->line, source->column, source->format,
                             setup_format_names(names));
    }
    return 0;
}

const char *setup_config_file(const char *named)
{
    return named || access(SETUP_CONFIG_USUAL, F_OK) < 0 ? named : SETUP_CONFIG_USUAL;
}

int setup_config(struct config *config, const char *path, struct error *err)
{
    config_init(config);
    if (!path)
        return 0;
    if (config_load(config, path, err) < 0 || check_formats(config, path, err) < 0)
        return -1;
    if (setup_check_listens(config, path, err) < 0)
        return -1;
    return check_state(config, path, err);
}

int files_command_run(const struct files_command *command, int argc, char **argv)
{
    const char *config_file = NULL, *format_name = "auto";
    bool help = false;
    char names[SETUP_NAMES_MAX], format_help[SETUP_NAMES_MAX + 32];
    snprintf(format_help, sizeof(format_help), "How to read the lines: %s.",
             setup_format_names(names));
    struct cli_flag flags[8] = {
        {"config.file", "F", "Configuration: providers, causes, sending addresses, limits.",
         &config_file, NULL},
        {"format", "NAME", format_help, &format_name, NULL},
        {"help", NULL, "Show this.", NULL, &help},
    };
    for (size_t i = 0; command->more && command->more[i].name; i++)
        flags[3 + i] = command->more[i];
    struct error err;
    struct config config;
    enum format_id format;
    char usage[64];
    int operand = cli_parse(argc, argv, flags, &err);
    if (operand < 0)
        return cli_fail(EXIT_USAGE, "%s: %s", command->name, err.text);
    if (help) {
        snprintf(usage, sizeof(usage), "%s [flags] [FILE...]", command->name);
        cli_help(usage, command->about, flags);
        return EXIT_DONE;
    }
    if (!format_parse_name(format_name, &format))
        return cli_fail(EXIT_USAGE, "%s: unknown format \"%s\"; known are %s", command->name,
                        format_name, setup_format_names(names));
    char *standard_input[] = {(char *)"-", NULL};
    bool files = !command->no_files || !*command->no_files;
    char **paths = argv[operand] || !files ? argv + operand : standard_input;
    if (!files && argv[operand])
        return cli_fail(EXIT_USAGE, "%s: no file is read here, such as \"%s\"; see --help",
                        command->name, argv[operand]);
    if (files && !argv[operand] && isatty(STDIN_FILENO))
        return cli_fail(EXIT_USAGE, "%s: no file to read; see --help", command->name);
    int status = setup_config(&config, config_file, &err) < 0
                     ? cli_fail(EXIT_USAGE, "%s", err.text)
                     : command->run(&config, format, paths, command->arg);
    config_release(&config);
    return status;
}
