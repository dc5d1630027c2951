/* source/checkpoint.h: all of it comes back, or nothing; and nothing is ever deleted. */
#include "scratch.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/strbuf.h"
#include "mailvane/source/checkpoint.h"

static char dir[SCRATCH_MAX], path[300];
static const struct logger quiet = {.level = LOG_LEVEL_ERROR};

static int set_up(void **state)
{
    (void)state;
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/state.db", dir);
    return 0;
}

/* How many names of the directory hold the text. */
static unsigned names_with(const char *text)
{
    unsigned count = 0;
    DIR *names = opendir(dir);
    assert_non_null(names);
    for (const struct dirent *entry; (entry = readdir(names));)
        count += strstr(entry->d_name, text) != NULL;
    closedir(names);
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    return scratch_remove(dir);
}

static struct checkpoint *open_it(void)
{
    struct error err = {.text = ""};
    struct checkpoint *c = checkpoint_open(path, &quiet, &err);
    if (!c)
        fail_msg("cannot open: %s", err.text);
    return c;
}

static void expect_refused(const char *name, const char *why)
{
    struct error err = {.text = ""};
    struct checkpoint *c = checkpoint_open(path, &quiet, &err);
    if (c)
        fail_msg("%s: was opened", name);
    if (!strstr(err.text, why) || !strstr(err.text, path))
        fail_msg("%s: got \"%s\", want %s and \"%s\"", name, err.text, path, why);
}

/* Bytes that differ in every chunk. */
static char *pattern(size_t len, unsigned salt)
{
    char *bytes = must_calloc(len + 1, 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i / 7 + salt + i / CHECKPOINT_CHUNK);
    return bytes;
}

static void put(struct checkpoint *c, const char *name, size_t len, unsigned salt)
{
    char *bytes = pattern(len, salt);
    image_put(checkpoint_writer(c), name, bytes, len);
    free(bytes);
}

static void expect_kept(struct checkpoint *c, const char *name, size_t len, unsigned salt)
{
    char *bytes = pattern(len, salt);
    expect_slice(name, "bytes", image_get(checkpoint_reader(c), name), slice_of(bytes, len));
    free(bytes);
}

static void commit(struct checkpoint *c)
{
    struct error err = {.text = ""};
    if (checkpoint_commit(c, &err) < 0)
        fail_msg("commit: %s", err.text);
}

static void save_one(const char *name, size_t len, unsigned salt)
{
    struct checkpoint *c = open_it();
    checkpoint_begin(c);
    put(c, name, len, salt);
    commit(c);
    checkpoint_close(c);
}

static void test_first_time(void **state)
{
    struct follow_rows rows;
    struct error err;
    (void)state;
    struct checkpoint *c = open_it();
    assert_true(checkpoint_is_new(c));
    assert_int_equal(image_get(checkpoint_reader(c), "x").len, 0);
    assert_int_equal(checkpoint_files(c, &rows, &err), 0);
    assert_int_equal(rows.count, 0);
    follow_rows_release(&rows);
    checkpoint_close(c);
}

/* Only its owner may read it. */
static void test_mode(void **state)
{
    static const char *const names[] = {"", "-wal", ".lock"};
    char name[320];
    struct stat st;
    (void)state;
    mode_t before = umask(0);
    struct checkpoint *c = open_it();
    checkpoint_begin(c);
    put(c, "a", 100, 1);
    commit(c);
    for (size_t i = 0; i < LEN(names); i++) {
        snprintf(name, sizeof(name), "%s%s", path, names[i]);
        assert_int_equal(stat(name, &st), 0);
        expect_int(name, "mode", st.st_mode & 0777, 0600);
    }
    umask(before);
    checkpoint_close(c);
}

static void test_comes_back(void **state)
{
    static const size_t lengths[] = {0,
                                     1,
                                     CHECKPOINT_CHUNK - 1,
                                     CHECKPOINT_CHUNK,
                                     CHECKPOINT_CHUNK + 1,
                                     5 * CHECKPOINT_CHUNK + 7};
    char name[32];
    (void)state;
    struct checkpoint *c = open_it();
    uint64_t seed = checkpoint_seed(c);
    checkpoint_begin(c);
    for (size_t i = 0; i < LEN(lengths); i++) {
        snprintf(name, sizeof(name), "of %zu", lengths[i]);
        put(c, name, lengths[i], (unsigned)i);
    }
    commit(c);
    checkpoint_close(c);
    c = open_it();
    assert_false(checkpoint_is_new(c));
    assert_true(checkpoint_seed(c) == seed);
    for (size_t i = 0; i < LEN(lengths); i++) {
        snprintf(name, sizeof(name), "of %zu", lengths[i]);
        expect_kept(c, name, lengths[i], (unsigned)i);
    }
    checkpoint_close(c);
}

