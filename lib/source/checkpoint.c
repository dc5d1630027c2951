#include "checkpoint_private.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

#define TIDY_FRAMES       1000 /* pages of 4 KiB in the write-ahead log */
#define REGION_NUMBER_MAX (1 << 20)
/* A chunk's row: its region's number above, its own below. */
#define PLACE(region, chunk) ((int64_t)(region) << 32 | (int64_t)(chunk))

/* --- opening ------------------------------------------------------------------------------ */

static void forget_regions(struct checkpoint *c)
{
    for (size_t i = 0; i < c->region_count; i++) {
        free(c->regions[i].name);
        free(c->regions[i].hashes);
    }
    free(c->regions);
    c->regions = NULL;
    c->region_count = c->turn = 0;
    c->files_hash = 0;
}

static void close_file(struct checkpoint *c)
{
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(c->statements[i]);
    memset(c->statements, 0, sizeof(c->statements));
    sqlite3_close(c->db);
    c->db = NULL;
    forget_regions(c);
}

static int on_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
    struct checkpoint *c = arg;
    (void)db;
    (void)name;
    c->frames = frames;
    return SQLITE_OK;
}

static void remember_region(struct checkpoint *c, int64_t number, const char *name, size_t len)
{
    c->regions = must_realloc(c->regions, (c->region_count + 1) * sizeof(*c->regions));
    c->regions[c->region_count++] =
        (struct region){.name = must_strdup(name), .number = number, .len = len};
}

/* False where there is a region that cannot be. */
static bool read_regions(struct checkpoint *c)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, REGIONS);
    bool good = true;
    int rc = SQLITE_DONE;
    while (good && statement && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        int64_t len = sqlite3_column_int64(statement, 2);
        good = name && number > 0 && number <= REGION_NUMBER_MAX && len >= 0 &&
               len <= CHECKPOINT_REGION_BYTES && c->region_count < CHECKPOINT_REGIONS_MAX;
        if (good)
            remember_region(c, number, name, (size_t)len);
    }
    sqlite3_reset(statement);
    return good && rc == SQLITE_DONE && statement &&
           checkpoint_number(c, checkpoint_prepared(c, REGIONS_TORN), 1) == 0;
}

enum state { STATE_GOOD, STATE_DAMAGED, STATE_REFUSED };

static enum state refuse(struct checkpoint *c, const char *why)
{
    error_set(&c->why, "%s: %s", c->path, why);
    return STATE_REFUSED;
}

/* Damage is told from a disk that is full, a file that may not be read, and the like. */
static enum state judge_failure(const struct checkpoint *c)
{
    return c->code == SQLITE_NOTADB || c->code == SQLITE_CORRUPT ? STATE_DAMAGED : STATE_REFUSED;
}

/* What is in the file? It is made what it should be where it is older, or new. */
static enum state read_file(struct checkpoint *c)
{
    int64_t version = checkpoint_ask(c, "PRAGMA user_version");
    int64_t owner = checkpoint_ask(c, "PRAGMA application_id");
    int64_t tables = checkpoint_ask(c, "SELECT count(*) FROM sqlite_schema");
    if (c->failed)
        return judge_failure(c);
    if (tables && owner != CHECKPOINT_APPLICATION)
        return refuse(c, CHECKPOINT_FOREIGN);
    if (version > CHECKPOINT_VERSION)
        return refuse(c, "is of a newer version of mailvane and is left alone");
    c->ours |= tables > 0;
    if (version < 0)
        return STATE_DAMAGED;
    if (checkpoint_ask(c, "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'"))
        return STATE_DAMAGED;
    checkpoint_settings(c);
    checkpoint_migrate(c, version);
    if (checkpoint_meta(c, "byte_order", 0) != BYTE_ORDER_MARK && !c->failed)
        return STATE_DAMAGED;
    c->seed = (uint64_t)checkpoint_meta(c, "seed", 0);
    c->fresh = checkpoint_meta(c, "saved", 0) == 0;
    bool good = read_regions(c);
    return c->failed ? judge_failure(c) : good ? STATE_GOOD : STATE_DAMAGED;
}

/*
 * There are no views and no triggers in a file of ours: in a forged one a view could have no
 * end, and a trigger undo what is saved.
 */
