/*
 * Status codes: the enhanced one of RFC 3463 ("4.7.28") and the SMTP reply's
 * (RFC 5321, 4.2).
 */
#ifndef MAILVANE_EVENT_DSN_H
#define MAILVANE_EVENT_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailvane/base/slice.h"

/* class "." subject "." detail; class 0: absent. */
struct dsn {
    uint8_t klass;    /* 2, 4 or 5 */
    uint16_t subject; /* 0 to 999 */
    uint16_t detail;  /* 0 to 999 */
};

static inline bool dsn_equal(struct dsn a, struct dsn b)
{
    return a.klass == b.klass && a.subject == b.subject && a.detail == b.detail;
}

#define DSN_TEXT_SIZE sizeof("5.999.999")

/*
 * Reads a code from the front of *s and takes it off; a code ends where no digit
 * and no dot follows, so that 5.7.4 is never read out of 5.7.40 or 5.7.4.1.
 */
bool dsn_take(struct slice *s, struct dsn *out);
/* The same at `from`: where it ends, NULL where there is none. */
const char *dsn_read(const char *from, const char *end, struct dsn *out);
/* The whole of s, nothing else. */
bool dsn_parse(struct slice s, struct dsn *out);
/* The code as text; returns its length. */
size_t dsn_format(struct dsn dsn, char text[DSN_TEXT_SIZE]);

/* What a reply's first line tells. */
struct reply_status {
    uint16_t code;  /* 0: it does not begin with a reply code */
    struct dsn dsn; /* absent, or of the same class as the code */
};

/* Its code alone; 0 where it does not begin with one. */
uint16_t reply_code(struct slice reply);

/* Reads "550 5.1.1 text", "550-5.1.1 text" or "550 text" (RFC 2034). */
struct reply_status reply_status_parse(struct slice reply);

#endif