/* Grown, shrunk, changed in the middle, gone and back: the last commit is what is there. */
static void test_changes(void **state)
{
    static const struct {
        size_t len;
        unsigned salt;
    } steps[] = {{9000, 1}, {30000, 1}, {30000, 2}, {100, 2}, {0, 0}, {12345, 3}};
    (void)state;
    for (size_t i = 0; i < LEN(steps); i++) {
        /* Once in the same process, once by the next. */
        struct checkpoint *c = open_it();
        for (size_t k = i; k < i + 2 && k < LEN(steps); k++) {
            checkpoint_begin(c);
            put(c, "a", steps[k].len, steps[k].salt);
            put(c, "b", 5000, 9);
            commit(c);
            expect_kept(c, "a", steps[k].len, steps[k].salt);
            expect_kept(c, "b", 5000, 9);
        }
        checkpoint_close(c);
    }
}

static void test_what_is_not_put_goes(void **state)
{
    (void)state;
    save_one("old", 9000, 1);
    save_one("new", 9000, 1);
    struct checkpoint *c = open_it();
    assert_int_equal(image_get(checkpoint_reader(c), "old").len, 0);
    expect_kept(c, "new", 9000, 1);
    checkpoint_close(c);
}

static void test_not_committed(void **state)
{
    (void)state;
    save_one("a", 9000, 1);
    struct checkpoint *c = open_it();
    checkpoint_begin(c);
    put(c, "a", 9000, 2);
    checkpoint_close(c);
    c = open_it();
    expect_kept(c, "a", 9000, 1);
    checkpoint_close(c);
}

