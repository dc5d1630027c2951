/* classify/alike.h: what is called alike is read alike. */
#include "guard.h"

#include <stdlib.h>

#include "../../lib/classify/alike.h"
#include "mailvane/classify/reply.h"

#define TURNS   60000
#define LONGEST 400

static const char *const replies[] = {
    "550 5.1.1 <anna@example.org>: Recipient address rejected: User unknown",
    "421-4.7.28 [192.0.2.10      15] Our system has detected an unusual rate of\n421-4.7.28 mail "
    "from your IP address. a640c23a62f3a-8f2b5d - gsmtp",
    "450 4.2.0 <u@example.org>: Greylisted, see http://postgrey.example/help?x=20240101",
    "connect to mx1.example.net[2001:db8::25]:25: Connection timed out",
    "lost connection with mx1.example.net[192.0.2.1] while receiving the initial server greeting",
    "Host or domain name not found. Name service error for name=example.net type=A: Host not found",
    "554 5.7.1 Blocked using zen.spamhaus.org; 127.0.0.2 abcdefabcdef0123.zen.dq.spamhaus.net",
    "sorry, no mailbox here by that name (#5.1.1) id 4F2C41A2B9D-550-7",
    "450 4.2.0 Greylisted, try again in 279 seconds, or in 5 minutes",
    "451 wait 451 seconds, 4 hours or 10 days",
    "450 in 300 sec@example.com, 20 day12345678 or 7 min.a1b2c3d4e5",
    "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719) "
    "[B1.eop.example.com]",
};

static bool same_reply(const struct reply *a, const struct reply *b)
{
    return a->code == b->code && a->dsn.klass == b->dsn.klass && a->dsn.subject == b->dsn.subject &&
           a->dsn.detail == b->dsn.detail && a->len == b->len &&
           memcmp(a->text, b->text, a->len) == 0;
}

/* Changes, takes out or puts in a byte; most of them are of the kind that decides. */
static size_t mutate(char *bytes, size_t len)
{
    static const char some[] = "0123456789abcdefXYZ.-_+=@:<>()[]# \n\xc3\xa4\xd0\x90";
    size_t at = (size_t)random() % len;
    char byte = some[(size_t)random() % (sizeof(some) - 1)];
    switch (random() % 3) {
    case 0:
        bytes[at] = byte;
        return len;
    case 1:
        memmove(bytes + at, bytes + at + 1, len - at - 1);
        return len > 1 ? len - 1 : len;
    default:
        memmove(bytes + at + 1, bytes + at, len - at);
        bytes[at] = byte;
        return len + 1;
    }
}

static void test_alike_is_read_alike(void **state)
{
    unsigned alikes = 0;
    (void)state;
    srandom(3);
    for (size_t i = 0; i < LEN(replies); i++) {
        struct slice known = slice_str(replies[i]);
        assert_true(alike_allowed(known));
        for (unsigned turn = 0; turn < TURNS; turn++) {
            char bytes[LONGEST + 8];
            size_t len = known.len;
            memcpy(bytes, known.ptr, len);
            for (long changes = 1 + random() % 3; changes > 0; changes--)
                len = mutate(bytes, len);
            struct slice fresh = slice_of(bytes, len);
            if (!alike(known, fresh))
                continue;
            struct reply a, b;
            reply_read(&a, known, 0, (struct dsn){0});
            reply_read(&b, fresh, 0, (struct dsn){0});
            alikes++;
            if (!same_reply(&a, &b))
                fail_msg("\"%.*s\" is called like \"%s\"", SLICE_ARG(fresh), replies[i]);
        }
    }
    /* Were nothing ever alike, all of this would say nothing. */
    assert_true(alikes > TURNS / 10);
}

static void test_pairs(void **state)
{
    static const struct {
        const char *name, *known, *fresh;
        bool want;
    } rows[] = {
        {"the same", "550 5.1.1 gone", "550 5.1.1 gone", true},
        {"another recipient", "550 5.1.1 <anna@example.org> gone", "550 5.1.1 <bo@b.example> gone",
         true},
        {"another address", "421 busy [192.0.2.1]", "421 busy [203.0.113.77]", true},
        {"another id at the end", "451 later a640c23a62f3a-8f", "451 later 9b7712cd00e1-5c", true},
        {"two words differ", "450 a1b2c3d4e5: 192.0.2.1 no", "450 f6e5d4c3b2: 192.0.2.200 no",
         true},
        {"another enhanced code", "550 5.1.1 gone", "550 5.1.2 gone", false},
        {"another code", "550 gone", "551 gone", false},
        {"another marker", "550 no (S3140)", "550 no (S3150)", false},
        {"another answer of a list", "554 no; 127.0.0.2", "554 no; 127.0.0.3", false},
        {"another word", "550 user unknown", "550 host unknown", false},
        {"a word more", "550 gone 1234567", "550 gone 1234567 x", false},
        {"a word less", "550 gone 1234567 x", "550 gone 1234567", false},
        {"another sign behind", "550 1234567: gone", "550 1234567; gone", false},
        {"a short number", "550 gone 12", "550 gone 13", false},
        {"another span of time", "450 wait 79 seconds", "450 wait 8 seconds", true},
        {"a span that may be a code", "450 wait 79 seconds", "450 wait 450 seconds", false},
        {"a unit that is half an address", "450 in 300 sec@a.example ok",
         "450 in 8 foo@a.example ok", false},
        {"a unit that is half an id", "450 in 300 day12345678 ok", "450 in 8 day12345678 ok",
         false},
        {"a number of nothing", "450 wait 79 times", "450 wait 8 times", false},
        {"another host of ours", "connect to a.example[192.0.2.1]:25: Connection refused",
         "connect to mx2.b.example[198.51.100.7]:25: Connection refused", true},
        {"another end of it", "connect to a.example[192.0.2.1]:25: Connection refused",
         "connect to b.example[192.0.2.1]:25: Connection timed out", false},
        {"a host of theirs", "450 connect to a.example[192.0.2.1]: no",
         "450 connect to b.example[192.0.2.1]: no", false},
        {"an address for an id", "550 a@b.example gone", "550 1234567 gone", false},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        expect_int(rows[i].name, "alike", alike(slice_str(rows[i].known), slice_str(rows[i].fresh)),
                   rows[i].want);
}

/* A reply that quotes another is never compared: a word may say who is quoted. */
static void test_quotations_are_left_out(void **state)
{
    (void)state;
    assert_false(alike_allowed(SLICE("host mx.example.org said: 550 5.1.1 gone")));
    assert_false(alike_allowed(SLICE("u1@example.org: 550 5.1.1 gone")));
    assert_false(alike_allowed(SLICE("<<< 550 gone")));
    assert_true(alike_allowed(SLICE("550-gone\n550 and away")));
    assert_true(alike_allowed(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike_is_read_alike),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_quotations_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
