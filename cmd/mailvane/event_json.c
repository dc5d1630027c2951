#include "event_json.h"

#include "hide.h"
#include "js.h"
#include "mailvane/base/strbuf.h"

/* A member that does not apply is left out. */
static void set_text(struct js *object, const char *key, struct slice value)
{
    if (value.len)
        js_set_text(object, key, value);
}

static void set_word(struct js *object, const char *key, const char *word)
{
    set_text(object, key, slice_str(word));
}

static void put_code(struct js *object, unsigned code)
{
    char digits[8];
    snprintf(digits, sizeof(digits), "%03u", code % 1000u);
    if (code)
        set_word(object, "code", digits);
}

static struct js *seconds(uint64_t microseconds)
{
    return js_number((double)microseconds / 1e6);
}

static void put_delays(struct js *object, const struct delivery *d)
{
    if (d->has_delay)
        js_set(object, "delay", seconds(d->delay));
    if (!d->has_delays)
        return;
    struct js *list = js_list();
    for (int i = 0; i < DELAY_STAGES; i++)
        js_add(list, seconds(d->delays[i]));
    js_set(object, "delays", list);
}

static void put_delivery(struct js *object, const struct event *event, bool with_recipients)
{
    const struct delivery *d = &event->delivery;
    char dsn[DSN_TEXT_SIZE];
    struct strbuf reply = STRBUF_INIT;
    if (with_recipients)
        set_text(object, "recipient", d->recipient);
    set_text(object, "recipient_domain", d->domain);
    set_text(object, "relay_host", d->relay_host);
    set_text(object, "relay_ip", d->relay_ip);
    set_text(object, "provider", d->provider);
    set_text(object, "sending_ip", d->sending_ip);
    set_word(object, "status", status_words[d->status]);
    set_text(object, "dsn", slice_of(dsn, dsn_format(d->dsn, dsn)));
    put_code(object, d->code);
    set_word(object, "phase", phase_words[d->phase]);
    set_text(object, "cause", d->cause);
    set_text(object, "owner", d->owner);
    set_text(object, "list", d->list);
    if (event->kind == EVENT_DELIVERY && d->status != STATUS_EXPIRED)
        js_set_bool(object, "first", d->first);
    put_delays(object, d);
    set_text(object, "reply",
             with_recipients ? d->reply : hide_local_parts(d->reply, d->recipient, &reply));
    strbuf_release(&reply);
}

static void put_tls(struct js *object, const struct event *event)
{
    set_word(object, "direction", event->tls.outbound ? "out" : "in");
    set_text(object, "host", event->tls.host);
    set_text(object, "provider", event->tls.provider);
    set_word(object, "trust", trust_words[event->tls.trust]);
    set_text(object, "protocol", event->tls.protocol);
}

static void put_members(struct js *object, const struct event *event, bool with_recipients)
{
    switch (event->kind) {
    case EVENT_DELIVERY:
    case EVENT_PROBE:
        put_delivery(object, event, with_recipients);
        break;
    case EVENT_ACTIVE:
        js_set_number(object, "size", (double)event->active.size);
        js_set_number(object, "recipients", event->active.recipients);
        break;
    case EVENT_SMTPD:
        set_word(object, "event", session_words[event->session]);
        break;
    case EVENT_POSTSCREEN:
        set_word(object, "action", screening_words[event->screening]);
        break;
    case EVENT_CHANGE:
        set_word(object, "change", change_words[event->change]);
        break;
    case EVENT_REJECTION:
        set_word(object, "phase", phase_words[event->rejection.phase]);
        put_code(object, event->rejection.code);
        break;
    case EVENT_TLS:
        put_tls(object, event);
        break;
    default:
        break;
    }
}

void event_json_write(FILE *out, const char *format, const struct event *event,
                      bool with_recipients)
{
    struct js *object = js_object();
    js_set_time(object, "time", event->time);
    set_word(object, "format", format);
    set_word(object, "kind", kind_words[event->kind]);
    set_text(object, "queue_id", event->queue_id);
    set_word(object, "severity", severity_words[event->severity]);
    put_members(object, event, with_recipients);
    js_print(object, out);
}
