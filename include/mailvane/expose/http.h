/*
 * The HTTP endpoint: libmicrohttpd, driven by the caller's epoll loop.
 *
 * Pages are rows: a path and a function that is told who asks and writes the body
 * into a buffer, at the time of each request. The server answers GET and HEAD on
 * them, 404 elsewhere, 405 (with Allow) to other methods and 413 to a request with a
 * body. A path is compared byte by byte, without its query and with no escape decoded.
 *
 * One slow or hostile client cannot hold up the others: the number of
 * connections, the connections of one address, the memory of each, its idle time
 * and the time of one whole request are bounded, and so is the memory of all
 * answers that are not yet sent: past that bound, the client that has taken
 * longest over its answer is cut off. The readers of a page that is `kept` may be
 * silent for longer between two requests, a few of them at a time: Prometheus asks on
 * the same connection each time, and is known by it.
 *
 * SIGPIPE: libmicrohttpd sends with MSG_NOSIGNAL, so a client that has gone never
 * raises it, and the process need not ignore it for this server's sake.
 */
#ifndef MAILVANE_EXPOSE_HTTP_H
#define MAILVANE_EXPOSE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"
#include "mailvane/base/slice.h"
#include "mailvane/base/strbuf.h"

#define HTTP_CONNECTIONS_MAX      128 /* in all */
#define HTTP_CONNECTIONS_PEER_MAX 64  /* of one address; more are closed at once */
#define HTTP_IDLE_SECONDS         15  /* without a byte either way */
#define HTTP_REQUEST_SECONDS      30  /* one request and its answer, and the wait before it */
#define HTTP_KEPT_SECONDS         330 /* that wait, of a kept connection: Prometheus gives up after 300 */
#define HTTP_KEPT_MAX             16          /* of these; who waits longest gives way */
#define HTTP_CONNECTION_MEMORY    16384       /* the request's line and headers */
#define HTTP_ANSWERS_MAX          (64u << 20) /* bytes of all answers that are not yet sent */

struct http;

/* Who asks, and how. The texts live until the page is written; empty where there is none. */
struct http_request {
    uint64_t connection; /* no other connection has or had this number; from 1 */
    struct slice peer;   /* the client's address; an IPv4 one as such, however it was reached */
    struct slice user_agent;
    struct slice query; /* what stands behind "?": "+" is a blank, and no escape is decoded */
    bool head;          /* the body is not sent, only its length */
};

/* Writes the body; returns the status code (200, 503, ...). A HEAD calls it as well. */
typedef unsigned (*http_page_fn)(void *arg, const struct http_request *request,
                                 struct strbuf *body);

struct http_page {
    const char *path;         /* "/metrics" */
    const char *content_type; /* whole, with its parameters */
    http_page_fn write;
    void *arg;
    bool kept; /* its readers come again on the same connection */
};

/* Everything that is pointed to must outlive the server. */
struct http_options {
    const struct http_page *pages;
    unsigned page_count;
    const struct logger *log;
    uint64_t *connections; /* how many there were: shared by all servers of a process */
    /* Either may be NULL. After `closed` the number does not come again. */
    void (*answered)(void *arg, uint64_t connection, bool whole); /* whole: as far as we know */
    void (*closed)(void *arg, uint64_t connection);
    void *arg; /* of both */
};

/*
 * Listens on one address: "host:port" (a name: its first address, IPv4 before
 * IPv6), ":port" (every address, IPv6 and IPv4), "[::1]:port", "[::]:port" (IPv6
 * only); port 0 takes a free one.
 */
struct http *http_new(const char *listen, const struct http_options *options, struct error *err);
void http_free(struct http *http);
/* Whether such an address is written well; it may still not be free. -1 with a sentence. */
int http_check_address(const char *listen, struct error *err);

/*
 * For the loop: when it is readable, or http_timeout_ms has passed, call http_run.
 * The timeout has to be asked for again after each http_run.
 */
int http_fd(const struct http *http);
/* Milliseconds until http_run is due without any event; -1: no such need. */
int64_t http_timeout_ms(const struct http *http);
void http_run(struct http *http);

/* The port that is listened on: of use where 0 was asked for. */
uint16_t http_port(const struct http *http);

#endif
