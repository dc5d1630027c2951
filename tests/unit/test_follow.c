#include "follow_stage.h"

#include <sys/inotify.h>

/* --- patterns that are refused ---------------------------------------------------------------- */

static void test_refused_patterns(void **state)
{
    struct stage *stage = *state;
    struct error err = {.text = ""};
    char longer[5000];
    memset(longer, 'x', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(follow_add(stage->follow, "", NULL, &err), -1);
    assert_string_equal(err.text, "the path of a source is empty");
    assert_int_equal(follow_add(stage->follow, "/var/log/", NULL, &err), -1);
    assert_string_equal(err.text, "/var/log/: a directory; a source is a file or a glob");
    assert_int_equal(follow_add(stage->follow, longer, NULL, &err), -1);
    assert_non_null(strstr(err.text, "longer than 4095 bytes"));
    assert_int_equal(follow_sources(stage->follow), 0);
    for (int i = 0; i < FOLLOW_SOURCES_MAX; i++)
        assert_int_equal(add(stage, "none"), i);
    assert_int_equal(follow_add(stage->follow, "/one-more", NULL, &err), -1);
    assert_string_equal(err.text, "/one-more: more than 64 sources");
}

/* --- scenarios -------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
    struct stage *stage = *state;
    put(stage, "l", "before\nhalf");
    add(stage, "l");
    expect(stage, "at the start", "");
    put(stage, "l", " a line\none\ntw");
    expect(stage, "whole lines only", "half a line\none\n");
    put(stage, "l", "o");
    expect(stage, "still waiting", "");
    assert_int_equal(stats(stage, 0).behind_bytes, 3);
    put(stage, "l", "\n");
    expect(stage, "completed", "two\n");
    assert_int_equal(stats(stage, 0).behind_bytes, 0);
    assert_int_equal(stats(stage, 0).read_bytes, 20);
}

static void test_from_start(void **state)
{
    struct stage *stage = *state;
    follow_free(stage->follow);
    stage->follow = new_follow(true);
    put(stage, "l", "before\n");
    put(stage, "l.1", "older\n");
    add(stage, "l");
    take(stage);
    expect(stage, "the file, not what was rotated", "before\n");
}

static void test_mtime(void **state)
{
    struct stage *stage = *state;
    struct follow_block block;
    add(stage, "none");
    int number = add(stage, "l");
    put(stage, "l", "a\n");
    set_time(stage, "l", 1000000000); /* 2001-09-09T01:46:40Z */
    follow_wake(stage->follow);
    assert_int_equal(follow_next(stage->follow, &block), FOLLOW_BLOCK);
    assert_int_equal(block.mtime, 1000000000);
    assert_int_equal(block.source, number);
    assert_int_equal(follow_next(stage->follow, &block), FOLLOW_IDLE);
}

static void test_long_line(void **state)
{
    struct stage *stage = *state;
    char text[LONGEST + 1];
    memset(text, 'x', sizeof(text));
    text[LONGEST] = '\0';
    add(stage, "l");
    put(stage, "l", "a\n");
    put(stage, "l", text);
    expect(stage, "within it", "a\n");
    /* Another file is read in between, with the same buffer. */
    add(stage, "other");
    put(stage, "other", "other\n");
    expect(stage, "another file", "other\n");
    put(stage, "l", "its end\nb\n");
    expect(stage, "behind it", "b\n");
    assert_int_equal(stats(stage, 0).long_lines, 1);
    assert_int_equal(stats(stage, 1).long_lines, 0);
}

static void test_rename_with_unread_lines(void **state)
{
    struct stage *stage = *state;
    put(stage, "l", "");
    follow_one(stage);
    rotate(stage, "2\n", "l.1");
    put(stage, "l", "3\n");
    move(stage, "l.1", "l.2");
    move(stage, "l", "l.1");
    put(stage, "l.1", "4\n");
    put(stage, "l", "5\n");
    put(stage, "l.2", "2b\n");
    expect(stage, "two rotations at once", "2\n2b\n3\n4\n5\n");
    put(stage, "l.1", "6\n");
    expect(stage, "the writer had not reopened", "6\n");
    assert_int_equal(stats(stage, 0).renames, 2);
}

static void test_copytruncate_with_unread_lines(void **state)
{
    struct stage *stage = *state;
    put(stage, "l", "old\n");
    follow_one(stage);
    put(stage, "l", "2\n");
    copy(stage, "l", "l.1");
    cut(stage, "l");
    put(stage, "l", "3 is longer than all that was\n");
    move(stage, "l.1", "l.2");
    copy(stage, "l", "l.1");
    cut(stage, "l");
    put(stage, "l", "4\n");
    expect(stage, "two at once", "2\n3 is longer than all that was\n4\n");
    assert_int_equal(stats(stage, 0).truncates, 2);
    assert_int_equal(stats(stage, 0).lost_bytes, 0);
}

