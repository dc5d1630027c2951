/*
 * Command lines: every subcommand has a table of flags, from which parsing and
 * --help come. Flags are long, with "--name value" or "--name=value", as those of
 * Prometheus' exporters.
 */
#ifndef MAILVANE_CLI_H
#define MAILVANE_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "mailvane/base/error.h"

/* Exit statuses (cli.md). */
enum { EXIT_DONE = 0, EXIT_NOT_SO = 1, EXIT_USAGE = 2, EXIT_WORLD = 3 };

struct cli_flag {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what stands for its value in --help; NULL: it takes none */
    const char *help;  /* one sentence */
    const char **text; /* where the value goes, if it takes one */
    bool *on;          /* set, if it takes none */
};

struct subcommand {
    const char *name;
    const char *operands; /* "FILE..." */
    const char *summary;
    int (*run)(int argc, char **argv);
};

/*
 * Parses argv[1] and on. Returns the index of the first operand, or -1 with a
 * sentence. "-" is an operand and "--" ends the flags.
 */
int cli_parse(int argc, char **argv, const struct cli_flag *flags, struct error *err);

/* "mailvane: sentence" on stderr; returns status. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* At the end of the output: 0, or EXIT_WORLD with a sentence where some of it was lost. */
int cli_flush(void);

void cli_help(const char *usage, const char *about, const struct cli_flag *flags);

int run_agent(int argc, char **argv);
int run_scan(int argc, char **argv);
int run_events(int argc, char **argv);
int run_report(int argc, char **argv);
int run_explain(int argc, char **argv);
int run_check(int argc, char **argv);

#endif
