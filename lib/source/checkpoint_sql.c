#include "checkpoint_private.h"

#include <stdio.h>

/* From version n to n + 1. */
static const char *const migrations[CHECKPOINT_VERSION] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE region(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " length INTEGER NOT NULL);"
    "CREATE TABLE chunk(place INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE file(position INTEGER PRIMARY KEY, role INTEGER NOT NULL,"
    " pattern TEXT NOT NULL, path TEXT NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL,"
    " born INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,"
    " head_len INTEGER NOT NULL, head_hash INTEGER NOT NULL, mark_end INTEGER NOT NULL,"
    " mark_len INTEGER NOT NULL, mark_hash INTEGER NOT NULL, since INTEGER NOT NULL,"
    " skipping INTEGER NOT NULL);",
};

/* No fsync at a commit, one when the log is brought back; a small cache: it is written, not read.
 */
static const char settings[] = "PRAGMA journal_mode=WAL;"
                               "PRAGMA synchronous=NORMAL;"
                               "PRAGMA wal_autocheckpoint=0;"
                               "PRAGMA cache_size=-256;"
                               "PRAGMA temp_store=MEMORY;";

static const char *const sql[STATEMENTS] = {
    [META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [META_SET] = "REPLACE INTO meta VALUES(?1, ?2)",
    [REGIONS] = "SELECT number, name, length FROM region ORDER BY number",
    [REGION_SET] = "REPLACE INTO region VALUES(?1, ?2, ?3)",
    [REGION_DROP] = "DELETE FROM region WHERE number = ?1",
    [REGION_CHUNKS] = "SELECT bytes FROM chunk WHERE place >= ?1 AND place < ?2 ORDER BY place",
    /* What is behind its end; of a region that is dropped, all of it. */
    [REGION_CUT] = "DELETE FROM chunk WHERE place >= ?1 AND place < ?2",
    [REGIONS_TORN] = "SELECT count(*) FROM region WHERE length <> (SELECT"
                     " coalesce(sum(length(bytes)), 0) FROM chunk WHERE place >= number << 32"
                     " AND place < (number + 1) << 32)",
    [CHUNK_SET] = "REPLACE INTO chunk VALUES(?1, ?2)",
    [FILES] = "SELECT role, pattern, path, dev, ino, born, offset, size, head_len, head_hash,"
              " mark_end, mark_len, mark_hash, since, skipping FROM file ORDER BY position",
    [FILES_CLEAR] = "DELETE FROM file",
    [FILE_ADD] = "INSERT INTO file VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                 " ?13, ?14, ?15)",
};

void checkpoint_fail(struct checkpoint *c)
{
    if (c->failed)
        return;
    error_set(&c->why, "%s: %s", c->path, sqlite3_errmsg(c->db));
    c->code = sqlite3_errcode(c->db);
    c->failed = true;
}

sqlite3_stmt *checkpoint_prepared(struct checkpoint *c, enum statement which)
{
    sqlite3_stmt **statement = &c->statements[which];
    if (!*statement &&
        sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL))
        checkpoint_fail(c);
    return *statement;
}

void checkpoint_run(struct checkpoint *c, sqlite3_stmt *statement)
{
    if (!c->failed && sqlite3_step(statement) != SQLITE_DONE)
        checkpoint_fail(c);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

void checkpoint_execute(struct checkpoint *c, const char *text)
{
    if (!c->failed && sqlite3_exec(c->db, text, NULL, NULL, NULL))
        checkpoint_fail(c);
}

int64_t checkpoint_number(struct checkpoint *c, sqlite3_stmt *statement, int64_t otherwise)
{
    int rc = c->failed ? SQLITE_ERROR : sqlite3_step(statement);
    int64_t number = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : otherwise;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        checkpoint_fail(c);
    sqlite3_reset(statement);
    return number;
}

int64_t checkpoint_ask(struct checkpoint *c, const char *text)
{
    sqlite3_stmt *statement = NULL;
    if (c->failed || sqlite3_prepare_v2(c->db, text, -1, &statement, NULL)) {
        checkpoint_fail(c);
        return 0;
    }
    int64_t number = checkpoint_number(c, statement, 0);
    sqlite3_finalize(statement);
    return number;
}

void checkpoint_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

int64_t checkpoint_meta(struct checkpoint *c, const char *name, int64_t otherwise)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, META_GET);
    if (!statement)
        return otherwise;
    checkpoint_bind_text(statement, 1, name);
    return checkpoint_number(c, statement, otherwise);
}

void checkpoint_set_meta(struct checkpoint *c, const char *name, int64_t value)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, META_SET);
    if (!statement)
        return;
    checkpoint_bind_text(statement, 1, name);
    sqlite3_bind_int64(statement, 2, value);
    checkpoint_run(c, statement);
}

void checkpoint_settings(struct checkpoint *c)
{
    char text[64];
    /* Before the write-ahead log is on: so it stands in the file's own first bytes. */
    if (checkpoint_ask(c, "PRAGMA application_id") == 0) {
        snprintf(text, sizeof(text), "PRAGMA application_id=%d", CHECKPOINT_APPLICATION);
        checkpoint_execute(c, text);
    }
    checkpoint_execute(c, settings);
}

void checkpoint_migrate(struct checkpoint *c, int64_t version)
{
    char text[96];
    checkpoint_execute(c, "BEGIN IMMEDIATE");
    for (; version < CHECKPOINT_VERSION; version++)
        checkpoint_execute(c, migrations[version]);
    snprintf(text, sizeof(text), "PRAGMA user_version=%d", CHECKPOINT_VERSION);
    checkpoint_execute(c, text);
    if (checkpoint_meta(c, "byte_order", 0) == 0) {
        checkpoint_set_meta(c, "byte_order", BYTE_ORDER_MARK);
        checkpoint_set_meta(c, "seed", (int64_t)c->seed);
    }
    checkpoint_execute(c, "COMMIT");
}
