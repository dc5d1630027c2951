#include "agent.h"
#include "mailvane/expose/landing.h"
#include "mailvane/expose/process.h"
#include "mailvane/expose/text.h"
#include "setup.h"
#include "version.h"

/* A scrape waits for no more than this to be counted: some tenths of a second. */
#define SCRAPE_BYTES (32u << 20)

/* What the follow set has counted since it was asked last. */
static void count_source(struct metrics *m, uint16_t name, const struct follow_stats *stats,
                         struct follow_stats *told)
{
    struct series_key key = {{name}};
    struct series_key rename = {{name, metrics_label(m, LABEL_KIND, SLICE("rename"))}};
    struct series_key truncate = {{name, metrics_label(m, LABEL_KIND, SLICE("truncate"))}};
    metrics_add_growth(m, METRIC_LOG_READ_BYTES, key, stats->read_bytes, &told->read_bytes);
    metrics_add_growth(m, METRIC_LOG_LOST_BYTES, key, stats->lost_bytes, &told->lost_bytes);
    metrics_add_growth(m, METRIC_LOG_LONG_LINES, key, stats->long_lines, &told->long_lines);
    metrics_add_growth(m, METRIC_LOG_ROTATIONS, rename, stats->renames, &told->renames);
    metrics_add_growth(m, METRIC_LOG_ROTATIONS, truncate, stats->truncates, &told->truncates);
}

/* Lines are read again after a crash; that a file was moved or cut is seen once. */
static bool is_unique(const struct follow_stats *stats, const struct follow_stats *told)
{
    return stats->lost_bytes != told->lost_bytes || stats->renames != told->renames ||
           stats->truncates != told->truncates;
}

void agent_count_sources(struct agent *agent)
{
    struct metrics *m = agent->pipeline.metrics;
    agent->state.unique |= follow_overflows(agent->follow) != agent->told_overflows;
    for (unsigned i = 0; i < follow_sources(agent->follow); i++) {
        struct follow_stats stats;
        follow_stats_get(agent->follow, i, &stats);
        pipeline_report(&agent->pipeline, &agent->streams[i]);
        agent->state.unique |= is_unique(&stats, &agent->told[i]);
        count_source(m, metrics_label(m, LABEL_SOURCE, slice_str(stats.pattern)), &stats,
                     &agent->told[i]);
    }
    metrics_add_growth(m, METRIC_WATCH_OVERFLOWS, (struct series_key){{0}},
                       follow_overflows(agent->follow), &agent->told_overflows);
}

/* How far the log is behind. */
static void report_source(struct agent *agent, unsigned source, int64_t now)
{
    struct metrics *m = agent->pipeline.metrics;
    const struct stream *stream = &agent->streams[source];
    struct follow_stats stats;
    follow_stats_get(agent->follow, source, &stats);
    struct series_key key = {{metrics_label(m, LABEL_SOURCE, slice_str(stats.pattern))}};
    double age = stream->last_time == TIME_UNKNOWN ? 0 : (double)(now - stream->last_time);
    metrics_set(m, METRIC_LOG_BEHIND_BYTES, key, (double)stats.behind_bytes);
    metrics_set(m, METRIC_LOG_BEHIND_SECONDS, key, stats.behind_bytes && age > 0 ? age : 0);
}

static void report_process(struct agent *agent)
{
    struct metrics *m = agent->pipeline.metrics;
    struct series_key none = {{0}};
    struct process_stats stats;
    struct error err;
    if (process_stats_read(&stats, &err) < 0) {
        log_debug(&agent->log, "%s", err.text);
        return;
    }
    metrics_set(m, METRIC_PROCESS_CPU, none, stats.cpu_seconds);
    metrics_set(m, METRIC_PROCESS_START, none, stats.start_time_seconds);
    metrics_set(m, METRIC_PROCESS_RESIDENT, none, (double)stats.resident_bytes);
    metrics_set(m, METRIC_PROCESS_VIRTUAL, none, (double)stats.virtual_bytes);
    metrics_set(m, METRIC_PROCESS_OPEN_FDS, none, (double)stats.open_fds);
    metrics_set(m, METRIC_PROCESS_MAX_FDS, none, (double)stats.max_fds);
}

