#include "mailvane/expose/landing.h"

static const char head[] = "<!DOCTYPE html>\n"
                           "<html lang=\"en\">\n"
                           "<head>\n"
                           "<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n"
                           "<title>mailvane</title>\n"
                           "<style>body { font-family: sans-serif; max-width: 40em; "
                           "margin: 2em auto; padding: 0 1em; } td { text-align: right; "
                           "padding-left: 0.6em; } th { text-align: left; "
                           "font-weight: normal; }</style>\n"
                           "</head>\n"
                           "<body>\n"
                           "<h1>mailvane</h1>\n"
                           "<p>Metrics of this mail host, from its log. Version ";

/* Writes text so that neither an element nor a quoted attribute can end within it. */
static void add_escaped(struct strbuf *page, const char *text)
{
    static const char *const escapes[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    for (; *text; text++) {
        const char *escape = escapes[(unsigned char)*text];
        strbuf_add(page, escape ? escape : text, escape ? strlen(escape) : 1);
    }
}

static void add_link(struct strbuf *page, const char *path, const char *meaning)
{
    strbuf_add_str(page, "<li><a href=\"");
    add_escaped(page, path);
    strbuf_add_str(page, "\">");
    add_escaped(page, path);
    strbuf_addf(page, "</a>: %s</li>\n", meaning);
}

void landing_begin(struct strbuf *page, const char *version, const char *telemetry_path)
{
    strbuf_add_str(page, head);
    add_escaped(page, version);
    strbuf_add_str(page, ".</p>\n<ul>\n");
    add_link(page, telemetry_path, "the metrics");
    add_link(page, "/-/healthy", "whether the agent runs");
    add_link(page, "/-/ready", "whether it follows its sources");
    strbuf_add_str(page, "</ul>\n");
}

void landing_end(struct strbuf *page)
{
    strbuf_add_str(page, "</body>\n</html>\n");
}

static void add_element(struct strbuf *page, const char *element, const char *text)
{
    strbuf_addf(page, "<%s>", element);
    add_escaped(page, text);
    strbuf_addf(page, "</%s>", element);
}

void landing_heading(struct strbuf *page, const char *text)
{
    add_element(page, "h2", text);
    strbuf_add_str(page, "\n");
}

void landing_paragraph(struct strbuf *page, const char *text)
{
    add_element(page, "p", text);
    strbuf_add_str(page, "\n");
}

void landing_table_begin(struct strbuf *page)
{
    strbuf_add_str(page, "<table>\n");
}

void landing_row_begin(struct strbuf *page, const char *name)
{
    strbuf_add_str(page, "<tr>");
    add_element(page, "th", name);
}

void landing_cell(struct strbuf *page, const char *text)
{
    add_element(page, "td", text);
}

void landing_row_end(struct strbuf *page)
{
    strbuf_add_str(page, "</tr>\n");
}

void landing_table_end(struct strbuf *page)
{
    strbuf_add_str(page, "</table>\n");
}
