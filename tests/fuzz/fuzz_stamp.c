/*
 * Any bytes as stamps, one a line: what a parser that remembers says is what a fresh one says,
 * and stamps with a zone are worked out again by the C library.
 */
#include <stdio.h>

#include "../../lib/line/stamp.h"
#include "mailvane/line/lines.h"
#include "stamps.h"

/* "2026-11-22T03:27:15Z" and no other form. */
static void check_utc(struct slice stamp, int64_t time)
{
    struct tm tm = {0};
    char text[32] = "", zone = 0;
    int n = 0;
    if (stamp.len != 20)
        return;
    memcpy(text, stamp.ptr, stamp.len);
    for (size_t i = 0; i < stamp.len; i++) {
        if ((i == 4 || i == 7     ? '-'
             : i == 10            ? 'T'
             : i == 13 || i == 16 ? ':'
                                  : 0) != text[i] &&
            i < 19 && !byte_is_digit(text[i]))
            return;
    }
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &zone, &n) != 7 ||
        n != 20 || zone != 'Z')
        return;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    bug_if(timegm(&tm) != time);
}

static void check_line(struct envelope_parser *warm, struct slice line)
{
    struct envelope_parser fresh;
    struct slice rest = line, warm_rest = line;
    int64_t time = INT64_MIN, warm_time = INT64_MIN;
    envelope_parser_init(&fresh, REFERENCE);
    bool found = stamp_take(&fresh, &rest, &time);
    bug_if(stamp_take(warm, &warm_rest, &warm_time) != found);
    bug_if(!is_within(rest, line) || time != warm_time || rest.len != warm_rest.len);
    if (!found) {
        bug_if(rest.ptr != line.ptr || rest.len != line.len);
        return;
    }
    bug_if(rest.len && rest.ptr[0] != ' ');
    check_utc(slice_head(line, line.len - rest.len), time);
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
