#include "alike.h"

#include "mailvane/base/scan.h"
#include "own_host.h"
#include "quoted.h"
#include "word.h"

/* A shorter word may be a group of an IPv6 address, depending on what stands before it. */
#define ID_MIN 5

bool alike_allowed(struct slice known)
{
    return quoted_never(known);
}

/* "550-..." or "550": may be the code of a further line. */
static bool is_like_code(struct slice word)
{
    return word.len >= 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') &&
           byte_is_digit(word.ptr[1]) && byte_is_digit(word.ptr[2]) &&
           (word.len == 3 || word.ptr[3] == '-');
}

/*
 * Does it become "#" or "@", whatever stands around it? seen: the classes of the word's
 * bytes; behind: what follows its core in the reply.
 */
ALWAYS_INLINE enum word_kind sure_kind(struct slice word, struct slice core, uint8_t seen,
                                       struct slice behind)
{
    bool span = word_is_span(core, behind);
    enum word_kind kind = span ? WORD_ID : word_kind(core, seen);
    bool sure = span || kind == WORD_ADDRESS || (kind == WORD_ID && core.len >= ID_MIN);
    return sure && !is_like_code(word) ? kind : WORD_KEPT;
}

/* Where two words that begin at p and q end, if both become the same; false if not. */
ALWAYS_INLINE bool skip_words(const char **p, const char *end, const char **q,
                              const char *fresh_end)
{
    uint8_t seen_a = 0, seen_b = 0;
    const char *to = word_end(*p, end, &seen_a), *fresh_to = word_end(*q, fresh_end, &seen_b);
    struct slice a = slice_between(*p, to), b = slice_between(*q, fresh_to);
    if (a.len == 0 || b.len == 0)
        return false;
    struct slice core_a = word_core(a), core_b = word_core(b);
    if (!slice_eq(slice_skip(a, core_a.len), slice_skip(b, core_b.len)))
        return false;
    enum word_kind kind = sure_kind(a, core_a, seen_a, slice_between(slice_end(core_a), end));
    if (kind == WORD_KEPT ||
        kind != sure_kind(b, core_b, seen_b, slice_between(slice_end(core_b), fresh_end)))
        return false;
    *p = to;
    *q = fresh_to;
    return true;
}

/* How many bytes the two have in common from here on, max at most. */
static size_t common_length(const char *a, const char *b, size_t max)
{
    size_t n = 0;
#ifdef __SSE2__
    for (; n + 16 <= max; n += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + n));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + n));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
        if (mask != 0xffff)
            return n + (unsigned)__builtin_ctz(~mask);
    }
#endif
    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* Takes off what stands up to the host that our own MTA names; false where that differs. */
static bool skip_own_host(struct slice *known, struct slice *fresh)
{
    struct slice a = own_host(*known), b = own_host(*fresh);
    if (!a.len || !b.len)
        return !a.len && !b.len;
    if (!slice_eq(slice_between(known->ptr, a.ptr), slice_between(fresh->ptr, b.ptr)))
        return false;
    *known = slice_between(slice_end(a), slice_end(*known));
    *fresh = slice_between(slice_end(b), slice_end(*fresh));
    return true;
}

bool alike(struct slice known, struct slice fresh)
{
    if (!skip_own_host(&known, &fresh))
        return false;
    const char *p = known.ptr, *end = slice_end(known);
    const char *behind = p; /* the last word that differed */
    const char *q = fresh.ptr, *fresh_end = slice_end(fresh);
    for (;;) {
        size_t room = (size_t)(end - p < fresh_end - q ? end - p : fresh_end - q);
        size_t same = common_length(p, q, room);
        p += same;
        q += same;
        if (p == end && q == fresh_end)
            return true;
        /* Back to where the words begin that differ. */
        while (p > behind && class_of(p[-1]) & WORD) {
            p--;
            q--;
        }
        if (p == known.ptr || !skip_words(&p, end, &q, fresh_end))
            return false;
        behind = p;
    }
}
