/*
 * Numbers: read by the word as byte by byte, and the value is the one that the digits say.
 */
#include "input.h"
#include "mailvane/base/number.h"

/* What stands in [from, to), worked out digit by digit. */
static uint64_t value_of(const char *from, const char *to)
{
    uint64_t value = 0;
    const char *p = from;
    for (; p < to && *p != '.'; p++)
        value = value * 10 + (uint64_t)(*p - '0') * NUMBER_ONE;
    uint64_t worth = NUMBER_ONE / 10;
    for (p++; p < to; p++, worth /= 10)
        value += (uint64_t)(*p - '0') * worth;
    return value;
}

static void check_at(const char *from, const char *end)
{
    uint64_t fast = 1, slow = 2;
    const char *fast_end = number_read(from, end, &fast);
    const char *slow_end = number_read_slowly(from, end, &slow);
    bug_if(fast_end != slow_end);
    if (!fast_end)
        return;
    bug_if(fast != slow || fast_end <= from || fast_end > end);
    bug_if(fast != value_of(from, fast_end));
    bug_if(fast_end < end && byte_is_digit(*fast_end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = copy_of(slice_head(input_of(data, size), 64));
    for (size_t at = 0; at <= text.len; at++)
        check_at(text.ptr + at, slice_end(text));
    copy_free(text);
    return 0;
}