/* Where nothing has changed nothing is written. */
static void test_nothing_changed(void **state)
{
    char wal[320];
    struct stat before, after;
    (void)state;
    snprintf(wal, sizeof(wal), "%s-wal", path);
    struct checkpoint *c = open_it();
    checkpoint_begin(c);
    put(c, "a", 90000, 1);
    commit(c);
    assert_int_equal(stat(wal, &before), 0);
    for (unsigned i = 0; i < 5; i++) {
        checkpoint_begin(c);
        put(c, "a", 90000, 1);
        commit(c);
    }
    assert_int_equal(stat(wal, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    checkpoint_close(c);
}

/* The log of what was written does not grow for ever. */
static void test_tidy(void **state)
{
    char wal[320];
    struct stat st;
    (void)state;
    snprintf(wal, sizeof(wal), "%s-wal", path);
    struct checkpoint *c = open_it();
    for (unsigned i = 0; i < 100; i++) {
        checkpoint_begin(c);
        put(c, "a", 900000, i);
        commit(c);
        checkpoint_tidy(c);
    }
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < 16 << 20);
    expect_kept(c, "a", 900000, 99);
    checkpoint_close(c);
}

static void test_files(void **state)
{
    struct follow_row kept[2] = {
        {.role = FOLLOW_CURRENT,
         .pattern = (char *)"/var/log/*.log",
         .path = (char *)"/var/log/mail.log",
         .dev = 5,
         .ino = UINT64_MAX,
         .born = -3,
         .offset = 77,
         .size = 99,
         .head_len = 12,
         .head_hash = UINT64_C(0xfedcba9876543210),
         .mark_end = 77,
         .mark_len = 70,
         .mark_hash = 1,
         .since = INT64_MIN,
         .skipping = true},
        {.role = FOLLOW_SOURCE, .pattern = (char *)"/x", .path = (char *)""},
    };
    const struct follow_rows rows = {.items = kept, .count = 2};
    struct follow_rows got;
    struct error err;
    (void)state;
    struct checkpoint *c = open_it();
    checkpoint_begin(c);
    checkpoint_put_files(c, &rows);
    commit(c);
    checkpoint_close(c);
    c = open_it();
    assert_int_equal(checkpoint_files(c, &got, &err), 0);
    assert_int_equal(got.count, 2);
    const struct follow_row *row = &got.items[0];
    assert_string_equal(row->pattern, kept[0].pattern);
    assert_string_equal(row->path, kept[0].path);
    assert_string_equal(got.items[1].pattern, "/x");
    assert_int_equal(row->role, FOLLOW_CURRENT);
    assert_true(row->ino == UINT64_MAX && row->born == -3 && row->since == INT64_MIN);
    assert_true(row->head_hash == kept[0].head_hash && row->skipping);
    assert_true(row->offset == 77 && row->size == 99 && row->mark_len == 70);
    follow_rows_release(&got);
    checkpoint_close(c);
}

static void test_used_twice(void **state)
{
    (void)state;
    struct checkpoint *c = open_it();
    expect_refused("a second one", "is used by another mailvane");
    checkpoint_close(c);
    checkpoint_close(open_it());
}

static void overwrite(const char *bytes, size_t len, long at)
{
    FILE *file = fopen(path, at ? "rb+" : "wb");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* Damage: what was there is kept beside it, and a new one begins. */
static void test_damage(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        long at; /* 0: instead of the file */
    } rows[] = {
        {"no database",
         "this is no database, and longer than its header of a hundred bytes ....."
         "........................................................................",
         0},
        {"a root page of noise", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 4096},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        save_one("a", 90000, 1);
        overwrite(rows[i].bytes, strlen(rows[i].bytes), rows[i].at);
        struct checkpoint *c = open_it();
        expect_int(rows[i].name, "is new", checkpoint_is_new(c), true);
        assert_true(names_with(".corrupt-") >= 1);
        checkpoint_close(c);
    }
}

static void run_sql(const char *sql)
{
    char command[600];
    snprintf(command, sizeof(command),
             "python3 -c \"import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); "
             "d.executescript(sys.argv[2]); d.commit(); d.close()\" '%s' \"%s\"",
             path, sql);
    assert_int_equal(system(command), 0);
}

/* A whole database whose content cannot be is damage, too. */
static void test_torn(void **state)
{
    static const char *const rows[] = {
        "DELETE FROM chunk WHERE place % 2 = 0",
        "UPDATE region SET length = length + 1",
        "UPDATE region SET length = -1",
        "UPDATE meta SET value = 7 WHERE name = 'byte_order'",
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        save_one("a", 90000, (unsigned)i);
        run_sql(rows[i]);
        struct checkpoint *c = open_it();
        expect_int(rows[i], "is new", checkpoint_is_new(c), true);
        checkpoint_close(c);
    }
    assert_true(names_with(".corrupt-") >= 1);
}

static void test_left_alone(void **state)
{
    (void)state;
    save_one("a", 9000, 1);
    run_sql("PRAGMA user_version = 2");
    expect_refused("newer", "is of a newer version of mailvane and is left alone");
    run_sql("PRAGMA user_version = 1; PRAGMA application_id = 5");
    expect_refused("foreign", "is no state file of mailvane");
    assert_int_equal(names_with(".corrupt-"), 0);
    run_sql("PRAGMA application_id = 1836474734");
    struct checkpoint *c = open_it();
    expect_kept(c, "a", 9000, 1);
    checkpoint_close(c);
}

/* A name written by mistake: what never was a state file is not moved, damaged or not. */
static void test_never_ours(void **state)
{
    struct error err = {.text = ""};
    struct stat st;
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("dear diary", file);
    fclose(file);
    /* The second time there is a lock, and still nobody has said that it is ours. */
    for (unsigned i = 0; i < 2; i++)
        expect_refused("a text", "is no state file of mailvane");
    assert_int_equal(checkpoint_inspect(path, &err), -1);
    assert_int_equal(names_with(".corrupt-"), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 10);
}

/* Without SQLite's help; the lock tells a damaged one from somebody else's. */
static void test_inspect(void **state)
{
    struct error err = {.text = ""};
    (void)state;
    assert_int_equal(checkpoint_inspect(path, &err), 0);
    save_one("a", 9000, 1);
    assert_int_equal(checkpoint_inspect(path, &err), 0);
    struct checkpoint *c = open_it();
    assert_int_equal(checkpoint_inspect(path, &err), 0);
    checkpoint_close(c);
    overwrite("no database any more", 20, 0);
    assert_int_equal(checkpoint_inspect(path, &err), -1);
    assert_non_null(strstr(err.text, "is damaged"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(checkpoint_inspect(path, &err), -1);
    assert_non_null(strstr(err.text, "is no regular file"));
    rmdir(path);
}

static void test_no_directory(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "%s/not/there.db", dir);
    expect_refused("no directory", "No such file or directory");
}

/* What is saved cannot be used: begin anew, with the same seed, as hashes elsewhere have it. */
static void test_discard(void **state)
{
    struct error err = {.text = ""};
    (void)state;
    save_one("a", 9000, 1);
    struct checkpoint *c = open_it();
    assert_int_equal(checkpoint_discard(c, &err), 0);
    assert_true(checkpoint_is_new(c));
    assert_int_equal(image_get(checkpoint_reader(c), "a").len, 0);
    assert_true(names_with(".corrupt-") >= 1);
    checkpoint_begin(c);
    put(c, "a", 10, 3);
    commit(c);
    checkpoint_close(c);
    c = open_it();
    expect_kept(c, "a", 10, 3);
    checkpoint_close(c);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_first_time),
        CASE(test_mode),
        CASE(test_comes_back),
        CASE(test_changes),
        CASE(test_what_is_not_put_goes),
        CASE(test_not_committed),
        CASE(test_nothing_changed),
        CASE(test_tidy),
        CASE(test_files),
        CASE(test_used_twice),
        CASE(test_damage),
        CASE(test_torn),
        CASE(test_left_alone),
        CASE(test_never_ours),
        CASE(test_inspect),
        CASE(test_no_directory),
        CASE(test_discard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
