#include "mailvane/base/domain.h"

#include <idn2.h>
#include <stdlib.h>

/* What has to be done to a byte: nothing, lower it, convert the whole, or refuse it. */
enum byte_fate { KEEP = 0, LOWER = 1, CONVERT = 2, REFUSE = 4 };

static const uint8_t fates[256] = {
    [0x00 ... 0x20] = REFUSE,
    [0x7f] = REFUSE,
    ['A' ... 'Z'] = LOWER,
    [0x80 ... 0xff] = CONVERT,
};

static enum byte_fate worst_fate(struct slice raw)
{
    uint8_t all = 0;
    for (const char *p = raw.ptr, *end = slice_end(raw); p < end; p++)
        all |= fates[(unsigned char)*p];
    return all & REFUSE ? REFUSE : all & CONVERT ? CONVERT : all ? LOWER : KEEP;
}

/* Eight bytes at once: is there nothing to do to any of them? */
static bool word_is_plain(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101), top = each * 0x80;
    /* Below 0x80 no sum carries into the next byte: its top bit says that the byte is above. */
    uint64_t blank = ~(word + each * (0x7f - 0x20)), del = word + each;
    uint64_t upper = (word + each * (0x80 - 'A')) & ~(word + each * (0x7f - 'Z'));
    return ((word | blank | del | upper) & top) == 0;
}

/* Most domains: short, lower case, ASCII. Whether one is not, the table says. */
static bool is_plain(struct slice raw)
{
    return raw.len >= 8 && raw.len <= 16 && word_is_plain(bytes_load(raw.ptr)) &&
           word_is_plain(bytes_load(raw.ptr + raw.len - 8));
}

/* To A-labels by IDNA2008 with the compatibility mapping (UTS 46); the one place that allocates. */
static struct slice to_a_labels(struct slice raw, char buf[DOMAIN_MAX + 1])
{
    char *ascii = NULL;
    struct slice out = SLICE_NONE;
    memcpy(buf, raw.ptr, raw.len);
    buf[raw.len] = '\0';
    if (idn2_to_ascii_8z(buf, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) == IDN2_OK &&
        strlen(ascii) <= DOMAIN_MAX) {
        memcpy(buf, ascii, strlen(ascii));
        out = slice_of(buf, strlen(ascii));
        /* The mapping makes ASCII of look-alikes: a full stop, blanks, quotes. */
        while (out.len && out.ptr[out.len - 1] == '.')
            out.len--;
        if (worst_fate(out) != KEEP)
            out = SLICE_NONE;
    }
    idn2_free(ascii);
    return out;
}

struct slice domain_canonical(struct slice raw, char buf[DOMAIN_MAX + 1])
{
    while (raw.len && raw.ptr[raw.len - 1] == '.')
        raw.len--;
    if (raw.len == 0 || raw.len > DOMAIN_MAX)
        return SLICE_NONE;
    if (is_plain(raw))
        return raw;
    enum byte_fate worst = worst_fate(raw);
    if (worst == KEEP)
        return raw;
    if (worst == REFUSE)
        return SLICE_NONE;
    if (worst == CONVERT)
        return to_a_labels(raw, buf);
    for (size_t i = 0; i < raw.len; i++)
        buf[i] = byte_lower(raw.ptr[i]);
    return slice_of(buf, raw.len);
}

/* Behind a quoted local part (RFC 5321, 4.1.2); the address itself where it is not one. */
static struct slice skip_quoted_local(struct slice address)
{
    if (address.len == 0 || address.ptr[0] != '"')
        return address;
    for (size_t i = 1; i < address.len; i++) {
        if (address.ptr[i] == '\\')
            i++;
        else if (address.ptr[i] == '"')
            return slice_skip(address, i + 1);
    }
    return address;
}

struct slice address_domain(struct slice address)
{
    struct slice rest = skip_quoted_local(address);
    size_t at = slice_rfind(rest, '@');
    return at == rest.len ? SLICE_NONE : slice_skip(rest, at + 1);
}
