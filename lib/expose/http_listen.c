#include "http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mailvane/base/slice.h"

#define BACKLOG 128

/* Digits only: no sign, blank or service name, which would differ between machines. */
static bool is_port(struct slice text)
{
    unsigned value = 0;
    if (!text.len || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_is_digit(text.ptr[i]))
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return value <= UINT16_MAX;
}

/* Takes the brackets off; an IPv6 address without them has no end and is refused. */
static bool unbracket(struct slice *host)
{
    if (slice_take(host, SLICE("["))) {
        if (host->len < 2 || host->ptr[host->len - 1] != ']')
            return false;
        host->len--;
        return slice_find(*host, ':') < host->len;
    }
    return slice_find(*host, ':') == host->len;
}

int listen_address_parse(const char *text, struct listen_address *out, struct error *err)
{
    struct slice whole = slice_str(text);
    size_t colon = slice_rfind(whole, ':');
    struct slice host = slice_head(whole, colon);
    struct slice port = slice_skip(whole, colon + 1);
    if (colon == whole.len || !is_port(port))
        return error_set(err, "listen address \"%s\": want HOST:PORT with a port from 0 to 65535",
                         text);
    if (!unbracket(&host))
        return error_set(err, "listen address \"%s\": an IPv6 address is written [ADDRESS]:PORT",
                         text);
    if (host.len > LISTEN_HOST_MAX)
        return error_set(err, "listen address \"%.64s...\": the name is longer than %d bytes", text,
                         LISTEN_HOST_MAX);
    snprintf(out->host, sizeof(out->host), "%.*s", SLICE_ARG(host));
    snprintf(out->port, sizeof(out->port), "%.*s", SLICE_ARG(port));
    return 0;
}

/* SO_REUSEADDR: a restart must not wait for the last one's connections to be forgotten. */
static bool set_options(int fd, int family, bool dual)
{
    const int on = 1;
    const int only_v6 = !dual;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return false;
    return family != AF_INET6 ||
           setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) == 0;
}

/* A listening socket on one address; -1 with errno. */
static int open_one(const struct addrinfo *at, bool dual)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (set_options(fd, at->ai_family, dual) && bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* What a machine without that family, or without that address, says. */
static bool is_absent(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT;
}

/*
 * Goes through the addresses of one family. False: it had one that this machine
 * has, and *fd tells how that went; true: go on with the other family.
 */
static bool try_family(const struct addrinfo *list, int family, bool dual, int *fd)
{
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (at->ai_family != family)
            continue;
        *fd = open_one(at, dual);
        if (*fd >= 0 || !is_absent(errno))
            return false;
    }
    return true;
}

int listen_open(const char *text, struct error *err)
{
    struct listen_address address;
    if (listen_address_parse(text, &address, err) != 0)
        return -1;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *list = NULL;
    bool every = address.host[0] == '\0';
    int failed = getaddrinfo(every ? NULL : address.host, address.port, &hints, &list);
    if (failed)
        return error_set(err, "cannot listen on %s: %s", text,
                         failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));

    int fd = -1;
    errno = EADDRNOTAVAIL;
    if (try_family(list, every ? AF_INET6 : AF_INET, every, &fd))
        try_family(list, every ? AF_INET : AF_INET6, every, &fd);
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0)
        error_set(err, "cannot listen on %s: %s", text, strerror(saved));
    return fd;
}

uint16_t listen_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return 0;
    if (at.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&at)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)&at)->sin_port);
}
