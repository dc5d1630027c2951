/* expose/http_listen.h: which addresses there are, and how they are refused. */
#include "guard.h"

#include "../../lib/expose/http_listen.h"

struct address_case {
    const char *text;
    const char *host, *port; /* NULL: refused */
};

static const struct address_case address_cases[] = {
    {"127.0.0.1:9925", "127.0.0.1", "9925"},
    {":9925", "", "9925"},
    {":0", "", "0"},
    {":65535", "", "65535"},
    {"[::1]:9925", "::1", "9925"},
    {"[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
    {"localhost:80", "localhost", "80"},
    {"", NULL, NULL},
    {"9925", NULL, NULL},
    {"localhost", NULL, NULL},
    {"localhost:", NULL, NULL},
    {"localhost:http", NULL, NULL},
    {"localhost:65536", NULL, NULL},
    {"localhost:100000", NULL, NULL},
    {"localhost:-1", NULL, NULL},
    {"localhost:+80", NULL, NULL},
    {"localhost: 80", NULL, NULL},
    {"::1:9925", NULL, NULL},
    {"[::1]", NULL, NULL},
    {"[::1:9925", NULL, NULL},
    {"::1]:9925", NULL, NULL},
    {"[]:9925", NULL, NULL},
    {"[localhost]:80", NULL, NULL},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(address_cases); i++) {
        const struct address_case *row = &address_cases[i];
        struct listen_address got;
        struct error err = {{0}};
        int status = listen_address_parse(row->text, &got, &err);
        if (status != (row->host ? 0 : -1))
            fail_msg("%s: got status %d (%s)", row->text, status, err.text);
        if (status != 0 && !strstr(err.text, row->text))
            fail_msg("%s: the error does not quote it: %s", row->text, err.text);
        if (status == 0 && (strcmp(got.host, row->host) != 0 || strcmp(got.port, row->port) != 0))
            fail_msg("%s: got %s and %s, want %s and %s", row->text, got.host, got.port, row->host,
                     row->port);
    }
}

static void test_address_too_long(void **state)
{
    (void)state;
    char text[300];
    struct listen_address got;
    struct error err = {{0}};
    memset(text, 'a', sizeof(text));
    snprintf(text + LISTEN_HOST_MAX, sizeof(text) - LISTEN_HOST_MAX, ":80");
    assert_int_equal(listen_address_parse(text, &got, &err), 0);
    assert_int_equal(strlen(got.host), LISTEN_HOST_MAX);
    snprintf(text + LISTEN_HOST_MAX, sizeof(text) - LISTEN_HOST_MAX, "a:80");
    assert_int_equal(listen_address_parse(text, &got, &err), -1);
    assert_non_null(strstr(err.text, "longer than 255 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_address_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
