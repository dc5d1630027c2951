#include "mailvane/event/dsn.h"

#include <stdio.h>

/* One to three digits; NULL where there are none or more. */
static const char *read_number(const char *p, const char *end, unsigned *out)
{
    const char *from = p;
    unsigned value = 0;
    while (p < end && p - from < 4 && byte_is_digit(*p))
        value = value * 10 + (unsigned)(*p++ - '0');
    *out = value;
    return p == from || p - from > 3 ? NULL : p;
}

static const char *read_long_dsn(const char *from, const char *end, struct dsn *out)
{
    unsigned subject, detail = 0;
    if (end - from < 5 || (from[0] != '2' && from[0] != '4' && from[0] != '5') || from[1] != '.')
        return NULL;
    const char *p = read_number(from + 2, end, &subject);
    if (!p || p == end || *p != '.')
        return NULL;
    p = read_number(p + 1, end, &detail);
    /* "5.1.1." ends a sentence; "5.1.1.2" is something else, such as an address. */
    if (!p || (end - p > 1 && p[0] == '.' && byte_is_digit(p[1])))
        return NULL;
    *out = (struct dsn){(uint8_t)(from[0] - '0'), (uint16_t)subject, (uint16_t)detail};
    return p;
}

const char *dsn_read(const char *p, const char *end, struct dsn *out)
{
    /* "2.0.0", as most codes are. */
    bool usual = end - p >= 5 && (p[0] == '2' || p[0] == '4' || p[0] == '5') && p[1] == '.' &&
                 byte_is_digit(p[2]) && p[3] == '.' && byte_is_digit(p[4]) &&
                 (end - p == 5 || (p[5] != '.' && !byte_is_digit(p[5])));
    if (!usual)
        return read_long_dsn(p, end, out);
    *out = (struct dsn){(uint8_t)(p[0] - '0'), (uint16_t)(p[2] - '0'), (uint16_t)(p[4] - '0')};
    return p + 5;
}

bool dsn_take(struct slice *s, struct dsn *out)
{
    const char *end = slice_end(*s);
    const char *p = s->len ? dsn_read(s->ptr, end, out) : NULL;
    if (p)
        *s = slice_between(p, end);
    return p;
}

bool dsn_parse(struct slice s, struct dsn *out)
{
    return dsn_take(&s, out) && s.len == 0;
}

size_t dsn_format(struct dsn dsn, char text[DSN_TEXT_SIZE])
{
    int len = snprintf(text, DSN_TEXT_SIZE, "%u.%u.%u", dsn.klass % 10u, dsn.subject % 1000u,
                       dsn.detail % 1000u);
    return (size_t)len;
}

uint16_t reply_code(struct slice reply)
{
    const char *p = reply.ptr;
    if (reply.len < 3 || p[0] < '2' || p[0] > '5' || !byte_is_digit(p[1]) || !byte_is_digit(p[2]))
        return 0;
    if (reply.len > 3 && p[3] != ' ' && p[3] != '-')
        return 0;
    return (uint16_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
}

struct reply_status reply_status_parse(struct slice reply)
{
    struct reply_status status = {.code = reply_code(reply)};
    struct slice rest = slice_skip(reply, 4);
    if (!status.code)
        return status;
    if (dsn_take(&rest, &status.dsn) && status.dsn.klass != status.code / 100)
        status.dsn = (struct dsn){0};
    return status;
}
