/*
 * The files below a directory of a spool, one a step: spools hash their files into
 * directories. What goes while it is walked is passed over, and so is lost+found, which is root's
 * where a spool is a file system of its own; nothing is followed out of it.
 */
#ifndef QUEUE_WALK_H
#define QUEUE_WALK_H

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mailvane/base/slice.h"

#define WALK_DEPTH 4 /* directories below the first are at most so many deep */

struct walk {
    DIR *dirs[WALK_DEPTH + 1];
    unsigned depth; /* open ones */
    const char *name;
    /* Of the directory that is read, below the first; of the one that cannot be read. */
    char path[(WALK_DEPTH + 1) * (NAME_MAX + 1)];
};

/*
 * Zeroed before its first use. -1 with errno where the directory cannot be read. It may be
 * a link: administrators move queues to other disks.
 */
int walk_open(struct walk *walk, const char *path);
void walk_close(struct walk *walk);

enum walk_step {
    WALK_FILE,    /* walk->name, until the next step */
    WALK_NOTHING, /* a directory was entered or left */
    WALK_DONE,
    WALK_FAILED, /* a directory cannot be read; errno */
};
enum walk_step walk_next(struct walk *walk);

/* A file beside the last one, to be read; -1 with errno. */
int walk_open_file(const struct walk *walk, const char *name);
int walk_stat(const struct walk *walk, const char *name, struct stat *st);

#endif
