/* What must hold of metrics, whatever was counted. */
#ifndef MAILVANE_TESTS_FUZZ_COUNTED_H
#define MAILVANE_TESTS_FUZZ_COUNTED_H

#include "input.h"
#include "mailvane/expose/text.h"
#include "mailvane/line/lines.h"

/* All values of a metric's series; of a histogram those of its buckets, sum and count, too. */
static inline uint64_t sum_of(const struct metrics *m, enum metric id)
{
    uint64_t sum = 0;
    struct buckets buckets = metric_buckets(metric_rows[id].type);
    unsigned width = buckets.count ? buckets.count + 2 : 1;
    for (uint32_t i = 0; i < metrics_series_count(m, id); i++) {
        for (unsigned v = 0; v < width; v++)
            sum += metrics_series(m, id, i).values[v].n;
    }
    return sum;
}

/* No label value breaks a line of the page. */
static inline void check_page(const struct metrics *metrics)
{
    struct strbuf page = STRBUF_INIT;
    struct slice line;
    text_write(&page, metrics, TEXT_ALL_SEEN);
    for (struct slice rest = strbuf_slice(&page); lines_next(&rest, &line);)
        bug_if(!slice_starts(line, SLICE("# HELP ")) && !slice_starts(line, SLICE("# TYPE ")) &&
               !slice_starts(line, SLICE("mailvane_")));
    strbuf_release(&page);
}

#endif
