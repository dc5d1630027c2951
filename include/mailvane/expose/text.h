/*
 * The Prometheus text format 0.0.4: HELP, TYPE and samples of every metric that
 * has a series. Label values are escaped by the format's rules (backslash, quote,
 * line feed) and are valid UTF-8; an empty label is left out.
 */
#ifndef MAILVANE_EXPOSE_TEXT_H
#define MAILVANE_EXPOSE_TEXT_H

#include "mailvane/base/strbuf.h"
#include "mailvane/metric/metrics.h"

#define TEXT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends the exposition; metrics_settle goes before. Counters and histograms that were born
 * after the first `seen` series (metrics_births) are shown at 0, since Prometheus' increase()
 * takes no notice of a counter that appears with a value; TEXT_ALL_SEEN: all as they are.
 */
#define TEXT_ALL_SEEN UINT64_MAX
void text_write(struct strbuf *out, const struct metrics *metrics, uint64_t seen);

#endif
