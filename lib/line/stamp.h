/*
 * The time in front of a log line; see line/envelope.h for its forms.
 */
#ifndef MAILVANE_LINE_STAMP_H
#define MAILVANE_LINE_STAMP_H

#include "mailvane/line/envelope.h"

/* Takes a stamp off the front and converts it; false, with *s as it was, if there is none. */
bool stamp_take(struct envelope_parser *parser, struct slice *s, int64_t *time);

#endif
