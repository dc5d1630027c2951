/*
 * Lines out of a block of whole lines.
 */
#ifndef MAILVANE_LINE_LINES_H
#define MAILVANE_LINE_LINES_H

#include "mailvane/base/slice.h"

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

#endif
