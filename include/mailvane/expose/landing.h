/*
 * The page at "/": a person who opens the port in a browser sees what answers
 * here and where the metrics are. HTML5 without scripts or anything to load.
 */
#ifndef MAILVANE_EXPOSE_LANDING_H
#define MAILVANE_EXPOSE_LANDING_H

#include "mailvane/base/strbuf.h"

#define LANDING_CONTENT_TYPE "text/html; charset=utf-8"

/* Both texts may hold any byte that HTML gives a meaning. */
void landing_write(struct strbuf *page, const char *version, const char *telemetry_path);

#endif
