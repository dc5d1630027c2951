/*
 * Replies without persons: the local part of an address is personal data.
 */
#ifndef MAILVANE_HIDE_H
#define MAILVANE_HIDE_H

#include "mailvane/base/strbuf.h"

/*
 * The text with "*" for the local part of every address, and for the recipient's own
 * wherever it is named: "unknown user anna". The result is borrowed from *out; a recipient
 * that is not known is empty.
 */
struct slice hide_local_parts(struct slice text, struct slice recipient, struct strbuf *out);

#endif
