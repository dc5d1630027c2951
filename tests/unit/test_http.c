/* expose/http.h: the server over real sockets. */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../lib/expose/http_clients.h"
#include "mailvane/expose/http.h"

/* How long to wait for an answer before a test has failed: only a limit. */
#define PATIENCE_MS 20000

static int page_calls;

static unsigned write_count(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    strbuf_addf(body, "calls %d\n", ++page_calls);
    return 200;
}

static unsigned write_nothing(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    (void)body;
    return 200;
}

static unsigned write_not_ready(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)request;
    strbuf_add_str(body, arg);
    return 503;
}

static unsigned write_big(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    static const char zeros[1 << 20];
    for (int i = 0; i < 16; i++)
        strbuf_add(body, zeros, sizeof(zeros));
    return 200;
}

/* What a page is told, as a page. */
static unsigned write_facts(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    strbuf_addf(body, "%s %llu [%.*s] [%.*s] [%.*s]\n", request->head ? "HEAD" : "GET",
                (unsigned long long)request->connection, SLICE_ARG(request->peer),
                SLICE_ARG(request->user_agent), SLICE_ARG(request->query));
    return 200;
}

static const struct http_page pages[] = {
    {"/count", "text/plain; version=0.0.4; charset=utf-8", write_count, NULL, false},
    {"/empty", "text/plain", write_nothing, NULL, false},
    {"/ready", "text/plain", write_not_ready, (void *)(uintptr_t) "reading\n", false},
    {"/big", "application/octet-stream", write_big, NULL, false},
    {"/facts", "text/plain", write_facts, NULL, true},
};

/* What the servers of a test said of their connections: "answered 1, closed 1, ". */
static struct strbuf said;
static uint64_t connections;

static void on_answered(void *arg, uint64_t connection, bool whole)
{
    strbuf_addf(arg, "%s %llu, ", whole ? "answered" : "broken", (unsigned long long)connection);
}

static void on_closed(void *arg, uint64_t connection)
{
    strbuf_addf(arg, "closed %llu, ", (unsigned long long)connection);
}

static const struct http_options options = {
    .pages = pages,
    .page_count = LEN(pages),
    .connections = &connections,
    .answered = on_answered,
    .closed = on_closed,
    .arg = &said,
};

static int setup_http(void **state)
{
    struct error err = {{0}};
    page_calls = 0;
    connections = 0;
    strbuf_reset(&said);
    *state = http_new("127.0.0.1:0", &options, &err);
    if (!*state)
        fail_msg("%s", err.text);
    return 0;
}

static int teardown_http(void **state)
{
    http_free(*state);
    strbuf_release(&said);
    return 0;
}

/* What an epoll loop does, and no more: one wait as the server asks for it, and one run. */
static void turn(struct http *http)
{
    struct pollfd fd = {.fd = http_fd(http), .events = POLLIN};
    int64_t wait = http_timeout_ms(http);
    /* Waking up by itself is what the tests look for: a wait of ours never runs it. */
    if (poll(&fd, 1, wait < 0 || wait > 10 ? 10 : (int)wait) > 0 || (wait >= 0 && wait <= 10))
        http_run(http);
}

/* A client on 127.0.0.n, so that there can be several peers. */
static int dial_from(struct http *http, unsigned n)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | n)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(http_port(http))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Serves until the peer has closed, or it answered that much. */
static void receive(struct http *http, int fd, struct strbuf *got, size_t enough)
{
    char buf[65536];
    for (int left = PATIENCE_MS / 10; left > 0 && got->len < enough; left--) {
        turn(http);
        ssize_t len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (len == 0 || (len < 0 && errno != EAGAIN))
            return;
        if (len > 0) {
            strbuf_add(got, buf, (size_t)len);
            left++;
        }
    }
    if (got->len < enough)
        fail_msg("no end of the answer after \"%.200s\"", got->buf ? got->buf : "");
}

static void ask(struct http *http, const char *request, struct strbuf *got)
{
    int fd = dial_from(http, 1);
    send_text(fd, request);
    receive(http, fd, got, SIZE_MAX);
    strbuf_add_str(got, "");
    close(fd);
}

