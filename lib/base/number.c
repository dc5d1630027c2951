#include "mailvane/base/number.h"

static const double scale[NUMBER_PLACES_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* Byte by byte: any length within the limits. */
static const char *read_slowly(const char *from, const char *end, double *out)
{
    const char *p = from, *point = NULL;
    uint64_t value = 0;
    unsigned digits = 0;
    for (; p < end; p++) {
        if (*p == '.' && !point && p > from) {
            point = p;
            continue;
        }
        if (!byte_is_digit(*p))
            break;
        value = value * 10 + (uint64_t)(*p - '0');
        if (++digits > NUMBER_DIGITS_MAX)
            return NULL;
    }
    size_t places = point ? (size_t)(p - point) - 1 : 0;
    if (p == from || places > NUMBER_PLACES_MAX)
        return NULL;
    *out = (double)value / scale[places];
    return p;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The upper bit of each byte that is no ASCII digit. */
static uint64_t not_digits(uint64_t word)
{
    uint64_t value = word ^ EACH('0');
    return (((value & EACH(0x7f)) + EACH(0x7f - 9)) | value) & EACH(0x80);
}

/* Eight ASCII digits, the first one in the lowest byte: pairs, then fours, then all. */
static uint64_t eight_digits(uint64_t word)
{
    word = (word & EACH(0x0f)) * 2561 >> 8;
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
    return (word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/*
 * Numbers of up to seven bytes, read as one word without a branch on any of them:
 * every delivery line has five, all of another length.
 */
const char *number_read(const char *from, const char *end, double *out)
{
    if (end - from < 8)
        return read_slowly(from, end, out);
    uint64_t word = bytes_load(from);
    uint64_t stops = not_digits(word);
    if (!stops)
        return read_slowly(from, end, out);
    unsigned whole = (unsigned)__builtin_ctzll(stops) / 8;
    uint64_t rest = stops & (stops - 1);
    bool point = from[whole] == '.';
    if (whole == 0 || (point && !rest))
        return whole ? read_slowly(from, end, out) : NULL;
    unsigned places = point ? (unsigned)__builtin_ctzll(rest) / 8 - whole - 1 : 0;
    /* The bytes behind the point close up to those before it, and the last comes on top. */
    uint64_t before = word & ((UINT64_C(1) << 8 * whole) - 1);
    uint64_t behind = word >> 8 & ~((UINT64_C(1) << 8 * whole) - 1);
    uint64_t digits = (before | (point ? behind : 0)) << (64 - 8 * (whole + places));
    *out = (double)eight_digits(digits) / scale[places];
    return from + whole + places + point;
}

#else

const char *number_read(const char *from, const char *end, double *out)
{
    return read_slowly(from, end, out);
}

#endif
