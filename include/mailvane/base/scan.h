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

/* Where one of a, b and c first stands in [p, end); end where none does. */
static inline const char *scan_to3(const char *p, const char *end, char a, char b, char c)
{
#ifdef __SSE2__
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vc = _mm_set1_epi8(c);
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hits =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, va),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, vb), _mm_cmpeq_epi8(bytes, vc)));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask)
            return p + __builtin_ctz(mask);
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
