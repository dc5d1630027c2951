/*
 * The HTTP endpoint: libmicrohttpd, driven by the caller's epoll loop.
 *
 * Pages are rows: a path and a function that writes the body into a buffer. The
 * server answers GET and HEAD on them, 404 elsewhere and 405 (with Allow) for
 * other methods. One slow or hostile client cannot hold up the others: the number
 * of connections, the connections of one address, the memory and the idle time of
 * each are bounded.
 */
#ifndef MAILVANE_EXPOSE_HTTP_H
#define MAILVANE_EXPOSE_HTTP_H

#include <stdint.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"
#include "mailvane/base/strbuf.h"

#define HTTP_CONNECTIONS_MAX      128 /* in all */
#define HTTP_CONNECTIONS_PEER_MAX 64  /* of one address */
#define HTTP_IDLE_SECONDS         15

struct http;

/* Writes the body; returns the status code (200, 503, ...). */
typedef unsigned (*http_page_fn)(void *arg, struct strbuf *body);

struct http_page {
    const char *path;         /* "/metrics" */
    const char *content_type; /* whole, with its parameters */
    http_page_fn write;
    void *arg;
};

/*
 * Listens on one address: "host:port", ":port" (every address, IPv6 and IPv4),
 * "[::1]:port"; port 0 takes a free one. pages must outlive the server.
 */
struct http *http_new(const char *listen, const struct http_page *pages, unsigned count,
                      const struct logger *log, struct error *err);
void http_free(struct http *http);

/* For the loop: when it is readable, or http_timeout_ms has passed, call http_run. */
int http_fd(const struct http *http);
/* Milliseconds until http_run is due without any event; -1: no such need. */
int64_t http_timeout_ms(const struct http *http);
void http_run(struct http *http);

/* The port that is listened on: of use where 0 was asked for. */
uint16_t http_port(const struct http *http);

#endif
