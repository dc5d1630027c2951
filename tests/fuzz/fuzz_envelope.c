/*
 * The syslog envelope alone. Any bytes are a line; what comes out lies within it,
 * and a parser that remembers the lines before must say what a fresh one says.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/line/envelope.h"
#include "mailvane/line/lines.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REFERENCE INT64_C(1798711200) /* 2026-12-31T10:00:00Z: most dates lie before */

/* A zone with summer time, so that hours that exist twice or never are met. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return 0;
}

static void check_within(struct slice inner, struct slice outer)
{
    if (inner.len)
        bug_if(inner.ptr < outer.ptr || slice_end(inner) > slice_end(outer));
}

/*
 * "03:27:15 2026": no log has the year there in some lines and not in others of the
 * same second, so the memory of such a line is not held against the parser.
 */
static bool has_year_behind_clock(struct slice line)
{
    for (size_t i = 0; i + 8 <= line.len; i++) {
        const char *p = line.ptr + i;
        if (p[0] == ':' && byte_is_digit(p[2]) && (p[3] == ' ' || p[3] == '.' || p[3] == ',') &&
            byte_is_digit(line.ptr[i + 7]))
            return true;
    }
    return false;
}

static void check_line(struct envelope_parser *warm, struct slice line)
{
    struct envelope_parser fresh;
    struct envelope got, want;
    envelope_parser_init(&fresh, REFERENCE);
    if (has_year_behind_clock(line))
        envelope_parser_init(warm, REFERENCE);
    envelope_parse(&fresh, line, &want);
    envelope_parse(warm, line, &got);
    check_within(got.program, line);
    check_within(got.text, line);
    bug_if(got.time != want.time);
    bug_if(!slice_eq(got.program, want.program));
    bug_if(!slice_eq(got.text, want.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice block = slice_of((const char *)data, size), line;
    struct envelope_parser warm;
    envelope_parser_init(&warm, REFERENCE);
    while (lines_next(&block, &line)) {
        /* A buffer of its own, so that the sanitizer sees a read behind the line. */
        char *copy = must_calloc(line.len, 1);
        memcpy(copy, line.ptr, line.len);
        check_line(&warm, slice_of(copy, line.len));
        free(copy);
    }
    return 0;
}
