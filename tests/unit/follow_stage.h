/*
 * A stage for tests of the follow set in one process: a directory of its own, a
 * set, and what it gave. What happens between two wakes is exact here, so the
 * order of the lines is checked as well; races with a writer are the business of
 * tests/e2e/test_follow.py.
 */
#ifndef TESTS_FOLLOW_STAGE_H
#define TESTS_FOLLOW_STAGE_H

#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/source/follow.h"

#define LONGEST 4096

struct stage {
    char dir[SCRATCH_MAX];
    struct follow *follow;
    struct strbuf got;
    struct strbuf want;
};

static inline struct follow *new_follow(bool from_start)
{
    struct error err;
    struct follow_options options = {.line_max = LONGEST, .from_start = from_start};
    struct follow *follow = follow_new(&options, &err);
    if (!follow)
        fail_msg("follow_new: %s", err.text);
    return follow;
}

static inline int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    scratch_make(stage->dir);
    stage->follow = new_follow(false);
    *state = stage;
    return 0;
}

static inline int tear_down(void **state)
{
    struct stage *stage = *state;
    follow_free(stage->follow);
    strbuf_release(&stage->got);
    strbuf_release(&stage->want);
    scratch_remove(stage->dir);
    free(stage);
    return 0;
}

/* --- what a scenario does --------------------------------------------------------------------- */

struct path {
    char text[2 * SCRATCH_MAX];
};

static inline struct path in(const struct stage *stage, const char *name)
{
    struct path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", stage->dir, name);
    return path;
}

static inline void put(const struct stage *stage, const char *name, const char *text)
{
    int fd = open(in(stage, name).text, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline void move(const struct stage *stage, const char *from, const char *to)
{
    assert_int_equal(rename(in(stage, from).text, in(stage, to).text), 0);
}

static inline void copy(const struct stage *stage, const char *from, const char *to)
{
    char buf[65536];
    int in_fd = open(in(stage, from).text, O_RDONLY);
    int out_fd = open(in(stage, to).text, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t len;
    while ((len = read(in_fd, buf, sizeof(buf))) > 0)
        assert_int_equal(write(out_fd, buf, (size_t)len), len);
    close(in_fd);
    close(out_fd);
}

static inline void cut(const struct stage *stage, const char *name)
{
    assert_int_equal(truncate(in(stage, name).text, 0), 0);
}

/* The log gets its last lines, and another name. */
static inline void rotate(const struct stage *stage, const char *text, const char *to)
{
    put(stage, "l", text);
    move(stage, "l", to);
}

static inline void set_time(const struct stage *stage, const char *name, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, in(stage, name).text, times, 0), 0);
}

static inline int add(struct stage *stage, const char *pattern)
{
    struct error err;
    int number = follow_add(stage->follow, in(stage, pattern).text, NULL, &err);
    if (number < 0)
        fail_msg("follow_add: %s", err.text);
    return number;
}

static inline void take(struct stage *stage)
{
    struct follow_block block;
    while (follow_next(stage->follow, &block) == FOLLOW_BLOCK)
        strbuf_add_slice(&stage->got, block.lines);
}

/* As the owner's loop: to the end of what there is, then only when the descriptor says so. */
static inline void wake(struct stage *stage)
{
    struct pollfd fd = {.fd = follow_fd(stage->follow), .events = POLLIN};
    take(stage);
    while (poll(&fd, 1, 0) > 0) {
        follow_wake(stage->follow);
        take(stage);
    }
}

/* What the owner's timer does, so many times. */
static inline void look(struct stage *stage, int times)
{
    for (int i = 0; i < times; i++) {
        follow_check(stage->follow);
        take(stage);
    }
}

/* Shows the place where they part. */
static inline void expect(struct stage *stage, const char *when, const char *want)
{
    wake(stage);
    struct slice got = strbuf_slice(&stage->got);
    size_t same = 0;
    while (same < got.len && want[same] == got.ptr[same])
        same++;
    if (same < got.len || want[same])
        fail_msg("%s: after %zu bytes: got \"%.*s\", want \"%.300s\"", when, same,
                 SLICE_ARG(slice_head(slice_skip(got, same), 300)), want + same);
    strbuf_reset(&stage->got);
}

/* Follows a log of which "1" was written since. */
static inline void follow_one(struct stage *stage)
{
    add(stage, "l");
    put(stage, "l", "1\n");
    expect(stage, "first", "1\n");
}

static inline struct follow_stats stats(const struct stage *stage, unsigned source)
{
    struct follow_stats out;
    follow_stats_get(stage->follow, source, &out);
    return out;
}

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