#define END "Connection: close\r\n\r\n"

struct request_case {
    const char *name;
    const char *request;
    const char *status; /* how the answer starts */
    const char *has;    /* what stands in it; NULL: nothing to look for */
    const char *ends;   /* how it ends */
};

static const struct request_case request_cases[] = {
    {"page", "GET /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n", "\r\n\r\ncalls 1\n"},
    {"written anew", "GET /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nContent-Length: 8\r\n", "\r\n\r\ncalls 2\n"},
    {"query", "GET /count?a=b&c HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n", NULL,
     "\r\n\r\ncalls 3\n"},
    {"HEAD", "HEAD /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nContent-Length: 8\r\n", "\r\n\r\n"},
    {"HTTP/1.0 needs no Host", "GET /count HTTP/1.0\r\n\r\n", "HTTP/1.", NULL, "\r\n\r\ncalls 5\n"},
    {"absolute form", "GET http://a:1/count?x HTTP/1.1\r\nHost: a:1\r\n" END, "HTTP/1.1 200 OK\r\n",
     NULL, "\r\n\r\ncalls 6\n"},
    {"not cached", "GET /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nCache-Control: no-store\r\n", "\r\n\r\ncalls 7\n"},
    {"not guessed", "GET /empty HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nX-Content-Type-Options: nosniff\r\n", "\r\n\r\n"},
    {"empty page", "GET /empty HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n",
     "\r\nContent-Length: 0\r\n", "\r\n\r\n"},
    {"the page's own status", "GET /ready HTTP/1.1\r\nHost: a\r\n" END,
     "HTTP/1.1 503 Service Unavailable\r\n", NULL, "\r\n\r\nreading\n"},
    {"no such page", "GET /counts HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 404 Not Found\r\n",
     "\r\nContent-Type: text/plain", "\r\n\r\n404 Not Found\n"},
    {"prefix of a page", "GET /coun HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 404 Not Found\r\n",
     NULL, "\r\n\r\n404 Not Found\n"},
    {"escaped NUL", "GET /count%00 HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 404 Not Found\r\n", NULL,
     "\r\n\r\n404 Not Found\n"},
    {"HEAD, no such page", "HEAD /x HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 404 Not Found\r\n",
     "\r\nContent-Length: 14\r\n", "\r\n\r\n"},
    {"method", "DELETE /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 405 Method Not Allowed\r\n",
     "\r\nAllow: GET, HEAD\r\n", "\r\n\r\n405 Method Not Allowed\n"},
    {"methods have a case", "get /count HTTP/1.1\r\nHost: a\r\n" END,
     "HTTP/1.1 405 Method Not Allowed\r\n", NULL, "\r\n\r\n405 Method Not Allowed\n"},
    {"POST: closed without reading", "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\n", "\r\nConnection: close\r\n",
     "\r\n\r\n405 Method Not Allowed\n"},
    {"GET with a body", "GET /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 413 ", "\r\nConnection: close\r\n", "\r\n\r\n413 Content Too Large\n"},
    {"GET with a chunked body",
     "GET /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 413 ",
     "\r\nConnection: close\r\n", "\r\n\r\n413 Content Too Large\n"},
    {"a body of nothing", "GET /empty HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" END,
     "HTTP/1.1 200 OK\r\n", NULL, "\r\n\r\n"},
    {"no 100 Continue for a body that is refused",
     "PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\n", NULL, "\r\n\r\n405 Method Not Allowed\n"},
    {"no Host", "GET /count HTTP/1.1\r\n" END, "HTTP/1.1 400 Bad Request\r\n", NULL,
     "\r\n\r\n400 Bad Request\n"},
    {"later version", "GET /count HTTP/2.0\r\nHost: a\r\n" END, "HTTP/1.1 505 ", NULL, ""},
    {"no version", "GET /count\r\n\r\n", "HTTP/1.1 400 ", NULL, ""},
    {"pipelined", "GET /empty HTTP/1.1\r\nHost: a\r\n\r\nGET /count HTTP/1.1\r\nHost: a\r\n" END,
     "HTTP/1.1 200 OK\r\n", "\r\n\r\nHTTP/1.1 200 OK\r\n", "\r\n\r\ncalls 8\n"},
    {"all refusals were without a page, and the rest counts",
     "GET /count HTTP/1.1\r\nHost: a\r\n" END, "HTTP/1.1 200 OK\r\n", NULL, "\r\n\r\ncalls 9\n"},
};

