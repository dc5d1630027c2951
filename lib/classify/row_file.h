/*
 * Tables that users extend: text files of rows, with comments that begin with "#".
 *
 * Pull: init once, then row_file_next until it is false. The row is borrowed from the
 * text, which may hold any byte.
 */
#ifndef MAILVANE_CLASSIFY_ROW_FILE_H
#define MAILVANE_CLASSIFY_ROW_FILE_H

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

struct row_file {
    const char *name; /* for sentences */
    struct slice rest;
    struct slice row; /* the line that was read last, */
    unsigned line;    /* and its number */
};

void row_file_init(struct row_file *file, const char *name, struct slice text);

/* Reads the next line that is neither empty nor a comment; false at the end. */
bool row_file_next(struct row_file *file);

/* "FILE:LINE:COLUMN: "VALUE" WHAT" for a value within the row; always -1. */
int row_file_mistake(const struct row_file *file, struct slice value, const char *what,
                     struct error *err);
/* The same where the value says more than the place does that is at fault. */
int row_file_mistake_at(const struct row_file *file, const char *place, struct slice value,
                        const char *what, struct error *err);

/* The whole of a regular file of at most max bytes, on the heap; -1 with a sentence. */
int row_file_read(const char *path, size_t max, struct slice *text, struct error *err);

#endif
