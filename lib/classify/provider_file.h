/*
 * Reads a table of providers: whole files into memory, and row by row out of it.
 *
 * Pull: init once, then next until it is not PROVIDER_ROW. A row's slices are
 * borrowed from the text. The text may hold any byte; what is no row is a mistake,
 * and nothing is skipped but empty lines and those that begin with "#".
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_FILE_H
#define MAILVANE_CLASSIFY_PROVIDER_FILE_H

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

/* What a row's key stands for. */
enum provider_key {
    PROVIDER_KEY_BELOW,  /* ".example.net": the hosts below it */
    PROVIDER_KEY_HOST,   /* "mx.example.net": that host */
    PROVIDER_KEY_DOMAIN, /* "=example.net": a recipient domain */
    PROVIDER_KEY_NAME,   /* never in a file: the table finds its names like its rows */
};

struct provider_row {
    enum provider_key kind;
    struct slice provider;
    struct slice key;    /* a domain name without the sign before it, letters as written */
    struct slice suffix; /* the key with its sign */
};

struct provider_file {
    const char *name; /* for errors */
    struct slice rest;
    struct slice row; /* the line that was read last, */
    unsigned line;    /* and its number */
};

enum provider_file_result { PROVIDER_ROW, PROVIDER_END, PROVIDER_MISTAKE };

void provider_file_init(struct provider_file *file, const char *name, struct slice text);
enum provider_file_result provider_file_next(struct provider_file *file, struct provider_row *row,
                                             struct error *err);

/* "FILE:LINE:COLUMN: "VALUE" WHAT" for a value of the last row; always -1. */
int provider_file_mistake(const struct provider_file *file, struct slice value, const char *what,
                          struct error *err);

/* The whole of a regular file of at most max bytes, on the heap; -1 with a sentence. */
int provider_file_read(const char *path, size_t max, struct slice *text, struct error *err);

#endif
