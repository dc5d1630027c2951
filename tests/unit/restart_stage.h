/*
 * follow_stage.h for what spans a restart: a set is saved and ended, things happen to
 * the files, and another set begins with what was saved.
 */
#ifndef TESTS_RESTART_STAGE_H
#define TESTS_RESTART_STAGE_H

#include "follow_stage.h"

#include <sys/wait.h>

/* What the last set saved. */
struct play {
    struct stage *stage;
    struct follow_rows rows;
};

static inline void save(struct play *play)
{
    follow_rows_release(&play->rows);
    follow_save(play->stage->follow, &play->rows);
}

/* The set ends as by kill -9: what was not saved is not known. */
static inline void end(struct play *play)
{
    follow_free(play->stage->follow);
    play->stage->follow = NULL;
}

static inline void save_and_end(struct play *play)
{
    save(play);
    end(play);
}

static inline void begin_with(struct play *play, const char *pattern, bool from_start)
{
    struct error err;
    play->stage->follow = new_follow(from_start);
    if (follow_add(play->stage->follow, in(play->stage, pattern).text, &play->rows, &err) < 0)
        fail_msg("follow_add: %s", err.text);
}

static inline void begin(struct play *play, const char *pattern)
{
    begin_with(play, pattern, false);
}

/* Begins with the log again, and gives what was written meanwhile. */
static inline void resume(struct play *play, const char *when, const char *want)
{
    begin(play, "l");
    expect(play->stage, when, want);
}

static inline int set_up_play(void **state)
{
    struct play *play = calloc(1, sizeof(*play));
    if (set_up((void **)&play->stage) < 0)
        return -1;
    *state = play;
    return 0;
}

static inline int tear_down_play(void **state)
{
    struct play *play = *state;
    follow_rows_release(&play->rows);
    tear_down((void **)&play->stage);
    free(play);
    return 0;
}

/* A log of which "1" was read, saved, and the set ended. */
static inline void read_one(struct play *play)
{
    put(play->stage, "l", "0\n");
    add(play->stage, "l");
    put(play->stage, "l", "1\n");
    expect(play->stage, "before", "1\n");
    save_and_end(play);
}

static inline const struct follow_row *row_of(const struct play *play, enum follow_role role)
{
    for (size_t i = 0; i < play->rows.count; i++) {
        if (play->rows.items[i].role == role)
            return &play->rows.items[i];
    }
    fail_msg("no row of role %d", role);
    return NULL;
}

/* Runs a tool on a file of the stage, as an administrator would. */
static inline void run(const struct play *play, const char *tool, const char *name)
{
    char command[4 * SCRATCH_MAX];
    snprintf(command, sizeof(command), "%s '%s'", tool, in(play->stage, name).text);
    assert_int_equal(system(command), 0);
}

/* A rotated and compressed file that was never seen. */
static inline void put_packed(const struct play *play, const char *name, const char *text)
{
    put(play->stage, name, text);
    run(play, "gzip", name);
}

/* The log gets its last lines, another name, and is compressed. */
static inline void rotate_packed(const struct play *play, const char *text, const char *to)
{
    rotate(play->stage, text, to);
    run(play, "gzip", to);
}

#define PLAY(name) cmocka_unit_test_setup_teardown(name, set_up_play, tear_down_play)

#endif
