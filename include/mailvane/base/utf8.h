/*
 * Valid UTF-8 (RFC 3629) out of any bytes: what Prometheus and JSON demand of
 * label values and strings.
 */
#ifndef MAILVANE_BASE_UTF8_H
#define MAILVANE_BASE_UTF8_H

#include "mailvane/base/slice.h"

/*
 * The length of the valid sequence at the front of s, 0 where there is none:
 * overlong forms, surrogates and what lies above U+10FFFF are not valid.
 */
size_t utf8_sequence(struct slice s);

#define UTF8_REPLACEMENT SLICE("\xef\xbf\xbd") /* U+FFFD */

#endif
