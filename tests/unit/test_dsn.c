/* event/dsn.h: RFC 3463 (2. status code structure), RFC 5321 (4.2) and RFC 2034. */
#include "guard.h"

#include "mailvane/event/dsn.h"

static const struct {
    const char *name, *text;
    bool taken, whole; /* dsn_take, dsn_parse */
    const char *code, *rest;
} rows[] = {
    {"plain", "5.1.1", true, true, "5.1.1", ""},
    {"zero", "2.0.0", true, true, "2.0.0", ""},
    {"three digits", "4.7.500", true, true, "4.7.500", ""},
    {"longest", "5.999.999", true, true, "5.999.999", ""},
    {"text behind", "5.1.1 unknown", true, false, "5.1.1", " unknown"},
    {"end of a sentence", "5.7.1.", true, false, "5.7.1", "."},
    {"not read out of 5.7.40", "5.7.40", true, true, "5.7.40", ""},
    {"not read out of 5.7.4.1", "5.7.4.1", false, false, "", ""},
    {"not read out of four digits", "5.7.4000", false, false, "", ""},
    {"four digits of subject", "5.7000.4", false, false, "", ""},
    {"class 1", "1.1.1", false, false, "", ""},
    {"class 3", "3.1.1", false, false, "", ""},
    {"class 6", "6.1.1", false, false, "", ""},
    {"class 0", "0.0.0", false, false, "", ""},
    {"class of two digits", "55.1.1", false, false, "", ""},
    {"no detail", "5.1.", false, false, "", ""},
    {"no subject", "5..1", false, false, "", ""},
    {"two parts", "5.1", false, false, "", ""},
    {"class alone", "5", false, false, "", ""},
    {"blank in front", " 5.1.1", false, false, "", ""},
    {"sign", "5.-1.1", false, false, "", ""},
    {"comma", "5,1,1", false, false, "", ""},
    {"empty", "", false, false, "", ""},
};

static void check_take(size_t i, struct slice text)
{
    struct dsn dsn = {0};
    char out[DSN_TEXT_SIZE] = "";
    struct slice s = text;
    bool taken = dsn_take(&s, &dsn);
    expect_int(rows[i].name, "taken", taken, rows[i].taken);
    if (!taken) {
        expect_int(rows[i].name, "rest of what was not taken", (long long)s.len,
                   (long long)text.len);
        return;
    }
    expect_slice(rows[i].name, "code", slice_of(out, dsn_format(dsn, out)),
                 slice_str(rows[i].code));
    expect_slice(rows[i].name, "rest", s, slice_str(rows[i].rest));
}

static void test_take_and_parse(void **state)
{
    struct guard guard;
    struct dsn dsn;
    (void)state;
    guard_open(&guard, 64);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct slice text = guard_put(&guard, slice_str(rows[i].text));
        check_take(i, text);
        expect_int(rows[i].name, "parsed", dsn_parse(text, &dsn), rows[i].whole);
    }
    guard_close(&guard);
}

static void test_reply(void **state)
{
    static const struct {
        const char *name, *reply;
        int code;
        const char *dsn; /* "0.0.0": absent */
    } replies[] = {
        {"code and enhanced code", "550 5.1.1 unknown", 550, "5.1.1"},
        {"first line of several", "550-5.7.26 This mail", 550, "5.7.26"},
        {"no enhanced code", "451 try later", 451, "0.0.0"},
        {"code alone", "421", 421, "0.0.0"},
        {"another class", "450 5.1.1 mismatch", 450, "0.0.0"},
        {"success", "250 2.0.0 Ok", 250, "2.0.0"},
        {"intermediate", "354 End data", 354, "0.0.0"},
        {"a word with digits", "5501 x", 0, "0.0.0"},
        {"two digits", "55 5.1.1 x", 0, "0.0.0"},
        {"above the grammar", "650 5.1.1 x", 0, "0.0.0"},
        {"below the grammar", "150 x", 0, "0.0.0"},
        {"another separator", "550_5.1.1", 0, "0.0.0"},
        {"text", "connection refused", 0, "0.0.0"},
        {"an address behind", "550 5.1.1.2 x", 550, "0.0.0"},
        {"empty", "", 0, "0.0.0"},
    };
    struct guard guard;
    char text[DSN_TEXT_SIZE];
    (void)state;
    guard_open(&guard, 64);
    for (size_t i = 0; i < LEN(replies); i++) {
        struct slice reply = guard_put(&guard, slice_str(replies[i].reply));
        struct reply_status got = reply_status_parse(reply);
        expect_int(replies[i].name, "code", got.code, replies[i].code);
        expect_int(replies[i].name, "code alone", reply_code(reply), replies[i].code);
        expect_slice(replies[i].name, "dsn", slice_of(text, dsn_format(got.dsn, text)),
                     slice_str(replies[i].dsn));
    }
    guard_close(&guard);
}

static void use_prefix(struct slice s, void *arg)
{
    struct dsn dsn;
    struct slice rest = s;
    (void)arg;
    reply_status_parse(s);
    dsn_parse(s, &dsn);
    dsn_take(&rest, &dsn);
    assert_true(slice_within(rest, s));
}

static void test_every_prefix(void **state)
{
    (void)state;
    guard_prefixes(SLICE("550-5.999.999 text"), use_prefix, NULL);
    guard_prefixes(SLICE("5.999.999.9"), use_prefix, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_and_parse),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
