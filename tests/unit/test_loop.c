#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "mailvane/daemon/loop.h"

#define ACTORS 4

/* What a callback does besides writing its name into the diary. */
enum deed {
    NOTHING,
    STOP,
    DISARM,      /* the timer of its victim */
    REARM,       /* its own timer, once, for at once */
    ARM,         /* the timer of its victim, for at once */
    FORGET,      /* its own descriptor */
    FORGET_PEER, /* the descriptor of its victim */
    REPLACE_PEER /* close the victim's descriptor and watch a quiet one of the same number */
};

struct stage;

/* One timer, one descriptor, and what to do when either speaks. */
struct actor {
    struct stage *stage;
    char name;
    enum deed deed;
    struct actor *victim;
    struct loop_timer timer;
    int fd;
    int calls;
};

struct stage {
    struct loop *loop;
    struct actor actors[ACTORS];
    char diary[32];
    size_t len;
};

static void act(void *arg);

static void write_diary(struct stage *stage, char name)
{
    assert_true(stage->len + 1 < sizeof(stage->diary));
    stage->diary[stage->len++] = name;
    stage->diary[stage->len] = '\0';
}

static int new_fd(unsigned value)
{
    int fd = eventfd(value, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void watch(struct actor *actor)
{
    struct error err;
    assert_int_equal(loop_watch(actor->stage->loop, actor->fd, act, actor, &err), 0);
}

/* A new descriptor under the old number, so that only the loop can tell them apart. */
static void replace(struct actor *actor)
{
    int quiet = new_fd(0);
    loop_forget(actor->stage->loop, actor->fd);
    assert_int_equal(dup2(quiet, actor->fd), actor->fd);
    close(quiet);
    watch(actor);
}

static void act(void *arg)
{
    struct actor *actor = arg;
    struct stage *stage = actor->stage;
    bool first = actor->calls++ == 0;
    write_diary(stage, actor->name);
    switch (actor->deed) {
    case NOTHING:
        break;
    case STOP:
        loop_stop(stage->loop);
        break;
    case DISARM:
        loop_timer_disarm(stage->loop, &actor->victim->timer);
        break;
    case REARM:
        if (first)
            loop_timer_arm(stage->loop, &actor->timer, 0);
        break;
    case ARM:
        loop_timer_arm(stage->loop, &actor->victim->timer, 0);
        break;
    case FORGET:
        loop_forget(stage->loop, actor->fd);
        break;
    case FORGET_PEER:
        loop_forget(stage->loop, actor->fd);
        loop_forget(stage->loop, actor->victim->fd);
        break;
    case REPLACE_PEER:
        loop_forget(stage->loop, actor->fd);
        replace(actor->victim);
        break;
    }
}

/* Actors are called a, b, c, d. */
static int setup(void **state)
{
    static struct stage stage;
    struct error err;
    stage = (struct stage){.loop = loop_new(&err)};
    assert_non_null(stage.loop);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &stage.actors[i];
        *actor = (struct actor){.stage = &stage, .name = (char)('a' + i), .fd = -1};
        actor->timer = (struct loop_timer){.fn = act, .arg = actor};
    }
    *state = &stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    loop_free(stage->loop);
    for (int i = 0; i < ACTORS; i++) {
        if (stage->actors[i].fd >= 0)
            close(stage->actors[i].fd);
    }
    return 0;
}

/* The last actor ends the run after everybody else has had his turn. */
static void run(struct stage *stage, int64_t stop_ms)
{
    struct error err = {{0}};
    struct actor *last = &stage->actors[ACTORS - 1];
    last->deed = STOP;
    loop_timer_arm(stage->loop, &last->timer, stop_ms);
    assert_int_equal(loop_run(stage->loop, &err), 0);
}

struct timer_case {
    const char *name;
    int64_t ms[ACTORS - 1]; /* armed in this order; -1: not at all */
    enum deed deed[ACTORS - 1];
    int victim[ACTORS - 1];
    int64_t stop_ms; /* where somebody is armed on the way, far enough for a busy machine */
    const char *want;
};

static const struct timer_case timer_cases[] = {
    {"by due time, not by order of arming", {800, 400, 0}, {0}, {0}, 1200, "cbad"},
    {"same due time: armed first, fired first", {0, 0, 0}, {0}, {0}, 1, "abcd"},
    {"not armed, not fired", {-1, 0, -1}, {0}, {0}, 1, "bd"},
    {"disarms a later one", {0, 10, 20}, {DISARM}, {1}, 30, "acd"},
    {"disarms one that is due in the same round", {0, 0, 0}, {DISARM}, {2}, 1, "abd"},
    {"disarms one that has fired", {0, 0, 0}, {0, 0, DISARM}, {0, 0, 0}, 1, "abcd"},
    {"disarms itself", {0, -1, -1}, {DISARM}, {0}, 1, "ad"},
    {"arms itself again", {0, 400, -1}, {REARM}, {0}, 800, "aabd"},
    {"arms another", {0, -1, 400}, {ARM}, {1}, 800, "abcd"},
    {"arming moves: due in this round, fired in the next", {0, 0, 0}, {ARM}, {1}, 400, "acbd"},
    {"a negative time is now", {-50, -1, 20}, {0}, {0}, 30, "acd"},
};

static void run_timer_case(const struct timer_case *row)
{
    void *state;
    setup(&state);
    struct stage *stage = state;
    for (int i = 0; i < ACTORS - 1; i++) {
        stage->actors[i].deed = row->deed[i];
        stage->actors[i].victim = &stage->actors[row->victim[i]];
        if (row->ms[i] != -1)
            loop_timer_arm(stage->loop, &stage->actors[i].timer, row->ms[i]);
    }
    usleep(2000); /* what is armed for 0 is due in the first round, all of it */
    run(stage, row->stop_ms);
    if (strcmp(stage->diary, row->want) != 0)
        fail_msg("%s: got %s, want %s", row->name, stage->diary, row->want);
    teardown(&state);
}

static void test_timers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(timer_cases) / sizeof(timer_cases[0]); i++)
        run_timer_case(&timer_cases[i]);
}

