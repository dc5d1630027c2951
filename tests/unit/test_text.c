/* expose/text.h against the text format 0.0.4 as Prometheus documents it ("exposition formats"). */
#include "guard.h"

#include "mailvane/expose/text.h"

static struct metrics *new_metrics(void)
{
    return metrics_new(
        &(struct metrics_options){.domains = 10, .sending_ips = 10, .codes = 10, .seed = 1});
}

/* The page has this line, whole. */
static void expect_line(const char *name, const struct strbuf *page, const char *line)
{
    struct slice rest = strbuf_slice(page);
    while (rest.len) {
        if (slice_eq(slice_cut(&rest, '\n'), slice_str(line)))
            return;
    }
    fail_msg("%s: want the line %s in\n%s", name, line, page->buf);
}

static void test_escaping(void **state)
{
    static const struct {
        const char *name;
        struct slice value;
        const char *want;
    } rows[] = {
        {"plain", SLICE_INIT("1.2.3"), "1.2.3"},
        {"quote", SLICE_INIT("a\"b"), "a\\\"b"},
        {"backslash", SLICE_INIT("a\\b"), "a\\\\b"},
        {"line feed", SLICE_INIT("a\nb"), "a\\nb"},
        {"backslash and n", SLICE_INIT("a\\nb"), "a\\\\nb"},
        {"all at the end", SLICE_INIT("\\\"\n"), "\\\\\\\"\\n"},
        {"brace and comma", SLICE_INIT("a\",b=\"c\"} 1"), "a\\\",b=\\\"c\\\"} 1"},
        {"UTF-8", SLICE_INIT("m\xc3\xbcller"), "m\xc3\xbcller"},
        {"invalid byte",
         SLICE_INIT("a\xff"
                    "b"),
         "a\xef\xbf\xbd"
         "b"},
        {"cut sequence", SLICE_INIT("a\xe2\x82"), "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"overlong quote", SLICE_INIT("\xc0\xa2"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate", SLICE_INIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"tab stays", SLICE_INIT("a\tb"), "a\tb"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct metrics *m = new_metrics();
        struct strbuf page = STRBUF_INIT;
        char want[256];
        struct series_key key = {{metrics_label(m, LABEL_PHASE, rows[i].value)}};
        metrics_add(m, METRIC_SMTPD_REJECTIONS, key, 7);
        text_write(&page, m, TEXT_ALL_SEEN);
        snprintf(want, sizeof(want), "mailvane_smtpd_rejections_total{phase=\"%s\"} 7",
                 rows[i].want);
        expect_line(rows[i].name, &page, want);
        strbuf_release(&page);
        metrics_free(m);
    }
}

static void test_samples(void **state)
{
    struct metrics *m = new_metrics();
    struct strbuf page = STRBUF_INIT;
    (void)state;
    struct series_key both = {
        {metrics_label(m, LABEL_PHASE, SLICE("rcpt")), metrics_label(m, LABEL_CODE, SLICE("550"))}};
    struct series_key second = {{0, metrics_label(m, LABEL_CODE, SLICE("451"))}};
    struct series_key none = {{0}};
    metrics_add(m, METRIC_SMTPD_REJECTIONS, both, UINT64_C(9007199254740993));
    metrics_add(m, METRIC_SMTPD_REJECTIONS, second, 1);
    metrics_add(m, METRIC_SMTPD_REJECTIONS, none, 2);
    metrics_set(m, METRIC_PROCESS_START, none, 1795318035.25);
    metrics_set(m, METRIC_PROCESS_RESIDENT, none, 1e15);
    text_write(&page, m, TEXT_ALL_SEEN);
    expect_line("two labels", &page,
                "mailvane_smtpd_rejections_total{phase=\"rcpt\",code=\"550\"} 9007199254740993");
    expect_line("an empty label is left out", &page,
                "mailvane_smtpd_rejections_total{code=\"451\"} 1");
    expect_line("no label", &page, "mailvane_smtpd_rejections_total 2");
    expect_line("a counter born at 0", &page, "mailvane_messages_received_total 0");
    expect_line("a fraction is whole", &page, "process_start_time_seconds 1795318035.25");
    expect_line("a big gauge", &page, "process_resident_memory_bytes 1e+15");
    expect_line("TYPE", &page, "# TYPE mailvane_smtpd_rejections_total counter");
    expect_line("TYPE of a gauge", &page, "# TYPE process_resident_memory_bytes gauge");
    strbuf_release(&page);
    metrics_free(m);
}

static void test_histogram(void **state)
{
    struct metrics *m = new_metrics();
    struct strbuf page = STRBUF_INIT;
    (void)state;
    struct series_key key = {{metrics_label(m, LABEL_PROVIDER, SLICE("google"))}};
    metrics_observe(m, METRIC_DELIVERY_LATENCY, key, 100000);
    metrics_observe(m, METRIC_DELIVERY_LATENCY, key, 700000);
    metrics_observe(m, METRIC_DELIVERY_LATENCY, key, 1000000000000);
    text_write(&page, m, TEXT_ALL_SEEN);
    static const char *const lines[] = {
        "# TYPE mailvane_delivery_latency_seconds histogram",
        "mailvane_delivery_latency_seconds_bucket{provider=\"google\",le=\"0.1\"} 1",
        "mailvane_delivery_latency_seconds_bucket{provider=\"google\",le=\"0.5\"} 1",
        "mailvane_delivery_latency_seconds_bucket{provider=\"google\",le=\"1.0\"} 2",
        "mailvane_delivery_latency_seconds_bucket{provider=\"google\",le=\"86400.0\"} 2",
        "mailvane_delivery_latency_seconds_bucket{provider=\"google\",le=\"+Inf\"} 3",
        "mailvane_delivery_latency_seconds_sum{provider=\"google\"} 1000000.8",
        "mailvane_delivery_latency_seconds_count{provider=\"google\"} 3",
        "mailvane_message_size_bytes_bucket{le=\"1024.0\"} 0",
        "mailvane_message_size_bytes_bucket{le=\"+Inf\"} 0",
        "mailvane_message_size_bytes_sum 0",
        "mailvane_message_size_bytes_count 0",
    };
    for (size_t i = 0; i < LEN(lines); i++)
        expect_line("histogram", &page, lines[i]);
    strbuf_release(&page);
    metrics_free(m);
}

/* HELP and TYPE once for each metric, in front of its samples, and no family in two parts. */
static void test_order_of_lines(void **state)
{
    struct metrics *m = new_metrics();
    struct strbuf page = STRBUF_INIT;
    char family[128] = "", help[128] = "";
    unsigned families = 0;
    (void)state;
    metrics_settle(m, 0, true);
    text_write(&page, m, TEXT_ALL_SEEN);
    for (struct slice rest = strbuf_slice(&page); rest.len;) {
        struct slice line = slice_cut(&rest, '\n');
        if (slice_take(&line, SLICE("# HELP "))) {
            struct slice name = slice_cut(&line, ' ');
            snprintf(help, sizeof(help), "%.*s", SLICE_ARG(name));
            assert_true(line.len > 0);
        } else if (slice_take(&line, SLICE("# TYPE "))) {
            struct slice name = slice_cut(&line, ' ');
            snprintf(family, sizeof(family), "%.*s", SLICE_ARG(name));
            assert_string_equal(family, help);
            families++;
        } else {
            assert_true(family[0] && slice_starts(line, slice_str(family)));
        }
    }
    assert_true(families > 5);
    strbuf_release(&page);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_order_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