static void check_request(struct http *http, const struct request_case *row)
{
    struct strbuf got = STRBUF_INIT;
    ask(http, row->request, &got);
    struct slice all = strbuf_slice(&got);
    if (!slice_starts(all, slice_str(row->status)))
        fail_msg("%s: got \"%s\", want the start \"%s\"", row->name, got.buf, row->status);
    if (row->has && !strstr(got.buf, row->has))
        fail_msg("%s: got \"%s\", want in it \"%s\"", row->name, got.buf, row->has);
    if (!slice_ends(all, slice_str(row->ends)))
        fail_msg("%s: got \"%s\", want the end \"%s\"", row->name, got.buf, row->ends);
    if (strcasestr(got.buf, "microhttpd") || strcasestr(got.buf, "\r\nServer:"))
        fail_msg("%s: names the server: \"%s\"", row->name, got.buf);
    strbuf_release(&got);
}

static void test_requests(void **state)
{
    for (size_t i = 0; i < LEN(request_cases); i++)
        check_request(*state, &request_cases[i]);
}

static void test_keep_alive(void **state)
{
    struct http *http = *state;
    int fd = dial_from(http, 1);
    for (int i = 0; i < 3; i++) {
        struct strbuf got = STRBUF_INIT;
        send_text(fd, i == 1 ? "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
                             : "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n");
        receive(http, fd, &got, 100);
        assert_true(slice_starts(strbuf_slice(&got),
                                 i == 1 ? SLICE("HTTP/1.1 404 ") : SLICE("HTTP/1.1 503 ")));
        strbuf_release(&got);
    }
    close(fd);
}

struct fact_case {
    const char *name;
    const char *request;
    const char *ends; /* how the answer ends */
};

/* Each has a connection of its own; that is the number. */
static const struct fact_case fact_cases[] = {
    {"no more than there has to be", "GET /facts HTTP/1.1\r\nHost: a\r\n" END,
     "GET 1 [127.0.0.1] [] []\n"},
    {"User-Agent", "GET /facts HTTP/1.1\r\nHost: a\r\nuser-agent: Prometheus/2.42.0\r\n" END,
     "GET 2 [127.0.0.1] [Prometheus/2.42.0] []\n"},
    {"query", "GET /facts?a=b&c HTTP/1.1\r\nHost: a\r\n" END, "GET 3 [127.0.0.1] [] [a=b&c]\n"},
    {"query with escapes", "GET /facts?%61=%00&b= HTTP/1.1\r\nHost: a\r\n" END,
     "GET 4 [127.0.0.1] [] [%61=%00&b=]\n"},
    {"empty query, and not the last one", "GET /facts? HTTP/1.1\r\nHost: a\r\n" END,
     "GET 5 [127.0.0.1] [] []\n"},
    {"two requests on one connection",
     "GET /facts?x HTTP/1.1\r\nHost: a\r\n\r\nGET /facts?y HTTP/1.1\r\nHost: a\r\n" END,
     "GET 6 [127.0.0.1] [] [y]\n"},
    {"absolute form", "GET http://a/facts?z HTTP/1.1\r\nHost: a\r\n" END,
     "GET 7 [127.0.0.1] [] [z]\n"},
};

static void test_request_facts(void **state)
{
    for (size_t i = 0; i < LEN(fact_cases); i++) {
        struct strbuf got = STRBUF_INIT;
        ask(*state, fact_cases[i].request, &got);
        if (!slice_ends(strbuf_slice(&got), slice_str(fact_cases[i].ends)))
            fail_msg("%s: got \"%s\", want the end \"%s\"", fact_cases[i].name, got.buf,
                     fact_cases[i].ends);
        strbuf_release(&got);
    }
}

