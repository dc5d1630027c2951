#include "mailvane/queue/showq.h"

#define PROTOCOL "mail_queue_list_protocol"

typedef bool (*take_fn)(struct showq *showq, struct slice value);

/* What is done with the value of an attribute; false where it cannot be one. */
struct showq_attribute {
    struct slice name;
    take_fn take;
    bool must; /* a message has it */
};

static bool take_protocol(struct showq *showq, struct slice value)
{
    showq->greeted = true;
    return slice_eq(value, SLICE(PROTOCOL));
}

/* The queue's name becomes a label: letters, as Postfix' own are. */
static bool take_queue(struct showq *showq, struct slice value)
{
    if (value.len == 0 || value.len > sizeof(showq->queue))
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_alnum(value.ptr[i]))
            return false;
    }
    memcpy(showq->queue, value.ptr, value.len);
    showq->message.queue = slice_of(showq->queue, value.len);
    return true;
}

/* Digits alone, and no more than fit. */
static bool read_number(struct slice value, uint64_t *out)
{
    *out = 0;
    if (value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.ptr[i]))
            return false;
        *out = *out * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    return true;
}

static bool take_time(struct showq *showq, struct slice value)
{
    uint64_t time;
    if (!read_number(value, &time))
        return false;
    showq->message.arrived = (int64_t)time;
    return true;
}

static bool take_size(struct showq *showq, struct slice value)
{
    return read_number(value, &showq->message.bytes);
}

/* Only qshape cares. */
static bool take_expiring(struct showq *showq, struct slice value)
{
    showq->message.expiring = !slice_eq(value, SLICE("0"));
    return true;
}

static bool take_recipient(struct showq *showq, struct slice value)
{
    memcpy(showq->address, value.ptr, value.len);
    showq->address_len = value.len;
    showq->reason_len = 0;
    showq->waiting = true;
    return true;
}

/* Belongs to the recipient before it. */
static bool take_reason(struct showq *showq, struct slice value)
{
    if (!showq->waiting)
        return false;
    memcpy(showq->reason, value.ptr, value.len);
    showq->reason_len = value.len;
    return true;
}

static bool take_nothing(struct showq *showq, struct slice value)
{
    (void)showq;
    (void)value;
    return true;
}

enum { PROTOCOL_ROW, QUEUE_ROW, TIME_ROW, SIZE_ROW, EXPIRING_ROW, RECIPIENT_ROW, REASON_ROW, ROWS };

static const struct showq_attribute attributes[ROWS] = {
    [PROTOCOL_ROW] = {SLICE_INIT("protocol"), take_protocol, false},
    [QUEUE_ROW] = {SLICE_INIT("queue_name"), take_queue, true},
    [TIME_ROW] = {SLICE_INIT("time"), take_time, true},
    [SIZE_ROW] = {SLICE_INIT("size"), take_size, true},
    [EXPIRING_ROW] = {SLICE_INIT("forced_expire"), take_expiring, false},
    [RECIPIENT_ROW] = {SLICE_INIT("recipient"), take_recipient, false},
    [REASON_ROW] = {SLICE_INIT("reason"), take_reason, false},
};

/* Newer versions may tell more. */
static const struct showq_attribute unknown = {SLICE_INIT(""), take_nothing, false};

void showq_init(struct showq *showq)
{
    *showq = (struct showq){.complaint = NULL};
}

static enum showq_token complain(struct showq *showq, const char *complaint)
{
    showq->complaint = complaint;
    return SHOWQ_BAD;
}

static enum showq_token tell_message(struct showq *showq)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (attributes[i].must && !(showq->seen & 1u << i))
            return complain(showq, "a message without queue_name, time or size");
    }
    showq->told = true;
    return SHOWQ_MESSAGE;
}

static enum showq_token tell_recipient(struct showq *showq)
{
    showq->waiting = false;
    showq->recipient.address = slice_of(showq->address, showq->address_len);
    showq->recipient.reason = slice_of(showq->reason, showq->reason_len);
    return SHOWQ_RECIPIENT;
}

