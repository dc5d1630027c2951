/* expose/http_clients.h: who is waited for, for how long, and with how much memory. */
#include "guard.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../lib/expose/http_clients.h"

struct peers {
    struct http_clients clients;
    struct http_client *client[3];
    int far[3]; /* the other ends: readable once the client is cut off */
};

static struct peers new_peers(void)
{
    struct peers peers = {.client = {NULL}};
    return peers;
}

static void connect_peer(struct peers *peers, int i, int64_t now_ms)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peers->far[i] = ends[1];
    peers->client[i] = http_clients_add(&peers->clients, ends[0], now_ms);
    assert_non_null(peers->client[i]);
}

static bool is_cut(const struct peers *peers, int i)
{
    char byte;
    return recv(peers->far[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void release_peers(struct peers *peers)
{
    for (int i = 0; i < 3; i++) {
        close(peers->far[i]);
        close(peers->client[i]->fd);
    }
}

static void test_clients_deadline(void **state)
{
    (void)state;
    const int64_t limit = HTTP_REQUEST_SECONDS * 1000;
    struct peers peers = new_peers();
    assert_int_equal(http_clients_wait_ms(&peers.clients, 5), -1);
    connect_peer(&peers, 0, 1000);
    connect_peer(&peers, 1, 2000);
    connect_peer(&peers, 2, 3000);
    assert_int_equal(http_clients_wait_ms(&peers.clients, 3000), limit - 2000);

    http_clients_expire(&peers.clients, 1000 + limit - 1);
    assert_false(is_cut(&peers, 0));
    assert_int_equal(http_clients_wait_ms(&peers.clients, 1000 + limit + 7), 0);
    http_clients_expire(&peers.clients, 1000 + limit);
    assert_true(is_cut(&peers, 0));
    assert_false(is_cut(&peers, 1));
    /* Who is cut off has no deadline any more. */
    assert_int_equal(http_clients_wait_ms(&peers.clients, 1000 + limit), 1000);

    http_clients_done(&peers.clients, peers.client[1], 9000);
    assert_int_equal(http_clients_wait_ms(&peers.clients, 9000), limit - 6000);
    http_clients_drop(&peers.clients, peers.client[2]);
    assert_int_equal(http_clients_wait_ms(&peers.clients, 9000), limit);
    release_peers(&peers);
}

static void test_clients_memory(void **state)
{
    (void)state;
    struct peers peers = new_peers();
    for (int i = 0; i < 3; i++)
        connect_peer(&peers, i, i);
    http_clients_answer(&peers.clients, peers.client[1], HTTP_ANSWERS_MAX / 2);
    http_clients_answer(&peers.clients, peers.client[0], HTTP_ANSWERS_MAX / 2);
    assert_false(is_cut(&peers, 0));
    assert_false(is_cut(&peers, 1));
    /* The oldest of those that are being sent something goes, and nobody else. */
    http_clients_answer(&peers.clients, peers.client[2], 1);
    assert_true(is_cut(&peers, 0));
    assert_false(is_cut(&peers, 1));
    assert_false(is_cut(&peers, 2));
    assert_int_equal(peers.clients.unsent, HTTP_ANSWERS_MAX / 2 + 1);

    http_clients_done(&peers.clients, peers.client[1], 50);
    assert_int_equal(peers.clients.unsent, 1);
    /* One answer alone may be larger than the bound: pages are ours. */
    http_clients_answer(&peers.clients, peers.client[1], (size_t)HTTP_ANSWERS_MAX * 2);
    assert_true(is_cut(&peers, 2));
    assert_false(is_cut(&peers, 1));
    http_clients_drop(&peers.clients, peers.client[1]);
    http_clients_drop(&peers.clients, peers.client[2]);
    http_clients_drop(&peers.clients, peers.client[0]);
    assert_int_equal(peers.clients.unsent, 0);
    release_peers(&peers);
}

static void test_clients_full(void **state)
{
    (void)state;
    static struct http_clients clients;
    struct http_client *last = NULL;
    for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        last = http_clients_add(&clients, -1, 0);
        assert_non_null(last);
    }
    assert_null(http_clients_add(&clients, -1, 0));
    http_clients_drop(&clients, last);
    assert_ptr_equal(http_clients_add(&clients, -1, 0), last);
}

/* The longer wait is for a few, and for the wait alone. */
static void test_clients_kept(void **state)
{
    (void)state;
    static struct http_clients clients;
    const int64_t request = HTTP_REQUEST_SECONDS * 1000, kept = HTTP_KEPT_SECONDS * 1000;
    struct http_client *all[HTTP_KEPT_MAX + 1];
    for (int i = 0; i < HTTP_KEPT_MAX; i++) {
        all[i] = http_clients_add(&clients, -1, 0);
        http_clients_done(&clients, all[i], 1000 + i);
        http_clients_keep(&clients, all[i]);
    }
    assert_int_equal(http_clients_wait_ms(&clients, 2000), 1000 + kept - 2000);
    /* One asks, and has as long for its answer as anybody. */
    http_clients_ask(all[3], 5000);
    assert_int_equal(http_clients_wait_ms(&clients, 5000), request);
    http_clients_answer(&clients, all[3], 1);
    http_clients_done(&clients, all[3], 6000);
    http_clients_keep(&clients, all[3]);
    assert_int_equal(http_clients_wait_ms(&clients, 6000), 1000 + kept - 6000);
    /* One more than there may be: the one that waits longest has the usual time again. */
    all[HTTP_KEPT_MAX] = http_clients_add(&clients, -1, 7000);
    http_clients_done(&clients, all[HTTP_KEPT_MAX], 7000);
    http_clients_keep(&clients, all[HTTP_KEPT_MAX]);
    assert_false(all[0]->kept);
    assert_int_equal(http_clients_wait_ms(&clients, 7000), 1000 + request - 7000);
    http_clients_drop(&clients, all[0]);
    assert_int_equal(http_clients_wait_ms(&clients, 7000), 1001 + kept - 7000);
}

static void test_client_names(void **state)
{
    static const struct {
        const char *address, *want;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"2001:db8::7", "2001:db8::7"},
        {"::1", "::1"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct http_client client = {.peer = "before"};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool six = strchr(rows[i].address, ':');
        assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, rows[i].address,
                                   six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
                         1);
        http_client_name(&client, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4);
        assert_string_equal(client.peer, rows[i].want);
    }
    struct http_client client = {.peer = "before"};
    http_client_name(&client, &(struct sockaddr){.sa_family = AF_UNIX});
    assert_string_equal(client.peer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_deadline), cmocka_unit_test(test_clients_memory),
        cmocka_unit_test(test_clients_full),     cmocka_unit_test(test_clients_kept),
        cmocka_unit_test(test_client_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
