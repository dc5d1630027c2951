#include "mailvane/classify/reply.h"

#include "bytes.h"
#include "mailvane/base/scan.h"
#include "own_host.h"
#include "quoted.h"
#include "word.h"

#define LOCAL_PART_MAX 64 /* RFC 5321, 4.5.3.1.1 */

/* A word that is longer is no enhanced code. */
#define DSN_WORD_MAX 24

/*
 * Takes an enhanced code off that is a word of its own: of a longer word it would be a
 * part that nobody means, such as an id's.
 */
static bool take_dsn_word(struct slice *s, struct dsn *out)
{
    uint8_t seen = 0;
    const char *end = word_end(s->ptr, slice_end(slice_head(*s, DSN_WORD_MAX)), &seen);
    struct dsn dsn;
    return dsn_parse(word_core(slice_between(s->ptr, end)), &dsn) && dsn_take(s, out);
}

/* "(#5.1.1)": qmail's way to tell an enhanced code. */
static struct dsn bracketed_dsn(struct slice s)
{
    struct dsn dsn = {0};
    for (size_t at = slice_find(s, '('); at < s.len; at = slice_find(s, '(')) {
        s = slice_skip(s, at + 1);
        struct slice rest = s;
        slice_take(&rest, SLICE("#"));
        if (take_dsn_word(&rest, &dsn))
            break;
    }
    return dsn;
}

static struct slice skip_gap(struct slice s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '-'))
        s = slice_skip(s, 1);
    return s;
}

/* Takes the codes off the front. */
static struct slice take_codes(struct reply *reply, struct slice s)
{
    uint16_t code = reply_code(s);
    struct dsn dsn = {0};
    /* What is no refusal was said before one: "354 go on 451 4.3.0 error". */
    code = code >= 400 ? code : 0;
    if (code) {
        reply->code = code;
        s = skip_gap(slice_skip(s, 3));
    }
    struct slice rest = s;
    bool dotted = take_dsn_word(&rest, &dsn) && (!code || dsn.klass == code / 100u);
    if (dotted)
        s = rest;
    else if (!reply->dsn.klass)
        dsn = bracketed_dsn(s);
    else
        return s;
    if (dsn.klass)
        reply->dsn = dsn;
    return s;
}

/* The text while it is written. */
struct writer {
    char *text;
    size_t len;
};

static void put(struct writer *w, char c)
{
    if (w->len < REPLY_TEXT_MAX)
        w->text[w->len++] = c;
}

static void put_blank(struct writer *w)
{
    if (w->len && w->text[w->len - 1] != ' ')
        put(w, ' ');
}

static void put_lower(struct writer *w, const char *from, const char *end)
{
    size_t room = REPLY_TEXT_MAX - w->len,
           n = (size_t)(end - from) < room ? (size_t)(end - from) : room;
    for (size_t i = 0; i < n; i++)
        w->text[w->len + i] = byte_lower(from[i]);
    w->len += n;
}

/* How much of what was written stands behind a number and may lie within one: "#:", "#::". */
static size_t within_number(const struct writer *w)
{
    size_t n = 0;
    while (n < 2 && n < w->len && memchr(":.-", w->text[w->len - n - 1], 3))
        n++;
    return n && n < w->len && w->text[w->len - n - 1] == '#' ? n : 0;
}

/* "#:#" is one number, as an IPv6 address is. */
static void put_number(struct writer *w)
{
    size_t within = within_number(w);
    w->len -= within;
    if (!within)
        put(w, '#');
}

/* A further group of an IPv6 address, or a port. */
static bool is_group(const struct writer *w, struct slice s)
{
    if (s.len > 4 || !within_number(w) || w->text[w->len - 1] != ':')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = byte_lower(s.ptr[i]);
        if (!byte_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
    }
    return true;
}

/* What becomes of a word's core, by what was written before it and what stands behind. */
static enum word_kind kind_of(const struct writer *w, struct slice core, uint8_t seen,
                              const char *end)
{
    bool id =
        core.len && (is_group(w, core) || word_is_span(core, slice_between(slice_end(core), end)));
    return id ? WORD_ID : word_kind(core, seen);
}

/* Writes one word; the reply ends at `end`. */
static void put_word(struct writer *w, struct slice word, uint8_t seen, const char *end)
{
    struct slice core = word_core(word);
    enum word_kind kind = kind_of(w, core, seen, end);
    if (kind == WORD_ADDRESS)
        put(w, '@');
    else if (kind == WORD_KEPT)
        put_lower(w, core.ptr, slice_end(core));
    else
        put_number(w);
    if (kind == WORD_QUERY) {
        struct slice zone = word_zone(core);
        put(w, '.');
        put_lower(w, zone.ptr, slice_end(zone));
    }
    put_lower(w, slice_end(core), slice_end(word));
}

/* À to Þ and А to Я, two bytes each: the lower-case letter's second byte, maybe its first. */
static size_t put_accent(struct writer *w, const char *p, const char *end)
{
    unsigned char first = (unsigned char)p[0], second = end - p > 1 ? (unsigned char)p[1] : 0;
    if (first == 0xd0 && second == 0x81) {
        put(w, (char)0xd1); /* the letter Yo has no place in the row */
        put(w, (char)0x91);
        return 2;
    }
    bool latin = first == 0xc3 && second >= 0x80 && second <= 0x9e && second != 0x97;
    bool cyrillic = first == 0xd0 && second >= 0x90 && second <= 0xaf;
    if (!latin && !cyrillic) {
        put(w, *p);
        return 1;
    }
    bool carry = cyrillic && second >= 0xa0;
    put(w, (char)(carry ? first + 1 : first));
    put(w, (char)(carry ? second - 0x20 : second + 0x20));
    return 2;
}

