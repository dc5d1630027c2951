/*
 * Decimal numbers as logs write them: "0", "0.47", "90061".
 */
#ifndef MAILVANE_BASE_NUMBER_H
#define MAILVANE_BASE_NUMBER_H

#include "mailvane/base/slice.h"

#define NUMBER_DIGITS_MAX 15 /* what a double holds exactly */
#define NUMBER_PLACES_MAX 9

/* Powers of ten, by number of places. */
extern const double number_scale[NUMBER_PLACES_MAX + 1];

/* number_read byte by byte: any length within the limits. */
const char *number_read_slowly(const char *from, const char *end, double *out);

#define NUMBER_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The upper bit of each byte that is no ASCII digit. */
static inline uint64_t number_not_digits(uint64_t word)
{
    uint64_t value = word ^ NUMBER_EACH('0');
    return (((value & NUMBER_EACH(0x7f)) + NUMBER_EACH(0x7f - 9)) | value) & NUMBER_EACH(0x80);
}

/* Eight ASCII digits, the first one in the lowest byte: pairs, then fours, then all. */
static inline uint64_t number_eight_digits(uint64_t word)
{
    word = (word & NUMBER_EACH(0x0f)) * 2561 >> 8;
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
    return (word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/*
 * Reads digits, with a point and more digits behind it if there is one. Gives where
 * the number ends, NULL where none begins or it is longer than the limits above.
 *
 * Numbers of up to seven bytes are read as one word without a branch on any of them:
 * every delivery line has five, all of another length.
 */
static inline const char *number_read(const char *from, const char *end, double *out)
{
    if (end - from < 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return number_read_slowly(from, end, out);
    uint64_t word = bytes_load(from);
    uint64_t stops = number_not_digits(word);
    if (!stops)
        return number_read_slowly(from, end, out);
    unsigned whole = (unsigned)__builtin_ctzll(stops) / 8;
    uint64_t rest = stops & (stops - 1);
    bool point = from[whole] == '.';
    if (whole == 0 || (point && !rest))
        return whole ? number_read_slowly(from, end, out) : NULL;
    unsigned places = point ? (unsigned)__builtin_ctzll(rest) / 8 - whole - 1 : 0;
    /* The bytes behind the point close up to those before it, and the last comes on top. */
    uint64_t before = word & ((UINT64_C(1) << 8 * whole) - 1);
    uint64_t behind = word >> 8 & ~((UINT64_C(1) << 8 * whole) - 1);
    uint64_t digits = (before | (point ? behind : 0)) << (64 - 8 * (whole + places));
    *out = (double)number_eight_digits(digits) / number_scale[places];
    return from + whole + places + point;
}

#endif
