/*
 * A compressed file among those of a path.
 *
 * Its content is read once, from the front, through the tool for it (decompress.h), and told
 * by the same tail that an open file has: offset, head and mark are of the content, and the
 * tail has no descriptor of its own, as there is nothing to look at again.
 *
 * A read waits for the tool. Memory is one buffer of line_max while lines are read; nothing
 * runs before the first byte is wanted, and a place that was found is read on from.
 */
#ifndef SOURCE_ARCHIVE_H
#define SOURCE_ARCHIVE_H

#include "mailvane/base/log.h"
#include "mailvane/source/decompress.h"
#include "tail.h"

struct archive {
    const struct logger *log;
    char *path; /* for messages */
    int fd;     /* of the compressed file */
    struct decompress tool;
    bool running;
    uint64_t at;                /* bytes of the content that were taken from the tool */
    struct block_reader reader; /* cap is 0 before lines are read */
    uint64_t base;              /* where it began to read */
    bool damaged;               /* there was nothing to peek at, and that is not its content */
};

enum archive_found {
    ARCHIVE_OTHER, /* it holds something else */
    ARCHIVE_FOUND, /* stands at the place */
    ARCHIVE_CUT,   /* begins like it, and ends before the place: it is damaged */
};

/* Takes the descriptor. NULL where there is no tool for the file, then it is closed. */
struct archive *archive_new(const struct logger *log, const char *path, int fd);
void archive_free(struct archive *archive);

/* Takes the first bytes of the content into the tail. False where there are none. */
bool archive_peek(struct archive *archive, struct tail *tail);

/* Goes to a place that was saved, if this is that content. */
enum archive_found archive_find(struct archive *archive, struct tail *tail,
                                const struct print *print, uint64_t offset);

/* As tail_read, from the place where the tail stands. TAIL_END is the end for good. */
enum tail_result archive_read(struct archive *archive, struct tail *tail, size_t line_max,
                              struct slice *lines);

#endif
