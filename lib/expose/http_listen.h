/*
 * A listen address as the administrator writes it, and the socket for it.
 *
 * The forms are those of expose/http.h. A name is listened on at its first
 * address only, IPv4 before IPv6; the next one is tried only where the machine
 * lacks the first, never because it is taken: a server that quietly listens
 * somewhere else is worse than one that does not start.
 */
#ifndef MAILVANE_LIB_EXPOSE_HTTP_LISTEN_H
#define MAILVANE_LIB_EXPOSE_HTTP_LISTEN_H

#include <stdint.h>

#include "mailvane/base/error.h"

#define LISTEN_HOST_MAX 255

struct listen_address {
    char host[LISTEN_HOST_MAX + 1]; /* without brackets; empty: every address */
    char port[6];                   /* digits, 0 to 65535 */
};

int listen_address_parse(const char *text, struct listen_address *out, struct error *err);

/* A listening socket on the address of that text; -1 on error. */
int listen_open(const char *text, struct error *err);

/* The port that a socket is bound to; 0 if it has none. */
uint16_t listen_port(int fd);

#endif
