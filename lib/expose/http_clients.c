#include "http_clients.h"

#include <sys/socket.h>

#define REQUEST_MS (HTTP_REQUEST_SECONDS * 1000)

static bool is_open(const struct http_client *client)
{
    return client->used && !client->cut;
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

void http_clients_done(struct http_clients *clients, struct http_client *client, int64_t now_ms)
{
    forget_answer(clients, client);
    client->since_ms = now_ms;
}

void http_clients_expire(struct http_clients *clients, int64_t now_ms)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_client *slot = &clients->slots[i];
        if (is_open(slot) && now_ms - slot->since_ms >= REQUEST_MS)
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
        int64_t left = slot->since_ms + REQUEST_MS - now_ms;
        if (left < 0)
            left = 0;
        if (first < 0 || left < first)
            first = left;
    }
    return first;
}