static void look_busy(void *arg)
{
    (void)arg;
}

/* By a clock that is not the loop's own, while a descriptor wakes it all the time. */
static void test_timer_not_early(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = &stage->actors[0];
    struct error err;
    actor->fd = new_fd(1);
    assert_int_equal(loop_watch(stage->loop, actor->fd, look_busy, NULL, &err), 0);
    for (int i = 0; i < 20; i++) {
        struct timespec from, to;
        usleep(300);
        clock_gettime(CLOCK_MONOTONIC, &from);
        run(stage, 3);
        clock_gettime(CLOCK_MONOTONIC, &to);
        int64_t passed = (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec);
        assert_true(passed >= 3000000);
    }
}

static void test_timer_far_away(void **state)
{
    struct stage *stage = *state;
    loop_timer_arm(stage->loop, &stage->actors[0].timer, INT64_MAX);
    assert_true(stage->actors[0].timer.due_ms > 0);
    run(stage, 5);
    assert_string_equal(stage->diary, "d");
}

static void test_watch_level_triggered(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = &stage->actors[0];
    actor->fd = new_fd(1);
    watch(actor);
    struct actor *other = &stage->actors[1];
    other->fd = new_fd(0);
    watch(other);
    for (int i = 0; i < 2; i++) {
        struct error err;
        actor->deed = STOP;
        assert_int_equal(loop_run(stage->loop, &err), 0);
    }
    assert_string_equal(stage->diary, "aa");
}

static void test_hang_up_is_readable(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = &stage->actors[0];
    struct error err;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    actor->fd = ends[0];
    actor->deed = STOP;
    watch(actor);
    close(ends[1]);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_string_equal(stage->diary, "a");
}

/* Both are readable, so both lie in the first batch, in either order. */
static void check_pair(struct stage *stage, enum deed deed)
{
    for (int i = 0; i < 2; i++) {
        struct actor *actor = &stage->actors[i];
        actor->fd = new_fd(1);
        actor->deed = deed;
        actor->victim = &stage->actors[1 - i];
        watch(actor);
    }
    run(stage, 50);
    assert_int_equal(stage->actors[0].calls + stage->actors[1].calls, 1);
}

