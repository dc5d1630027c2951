/*
 * The syslog envelope alone. Any bytes are a line; what comes out lies within it,
 * and a parser that remembers the lines before must say what a fresh one says.
 */
#include "mailvane/line/envelope.h"
#include "mailvane/line/lines.h"
#include "stamps.h"

static void check_line(struct envelope_parser *warm, struct slice line)
{
    struct envelope_parser fresh;
    struct envelope got, want;
    envelope_parser_init(&fresh, REFERENCE);
    envelope_parse(&fresh, line, &want);
    envelope_parse(warm, line, &got);
    bug_if(!is_within(got.program, line) || !is_within(got.text, line));
    bug_if(got.time != want.time);
    bug_if(!slice_eq(got.program, want.program));
    bug_if(!slice_eq(got.text, want.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice block = input_of(data, size), line;
    struct envelope_parser warm;
    envelope_parser_init(&warm, REFERENCE);
    while (lines_next(&block, &line)) {
        struct slice copy = copy_of(line);
        check_line(&warm, copy);
        copy_free(copy);
    }
    return 0;
}