static void test_truncated_and_lost(void **state)
{
    struct stage *stage = *state;
    add(stage, "l");
    put(stage, "l", "1\nhalf");
    expect(stage, "first", "1\n");
    cut(stage, "l");
    expect(stage, "truncated", "");
    put(stage, "l", "2\n");
    expect(stage, "again", "2\n");
    assert_int_equal(stats(stage, 0).truncates, 1);
    /* "half" was seen and never became a line. */
    assert_int_equal(stats(stage, 0).lost_bytes, 4);
}

/* A copy of another name than rotation gives, made over itself each time. */
static void test_copy_over_the_last_copy(void **state)
{
    struct stage *stage = *state;
    add(stage, "l");
    for (int i = 0; i < 5; i++) {
        char seen[32], unseen[32], both[64];
        snprintf(seen, sizeof(seen), "seen %d\n", i);
        snprintf(unseen, sizeof(unseen), "unseen %d\n", i);
        snprintf(both, sizeof(both), "%snew %d\n", unseen, i);
        put(stage, "l", seen);
        expect(stage, "before", seen);
        put(stage, "l", unseen);
        copy(stage, "l", "l.saved");
        cut(stage, "l");
        put(stage, "l", both + strlen(unseen));
        expect(stage, "after", both);
    }
    assert_int_equal(stats(stage, 0).truncates, 5);
}

static void test_backups_do_not_count(void **state)
{
    struct stage *stage = *state;
    follow_one(stage);
    copy(stage, "l", "l.bak");
    copy(stage, "l", "l.2024");
    expect(stage, "copied", "");
    copy(stage, "l", "l-20240131");
    move(stage, "l", "l.1");
    put(stage, "l", "2\n");
    expect(stage, "copied and rotated", "2\n");
    copy(stage, "l.1", "l.5");
    expect(stage, "a rotated one copied", "");
    copy(stage, "l", "l-20240201");
    copy(stage, "l", "l.0");
    cut(stage, "l");
    put(stage, "l", "3\n");
    expect(stage, "copied and truncated", "3\n");
}

static void test_moved_back(void **state)
{
    struct stage *stage = *state;
    follow_one(stage);
    move(stage, "l", "l.1");
    expect(stage, "away", "");
    /* So often that it is closed: what was read is remembered. */
    look(stage, 20);
    assert_int_equal(stats(stage, 0).files, 0);
    move(stage, "l.1", "l");
    put(stage, "l", "2\n");
    expect(stage, "back", "2\n");
}

static void test_deleted_file_is_let_go(void **state)
{
    struct stage *stage = *state;
    follow_one(stage);
    put(stage, "l", "2\n");
    unlink(in(stage, "l").text);
    expect(stage, "drained", "2\n");
    assert_int_equal(stats(stage, 0).files, 1);
    look(stage, 3);
    assert_int_equal(stats(stage, 0).files, 0);
    put(stage, "l", "3\n");
    expect(stage, "made again", "3\n");
    assert_int_equal(stats(stage, 0).renames, 0);
}

/* Whatever inotify forgets, the next look finds: here every watch is taken away. */
static void test_watches_removed(void **state)
{
    struct stage *stage = *state;
    follow_one(stage);
    add(stage, "g*");
    for (int round = 0; round < 3; round++) {
        for (int wd = 1; wd < 100; wd++)
            inotify_rm_watch(follow_fd(stage->follow), wd);
        put(stage, "l", "2\n");
        expect(stage, "while nothing is watched", "2\n");
        put(stage, "l", "3\n");
        expect(stage, "watched again", "3\n");
        move(stage, "l", "l.1");
        put(stage, "l", "4\n");
        expect(stage, "rotated", "4\n");
    }
    put(stage, "g1", "5\n");
    expect(stage, "a glob", "5\n");
}

/* Without asking inotify at all. */
static void test_check_finds_everything(void **state)
{
    struct stage *stage = *state;
    add(stage, "l");
    add(stage, "d/*.log");
    put(stage, "l", "1\n");
    assert_int_equal(mkdir(in(stage, "d").text, 0700), 0);
    put(stage, "d/a.log", "2\n");
    follow_check(stage->follow);
    take(stage);
    expect(stage, "checked", "1\n2\n");
}

static long queue_limit(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    return len > 0 ? strtol(text, NULL, 10) : -1;
}

