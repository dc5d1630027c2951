/*
 * The text behind status= of a delivery that failed, as each delivery agent writes it; and
 * what stands in front of others: queue ids, and hosts with their addresses. The first byte
 * says whose text it is and whether it was cut.
 */
#include "../../lib/format/postfix.h"
#include "input.h"

static void check_failure(struct slice text, enum postfix_service service, bool cut)
{
    struct delivery d;
    delivery_reset(&d);
    d.dsn = (struct dsn){cut ? 4 : 5, 0, 0};
    postfix_failure_text(text, cut, service, &d);
    bug_if(d.phase >= PHASE_COUNT);
    bug_if(d.code && (d.code < 200 || d.code > 599));
    bug_if(!is_within(d.reply, text) || !is_within(d.tried_host, text));
    bool smtp = service == POSTFIX_SMTP || service == POSTFIX_LMTP || service == POSTFIX_ERROR;
    bug_if(!smtp && (d.phase != PHASE_LOCAL || !slice_eq(d.reply, text) || d.tried_host.len));
    bug_if(slice_find(d.tried_host, '[') < d.tried_host.len);
}

static void check_fronts(struct slice text)
{
    struct slice rest = text, id = SLICE_NONE;
    struct peer peer;
    if (postfix_take_queue_id(&rest, &id)) {
        bug_if(!is_within(id, text) || !is_within(rest, text));
        bug_if(id.len < 5 || id.ptr != text.ptr || text.len - rest.len != id.len + 2);
    } else {
        bug_if(rest.ptr != text.ptr || rest.len != text.len);
    }
    if (postfix_take_peer(&rest, &peer)) {
        bug_if(!is_within(peer.host, text) || !is_within(peer.addr, text));
        bug_if(!is_within(rest, text));
        bug_if(peer.addr.ptr[-1] != '[' || *slice_end(peer.addr) != ']');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice text = copy_of(input_of(data + 1, size - 1));
    check_failure(text, (enum postfix_service)((data[0] & 0x0f) % (POSTFIX_ERROR + 1)),
                  data[0] & 0x10);
    check_fronts(text);
    copy_free(text);
    return 0;
}