/* A HEAD of a page is as long as its GET, but for the word. */
static void test_head_is_told(void **state)
{
    struct strbuf got = STRBUF_INIT;
    ask(*state, "HEAD /facts HTTP/1.1\r\nHost: a\r\n" END, &got);
    char want[64];
    snprintf(want, sizeof(want), "\r\nContent-Length: %zu\r\n",
             strlen("HEAD 1 [127.0.0.1] [] []\n"));
    assert_non_null(strstr(got.buf, want));
    strbuf_release(&got);
}

static void expect_said(const char *want)
{
    strbuf_add_str(&said, "");
    assert_string_equal(said.buf, want);
}

static void turns(struct http *http)
{
    for (int i = 0; i < 20; i++)
        turn(http);
}

/* Pages are told of, refusals are not, and every connection ends once. */
static void test_connections_are_told(void **state)
{
    struct http *http = *state;
    int first = dial_from(http, 1), second = dial_from(http, 2);
    const char *paths[] = {"/facts", "/none", "/empty"};
    for (int i = 0; i < 3; i++) {
        char request[64];
        struct strbuf got = STRBUF_INIT;
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        send_text(first, request);
        receive(http, first, &got, 100);
        strbuf_release(&got);
    }
    turns(http);
    expect_said("answered 1, answered 1, ");
    close(second);
    turns(http);
    expect_said("answered 1, answered 1, closed 2, ");
    close(first);
    turns(http);
    expect_said("answered 1, answered 1, closed 2, closed 1, ");
}