/* More events than the kernel keeps: two files in turn, as equal ones are merged. */
static void test_overflow(void **state)
{
    struct stage *stage = *state;
    long limit = queue_limit();
    if (limit < 0 || limit > 200000)
        skip();
    follow_one(stage);
    add(stage, "g*");
    for (long i = 0; i < limit; i += 2) {
        put(stage, "x", "");
        unlink(in(stage, "x").text);
    }
    rotate(stage, "2\n", "l.1");
    put(stage, "l", "3\n");
    put(stage, "g1", "4\n");
    /* The files take turns, a block each. */
    expect(stage, "overflown", "2\n4\n3\n");
    assert_int_equal(follow_overflows(stage->follow), 1);
    put(stage, "g1", "5\n");
    expect(stage, "watched as before", "5\n");
}

static void test_a_file_belongs_to_the_first(void **state)
{
    struct stage *stage = *state;
    put(stage, "l", "");
    put(stage, "m", "");
    assert_int_equal(symlink("l", in(stage, "z").text), 0);
    add(stage, "l");
    add(stage, "?");
    add(stage, "z");
    put(stage, "l", "1\n");
    put(stage, "m", "2\n");
    expect(stage, "each once", "1\n2\n");
    move(stage, "l", "l.1");
    put(stage, "l", "3\n");
    expect(stage, "rotated", "3\n");
    assert_int_equal(stats(stage, 0).read_bytes, 4);
    assert_int_equal(stats(stage, 1).read_bytes, 2);
    assert_int_equal(stats(stage, 2).read_bytes, 0);
}

static void test_too_many_files(void **state)
{
    struct stage *stage = *state;
    add(stage, "f*");
    for (int i = 0; i < FOLLOW_FILES_MAX + 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        put(stage, name, "1\n");
    }
    wake(stage);
    assert_int_equal(stats(stage, 0).files, FOLLOW_FILES_MAX);
    assert_int_equal(stage->got.len, 2 * FOLLOW_FILES_MAX);
    /* One goes, another one comes in. */
    unlink(in(stage, "f0").text);
    for (int i = 0; i < 4; i++) {
        follow_check(stage->follow);
        wake(stage);
        take(stage);
    }
    assert_int_equal(stage->got.len, 2 * FOLLOW_FILES_MAX + 2);
}

static void test_many_rotations_at_once(void **state)
{
    struct stage *stage = *state;
    /* More than are opened at a time. */
    const int rotations = 150;
    char line[32], name[32];
    add(stage, "l");
    for (int i = 0; i < rotations; i++) {
        snprintf(line, sizeof(line), "%d\n", i);
        snprintf(name, sizeof(name), "l.%d", rotations - i);
        put(stage, "l", line);
        strbuf_add_str(&stage->want, line);
        if (i % 2) {
            copy(stage, "l", name);
            cut(stage, "l");
        } else {
            move(stage, "l", name);
        }
    }
    put(stage, "l", "end\n");
    strbuf_add_str(&stage->want, "end\n");
    expect(stage, "in the order of rotation", stage->want.buf);
    assert_true(stats(stage, 0).files < 40);
}

static void test_loop_of_links(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(symlink("b", in(stage, "a").text), 0);
    assert_int_equal(symlink("a", in(stage, "b").text), 0);
    add(stage, "a");
    expect(stage, "nothing", "");
    unlink(in(stage, "a").text);
    put(stage, "a", "1\n");
    expect(stage, "mended", "1\n");
}

/* What is no regular file is left alone: opening a pipe must not wait. */
static void test_not_a_regular_file(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(mkfifo(in(stage, "l").text, 0600), 0);
    assert_int_equal(mkdir(in(stage, "d").text, 0700), 0);
    add(stage, "l");
    add(stage, "d");
    expect(stage, "nothing", "");
    unlink(in(stage, "l").text);
    put(stage, "l", "1\n");
    expect(stage, "replaced", "1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(test_refused_patterns),
        SCENARIO(test_lines),
        SCENARIO(test_from_start),
        SCENARIO(test_mtime),
        SCENARIO(test_long_line),
        SCENARIO(test_rename_with_unread_lines),
        SCENARIO(test_copytruncate_with_unread_lines),
        SCENARIO(test_truncated_and_lost),
        SCENARIO(test_copy_over_the_last_copy),
        SCENARIO(test_backups_do_not_count),
        SCENARIO(test_moved_back),
        SCENARIO(test_deleted_file_is_let_go),
        SCENARIO(test_watches_removed),
        SCENARIO(test_check_finds_everything),
        SCENARIO(test_overflow),
        SCENARIO(test_a_file_belongs_to_the_first),
        SCENARIO(test_too_many_files),
        SCENARIO(test_many_rotations_at_once),
        SCENARIO(test_loop_of_links),
        SCENARIO(test_not_a_regular_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
