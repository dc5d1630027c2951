/*
 * Postfix' log lines, by the daemon that writes them.
 *
 * The text that a daemon logs is Postfix' own up to the point where it quotes
 * somebody (an address, a reply, a header). The parsers here walk from the left and
 * stop looking for structure where a quotation begins; nothing is found by
 * searching a whole line for a word. Sources: the daemons' manual pages, and
 * src/global/log_adhoc.c, src/smtp/smtp_proto.c, src/smtpd/smtpd.c,
 * src/postscreen/ of Postfix 2.3 to 3.11 for the shapes.
 */
#ifndef MAILVANE_FORMAT_POSTFIX_H
#define MAILVANE_FORMAT_POSTFIX_H

#include "correlate.h"
#include "mailvane/base/domain.h"
#include "mailvane/event/event.h"
#include "mailvane/line/envelope.h"

/* A log record is cut at this many bytes (postlogd(8), rsyslog); its end is then lost. */
#define POSTFIX_RECORD_MAX 2000

enum postfix_service {
    POSTFIX_SMTP, /* the delivery agents first */
    POSTFIX_LMTP,
    POSTFIX_LOCAL,
    POSTFIX_VIRTUAL,
    POSTFIX_PIPE,
    POSTFIX_DISCARD,
    POSTFIX_ERROR,
    POSTFIX_QMGR,
    POSTFIX_SMTPD,
    POSTFIX_POSTSCREEN,
    POSTFIX_CLEANUP,
    POSTFIX_PICKUP,
    POSTFIX_TLSPROXY,
    POSTFIX_MASTER,
    POSTFIX_OTHER,
};

struct postfix {
    struct correlate *correlate;
    char domain[DOMAIN_MAX + 1]; /* of the line being parsed, where it had to be converted */
};

/* Takes "QUEUEID: " off; false where the text does not begin with one (or with NOQUEUE). */
bool postfix_take_queue_id(struct slice *text, struct slice *queue_id);

/* "QUEUEID: to=<...>, ..." of a delivery agent; rest begins at "to=". */
enum outcome postfix_delivery(struct postfix *p, enum postfix_service service,
                              const struct envelope *env, struct slice rest, struct event *out);

/* What a failure's text, the "(...)" behind status=, says; fills phase, code, reply, tried_host. */
void postfix_failure_text(struct slice text, bool cut, enum postfix_service service,
                          struct delivery *d);

/* The lines of smtpd(8), postscreen(8), cleanup(8) and of TLS. */
enum outcome postfix_smtpd(struct slice text, struct event *out);
enum outcome postfix_postscreen(struct slice text, struct event *out);
enum outcome postfix_cleanup(struct postfix *p, struct slice text, struct event *out);
/* "Trusted TLS connection established to host[addr]:25: TLSv1.3 with ..." */
bool postfix_tls(struct slice text, struct event *out);

/* Takes "name[addr]" or "name[addr]:port" off. */
struct peer {
    struct slice host;
    struct slice addr;
};
bool postfix_take_peer(struct slice *s, struct peer *out);
/* The same in two steps: the ']' of a host that begins at `from` with its '[' at `open`, or NULL;
 */
const char *postfix_peer_close(const char *from, const char *open, const char *end);
/* and what is behind it and its port. */
const char *postfix_peer_end(const char *close, const char *end);

#endif