/* Who goes before the end of an answer did not get it. */
static void test_broken_answer_is_told(void **state)
{
    struct http *http = *state;
    struct strbuf got = STRBUF_INIT;
    int fd = dial_from(http, 1);
    send_text(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    receive(http, fd, &got, 1);
    strbuf_release(&got);
    close(fd);
    turns(http);
    expect_said("broken 1, closed 1, ");
}

/* Two servers of a process give no number twice; the end of a server ends its connections. */
static void test_two_servers(void **state)
{
    struct error err = {{0}};
    struct http *other = http_new("127.0.0.1:0", &options, &err);
    assert_non_null(other);
    int first = dial_from(*state, 1), second = dial_from(other, 1);
    turns(*state);
    turns(other);
    struct strbuf got = STRBUF_INIT;
    send_text(second, "GET /facts HTTP/1.1\r\nHost: a\r\n\r\n");
    receive(other, second, &got, 100);
    assert_non_null(strstr(got.buf, "GET 2 [127.0.0.1]"));
    strbuf_release(&got);
    turns(other);
    http_free(other);
    expect_said("answered 2, closed 2, ");
    close(first);
    close(second);
}

static void test_big_page(void **state)
{
    struct strbuf got = STRBUF_INIT;
    ask(*state, "GET /big HTTP/1.1\r\nHost: a\r\n" END, &got);
    assert_non_null(strstr(got.buf, "\r\nContent-Length: 16777216\r\n"));
    assert_int_equal(got.len - (size_t)(strstr(got.buf, "\r\n\r\n") + 4 - got.buf), 16777216);
    strbuf_release(&got);
}

/* SIGPIPE stands at its default, which would end this process. */
static void test_client_gone(void **state)
{
    struct http *http = *state;
    for (int i = 0; i < 5; i++) {
        int fd = dial_from(http, 1);
        struct strbuf got = STRBUF_INIT;
        send_text(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        receive(http, fd, &got, 1);
        strbuf_release(&got);
        close(fd);
        turn(http);
    }
    struct strbuf got = STRBUF_INIT;
    ask(http, "GET /empty HTTP/1.1\r\nHost: a\r\n" END, &got);
    assert_true(slice_starts(strbuf_slice(&got), SLICE("HTTP/1.1 200 ")));
    strbuf_release(&got);
}

/* Takes every connection that there may be, with half a request line in each. */
static void fill_up(struct http *http, int fds[HTTP_CONNECTIONS_MAX])
{
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = dial_from(http, 1 + i / HTTP_CONNECTIONS_PEER_MAX);
        send_text(fds[i], "GET /cou");
        turn(http);
    }
    for (int i = 0; i < 50; i++)
        turn(http);
}

static bool was_answered(struct http *http, int fd)
{
    struct strbuf got = STRBUF_INIT;
    receive(http, fd, &got, 12);
    bool ok = slice_starts(strbuf_slice(&got), SLICE("HTTP/1.1 200"));
    strbuf_release(&got);
    return ok;
}

/* The one who waits outside is let in when somebody leaves: one, or all at once. */
static void check_recovery(struct http *http, int leaving)
{
    int fds[HTTP_CONNECTIONS_MAX];
    char byte;
    fill_up(http, fds);
    int waiting = dial_from(http, 9);
    send_text(waiting, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 20; i++)
        turn(http);
    assert_int_equal(recv(waiting, &byte, 1, MSG_DONTWAIT), -1);
    for (int i = 0; i < leaving; i++)
        close(fds[i]);
    assert_true(was_answered(http, waiting));
    close(waiting);
    for (int i = leaving; i < HTTP_CONNECTIONS_MAX; i++)
        close(fds[i]);
    for (int i = 0; i < 20; i++)
        turn(http);
}

static void test_limit_recovery(void **state)
{
    check_recovery(*state, 1);
    check_recovery(*state, HTTP_CONNECTIONS_MAX);
    check_recovery(*state, HTTP_CONNECTIONS_PEER_MAX);
}

/* When everybody has left a full server, the next one comes to a server that sleeps. */
static void test_limit_then_nobody(void **state)
{
    struct http *http = *state;
    int fds[HTTP_CONNECTIONS_MAX];
    fill_up(http, fds);
    for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        close(fds[i]);
    for (int i = 0; i < 50; i++)
        turn(http);
    assert_int_equal(http_timeout_ms(http), -1);
    int fd = dial_from(http, 1);
    send_text(fd, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(was_answered(http, fd));
    close(fd);
}

/* One address has its share; another is served meanwhile. */
static void test_peer_limit(void **state)
{
    struct http *http = *state;
    int fds[HTTP_CONNECTIONS_PEER_MAX];
    for (int i = 0; i < HTTP_CONNECTIONS_PEER_MAX; i++) {
        fds[i] = dial_from(http, 1);
        turn(http);
    }
    struct strbuf got = STRBUF_INIT;
    int refused = dial_from(http, 1);
    receive(http, refused, &got, SIZE_MAX);
    assert_int_equal(got.len, 0);
    int other = dial_from(http, 2);
    send_text(other, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(was_answered(http, other));
    close(other);
    close(refused);
    for (int i = 0; i < HTTP_CONNECTIONS_PEER_MAX; i++)
        close(fds[i]);
}

/* A client that neither sends nor takes anything still has its end in sight. */
static void test_timeout_is_due(void **state)
{
    struct http *http = *state;
    assert_int_equal(http_timeout_ms(http), -1);
    int fd = dial_from(http, 1);
    for (int i = 0; i < 20; i++)
        turn(http);
    int64_t wait = http_timeout_ms(http);
    assert_true(wait >= 0 && wait <= HTTP_IDLE_SECONDS * 1000 + 1);
    close(fd);
}

static void test_port_in_use(void **state)
{
    char address[32], want[96];
    struct error err = {{0}};
    snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)http_port(*state));
    assert_null(http_new(address, &options, &err));
    snprintf(want, sizeof(want), "cannot listen on %s: Address already in use", address);
    assert_string_equal(err.text, want);
}

static void test_free_nothing(void **state)
{
    (void)state;
    http_free(NULL);
}

#define http_test(fn) cmocka_unit_test_setup_teardown(fn, setup_http, teardown_http)

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_request_facts),        http_test(test_head_is_told),
        http_test(test_connections_are_told), http_test(test_broken_answer_is_told),
        http_test(test_two_servers),          http_test(test_requests),
        http_test(test_keep_alive),           http_test(test_big_page),
        http_test(test_client_gone),          http_test(test_limit_recovery),
        http_test(test_limit_then_nobody),    http_test(test_peer_limit),
        http_test(test_timeout_is_due),       http_test(test_port_in_use),
        cmocka_unit_test(test_free_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