static void distrust(sqlite3 *db)
{
    static const int off[] = {SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_TRIGGER,
                              SQLITE_DBCONFIG_TRUSTED_SCHEMA};
    for (unsigned i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        sqlite3_db_config(db, off[i], 0, (int *)NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
}

static enum state open_file(struct checkpoint *c)
{
    c->failed = false;
    /* Its log and the rest get the rights of the file itself. */
    mode_t before = umask(077);
    int rc = sqlite3_open_v2(
        c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
    enum state state = STATE_REFUSED;
    if (rc) {
        error_set(&c->why, "%s: %s", c->path, c->db ? sqlite3_errmsg(c->db) : "no memory");
    } else {
        distrust(c->db);
        state = read_file(c);
    }
    umask(before);
    if (state == STATE_GOOD)
        sqlite3_wal_hook(c->db, on_frames, c);
    else
        close_file(c);
    /* A file that never was ours is no damaged one: somebody wrote its name by mistake. */
    return state == STATE_DAMAGED && !c->ours ? refuse(c, CHECKPOINT_FOREIGN) : state;
}

static void put_region(struct image_writer *writer, const char *name, struct slice bytes);
static struct slice get_region(struct image_reader *reader, const char *name);

struct checkpoint *checkpoint_open(const char *path, const struct logger *log, struct error *err)
{
    struct checkpoint *c = must_calloc(1, sizeof(*c));
    c->writer.put = put_region;
    c->reader.get = get_region;
    c->log = log;
    c->path = checkpoint_without_links(path);
    c->seed = hash_seed();
    enum state state = checkpoint_lock(c) < 0 ? STATE_REFUSED : open_file(c);
    if (state == STATE_DAMAGED && checkpoint_set_aside(c) == 0)
        state = open_file(c);
    if (state == STATE_GOOD) {
        checkpoint_claim(c);
        return c;
    }
    *err = c->why;
    checkpoint_close(c);
    return NULL;
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    close_file(c);
    strbuf_release(&c->bytes);
    if (c->lock >= 0)
        close(c->lock);
    free(c->path);
    free(c);
}

int checkpoint_discard(struct checkpoint *c, struct error *err)
{
    uint64_t seed = c->seed;
    close_file(c);
    bool good = checkpoint_set_aside(c) == 0 && (c->seed = seed, open_file(c) == STATE_GOOD);
    if (!good)
        *err = c->why;
    return good ? 0 : -1;
}

uint64_t checkpoint_seed(const struct checkpoint *c)
{
    return c->seed;
}

bool checkpoint_was_damaged(const struct checkpoint *c)
{
    return c->was_damaged;
}

bool checkpoint_is_new(const struct checkpoint *c)
{
    return c->fresh;
}

/* --- reading ------------------------------------------------------------------------------ */

static struct region *find_region(struct checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->region_count; i++) {
        size_t at = (c->turn + i) % c->region_count;
        if (strcmp(c->regions[at].name, name) == 0) {
            c->turn = at + 1;
            return &c->regions[at];
        }
    }
    return NULL;
}

static struct slice get_region(struct image_reader *reader, const char *name)
{
    struct checkpoint *c =
        (struct checkpoint *)(void *)((char *)reader - offsetof(struct checkpoint, reader));
    const struct region *region = find_region(c, name);
    sqlite3_stmt *statement = region ? checkpoint_prepared(c, REGION_CHUNKS) : NULL;
    strbuf_reset(&c->bytes);
    if (!statement)
        return SLICE_NONE;
    sqlite3_bind_int64(statement, 1, PLACE(region->number, 0));
    sqlite3_bind_int64(statement, 2, PLACE(region->number + 1, 0));
    while (sqlite3_step(statement) == SQLITE_ROW && c->bytes.len <= region->len)
        strbuf_add(&c->bytes, sqlite3_column_blob(statement, 0),
                   (size_t)sqlite3_column_bytes(statement, 0));
    sqlite3_reset(statement);
    /* The lengths were compared when the file was opened. */
    return c->bytes.len == region->len ? strbuf_slice(&c->bytes) : SLICE_NONE;
}

struct image_reader *checkpoint_reader(struct checkpoint *c)
{
    return &c->reader;
}

static char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return must_strdup(text ? text : "");
}

static struct follow_row row_of(sqlite3_stmt *s)
{
    uint64_t n[15];
    for (int i = 0; i < 15; i++)
        n[i] = (uint64_t)sqlite3_column_int64(s, i);
    return (struct follow_row){
        .role = (enum follow_role)n[0],
        .pattern = column_text(s, 1),
        .path = column_text(s, 2),
        .dev = n[3],
        .ino = n[4],
        .born = (int64_t)n[5],
        .offset = n[6],
        .size = n[7],
        .head_len = n[8],
        .head_hash = n[9],
        .mark_end = n[10],
        .mark_len = n[11],
        .mark_hash = n[12],
        .since = (int64_t)n[13],
        .skipping = n[14] != 0,
    };
}

int checkpoint_files(struct checkpoint *c, struct follow_rows *out, struct error *err)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, FILES);
    int rc = statement ? SQLITE_DONE : SQLITE_ERROR;
    size_t room = 0;
    *out = (struct follow_rows){0};
    while (statement && out->count < CHECKPOINT_FILES_MAX &&
           (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (out->count == room) {
            room = room ? room * 2 : 64;
            out->items = must_realloc(out->items, room * sizeof(*out->items));
        }
        out->items[out->count++] = row_of(statement);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        error_set(err, "%s: %s", c->path, sqlite3_errmsg(c->db));
    sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* --- saving ------------------------------------------------------------------------------- */

void checkpoint_begin(struct checkpoint *c)
{
    bug_if(c->begun);
    c->begun = true;
    c->writing = c->failed = false;
    c->turn = 0;
    for (size_t i = 0; i < c->region_count; i++)
        c->regions[i].seen = false;
}

struct image_writer *checkpoint_writer(struct checkpoint *c)
{
    return &c->writer;
}

/* A transaction is begun by the first thing that has changed. */
static void begin_writing(struct checkpoint *c)
{
    if (!c->writing)
        checkpoint_execute(c, "BEGIN IMMEDIATE");
    c->writing = true;
}

static bool is_number_taken(const struct checkpoint *c, int64_t number)
{
    for (size_t i = 0; i < c->region_count; i++) {
        if (c->regions[i].number == number)
            return true;
    }
    return false;
}

/* The file may hold as many stretches again that nobody puts any more: see drop_unseen(). */
static struct region *new_region(struct checkpoint *c, const char *name)
{
    int64_t number = 1;
    bug_if(c->region_count == 2 * CHECKPOINT_REGIONS_MAX || strlen(name) > IMAGE_NAME_MAX);
    while (is_number_taken(c, number))
        number++;
    remember_region(c, number, name, SIZE_MAX);
    return &c->regions[c->region_count - 1];
}

static void cut(struct checkpoint *c, int64_t number, size_t chunks)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, REGION_CUT);
    if (!statement)
        return;
    sqlite3_bind_int64(statement, 1, PLACE(number, chunks));
    sqlite3_bind_int64(statement, 2, PLACE(number + 1, 0));
    checkpoint_run(c, statement);
}

