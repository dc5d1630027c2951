#include "mailvane/expose/text.h"

#include <inttypes.h>

#include "mailvane/base/utf8.h"

static const char *const type_words[] = {
    [COUNTER] = "counter",
    [COUNTER_FLOAT] = "counter",
    [GAUGE] = "gauge",
    [HISTOGRAM_SECONDS] = "histogram",
    [HISTOGRAM_BYTES] = "histogram",
    [HISTOGRAM_COUNT] = "histogram",
};

/* HELP escapes backslash and line feed; a label value the quote as well. */
static void put_escaped(struct strbuf *out, struct slice text, bool label)
{
    while (text.len) {
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

/* "{a="x",b="y"" without the closing brace; *any says whether one was opened. */
static bool put_labels(struct strbuf *out, const struct metrics *metrics,
                       const struct metric_row *row, const struct series_key *key)
{
    bool any = false;
    for (unsigned i = 0; i < row->label_count; i++) {
        struct slice value = metrics_label_text(metrics, row->labels[i], key->value[i]);
        if (value.len == 0)
            continue;
        strbuf_add_str(out, any ? "," : "{");
        strbuf_add_str(out, label_names[row->labels[i]]);
        strbuf_add_str(out, "=\"");
        put_escaped(out, value, true);
        strbuf_add_str(out, "\"");
        any = true;
    }
    return any;
}

static void put_sample(struct strbuf *out, const struct metrics *metrics,
                       const struct metric_row *row, const struct series_key *key,
                       const union series_value *value)
{
    strbuf_add_str(out, row->name);
    strbuf_add_str(out, put_labels(out, metrics, row, key) ? "} " : " ");
    if (row->type == COUNTER)
        strbuf_addf(out, "%" PRIu64, value->n);
    else
        put_double(out, value->x, false);
    strbuf_add_str(out, "\n");
}

/* One line of a histogram up to its value: name_suffix{labels,le="bound"}; bound 0 is +Inf. */
static void put_histogram_head(struct strbuf *out, const struct metrics *metrics,
                               const struct metric_row *row, const struct series_key *key,
                               const char *suffix, double bound)
{
    strbuf_addf(out, "%s%s", row->name, suffix);
    bool any = put_labels(out, metrics, row, key);
    if (strcmp(suffix, "_bucket") == 0) {
        strbuf_add_str(out, any ? ",le=\"" : "{le=\"");
        if (bound > 0)
            put_double(out, bound, true);
        else
            strbuf_add_str(out, "+Inf");
        strbuf_add_str(out, "\"");
        any = true;
    }
    strbuf_add_str(out, any ? "} " : " ");
}

static void put_histogram(struct strbuf *out, const struct metrics *metrics,
                          const struct metric_row *row, const struct series_key *key,
                          const union series_value *value)
{
    struct buckets buckets = metric_buckets(row->type);
    uint64_t total = 0;
    for (unsigned i = 0; i <= buckets.count; i++) {
        total += value[i].n;
        put_histogram_head(out, metrics, row, key, "_bucket",
                           i < buckets.count ? (double)buckets.bounds[i] / buckets.parts : 0);
        strbuf_addf(out, "%" PRIu64 "\n", total);
    }
    put_histogram_head(out, metrics, row, key, "_sum", 0);
    put_double(out, (double)value[buckets.count + 1].n / buckets.parts, false);
    strbuf_add_str(out, "\n");
    put_histogram_head(out, metrics, row, key, "_count", 0);
    strbuf_addf(out, "%" PRIu64 "\n", total);
}

void text_write(struct strbuf *out, const struct metrics *metrics)
{
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_rows[id];
        uint32_t count = metrics_series_count(metrics, (enum metric)id);
        if (count == 0)
            continue;
        strbuf_addf(out, "# HELP %s ", row->name);
        put_escaped(out, slice_str(row->help), false);
        strbuf_addf(out, "\n# TYPE %s %s\n", row->name, type_words[row->type]);
        for (uint32_t i = 0; i < count; i++) {
            struct series_key key;
            const union series_value *value = metrics_series(metrics, (enum metric)id, i, &key);
            if (metric_buckets(row->type).count)
                put_histogram(out, metrics, row, &key, value);
            else
                put_sample(out, metrics, row, &key, value);
        }
    }
}
