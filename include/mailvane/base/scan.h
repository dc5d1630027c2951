/*
 * The first of a few bytes in a slice, sixteen at a time where the machine can
 * (SSE2 is part of every x86-64). A log line is mostly the bytes between its
 * delimiters, so this is what the grammars spend their time in.
 *
 * Nothing behind the slice's end is read.
 */
#ifndef MAILVANE_BASE_SCAN_H
#define MAILVANE_BASE_SCAN_H

#include "mailvane/base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Are eight bytes all upper-case hexadecimal digits? */
static inline bool scan_word_is_hex(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101), top = each * 0x80;
    /* With the top bit set a byte cannot borrow from the next: it stays set where c >= low. */
    uint64_t not_digit = ~((word | top) - each * '0') | ((word & ~top) + each * (0x7f - '9'));
    uint64_t not_letter = ~((word | top) - each * 'A') | ((word & ~top) + each * (0x7f - 'F'));
    return ((word | (not_digit & not_letter)) & top) == 0;
}

/* The same of 8 to 16 bytes. */
static inline bool scan_all_hex(const char *p, size_t len)
{
    return scan_word_is_hex(bytes_load(p)) && scan_word_is_hex(bytes_load(p + len - 8));
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that is one of three. */
static inline unsigned scan_hits(const char *p, __m128i a, __m128i b, __m128i c)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(bytes, a),
                                _mm_or_si128(_mm_cmpeq_epi8(bytes, b), _mm_cmpeq_epi8(bytes, c)));
    return (unsigned)_mm_movemask_epi8(hits);
}
#endif

/* Where one of a, b and c first stands in [p, end); end where none does. */
static inline const char *scan_to3(const char *p, const char *end, char a, char b, char c)
{
#ifdef __SSE2__
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vc = _mm_set1_epi8(c);
    const char *from = p;
    for (; end - p >= 16; p += 16) {
        unsigned mask = scan_hits(p, va, vb, vc);
        if (mask)
            return p + __builtin_ctz(mask);
    }
    /* The rest with what was seen before it: sixteen bytes that end where the slice does. */
    if (p < end && p > from) {
        unsigned mask = scan_hits(end - 16, va, vb, vc) >> (16 - (end - p));
        return mask ? p + __builtin_ctz(mask) : end;
    }
#endif
    while (p < end && *p != a && *p != b && *p != c)
        p++;
    return p;
}

static inline const char *scan_to2(const char *p, const char *end, char a, char b)
{
    return scan_to3(p, end, a, b, b);
}

static inline const char *scan_to(const char *p, const char *end, char a)
{
    return scan_to3(p, end, a, a, a);
}

#endif
