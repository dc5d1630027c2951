/*
 * For test_http.py: the loop and the HTTP endpoint with three pages and nothing
 * else. usage: http_driver ADDRESS. Prints "port N" once it listens, ends on
 * SIGTERM with 0; what is wrong with ADDRESS goes to stderr, and the status is 3.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mailvane/daemon/loop.h"
#include "mailvane/expose/http.h"
#include "mailvane/expose/landing.h"

#define BIG_BYTES (16u << 20) /* more than a socket takes at once */

struct driver {
    struct loop *loop;
    struct http *http;
    struct loop_timer timer;
    unsigned scrapes;
};

static unsigned write_landing(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    landing_begin(body, "1.2.3", "/metrics");
    landing_end(body);
    return 200;
}

/* Counts its own calls, which shows that a page is written when it is asked for. */
static unsigned write_metrics(void *arg, const struct http_request *request, struct strbuf *body)
{
    struct driver *driver = arg;
    (void)request;
    strbuf_addf(body, "scrapes_total %u\n", ++driver->scrapes);
    return 200;
}

static unsigned write_big(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    static const char line[64] = "................................"
                                 "..............................\n";
    for (unsigned len = 0; len < BIG_BYTES; len += sizeof(line))
        strbuf_add(body, line, sizeof(line));
    return 200;
}

static void serve(void *arg)
{
    struct driver *driver = arg;
    http_run(driver->http);
    int64_t ms = http_timeout_ms(driver->http);
    if (ms < 0)
        loop_timer_disarm(driver->loop, &driver->timer);
    else
        loop_timer_arm(driver->loop, &driver->timer, ms);
}

static void on_signal(void *arg)
{
    struct driver *driver = arg;
    loop_stop(driver->loop);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Watches what there is to watch and runs until the signal. */
static int run(struct driver *driver, struct error *err)
{
    int signals = open_signals();
    if (loop_watch(driver->loop, signals, on_signal, driver, err) != 0 ||
        loop_watch(driver->loop, http_fd(driver->http), serve, driver, err) != 0)
        return -1;
    printf("port %u\n", (unsigned)http_port(driver->http));
    fflush(stdout);
    serve(driver);
    int status = loop_run(driver->loop, err);
    close(signals);
    return status;
}

int main(int argc, char **argv)
{
    struct driver driver = {.timer = {.fn = serve, .arg = &driver}};
    const struct http_page pages[] = {
        {"/", LANDING_CONTENT_TYPE, write_landing, &driver},
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics, &driver,
         .kept = true},
        {"/big", "text/plain", write_big, &driver},
    };
    const struct logger log = {.level = LOG_LEVEL_INFO};
    struct error err = {{0}};
    int status = -1;
    if (argc != 2) {
        fputs("usage: http_driver ADDRESS\n", stderr);
        return 2;
    }
    uint64_t connections = 0;
    const struct http_options options = {
        .pages = pages, .page_count = 3, .log = &log, .connections = &connections};
    driver.loop = loop_new(&err);
    if (driver.loop)
        driver.http = http_new(argv[1], &options, &err);
    if (driver.http)
        status = run(&driver, &err);
    if (status != 0)
        fprintf(stderr, "%s\n", err.text);
    http_free(driver.http);
    loop_free(driver.loop);
    return status == 0 ? 0 : 3;
}
