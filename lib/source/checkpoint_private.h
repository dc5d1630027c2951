/*
 * What a checkpoint is made of. checkpoint_sql.c has all SQL and the small words for it,
 * checkpoint_file.c what is done to the file as a file, checkpoint.c what is done with both.
 */
#ifndef SOURCE_CHECKPOINT_PRIVATE_H
#define SOURCE_CHECKPOINT_PRIVATE_H

#include <sqlite3.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/source/checkpoint.h"

/* Tells a file of a machine with the other byte order. */
#define BYTE_ORDER_MARK              INT64_C(0x0102030405060708)
#define CHECKPOINT_VERSION           1
#define CHECKPOINT_APPLICATION       0x6d76616e /* "mvan" */
#define CHECKPOINT_APPLICATION_BYTES "mvan"
#define CHECKPOINT_FOREIGN           "is no state file of mailvane, and is left alone"
#define CHECKPOINT_PATH_MAX          4200

enum statement {
    META_GET,
    META_SET,
    REGIONS,
    REGION_SET,
    REGION_DROP,
    REGION_CHUNKS,
    REGION_CUT,
    REGIONS_TORN,
    CHUNK_SET,
    FILES,
    FILES_CLEAR,
    FILE_ADD,
    STATEMENTS
};

/* A named stretch as the file has it. */
struct region {
    char *name;
    int64_t number;
    size_t len;
    uint64_t *hashes; /* of its chunks; NULL: to be written whole */
    size_t chunks;
    bool seen; /* put in this save */
};

struct checkpoint {
    struct image_writer writer;
    struct image_reader reader;
    const struct logger *log;
    char *path;
    int lock;
    bool ours;        /* the file is, or was, a state file */
    bool was_damaged; /* and was moved aside */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t seed;
    bool fresh;
    struct region *regions;
    size_t region_count;
    size_t turn; /* where the next put is looked for first: the order is the same each time */
    uint64_t files_hash;
    struct strbuf bytes; /* of the region that is read */
    bool begun;          /* checkpoint_begin was called */
    bool writing;        /* and something had changed: a transaction is open */
    bool crowded;        /* too many files; said once */
    bool failed;
    int code; /* SQLite's, of the failure */
    struct error why;
    int frames; /* in the write-ahead log */
};

/* Takes the lock beside the file, and finds out from it whether the file was a state file. */
int checkpoint_lock(struct checkpoint *c);
/* The file is a state file: says so in the lock. */
void checkpoint_claim(struct checkpoint *c);
/* Renames the file and what belongs to it. */
int checkpoint_set_aside(struct checkpoint *c);
/*
 * Each does nothing once something has failed; the first failure of a save is the one that is
 * told (c->why), and its code is kept.
 */
void checkpoint_fail(struct checkpoint *c);
/* NULL where it cannot be prepared. */
sqlite3_stmt *checkpoint_prepared(struct checkpoint *c, enum statement which);
/* Runs a statement that gives no rows. */
void checkpoint_run(struct checkpoint *c, sqlite3_stmt *statement);
void checkpoint_execute(struct checkpoint *c, const char *text);
/* The one number that a statement gives; `otherwise` where it gives none. */
int64_t checkpoint_number(struct checkpoint *c, sqlite3_stmt *statement, int64_t otherwise);
/* The same of a text, 0 where it gives none. */
int64_t checkpoint_ask(struct checkpoint *c, const char *text);
int64_t checkpoint_meta(struct checkpoint *c, const char *name, int64_t otherwise);
void checkpoint_set_meta(struct checkpoint *c, const char *name, int64_t value);
void checkpoint_bind_text(sqlite3_stmt *statement, int at, const char *text);
/* Brings the tables from that version to CHECKPOINT_VERSION. */
void checkpoint_migrate(struct checkpoint *c, int64_t version);
/* For a connection that was just opened. */
void checkpoint_settings(struct checkpoint *c);

#endif
