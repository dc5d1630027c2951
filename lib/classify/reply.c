#include "mailvane/classify/reply.h"

#include "mailvane/base/scan.h"

/* A quotation is announced by one of these, at most so many bytes before its colon. */
#define LEAD_MAX 60
#define LOCAL_PART_MAX 64 /* RFC 5321, 4.5.3.1.1 */
static const struct slice leads[] = {
    SLICE_INIT("said"),       SLICE_INIT("responded"),   SLICE_INIT("respond"),
    SLICE_INIT("response"),   SLICE_INIT("reply"),       SLICE_INIT("replied"),
    SLICE_INIT("returned"),   SLICE_INIT("answer"),      SLICE_INIT("error"),
    SLICE_INIT("reason"),     SLICE_INIT("follows"),     SLICE_INIT("diagnostic"),
    SLICE_INIT("talk to me"), SLICE_INIT("failed with"),
};

/* Where a reply is about our own sender address, what it quotes is not the reason. */
static const struct slice sender_side[] = {
    SLICE_INIT("sender rejected"), SLICE_INIT("sender address rejected"),
    SLICE_INIT("sender verif"),    SLICE_INIT("sender address verif"),
    SLICE_INIT("callout"),         SLICE_INIT("callback"),
};

enum { WORD = 1, DIGIT = 2, AT = 4, BLANK = 8, ACCENT = 16, LETTER = 32 };

/* What a byte may be part of. A word is what an address, a host name or an id is made of. */
static const uint8_t classes[256] = {
    [0 ... ' '] = BLANK,
    ['0' ... '9'] = WORD | DIGIT,
    ['A' ... 'Z'] = WORD | LETTER,
    ['a' ... 'z'] = WORD | LETTER,
    ['@'] = WORD | AT,
    ['.'] = WORD,
    ['_'] = WORD,
    ['+'] = WORD,
    ['~'] = WORD,
    ['='] = WORD,
    ['-'] = WORD,
    [0x7f] = BLANK,
    [0x80 ... 0xc2] = WORD,
    [0xc3] = WORD | ACCENT,
    [0xc4 ... 0xcf] = WORD,
    [0xd0] = WORD | ACCENT,
    [0xd1 ... 0xff] = WORD,
};

static uint8_t class_of(char c)
{
    return classes[(unsigned char)c];
}

static bool is_letter(char c)
{
    return byte_is_lower(c) || byte_is_upper(c);
}

/* Does `word` stand at p, in any case? */
static bool at_word(const char *p, const char *end, struct slice word)
{
    if ((size_t)(end - p) < word.len)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (byte_lower(p[i]) != word.ptr[i])
            return false;
    }
    return true;
}

static bool is_word_byte(char c)
{
    return is_letter(c) || byte_is_digit(c) || c == '_';
}

/* Does one of the words stand in [from, to), beginning a word, and ending one if `whole`? */
static bool any_word(const char *from, const char *to, const struct slice *words, size_t count,
                     bool whole)
{
    for (const char *p = from; p < to; p++) {
        if (p > from && is_word_byte(p[-1]))
            continue;
        for (size_t i = 0; i < count; i++) {
            const char *behind = p + words[i].len;
            if (at_word(p, to, words[i]) && !(whole && behind < to && is_word_byte(*behind)))
                return true;
        }
    }
    return false;
}

#define ANY_WORD(from, to, words, whole)                                                           \
    any_word(from, to, words, sizeof(words) / sizeof((words)[0]), whole)

/* Do the bytes before p end with the text, in any case? */
static bool ends_with(const char *from, const char *p, struct slice text)
{
    return (size_t)(p - from) >= text.len && at_word(p - text.len, p, text);
}

/* Does a refusal begin here: "550 ", "550-" or "5.1.1 "? */
static bool begins_refusal(const char *p, const char *end)
{
    struct slice s = slice_between(p, end);
    struct dsn dsn;
    if (s.len > 3 && reply_code(s) >= 400)
        return true;
    return dsn_take(&s, &dsn) && slice_starts(s, SLICE(" "));
}

/* "host mx.example.net [192.0.2.1]:25:", with the last colon behind `colon`. */
static bool names_host(const char *from, const char *colon)
{
    const char *p = colon;
    while (p > from && byte_is_digit(p[-1]))
        p--;
    if (p < colon && p > from && p[-1] == ':')
        p--;
    if (p == from || p[-1] != ']')
        return false;
    const char *open = p;
    while (open > from && p - open < LEAD_MAX && *open != '[')
        open--;
    if (*open != '[' || open == from || open[-1] != ' ')
        return false;
    const char *host = open - 1;
    while (host > from && host[-1] != ' ' && host[-1] != ':')
        host--;
    return host < open - 1 && ends_with(from, host, SLICE("host "));
}

