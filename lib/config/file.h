/*
 * Whole small files. max bounds the memory; a longer file is refused, not cut.
 */
#ifndef MAILVANE_CONFIG_FILE_H
#define MAILVANE_CONFIG_FILE_H

#include "mailvane/base/error.h"
#include "mailvane/base/strbuf.h"

/* Appends the file to text. */
int file_read(const char *path, size_t max, struct strbuf *text, struct error *err);

#endif
