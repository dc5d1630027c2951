#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mailvane/daemon/ready.h"

/* The supervisor's end of the notification socket, and a loop that is not run by itself. */
struct stage {
    char path[64];
    int fd;
    struct loop *loop;
    struct ready ready;
};

static int raise_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err;
    snprintf(stage->path, sizeof(stage->path), "/tmp/mailvane-ready-%d", (int)getpid());
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", stage->path);
    unlink(stage->path);
    stage->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stage->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    stage->loop = loop_new(&err);
    setenv("NOTIFY_SOCKET", stage->path, 1);
    unsetenv("WATCHDOG_USEC");
    *state = stage;
    return 0;
}

static int strike_stage(void **state)
{
    struct stage *stage = *state;
    close(stage->fd);
    unlink(stage->path);
    loop_free(stage->loop);
    free(stage);
    return 0;
}

/* The next message, "" where there is none. */
static const char *heard(struct stage *stage)
{
    static char text[256];
    ssize_t got = recv(stage->fd, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

#ifdef MAILVANE_WITH_SYSTEMD

static void ready_is_said_once(void **state)
{
    struct stage *stage = *state;
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    assert_string_equal(heard(stage), "STATUS=reading");
    ready_up(&stage->ready, "following 2 logs");
    ready_up(&stage->ready, "following 2 logs");
    assert_string_equal(heard(stage), "READY=1\nSTATUS=following 2 logs");
    assert_string_equal(heard(stage), "");
}

static void a_reload_begins_and_ends(void **state)
{
    struct stage *stage = *state;
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    heard(stage);
    ready_up(&stage->ready, "up");
    heard(stage);
    ready_reload(&stage->ready);
    assert_int_equal(strncmp(heard(stage), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    ready_reloaded(&stage->ready);
    ready_reloaded(&stage->ready);
    assert_string_equal(heard(stage), "READY=1");
    assert_string_equal(heard(stage), "");
}

/* READY=1 at the end of such a reload would come before its time. */
static void a_reload_during_the_start_says_nothing(void **state)
{
    struct stage *stage = *state;
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    heard(stage);
    ready_reload(&stage->ready);
    ready_reloaded(&stage->ready);
    assert_string_equal(heard(stage), "");
    ready_up(&stage->ready, "up");
    assert_string_equal(heard(stage), "READY=1\nSTATUS=up");
}

static void the_end_is_said(void **state)
{
    struct stage *stage = *state;
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    heard(stage);
    ready_stop(&stage->ready);
    assert_string_equal(heard(stage), "STOPPING=1\nSTATUS=stopping");
}

static void nothing_is_said_before_the_first_call(void **state)
{
    struct stage *stage = *state;
    ready_stop(&stage->ready);
    assert_string_equal(heard(stage), "");
}

struct end {
    struct loop *loop;
    struct loop_timer timer;
};

static void on_end(void *arg)
{
    struct end *end = arg;
    loop_stop(end->loop);
}

static void run_for(struct stage *stage, int64_t ms)
{
    struct error err;
    struct end end = {.loop = stage->loop, .timer = {.fn = on_end, .arg = &end}};
    loop_timer_arm(stage->loop, &end.timer, ms);
    assert_int_equal(loop_run(stage->loop, &err), 0);
}

static unsigned pings(struct stage *stage)
{
    unsigned count = 0;
    for (const char *text; *(text = heard(stage)); count++)
        assert_string_equal(text, "WATCHDOG=1");
    return count;
}

static void a_loop_that_runs_feeds_the_watchdog(void **state)
{
    struct stage *stage = *state;
    setenv("WATCHDOG_USEC", "20000", 1);
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    heard(stage);
    unsigned count = 0;
    for (unsigned turn = 0; turn < 1000 && count < 3; turn++) {
        run_for(stage, 10);
        count += pings(stage);
    }
    assert_true(count >= 3);
    ready_stop(&stage->ready);
    heard(stage);
    run_for(stage, 30);
    assert_int_equal(pings(stage), 0);
}

static void a_loop_that_hangs_does_not_feed_the_watchdog(void **state)
{
    struct stage *stage = *state;
    setenv("WATCHDOG_USEC", "2000", 1);
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    heard(stage);
    usleep(20000);
    assert_int_equal(pings(stage), 0);
}

static void without_a_watchdog_there_is_no_timer(void **state)
{
    struct stage *stage = *state;
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    assert_int_equal(stage->ready.pulse.due_ms, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, raise_stage, strike_stage)

static const struct CMUnitTest tests[] = {
    TEST(ready_is_said_once),
    TEST(a_reload_begins_and_ends),
    TEST(a_reload_during_the_start_says_nothing),
    TEST(the_end_is_said),
    TEST(nothing_is_said_before_the_first_call),
    TEST(a_loop_that_runs_feeds_the_watchdog),
    TEST(a_loop_that_hangs_does_not_feed_the_watchdog),
    TEST(without_a_watchdog_there_is_no_timer),
};

#else

static void without_libsystemd_nothing_is_said(void **state)
{
    struct stage *stage = *state;
    setenv("WATCHDOG_USEC", "2000", 1);
    ready_init(&stage->ready, stage->loop, NULL, "reading");
    ready_up(&stage->ready, "up");
    ready_stop(&stage->ready);
    assert_string_equal(heard(stage), "");
    assert_int_equal(stage->ready.pulse.due_ms, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(without_libsystemd_nothing_is_said, raise_stage, strike_stage),
};

#endif

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
