/*
 * Two replies, the first line and the rest: where alike() says that they are one,
 * reply_read() gives the same for both. Of one reply alone the second is made by counting up
 * its digits. Quotations, words and our own MTA's hosts lie within what they are taken from.
 */
#include "../../lib/classify/alike.h"
#include "../../lib/classify/own_host.h"
#include "../../lib/classify/quoted.h"
#include "../../lib/classify/word.h"
#include "input.h"
#include "mailvane/classify/reply.h"

static void check_same(struct slice known, struct slice fresh, uint16_t code, struct dsn dsn)
{
    struct reply a, b;
    reply_read(&a, known, code, dsn);
    reply_read(&b, fresh, code, dsn);
    bug_if(a.code != b.code || !dsn_equal(a.dsn, b.dsn));
    bug_if(!slice_eq(reply_text(&a), reply_text(&b)));
}

static void check_pair(struct slice known, struct slice fresh)
{
    if (!alike_allowed(known) || !alike(known, fresh))
        return;
    check_same(known, fresh, 0, (struct dsn){0});
    check_same(known, fresh, 550, (struct dsn){5, 7, 1});
    check_same(known, fresh, 451, (struct dsn){4, 3, 0});
}

static void check_words(struct slice raw)
{
    const char *p = raw.ptr, *end = slice_end(raw);
    while (p < end) {
        uint8_t seen = 0;
        const char *to = word_end(p, end, &seen);
        struct slice word = slice_between(p, to), core = word_core(word);
        bug_if(core.len > word.len || (core.len && core.ptr != word.ptr));
        enum word_kind kind = word_kind(core, seen);
        word_is_span(core, slice_between(slice_end(core), end));
        if (kind == WORD_QUERY) {
            struct slice zone = word_zone(core);
            bug_if(zone.len == 0 || slice_end(zone) != slice_end(core) || zone.len >= core.len);
        }
        bug_if(kind == WORD_ADDRESS && slice_find(core, '@') == core.len);
        p = to < end ? to + 1 : end;
    }
}

static void check_one(struct slice raw)
{
    struct slice inner = quoted_innermost(raw), host = own_host(raw);
    bug_if(!is_within(inner, raw) || (inner.len && slice_end(inner) != slice_end(raw)));
    bug_if(raw.len && inner.len == 0);
    bug_if(quoted_never(raw) && raw.len && inner.len != raw.len);
    bug_if(!is_within(host, raw));
    check_words(raw);
}

static struct slice counted_up(struct slice known)
{
    struct slice fresh = copy_of(known);
    char *bytes = (char *)(uintptr_t)fresh.ptr;
    for (size_t i = 0; i < fresh.len; i++) {
        if (byte_is_digit(bytes[i]))
            bytes[i] = bytes[i] == '9' ? '0' : (char)(bytes[i] + 1);
    }
    return fresh;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_head(input_of(data, size), 2048);
    struct slice known = copy_of(slice_cut(&rest, '\n'));
    struct slice fresh = rest.len ? copy_of(rest) : counted_up(known);
    check_one(known);
    check_one(fresh);
    check_pair(known, fresh);
    check_pair(fresh, known);
    check_pair(known, known);
    copy_free(known);
    copy_free(fresh);
    return 0;
}