/* An empty name: the end of a message, of the announcement, or of all. */
static enum showq_token end_list(struct showq *showq)
{
    bool begun = showq->begun, greeted = showq->greeted, told = showq->told;
    showq->begun = showq->greeted = showq->told = false;
    if (!begun) {
        showq->ended = true;
        return SHOWQ_END;
    }
    if (showq->waiting)
        return tell_recipient(showq);
    if (greeted || told)
        return SHOWQ_HUNGRY;
    enum showq_token token = tell_message(showq);
    showq->told = false;
    return token;
}

static const struct showq_attribute *find(struct slice name)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (slice_eq(attributes[i].name, name))
            return &attributes[i];
    }
    return &unknown;
}

/* A list that begins with anything else is of another protocol. */
static bool begin_list(struct showq *showq, const struct showq_attribute *first)
{
    showq->begun = true;
    showq->seen = 0;
    showq->message.expiring = false;
    return first == &attributes[QUEUE_ROW] || first == &attributes[PROTOCOL_ROW];
}

/* SHOWQ_HUNGRY where there is nothing to tell yet. */
static enum showq_token take_name(struct showq *showq, struct slice name)
{
    if (name.len == 0)
        return end_list(showq);
    if (name.len > SHOWQ_NAME_MAX)
        return complain(showq, "the name of an attribute is too long");
    showq->attribute = find(name);
    if (!showq->begun && !begin_list(showq, showq->attribute))
        return complain(showq, "a list that does not begin with queue_name");
    if (showq->attribute != &attributes[RECIPIENT_ROW])
        return SHOWQ_HUNGRY;
    if (!showq->told)
        return tell_message(showq);
    return showq->waiting ? tell_recipient(showq) : SHOWQ_HUNGRY;
}

static enum showq_token take_value(struct showq *showq, struct slice value)
{
    const struct showq_attribute *attribute = showq->attribute;
    showq->attribute = NULL;
    if (!attribute->take(showq, value))
        return complain(showq, "an attribute has a value that it cannot have");
    if (attribute != &unknown)
        showq->seen |= 1u << (attribute - attributes);
    return attribute == &attributes[REASON_ROW] ? tell_recipient(showq) : SHOWQ_HUNGRY;
}

/* Keeps the beginning of a string whose end has not come; too much of it is cut. */
static void keep(struct showq *showq, struct slice part)
{
    size_t room = sizeof(showq->text) - showq->len;
    part = slice_head(part, room);
    if (part.len)
        memcpy(showq->text + showq->len, part.ptr, part.len);
    showq->len += part.len;
}

/* Takes the next string off; false where its end has not come. */
static bool take_string(struct showq *showq, struct slice *bytes, struct slice *string)
{
    size_t len = slice_find(*bytes, '\0');
    bool whole = len < bytes->len;
    *string = slice_head(*bytes, len);
    *bytes = slice_skip(*bytes, len + 1);
    showq->unended = whole ? 0 : showq->unended + len;
    if (showq->len || !whole) {
        keep(showq, *string);
        *string = slice_of(showq->text, showq->len);
        showq->len = whole ? 0 : showq->len;
    }
    *string = slice_head(*string, SHOWQ_VALUE_MAX);
    return whole;
}

enum showq_token showq_next(struct showq *showq, struct slice *bytes)
{
    struct slice string;
    enum showq_token token = SHOWQ_HUNGRY;
    if (showq->complaint)
        return SHOWQ_BAD;
    if (showq->ended)
        return bytes->len ? complain(showq, "bytes behind the end") : SHOWQ_HUNGRY;
    while (token == SHOWQ_HUNGRY && take_string(showq, bytes, &string))
        token = showq->attribute ? take_value(showq, string) : take_name(showq, string);
    if (showq->unended > SHOWQ_STRING_MAX)
        return complain(showq, "an attribute without an end");
    return token;
}