static void report_agent(struct agent *agent, int64_t now)
{
    struct metrics *m = agent->pipeline.metrics;
    agent_count_sources(agent);
    for (unsigned i = 0; i < follow_sources(agent->follow); i++)
        report_source(agent, i, now);
    struct series_key build = {{metrics_label(m, LABEL_VERSION, SLICE(MAILVANE_VERSION)),
                                metrics_label(m, LABEL_REVISION, SLICE(MAILVANE_REVISION))}};
    metrics_set(m, METRIC_BUILD_INFO, build, 1);
    agent_queues_report(agent);
    report_process(agent);
}

/* Seconds that go on while the machine is suspended, and that nobody puts back. */
static int64_t boot_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec;
}

void agent_note_births(struct agent *agent)
{
    scrapers_note(&agent->scrapers, boot_seconds(), metrics_births(agent->pipeline.metrics));
}

/* Makes the series that a page is complete with. */
static void settle(struct agent *agent)
{
    int64_t now = time(NULL);
    report_agent(agent, now);
    agent->state.unique |= metrics_settle(agent->pipeline.metrics, now, false);
}

void agent_begin(struct agent *agent)
{
    agent->ready = true;
    settle(agent);
    scrapers_start(&agent->scrapers, metrics_births(agent->pipeline.metrics));
}

/* A line that was written before the scrape is in it, whether inotify spoke or not. */
static unsigned write_metrics(void *arg, const struct http_request *request, struct strbuf *body)
{
    struct agent *agent = arg;
    struct metrics *m = agent->pipeline.metrics;
    follow_wake(agent->follow);
    agent_read(agent, SCRAPE_BYTES);
    settle(agent);
    struct scrape scrape =
        scrapers_visit(&agent->scrapers, request, boot_seconds(), metrics_births(m));
    struct series_key none = {{0}};
    metrics_add(m, METRIC_SCRAPERS_FORGOTTEN, none, scrape.forgot);
    metrics_set(m, METRIC_SCRAPERS, none, scrapers_count(&agent->scrapers));
    agent->state.unique |= scrape.forgot > 0;
    /* After a crash the first scrape reads SCRAPE_BYTES: it must not show less than this one. */
    if (scrape.save_first || agent->state.unique || agent->state.unsaved > SCRAPE_BYTES / 2)
        agent_state_save(agent);
    text_write(body, m, scrape.seen);
    return 200;
}

static unsigned write_landing(void *arg, const struct http_request *request, struct strbuf *body)
{
    const struct agent *agent = arg;
    (void)request;
    landing_begin(body, MAILVANE_VERSION, agent->config.web_telemetry_path);
    agent_queues_page(agent, body);
    landing_end(body);
    return 200;
}

static unsigned write_healthy(void *arg, const struct http_request *request, struct strbuf *body)
{
    (void)arg;
    (void)request;
    strbuf_add_str(body, "mailvane is healthy.\n");
    return 200;
}

static unsigned write_ready(void *arg, const struct http_request *request, struct strbuf *body)
{
    const struct agent *agent = arg;
    (void)request;
    strbuf_add_str(body, agent->ready ? "mailvane is ready.\n"
                                      : "mailvane is still reading what the logs held.\n");
    return agent->ready ? 200 : 503;
}

void agent_pages(struct agent *agent, struct http_page pages[AGENT_PAGES])
{
    const char *plain = "text/plain; charset=utf-8";
    pages[0] = (struct http_page){agent->config.web_telemetry_path, TEXT_CONTENT_TYPE,
                                  write_metrics, agent, .kept = true};
    pages[1] = (struct http_page){"/-/healthy", plain, write_healthy, agent, .kept = false};
    pages[2] = (struct http_page){"/-/ready", plain, write_ready, agent, .kept = false};
    pages[3] = (struct http_page){"/", LANDING_CONTENT_TYPE, write_landing, agent, .kept = false};
}
