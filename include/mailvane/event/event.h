/*
 * An event: what one log line said had happened to a message, in one schema for
 * every MTA.
 *
 * A format fills it; every slice is borrowed, from the line or from the format's
 * state, and holds until the next line is parsed. Members that a line does not
 * tell are empty or zero. Which of the members below `kind` counts is said beside
 * it; the others are undefined.
 *
 * Recipients' local parts are personal data: they stand in `recipient` alone,
 * which never leaves the process unless the user asked for it.
 */
#ifndef MAILVANE_EVENT_EVENT_H
#define MAILVANE_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/slice.h"
#include "mailvane/event/dsn.h"

#define STATUS(constant, text) constant,
enum status {
#include "mailvane/tables/event_words.def"
    STATUS_COUNT
};
#undef STATUS

#define PHASE(constant, text) constant,
enum phase {
#include "mailvane/tables/event_words.def"
    PHASE_COUNT
};
#undef PHASE

#define KIND(constant, text) constant,
enum event_kind {
#include "mailvane/tables/event_words.def"
    EVENT_COUNT
};
#undef KIND

#define SEVERITY(constant, text) constant,
enum severity {
#include "mailvane/tables/event_words.def"
    SEVERITY_COUNT
};
#undef SEVERITY

#define TRUST(constant, text) constant,
enum trust {
#include "mailvane/tables/event_words.def"
    TRUST_COUNT
};
#undef TRUST

#define SESSION(constant, text) constant,
enum session {
#include "mailvane/tables/event_words.def"
    SESSION_COUNT
};
#undef SESSION

#define SCREENING(constant, text) constant,
enum screening {
#include "mailvane/tables/event_words.def"
    SCREENING_COUNT
};
#undef SCREENING

#define CHANGE(constant, text) constant,
enum change {
#include "mailvane/tables/event_words.def"
    CHANGE_COUNT
};
#undef CHANGE

#define OUTCOME(constant, text) constant,
enum outcome {
#include "mailvane/tables/event_words.def"
    OUTCOME_COUNT
};
#undef OUTCOME

/* Stages of Postfix' delays=a/b/c/d; other MTAs fill what they know. */
#define STAGE(constant, text) constant,
enum delay_stage {
#include "mailvane/tables/event_words.def"
    DELAY_STAGES
};
#undef STAGE

extern const char *const status_words[STATUS_COUNT];
extern const char *const phase_words[PHASE_COUNT];
extern const char *const kind_words[EVENT_COUNT];
extern const char *const severity_words[SEVERITY_COUNT];
extern const char *const stage_words[DELAY_STAGES];
extern const char *const trust_words[TRUST_COUNT];
extern const char *const session_words[SESSION_COUNT];
extern const char *const screening_words[SCREENING_COUNT];
extern const char *const change_words[CHANGE_COUNT];
extern const char *const outcome_words[OUTCOME_COUNT];

/* EVENT_DELIVERY and EVENT_PROBE: one recipient, one attempt. */
struct delivery {
    enum status status;
    enum phase phase;       /* of a failure */
    struct dsn dsn;         /* never absent: metrics.md says what stands in for it */
    uint16_t code;          /* SMTP reply code; 0: none was given */
    bool local;             /* handed over on this machine: no provider, no sending address */
    bool first;             /* the first attempt for this recipient */
    bool connected;         /* a relay was reached */
    bool relay_ipv6;        /* relay_ip is an IPv6 address */
    bool has_delay;         /* delay counts */
    bool has_delays;        /* delays counts */
    struct slice recipient; /* whole address as logged: personal data */
    struct slice domain;    /* as the label is: base/domain.h */
    struct slice relay_host;
    struct slice relay_ip;
    struct slice tried_host; /* where relay_host is empty: the host that the text names */
    struct slice reply;      /* the remote's words, else the MTA's own */
    struct slice origin;     /* what the sending address is looked up by: syslog_name */
    struct slice sending_ip; /* from the log, else filled after parsing */
    /* Undefined where nothing says that they count. */
    uint64_t delay;                /* microseconds since arrival */
    uint64_t delays[DELAY_STAGES]; /* microseconds */
    /* Filled after parsing; a failure's are texts that live as long as the process does. */
    struct slice provider;
    struct slice cause;
    struct slice owner;
    struct slice list; /* the block list that is named */
};

/*
 * Empties what a parser fills, and leaves alone what is undefined until then. One by one:
 * to clear the whole takes a tenth of the time that it takes to parse a delivery.
 */
static inline void delivery_reset(struct delivery *d)
{
    d->status = (enum status)0;
    d->phase = (enum phase)0;
    d->dsn = (struct dsn){0};
    d->code = 0;
    d->local = false;
    d->first = false;
    d->connected = false;
    d->relay_ipv6 = false;
    d->has_delay = false;
    d->has_delays = false;
    d->recipient = SLICE_NONE;
    d->domain = SLICE_NONE;
    d->relay_host = SLICE_NONE;
    d->relay_ip = SLICE_NONE;
    d->tried_host = SLICE_NONE;
    d->reply = SLICE_NONE;
    d->origin = SLICE_NONE;
    d->sending_ip = SLICE_NONE;
}

struct event {
    enum event_kind kind;
    enum severity severity; /* of any kind: a warning is counted beside what it tells of */
    int64_t time;           /* seconds since the epoch, UTC; TIME_UNKNOWN where the line has none */
    struct slice queue_id;
    union {
        struct delivery delivery; /* EVENT_DELIVERY, EVENT_PROBE */
        struct {
            uint64_t size;        /* bytes */
            uint32_t recipients;  /* of the message */
            bool again;           /* not its first time in the active queue */
        } active;                 /* EVENT_ACTIVE */
        enum session session;     /* EVENT_SMTPD */
        enum screening screening; /* EVENT_POSTSCREEN */
        enum change change;       /* EVENT_CHANGE */
        struct {
            enum phase phase;
            uint16_t code;
        } rejection; /* EVENT_REJECTION, EVENT_CLEANUP_REJECTION */
        struct {
            bool outbound;
            struct slice host; /* the peer */
            enum trust trust;
            struct slice protocol;
            struct slice provider; /* outbound; filled after parsing */
        } tls;                     /* EVENT_TLS */
    };
};

#define TIME_UNKNOWN INT64_MIN

#endif
