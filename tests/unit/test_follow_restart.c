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
    resume(play, "grown", "2\n");
    save_and_end(play);
    put(play->stage, "l", "f\n");
    resume(play, "a line in two parts", "half\n");
}

static void test_empty_then_grown(void **state)
{
    struct play *play = *state;
    put(play->stage, "l", "");
    add(play->stage, "l");
    expect(play->stage, "empty", "");
    save_and_end(play);
    put(play->stage, "l", "1\n");
    resume(play, "grown", "1\n");
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
    save_and_end(play);
    put(play->stage, "l", "its end\nb\n");
    resume(play, "behind it", "b\n");
}

/* --- rotated since ------------------------------------------------------------------------------
 */

static void test_renamed(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.1");
    put(play->stage, "l", "3\n");
    resume(play, "drained, then the new one", "2\n3\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 0);
}

static void test_renamed_often(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.3");
    put(play->stage, "l.2", "3\n");
    put(play->stage, "l.1", "4\n");
    put(play->stage, "l", "5\n");
    resume(play, "in order", "2\n3\n4\n5\n");
    save_and_end(play);
    resume(play, "once", "");
}

static void test_renamed_and_no_new_file(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.1");
    resume(play, "drained", "2\n");
    put(play->stage, "l", "3\n");
    expect(play->stage, "made again", "3\n");
}

static void test_ended_while_draining(void **state)
{
    struct play *play = *state;
    follow_one(play->stage);
    rotate(play->stage, "2\n", "l.2");
    put(play->stage, "l.1", "3\n");
    put(play->stage, "l", "4\n");
    follow_wake(play->stage->follow);
    struct follow_block block;
    assert_int_equal(follow_next(play->stage->follow, &block), FOLLOW_BLOCK);
    assert_memory_equal(block.lines.ptr, "2\n", 2);
    save_and_end(play);
    resume(play, "the rest", "3\n4\n");
}

static void test_copied_and_truncated(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    copy(play->stage, "l", "l.1");
    cut(play->stage, "l");
    put(play->stage, "l", "3 is longer than what was\n");
    resume(play, "the copy, then the file", "2\n3 is longer than what was\n");
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
    resume(play, "only what is new", "2\n");
}

/* --- not where it was ---------------------------------------------------------------------------
 */

/* The same inode, and other content: it is not the file. */
static void test_truncated_without_a_copy(void **state)
{
    struct play *play = *state;
    put(play->stage, "l", "");
    add(play->stage, "l");
    put(play->stage, "l", "1\nhalf a line");
    expect(play->stage, "before", "1\n");
    save_and_end(play);
    cut(play->stage, "l");
    put(play->stage, "l", "longer than all that was there\n");
    resume(play, "from its start", "longer than all that was there\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 11);
}

/* A log of two lines, of which the first one is longer than any fingerprint, read to its end. */
static void read_long(struct play *play)
{
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 2] = '\n';
    text[sizeof(text) - 1] = '\0';
    put(play->stage, "l", "");
    add(play->stage, "l");
    put(play->stage, "l", text);
    put(play->stage, "l", "1 in two halves\n");
    wake(play->stage);
    strbuf_reset(&play->stage->got);
    save_and_end(play);
}

/* Power was lost, and with it the end of the log that was read already. */
static void test_shorter_than_it_was(void **state)
{
    struct play *play = *state;
    read_long(play);
    assert_int_equal(truncate(in(play->stage, "l").text, 3005), 0);
    resume(play, "half of the last line", "");
    put(play->stage, "l", "after the boot\n2\n");
    expect(play->stage, "the next line", "2\n");
}

/* The same where the file system kept the length, and has zeros in it. */
static void test_zeros_where_lines_were(void **state)
{
    struct play *play = *state;
    read_long(play);
    assert_int_equal(truncate(in(play->stage, "l").text, 2990), 0);
    assert_int_equal(truncate(in(play->stage, "l").text, 3030), 0);
    put(play->stage, "l", "\n2\n");
    resume(play, "the next line", "2\n");
}

static void test_gone(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.5", "old\n");
    add(play->stage, "l");
    put(play->stage, "l", "1\nhalf");
    expect(play->stage, "before", "1\n");
    save_and_end(play);
    unlink(in(play->stage, "l").text);
    move(play->stage, "l.5", "l.6");
    put(play->stage, "l.2", "3\n");
    put(play->stage, "l.1", "4\n");
    put(play->stage, "l", "5\n");
    resume(play, "what was rotated since", "3\n4\n5\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 4);
}

/* As after a restore from a backup: every file is a new one. */
static void test_all_files_are_new(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    copy(play->stage, "l", "new");
    move(play->stage, "new", "l");
    resume(play, "by content", "2\n");
}

/* A boot numbers devices anew. */
static void test_another_device(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.1", "old\n");
    put(play->stage, "l", "");
    add(play->stage, "l");
    expect(play->stage, "empty", "");
    save_and_end(play);
    for (size_t i = 0; i < play->rows.count; i++)
        play->rows.items[i].dev += 7;
    put(play->stage, "l", "1\n");
    move(play->stage, "l.1", "l.2");
    move(play->stage, "l", "l.1");
    put(play->stage, "l", "2\n");
    resume(play, "by inode and birth", "1\n2\n");
}

/* Names tell what is newer than the file that was found; an old one unpacked is not. */
static void test_clock_set_back(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.3");
    put(play->stage, "l.2", "3\n");
    put(play->stage, "l.1", "4\n");
    put(play->stage, "l.7", "unpacked\n");
    set_time(play->stage, "l.2", time(NULL) - 86400);
    set_time(play->stage, "l.1", time(NULL) - 86400);
    set_time(play->stage, "l.7", time(NULL) - 86400);
    put(play->stage, "l", "5\n");
    resume(play, "older by their times", "2\n3\n4\n5\n");
}

/* The last look is yet to come, by the clock: times tell nothing then. */
static void test_clock_before_the_last_look(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.4", "old\n");
    read_one(play);
    for (size_t i = 0; i < play->rows.count; i++)
        play->rows.items[i].since += INT64_C(86400) * 1000000000;
    unlink(in(play->stage, "l").text);
    put(play->stage, "l.1", "2\n");
    put(play->stage, "l", "3\n");
    resume(play, "all that is unknown", "2\n3\n");
}

/* --- what appeared, and what did not ------------------------------------------------------------
 */

static void test_appeared_meanwhile(void **state)
{
    struct play *play = *state;
    put(play->stage, "a.log", "old\n");
    add(play->stage, "*.log");
    add(play->stage, "l");
    expect(play->stage, "before", "");
    save_and_end(play);
    put(play->stage, "b.log", "b\n");
    put(play->stage, "a.log", "a\n");
    put(play->stage, "l", "l\n");
    struct error err;
    begin(play, "*.log");
    assert_int_equal(follow_add(play->stage->follow, in(play->stage, "l").text, &play->rows, &err),
                     1);
    expect(play->stage, "a glob's, and the missing one", "a\nb\nl\n");
}

/* Rotated and not made again: the glob leads nowhere, but what was written counts. */
static void test_rotated_away_from_a_glob(void **state)
{
    struct play *play = *state;
    put(play->stage, "a.log", "0\n");
    add(play->stage, "*.log");
    put(play->stage, "a.log", "1\n");
    expect(play->stage, "before", "1\n");
    save_and_end(play);
    put(play->stage, "a.log", "2\n");
    move(play->stage, "a.log", "a.log.1");
    begin(play, "*.log");
    expect(play->stage, "drained", "2\n");
}

static void test_put_back(void **state)
{
    struct play *play = *state;
    read_one(play);
    begin(play, "l");
    move(play->stage, "l", "l.1");
    put(play->stage, "l", "2\n");
    expect(play->stage, "rotated", "2\n");
    look(play->stage, 20);
    save_and_end(play);
    unlink(in(play->stage, "l").text);
    move(play->stage, "l.1", "l");
    put(play->stage, "l", "3\n");
    resume(play, "what was read stays read", "3\n");
}

static void test_a_copy_just_begun(void **state)
{
    struct play *play = *state;
    follow_one(play->stage);
    move(play->stage, "l", "l.2");
    put(play->stage, "l.1", "");
    put(play->stage, "l", "3\n");
    expect(play->stage, "beside an empty one", "3\n");
    save(play);
    row_of(play, FOLLOW_PENDING);
    end(play);
    put(play->stage, "l.1", "2\n");
    resume(play, "it was a part", "2\n");
}

/* --- what is announced --------------------------------------------------------------------------
 */

static void save_now(void *arg)
{
    save(arg);
}

/* A file without a name is there as long as it is open. */
static void test_saved_before_a_file_is_let_go(void **state)
{
    struct play *play = *state;
    struct error err;
    struct follow_options options = {.line_max = LONGEST, .before_drop = save_now, .arg = play};
    follow_free(play->stage->follow);
    play->stage->follow = follow_new(&options, &err);
    put(play->stage, "l", "");
    follow_one(play->stage);
    unlink(in(play->stage, "l").text);
    put(play->stage, "l", "2\n");
    expect(play->stage, "made again", "2\n");
    assert_int_equal(play->rows.count, 0);
    look(play->stage, 3);
    const struct follow_row *row = row_of(play, FOLLOW_OLDER);
    assert_int_equal(row->offset, 2);
    assert_int_equal(row_of(play, FOLLOW_CURRENT)->offset, 2);
}

/* --- rows that cannot be ------------------------------------------------------------------------
 */

static void test_hostile_rows(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    const uint64_t values[] = {0, 1, 4, 5, 6, 2200, 2201, INT64_MAX, UINT64_MAX};
    size_t count = play->rows.count;
    for (size_t i = 0; i < LEN(values) * 8 * count; i++) {
        struct follow_row *row = &play->rows.items[i / LEN(values) / 8];
        struct follow_row sane = *row;
        uint64_t value = values[i % LEN(values)];
        uint64_t *const fields[] = {&row->offset,   &row->size,     &row->head_len,
                                    &row->mark_end, &row->mark_len, &row->head_hash,
                                    &row->ino,      &row->mark_hash};
        *fields[i / LEN(values) % LEN(fields)] = value;
        begin(play, "l");
        wake(play->stage);
        /* At worst the file is taken for a new one: from its start, once. */
        struct slice got = strbuf_slice(&play->stage->got);
        assert_true(slice_eq(got, SLICE("2\n")) || slice_eq(got, SLICE("0\n1\n2\n")) ||
                    got.len == 0);
        strbuf_reset(&play->stage->got);
        end(play);
        *row = sane;
    }
}

static void test_roles_and_strings(void **state)
{
    struct play *play = *state;
    read_one(play);
    put(play->stage, "l", "2\n");
    struct follow_row rows[3] = {{.role = (enum follow_role)77}, {.role = FOLLOW_CURRENT}, {0}};
    struct path path = in(play->stage, "l");
    rows[0].pattern = rows[1].pattern = path.text;
    struct follow_rows bad = {.items = rows, .count = 3};
    struct error err;
    play->stage->follow = new_follow(true);
    assert_int_equal(follow_add(play->stage->follow, in(play->stage, "l").text, &bad, &err), 0);
    /* None of them says that the pattern is known. */
    expect(play->stage, "as at a first start", "0\n1\n2\n");
}

/* Each row a thousand times. */
static void test_duplicate_rows(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.1");
    put(play->stage, "l", "3\n");
    const size_t times = 1000;
    struct follow_rows many = {.count = play->rows.count * times};
    many.items = calloc(many.count, sizeof(*many.items));
    for (size_t i = 0; i < many.count; i++)
        many.items[i] = play->rows.items[i % play->rows.count];
    struct error err;
    play->stage->follow = new_follow(false);
    assert_int_equal(follow_add(play->stage->follow, in(play->stage, "l").text, &many, &err), 0);
    expect(play->stage, "once", "2\n3\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 0);
    free(many.items);
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
        PLAY(test_truncated_without_a_copy),
        PLAY(test_shorter_than_it_was),
        PLAY(test_zeros_where_lines_were),
        PLAY(test_gone),
        PLAY(test_all_files_are_new),
        PLAY(test_another_device),
        PLAY(test_clock_set_back),
        PLAY(test_clock_before_the_last_look),
        PLAY(test_appeared_meanwhile),
        PLAY(test_rotated_away_from_a_glob),
        PLAY(test_put_back),
        PLAY(test_a_copy_just_begun),
        PLAY(test_saved_before_a_file_is_let_go),
        PLAY(test_hostile_rows),
        PLAY(test_roles_and_strings),
        PLAY(test_duplicate_rows),
        PLAY(test_unknown_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
