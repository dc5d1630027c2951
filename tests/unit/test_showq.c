/*
 * queue/showq.h against what postqueue(1) said of the same bytes (the snapshot's
 * postqueue-j.json, as showq.tsv), wherever the bytes end; and bytes that are no such list.
 */
#include "guard.h"

#include <stdlib.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/queue/showq.h"

#define SNAPSHOT "tests/data/postfix/queue/snapshot/"

static void read_file(const char *path, struct strbuf *out)
{
    char buf[4096];
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s cannot be read", path);
    for (size_t n; (n = fread(buf, 1, sizeof(buf), in)) > 0;)
        strbuf_add(out, buf, n);
    fclose(in);
}

/* Says one token as showq.tsv does. */
static void say(struct strbuf *out, const struct showq *q, enum showq_token token)
{
    if (token == SHOWQ_MESSAGE)
        strbuf_addf(out, "message\t%.*s\t%lld\t%llu\n", SLICE_ARG(q->message.queue),
                    (long long)q->message.arrived, (unsigned long long)q->message.bytes);
    else if (token == SHOWQ_RECIPIENT)
        strbuf_addf(out, "recipient\t%.*s\t%.*s\n", SLICE_ARG(q->recipient.address),
                    SLICE_ARG(q->recipient.reason));
    else if (token == SHOWQ_END)
        strbuf_add_str(out, "end\n");
}

/* All bytes, in pieces of `step`; the last token. */
static enum showq_token run(struct slice bytes, size_t step, struct strbuf *out)
{
    static struct showq q;
    enum showq_token token = SHOWQ_HUNGRY, last = SHOWQ_HUNGRY;
    struct guard guard;
    guard_open(&guard, bytes.len);
    showq_init(&q);
    while (bytes.len && last != SHOWQ_BAD) {
        struct slice part = guard_put(&guard, slice_head(bytes, step));
        bytes = slice_skip(bytes, step);
        while ((token = showq_next(&q, &part)) != SHOWQ_HUNGRY && token != SHOWQ_BAD) {
            say(out, &q, token);
            last = token;
        }
        last = token == SHOWQ_BAD ? token : last;
    }
    guard_close(&guard);
    if (last == SHOWQ_BAD)
        assert_non_null(q.complaint);
    return last;
}

static void test_the_snapshot_in_pieces(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 61, 1000, 4096, 1 << 20};
    struct strbuf bytes = STRBUF_INIT, want = STRBUF_INIT;
    (void)state;
    read_file(SNAPSHOT "showq.raw.bin", &bytes);
    read_file(SNAPSHOT "showq.tsv", &want);
    strbuf_add_str(&want, "end\n");
    for (size_t i = 0; i < LEN(steps); i++) {
        struct strbuf got = STRBUF_INIT;
        expect_int("snapshot", "last token", run(strbuf_slice(&bytes), steps[i], &got), SHOWQ_END);
        assert_string_equal(got.buf, want.buf);
        strbuf_release(&got);
    }
    strbuf_release(&bytes);
    strbuf_release(&want);
}

/* postqueue-j.json has "forced_expire": true three times. */
static void test_made_to_expire(void **state)
{
    static struct showq q;
    struct strbuf bytes = STRBUF_INIT;
    enum showq_token token;
    int expiring = 0;
    (void)state;
    read_file(SNAPSHOT "showq.raw.bin", &bytes);
    struct slice rest = strbuf_slice(&bytes);
    showq_init(&q);
    while ((token = showq_next(&q, &rest)) != SHOWQ_HUNGRY)
        expiring += token == SHOWQ_MESSAGE && q.message.expiring;
    expect_int("snapshot", "messages made to expire", expiring, 3);
    strbuf_release(&bytes);
}

#define HEAD                                                                                       \
    "queue_name\0deferred\0queue_id\0A\0time\0"                                                    \
    "12\0size\0"                                                                                   \
    "34\0"

struct row {
    const char *name;
    struct slice bytes;
    enum showq_token last;
    const char *says;
};

