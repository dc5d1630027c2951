/* base/domain.h: labels of domains. A-labels by RFC 5891 as other tools print them (idn2(1)). */
#include "guard.h"

#include "mailvane/base/domain.h"

static const struct {
    const char *name, *raw, *want;
} canonical_rows[] = {
    {"plain", "example.com", "example.com"},
    {"upper case", "EXAMPLE.Com", "example.com"},
    {"dot at the end", "example.com.", "example.com"},
    {"two dots at the end", "example.com..", "example.com"},
    {"upper case and a dot", "Example.COM.", "example.com"},
    {"address literal", "[192.0.2.1]", "[192.0.2.1]"},
    {"u-label", "münchen.example", "xn--mnchen-3ya.example"},
    {"upper-case u-label", "MÜNCHEN.Example", "xn--mnchen-3ya.example"},
    {"decomposed u-label", "mu\xcc\x88nchen.example", "xn--mnchen-3ya.example"},
    {"a-label", "XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example"},
    {"sharp s is its own letter", "straße.example", "xn--strae-oqa.example"},
    {"underscore", "_dmarc.example", "_dmarc.example"},
    {"empty", "", ""},
    {"a dot alone", ".", ""},
    {"dots alone", "...", ""},
    {"a blank within", "exa mple.com", ""},
    {"a control byte", "exa\x01mple.com", ""},
    {"a line feed", "example.com\n", ""},
    {"delete", "example\x7f.com", ""},
    {"broken UTF-8", "ex\xff\xfe.com", ""},
};

static void test_canonical(void **state)
{
    struct guard guard;
    char buf[DOMAIN_MAX + 1];
    (void)state;
    guard_open(&guard, 512);
    for (size_t i = 0; i < LEN(canonical_rows); i++) {
        struct slice raw = guard_put(&guard, slice_str(canonical_rows[i].raw));
        expect_slice(canonical_rows[i].name, "canonical", domain_canonical(raw, buf),
                     slice_str(canonical_rows[i].want));
    }
    guard_close(&guard);
}

/* 253 bytes are the longest; one more is none, whatever it is made of. */
static void test_longest(void **state)
{
    static const struct {
        const char *name;
        char byte;
        size_t len;
        bool ok;
    } rows[] = {
        {"253 small", 'a', 253, true},
        {"253 capital", 'A', 253, true},
        {"254 small", 'a', 254, false},
        {"254 capital", 'A', 254, false},
        {"253 of the upper half", (char)0xc3, 253, false},
        {"many", 'a', 4000, false},
    };
    struct guard guard;
    char text[4096], buf[DOMAIN_MAX + 1];
    (void)state;
    guard_open(&guard, sizeof(text));
    for (size_t i = 0; i < LEN(rows); i++) {
        memset(text, rows[i].byte, rows[i].len);
        struct slice raw = guard_put(&guard, slice_of(text, rows[i].len));
        struct slice got = domain_canonical(raw, buf);
        expect_int(rows[i].name, "length", (long long)got.len,
                   rows[i].ok ? (long long)rows[i].len : 0);
    }
    guard_close(&guard);
}

static void test_address_domain(void **state)
{
    static const struct {
        const char *name, *address, *want;
    } rows[] = {
        {"plain", "anna@shop.example", "shop.example"},
        {"two at signs", "a@b@shop.example", "shop.example"},
        {"quoted at sign", "\"a@b\"@shop.example", "shop.example"},
        {"quoted quote", "\"a\\\"@b\"@shop.example", "shop.example"},
        {"quoted backslash", "\"a\\\\\"@shop.example", "shop.example"},
        {"open quote", "\"a@shop.example", "shop.example"},
        {"quote and nothing else", "\"a@b\"", ""},
        {"literal", "a@[192.0.2.1]", "[192.0.2.1]"},
        {"none", "postmaster", ""},
        {"empty", "", ""},
        {"at sign alone", "@", ""},
        {"backslash at the end", "\"a\\", ""},
    };
    struct guard guard;
    (void)state;
    guard_open(&guard, 64);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct slice address = guard_put(&guard, slice_str(rows[i].address));
        expect_slice(rows[i].name, "domain", address_domain(address), slice_str(rows[i].want));
    }
    guard_close(&guard);
}

static void use_prefix(struct slice s, void *arg)
{
    char buf[DOMAIN_MAX + 1];
    (void)arg;
    struct slice domain = address_domain(s);
    assert_true(slice_within(domain, s));
    assert_true(domain_canonical(domain, buf).len <= DOMAIN_MAX);
}

static void test_every_prefix(void **state)
{
    (void)state;
    guard_prefixes(SLICE("\"a\\\"b@c\"@MÜNCHEN.xn--mnchen-3ya.Example."), use_prefix, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_address_domain),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
