#include "mailvane/expose/text.h"

#include "mailvane/base/utf8.h"

static const char *const type_words[] = {
    [COUNTER] = "counter",
    [COUNTER_FLOAT] = "counter",
    [GAUGE] = "gauge",
    [HISTOGRAM_SECONDS] = "histogram",
    [HISTOGRAM_BYTES] = "histogram",
    [HISTOGRAM_COUNT] = "histogram",
};

/* How many bytes stand in front that need no look: printable ASCII but for \ and ". */
static size_t plain_length(struct slice text)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] >= ' ' && text.ptr[n] < 0x7f && text.ptr[n] != '\\' &&
           text.ptr[n] != '"')
        n++;
    return n;
}

/* HELP escapes backslash and line feed; a label value the quote as well. */
static void put_escaped(struct strbuf *out, struct slice text, bool label)
{
    while (text.len) {
        size_t plain = plain_length(text);
        strbuf_add(out, text.ptr, plain);
        text = slice_skip(text, plain);
        if (text.len == 0)
            return;
        size_t len = utf8_sequence(text);
        char c = text.ptr[0];
        if (len == 0)
            strbuf_add_slice(out, UTF8_REPLACEMENT);
        else if (c == '\n')
            strbuf_add_str(out, "\\n");
        else if (c == '\\' || (c == '"' && label))
            strbuf_addf(out, "\\%c", c);
        else
            strbuf_add(out, text.ptr, len);
        text = slice_skip(text, len ? len : 1);
    }
}

/* Shortest form that reads back as the same number; whole numbers of bounds as "1.0". */
static void put_double(struct strbuf *out, double value, bool bound)
{
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    strbuf_add_str(out, text);
    if (bound && !strpbrk(text, ".e"))
        strbuf_add_str(out, ".0");
}

/* A page while it is written. */
struct page {
    struct strbuf *out;
    const struct metrics *metrics;
    struct strbuf labels; /* of the series that is written: a="x",b="y" */
    struct strbuf bounds; /* of the metric that is written, each with a NUL behind it */
    uint64_t seen;        /* births that the reader knows: a series born later is shown at 0 */
};

static const union series_value zeros[METRIC_VALUES_MAX];

static void read_labels(struct page *page, const struct metric_row *row,
                        const struct series_key *key)
{
    strbuf_reset(&page->labels);
    for (unsigned i = 0; i < row->label_count; i++) {
        struct slice value = metrics_label_text(page->metrics, row->labels[i], key->value[i]);
        if (value.len == 0)
            continue;
        if (page->labels.len)
            strbuf_add_str(&page->labels, ",");
        strbuf_add_str(&page->labels, label_names[row->labels[i]]);
        strbuf_add_str(&page->labels, "=\"");
        put_escaped(&page->labels, value, true);
        strbuf_add_str(&page->labels, "\"");
    }
}

/* A line up to its value: name, suffix and labels; the label le where `bound` is not NULL. */
static void put_head(struct page *page, const struct metric_row *row, const char *suffix,
                     const char *bound)
{
    struct strbuf *out = page->out;
    strbuf_add_str(out, row->name);
    strbuf_add_str(out, suffix);
    if (page->labels.len || bound) {
        strbuf_add_str(out, "{");
        strbuf_add_slice(out, strbuf_slice(&page->labels));
        if (bound) {
            strbuf_add_str(out, page->labels.len ? ",le=\"" : "le=\"");
            strbuf_add_str(out, bound);
            strbuf_add_str(out, "\"");
        }
        strbuf_add_str(out, "}");
    }
    strbuf_add_str(out, " ");
}

static void put_sample(struct page *page, const struct metric_row *row,
                       const union series_value *value)
{
    put_head(page, row, "", NULL);
    if (row->type == COUNTER)
        strbuf_add_number(page->out, value->n);
    else
        put_double(page->out, value->x, false);
    strbuf_add_str(page->out, "\n");
}

static void read_bounds(struct page *page, const struct buckets *buckets)
{
    strbuf_reset(&page->bounds);
    for (unsigned i = 0; i < buckets->count; i++) {
        put_double(&page->bounds, (double)buckets->bounds[i] / buckets->parts, true);
        strbuf_add(&page->bounds, "", 1);
    }
    strbuf_add(&page->bounds, "+Inf", sizeof("+Inf"));
}

static void put_histogram(struct page *page, const struct metric_row *row,
                          const struct buckets *buckets, const union series_value *value)
{
    uint64_t total = 0;
    const char *bound = page->bounds.buf;
    for (unsigned i = 0; i <= buckets->count; i++) {
        total += value[i].n;
        put_head(page, row, "_bucket", bound);
        strbuf_add_number(page->out, total);
        strbuf_add_str(page->out, "\n");
        bound += strlen(bound) + 1;
    }
    put_head(page, row, "_sum", NULL);
    put_double(page->out, (double)value[buckets->count + 1].n / buckets->parts, false);
    strbuf_add_str(page->out, "\n");
    put_head(page, row, "_count", NULL);
    strbuf_add_number(page->out, total);
    strbuf_add_str(page->out, "\n");
}

static void put_metric(struct page *page, enum metric id, uint32_t count)
{
    const struct metric_row *row = &metric_rows[id];
    const struct buckets buckets = metric_buckets(row->type);
    strbuf_addf(page->out, "# HELP %s ", row->name);
    put_escaped(page->out, slice_str(row->help), false);
    strbuf_addf(page->out, "\n# TYPE %s %s\n", row->name, type_words[row->type]);
    if (buckets.count)
        read_bounds(page, &buckets);
    for (uint32_t i = 0; i < count; i++) {
        struct series_view series = metrics_series(page->metrics, id, i);
        const union series_value *value =
            series.born > page->seen && row->type != GAUGE ? zeros : series.values;
        read_labels(page, row, &series.key);
        if (buckets.count)
            put_histogram(page, row, &buckets, value);
        else
            put_sample(page, row, value);
    }
}

void text_write(struct strbuf *out, const struct metrics *metrics, uint64_t seen)
{
    struct page page = {
        .out = out,
        .metrics = metrics,
        .labels = STRBUF_INIT,
        .bounds = STRBUF_INIT,
        .seen = seen,
    };
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        uint32_t count = metrics_series_count(metrics, (enum metric)id);
        if (count)
            put_metric(&page, (enum metric)id, count);
    }
    strbuf_release(&page.labels);
    strbuf_release(&page.bounds);
}
