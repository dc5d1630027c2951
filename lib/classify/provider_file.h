/*
 * The rows of a table of providers, one by one out of a text (row_file.h). What is no row
 * is a mistake. A row's slices are borrowed from the text.
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_FILE_H
#define MAILVANE_CLASSIFY_PROVIDER_FILE_H

#include "row_file.h"

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

enum provider_file_result { PROVIDER_ROW, PROVIDER_END, PROVIDER_MISTAKE };

enum provider_file_result provider_file_next(struct row_file *file, struct provider_row *row,
                                             struct error *err);

#endif
