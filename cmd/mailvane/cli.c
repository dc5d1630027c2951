#include "cli.h"

#include <stdarg.h>

#include "mailvane/base/slice.h"
#include "term.h"

/* The flag that an argument names: "--name" or "--name=value". */
static const struct cli_flag *find_flag(const struct cli_flag *flags, struct slice name)
{
    for (const struct cli_flag *flag = flags; flag->name; flag++) {
        if (slice_eq(name, slice_str(flag->name)))
            return flag;
    }
    return NULL;
}

/* Reads the flag at argv[*at] and moves *at behind its value. */
static int parse_flag(int argc, char **argv, int *at, const struct cli_flag *flags,
                      struct error *err)
{
    struct slice arg = slice_skip(slice_str(argv[*at]), 2);
    bool inline_value = slice_find(arg, '=') < arg.len;
    struct slice name = slice_cut(&arg, '=');
    const struct cli_flag *flag = find_flag(flags, name);
    if (!flag)
        return error_set(err, "unknown flag %s; see --help", argv[*at]);
    if (!flag->value && inline_value)
        return error_set(err, "--%s takes no value, but got \"%s\"", flag->name, arg.ptr);
    if (!flag->value) {
        *flag->on = true;
    } else if (inline_value) {
        *flag->text = arg.ptr;
    } else {
        if (*at + 1 >= argc)
            return error_set(err, "--%s wants a value: %s", flag->name, flag->value);
        *flag->text = argv[++*at];
    }
    ++*at;
    return 0;
}

int cli_parse(int argc, char **argv, const struct cli_flag *flags, struct error *err)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        if (strcmp(argv[at], "--") == 0)
            return at + 1;
        if (argv[at][1] != '-')
            return error_set(err, "unknown flag %s; see --help", argv[at]);
        if (parse_flag(argc, argv, &at, flags, err) < 0)
            return -1;
    }
    return at;
}

int cli_fail(int status, const char *format, ...)
{
    char sentence[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    /* It may quote what somebody else wrote, and a terminal obeys control bytes. */
    fputs("mailvane: ", stderr);
    term_put(stderr, slice_str(sentence));
    fputc('\n', stderr);
    return status;
}

int cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    return cli_fail(EXIT_WORLD, "cannot write to stdout");
}

void cli_help(const char *usage, const char *about, const struct cli_flag *flags)
{
    printf("usage: mailvane %s\n\n%s\n", usage, about);
    if (flags->name)
        puts("\nflags:");
    for (const struct cli_flag *flag = flags; flag->name; flag++) {
        char head[80];
        snprintf(head, sizeof(head), "--%s%s%s", flag->name, flag->value ? " " : "",
                 flag->value ? flag->value : "");
        printf("  %-30s %s\n", head, flag->help);
    }
}
