/*
 * Lines out of a block of whole lines.
 */
#ifndef MAILVANE_LINE_LINES_H
#define MAILVANE_LINE_LINES_H

#include "mailvane/base/scan.h"

/* Takes the next line off, without its newline and without a carriage return before it. */
static inline bool lines_next(struct slice *block, struct slice *line)
{
    if (block->len == 0)
        return false;
    *line = slice_cut(block, '\n');
    if (line->len && line->ptr[line->len - 1] == '\r')
        line->len--;
    return true;
}

/*
 * The same for whoever reads many lines: where one ends cannot be predicted, and the search for
 * it would be waited for each time. The ends of some are looked for at once, ahead of need.
 */
#define LINES_AHEAD 32
struct lines {
    const char *from; /* where the next line begins */
    const char *seen; /* up to here the ends are known */
    const char *end;
    unsigned next, count;
    const char *ends[LINES_AHEAD + SCAN_WIDE];
};

static inline void lines_init(struct lines *lines, struct slice block)
{
    lines->from = lines->seen = block.ptr;
    lines->end = slice_end(block);
    lines->next = lines->count = 0;
}

/* Notes where the next lines end, one at least; false where there is none. */
static inline bool lines_look_ahead(struct lines *lines)
{
    const char *p = lines->seen;
    unsigned count = 0;
    for (; lines->end - p >= SCAN_WIDE && count < LINES_AHEAD; p += SCAN_WIDE) {
        uint64_t hits = scan_wide(p, '\n');
        /* Two lines that end here are rare; one is as likely as none, and noted without asking. */
        lines->ends[count] = p + __builtin_ctzll(hits | UINT64_C(1) << 63);
        count += hits != 0;
        for (hits &= hits - 1; __builtin_expect(hits != 0, 0); hits &= hits - 1)
            lines->ends[count++] = p + __builtin_ctzll(hits);
    }
    if (count == 0) {
        if (lines->from == lines->end)
            return false;
        p += slice_find(slice_between(p, lines->end), '\n');
        lines->ends[count++] = p;
        p += p < lines->end;
    }
    lines->seen = p;
    lines->next = 0;
    lines->count = count;
    return true;
}

/* Takes the next line, as lines_next() does. */
static inline bool lines_take(struct lines *lines, struct slice *line)
{
    if (lines->next == lines->count && !lines_look_ahead(lines))
        return false;
    const char *end = lines->ends[lines->next++];
    *line = slice_between(lines->from, end);
    lines->from = end < lines->end ? end + 1 : end;
    if (line->len && end[-1] == '\r')
        line->len--;
    return true;
}

#endif
