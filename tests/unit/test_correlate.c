/* lib/format/correlate.h: what is remembered from line to line, and that it is bounded. */
#include "guard.h"

#include "../../lib/format/correlate.h"

#define SEED 12345

static struct slice id(char buf[32], unsigned number)
{
    return slice_of(buf, (size_t)snprintf(buf, 32, "%08X", number + 0x10000000u));
}

static const struct destination shop = {
    .domain = SLICE_INIT("shop.example"),
    .host = SLICE_INIT("mx.shop.example"),
    .origin = SLICE_INIT("postfix"),
    .connected = true,
};

static void expect_destination(const char *name, struct correlate *c, struct slice queue_id,
                               const struct destination *want)
{
    struct destination got = {0};
    bool found = correlate_destination(c, queue_id, &got);
    expect_int(name, "destination is known", found, want != NULL);
    if (!want)
        return;
    expect_slice(name, "domain", got.domain, want->domain);
    expect_slice(name, "host", got.host, want->host);
    expect_slice(name, "origin", got.origin, want->origin);
    expect_int(name, "local", got.local, want->local);
    expect_int(name, "connected", got.connected, want->connected);
    expect_int(name, "IPv6", got.relay_ipv6, want->relay_ipv6);
}

static void test_first_retry_unknown(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_UNKNOWN);
    correlate_born(c, q);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_FIRST);
    correlate_deferred(c, q, SLICE("a@x"), &shop);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_RETRY);
    /* Not deferred with the other: its own first attempt, or at worst not known. */
    assert_int_not_equal(correlate_attempt(c, q, SLICE("b@x")), ATTEMPT_RETRY);
    assert_int_not_equal(correlate_attempt(c, SLICE("1A2B3C4D6"), SLICE("a@x")), ATTEMPT_RETRY);
    correlate_free(c);
}

/* The log begins after the message: a deferral is remembered all the same. */
static void test_deferral_of_unknown_message(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    correlate_deferred(c, q, SLICE("a@x"), &shop);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_RETRY);
    expect_destination("deferred", c, q, &shop);
    correlate_free(c);
}

static void test_id_is_used_again(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    correlate_born(c, q);
    correlate_deferred(c, q, SLICE("a@x"), &shop);
    correlate_gone(c, q);
    expect_destination("gone", c, q, NULL);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_UNKNOWN);
    correlate_born(c, q);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_FIRST);
    expect_destination("born again", c, q, NULL);
    /* And where the line of the removal was lost. */
    correlate_deferred(c, q, SLICE("a@x"), &shop);
    correlate_born(c, q);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_FIRST);
    expect_destination("born once more", c, q, NULL);
    correlate_free(c);
}

/* smtpd's client= and cleanup's message-id= both tell of one birth. */
static void test_two_lines_of_a_birth(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    correlate_born(c, q);
    correlate_born(c, q);
    assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_FIRST);
    correlate_free(c);
}

static void test_requeue(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice old = SLICE("1A2B3C4D5"), new = SLICE("1A2B3C4D6");
    (void)state;
    correlate_born(c, old);
    correlate_deferred(c, old, SLICE("a@x"), &shop);
    correlate_renamed(c, old, new);
    correlate_born(c, new); /* message-id= of the requeued message */
    assert_int_equal(correlate_attempt(c, new, SLICE("a@x")), ATTEMPT_RETRY);
    assert_int_not_equal(correlate_attempt(c, old, SLICE("a@x")), ATTEMPT_RETRY);
    expect_destination("under the new id", c, new, &shop);
    expect_destination("under the old id", c, old, NULL);
    /* Twice: back again to the id that it had. */
    correlate_renamed(c, new, old);
    correlate_born(c, old);
    assert_int_equal(correlate_attempt(c, old, SLICE("a@x")), ATTEMPT_RETRY);
    /* What nobody knows can be renamed, too. */
    correlate_renamed(c, SLICE("1A2B3C4DF"), SLICE("1A2B3C4E0"));
    assert_int_not_equal(correlate_attempt(c, SLICE("1A2B3C4E0"), SLICE("a@x")), ATTEMPT_RETRY);
    correlate_free(c);
}

static void test_activated(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    correlate_born(c, q);
    assert_false(correlate_activated(c, q));
    assert_true(correlate_activated(c, q));
    correlate_gone(c, q);
    correlate_born(c, q);
    assert_false(correlate_activated(c, q));
    correlate_free(c);
}

static void test_last_destination_counts(void **state)
{
    struct destination other = {.domain = SLICE("b.example"),
                                .host = SLICE("mx.b.example"),
                                .origin = SLICE("postfix/out"),
                                .relay_ipv6 = true};
    struct destination local = {
        .domain = SLICE("b.example"), .origin = SLICE("postfix"), .local = true};
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    (void)state;
    correlate_deferred(c, q, SLICE("a@x"), &shop);
    correlate_deferred(c, q, SLICE("b@x"), &other);
    expect_destination("second", c, q, &other);
    correlate_deferred(c, q, SLICE("c@x"), &local);
    expect_destination("third", c, q, &local);
    correlate_free(c);
}

