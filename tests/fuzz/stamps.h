/*
 * What harnesses of stamps share: when it is, a zone with summer time, so that hours that exist
 * twice or never are met, and the one thing that is not held against a parser's memory.
 */
#ifndef MAILVANE_TESTS_FUZZ_STAMPS_H
#define MAILVANE_TESTS_FUZZ_STAMPS_H

#include <time.h>

#include "input.h"

#define REFERENCE INT64_C(1798711200) /* 2026-12-31T10:00:00Z: most dates lie before */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return 0;
}

/*
 * "03:27:15 2026": no log has the year there in some lines and not in others of the
 * same second, so the memory of such a line is not held against the parser.
 */
static inline bool has_year_behind_clock(struct slice line)
{
    for (size_t i = 0; i + 8 <= line.len; i++) {
        const char *p = line.ptr + i;
        if (p[0] == ':' && byte_is_digit(p[2]) && (p[3] == ' ' || p[3] == '.' || p[3] == ',') &&
            byte_is_digit(line.ptr[i + 7]))
            return true;
    }
    return false;
}

#endif
