/*
 * What harnesses of stamps share: when it is, and a zone with summer time, so that hours that exist
 * twice or never are met.
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

#endif
