/*
 * Domain names as labels show them: lower case, no dot at the end, the A-label
 * form (RFC 5890) of what is not ASCII; "[192.0.2.1]" stands as it is.
 */
#ifndef MAILVANE_BASE_DOMAIN_H
#define MAILVANE_BASE_DOMAIN_H

#include "mailvane/base/slice.h"

#define DOMAIN_MAX 253 /* RFC 1035, 2.3.4, without the last dot */

/*
 * The canonical form; raw itself where nothing has to change, else in buf. What
 * is no domain (too long, control bytes, not convertible) is the empty slice.
 */
struct slice domain_canonical(struct slice raw, char buf[DOMAIN_MAX + 1]);

/* The part of an address behind its last "@" outside quotes; empty where there is none. */
struct slice address_domain(struct slice address);

#endif
