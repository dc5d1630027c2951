/*
 * Enhanced status codes and reply codes, from every byte of the input on: what is taken is
 * what is written, and a code never is a part of a longer one.
 */
#include "input.h"
#include "mailvane/event/dsn.h"

/* Is it the text of that code, but for zeros in front? */
static bool says(struct slice text, struct dsn dsn)
{
    const unsigned want[] = {dsn.klass, dsn.subject, dsn.detail};
    for (int i = 0; i < 3; i++) {
        struct slice part = slice_cut(&text, '.');
        unsigned value = 0;
        for (size_t at = 0; at < part.len; at++)
            value = value * 10 + (unsigned)(part.ptr[at] - '0');
        if (part.len < 1 || part.len > 3 || value != want[i])
            return false;
    }
    return text.len == 0;
}

static void check_dsn(struct slice text)
{
    struct slice rest = text;
    struct dsn dsn = {0}, again = {0};
    char formatted[DSN_TEXT_SIZE];
    bool taken = dsn_take(&rest, &dsn);
    bug_if(!is_within(rest, text) || (!taken && rest.len != text.len));
    bug_if(dsn_parse(text, &again) != (taken && rest.len == 0));
    if (!taken)
        return;
    bug_if(!says(slice_head(text, text.len - rest.len), dsn));
    bug_if(dsn.klass != 2 && dsn.klass != 4 && dsn.klass != 5);
    bug_if(rest.len && byte_is_digit(rest.ptr[0]));
    bug_if(rest.len > 1 && rest.ptr[0] == '.' && byte_is_digit(rest.ptr[1]));
    size_t len = dsn_format(dsn, formatted);
    bug_if(!dsn_parse(slice_of(formatted, len), &again) || !dsn_equal(dsn, again));
}

static void check_reply(struct slice text)
{
    uint16_t code = reply_code(text);
    struct reply_status status = reply_status_parse(text);
    bug_if(code && (code < 200 || code > 599));
    bug_if(status.code != code);
    bug_if(status.dsn.klass && status.dsn.klass != code / 100);
    if (code)
        bug_if(text.ptr[0] - '0' != code / 100 || text.ptr[2] - '0' != code % 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = copy_of(slice_head(input_of(data, size), 64));
    for (size_t at = 0; at <= text.len; at++) {
        check_dsn(slice_skip(text, at));
        check_reply(slice_skip(text, at));
    }
    copy_free(text);
    return 0;
}
