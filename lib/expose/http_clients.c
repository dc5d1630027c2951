#include "http_clients.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define REQUEST_MS (HTTP_REQUEST_SECONDS * 1000)
#define KEPT_MS    (HTTP_KEPT_SECONDS * 1000)

static bool is_open(const struct http_client *client)
{
    return client->used && !client->cut;
}

static int64_t deadline_of(const struct http_client *client)
{
    return client->since_ms + (client->kept ? KEPT_MS : REQUEST_MS);
}

struct http_client *http_clients_add(struct http_clients *clients, int fd, int64_t now_ms)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_client *slot = &clients->slots[i];
        if (slot->used)
            continue;
        *slot = (struct http_client){.used = true, .fd = fd, .since_ms = now_ms};
        return slot;
    }
    return NULL;
}

/* An IPv4 client of a socket for both families is the same one as of an IPv4 socket. */
void http_client_name(struct http_client *client, const struct sockaddr *at)
{
    const void *bytes = NULL;
    int family = at ? at->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)at)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        bytes = mapped ? &v6->s6_addr[12] : v6->s6_addr;
        family = mapped ? AF_INET : AF_INET6;
    }
    if (!bytes || !inet_ntop(family, bytes, client->peer, sizeof(client->peer)))
        client->peer[0] = '\0';
}

static void forget_answer(struct http_clients *clients, struct http_client *client)
{
    clients->unsent -= client->unsent;
    client->unsent = 0;
}

void http_clients_drop(struct http_clients *clients, struct http_client *client)
{
    forget_answer(clients, client);
    client->used = false;
}

/* Its answer is no longer counted: the server frees it as soon as it sees the end. */
static void cut_off(struct http_clients *clients, struct http_client *client)
{
    forget_answer(clients, client);
    shutdown(client->fd, SHUT_RDWR);
    client->cut = true;
}

/* Who has an unsent answer for longest; not the client that asks now. */
static struct http_client *slowest_reader(struct http_clients *clients,
                                          const struct http_client *but)
{
    struct http_client *slowest = NULL;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_client *slot = &clients->slots[i];
        if (slot == but || !is_open(slot) || !slot->unsent)
            continue;
        if (!slowest || slot->since_ms < slowest->since_ms)
            slowest = slot;
    }
    return slowest;
}

void http_clients_answer(struct http_clients *clients, struct http_client *client, size_t bytes)
{
    forget_answer(clients, client);
    if (client->cut)
        return;
    client->unsent = bytes;
    clients->unsent += bytes;
    while (clients->unsent > HTTP_ANSWERS_MAX) {
        struct http_client *slowest = slowest_reader(clients, client);
        if (!slowest)
            return;
        cut_off(clients, slowest);
    }
}

void http_clients_ask(struct http_client *client, int64_t now_ms)
{
    if (client->kept)
        client->since_ms = now_ms;
    client->kept = false;
}

void http_clients_done(struct http_clients *clients, struct http_client *client, int64_t now_ms)
{
    forget_answer(clients, client);
    client->since_ms = now_ms;
}

void http_clients_keep(struct http_clients *clients, struct http_client *client)
{
    struct http_client *longest = NULL;
    unsigned kept = 0;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_client *slot = &clients->slots[i];
        if (slot == client || !is_open(slot) || !slot->kept)
            continue;
        kept++;
        if (!longest || slot->since_ms < longest->since_ms)
            longest = slot;
    }
    if (kept >= HTTP_KEPT_MAX)
        longest->kept = false;
    client->kept = true;
}

void http_clients_expire(struct http_clients *clients, int64_t now_ms)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_client *slot = &clients->slots[i];
        if (is_open(slot) && now_ms >= deadline_of(slot))
            cut_off(clients, slot);
    }
}

int64_t http_clients_wait_ms(const struct http_clients *clients, int64_t now_ms)
{
    int64_t first = -1;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        const struct http_client *slot = &clients->slots[i];
        if (!is_open(slot))
            continue;
        int64_t left = deadline_of(slot) - now_ms;
        if (left < 0)
            left = 0;
        if (first < 0 || left < first)
            first = left;
    }
    return first;
}
