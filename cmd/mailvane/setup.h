/*
 * What the subcommands share before they begin: reading the configuration, and
 * the command line of those that read whole files.
 */
#ifndef MAILVANE_SETUP_H
#define MAILVANE_SETUP_H

#include "cli.h"
#include "mailvane/config/config.h"
#include "mailvane/format/format.h"

/* Read where no file is named and this one is there. */
#define SETUP_CONFIG_USUAL "/etc/mailvane/mailvane.yml"
/* The file that was named, else the usual one where it is there, else NULL. */
const char *setup_config_file(const char *named);

/* Reads the file over the defaults (NULL: defaults only) and checks what it names. */
int setup_config(struct config *config, const char *path, struct error *err);

/* Are the addresses to listen on written well? `where` is what the sentence begins with. */
int setup_check_listens(const struct config *config, const char *where, struct error *err);

/* The i-th log to follow: a configured one, else one of the usual places; NULL behind the last. */
const char *setup_log(const struct config *config, size_t i);
/* Is there a log in one of the usual places? */
bool setup_has_usual_log(void);
#define SETUP_NO_LOG "neither /var/log/mail.log nor /var/log/maillog is there"

/* "auto, postfix": for messages and --help. */
#define SETUP_NAMES_MAX 256
const char *setup_format_names(char names[SETUP_NAMES_MAX]);

/* A subcommand over whole files: mailvane NAME [flags] [FILE...], stdin where none is given. */
struct files_command {
    const char *name;
    const char *about;
    const struct cli_flag *more; /* its own flags, at most 4; NULL: none */
    const bool *no_files;        /* set by one of them: it takes none. NULL: there is no such */
    int (*run)(const struct config *config, enum format_id format, char **paths, const void *arg);
    const void *arg; /* for run: what its own flags say */
};

/* Parses --config.file, --format and --help, loads the configuration and runs it. */
int files_command_run(const struct files_command *command, int argc, char **argv);

/* A queue that is configured; where nothing is said of queues, one in a usual place. */
struct setup_queue {
    const char *mta;
    const char *spool;
    long interval, timeout; /* as configured */
    bool usual;             /* nobody asked for it: it happens to be there */
    char name[256];         /* the label `mta`: of one MTA's queues each has its own */
};

#define SETUP_QUEUES_MAX 64
size_t setup_queues(const struct config *config, struct setup_queue queues[SETUP_QUEUES_MAX]);

#endif
