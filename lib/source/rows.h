/*
 * Rows as they come back: anything may stand in them, as the file that kept them may
 * be damaged. What row_fault lets through breaks nothing; whether it is true shows
 * when the files are looked at (restore.c).
 */
#ifndef SOURCE_ROWS_H
#define SOURCE_ROWS_H

#include "follow_private.h"

/* Why the row cannot be one of that source; NULL where it can. */
const char *row_fault(const struct follow_row *row, const struct source *source);

struct ident row_ident(const struct follow_row *row);
void row_print(const struct follow_row *row, struct print *out);

/* An open file of a path. */
static inline bool row_is_member(const struct follow_row *row)
{
    return row->role == FOLLOW_CURRENT || row->role == FOLLOW_OLDER;
}

#endif
