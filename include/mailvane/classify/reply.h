/*
 * A reply as the rules for causes see it: what decides is separated from what differs
 * with every message.
 *
 * Structure first. A reply that quotes another one ("host X said: 550 ...") is read for
 * the innermost, which is the one that decided. The reply code and the enhanced code
 * (RFC 5321, 4.2; RFC 3463; RFC 2034) in front are taken off, and off every line of a
 * multi-line reply that repeats them.
 *
 * Then the text is normalised: ASCII, Latin-1 and Cyrillic letters in lower case, runs of
 * blanks and control bytes as one blank, every address as "@", and numbers, ids, spans of
 * time, addresses of hosts and the hosts that our own MTA could not talk to as "#". What may
 * be a code of somebody's stays: up to three digits,
 * enhanced codes, 127.x.x.x of block lists, short words with a number behind ("s3140",
 * "tss04"), host names. So the text of a refusal is the same for each message, and whoever
 * remembers a verdict by it cannot be wrong: it is all that the rules are shown.
 *
 * Nothing here allocates; a text that is longer than REPLY_TEXT_MAX is cut.
 */
#ifndef MAILVANE_CLASSIFY_REPLY_H
#define MAILVANE_CLASSIFY_REPLY_H

#include "mailvane/event/dsn.h"

#define REPLY_TEXT_MAX 320

struct reply {
    uint16_t code;  /* 0: none */
    struct dsn dsn; /* klass 0: none */
    uint16_t len;
    char text[REPLY_TEXT_MAX];
};

/*
 * Reads a reply. code and dsn are what the log says of it (0 where it says nothing); those
 * that stand in the reply itself win.
 */
void reply_read(struct reply *reply, struct slice raw, uint16_t code, struct dsn dsn);

static inline struct slice reply_text(const struct reply *reply)
{
    return slice_of(reply->text, reply->len);
}

#endif
