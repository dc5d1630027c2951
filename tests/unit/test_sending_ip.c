#include "scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include "mailvane/config/sending_ip.h"

#define SEED 42

static void expect_ip(const struct sending_ips *ips, const char *name, const char *syslog_name,
                      bool ipv6, const char *want)
{
    struct slice got = sending_ip_of(ips, slice_str(syslog_name), ipv6);
    if (!slice_eq(got, slice_str(want)))
        fail_msg("%s: %s: got \"%.*s\", want \"%s\"", name, syslog_name, SLICE_ARG(got), want);
}

static void parse(struct config *config, const char *text)
{
    struct error err = {.text = ""};
    config_init(config);
    if (config_parse(config, "c.yml", slice_str(text), &err))
        fail_msg("got \"%s\", want no error", err.text);
}

static int rebuild(struct sending_ips *ips, const char *text, struct error *err)
{
    struct config config;
    parse(&config, text);
    int result = sending_ips_rebuild(ips, &config, err);
    config_release(&config);
    return result;
}

static void rebuild_ok(struct sending_ips *ips, const char *text)
{
    struct error err = {.text = ""};
    if (rebuild(ips, text, &err))
        fail_msg("got \"%s\", want no error", err.text);
}

static const char everything[] = "sending_ips:\n"
                                 "  default: 203.0.113.99\n"
                                 "  map:\n"
                                 "    postfix/out-203.0.113.10: 203.0.113.10\n"
                                 "    out-a: 203.0.113.1\n"
                                 "    whole/out-a: 203.0.113.2\n"
                                 "    out-six: 2001:db8::6\n"
                                 "    mixed/out-four: 2001:db8::7\n"
                                 "    out-four: 203.0.113.4\n"
                                 "    pool-b: 2001:db8::b\n"
                                 "  postfix: [tests/data/postfix-config/main/mta, "
                                 "tests/data/postfix-config/syslog/postfix-bulk]\n";

static const struct {
    const char *name;
    const char *syslog_name;
    bool ipv6;
    const char *want;
} lookups[] = {
    {"whole name", "postfix/out-203.0.113.10", false, "203.0.113.10"},
    {"transport", "postfix/out-a", false, "203.0.113.1"},
    {"transport of any instance", "other/x/out-a", false, "203.0.113.1"},
    {"bare transport", "out-a", false, "203.0.113.1"},
    {"whole before transport", "whole/out-a", false, "203.0.113.2"},
    {"only the last component", "out-a/x", false, "203.0.113.99"},
    {"no part of a component", "postfix/xout-a", false, "203.0.113.99"},
    {"IPv6 from the map", "postfix/out-six", true, "2001:db8::6"},
    {"IPv6 does not apply to IPv4", "postfix/out-six", false, "203.0.113.99"},
    {"other family of the whole name: transport", "mixed/out-four", false, "203.0.113.4"},
    {"other family of the transport: Postfix", "postfix/pool-b", false, "127.0.2.12"},
    {"map before Postfix", "postfix/pool-b", true, "2001:db8::b"},
    {"Postfix", "postfix/out-203.0.113.11", false, "127.0.2.11"},
    {"second directory", "postfix-bulk/out-203.0.113.11", false, "127.0.2.11"},
    {"Postfix knows no IPv6, nor does the default", "postfix/out-203.0.113.11", true, ""},
    {"ambiguous: default", "postfix", false, "203.0.113.99"},
    {"unknown: default", "sendmail", false, "203.0.113.99"},
    {"empty name: default", "", false, "203.0.113.99"},
    {"case counts", "postfix/OUT-A", false, "203.0.113.99"},
};

static void gives_the_first_that_applies(void **state)
{
    (void)state;
    const uint64_t seeds[] = {0, SEED, UINT64_MAX};
    for (size_t s = 0; s < LEN(seeds); s++) {
        struct sending_ips *ips = sending_ips_new(seeds[s]);
        rebuild_ok(ips, everything);
        for (size_t i = 0; i < LEN(lookups); i++)
            expect_ip(ips, lookups[i].name, lookups[i].syslog_name, lookups[i].ipv6,
                      lookups[i].want);
        sending_ips_free(ips);
    }
}

/* Without a default, what is not known is empty. */
static void gives_nothing_it_does_not_know(void **state)
{
    (void)state;
    struct sending_ips *ips = sending_ips_new(SEED);
    expect_ip(ips, "before any rebuild", "postfix", false, "");
    rebuild_ok(ips, "sending_ips: {postfix: [tests/data/postfix-config/main/mta]}\n");
    expect_ip(ips, "bind address", "postfix/out-203.0.113.10", false, "127.0.2.10");
    expect_ip(ips, "bind address", "postfix/pool-b", false, "127.0.2.12");
    expect_ip(ips, "other family", "postfix/pool-b", true, "");
    expect_ip(ips, "ambiguous", "postfix", false, "");
    expect_ip(ips, "no bind address", "postfix/relay", false, "");
    expect_ip(ips, "unknown", "postfix/nobody", false, "");
    rebuild_ok(ips, "sending_ips: {default: 2001:db8::9}\n");
    expect_ip(ips, "no longer there", "postfix/pool-b", false, "");
    expect_ip(ips, "IPv6 default", "postfix/pool-b", true, "2001:db8::9");
    sending_ips_free(ips);
    sending_ips_free(NULL);
}