static void test_forget_in_batch(void **state)
{
    check_pair(*state, FORGET_PEER);
}

static void test_replace_in_batch(void **state)
{
    check_pair(*state, REPLACE_PEER);
}

static void test_forget_itself(void **state)
{
    struct stage *stage = *state;
    stage->actors[0].fd = new_fd(1);
    stage->actors[0].deed = FORGET;
    watch(&stage->actors[0]);
    run(stage, 30);
    assert_string_equal(stage->diary, "ad");
}

/* Stopped by one event, the loop calls nobody else of the same batch. */
static void test_stop_in_batch(void **state)
{
    struct stage *stage = *state;
    struct error err;
    for (int i = 0; i < 3; i++) {
        stage->actors[i].fd = new_fd(1);
        stage->actors[i].deed = STOP;
        watch(&stage->actors[i]);
    }
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_int_equal(stage->len, 1);
}

/* A timer that a stop kept back fires in the next run, and can still be disarmed. */
static void test_stop_between_timers(void **state)
{
    struct stage *stage = *state;
    struct error err;
    stage->actors[0].deed = STOP;
    stage->actors[2].deed = STOP;
    for (int i = 0; i < 3; i++)
        loop_timer_arm(stage->loop, &stage->actors[i].timer, 0);
    usleep(2000);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_string_equal(stage->diary, "a");
    loop_timer_disarm(stage->loop, &stage->actors[1].timer);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_string_equal(stage->diary, "ac");
}

static void test_stop_before_run(void **state)
{
    struct stage *stage = *state;
    struct error err;
    stage->actors[0].fd = new_fd(1);
    watch(&stage->actors[0]);
    loop_stop(stage->loop);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_string_equal(stage->diary, "");
}

static void test_watch_errors(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = &stage->actors[0];
    struct error err;
    assert_int_equal(loop_watch(stage->loop, -1, act, actor, &err), -1);
    assert_string_equal(err.text, "cannot watch descriptor -1: Bad file descriptor");
    actor->fd = new_fd(0);
    watch(actor);
    assert_int_equal(loop_watch(stage->loop, actor->fd, act, actor, &err), -1);
    assert_non_null(strstr(err.text, "File exists"));
    /* The failed try must not have disturbed the watch that stands. */
    actor->deed = STOP;
    assert_int_equal(eventfd_write(actor->fd, 1), 0);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    loop_forget(stage->loop, -1);
    loop_forget(stage->loop, 1000000);
    loop_forget(stage->loop, actor->fd);
    loop_forget(stage->loop, actor->fd);
}

/* Descriptors far beyond the first size of the table. */
static void test_high_descriptor(void **state)
{
    struct stage *stage = *state;
    struct actor *actor = &stage->actors[0];
    struct error err;
    int low = new_fd(1);
    actor->fd = fcntl(low, F_DUPFD_CLOEXEC, 200);
    close(low);
    assert_true(actor->fd >= 200);
    actor->deed = STOP;
    watch(actor);
    assert_int_equal(loop_run(stage->loop, &err), 0);
    assert_string_equal(stage->diary, "a");
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms = alarms + 1;
}

/* Signals all the time: epoll_wait is interrupted, the loop goes on. */
static void test_interrupted(void **state)
{
    struct stage *stage = *state;
    struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval often = {.it_interval = {.tv_usec = 3000}, .it_value = {.tv_usec = 1}};
    const struct itimerval never = {.it_value = {0}};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    run(stage, 100);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(alarms > 0);
    assert_string_equal(stage->diary, "d");
}

#define loop_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),       loop_test(test_timer_not_early),
        loop_test(test_timer_far_away),      loop_test(test_watch_level_triggered),
        loop_test(test_hang_up_is_readable), loop_test(test_forget_in_batch),
        loop_test(test_replace_in_batch),    loop_test(test_forget_itself),
        loop_test(test_stop_in_batch),       loop_test(test_stop_between_timers),
        loop_test(test_stop_before_run),     loop_test(test_watch_errors),
        loop_test(test_high_descriptor),     loop_test(test_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