/* Its length, which is also what tells that it is there. */
static void set_length(struct checkpoint *c, struct region *region, size_t len)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, REGION_SET);
    size_t chunks = (len + CHECKPOINT_CHUNK - 1) / CHECKPOINT_CHUNK;
    if (!statement)
        return;
    sqlite3_bind_int64(statement, 1, region->number);
    checkpoint_bind_text(statement, 2, region->name);
    sqlite3_bind_int64(statement, 3, (int64_t)len);
    checkpoint_run(c, statement);
    if (chunks < region->chunks || !region->hashes)
        cut(c, region->number, chunks);
    region->hashes = must_realloc(region->hashes, (chunks + 1) * sizeof(*region->hashes));
    for (size_t i = region->chunks; i < chunks; i++)
        region->hashes[i] = 0;
    region->len = len;
    region->chunks = chunks;
}

/* A hash says "changed" for sure, and "the same" with a doubt of one in 2^64. */
static void put_chunk(struct checkpoint *c, struct region *region, size_t number,
                      struct slice bytes)
{
    uint64_t hash = hash_slice(bytes, c->seed) | 1; /* 0: not written yet */
    if (region->hashes[number] == hash)
        return;
    begin_writing(c);
    sqlite3_stmt *statement = checkpoint_prepared(c, CHUNK_SET);
    if (!statement)
        return;
    sqlite3_bind_int64(statement, 1, PLACE(region->number, number));
    sqlite3_bind_blob(statement, 2, bytes.ptr, (int)bytes.len, SQLITE_STATIC);
    checkpoint_run(c, statement);
    region->hashes[number] = hash;
}

static void put_region(struct image_writer *writer, const char *name, struct slice bytes)
{
    struct checkpoint *c =
        (struct checkpoint *)(void *)((char *)writer - offsetof(struct checkpoint, writer));
    bug_if(!c->begun || bytes.len > CHECKPOINT_REGION_BYTES);
    struct region *region = find_region(c, name);
    if (!region)
        region = new_region(c, name);
    region->seen = true;
    if (region->len != bytes.len || !region->hashes) {
        begin_writing(c);
        set_length(c, region, bytes.len);
    }
    for (size_t i = 0; i < region->chunks && !c->failed; i++)
        put_chunk(c, region, i,
                  slice_head(slice_skip(bytes, i * CHECKPOINT_CHUNK), CHECKPOINT_CHUNK));
}

