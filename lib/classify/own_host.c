#include "own_host.h"

#include "mailvane/base/domain.h"

/* What Postfix (smtp_connect.c, smtp_trouble.c, dns_lookup.c) writes around the name. */
static const struct {
    struct slice before, behind;
} shapes[] = {
    {SLICE_INIT("connect to "), SLICE_INIT("[")},
    {SLICE_INIT("lost connection with "), SLICE_INIT("[")},
    {SLICE_INIT("conversation with "), SLICE_INIT("[")},
    {SLICE_INIT("Host or domain name not found. Name service error for name="),
     SLICE_INIT(" type=")},
};

static bool is_host_byte(char c)
{
    return byte_is_alnum(c) || c == '.' || c == '-' || c == '_';
}

struct slice own_host(struct slice text)
{
    /* Most replies begin with a code. */
    if (text.len == 0 || byte_is_digit(text.ptr[0]))
        return SLICE_NONE;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct slice rest = text;
        if (!slice_take(&rest, shapes[i].before))
            continue;
        size_t len = 0;
        while (len < rest.len && len < DOMAIN_MAX && is_host_byte(rest.ptr[len]))
            len++;
        if (len && slice_starts(slice_skip(rest, len), shapes[i].behind))
            return slice_head(rest, len);
    }
    return SLICE_NONE;
}
