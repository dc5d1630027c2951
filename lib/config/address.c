#include "address.h"

#include <arpa/inet.h>

int address_parse(struct slice text, char out[ADDRESS_TEXT])
{
    char copy[ADDRESS_TEXT];
    unsigned char bytes[sizeof(struct in6_addr)];
    if (text.len == 0 || text.len >= sizeof(copy) || slice_find(text, '\0') < text.len)
        return 0;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    int family = slice_find(text, ':') < text.len ? AF_INET6 : AF_INET;
    if (inet_pton(family, copy, bytes) != 1 || !inet_ntop(family, bytes, out, ADDRESS_TEXT))
        return 0;
    return family == AF_INET6 ? 6 : 4;
}

bool address_is_loopback(const char *address)
{
    struct slice text = slice_str(address);
    return slice_starts(text, SLICE("127.")) || slice_eq(text, SLICE("::1"));
}