/* Parts that do not fit are not remembered, and harm nothing. */
static void test_long_destination(void **state)
{
    char text[600];
    struct correlate *c = correlate_new(SEED);
    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len += 7) {
        struct destination to = {.domain = slice_of(text, len),
                                 .host = slice_of(text, len),
                                 .origin = slice_of(text, len)};
        struct destination got;
        char buf[32];
        struct slice q = id(buf, (unsigned)len);
        correlate_deferred(c, q, SLICE("a@x"), &to);
        if (correlate_destination(c, q, &got))
            expect_destination("long", c, q, &to);
        else
            assert_true(len > 100);
        assert_int_equal(correlate_attempt(c, q, SLICE("a@x")), ATTEMPT_RETRY);
    }
    correlate_free(c);
}

/*
 * A tenth of what the table holds, and what a busy host has at once: none may be
 * lost, whatever the seed. An expiry would otherwise lose its domain and provider.
 */
static void test_hundred_destinations(void **state)
{
    char text[32], buf[32];
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct correlate *c = correlate_new(seed);
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned i = 0; i < CORRELATE_DESTINATIONS / 10; i++) {
                struct destination to = {.origin = SLICE("postfix")};
                to.domain = slice_of(text, (size_t)snprintf(text, sizeof(text), "d%u.example", i));
                if (pass == 0)
                    correlate_deferred(c, id(buf, i), SLICE("a@x"), &to);
                else
                    expect_destination(text, c, id(buf, i), &to);
            }
        }
        correlate_free(c);
    }
}

/*
 * Far more messages than are remembered: memory does not grow (the struct has no
 * pointers), the young ones are known, and nothing is taken for a retry that is none.
 */
static void test_eviction(void **state)
{
    struct correlate *c = correlate_new(SEED);
    unsigned many = 8 * CORRELATE_MESSAGES, known = 0, wrong = 0;
    char buf[32];
    (void)state;
    for (unsigned i = 0; i < many; i++) {
        correlate_born(c, id(buf, i));
        correlate_deferred(c, id(buf, i), SLICE("a@x"), &shop);
    }
    for (unsigned i = many - CORRELATE_MESSAGES / 4; i < many; i++)
        known += correlate_attempt(c, id(buf, i), SLICE("a@x")) == ATTEMPT_RETRY;
    for (unsigned i = 0; i < many; i++)
        wrong += correlate_attempt(c, id(buf, i), SLICE("b@x")) == ATTEMPT_RETRY;
    /* A set of eight ways rarely overflows at a quarter of the load. */
    assert_in_range(known, CORRELATE_MESSAGES / 4 * 98 / 100, CORRELATE_MESSAGES / 4);
    /* Tags have 32 bits: a false retry is one in hundreds of millions. */
    assert_int_equal(wrong, 0);
    for (unsigned i = 0; i < many - 2 * CORRELATE_MESSAGES; i++)
        assert_int_not_equal(correlate_attempt(c, id(buf, i), SLICE("a@x")), ATTEMPT_FIRST);
    correlate_free(c);
}

/* One message with a hundred thousand recipients leaves the others' memory in order. */
static void test_many_recipients(void **state)
{
    struct correlate *c = correlate_new(SEED);
    struct slice q = SLICE("1A2B3C4D5");
    unsigned known = 0;
    char text[32];
    (void)state;
    correlate_born(c, q);
    for (unsigned i = 0; i < 100000; i++)
        correlate_deferred(c, q, slice_of(text, (size_t)snprintf(text, 32, "u%u@x", i)), &shop);
    for (unsigned i = 90000; i < 100000; i++) {
        struct slice rcpt = slice_of(text, (size_t)snprintf(text, 32, "u%u@x", i));
        enum attempt attempt = correlate_attempt(c, q, rcpt);
        assert_int_not_equal(attempt, ATTEMPT_FIRST);
        known += attempt == ATTEMPT_RETRY;
    }
    assert_in_range(known, 9800, 10000);
    correlate_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_retry_unknown),
        cmocka_unit_test(test_deferral_of_unknown_message),
        cmocka_unit_test(test_id_is_used_again),
        cmocka_unit_test(test_two_lines_of_a_birth),
        cmocka_unit_test(test_requeue),
        cmocka_unit_test(test_activated),
        cmocka_unit_test(test_last_destination_counts),
        cmocka_unit_test(test_long_destination),
        cmocka_unit_test(test_hundred_destinations),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
