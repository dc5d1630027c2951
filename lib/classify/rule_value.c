#include "rule_value.h"

#include "mailvane/base/scan.h"

static bool is_phase(struct slice word, enum phase phase)
{
    return phase ? slice_eq(word, slice_str(phase_words[phase])) : slice_eq(word, SLICE("none"));
}

/* "550", "5xx" for all of a class, "none". */
static bool is_code(struct slice word, uint16_t code)
{
    char text[3] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                    (char)('0' + code % 10)};
    if (slice_eq(word, SLICE("none")) || code == 0)
        return slice_eq(word, SLICE("none")) && code == 0;
    return word.len == 3 && word.ptr[0] == text[0] &&
           (slice_ends(word, SLICE("xx")) || slice_eq(word, slice_of(text, 3)));
}

/* Takes off what stands before the next dot. */
static struct slice take_part(struct slice *s)
{
    const char *end = slice_end(*s), *p = scan_to(s->ptr, end, '.');
    struct slice part = slice_between(s->ptr, p);
    *s = slice_between(p < end ? p + 1 : end, end);
    return part;
}

static bool is_number(struct slice word, unsigned number)
{
    unsigned value = 0;
    for (size_t i = 0; i < word.len; i++)
        value = value * 10 + (unsigned)(word.ptr[i] - '0');
    return slice_eq(word, SLICE("*")) || value == number;
}

/* "5.7.1", "x.7.1" for both classes, "4.7.*", "none". */
static bool is_dsn(struct slice word, struct dsn dsn)
{
    if (slice_eq(word, SLICE("none")) || dsn.klass == 0)
        return slice_eq(word, SLICE("none")) && dsn.klass == 0;
    struct slice klass = take_part(&word), subject = take_part(&word);
    return (slice_eq(klass, SLICE("x")) || is_number(klass, dsn.klass)) &&
           is_number(subject, dsn.subject) && is_number(word, dsn.detail);
}

bool rule_value_holds(enum rule_key key, struct slice word, const struct rule_facts *facts)
{
    switch (key) {
    case RULE_PROVIDER:
        return slice_eq(word, facts->provider);
    case RULE_PHASE:
        return is_phase(word, facts->phase);
    case RULE_CODE:
        return is_code(word, facts->reply->code);
    default:
        return is_dsn(word, facts->reply->dsn);
    }
}

static bool is_part(struct slice part)
{
    if (slice_eq(part, SLICE("*")))
        return true;
    for (size_t i = 0; i < part.len; i++) {
        if (!byte_is_digit(part.ptr[i]))
            return false;
    }
    return part.len > 0 && part.len <= 3;
}

static const char *dsn_fault(struct slice word)
{
    struct slice klass = take_part(&word), subject = take_part(&word);
    bool good = klass.len == 1 && strchr("245x", klass.ptr[0]) && is_part(subject) && is_part(word);
    return good ? NULL : "is no enhanced code: 5.7.1, x.7.1, 4.7.* or none";
}

static const char *code_fault(struct slice word)
{
    bool good = word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') &&
                (slice_ends(word, SLICE("xx")) ||
                 (byte_is_digit(word.ptr[1]) && byte_is_digit(word.ptr[2])));
    return good ? NULL : "is no reply code: 550, 4xx or none";
}

static const char *provider_fault(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!byte_is_lower(c) && !byte_is_digit(c) && c != '-' && c != '.' && c != '/')
            return "is no provider's name: a-z 0-9 . - /";
    }
    return NULL;
}

static const char *phase_fault(struct slice word)
{
    for (unsigned i = 1; i < PHASE_COUNT; i++) {
        if (is_phase(word, (enum phase)i))
            return NULL;
    }
    return "is no phase of a session, nor none";
}

const char *rule_value_fault(enum rule_key key, struct slice word)
{
    if (word.len == 0)
        return "is an empty value";
    if (key == RULE_PROVIDER)
        return provider_fault(word);
    if (slice_eq(word, SLICE("none")))
        return NULL;
    return key == RULE_PHASE  ? phase_fault(word)
           : key == RULE_CODE ? code_fault(word)
                              : dsn_fault(word);
}
