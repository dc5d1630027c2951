#include "mailvane/expose/http.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include <microhttpd.h>

#include "http_clients.h"
#include "http_listen.h"
#include "mailvane/base/bug.h"
#include "mailvane/base/clock.h"

struct http {
    struct MHD_Daemon *daemon;
    int epoll_fd;
    uint16_t port;
    bool again; /* a connection was closed: run once more, see http_timeout_ms */
    struct http_options options;
    struct http_clients clients;
    struct strbuf query; /* of the request that is answered */
};

/* Answers that are no page. */
struct refusal {
    unsigned status;
    const char *text;
    const char *allow; /* the header's value, where there has to be one */
};

static const struct refusal bad_request = {MHD_HTTP_BAD_REQUEST, "400 Bad Request\n", NULL};
static const struct refusal not_found = {MHD_HTTP_NOT_FOUND, "404 Not Found\n", NULL};
static const struct refusal bad_method = {MHD_HTTP_METHOD_NOT_ALLOWED, "405 Method Not Allowed\n",
                                          "GET, HEAD"};
static const struct refusal too_large = {MHD_HTTP_CONTENT_TOO_LARGE, "413 Content Too Large\n",
                                         NULL};

/* Sends a response with the headers that all have; takes it over, NULL too. */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response, const char *content_type,
                                     const char *allow)
{
    const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, content_type},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {MHD_HTTP_HEADER_ALLOW, allow},
    };
    enum MHD_Result result = response ? MHD_YES : MHD_NO;
    for (size_t i = 0; result == MHD_YES && i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (headers[i].value)
            result = MHD_add_response_header(response, headers[i].name, headers[i].value);
    }
    if (result == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    if (response)
        MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_refusal(struct MHD_Connection *connection,
                                    const struct refusal *refusal)
{
    /* The library takes the text without const, and does not write to it. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(refusal->text), (void *)(uintptr_t)refusal->text, MHD_RESPMEM_PERSISTENT);
    return send_response(connection, refusal->status, response, "text/plain; charset=utf-8",
                         refusal->allow);
}

static struct http_client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* The library takes the query to pieces; put together again it is the same text. */
static enum MHD_Result add_argument(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct strbuf *query = arg;
    (void)kind;
    if (query->len)
        strbuf_add_str(query, "&");
    strbuf_add_str(query, name);
    if (value) {
        strbuf_add_str(query, "=");
        strbuf_add_str(query, value);
    }
    return MHD_YES;
}

/* The query lies in a buffer of the server's, until the next request. */
static struct http_request read_request(struct http *http, struct MHD_Connection *connection,
                                        const struct http_client *client, const char *method)
{
    const char *agent =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_USER_AGENT);
    strbuf_reset(&http->query);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &http->query);
    return (struct http_request){
        .connection = client->number,
        .peer = slice_str(client->peer),
        .user_agent = slice_str(agent ? agent : ""),
        .query = strbuf_slice(&http->query),
        .head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0,
    };
}

/* The body is written now and handed over, so that there is one copy of it. */
static enum MHD_Result send_page(struct http *http, struct MHD_Connection *connection,
                                 const struct http_page *page, const char *method)
{
    struct http_client *client = client_of(connection);
    if (!client)
        return MHD_NO;
    struct strbuf body = STRBUF_INIT;
    struct http_request request = read_request(http, connection, client, method);
    unsigned status = page->write(page->arg, &request, &body);
    bug_if(status < 200 || status > 599);
    strbuf_add_str(&body, ""); /* an empty page has a buffer as well */
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(body.len, body.buf, free);
    if (!response) {
        strbuf_release(&body);
        return MHD_NO;
    }
    http_clients_answer(&http->clients, client, body.cap);
    client->page = page;
    /* The library's own clock must not end what ours lets wait. */
    if (page->kept)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)HTTP_KEPT_SECONDS);
    return send_response(connection, status, response, page->content_type, NULL);
}

/* RFC 9112, 3.2.2: a server must accept the absolute form as well. */
static const char *path_of(const char *target)
{
    struct slice rest = slice_str(target);
    if (!slice_take(&rest, SLICE("http://")))
        return target;
    const char *path = strchr(rest.ptr, '/');
    return path ? path : "/";
}

static const struct http_page *find_page(const struct http *http, const char *path)
{
    const struct http_options *options = &http->options;
    for (unsigned i = 0; i < options->page_count; i++) {
        if (strcmp(options->pages[i].path, path) == 0)
            return &options->pages[i];
    }
    return NULL;
}

