/*
 * Following files that grow, are rotated, vanish and come back.
 *
 * A follow set watches patterns (paths or globs) with inotify and hands out
 * blocks of whole lines, each byte once:
 *   - rotation by rename: the old file is drained to its end, then every file
 *     that stood under the name in between, then the new one; the old one stays
 *     open for a while, as its writer may not have reopened yet;
 *   - copytruncate: what was written before the truncation and not read yet is
 *     read from the copy where one is found; otherwise it is counted as lost
 *     as far as it is known;
 *   - a file, a directory or a symlink's target that appears later is found;
 *   - after IN_Q_OVERFLOW everything is looked at again.
 * Data never waits for a timer; follow_check is for what inotify cannot see
 * (network file systems, a bug) and may be called as seldom as the owner likes.
 *
 * Rotated files are looked for beside the file that the path leads to. Files
 * that came and went unseen count when a number or a date was added to the name
 * (mail.log.1, mail.log-20240131, mail-20240131.log; also .old and .prev); a
 * copy of a truncated file may have any name that begins with the file's and "."
 * or "-". A copy of a file whose lines count already is not read. A file that two
 * patterns lead to belongs to the first, and so do the files rotated from it.
 *
 * After a restart (follow_save, follow_add) each file is read on from where it was
 * left: under its name, a rotated one, as a copy, or compressed meanwhile; it is told
 * by device, inode and birth, which its content must confirm, or by its content alone.
 * Then what was rotated since: what stands behind it by its name, and else what was
 * not there and is not older than the last look; compressed or not. Only then are
 * compressed files read. What is gone is counted as lost as far as it is known.
 *
 * Limits: FOLLOW_FILES_MAX open files in all; one block buffer for all files,
 * of line_max bytes, and a small fixed state a file; for a compressed file, while it is
 * read, a buffer and a child process more.
 */
#ifndef MAILVANE_SOURCE_FOLLOW_H
#define MAILVANE_SOURCE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/error.h"
#include "mailvane/base/log.h"
#include "mailvane/base/slice.h"

#define FOLLOW_SOURCES_MAX 64
#define FOLLOW_FILES_MAX   256

struct follow;

struct follow_options {
    const struct logger *log; /* may be NULL */
    size_t line_max;          /* longest line in bytes; a longer one is skipped and counted */
    bool from_start; /* read what the files hold when they are added, instead of only what comes */
    /*
     * May be NULL. Called within follow_next and follow_check, when every block so far was
     * counted, before a file is closed whose bytes were handed out: what was saved last may
     * name a place in it that is gone afterwards, so the owner saves now.
     */
    void (*before_drop)(void *arg);
    void *arg;
};

/* What a source (one pattern) counted; monotonic. */
struct follow_stats {
    const char *pattern;
    uint64_t read_bytes;
    uint64_t lost_bytes; /* truncated away before they were read */
    uint64_t long_lines;
    uint64_t renames;      /* rotations by rename */
    uint64_t truncates;    /* rotations by truncation */
    uint64_t behind_bytes; /* gauge: written and not yet handed out, by the last look */
    uint32_t files;        /* gauge: open now */
};

struct follow_block {
    struct slice
        lines;       /* one or more whole lines, each with its newline; valid until the next call */
    unsigned source; /* as follow_add returned */
    int64_t mtime;   /* of the file, seconds since the epoch: years are inferred against it */
};

enum follow_result {
    FOLLOW_BLOCK, /* *out is filled; call again */
    FOLLOW_IDLE,  /* all was read; wait for follow_fd to become readable */
};

enum follow_role {
    FOLLOW_SOURCE,  /* a pattern was followed */
    FOLLOW_PATH,    /* and this path of it */
    FOLLOW_CURRENT, /* the file that the path named */
    FOLLOW_OLDER,   /* one that it named before and that was open still */
    FOLLOW_KNOWN,   /* a file beside it that is accounted for, read or none of ours */
    FOLLOW_PENDING, /* a file beside it that was empty: what it is shows when it grows */
};

/* One thing to be known again after a restart: plain values, so that anybody can store it. */
struct follow_row {
    enum follow_role role;
    char *pattern;     /* the source's, as it was made absolute */
    char *path;        /* the stream's; "" of FOLLOW_SOURCE */
    uint64_t dev, ino; /* which file */
    int64_t born;
    uint64_t offset; /* first byte that was not handed out (of a compressed file: of its content) */
    uint64_t size;   /* at the last look */
    uint64_t head_len, head_hash;           /* XXH3 of the first bytes */
    uint64_t mark_end, mark_len, mark_hash; /* of the bytes before what was handed out last */
    int64_t since; /* of a source or path: nothing older is unread (ns since the epoch) */
    bool skipping; /* within a line that is too long */
};

struct follow_rows {
    struct follow_row *items; /* owned, and so are their strings */
    size_t count;
};

struct follow *follow_new(const struct follow_options *options, struct error *err);
void follow_free(struct follow *follow);

/*
 * Adds a path or a glob; the file need not exist yet, nor its directory. A relative
 * one is of the current directory. Files that appear later are read from their start.
 * Returns the source's number, counted from 0; -1 with a sentence where there are
 * too many or the pattern is unusable.
 *
 * `saved` is what follow_save told before a restart; NULL at a first start. Where it knows the
 * pattern, each file is read on from where it was left, wherever it is now; from_start means
 * nothing then. Rows of other patterns are ignored, and so, with a sentence, are those that
 * cannot be: they may come from a damaged file.
 */
int follow_add(struct follow *follow, const char *pattern, const struct follow_rows *saved,
               struct error *err);

/*
 * Appends all that has to be known after a restart, as of the last block: to be stored together
 * with what was counted. Not before all sources were added, or the others are forgotten.
 */
void follow_save(const struct follow *follow, struct follow_rows *out);
void follow_rows_release(struct follow_rows *rows);

/* Becomes readable when something changed: call follow_wake, then follow_next until IDLE. */
int follow_fd(const struct follow *follow);

/* Takes in what inotify has to say. Never blocks. */
void follow_wake(struct follow *follow);

/*
 * Looks at every pattern and every file, whatever inotify said, and lets go rotated
 * files that were quiet for some such looks: call follow_next until IDLE afterwards.
 */
void follow_check(struct follow *follow);

/*
 * Gives the next block of whole lines, of each file from the oldest data on; files
 * take turns. Waits for nothing but the tool that decompresses, after a restart.
 */
enum follow_result follow_next(struct follow *follow, struct follow_block *out);

unsigned follow_sources(const struct follow *follow);
void follow_stats_get(const struct follow *follow, unsigned source, struct follow_stats *out);
/* IN_Q_OVERFLOW seen so far. */
uint64_t follow_overflows(const struct follow *follow);

#endif
