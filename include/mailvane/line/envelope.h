/*
 * The syslog envelope: who wrote a line and when, whatever the syslog daemon.
 *
 *   Nov 22 03:27:15 host prog[pid]: text         RFC 3164, 4.1
 *   2026-11-22T03:27:15.13+00:00 host prog[1]: text   RFC 3339 stamp (rsyslog's own form)
 *   <22>1 2026-11-22T03:27:15Z host prog 1 - - text   RFC 5424
 *
 * and what is met beside them: a <PRI> in front of any; a year before or behind
 * the date; an unpadded day; fractions of a second; a blank for the T; Solaris'
 * "[ID 801593 mail.info]" in front of the text; a pid with no colon behind it; no
 * host; no stamp at all.
 *
 * RFC 3164 stamps have no year and no zone: they are local time, in the last year
 * in which they are not more than a day later than `reference`.
 *
 * Nothing is allocated; slices point into the line. Text behind the tag is not
 * looked at, so nothing that a remote wrote can change the envelope.
 */
#ifndef MAILVANE_LINE_ENVELOPE_H
#define MAILVANE_LINE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/slice.h"

struct envelope {
    int64_t time;         /* seconds since the epoch, UTC; INT64_MIN: no stamp */
    struct slice program; /* "postfix/smtp"; empty where there is no tag */
    struct slice text;    /* the message */
};

/*
 * Remembers the stamp and the host of the line before: most lines of a busy host
 * begin with the same bytes.
 */
struct envelope_parser {
    char head[96]; /* up to the tag; not of stamps with fractions */
    size_t head_len;
    int64_t head_time;
    int64_t hour; /* an hour of local time, and when it began */
    int64_t hour_time;
    int year;          /* the one that was inferred last; 0: none yet */
    int64_t reference; /* seconds since the epoch: the file's modification time, or now */
    char date[24];     /* the stamp's bytes up to the second */
    size_t date_len;
    int64_t date_time; /* as local time (RFC 3164) or as UTC, to which the zone is applied */
    char zone[8];
    size_t zone_len;
    int32_t zone_seconds; /* east of UTC */
};

void envelope_parser_init(struct envelope_parser *parser, int64_t reference);
/* A later reference; what is remembered of the year is forgotten. */
void envelope_parser_refer(struct envelope_parser *parser, int64_t reference);

/* line is without its newline. Always gives an envelope, an empty one in the worst case. */
void envelope_parse(struct envelope_parser *parser, struct slice line, struct envelope *out);

#endif
