/*
 * A state file that is a good database and holds what we never put there: each line of the
 * input is a statement of SQL that is run on one of ours before it is opened. A statement
 * that is wrong is passed over.
 */
#include <sqlite3.h>

#include "mailvane/line/lines.h"
#include "state.h"

#define STEPS_MAX 2000 /* thousands of SQLite's own, for all statements */

static char *pristine;
static size_t pristine_len;
static unsigned steps;
static bool reshaped; /* its tables are no longer ours: nothing can be said of a save */

/* The file as a first save leaves it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error err = {.text = ""};
    (void)argc;
    (void)argv;
    stage_open();
    stage_enter();
    struct checkpoint *c = checkpoint_open(STATE_FILE, NULL, &err);
    bug_if(!c || !state_save(c));
    checkpoint_close(c);
    FILE *file = fopen(STATE_FILE, "rb");
    bug_if(!file);
    pristine = must_calloc(1, 1 << 20);
    pristine_len = fread(pristine, 1, 1 << 20, file);
    fclose(file);
    stage_clear();
    stage_leave();
    return 0;
}

/* No other file; and is it only rows that differ? */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
    bool rows = writes && strncmp(a ? a : "", "sqlite_", 7) != 0;
    (void)arg;
    (void)b;
    (void)c;
    (void)d;
    reshaped = reshaped || !(rows || action == SQLITE_READ || action == SQLITE_SELECT ||
                             action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE ||
                             action == SQLITE_PRAGMA || action == SQLITE_TRANSACTION);
    return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

static int on_steps(void *arg)
{
    (void)arg;
    return ++steps > STEPS_MAX;
}

static void run_statements(struct slice text)
{
    sqlite3 *db = NULL;
    struct slice line;
    bug_if(sqlite3_open(STATE_FILE, &db) != SQLITE_OK);
    sqlite3_set_authorizer(db, authorize, NULL);
    sqlite3_progress_handler(db, 1000, on_steps, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
    steps = 0;
    reshaped = false;
    while (lines_next(&text, &line) && steps <= STEPS_MAX) {
        struct slice copy = copy_of(line);
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(db, copy.ptr, (int)copy.len, &statement, NULL) == SQLITE_OK)
            for (unsigned i = 0; i < 5000 && sqlite3_step(statement) == SQLITE_ROW; i++)
                ;
        sqlite3_finalize(statement);
        copy_free(copy);
    }
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stage_enter();
    stage_write(STATE_FILE, slice_of(pristine, pristine_len));
    run_statements(input_of(data, size));
    state_check(!reshaped);
    stage_clear();
    stage_leave();
    return 0;
}
