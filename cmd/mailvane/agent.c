#include "agent.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/daemon/sandbox.h"
#include "setup.h"
#include "version.h"

/* One turn of the loop reads this much of a backlog before it looks at scrapes again. */
#define TURN_BYTES (4u << 20)
/* The longest line of any log: syslog daemons cut far below. */
#define LINE_MAX_BYTES (64u << 10)
/* Editors write a file in several steps: look when they are done. */
#define SETTLE_MS 500
/* A stamp without a year is read against the file's time; once an hour is often enough. */
#define REFERENCE_SECONDS 3600

static void became_ready(struct agent *agent)
{
    char status[64];
    unsigned sources = follow_sources(agent->follow);
    snprintf(status, sizeof(status), "following %u log%s", sources, sources == 1 ? "" : "s");
    agent_begin(agent);
    ready_up(&agent->supervisor, status);
}

/* True where all was read. */
static bool drain(struct agent *agent, size_t bytes)
{
    struct follow_block block;
    size_t done = 0;
    while (done < bytes) {
        if (follow_next(agent->follow, &block) == FOLLOW_IDLE) {
            if (!agent->ready)
                became_ready(agent);
            return true;
        }
        struct stream *stream = &agent->streams[block.source];
        if (llabs(block.mtime - stream->envelopes.reference) > REFERENCE_SECONDS)
            envelope_parser_refer(&stream->envelopes, block.mtime);
        pipeline_count(&agent->pipeline, stream, block.lines);
        agent_state_touch(agent, block.lines.len);
        done += block.lines.len;
    }
    return false;
}

void agent_read(struct agent *agent, size_t bytes)
{
    if (!drain(agent, bytes))
        loop_timer_arm(agent->loop, &agent->more, 0);
    agent_note_births(agent);
}

static void on_more(void *arg)
{
    agent_read(arg, TURN_BYTES);
}

static void on_follow(void *arg)
{
    struct agent *agent = arg;
    follow_wake(agent->follow);
    on_more(agent);
}

static void on_check(void *arg)
{
    struct agent *agent = arg;
    follow_check(agent->follow);
    on_more(agent);
    loop_timer_arm(agent->loop, &agent->check, agent->config.check_interval * 1000);
}

