/*
 * Any bytes as an address and as a domain: what comes out is a label's value as base/domain.h
 * promises it, and stays what it is when it is asked for again. UTF-8 is held against a
 * decoder of the code point.
 */
#include "input.h"
#include "mailvane/base/domain.h"
#include "mailvane/base/utf8.h"

static void check_domain(struct slice raw)
{
    char buf[DOMAIN_MAX + 1], again[DOMAIN_MAX + 1];
    struct slice domain = domain_canonical(raw, buf);
    bug_if(domain.len > DOMAIN_MAX);
    if (domain.len == 0)
        return;
    bug_if(!is_within(domain, raw) && !is_within(domain, slice_of(buf, sizeof(buf))));
    for (size_t i = 0; i < domain.len; i++) {
        unsigned char c = (unsigned char)domain.ptr[i];
        bug_if(c <= ' ' || c >= 0x7f || byte_is_upper((char)c));
    }
    bug_if(domain.ptr[domain.len - 1] == '.');
    bug_if(!slice_eq(domain_canonical(domain, again), domain));
}

static void check_address(struct slice address)
{
    struct slice domain = address_domain(address);
    bug_if(!is_within(domain, address));
    if (domain.len == 0)
        return;
    bug_if(slice_end(domain) != slice_end(address) || domain.ptr[-1] != '@');
    bug_if(slice_find(domain, '@') < domain.len);
}

/* RFC 3629, 3 and 4, by the value of what was read. */
static bool is_code_point(const unsigned char *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        value = value << 6 | (p[i] & 0x3f);
    }
    return value >= least[len] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

static size_t sequence_of(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (s.len == 0)
        return 0;
    size_t len = p[0] < 0x80             ? 1
                 : (p[0] & 0xe0) == 0xc0 ? 2
                 : (p[0] & 0xf0) == 0xe0 ? 3
                 : (p[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    return len && len <= s.len && is_code_point(p, len) ? len : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = copy_of(slice_head(input_of(data, size), 512));
    check_domain(text);
    check_domain(address_domain(text));
    check_address(text);
    for (size_t at = 0; at <= text.len; at++)
        bug_if(utf8_sequence(slice_skip(text, at)) != sequence_of(slice_skip(text, at)));
    copy_free(text);
    return 0;
}
