/*
 * The protocol of Postfix' showq(8), as postqueue(1) reads it: a list of attributes for
 * each message. An attribute is its name, NUL, its value, NUL; an empty name ends the list,
 * and an empty list ends all of them.
 *
 *     struct showq showq;
 *     showq_init(&showq);
 *     for (enum showq_token t; (t = showq_next(&showq, &bytes)) != SHOWQ_HUNGRY;) ...
 *
 * The bytes may end anywhere; showq_next takes from their front what it has understood, and
 * SHOWQ_HUNGRY has taken all. Nothing is allocated. Attributes that are not known are passed
 * over, values that are too long are cut; what is no such list is SHOWQ_BAD for good.
 */
#ifndef MAILVANE_QUEUE_SHOWQ_H
#define MAILVANE_QUEUE_SHOWQ_H

#include "mailvane/queue/entry.h"

#define SHOWQ_NAME_MAX  64
#define SHOWQ_VALUE_MAX (QUEUE_ADDRESS_MAX + 1) /* so that an address that was cut is too long */
#define SHOWQ_QUEUE_MAX 32
/* Who sends as much without an end sends no list: showq's longest value is a reply of a server. */
#define SHOWQ_STRING_MAX (1u << 20)

enum showq_token {
    SHOWQ_HUNGRY,
    SHOWQ_MESSAGE,   /* showq->message; its recipients follow */
    SHOWQ_RECIPIENT, /* showq->recipient, of the last message */
    SHOWQ_END,       /* all was told */
    SHOWQ_BAD,       /* showq->complaint says why */
};

struct showq {
    struct queue_message message;
    struct queue_recipient recipient;
    const char *complaint;
    /* private */
    const struct showq_attribute *attribute; /* whose value comes next; NULL: a name does */
    bool begun;                              /* within a list */
    bool greeted;                            /* that list is the announcement of the protocol */
    bool told;                               /* its message was handed out */
    bool waiting;                            /* a recipient was not */
    bool ended;
    unsigned seen;  /* attributes of this message, as bits */
    size_t unended; /* bytes of a string whose end has not come */
    size_t len;     /* of what is in text: its beginning */
    char text[SHOWQ_VALUE_MAX];
    char queue[SHOWQ_QUEUE_MAX];
    size_t address_len, reason_len;
    char address[SHOWQ_VALUE_MAX];
    char reason[SHOWQ_VALUE_MAX];
};

void showq_init(struct showq *showq);
enum showq_token showq_next(struct showq *showq, struct slice *bytes);

#endif
