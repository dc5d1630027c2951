/*
 * The page at "/": a person who opens the port in a browser sees what answers
 * here and where the metrics are. HTML5 without scripts or anything to load.
 */
#ifndef MAILVANE_EXPOSE_LANDING_H
#define MAILVANE_EXPOSE_LANDING_H

#include "mailvane/base/strbuf.h"

#define LANDING_CONTENT_TYPE "text/html; charset=utf-8"

/* All texts may hold any byte that HTML gives a meaning. Between begin and end come sections. */
void landing_begin(struct strbuf *page, const char *version, const char *telemetry_path);
void landing_end(struct strbuf *page);

void landing_heading(struct strbuf *page, const char *text);
void landing_paragraph(struct strbuf *page, const char *text);
/* A table of numbers, each row with a name in front. */
void landing_table_begin(struct strbuf *page);
void landing_row_begin(struct strbuf *page, const char *name);
void landing_cell(struct strbuf *page, const char *text);
void landing_row_end(struct strbuf *page);
void landing_table_end(struct strbuf *page);

#endif
