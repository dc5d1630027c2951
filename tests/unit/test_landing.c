#include "guard.h"

#include "mailvane/expose/landing.h"

static void test_landing(void **state)
{
    (void)state;
    struct strbuf page = STRBUF_INIT;
    landing_begin(&page, "1.2-<b>&", "/\"'><script>");
    landing_heading(&page, "<h>");
    landing_paragraph(&page, "<p>&");
    landing_table_begin(&page);
    landing_row_begin(&page, "<script>.example");
    landing_cell(&page, "1&2");
    landing_row_end(&page);
    landing_table_end(&page);
    landing_end(&page);
    assert_true(slice_starts(strbuf_slice(&page), SLICE("<!DOCTYPE html>\n")));
    assert_non_null(strstr(page.buf, "<title>mailvane</title>"));
    assert_non_null(strstr(page.buf, "Version 1.2-&lt;b&gt;&amp;."));
    assert_non_null(strstr(page.buf, "href=\"/&quot;&#39;&gt;&lt;script&gt;\""));
    assert_non_null(strstr(page.buf, "href=\"/-/healthy\""));
    assert_non_null(strstr(page.buf, "href=\"/-/ready\""));
    assert_null(strcasestr(page.buf, "<script"));
    assert_non_null(strstr(page.buf, "<h2>&lt;h&gt;</h2>\n<p>&lt;p&gt;&amp;</p>\n"
                                     "<table>\n<tr><th>&lt;script&gt;.example</th>"
                                     "<td>1&amp;2</td></tr>\n</table>\n</body>\n</html>\n"));
    strbuf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_landing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
