/* Files that were compressed while nobody watched; with the real tools. */
#include "restart_stage.h"

/* Something that gzip makes smaller, and longer than one block. */
static void put_many(struct play *play, const char *name, int from, int to, bool wanted)
{
    char line[64];
    int fd = open(in(play->stage, name).text, O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (int i = from; i < to; i++) {
        int len = snprintf(line, sizeof(line), "line %d of many that are alike\n", i);
        assert_int_equal(write(fd, line, (size_t)len), len);
        if (wanted)
            strbuf_add_str(&play->stage->want, line);
    }
    close(fd);
}

/* Half of a compressed file is lost. */
static void cut_in_half(struct play *play, const char *name)
{
    struct stat st;
    assert_int_equal(stat(in(play->stage, name).text, &st), 0);
    assert_int_equal(truncate(in(play->stage, name).text, st.st_size / 2), 0);
}

/* A log of so many lines, all of them read, saved, and the set ended. */
static void read_many(struct play *play, int count, bool wanted)
{
    put(play->stage, "l", "");
    add(play->stage, "l");
    put_many(play, "l", 0, count, wanted);
    wake(play->stage);
    save_and_end(play);
}

static void test_one(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate_packed(play, "2\n", "l.1");
    put(play->stage, "l", "3\n");
    resume(play, "the rest, then the new one", "2\n3\n");
    assert_int_equal(stats(play->stage, 0).lost_bytes, 0);
    assert_int_equal(stats(play->stage, 0).files, 1);
    save_and_end(play);
    resume(play, "once", "");
}

static void test_other_tools(void **state)
{
    struct play *play = *state;
    static const char *const tools[] = {"bzip2", "xz", "zstd -q --rm"};
    for (size_t i = 0; i < LEN(tools); i++) {
        put(play->stage, "l", "0\n");
        play->stage->follow = play->stage->follow ? play->stage->follow : new_follow(false);
        read_one(play);
        put(play->stage, "l", "2\n");
        move(play->stage, "l", "l.1");
        run(play, tools[i], "l.1");
        begin(play, "l");
        expect(play->stage, tools[i], "2\n");
        end(play);
    }
}

static void test_numbers(void **state)
{
    struct play *play = *state;
    put_packed(play, "l.7", "old\n");
    read_one(play);
    rotate_packed(play, "2\n", "l.10");
    put_packed(play, "l.9", "3\n");
    put_packed(play, "l.8", "4\n");
    move(play->stage, "l.7.gz", "l.11.gz");
    put(play->stage, "l.2", "5\n");
    put(play->stage, "l.1", "6\n");
    put(play->stage, "l", "7\n");
    resume(play, "in the order of rotation", "2\n3\n4\n5\n6\n7\n");
}

static void test_dates(void **state)
{
    struct play *play = *state;
    put_packed(play, "l-20260101", "old\n");
    read_one(play);
    rotate_packed(play, "2\n", "l-20260102");
    put_packed(play, "l-20260104", "4\n");
    put_packed(play, "l-20260103", "3\n");
    put(play->stage, "l-20260105", "5\n");
    put(play->stage, "l", "6\n");
    resume(play, "in the order of dates", "2\n3\n4\n5\n6\n");
}

/* A scheme that was changed meanwhile: times tell. */
static void test_numbers_and_dates(void **state)
{
    struct play *play = *state;
    read_one(play);
    time_t now = time(NULL);
    rotate_packed(play, "2\n", "l.1");
    set_time(play->stage, "l.1.gz", now + 1);
    put_packed(play, "l-20260103", "3\n");
    set_time(play->stage, "l-20260103.gz", now + 2);
    put_packed(play, "l-20260104", "4\n");
    set_time(play->stage, "l-20260104.gz", now + 3);
    put(play->stage, "l", "5\n");
    resume(play, "in the order of times", "2\n3\n4\n5\n");
}

/* The clock was set back a day: names say what is newer than what was found. */
static void test_clock_set_back(void **state)
{
    struct play *play = *state;
    read_one(play);
    time_t before = time(NULL) - 86400;
    rotate_packed(play, "2\n", "l.3");
    put_packed(play, "l.2", "3\n");
    put(play->stage, "l.1", "4\n");
    set_time(play->stage, "l.3.gz", before);
    set_time(play->stage, "l.2.gz", before);
    set_time(play->stage, "l.1", before);
    put(play->stage, "l", "5\n");
    resume(play, "older by their times", "2\n3\n4\n5\n");
}

static void test_the_old_ones_are_not_read(void **state)
{
    struct play *play = *state;
    put(play->stage, "l.1", "old\n");
    read_one(play);
    put(play->stage, "l", "2\n");
    /* As logrotate with delaycompress. */
    move(play->stage, "l.1", "l.2");
    run(play, "gzip", "l.2");
    move(play->stage, "l", "l.1");
    put(play->stage, "l", "3\n");
    resume(play, "not what was old", "2\n3\n");
}

static void test_kept_beside(void **state)
{
    struct play *play = *state;
    read_one(play);
    rotate(play->stage, "2\n", "l.2");
    run(play, "gzip -k", "l.2");
    put(play->stage, "l.1", "3\n");
    run(play, "gzip -k", "l.1");
    put(play->stage, "l", "4\n");
    resume(play, "each once", "2\n3\n4\n");
}

static void test_ended_within(void **state)
{
    struct play *play = *state;
    struct follow_block block;
    read_many(play, 10, true);
    put_many(play, "l", 10, 3000, true);
    move(play->stage, "l", "l.2");
    run(play, "gzip", "l.2");
    put_many(play, "l.1", 3000, 5000, true);
    run(play, "gzip", "l.1");
    put_many(play, "l", 5000, 5010, true);
    bool more = true;
    for (int ends = 0; more; ends++) {
        begin(play, "l");
        for (int i = 0; i < 1 + ends % 3; i++) {
            more = follow_next(play->stage->follow, &block) == FOLLOW_BLOCK;
            if (more)
                strbuf_add_slice(&play->stage->got, block.lines);
        }
        save(play);
        if (more)
            end(play);
        /* It is renamed in between, as by the next rotation. */
        if (ends == 5) {
            rename(in(play->stage, "l.2.gz").text, in(play->stage, "l.3.gz").text);
            rename(in(play->stage, "l.1.gz").text, in(play->stage, "l.2.gz").text);
        }
    }
    expect(play->stage, "each line once", play->stage->want.buf);
    assert_int_equal(stats(play->stage, 0).lost_bytes, 0);
}

static void move_elsewhere(struct play *play)
{
    static const char *const names[] = {"l", "l.1.gz", "l.2.gz", "l.9.gz"};
    for (size_t i = 0; i < LEN(names); i++) {
        struct stat st;
        assert_int_equal(stat(in(play->stage, names[i]).text, &st), 0);
        copy(play->stage, names[i], "moving");
        unlink(in(play->stage, names[i]).text);
        move(play->stage, "moving", names[i]);
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, in(play->stage, names[i]).text, times, 0), 0);
    }
}