/*
 * The line of a multi-line reply that begins at p repeats the code: where its text
 * begins, p if it does not.
 */
static const char *skip_repeated(const struct reply *reply, const char *p, const char *end)
{
    struct slice rest = slice_between(p, end);
    if (!reply->code || *p != (char)('0' + reply->code / 100) || rest.len < 4 ||
        reply_code(rest) != reply->code)
        return p;
    rest = skip_gap(slice_skip(rest, 3));
    struct slice behind = rest;
    struct dsn dsn;
    if (reply->dsn.klass && take_dsn_word(&behind, &dsn) && dsn_equal(dsn, reply->dsn))
        rest = behind;
    while (rest.len && class_of(rest.ptr[0]) == BLANK)
        rest = slice_skip(rest, 1);
    return rest.ptr;
}

/* Does the byte at p need more than lower case? */
static bool needs_care(const char *p, const char *end)
{
    bool blanks = *p == ' ' && p + 1 < end && p[1] == ' ';
    return blanks || class_of(*p) & (DIGIT | AT | ACCENT) || (class_of(*p) & BLANK && *p != ' ');
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that needs more than lower case; the byte behind is read. */
static unsigned care_mask(const char *p, __m128i bytes)
{
    const __m128i blank = _mm_set1_epi8(' ');
    __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    __m128i blanks = _mm_and_si128(_mm_cmpeq_epi8(bytes, blank), _mm_cmpeq_epi8(next, blank));
    __m128i digits =
        _mm_cmpgt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(0x7f - '9')), _mm_set1_epi8(0x7f - 10));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i accents = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xc3)),
                                   _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xd0)));
    __m128i others = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')),
                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    __m128i all = _mm_or_si128(_mm_or_si128(blanks, digits), _mm_or_si128(controls, accents));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(all, others));
}

static __m128i sixteen_lower(__m128i bytes)
{
    __m128i upper =
        _mm_cmpgt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(0x7f - 'Z')), _mm_set1_epi8(0x7f - 26));
    return _mm_add_epi8(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
}
#endif

/* Copies bytes up to the first that needs more than lower case; returns where that is. */
static const char *copy_plain(struct writer *w, const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p > 16 && w->len + 16 <= REPLY_TEXT_MAX) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned mask = care_mask(p, bytes);
        _mm_storeu_si128((__m128i *)(void *)(w->text + w->len), sixteen_lower(bytes));
        unsigned plain = (unsigned)__builtin_ctz(mask | 0x10000);
        w->len += plain;
        p += plain;
        if (plain < 16)
            return p;
    }
#endif
    for (; p < end && w->len < REPLY_TEXT_MAX && !needs_care(p, end); p++)
        w->text[w->len++] = byte_lower(*p);
    return p;
}

/*
 * The word around p, where its first digit or "@" stands: what was written of it as plain
 * text is taken back. Returns where it ends.
 */
static const char *rewrite_word(const struct reply *reply, struct writer *w, const char *start,
                                const char *p, const char *end)
{
    const char *from = p, *to = p;
    while (from > start && class_of(from[-1]) & WORD)
        from--;
    /* Digits and "@" come first: what stands before them is a letter, or as good as one. */
    uint8_t seen = from < p ? LETTER : 0;
    w->len -= (size_t)(p - from) < w->len ? (size_t)(p - from) : w->len;
    if (from == start || class_of(from[-1]) == BLANK) {
        const char *behind = skip_repeated(reply, from, end);
        if (behind > from)
            return behind;
    }
    to = word_end(to, end, &seen);
    put_word(w, slice_between(from, to), seen, end);
    return to;
}

/* A word that is cut may be half an address, unless it is too long for one. */
static void drop_half_address(struct writer *w)
{
    size_t word = 0;
    while (word < w->len && class_of(w->text[w->len - word - 1]) & WORD)
        word++;
    if (word <= LOCAL_PART_MAX)
        w->len -= word;
}

/* Of our own MTA's words: writes what stands before the host, and "#" for that; returns the rest.
 */
static struct slice put_own_host(struct writer *w, struct slice s)
{
    struct slice host = own_host(s);
    if (!host.len)
        return s;
    put_lower(w, s.ptr, host.ptr);
    put(w, '#');
    return slice_between(slice_end(host), slice_end(s));
}

static void normalise(struct reply *reply, struct slice s, bool our_words)
{
    struct writer w = {.text = reply->text};
    if (our_words)
        s = put_own_host(&w, s);
    const char *start = s.ptr, *p = start, *end = slice_end(s);
    while (p < end && w.len < REPLY_TEXT_MAX) {
        p = copy_plain(&w, p, end);
        if (p == end || w.len == REPLY_TEXT_MAX)
            break;
        uint8_t class = class_of(*p);
        if (class & (DIGIT | AT)) {
            p = rewrite_word(reply, &w, start, p, end);
            start = p;
        } else if (class & BLANK) {
            put_blank(&w);
            p += count_class(p, end, BLANK, s.len);
        } else {
            p += put_accent(&w, p, end);
        }
    }
    if (p < end)
        drop_half_address(&w);
    while (w.len && w.text[w.len - 1] == ' ')
        w.len--;
    reply->len = (uint16_t)w.len;
}

void reply_read(struct reply *reply, struct slice raw, uint16_t code, struct dsn dsn)
{
    reply->code = code;
    reply->dsn = dsn;
    struct slice s = slice_trim(quoted_innermost(raw));
    struct slice text = take_codes(reply, s);
    /* A server begins with a code. */
    normalise(reply, slice_trim(text), text.ptr == s.ptr);
}
