/*
 * mailvane: mail logs into Prometheus metrics.
 *
 * Without a subcommand it is the agent. A subcommand is a row here and a file
 * beside this one; only code in this folder prints for the user and exits.
 */
#include "cli.h"
#include "version.h"

static const struct subcommand subcommands[] = {
    {"scan", "[FILE...]", "read whole log files and print the metrics", run_scan},
    {"events", "[FILE...]", "print one JSON object for each event in log files", run_events},
    {"report", "[FILE...]", "print a page for a person: what failed, and why", run_report},
    {"explain", "'REPLY'", "say what a refusal means and what to do", run_explain},
    {"check", "", "check the configuration, files and formats", run_check},
};

#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static int print_help(void)
{
    puts("usage: mailvane [flags]                 the agent: follow the mail log, serve /metrics");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        printf("       mailvane %-7s [flags] %-9s %s\n", subcommands[i].name,
               subcommands[i].operands, subcommands[i].summary);
    puts("       mailvane --version\n\n\"mailvane SUBCOMMAND --help\" lists its flags; the "
         "agent's:");
    return run_agent(2, (char *[]){(char *)"mailvane", (char *)"--help", NULL});
}

static int print_version(void)
{
    printf("mailvane, version %s (revision: %s)\n", MAILVANE_VERSION, MAILVANE_REVISION);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return print_help();
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return print_version();
    if (argc < 2 || argv[1][0] == '-')
        return run_agent(argc, argv);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    }
    return cli_fail(EXIT_USAGE, "unknown subcommand \"%s\"; see mailvane --help", argv[1]);
}
