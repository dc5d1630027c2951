/*
 * IP addresses as text, in the one form that inet_ntop(3) writes.
 */
#ifndef MAILVANE_CONFIG_ADDRESS_H
#define MAILVANE_CONFIG_ADDRESS_H

#include "mailvane/base/slice.h"

#define ADDRESS_TEXT 46 /* bytes for any address and its NUL */

/* Writes the canonical form; returns 4 or 6, or 0 where text is no address. */
int address_parse(struct slice text, char out[ADDRESS_TEXT]);

/* Whether a canonical address is of the loopback. */
bool address_is_loopback(const char *address);

#endif
