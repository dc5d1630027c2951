/*
 * Bytes to blocks of whole lines.
 *
 * A block reader owns one buffer and hands out the longest run of whole lines in
 * it, borrowed until the next call. A last line without its newline waits in the
 * buffer for the rest. A line longer than the buffer is skipped to its newline and
 * counted: it can neither grow memory nor be taken for another line.
 *
 * The same reader serves whole files (scan) and files that grow (follow).
 */
#ifndef MAILVANE_SOURCE_BLOCK_H
#define MAILVANE_SOURCE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/slice.h"

struct block_reader {
    char *buf;
    size_t cap;
    size_t start;     /* first byte that was not handed out */
    size_t end;       /* behind the last byte read */
    size_t scanned;   /* bytes behind start known to hold no newline */
    bool skipping;    /* within a line that was too long */
    uint64_t bytes;   /* read in all */
    uint64_t skipped; /* lines that were too long */
};

enum block_result {
    BLOCK_LINES, /* *lines holds one or more whole lines, each with its newline */
    BLOCK_END,   /* nothing more to read now; what has no newline waits */
    BLOCK_ERROR, /* read(2) failed, see errno */
};

/* cap bounds both the longest line and the memory; it is allocated at once. */
void block_init(struct block_reader *reader, size_t cap);
void block_release(struct block_reader *reader);
/* Forgets what waits; the counts stay. */
void block_reset(struct block_reader *reader);
/* The same before the reader turns to another file or place, which may be within a line too long.
 */
void block_restart(struct block_reader *reader, bool skipping);

/* Reads from fd as needed and gives the next whole lines. */
enum block_result block_next(struct block_reader *reader, int fd, struct slice *lines);

/* At the end of a file that will not grow: the last line, though it has no newline. */
bool block_rest(struct block_reader *reader, struct slice *lines);

/* Bytes read that no line was made of yet. */
static inline size_t block_waiting(const struct block_reader *reader)
{
    return reader->end - reader->start;
}

#endif