static bool is_read_method(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* Whether a body follows; its length was already checked to be a number. */
static bool has_body(struct MHD_Connection *connection)
{
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return true;
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && length[strspn(length, "0")] != '\0';
}

/*
 * RFC 9112, 3.2: without Host it is no HTTP/1.1 request. Checked here, since the
 * library's own check (in 0.9.75) writes the header of its answer twice.
 */
static bool lacks_host(struct MHD_Connection *connection, const char *version)
{
    return strcmp(version, MHD_HTTP_VERSION_1_0) != 0 &&
           !MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
}

/* Why the request gets no page; NULL where it does. */
static const struct refusal *find_refusal(struct MHD_Connection *connection, const char *method,
                                          const char *version, const struct http_page *page)
{
    if (lacks_host(connection, version))
        return &bad_request;
    if (!page)
        return &not_found;
    if (!is_read_method(method))
        return &bad_method;
    return has_body(connection) ? &too_large : NULL;
}

/*
 * Called first with the headers, then with the whole request. An answer to the
 * first call closes the connection after it: right where a body would follow,
 * which is never read, and wrong for the rest, which keeps it open.
 */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *target,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **seen)
{
    struct http *http = arg;
    (void)upload;
    (void)upload_len;
    if (!*seen && !has_body(connection)) {
        *seen = http;
        return MHD_YES;
    }
    const struct http_page *page = find_page(http, path_of(target));
    const struct refusal *refusal = find_refusal(connection, method, version, page);
    struct http_client *client = client_of(connection);
    if (client)
        http_clients_ask(client, clock_ms());
    return refusal ? send_refusal(connection, refusal) : send_page(http, connection, page, method);
}

/* All that is known of an answer is that the kernel took its last byte. */
static void on_completed(void *arg, struct MHD_Connection *connection, void **seen,
                         enum MHD_RequestTerminationCode how)
{
    struct http *http = arg;
    const struct http_options *options = &http->options;
    struct http_client *client = client_of(connection);
    (void)seen;
    if (!client)
        return;
    http_clients_done(&http->clients, client, clock_ms());
    if (client->page && client->page->kept)
        http_clients_keep(&http->clients, client);
    if (client->page && options->answered)
        options->answered(options->arg, client->number, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    client->page = NULL;
}

static struct http_client *add_client(struct http *http, struct MHD_Connection *connection)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *at =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct http_client *client = http_clients_add(&http->clients, fd, clock_ms());
    if (!client)
        return NULL;
    client->number = ++*http->options.connections;
    http_client_name(client, at);
    return client;
}

static void drop_client(struct http *http, struct http_client *client)
{
    const struct http_options *options = &http->options;
    http_clients_drop(&http->clients, client);
    if (options->closed)
        options->closed(options->arg, client->number);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **client,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http = arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *client = add_client(http, connection);
        return;
    }
    http->again = true;
    if (*client)
        drop_client(http, *client);
    *client = NULL;
}

/* Names, not escapes: "/metrics%00x" is no other way to write "/metrics". */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* What clients do wrong is of interest to nobody but a developer. */
__attribute__((format(printf, 2, 0))) static void on_message(void *arg, const char *format,
                                                             va_list args)
{
    const struct http *http = arg;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug(http->options.log, "http: %s", text);
}

/* The logger stands before the table: what is wrong with a row then goes to it. */
static struct MHD_Daemon *start_daemon(struct http *http, int listen_fd)
{
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, HTTP_CONNECTIONS_PEER_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_SECONDS, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, http},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http,
                            MHD_OPTION_EXTERNAL_LOGGER, on_message, http, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

/* Whether the library closed the socket when it failed depends on where it failed. */
static void close_if_open(int fd)
{
    if (fcntl(fd, F_GETFD) >= 0)
        close(fd);
}

int http_check_address(const char *listen, struct error *err)
{
    struct listen_address address;
    return listen_address_parse(listen, &address, err);
}

struct http *http_new(const char *listen, const struct http_options *options, struct error *err)
{
    bug_if(!options->connections);
    int fd = listen_open(listen, err);
    if (fd < 0)
        return NULL;
    struct http *http = must_calloc(1, sizeof(*http));
    *http = (struct http){.port = listen_port(fd), .options = *options};
    http->daemon = start_daemon(http, fd);
    if (!http->daemon) {
        error_set(err, "cannot serve HTTP on %s: libmicrohttpd %s does not start", listen,
                  MHD_get_version());
        close_if_open(fd);
        free(http);
        return NULL;
    }
    http->epoll_fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    strbuf_release(&http->query);
    free(http);
}

int http_fd(const struct http *http)
{
    return http->epoll_fd;
}

/*
 * At its limit the library takes the listening socket out of its epoll set, and
 * puts it back only when it runs: without this run after each close, a server
 * whose clients have all gone would never wake up for the next one.
 */
int64_t http_timeout_ms(const struct http *http)
{
    if (http->again)
        return 0;
    int64_t wait = http_clients_wait_ms(&http->clients, clock_ms());
    MHD_UNSIGNED_LONG_LONG library = 0;
    if (MHD_get_timeout(http->daemon, &library) == MHD_YES &&
        (wait < 0 || library < (unsigned long long)wait))
        wait = (int64_t)library;
    return wait;
}

void http_run(struct http *http)
{
    http->again = false;
    http_clients_expire(&http->clients, clock_ms());
    MHD_run(http->daemon);
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}