/* A ':' or '>' at p: do words before it say that somebody is quoted? */
static bool announces(const char *from, const char *p)
{
    const char *lead = p;
    while (lead > from && p - lead < LEAD_MAX && lead[-1] != ':' && lead[-1] != '<' &&
           lead[-1] != '>')
        lead--;
    return ANY_WORD(lead, p, leads, true) || (*p == ':' && names_host(from, p));
}

/* What begins at p, behind `from`, is quoted if what stands before it says so. */
static bool is_quoted(const char *from, const char *p)
{
    static const struct slice quoters[] = {
        SLICE_INIT("returned "),        SLICE_INIT("address error "),
        SLICE_INIT("address error ("),  SLICE_INIT("system problem "),
        SLICE_INIT("system problem ("),
    };
    const char *before = p;
    bool quote = before > from && (before[-1] == '\'' || before[-1] == '"');
    if (before > from && memchr("[(\"'", before[-1], 4))
        before--;
    for (size_t i = 0; quote && i < sizeof(quoters) / sizeof(quoters[0]); i++) {
        if (ends_with(from, before, quoters[i]))
            return true;
    }
    bool opened = before < p;
    while (before > from && class_of(before[-1]) == BLANK)
        before--;
    if (before == from)
        return false;
    const char *mark = before - 1;
    if (!opened && (*mark == '<' || ends_with(from, before, SLICE("->"))))
        return true;
    return (*mark == ':' || *mark == '>') && announces(from, mark);
}

/* The innermost reply that is quoted, else the whole. */
static struct slice innermost(struct slice raw)
{
    const char *from = raw.ptr, *end = slice_end(raw), *best = from, *asked = from;
    for (const char *p = scan_to2(from, end, '4', '5'); p < end;
         p = scan_to2(p + 1, end, '4', '5')) {
        /* Most digits stand within a word. */
        if (p == from || class_of(p[-1]) & WORD || !begins_refusal(p, end) || !is_quoted(best, p))
            continue;
        /* From a little before what was looked through: a phrase may end behind it. */
        if (ANY_WORD(asked - from > LEAD_MAX ? asked - LEAD_MAX : from, p, sender_side, false))
            break;
        asked = best = p;
    }
    return slice_between(best, end);
}

