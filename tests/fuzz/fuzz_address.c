/*
 * Any bytes as an IP address and as an address to listen on: what is accepted has one form,
 * which is accepted again.
 */
#include <stdio.h>

#include "../../lib/config/address.h"
#include "../../lib/expose/http_listen.h"
#include "input.h"

static void check_ip(struct slice text)
{
    char address[ADDRESS_TEXT] = "", again[ADDRESS_TEXT] = "";
    int family = address_parse(text, address);
    if (!family)
        return;
    bug_if(family != 4 && family != 6);
    bug_if((family == 6) != (strchr(address, ':') != NULL));
    bug_if(address_parse(slice_str(address), again) != family || strcmp(address, again) != 0);
    bug_if(family == 4 && address_is_loopback(address) != (strncmp(address, "127.", 4) == 0));
}

static void check_listen(const char *text)
{
    struct error err = {.text = ""};
    struct listen_address address, again;
    int rc = listen_address_parse(text, &address, &err);
    bug_if((rc == 0) != (err.text[0] == '\0'));
    if (rc)
        return;
    char whole[LISTEN_HOST_MAX + 16];
    bool v6 = strchr(address.host, ':');
    snprintf(whole, sizeof(whole), v6 ? "[%s]:%s" : "%s:%s", address.host, address.port);
    bug_if(strcmp(whole, text) != 0);
    bug_if(listen_address_parse(whole, &again, &err) != 0);
    bug_if(strcmp(address.host, again.host) != 0 || strcmp(address.port, again.port) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = copy_of(slice_head(input_of(data, size), 512));
    char *whole = must_calloc(text.len + 1, 1);
    memcpy(whole, text.ptr, text.len);
    check_ip(text);
    check_listen(whole);
    free(whole);
    copy_free(text);
    return 0;
}
