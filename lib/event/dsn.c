#include "mailvane/event/dsn.h"

#include <stdio.h>

/* One to three digits; false where there are none or more. */
static bool take_number(struct slice *s, uint16_t *out)
{
    size_t len = 0;
    unsigned value = 0;
    while (len < s->len && len < 4 && byte_is_digit(s->ptr[len]))
        value = value * 10 + (unsigned)(s->ptr[len++] - '0');
    if (len == 0 || len > 3)
        return false;
    *out = (uint16_t)value;
    *s = slice_skip(*s, len);
    return true;
}

bool dsn_take(struct slice *s, struct dsn *out)
{
    struct slice rest = *s;
    struct dsn dsn = {0};
    if (rest.len < 5 || (rest.ptr[0] != '2' && rest.ptr[0] != '4' && rest.ptr[0] != '5'))
        return false;
    dsn.klass = (uint8_t)(rest.ptr[0] - '0');
    rest = slice_skip(rest, 1);
    if (!slice_take(&rest, SLICE(".")) || !take_number(&rest, &dsn.subject) ||
        !slice_take(&rest, SLICE(".")) || !take_number(&rest, &dsn.detail))
        return false;
    /* "5.1.1." ends a sentence; "5.1.1.2" is something else, such as an address. */
    if (rest.len > 1 && rest.ptr[0] == '.' && byte_is_digit(rest.ptr[1]))
        return false;
    *s = rest;
    *out = dsn;
    return true;
}

bool dsn_parse(struct slice s, struct dsn *out)
{
    const char *p = s.ptr;
    /* "2.0.0", as most codes are. */
    if (s.len == 5 && (p[0] == '2' || p[0] == '4' || p[0] == '5') && p[1] == '.' && p[3] == '.' &&
        byte_is_digit(p[2]) && byte_is_digit(p[4])) {
        *out = (struct dsn){(uint8_t)(p[0] - '0'), (uint16_t)(p[2] - '0'), (uint16_t)(p[4] - '0')};
        return true;
    }
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
