#include "guard.h"

#include "mailvane/expose/landing.h"

static void test_landing(void **state)
{
    (void)state;
    struct strbuf page = STRBUF_INIT;
    landing_write(&page, "1.2-<b>&", "/\"'><script>");
    assert_true(slice_starts(strbuf_slice(&page), SLICE("<!DOCTYPE html>\n")));
    assert_non_null(strstr(page.buf, "<title>mailvane</title>"));
    assert_non_null(strstr(page.buf, "Version 1.2-&lt;b&gt;&amp;."));
    assert_non_null(strstr(page.buf, "href=\"/&quot;&#39;&gt;&lt;script&gt;\""));
    assert_non_null(strstr(page.buf, "href=\"/-/healthy\""));
    assert_non_null(strstr(page.buf, "href=\"/-/ready\""));
    assert_null(strcasestr(page.buf, "<script"));
    strbuf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_landing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
