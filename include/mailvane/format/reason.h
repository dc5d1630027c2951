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

#endif