static void on_signal(void *arg)
{
    struct agent *agent = arg;
    struct signalfd_siginfo info;
    if (read(agent->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        ready_reload(&agent->supervisor);
        log_info(&agent->log, "SIGHUP: looking at every log and at Postfix' configuration again");
        loop_timer_arm(agent->loop, &agent->settle, 0);
        on_check(agent);
        return;
    }
    log_info(&agent->log, "stopping");
    ready_stop(&agent->supervisor);
    loop_stop(agent->loop);
}

/* libmicrohttpd wants to be run after a time as well: idle connections end. */
static void arm_http(struct agent *agent, unsigned i)
{
    int64_t ms = http_timeout_ms(agent->https[i]);
    if (ms < 0)
        loop_timer_disarm(agent->loop, &agent->http_timers[i]);
    else
        loop_timer_arm(agent->loop, &agent->http_timers[i], ms);
}

static void on_http(void *arg)
{
    struct agent *agent = arg;
    for (unsigned i = 0; i < AGENT_LISTENS_MAX && agent->https[i]; i++) {
        http_run(agent->https[i]);
        arm_http(agent, i);
    }
    agent_state_tidy(agent);
}

static void watch_dir(struct agent *agent, const char *dir)
{
    const uint32_t mask = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVE_SELF;
    if (watch_path(&agent->postfix, dir, mask) < 0)
        log_warn(&agent->log, "%s: cannot be watched: %s", dir, strerror(errno));
}

/* A file behind a symlink changes where it lies. */
static void watch_target(struct agent *agent, const char *dir, const char *file)
{
    char path[PATH_MAX], target[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", dir, file);
    if (len < 0 || (size_t)len >= sizeof(path) || !realpath(path, target))
        return;
    char *slash = strrchr(target, '/');
    slash[slash == target] = '\0';
    watch_dir(agent, target);
}

/* Watches what was configured and what the last reading led to, whether it worked or not. */
static void watch_postfix(struct agent *agent)
{
    const struct postfix_cf *cf = sending_ips_postfix(agent->pipeline.sending_ips);
    for (size_t i = 0; i < agent->config.postfix_dir_count; i++)
        watch_dir(agent, agent->config.postfix_dirs[i]);
    for (size_t i = 0; i < cf->dir_count; i++)
        watch_dir(agent, cf->dirs[i]);
    for (size_t i = 0; i < cf->dir_count; i++) {
        watch_target(agent, cf->dirs[i], "main.cf");
        watch_target(agent, cf->dirs[i], "master.cf");
    }
}

static void note_configuration(struct agent *agent, int64_t time)
{
    record_change(agent->pipeline.recorder, CHANGE_MTA_CONFIGURATION, time);
}

/* What changed while nobody watched: the inode's time is moved by mv and by cp -p, too. */
static void note_configuration_found(struct agent *agent)
{
    static const char *const files[] = {"main.cf", "master.cf"};
    const struct postfix_cf *cf = sending_ips_postfix(agent->pipeline.sending_ips);
    struct stat st;
    char path[PATH_MAX];
    for (size_t i = 0; i < cf->dir_count; i++) {
        for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
            int len = snprintf(path, sizeof(path), "%s/%s", cf->dirs[i], files[f]);
            if (len > 0 && (size_t)len < sizeof(path) && stat(path, &st) == 0)
                note_configuration(agent, st.st_ctim.tv_sec);
        }
    }
}

static void read_postfix_again(struct agent *agent)
{
    struct error err;
    if (sending_ips_rebuild(agent->pipeline.sending_ips, &agent->config, &err) < 0)
        log_warn(&agent->log, "sending addresses stay as they were: %s", err.text);
    else
        log_info(&agent->log, "read Postfix' configuration again");
    watch_postfix(agent);
}

static void on_settled(void *arg)
{
    struct agent *agent = arg;
    if (agent->config.postfix_dir_count > 0)
        read_postfix_again(agent);
    ready_reloaded(&agent->supervisor);
}

static void on_postfix_changed(void *arg)
{
    struct agent *agent = arg;
    struct watch_event event;
    while (watch_next(&agent->postfix, &event)) {
        /* Editors keep hidden files beside what they show, changed or not. */
        if (event.name[0] && event.name[0] != '.')
            note_configuration(agent, time(NULL));
    }
    /* Not moved by later events: somebody who keeps writing there must not put it off. */
    if (!agent->settle.due_ms)
        loop_timer_arm(agent->loop, &agent->settle, SETTLE_MS);
}

static int follow_one(struct agent *agent, const char *pattern, const char *format,
                      const struct follow_rows *saved, struct error *err)
{
    enum format_id only = FORMAT_AUTO;
    int source = follow_add(agent->follow, pattern, saved, err);
    if (source < 0)
        return -1;
    if (format)
        format_parse_name(format, &only);
    struct follow_stats stats;
    follow_stats_get(agent->follow, (unsigned)source, &stats);
    stream_init(&agent->streams[source], stats.pattern, only, time(NULL));
    log_info(&agent->log, "following %s, format %s", pattern, format ? format : "auto");
    if (access(pattern, R_OK) < 0 && errno == EACCES)
        log_warn(&agent->log, "%s: %s; nothing is counted from it until it can be read", pattern,
                 strerror(errno));
    return 0;
}

/* The configured logs, else those of the usual places that are there, else all of them. */
static int follow_sources_of(struct agent *agent, const struct follow_rows *saved,
                             struct error *err)
{
    const struct config *config = &agent->config;
    bool usual = config->source_count == 0, any = !usual || setup_has_usual_log();
    const char *pattern;
    if (!any)
        log_warn(&agent->log, SETUP_NO_LOG "; nothing is counted until one of them is");
    for (size_t i = 0; (pattern = setup_log(config, i)); i++) {
        const char *format = usual ? NULL : config->sources[i].format;
        if (usual && any && access(pattern, F_OK) < 0)
            continue;
        if (follow_one(agent, pattern, format, saved, err) < 0)
            return -1;
    }
    return 0;
}

static int open_signals(struct agent *agent, struct error *err)
{
    sigset_t set;
    /* stderr may be a pipe whose reader is restarted. */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    agent->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (agent->signals < 0)
        return error_set(err, "signalfd: %s", strerror(errno));
    return loop_watch(agent->loop, agent->signals, on_signal, agent, err);
}

static void on_answered(void *arg, uint64_t connection, bool whole)
{
    struct agent *agent = arg;
    scrapers_answered(&agent->scrapers, connection, whole);
}

static void on_closed(void *arg, uint64_t connection)
{
    struct agent *agent = arg;
    scrapers_closed(&agent->scrapers, connection);
}

static int listen_all(struct agent *agent, const struct http_page *pages, struct error *err)
{
    const struct config *config = &agent->config;
    const struct http_options options = {
        .pages = pages,
        .page_count = AGENT_PAGES,
        .log = &agent->log,
        .connections = &agent->connections,
        .answered = on_answered,
        .closed = on_closed,
        .arg = agent,
    };
    for (size_t i = 0; i < config->web_listen_count && i < AGENT_LISTENS_MAX; i++) {
        agent->https[i] = http_new(config->web_listen[i], &options, err);
        if (!agent->https[i])
            return -1;
        agent->http_timers[i] = (struct loop_timer){.fn = on_http, .arg = agent};
        if (loop_watch(agent->loop, http_fd(agent->https[i]), on_http, agent, err) < 0)
            return -1;
        log_info(&agent->log, "listening on %s, port %u", config->web_listen[i],
                 http_port(agent->https[i]));
    }
    return 0;
}

/* From where they were left, if that is known; then from now on, it is saved where they are. */
static int follow_logs(struct agent *agent, bool from_start, struct error *err)
{
    const struct follow_options options = {
        .log = &agent->log,
        .line_max = LINE_MAX_BYTES,
        .from_start = from_start,
        .before_drop = agent_state_before_drop,
        .arg = agent,
    };
    struct follow_rows saved;
    agent_state_open(agent, &saved);
    /* Behind what was saved: what is new among them was not seen by any scraper. */
    pipeline_make_totals(&agent->pipeline);
    agent->follow = follow_new(&options, err);
    int rc = agent->follow ? follow_sources_of(agent, &saved, err) : -1;
    follow_rows_release(&saved);
    agent->state.complete = rc == 0;
    if (rc == 0)
        agent_state_save(agent);
    return rc;
}

/* Opens everything; what was opened is closed by agent_close, also after an error. */
static int agent_open(struct agent *agent, const struct http_page *pages, bool from_start,
                      struct error *err)
{
    agent->check = (struct loop_timer){.fn = on_check, .arg = agent};
    agent->more = (struct loop_timer){.fn = on_more, .arg = agent};
    agent->settle = (struct loop_timer){.fn = on_settled, .arg = agent};
    agent->loop = loop_new(err);
    if (!agent->loop || open_signals(agent, err) < 0 || watch_open(&agent->postfix, err) < 0)
        return -1;
    ready_init(&agent->supervisor, agent->loop, &agent->log, "reading the logs");
    /* A port may need rights that reading the logs does not: what follows does without them. */
    if (listen_all(agent, pages, err) < 0 || agent_confine(agent, err) < 0)
        return -1;
    if (follow_logs(agent, from_start, err) < 0)
        return -1;
    if (loop_watch(agent->loop, follow_fd(agent->follow), on_follow, agent, err) < 0 ||
        loop_watch(agent->loop, agent->postfix.fd, on_postfix_changed, agent, err) < 0)
        return -1;
    watch_postfix(agent);
    note_configuration_found(agent);
    agent_queues_open(agent);
    loop_timer_arm(agent->loop, &agent->more, 0);
    loop_timer_arm(agent->loop, &agent->check, agent->config.check_interval * 1000);
    return 0;
}

static void agent_close(struct agent *agent)
{
    for (unsigned i = 0; i < AGENT_LISTENS_MAX && agent->https[i]; i++)
        http_free(agent->https[i]);
    agent_queues_close(agent);
    agent_state_close(agent);
    follow_free(agent->follow);
    watch_close(&agent->postfix);
    if (agent->signals >= 0)
        close(agent->signals);
    loop_free(agent->loop);
}

/* Without a configuration, Postfix' own usual directory tells the sending addresses. */
static void use_usual_postfix(struct config *config)
{
    if (access("/etc/postfix/master.cf", R_OK) < 0)
        return;
    config->postfix_dirs = must_calloc(1, sizeof(*config->postfix_dirs));
    config->postfix_dirs[0] = must_strdup("/etc/postfix");
    config->postfix_dir_count = 1;
}

static int agent_run(struct agent *agent, bool from_start)
{
    struct http_page pages[AGENT_PAGES];
    struct error err;
    int status = EXIT_DONE;
    log_info(&agent->log, "mailvane %s, revision %s", MAILVANE_VERSION, MAILVANE_REVISION);
    log_info(&agent->log, "configuration: %s", agent->config_file ? agent->config_file : "none");
    /* Before PCRE2 makes code of the rules: it would lie in such memory. */
    if (agent->config.sandbox && sandbox_seal_memory(&agent->log, &err) < 0)
        return cli_fail(EXIT_WORLD, "%s", err.text);
    if (pipeline_init(&agent->pipeline, &agent->config, &agent->log, &err) < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    scrapers_init(&agent->scrapers, hash_seed());
    agent_pages(agent, pages);
    if (agent_open(agent, pages, from_start, &err) < 0 || loop_run(agent->loop, &err) < 0)
        status = cli_fail(EXIT_WORLD, "%s", err.text);
    agent_close(agent);
    pipeline_release(&agent->pipeline);
    return status;
}

/* What the command line says, over the file. */
struct agent_flags {
    const char *config_file, *listen, *path, *web_config, *level, *format;
    bool from_start, help;
};

static void replace(char **owned, const char *value)
{
    if (!value)
        return;
    free(*owned);
    *owned = must_strdup(value);
}

static int apply_flags(struct agent *agent, const struct agent_flags *flags, struct error *err)
{
    struct config *config = &agent->config;
    if (flags->web_config)
        return error_set(err, "--web.config.file is not supported by this version");
    if (flags->listen) {
        for (size_t i = 1; i < config->web_listen_count; i++)
            free(config->web_listen[i]);
        config->web_listen_count = 1;
        replace(&config->web_listen[0], flags->listen);
        if (setup_check_listens(config, "--web.listen-address", err) < 0)
            return -1;
    }
    replace(&config->web_telemetry_path, flags->path);
    replace(&config->log_level, flags->level);
    replace(&config->log_format, flags->format);
    if (config->web_telemetry_path[0] != '/' || !config->web_telemetry_path[1])
        return error_set(err, "--web.telemetry-path: \"%s\" is not a path such as /metrics",
                         config->web_telemetry_path);
    if (!log_level_parse(config->log_level, &agent->log.level))
        return error_set(err, "--log.level: \"%s\" is none of debug, info, warn, error",
                         config->log_level);
    agent->log.json = strcmp(config->log_format, "json") == 0;
    if (!agent->log.json && strcmp(config->log_format, "logfmt") != 0)
        return error_set(err, "--log.format: \"%s\" is neither logfmt nor json",
                         config->log_format);
    return 0;
}

int run_agent(int argc, char **argv)
{
    struct agent_flags given = {0};
    const struct cli_flag flags[] = {
        {"config.file", "F", "Configuration (default " SETUP_CONFIG_USUAL ", where it is).",
         &given.config_file, NULL},
        {"web.listen-address", "ADDR", "Address to listen on (default :9925).", &given.listen,
         NULL},
        {"web.telemetry-path", "PATH", "Path of the metrics (default /metrics).", &given.path,
         NULL},
        {"web.config.file", "F", "TLS and authentication; not in this version.", &given.web_config,
         NULL},
        {"log.level", "L", "debug, info (default), warn or error.", &given.level, NULL},
        {"log.format", "F", "logfmt (default) or json.", &given.format, NULL},
        {"from-start", NULL, "Count what the logs hold already, too.", NULL, &given.from_start},
        {"help", NULL, "Show this.", NULL, &given.help},
        {NULL},
    };
    struct error err;
    int operand = cli_parse(argc, argv, flags, &err);
    if (operand < 0)
        return cli_fail(EXIT_USAGE, "%s", err.text);
    if (given.help) {
        cli_help("[flags]", "Follows the mail log and serves its metrics to Prometheus.", flags);
        return EXIT_DONE;
    }
    if (argv[operand])
        return cli_fail(EXIT_USAGE, "the agent takes no operand, but got \"%s\"", argv[operand]);
    given.config_file = setup_config_file(given.config_file);
    struct agent *agent = must_calloc(1, sizeof(*agent));
    agent->config_file = given.config_file;
    agent->signals = agent->postfix.fd = -1;
    int status;
    if (setup_config(&agent->config, given.config_file, &err) < 0 ||
        apply_flags(agent, &given, &err) < 0) {
        status = cli_fail(EXIT_USAGE, "%s", err.text);
    } else {
        if (!given.config_file)
            use_usual_postfix(&agent->config);
        status = agent_run(agent, given.from_start);
    }
    config_release(&agent->config);
    free(agent);
    return status;
}