/* Bytes behind the slice are not read: no NUL is needed. */
static void needs_no_nul(void **state)
{
    (void)state;
    struct sending_ips *ips = sending_ips_new(SEED);
    rebuild_ok(ips, "sending_ips: {map: {a/b: 192.0.2.1, b: 192.0.2.2}}\n");
    struct slice got = sending_ip_of(ips, slice_of("a/bc", 3), false);
    assert_true(slice_eq(got, SLICE("192.0.2.1")));
    got = sending_ip_of(ips, SLICE_NONE, false);
    assert_int_equal(got.len, 0);
    got = sending_ip_of(ips, SLICE("a/"), false);
    assert_int_equal(got.len, 0);
    sending_ips_free(ips);
}

/* An address that depends on who wrote the line; services without one are no reason. */
static void tells_whether_they_differ(void **state)
{
    static const struct {
        const char *name, *text;
        bool want;
    } rows[] = {
        {"nothing known", "check_interval: 60\n", false},
        {"a default", "sending_ips: {default: 192.0.2.1}\n", false},
        {"a map", "sending_ips: {map: {a: 192.0.2.1}}\n", true},
        {"a map of IPv6", "sending_ips: {default: 192.0.2.1, map: {a: \"2001:db8::1\"}}\n", true},
        {"services with addresses",
         "sending_ips: {postfix: [tests/data/postfix-config/main/mta]}\n", true},
    };
    (void)state;
    for (unsigned i = 0; i < LEN(rows); i++) {
        struct sending_ips *ips = sending_ips_new(SEED);
        assert_false(sending_ips_differ(ips));
        rebuild_ok(ips, rows[i].text);
        if (sending_ips_differ(ips) != rows[i].want)
            fail_msg("%s: got %d, want %d", rows[i].name, !rows[i].want, rows[i].want);
        sending_ips_free(ips);
    }
}

static void holds_many(void **state)
{
    (void)state;
    struct config config;
    struct error err;
    struct sending_ips *ips = sending_ips_new(SEED);
    struct config_sending_ip rows[1000];
    static char text[1000][2][32];
    config_init(&config);
    for (unsigned i = 0; i < LEN(rows); i++) {
        snprintf(text[i][0], sizeof(text[i][0]), "t%u", i);
        snprintf(text[i][1], sizeof(text[i][1]), "10.0.%u.%u", i / 250, i % 250);
        rows[i] = (struct config_sending_ip){.name = text[i][0], .ip = text[i][1]};
    }
    config.sending_ips = rows;
    config.sending_ip_count = LEN(rows);
    assert_int_equal(sending_ips_rebuild(ips, &config, &err), 0);
    config.sending_ips = NULL;
    config.sending_ip_count = 0;
    config_release(&config);
    for (unsigned i = 0; i < LEN(rows); i++)
        expect_ip(ips, "one of many", text[i][0], false, text[i][1]);
    expect_ip(ips, "none of many", "t1000", false, "");
    sending_ips_free(ips);
}

static void remove_file(const char *dir, const char *file)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    unlink(path);
}

static void rereads_and_keeps(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct sending_ips *ips = sending_ips_new(SEED);
    char dir[SCRATCH_MAX], with[300], without[320];
    scratch_make(dir);
    snprintf(with, sizeof(with), "sending_ips: {postfix: [%s]}\n", dir);
    snprintf(without, sizeof(without), "sending_ips: {default: 192.0.2.9, postfix: [%s]}\n", dir);
    scratch_write(dir, "main.cf", "smtp_bind_address = 192.0.2.1\n");
    scratch_write(dir, "master.cf", "smtp unix - - n - - smtp\n");
    rebuild_ok(ips, with);
    expect_ip(ips, "first", "postfix", false, "192.0.2.1");
    scratch_write(dir, "main.cf", "smtp_bind_address = 192.0.2.2\n");
    expect_ip(ips, "not yet read", "postfix", false, "192.0.2.1");
    scratch_write(dir, "main.cf", "inet_interfaces = all\n");
    rebuild_ok(ips, with);
    assert_false(sending_ips_differ(ips)); /* services, but none with an address */
    scratch_write(dir, "main.cf", "smtp_bind_address = 192.0.2.2\n");
    rebuild_ok(ips, with);
    assert_true(sending_ips_differ(ips));
    expect_ip(ips, "read again", "postfix", false, "192.0.2.2");
    remove_file(dir, "master.cf");
    assert_int_equal(rebuild(ips, without, &err), -1);
    assert_true(slice_ends(slice_str(err.text),
                           SLICE("/master.cf: cannot be opened: No such file or directory")));
    expect_ip(ips, "kept", "postfix", false, "192.0.2.2");
    expect_ip(ips, "the default is not half taken over", "nobody", false, "");
    assert_int_equal(sending_ips_postfix(ips)->dir_count, 1);
    assert_string_equal(sending_ips_postfix(ips)->dirs[0], dir);
    scratch_remove(dir);
    sending_ips_free(ips);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_first_that_applies),
        cmocka_unit_test(gives_nothing_it_does_not_know),
        cmocka_unit_test(needs_no_nul),
        cmocka_unit_test(tells_whether_they_differ),
        cmocka_unit_test(holds_many),
        cmocka_unit_test(rereads_and_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
