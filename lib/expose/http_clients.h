/*
 * The clients of one HTTP server, and what keeps a slow one from holding it up.
 *
 * libmicrohttpd's own timeout starts anew with each byte, so a client that sends
 * or takes one byte now and then would stay for ever: here a whole request has a
 * deadline. Answers that are not yet sent are bounded in sum. A client that is kept
 * may wait for longer before it asks; once it has, it is like any other.
 *
 * A client is cut off by shutting its socket down; the server then sees the end
 * of it and closes. Nothing here reads a clock: now_ms is the caller's.
 */
#ifndef MAILVANE_LIB_EXPOSE_HTTP_CLIENTS_H
#define MAILVANE_LIB_EXPOSE_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#include "mailvane/expose/http.h"

struct http_client {
    bool used;
    bool cut;  /* shut down, and not yet closed by the server */
    bool kept; /* may wait for HTTP_KEPT_SECONDS */
    int fd;
    uint64_t number; /* of its connection */
    char peer[INET6_ADDRSTRLEN];
    const struct http_page *page; /* that it is being sent; NULL: none */
    int64_t since_ms;             /* when its connection, or its last answer, was done */
    size_t unsent;                /* bytes of the answer that it is being sent */
};

struct http_clients {
    struct http_client slots[HTTP_CONNECTIONS_MAX];
    size_t unsent; /* of all that are not cut */
};

/* NULL where all slots are taken. The client stays the table's. */
struct http_client *http_clients_add(struct http_clients *clients, int fd, int64_t now_ms);
/* Notes its address as text. */
void http_client_name(struct http_client *client, const struct sockaddr *at);
void http_clients_drop(struct http_clients *clients, struct http_client *client);

/* It is to be sent that many bytes; may cut off others that hold too much. */
void http_clients_answer(struct http_clients *clients, struct http_client *client, size_t bytes);
/* It asked: a client that was kept has waited, and the time of its answer begins. */
void http_clients_ask(struct http_client *client, int64_t now_ms);
/* Its request is over; the time of the next one begins. */
void http_clients_done(struct http_clients *clients, struct http_client *client, int64_t now_ms);
/* It may wait for longer; may end that of another one. */
void http_clients_keep(struct http_clients *clients, struct http_client *client);

/* Cuts off who is past the deadline. */
void http_clients_expire(struct http_clients *clients, int64_t now_ms);
/* Until the first deadline, 0 where it has passed; -1: there is none. */
int64_t http_clients_wait_ms(const struct http_clients *clients, int64_t now_ms);

#endif