/* Copied elsewhere and back: no identity is left. */
static void test_another_file_system(void **state)
{
    struct play *play = *state;
    put_packed(play, "l.9", "old\n");
    set_time(play->stage, "l.9.gz", time(NULL) - 86400);
    read_one(play);
    rotate_packed(play, "2\n", "l.2");
    put_packed(play, "l.1", "3\n");
    put(play->stage, "l", "4\n");
    move_elsewhere(play);
    resume(play, "by content", "2\n3\n4\n");
}

static void test_damaged(void **state)
{
    struct play *play = *state;
    read_many(play, 10, false);
    strbuf_reset(&play->stage->got);
    put_many(play, "l", 10, 20000, true);
    move(play->stage, "l", "l.1");
    run(play, "gzip", "l.1");
    cut_in_half(play, "l.1.gz");
    put(play->stage, "l", "after\n");
    begin(play, "l");
    wake(play->stage);
    struct slice got = strbuf_slice(&play->stage->got);
    assert_true(got.len > 1000 && slice_ends(got, SLICE("after\n")));
    got.len -= strlen("after\n");
    assert_memory_equal(got.ptr, play->stage->want.buf, got.len);
    assert_true(slice_ends(got, SLICE("\n")));
}

/* Damaged before the place: what was read of it is not read again. */
static void test_damaged_early(void **state)
{
    struct play *play = *state;
    read_many(play, 20000, false);
    strbuf_reset(&play->stage->got);
    rotate_packed(play, "lost\n", "l.2");
    cut_in_half(play, "l.2.gz");
    put_packed(play, "l.1", "between\n");
    put(play->stage, "l", "after\n");
    resume(play, "what is whole", "between\nafter\n");
}

static void test_not_what_its_name_says(void **state)
{
    struct play *play = *state;
    read_one(play);
    move(play->stage, "l", "l.4");
    put(play->stage, "l.3.gz", "no gzip\n");
    put(play->stage, "l.2.gz", "\x1f\x8b no gzip either\n");
    put_packed(play, "l.1", "2\n");
    put(play->stage, "l", "3\n");
    resume(play, "what can be read", "2\n3\n");
}

static void test_more_than_are_opened(void **state)
{
    struct play *play = *state;
    char name[32], line[32];
    read_one(play);
    rotate_packed(play, "", "l.100");
    for (int i = 99; i > 1; i--) {
        snprintf(name, sizeof(name), "l.%d", i);
        snprintf(line, sizeof(line), "%d\n", i);
        put_packed(play, name, line);
        strbuf_add_str(&play->stage->want, line);
    }
    put(play->stage, "l.1", "1\n");
    put(play->stage, "l", "0\n");
    strbuf_add_str(&play->stage->want, "1\n0\n");
    begin(play, "l");
    assert_true(stats(play->stage, 0).files < 70);
    /* And ended in between. */
    struct follow_block block;
    for (int i = 0; i < 80; i++) {
        assert_int_equal(follow_next(play->stage->follow, &block), FOLLOW_BLOCK);
        strbuf_add_slice(&play->stage->got, block.lines);
        if (i % 20 != 10)
            continue;
        save(play);
        end(play);
        begin(play, "l");
    }
    expect(play->stage, "in order", play->stage->want.buf);
}

/* What is compressed while the set watches was read before. */
static void test_compressed_while_watched(void **state)
{
    struct play *play = *state;
    read_one(play);
    begin(play, "l");
    rotate(play->stage, "2\n", "l.1");
    put(play->stage, "l", "3\n");
    expect(play->stage, "rotated", "2\n3\n");
    run(play, "gzip", "l.1");
    expect(play->stage, "compressed", "");
    save_and_end(play);
    move(play->stage, "l.1.gz", "l.2.gz");
    move(play->stage, "l", "l.1");
    run(play, "gzip", "l.1");
    resume(play, "nothing new", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAY(test_one),
        PLAY(test_other_tools),
        PLAY(test_numbers),
        PLAY(test_dates),
        PLAY(test_numbers_and_dates),
        PLAY(test_clock_set_back),
        PLAY(test_the_old_ones_are_not_read),
        PLAY(test_kept_beside),
        PLAY(test_ended_within),
        PLAY(test_another_file_system),
        PLAY(test_damaged),
        PLAY(test_damaged_early),
        PLAY(test_not_what_its_name_says),
        PLAY(test_more_than_are_opened),
        PLAY(test_compressed_while_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
