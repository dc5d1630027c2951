#include "agent.h"
#include "mailvane/base/bug.h"
#include "mailvane/source/checkpoint.h"

/* While something is counted, it is saved this often ... */
#define SAVE_MS 2000
/* ... and soon after a start: one that is killed after each would read the same for ever. */
#define SAVE_FIRST_MS 100
/* The name of the scrapers' table among what is saved. */
#define SCRAPERS "scrapers"

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Said once until it works again: a disk that is full stays so for long. */
static void complain(struct agent *agent, const struct error *err)
{
    struct agent_state *state = &agent->state;
    metrics_add(agent->pipeline.metrics, METRIC_CHECKPOINT_FAILURES, (struct series_key){{0}}, 1);
    if (!state->failing)
        log_error(&agent->log, "the state is not saved: %s; counting goes on", err->text);
    state->failing = true;
}

static void praise(struct agent *agent, const struct timespec *start)
{
    struct agent_state *state = &agent->state;
    struct metrics *m = agent->pipeline.metrics;
    if (state->failing)
        log_info(&agent->log, "the state is saved again");
    state->failing = state->changed = state->unique = false;
    state->unsaved = 0;
    metrics_set(m, METRIC_CHECKPOINT_TIMESTAMP, (struct series_key){{0}}, (double)time(NULL));
    metrics_set(m, METRIC_CHECKPOINT_SECONDS, (struct series_key){{0}}, seconds_since(start));
}

/* Everything that is in one transaction. */
static int commit(struct agent *agent, const struct follow_rows *rows, struct error *err)
{
    struct checkpoint *c = agent->state.checkpoint;
    size_t len;
    checkpoint_begin(c);
    const void *scrapers = scrapers_image(&agent->scrapers, &len);
    image_put(checkpoint_writer(c), SCRAPERS, scrapers, len);
    pipeline_save(&agent->pipeline, checkpoint_writer(c));
    checkpoint_put_files(c, rows);
    if (checkpoint_commit(c, err) < 0)
        return -1;
    scrapers_saved(&agent->scrapers);
    return 0;
}

void agent_state_save(struct agent *agent)
{
    struct follow_rows rows = {0};
    struct timespec start;
    struct error err;
    if (!agent->state.checkpoint)
        return;
    clock_gettime(CLOCK_MONOTONIC, &start);
    agent_count_sources(agent);
    metrics_tell_limits(agent->pipeline.metrics);
    follow_save(agent->follow, &rows);
    if (commit(agent, &rows, &err) < 0)
        complain(agent, &err);
    else
        praise(agent, &start);
    follow_rows_release(&rows);
}

void agent_state_touch(struct agent *agent, size_t bytes)
{
    agent->state.changed = true;
    agent->state.unsaved += bytes;
    if (agent->state.checkpoint && !agent->state.save.due_ms)
        loop_timer_arm(agent->loop, &agent->state.save,
                       agent->state.settled ? SAVE_MS : SAVE_FIRST_MS);
}

/* Behind a file that is closed nobody reads again: what was counted of it has to be safe. */
void agent_state_before_drop(void *arg)
{
    struct agent *agent = arg;
    if (agent->state.changed)
        agent_state_save(agent);
}

static void on_save(void *arg)
{
    struct agent *agent = arg;
    agent->state.settled = true;
    agent_state_save(agent);
    /* Where nobody asks for the metrics there is no answer to tidy up after. */
    agent_state_tidy(agent);
    /* It failed: tried again while there is something to save. */
    if (agent->state.changed)
        loop_timer_arm(agent->loop, &agent->state.save, SAVE_MS);
}

void agent_state_tidy(struct agent *agent)
{
    if (agent->state.checkpoint)
        checkpoint_tidy(agent->state.checkpoint);
}

/* Counters and the memory between lines; what cannot be is set aside. */
static int resume(struct agent *agent, struct follow_rows *rows, struct error *err)
{
    struct checkpoint *c = agent->state.checkpoint;
    struct slice scrapers = image_get(checkpoint_reader(c), SCRAPERS);
    /* Without them each scraper is a new one: that costs zeros, and no count. */
    scrapers_restore(&agent->scrapers, scrapers.ptr, scrapers.len);
    if (pipeline_resume(&agent->pipeline, checkpoint_seed(c), checkpoint_reader(c)))
        return 0;
    scrapers_init(&agent->scrapers, checkpoint_seed(c));
    follow_rows_release(rows);
    if (checkpoint_discard(c, err) < 0)
        return -1;
    /* A file that is new holds nothing that could be wrong. */
    bug_if(!pipeline_resume(&agent->pipeline, checkpoint_seed(c), checkpoint_reader(c)));
    return 0;
}

void agent_state_open(struct agent *agent, struct follow_rows *rows)
{
    struct agent_state *state = &agent->state;
    struct error err;
    *rows = (struct follow_rows){0};
    state->save = (struct loop_timer){.fn = on_save, .arg = agent};
    if (!agent->config.state) {
        log_info(&agent->log, "state: none; counters begin at zero with each start");
        return;
    }
    state->checkpoint = checkpoint_open(agent->config.state, &agent->log, &err);
    /* The places first: counters without them would count again what they have counted. */
    bool good = state->checkpoint && checkpoint_files(state->checkpoint, rows, &err) == 0 &&
                resume(agent, rows, &err) == 0;
    if (!good) {
        complain(agent, &err);
        follow_rows_release(rows);
        checkpoint_close(state->checkpoint);
        state->checkpoint = NULL;
        return;
    }
    if (checkpoint_was_damaged(state->checkpoint))
        metrics_add(agent->pipeline.metrics, METRIC_CHECKPOINT_FAILURES, (struct series_key){{0}},
                    1);
    log_info(&agent->log,
             checkpoint_is_new(state->checkpoint) ? "state: %s, which is new"
                                                  : "state: going on from %s",
             agent->config.state);
}

void agent_state_close(struct agent *agent)
{
    /* Before all logs were added, those that are missing would be forgotten. */
    if (agent->state.complete)
        agent_state_save(agent);
    checkpoint_close(agent->state.checkpoint);
    agent->state.checkpoint = NULL;
}
