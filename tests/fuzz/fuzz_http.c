/*
 * Any bytes as what a client sends to the HTTP server (expose/http.h), over the loopback and
 * through libmicrohttpd; a byte 1f is where it stops for a moment. The server answers in
 * HTTP or not at all, shows a page to who asked for it alone, and forgets who has gone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "mailvane/expose/http.h"

#define PAUSE     '\x1f'
#define TURNS_MAX 64 /* of the server for one piece: it never needs so many */

static struct http *http;
static struct sockaddr_in server;
static uint64_t connections;

/* Of the input that is sent: all its bytes but the pauses. */
static struct {
    struct slice sent;
    char peer[INET_ADDRSTRLEN];
    unsigned pages, answered, whole, closed;
} seen;

/* Which client it is, is known by what it sends: the method, the path and the rest. */
static unsigned write_page(void *arg, const struct http_request *request, struct strbuf *body)
{
    const char *path = arg;
    struct slice method = request->head ? SLICE("HEAD") : SLICE("GET");
    seen.pages++;
    bug_if(slice_find_text(seen.sent, method) == seen.sent.len);
    bug_if(slice_find_text(seen.sent, slice_str(path)) == seen.sent.len);
    bug_if(!slice_eq(request->peer, slice_str(seen.peer)));
    bug_if(request->connection != connections);
    bug_if(request->user_agent.len > seen.sent.len || request->query.len > seen.sent.len);
    bug_if(slice_find_text(seen.sent, request->user_agent) == seen.sent.len &&
           slice_find(request->user_agent, '\t') == request->user_agent.len &&
           slice_find(request->user_agent, ' ') == request->user_agent.len &&
           request->user_agent.len);
    strbuf_add_str(body, path);
    return path[1] == 'm' ? 200 : 503;
}

static void on_answered(void *arg, uint64_t connection, bool whole)
{
    (void)arg;
    seen.whole += whole;
    bug_if(connection != connections || ++seen.answered > seen.pages);
}

static void on_closed(void *arg, uint64_t connection)
{
    (void)arg;
    bug_if(connection != connections);
    seen.closed++;
}

static char metrics_path[] = "/metrics";
static char ready_path[] = "/-/ready";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct http_page pages[] = {
        {metrics_path, "text/plain", write_page, metrics_path, true},
        {ready_path, "text/plain", write_page, ready_path, false},
    };
    static const struct http_options options = {.pages = pages,
                                                .page_count = 2,
                                                .connections = &connections,
                                                .answered = on_answered,
                                                .closed = on_closed};
    struct error err = {.text = ""};
    (void)argc;
    (void)argv;
    http = http_new("127.0.0.1:0", &options, &err);
    bug_if(!http);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(http_port(http))};
    inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
    return 0;
}

/* All answers so far; true while the server keeps the connection. */
static bool read_answers(int fd, char *first, size_t room, size_t *len)
{
    char rest[4096];
    for (;;) {
        bool more = *len < room;
        ssize_t got =
            recv(fd, more ? first + *len : rest, more ? room - *len : sizeof(rest), MSG_DONTWAIT);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        *len += more ? (size_t)got : 0;
    }
}

static bool serve(int fd, char *first, size_t room, size_t *len)
{
    bool open = true;
    for (unsigned turn = 0; open && turn < TURNS_MAX; turn++) {
        size_t before = *len;
        http_run(http);
        open = read_answers(fd, first, room, len);
        if (turn >= 2 && *len == before && http_timeout_ms(http) != 0)
            break;
    }
    return open;
}

/* Returns how much of an answer came, of its first bytes. */
static size_t talk(int fd, struct slice text)
{
    char first[64];
    size_t len = 0;
    bool open = true;
    for (struct slice rest = text; open && rest.len;) {
        struct slice piece = slice_cut(&rest, PAUSE);
        if (piece.len && send(fd, piece.ptr, piece.len, MSG_NOSIGNAL) < 0)
            break;
        open = serve(fd, first, sizeof(first), &len);
    }
    bug_if(len >= 9 && memcmp(first, "HTTP/1.", 7) != 0);
    return len;
}

static struct slice without_pauses(struct slice text)
{
    struct slice copy = copy_of(text);
    char *bytes = (char *)(uintptr_t)copy.ptr;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bytes[len] = text.ptr[i];
        len += text.ptr[i] != PAUSE;
    }
    return slice_of(bytes, len);
}

/* The fuzzer's alarm may interrupt a connect(2), which goes on all the same. */
static bool connect_to_server(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int why = 0;
    socklen_t len = sizeof(why);
    if (connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0)
        return true;
    if (errno != EINTR)
        return false;
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        continue;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0 && why == 0;
}

/*
 * A connection from one loopback address after the other, since each has ports for some ten
 * thousand that have just ended. A reset ends it, and no wait.
 */
static int connect_client(void)
{
    static uint32_t clients;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    const int yes = 1;
    struct sockaddr_in client = {.sin_family = AF_INET,
                                 .sin_addr = {htonl(INADDR_LOOPBACK + ++clients % 10000)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    bug_if(fd < 0 || bind(fd, (struct sockaddr *)&client, sizeof(client)) != 0);
    bug_if(!connect_to_server(fd));
    inet_ntop(AF_INET, &client.sin_addr, seen.peer, sizeof(seen.peer));
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = copy_of(input_of(data, size));
    memset(&seen, 0, sizeof(seen));
    seen.sent = without_pauses(text);
    int fd = connect_client();
    size_t len = talk(fd, text);
    close(fd);
    for (unsigned turn = 0; turn < TURNS_MAX && seen.closed == 0; turn++)
        http_run(http);
    bug_if(seen.closed != 1 || seen.answered != seen.pages);
    /* A request whose headers leave no memory for an answer's is closed without one. */
    bug_if(seen.whole && len == 0);
    copy_free(seen.sent);
    copy_free(text);
    return 0;
}