/* "(#5.1.1)": qmail's way to tell an enhanced code. */
static struct dsn bracketed_dsn(struct slice s)
{
    struct dsn dsn = {0};
    for (size_t at = slice_find(s, '('); at < s.len; at = slice_find(s, '(')) {
        s = slice_skip(s, at + 1);
        struct slice rest = s;
        slice_take(&rest, SLICE("#"));
        if (dsn_take(&rest, &dsn))
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
    bool dotted = dsn_take(&rest, &dsn) && (!code || dsn.klass == code / 100u);
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

static bool same_dsn(struct dsn a, struct dsn b)
{
    return a.klass == b.klass && a.subject == b.subject && a.detail == b.detail;
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

/* How many of the bytes from p on are of one of the classes. */
static size_t count_class(const char *p, const char *end, uint8_t class, size_t max)
{
    size_t n = 0;
    while (p + n < end && n < max && class_of(p[n]) & class)
        n++;
    return n;
}

/* "127.0.0.2": what a block list answered. */
static bool is_list_answer(struct slice s)
{
    if (!slice_take(&s, SLICE("127")))
        return false;
    for (int part = 0; part < 3; part++) {
        if (!slice_take(&s, SLICE(".")))
            return false;
        size_t digits = count_class(s.ptr, slice_end(s), DIGIT, 4);
        if (digits == 0 || digits > 3)
            return false;
        s = slice_skip(s, digits);
    }
    return s.len == 0;
}

/* "s3140", "tss04", "rl000001", "lpn001_108", "-1310": a code that somebody documents. */
static bool is_marker(struct slice s)
{
    const char *p = s.ptr, *end = slice_end(s);
    if (!is_letter(*p) && *p != '-')
        return false;
    for (p++; p < end && (is_letter(*p) || *p == '.' || *p == '_' || *p == '-'); p++)
        ;
    size_t digits = count_class(p, end, DIGIT, 7);
    if (p - s.ptr > 12 || digits == 0 || digits > 6)
        return false;
    p += digits;
    if (p < end && *p == '_') {
        digits = count_class(++p, end, DIGIT, 4);
        p += digits > 0 && digits < 4 ? digits : 0;
    }
    return p == end;
}

/* A host name: letters alone in its last label, and in the others no digits but one, or "1and1". */
static bool is_host(struct slice s)
{
    const char *end = slice_end(s);
    size_t dots = 0, label = 0, letters = 0, digits = 0;
    if (!is_letter(end[-1]))
        return false;
    for (const char *p = s.ptr; p < end; p++) {
        bool digit = byte_is_digit(*p);
        if (*p == '.') {
            if (label == 0)
                return false;
            dots++;
            label = letters = digits = 0;
            continue;
        }
        digits += digit;
        if ((digits > 1 && label > 5) || (digit && p + 1 < end && byte_is_digit(p[1])) ||
            (!digit && !is_letter(*p) && *p != '-'))
            return false;
        label++;
        letters += is_letter(*p);
    }
    return dots && label >= 2 && letters == label;
}

/*
 * What asks a block list, "4.3.2.1.zen.example.org" or "<a key of 16 or more>.zen...":
 * the list's own name, empty where it is none.
 */
static struct slice list_zone(struct slice s)
{
    struct slice rest = s;
    if (!is_letter(slice_end(s)[-1]))
        return SLICE_NONE;
    for (int octets = 0; octets < 4; octets++) {
        size_t digits = count_class(rest.ptr, slice_end(rest), DIGIT, 4);
        rest = slice_skip(rest, digits);
        if (digits == 0 || digits > 3 || !slice_take(&rest, SLICE("."))) {
            rest = s;
            size_t key = 0;
            while (key < s.len && byte_is_alnum(s.ptr[key]))
                key++;
            rest = slice_skip(s, key);
            if (key < 16 || !slice_take(&rest, SLICE(".")))
                return SLICE_NONE;
            break;
        }
    }
    size_t dots = 0;
    for (size_t i = 0; i < rest.len; i++) {
        if (byte_is_digit(rest.ptr[i]))
            return SLICE_NONE;
        dots += rest.ptr[i] == '.';
    }
    return dots >= 2 && is_host(rest) ? rest : SLICE_NONE;
}

/* A word with a number in it: is it a code, or does it differ with every message? */
static bool is_worth_keeping(struct slice s, uint8_t seen)
{
    struct dsn dsn;
    if (!(seen & LETTER) && s.ptr[0] != '-')
        return (s.len <= 3 && count_class(s.ptr, slice_end(s), DIGIT, 3) == s.len) ||
               dsn_parse(s, &dsn) || is_list_answer(s);
    bool plain = true;
    for (size_t i = 0; i < s.len && i < 4; i++)
        plain = plain && byte_is_alnum(s.ptr[i]);
    return (s.len <= 3 && plain) || is_marker(s) || is_host(s);
}

/* What differs with every message; of a question to a block list, all but the list. */
static void put_id(struct writer *w, struct slice id)
{
    struct slice zone = list_zone(id);
    put_number(w);
    if (!zone.len)
        return;
    put(w, '.');
    put_lower(w, zone.ptr, slice_end(zone));
}

/* Writes one word. */
static void put_word(struct writer *w, struct slice word, uint8_t classes_seen)
{
    struct slice core = word;
    while (core.len && memchr(".-=~+", core.ptr[core.len - 1], 5))
        core.len--;
    if (core.len && (classes_seen & AT) && core.len > 1)
        put(w, '@');
    else if (core.len && (classes_seen & DIGIT) &&
             (is_group(w, core) || !is_worth_keeping(core, classes_seen)))
        put_id(w, core);
    else
        put_lower(w, core.ptr, slice_end(core));
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
    if (reply->dsn.klass && dsn_take(&behind, &dsn) && same_dsn(dsn, reply->dsn))
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
    for (uint8_t class; to < end && (class = class_of(*to)) & WORD; to++)
        seen |= class;
    put_word(w, slice_between(from, to), seen);
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

static void normalise(struct reply *reply, struct slice s)
{
    struct writer w = {.text = reply->text};
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
    struct slice s = slice_trim(innermost(raw));
    normalise(reply, slice_trim(take_codes(reply, s)));
}