static uint64_t hash_of_rows(const struct follow_rows *rows, uint64_t seed)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < rows->count; i++) {
        const struct follow_row *row = &rows->items[i];
        const uint64_t n[] = {row->role,     row->dev,      row->ino,       (uint64_t)row->born,
                              row->offset,   row->size,     row->head_len,  row->head_hash,
                              row->mark_end, row->mark_len, row->mark_hash, (uint64_t)row->since,
                              row->skipping};
        hash = hash_slice(slice_of((const char *)n, sizeof(n)), hash);
        hash = hash_slice(slice_str(row->pattern), hash);
        hash = hash_slice(slice_str(row->path), hash);
    }
    return hash | 1;
}

static void add_file(struct checkpoint *c, const struct follow_row *row)
{
    sqlite3_stmt *statement = checkpoint_prepared(c, FILE_ADD);
    if (!statement)
        return;
    const uint64_t n[] = {row->dev,      row->ino,       (uint64_t)row->born,  row->offset,
                          row->size,     row->head_len,  row->head_hash,       row->mark_end,
                          row->mark_len, row->mark_hash, (uint64_t)row->since, row->skipping};
    sqlite3_bind_int64(statement, 1, row->role);
    checkpoint_bind_text(statement, 2, row->pattern);
    checkpoint_bind_text(statement, 3, row->path);
    for (int i = 0; i < 12; i++)
        sqlite3_bind_int64(statement, 4 + i, (int64_t)n[i]);
    checkpoint_run(c, statement);
}

/* What is only known to be none of ours: a log may have thousands of old files beside it. */
static bool is_minor(const struct follow_row *row)
{
    return row->role == FOLLOW_KNOWN || row->role == FOLLOW_PENDING;
}

/* The places first: where there is no room for all, what is left out is not read twice. */
static void add_files(struct checkpoint *c, const struct follow_rows *rows)
{
    size_t added = 0;
    for (unsigned minor = 0; minor < 2; minor++) {
        for (size_t i = 0; i < rows->count; i++) {
            if (is_minor(&rows->items[i]) != (bool)minor)
                continue;
            if (added++ < CHECKPOINT_FILES_MAX)
                add_file(c, &rows->items[i]);
        }
    }
    if (added > CHECKPOINT_FILES_MAX && !c->crowded)
        log_warn(c->log, "%s: only %d of %zu files beside the logs are remembered", c->path,
                 CHECKPOINT_FILES_MAX, added);
    c->crowded |= added > CHECKPOINT_FILES_MAX;
}

void checkpoint_put_files(struct checkpoint *c, const struct follow_rows *rows)
{
    uint64_t hash = hash_of_rows(rows, c->seed);
    bug_if(!c->begun);
    if (hash == c->files_hash || c->failed)
        return;
    begin_writing(c);
    sqlite3_stmt *statement = checkpoint_prepared(c, FILES_CLEAR);
    if (statement)
        checkpoint_run(c, statement);
    add_files(c, rows);
    c->files_hash = hash;
}

/* What nobody put is of another version, or of what is no longer counted. */
static void drop_unseen(struct checkpoint *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->region_count; i++) {
        struct region *region = &c->regions[i];
        if (region->seen) {
            c->regions[kept++] = *region;
            continue;
        }
        begin_writing(c);
        cut(c, region->number, 0);
        sqlite3_stmt *statement = checkpoint_prepared(c, REGION_DROP);
        if (statement) {
            sqlite3_bind_int64(statement, 1, region->number);
            checkpoint_run(c, statement);
        }
        free(region->name);
        free(region->hashes);
    }
    c->region_count = kept;
}

/* After a rollback nobody knows what the file holds of this save: all is written again. */
static void unlearn(struct checkpoint *c)
{
    for (size_t i = 0; i < c->region_count; i++) {
        free(c->regions[i].hashes);
        c->regions[i].hashes = NULL;
        c->regions[i].chunks = 0;
        c->regions[i].len = SIZE_MAX;
    }
    c->files_hash = 0;
}

int checkpoint_commit(struct checkpoint *c, struct error *err)
{
    bug_if(!c->begun);
    c->begun = false;
    if (!c->failed)
        drop_unseen(c);
    if (!c->writing)
        return 0;
    checkpoint_set_meta(c, "saved", (int64_t)time(NULL));
    checkpoint_execute(c, "COMMIT");
    c->writing = false;
    if (!c->failed) {
        c->fresh = false;
        return 0;
    }
    *err = c->why;
    sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    unlearn(c);
    return -1;
}

void checkpoint_tidy(struct checkpoint *c)
{
    if (c->begun || c->frames < TIDY_FRAMES)
        return;
    c->frames = 0;
    sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
