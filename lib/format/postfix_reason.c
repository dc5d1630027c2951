#include "mailvane/format/reason.h"

#include "mailvane/event/dsn.h"
#include "postfix.h"

/* Which daemon put it off is not recorded; only error(8) has words of its own in front. */
void postfix_reason(struct slice reason, struct delivery *out)
{
    bool suspended = slice_starts(reason, SLICE("delivery temporarily suspended: "));
    delivery_reset(out);
    out->status = STATUS_DEFERRED;
    out->dsn = (struct dsn){.klass = 4};
    postfix_failure_text(reason, false, suspended ? POSTFIX_ERROR : POSTFIX_SMTP, out);
    struct reply_status status = reply_status_parse(out->reply);
    if (status.dsn.klass)
        out->dsn = status.dsn;
}
