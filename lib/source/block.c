#include "mailvane/source/block.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailvane/base/bug.h"

void block_init(struct block_reader *reader, size_t cap)
{
    *reader = (struct block_reader){.buf = must_calloc(cap, 1), .cap = cap};
}

void block_release(struct block_reader *reader)
{
    free(reader->buf);
    *reader = (struct block_reader){0};
}

void block_reset(struct block_reader *reader)
{
    reader->start = reader->end = reader->scanned = 0;
    reader->skipping = false;
}

void block_restart(struct block_reader *reader, bool skipping)
{
    block_reset(reader);
    reader->skipping = skipping;
}

/* Drops what belongs to a line that was too long, up to its newline. */
static void skip_long_line(struct block_reader *reader)
{
    struct slice waiting = slice_of(reader->buf + reader->start, block_waiting(reader));
    size_t newline = slice_find(waiting, '\n');
    reader->skipping = newline == waiting.len;
    reader->start += reader->skipping ? newline : newline + 1;
    reader->scanned = 0;
}

/* The whole lines that wait, if any. */
static bool take_lines(struct block_reader *reader, struct slice *lines)
{
    if (reader->skipping)
        skip_long_line(reader);
    char *from = reader->buf + reader->start;
    size_t fresh = block_waiting(reader) - reader->scanned;
    char *last = fresh ? memrchr(from + reader->scanned, '\n', fresh) : NULL;
    if (!last) {
        reader->scanned += fresh;
        return false;
    }
    *lines = slice_between(from, last + 1);
    reader->start += lines->len;
    reader->scanned = 0;
    return true;
}

/* Moves what waits to the front; a full buffer without a newline is a line too long. */
static void make_room(struct block_reader *reader)
{
    size_t waiting = block_waiting(reader);
    if (waiting == reader->cap) {
        reader->skipped++;
        reader->skipping = true;
        waiting = reader->scanned = 0;
    } else if (waiting && reader->start) {
        memmove(reader->buf, reader->buf + reader->start, waiting);
    }
    reader->start = 0;
    reader->end = waiting;
}

enum block_result block_next(struct block_reader *reader, int fd, struct slice *lines)
{
    for (;;) {
        if (take_lines(reader, lines))
            return BLOCK_LINES;
        make_room(reader);
        ssize_t got = read(fd, reader->buf + reader->end, reader->cap - reader->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return BLOCK_ERROR;
        if (got == 0)
            return BLOCK_END;
        reader->end += (size_t)got;
        reader->bytes += (uint64_t)got;
    }
}

bool block_rest(struct block_reader *reader, struct slice *lines)
{
    *lines = slice_of(reader->buf + reader->start, block_waiting(reader));
    bool any = lines->len && !reader->skipping;
    block_reset(reader);
    return any;
}
