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

/* How many upper-case hexadecimal digits stand in front of [p, end): 16 at most. */
static inline unsigned scan_hex(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Moved so that the range ends at the highest signed byte: one comparison tells it. */
        __m128i digit = _mm_cmpgt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(0x7f - '9')),
                                       _mm_set1_epi8(0x7f - 10));
        __m128i letter =
            _mm_cmpgt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(0x7f - 'F')), _mm_set1_epi8(0x7f - 6));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(digit, letter));
        return (unsigned)__builtin_ctz(~mask);
    }
#endif
    const char *from = p;
    while (p < end && p - from < 16 && (byte_is_digit(*p) || (*p >= 'A' && *p <= 'F')))
        p++;
    return (unsigned)(p - from);
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

/* A bit for each of SCAN_WIDE bytes from p on that is `a`. */
#define SCAN_WIDE 64
static inline uint64_t scan_wide(const char *p, char a)
{
    uint64_t hits = 0;
#ifdef __SSE2__
    const __m128i want = _mm_set1_epi8(a);
    for (unsigned i = 0; i < SCAN_WIDE; i += 16)
        hits |= (uint64_t)scan_hits(p + i, want, want, want) << i;
#else
    for (unsigned i = 0; i < SCAN_WIDE; i++)
        hits |= (uint64_t)(p[i] == a) << i;
#endif
    return hits;
}

/* Which of eight words is the first that equals `want`; 8 where none does. */
static inline unsigned scan_eight(const uint32_t words[8], uint32_t want)
{
#ifdef __SSE2__
    const __m128i all = _mm_set1_epi32((int)want);
    __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)words), all);
    __m128i high =
        _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)(words + 4)), all);
    unsigned mask = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(low)) |
                    (unsigned)_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
    return (unsigned)__builtin_ctz(mask | 0x100);
#else
    unsigned at = 0;
    while (at < 8 && words[at] != want)
        at++;
    return at;
#endif
}

/* Where one of a, b and c first stands in [p, end); end where none does. */
ALWAYS_INLINE const char *scan_to3(const char *p, const char *end, char a, char b, char c)
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
