/*
 * Whole log files, one behind the other, as blocks of lines: what scan, events
 * and report share. A path is borrowed; the file closes itself where reading ends or fails.
 */
#ifndef MAILVANE_READ_H
#define MAILVANE_READ_H

#include "mailvane/source/block.h"
#include "mailvane/source/decompress.h"

#define READ_BUFFER (64u << 10)

struct file_reader {
    const char *path;
    struct block_reader blocks;
    struct decompress source;
    bool begun;    /* a block was read */
    int64_t mtime; /* years are inferred against it; now for stdin */
};

void file_reader_init(struct file_reader *r);
void file_reader_release(struct file_reader *r);

/* "-" is stdin. */
int file_reader_open(struct file_reader *r, const char *path, struct error *err);
/* 1: *lines is filled; 0: the end; -1: the file cannot be read to its end. */
int file_reader_next(struct file_reader *r, struct slice *lines, struct error *err);

#endif
