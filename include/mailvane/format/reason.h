/*
 * What a queue has recorded of a recipient that was put off: the text that the log had in
 * brackets, without the rest of the line.
 */
#ifndef MAILVANE_FORMAT_REASON_H
#define MAILVANE_FORMAT_REASON_H

#include "mailvane/event/event.h"

/*
 * Of Postfix' showq(8). Fills phase, code, dsn, reply and tried_host; all else is empty. The
 * dsn is the reply's, else 4.0.0: the log's own is not recorded there.
 */
void postfix_reason(struct slice reason, struct delivery *out);

/* Of Sendmail's qf files: lines "M". Sendmail's own words become ones that the rules know. */
void sendmail_reason(struct slice reason, struct delivery *out);
/* Of OpenSMTPD's envelopes: their errorline; likewise. */
void opensmtpd_reason(struct slice reason, struct delivery *out);

/* By the MTA's name; of one that is not known all is its reply. */
void reason_read(const char *mta, struct slice reason, struct delivery *out);

#endif
