/*
 * The checkpoint: what is to be known again after a restart, in one SQLite file.
 *
 *     checkpoint_begin(c);
 *     pipeline_save(&pipeline, checkpoint_writer(c));     counters, tables
 *     checkpoint_put_files(c, &rows);                     files and offsets
 *     if (checkpoint_commit(c, &err) < 0) ...             all of it, or nothing
 *
 * Counters and offsets are saved in one transaction: after a crash the lines that were read
 * since are read again, and counted once. The file is in WAL mode with synchronous=NORMAL:
 * a process that is killed loses nothing that was committed, and a machine that loses power
 * goes back to an earlier commit, whose offsets are as old as its counters.
 *
 * Images (base/image.h) are cut into chunks; only those whose bytes changed since the last
 * commit are written, so that a save costs by what has changed. Nothing is written where
 * nothing has.
 *
 * One process has a state file at a time; FILE.lock says so. A state file that is damaged is
 * moved aside as FILE.corrupt-TIME, never deleted. A file of a newer version is left alone, and
 * so is what is no state file: FILE.lock tells that a damaged one was.
 * A file that is made can be read by its owner only, one that is there keeps its rights: it holds
 * recipient domains and hashes of addresses.
 */
#ifndef MAILVANE_SOURCE_CHECKPOINT_H
#define MAILVANE_SOURCE_CHECKPOINT_H

#include "mailvane/base/error.h"
#include "mailvane/base/image.h"
#include "mailvane/base/log.h"
#include "mailvane/source/follow.h"

#define CHECKPOINT_CHUNK        4000        /* bytes: a row fits into a page of the file */
#define CHECKPOINT_REGIONS_MAX  1024        /* named stretches */
#define CHECKPOINT_REGION_BYTES (64u << 20) /* of one stretch */
#define CHECKPOINT_FILES_MAX    65536       /* rows of followed files */

struct checkpoint;

/*
 * Opens the file, or makes one. NULL with a sentence where that cannot be: the caller goes on
 * without. log, which must outlive the checkpoint, is told of a file that was moved aside.
 */
struct checkpoint *checkpoint_open(const char *path, const struct logger *log, struct error *err);
/* Ends a save that was begun and not committed as if it had not been. */
void checkpoint_close(struct checkpoint *c);

/*
 * Could it be opened, as far as its rights and first bytes tell (not what a write-ahead log
 * still holds)? -1 with a sentence. Changes nothing.
 */
int checkpoint_inspect(const char *path, struct error *err);

/*
 * The same file with its directory's links followed: SQLite is to follow none, so that nobody
 * who may write beside the file can lead it elsewhere, but /var may be one. To be freed.
 */
char *checkpoint_without_links(const char *path);

/* Of all hashes that are kept in the file: drawn once, when it was made. */
uint64_t checkpoint_seed(const struct checkpoint *c);
/* Was nothing ever saved? */
bool checkpoint_is_new(const struct checkpoint *c);
/* Was a damaged file moved aside? */
bool checkpoint_was_damaged(const struct checkpoint *c);
/* What was saved last, before anything is saved anew. */
struct image_reader *checkpoint_reader(struct checkpoint *c);
int checkpoint_files(struct checkpoint *c, struct follow_rows *out, struct error *err);
/*
 * What the file holds cannot be: moves it aside and begins a new one, with the same seed.
 * -1 with a sentence where that fails; the checkpoint must then be closed.
 */
int checkpoint_discard(struct checkpoint *c, struct error *err);

void checkpoint_begin(struct checkpoint *c);
struct image_writer *checkpoint_writer(struct checkpoint *c);
void checkpoint_put_files(struct checkpoint *c, const struct follow_rows *rows);
/* -1 with a sentence: the file is as it was before checkpoint_begin. */
int checkpoint_commit(struct checkpoint *c, struct error *err);

/*
 * Brings the log of what was written (FILE-wal) back into the file where it has grown long.
 * This waits for the disk: call it when nobody waits for an answer.
 */
void checkpoint_tidy(struct checkpoint *c);

#endif
