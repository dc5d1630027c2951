/* What is saved is enough to go on: each scenario ends one set and begins another one. */
#include "restart_stage.h"

/* --- what is saved -----------------------------------------------------------------------------
 */

static void test_rows(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.2", "older\n");
    put(play->stage, "l.3", "");
    read_one(play);
    const struct follow_row *row = row_of(play, FOLLOW_CURRENT);
    assert_string_equal(row->pattern, in(play->stage, "l").text);
    assert_string_equal(row->path, in(play->stage, "l").text);
    assert_int_equal(row->offset, 4);
    assert_int_equal(row->size, 4);
    assert_int_equal(row->head_len, 4);
    assert_int_equal(row->mark_len, 4);
    assert_int_equal(row->mark_end, 4);
    /* As another program says with the library's XXH3_64bits. */
    assert_int_equal(row->head_hash, 0xca192b48bc9877c1);
    assert_int_equal(row->mark_hash, row->head_hash);
    row_of(play, FOLLOW_SOURCE);
    row_of(play, FOLLOW_PATH);
    row_of(play, FOLLOW_KNOWN);
}

/* --- still the path's file ----------------------------------------------------------------------
 */

static void test_nothing_new(void **state)
{
    struct play *play = *state;
    read_one(play);
    begin_with(play, "l", true);
    expect(play->stage, "nothing", "");
    put(play->stage, "l", "2\n");
    expect(play->stage, "goes on", "2\n");
}

static void test_grown(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\nhal");
    begin(play, "l");
    expect(play->stage, "grown", "2\n");
    save(play);
    end(play);
    put(play->stage, "l", "f\n");
    begin(play, "l");
    expect(play->stage, "a line in two parts", "half\n");
}

static void test_empty_then_grown(void **state)
{
    struct play *play = *state;
    put(play->stage, "l", "");
    add(play->stage, "l");
    expect(play->stage, "empty", "");
    save(play);
    end(play);
    put(play->stage, "l", "1\n");
    begin(play, "l");
    expect(play->stage, "grown", "1\n");
}

static void test_within_a_long_line(void **state)
{
    struct play *play = *state;
    char text[LONGEST + 1];
    memset(text, 'x', sizeof(text));
    text[LONGEST] = '\0';
    add(play->stage, "l");
    put(play->stage, "l", "a\n");
    put(play->stage, "l", text);
    expect(play->stage, "within it", "a\n");
    save(play);
    end(play);
    put(play->stage, "l", "its end\nb\n");
    begin(play, "l");
    expect(play->stage, "behind it", "b\n");
}

/* --- rotated since ------------------------------------------------------------------------------
 */

static void test_renamed(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    move(play->stage, "l", "l.1");
    put(play->stage, "l", "3\n");
    begin(play, "l");
    expect(play->stage, "drained, then the new one", "2\n3\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 0);
}

static void test_renamed_often(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    move(play->stage, "l", "l.3");
    put(play->stage, "l.2", "3\n");
    put(play->stage, "l.1", "4\n");
    put(play->stage, "l", "5\n");
    begin(play, "l");
    expect(play->stage, "in order", "2\n3\n4\n5\n");
    save(play);
    end(play);
    begin(play, "l");
    expect(play->stage, "once", "");
}

static void test_renamed_and_no_new_file(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    move(play->stage, "l", "l.1");
    begin(play, "l");
    expect(play->stage, "drained", "2\n");
    put(play->stage, "l", "3\n");
    expect(play->stage, "made again", "3\n");
}

static void test_ended_while_draining(void **state)
{
    struct play *play = *state;
    add(play->stage, "l");
    put(play->stage, "l", "1\n");
    expect(play->stage, "first", "1\n");
    put(play->stage, "l", "2\n");
    move(play->stage, "l", "l.2");
    put(play->stage, "l.1", "3\n");
    put(play->stage, "l", "4\n");
    follow_wake(play->stage->follow);
    struct follow_block block;
    assert_int_equal(follow_next(play->stage->follow, &block), FOLLOW_BLOCK);
    assert_memory_equal(block.lines.ptr, "2\n", 2);
    save(play);
    end(play);
    begin(play, "l");
    expect(play->stage, "the rest", "3\n4\n");
}

static void test_copied_and_truncated(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    copy(play->stage, "l", "l.1");
    cut(play->stage, "l");
    put(play->stage, "l", "3 is longer than what was\n");
    begin(play, "l");
    expect(play->stage, "the copy, then the file", "2\n3 is longer than what was\n");
}

static void test_old_files_stay_unread(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.1", "old\n");
    put(play->stage, "l.bak", "backup\n");
    read_one(play);
    move(play->stage, "l.1", "l.2");
    move(play->stage, "l", "l.1");
    put(play->stage, "l", "2\n");
    begin(play, "l");
    expect(play->stage, "only what is new", "2\n");
}

/* --- first starts -------------------------------------------------------------------------------
 */

static void test_unknown_pattern(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "m", "1\n");
    begin(play, "m");
    expect(play->stage, "from the end", "");
    end(play);
    begin_with(play, "m", true);
    expect(play->stage, "from the start", "1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAY(test_rows),
        PLAY(test_nothing_new),
        PLAY(test_grown),
        PLAY(test_empty_then_grown),
        PLAY(test_within_a_long_line),
        PLAY(test_renamed),
        PLAY(test_renamed_often),
        PLAY(test_renamed_and_no_new_file),
        PLAY(test_ended_while_draining),
        PLAY(test_copied_and_truncated),
        PLAY(test_old_files_stay_unread),
        PLAY(test_unknown_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
