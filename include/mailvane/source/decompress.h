/*
 * Compressed log files, through the tool that every host has for them (gzip, bzip2,
 * xz, zstd) in a child process: a file made to hurt a decompressor hurts the child
 * alone, and its memory is not ours.
 */
#ifndef MAILVANE_SOURCE_DECOMPRESS_H
#define MAILVANE_SOURCE_DECOMPRESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

struct decompress {
    int fd;           /* read the plain bytes here */
    pid_t pid;        /* 0: the file is not compressed and fd is the file itself */
    const char *tool; /* for messages */
};

/*
 * Takes an open regular file and looks at its first bytes (not at its name); fd is
 * owned by *out from then on, also where it fails.
 */
int decompress_open(struct decompress *out, const char *path, int fd, struct error *err);

/* The tool that reads what begins with these bytes; NULL where they are plain text. */
const char *decompress_tool(struct slice head);

/* Do the first bytes say that there is a tool for it? */
bool decompress_knows(int fd);

/* Before the end of the bytes: nobody wants the rest. */
void decompress_abandon(struct decompress *d);

/* To be called at the end of the bytes: -1 if the tool failed, so that they may not be whole. */
int decompress_close(struct decompress *d, const char *path, struct error *err);

#endif
