/*
 * A file of a spool, line by line, however long it is: one piece of it is held, and between
 * two pieces the caller is asked to come again, so that no step takes long. A line that is
 * longer than a piece is handed out as its beginning.
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include <sys/stat.h>

#include "walk.h"

#define SPOOL_PIECE    (16u << 10)
#define SPOOL_FILE_MAX (64 << 20) /* bytes: no message's file is as large; a sparse one may be */

struct spool_file {
    bool open;
    struct stat st;
    uint64_t line_at; /* where in the file the last line begins */
    uint64_t at;      /* and what is behind it */
    /* private */
    int fd;
    size_t start, end; /* of what is unread in buf */
    bool cut;          /* what comes next is the rest of a line that was handed out */
    bool ended;
    char buf[SPOOL_PIECE];
};

/*
 * A file beside the last one that was walked to; -1 with errno, EFBIG for one that is larger
 * than SPOOL_FILE_MAX. One that was open is closed.
 */
int spool_open(struct spool_file *file, const struct walk *walk, const char *name);
void spool_close(struct spool_file *file);

enum spool_step {
    SPOOL_LINE,   /* without its end, until the next call */
    SPOOL_MORE,   /* something was read: come again */
    SPOOL_END,    /* there are no more lines */
    SPOOL_FAILED, /* errno */
};
enum spool_step spool_next(struct spool_file *file, struct slice *line);

/* The next line is the one that begins there; behind the file's end there is none. */
int spool_seek(struct spool_file *file, uint64_t at);

/* Takes a number off the front; false where there is none, or one of more than 18 digits. */
bool spool_number(struct slice *text, uint64_t *out);
/* The whole of it. */
bool spool_is_number(struct slice text, uint64_t *out);

#endif
