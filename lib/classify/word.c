#include "word.h"

#include "mailvane/event/dsn.h"

const uint8_t byte_classes[256] = {
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

/* How many of the bytes from p on are of one of the classes. */
size_t count_class(const char *p, const char *end, uint8_t class, size_t max)
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
struct slice word_zone(struct slice s)
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

bool word_is_span(struct slice core, struct slice behind)
{
    static const struct slice units[] = {
        SLICE_INIT("s"),       SLICE_INIT("sec"),  SLICE_INIT("secs"),  SLICE_INIT("second"),
        SLICE_INIT("seconds"), SLICE_INIT("min"),  SLICE_INIT("mins"),  SLICE_INIT("minute"),
        SLICE_INIT("minutes"), SLICE_INIT("hour"), SLICE_INIT("hours"), SLICE_INIT("day"),
        SLICE_INIT("days"),
    };
    if (core.len == 0 || core.len > 3 ||
        count_class(core.ptr, slice_end(core), DIGIT, core.len) < core.len ||
        !slice_take(&behind, SLICE(" ")))
        return false;
    /* As a whole word: what is a part of one may be an address or an id. */
    size_t len = count_class(behind.ptr, slice_end(behind), WORD, behind.len);
    struct slice unit = word_core(slice_head(behind, len));
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_eq(unit, units[i]))
            return true;
    }
    return false;
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

struct slice word_core(struct slice word)
{
    while (word.len && memchr(".-=~+", word.ptr[word.len - 1], 5))
        word.len--;
    return word;
}

enum word_kind word_kind(struct slice core, uint8_t seen)
{
    if (core.len == 0)
        return WORD_KEPT;
    if (seen & AT)
        return core.len > 1 ? WORD_ADDRESS : WORD_KEPT;
    if (!(seen & DIGIT) || is_worth_keeping(core, seen))
        return WORD_KEPT;
    return word_zone(core).len ? WORD_QUERY : WORD_ID;
}
