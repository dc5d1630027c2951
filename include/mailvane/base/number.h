/*
 * Decimal numbers as logs write them, "0", "0.47", "90061": read as whole millionths,
 * so that sums of them are exact.
 */
#ifndef MAILVANE_BASE_NUMBER_H
#define MAILVANE_BASE_NUMBER_H

#include "mailvane/base/slice.h"

#define NUMBER_ONE        UINT64_C(1000000) /* what "1" is read as */
#define NUMBER_DIGITS_MAX 12                /* before the point: nothing overflows */
#define NUMBER_PLACES_MAX 6                 /* behind it */

/* What the last of so many places is worth. */
extern const uint32_t number_unit[NUMBER_PLACES_MAX + 1];

/* number_read byte by byte: any length within the limits. */
const char *number_read_slowly(const char *from, const char *end, uint64_t *out);

/* Whether the first digit is the lowest byte of a word: what reads words asks first. */
#define NUMBER_BY_WORD (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

#define NUMBER_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The upper bit of each byte that is no ASCII digit. */
static inline uint64_t number_not_digits(uint64_t word)
{
    uint64_t value = word ^ NUMBER_EACH('0');
    return (((value & NUMBER_EACH(0x7f)) + NUMBER_EACH(0x7f - 9)) | value) & NUMBER_EACH(0x80);
}

/* How many digits a word begins with. */
static inline unsigned number_length(uint64_t word)
{
    uint64_t stops = number_not_digits(word);
    return stops ? (unsigned)__builtin_ctzll(stops) / 8 : 8;
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
static inline const char *number_read(const char *from, const char *end, uint64_t *out)
{
    if (end - from < 8 || !NUMBER_BY_WORD)
        return number_read_slowly(from, end, out);
    uint64_t word = bytes_load(from);
    uint64_t stops = number_not_digits(word);
    uint64_t stop = stops & -stops; /* the bit of the first byte that is no digit */
    unsigned whole = stops ? (unsigned)__builtin_ctzll(stops) / 8 : 8;
    bool point = stops && from[whole] == '.';
    /* Without a point the number ends here; with one, at the next byte that is no digit. */
    uint64_t last = point ? stops & (stops - 1) : stops;
    if (whole == 0 || !last)
        return whole ? number_read_slowly(from, end, out) : NULL;
    unsigned len = (unsigned)__builtin_ctzll(last) / 8;
    /* The bytes before the point move up to those behind it, and the last comes on top. */
    uint64_t before = word & ((stop >> 7) - 1);
    uint64_t digits = point ? (before << 8) | (word & ~((stop << 1) - 1)) : word;
    *out = number_eight_digits(digits << (64 - 8 * len)) * number_unit[len - whole - point];
    return from + len;
}

#endif