static const struct row rows[] = {
    {"an empty queue", SLICE_INIT("\0"), SHOWQ_END, "end\n"},
    {"announced and empty", SLICE_INIT("protocol\0mail_queue_list_protocol\0\0\0"), SHOWQ_END,
     "end\n"},
    {"without recipients", SLICE_INIT(HEAD "\0\0"), SHOWQ_END, "message\tdeferred\t12\t34\nend\n"},
    {"a recipient without a reason", SLICE_INIT(HEAD "recipient\0a@b\0\0\0"), SHOWQ_END,
     "message\tdeferred\t12\t34\nrecipient\ta@b\t\nend\n"},
    {"two without", SLICE_INIT(HEAD "recipient\0a@b\0recipient\0c@d\0\0\0"), SHOWQ_END,
     "message\tdeferred\t12\t34\nrecipient\ta@b\t\nrecipient\tc@d\t\nend\n"},
    {"what a newer version may add", SLICE_INIT(HEAD "colour\0red\0\0\0"), SHOWQ_END,
     "message\tdeferred\t12\t34\nend\n"},
    {"no end", SLICE_INIT(HEAD "\0"), SHOWQ_MESSAGE, "message\tdeferred\t12\t34\n"},
    {"half an attribute", SLICE_INIT(HEAD "recip"), SHOWQ_HUNGRY, ""},
    {"another protocol", SLICE_INIT("protocol\0other\0\0"), SHOWQ_BAD, ""},
    {"garbage", SLICE_INIT("220 mx.example ESMTP\r\n\0"), SHOWQ_BAD, ""},
    {"no number", SLICE_INIT("queue_name\0hold\0time\0x\0"), SHOWQ_BAD, ""},
    {"a number that is too large",
     SLICE_INIT("queue_name\0hold\0size\0"
                "9999999999999999999\0"),
     SHOWQ_BAD, ""},
    {"a queue that is no word", SLICE_INIT("queue_name\0a\"b\0"), SHOWQ_BAD, ""},
    {"a message without a time",
     SLICE_INIT("queue_name\0hold\0size\0"
                "1\0\0"),
     SHOWQ_BAD, ""},
    {"a reason of nobody", SLICE_INIT(HEAD "reason\0x\0"), SHOWQ_BAD, ""},
    {"bytes behind the end", SLICE_INIT("\0x"), SHOWQ_BAD, "end\n"},
};

static void test_small_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        for (size_t step = 1; step <= rows[i].bytes.len; step++) {
            struct strbuf got = STRBUF_INIT;
            expect_int(rows[i].name, "last token", run(rows[i].bytes, step, &got), rows[i].last);
            expect_slice(rows[i].name, "tokens", strbuf_slice(&got), slice_str(rows[i].says));
            strbuf_release(&got);
        }
    }
}

static void test_a_long_value_is_cut(void **state)
{
    struct strbuf bytes = STRBUF_INIT, got = STRBUF_INIT;
    (void)state;
    strbuf_add_slice(&bytes, SLICE(HEAD "recipient\0a@b\0reason\0"));
    for (size_t i = 0; i < 3 * SHOWQ_VALUE_MAX; i++)
        strbuf_add_str(&bytes, "x");
    strbuf_add_slice(&bytes, SLICE("\0\0\0"));
    for (size_t step = 1000; step < bytes.len * 2; step *= 2) {
        strbuf_reset(&got);
        expect_int("long", "last token", run(strbuf_slice(&bytes), step, &got), SHOWQ_END);
        size_t want = sizeof("message\tdeferred\t12\t34\nrecipient\ta@b\t\nend\n") - 1;
        expect_int("long", "bytes", (long long)got.len, (long long)(want + SHOWQ_VALUE_MAX));
    }
    strbuf_release(&bytes);
    strbuf_release(&got);
}

/* A value may be long, but it ends. */
static void test_a_value_without_an_end(void **state)
{
    static char piece[4096];
    struct showq showq;
    (void)state;
    memset(piece, 'x', sizeof(piece));
    for (unsigned whole = 0; whole < 2; whole++) {
        struct slice head = SLICE(HEAD "recipient\0a@b\0reason\0"), end = SLICE("\0\0\0");
        size_t sent = 0;
        enum showq_token token;
        showq_init(&showq);
        while ((token = showq_next(&showq, &head)) != SHOWQ_HUNGRY)
            assert_int_equal(token, SHOWQ_MESSAGE);
        while (token == SHOWQ_HUNGRY && sent < (whole ? SHOWQ_STRING_MAX : 2 * SHOWQ_STRING_MAX)) {
            struct slice bytes = slice_of(piece, sizeof(piece));
            token = showq_next(&showq, &bytes);
            sent += sizeof(piece);
        }
        assert_int_equal(token == SHOWQ_BAD, !whole);
        if (!whole)
            assert_string_equal(showq.complaint, "an attribute without an end");
        assert_int_equal(sent, SHOWQ_STRING_MAX + (whole ? 0 : sizeof(piece)));
        assert_int_equal(showq_next(&showq, &end), whole ? SHOWQ_RECIPIENT : SHOWQ_BAD);
    }
}

/* Bounds of qshape -t 5 -b 10, in minutes. */
static void test_bands(void **state)
{
    static const struct {
        int64_t age;
        const char *band;
    } ages[] = {{-5, "300"},      {0, "300"},      {299, "300"},       {300, "600"},
                {599, "600"},     {600, "1200"},   {38399, "38400"},   {38400, "76800"},
                {76799, "76800"}, {76800, "+Inf"}, {INT64_MAX, "+Inf"}};
    (void)state;
    for (size_t i = 0; i < LEN(ages); i++)
        expect_slice("age", ages[i].band, slice_str(queue_band_words[queue_band(ages[i].age)]),
                     slice_str(ages[i].band));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_snapshot_in_pieces),
        cmocka_unit_test(test_made_to_expire),
        cmocka_unit_test(test_small_lists),
        cmocka_unit_test(test_a_long_value_is_cut),
        cmocka_unit_test(test_a_value_without_an_end),
        cmocka_unit_test(test_bands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
