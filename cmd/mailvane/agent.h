/*
 * The agent: follows the configured logs in one epoll loop and answers scrapes.
 * agent.c wires it up, agent_queue.c looks at the mail queues, agent_pages.c holds what it
 * shows, agent_rights.c what it may do.
 */
#ifndef MAILVANE_AGENT_H
#define MAILVANE_AGENT_H

#include "mailvane/base/watch.h"
#include "mailvane/daemon/loop.h"
#include "mailvane/daemon/ready.h"
#include "mailvane/expose/http.h"
#include "mailvane/expose/scrapers.h"
#include "mailvane/source/checkpoint.h"
#include "mailvane/source/follow.h"
#include "pipeline.h"
#include "shape.h"

#define AGENT_LISTENS_MAX 16

/* What outlives a restart (agent_state.c). */
struct agent_state {
    struct checkpoint *checkpoint; /* NULL: nothing is kept */
    struct loop_timer save;
    bool changed;     /* something was counted since it was saved */
    uint64_t unsaved; /* bytes of lines that were counted since then */
    bool unique;      /* and of that something that no reading of the logs again would count */
    bool settled;     /* the first that was counted since the start was saved */
    bool failing;     /* the last save failed, which was said */
    bool complete;    /* all logs were added: what is saved is all there is */
};

struct agent_queue;

struct agent {
    const char *config_file; /* NULL: none was read */
    struct config config;
    struct logger log;
    struct pipeline pipeline;
    struct loop *loop;
    struct follow *follow;
    struct stream streams[FOLLOW_SOURCES_MAX];    /* by the follow set's number */
    struct follow_stats told[FOLLOW_SOURCES_MAX]; /* what of them is in the metrics already */
    uint64_t told_overflows;
    struct http *https[AGENT_LISTENS_MAX];
    struct loop_timer http_timers[AGENT_LISTENS_MAX];
    uint64_t connections; /* that there were, on all of them */
    struct scrapers scrapers;
    struct loop_timer check;  /* the slow safety look */
    struct loop_timer more;   /* a long backlog is read in parts, so that scrapes get between */
    struct loop_timer settle; /* Postfix' configuration changed: wait until it is whole */
    struct watch postfix;     /* its directories */
    int signals;
    struct ready supervisor;
    struct agent_state state;
    struct agent_queue *queues;
    size_t queue_count;
    size_t queue_turn;             /* whose turn it was last */
    struct loop_timer queue_looks; /* somebody's turn */
    bool ready;                    /* all was read once that was there at the start */
};

/* Reads and counts what the logs hold now, at most so many bytes; the rest comes by itself. */
void agent_read(struct agent *agent, size_t bytes);

/* Moves what the logs' readers have counted into the metrics. */
void agent_count_sources(struct agent *agent);

/*
 * The state. Open: the pipeline goes on from what was saved, and *rows says where the logs
 * were left; without a state, or where it cannot be read, all begins anew. Touch: so many
 * bytes of lines were counted, to be saved soon. Save: now. Tidy: nobody waits for an answer just
 * now. Close saves for the last time.
 */
void agent_state_open(struct agent *agent, struct follow_rows *rows);
void agent_state_touch(struct agent *agent, size_t bytes);
void agent_state_save(struct agent *agent);
void agent_state_tidy(struct agent *agent);
void agent_state_close(struct agent *agent);
/* For the follow set's before_drop. */
void agent_state_before_drop(void *agent);

/* The mail queues: from then on they are looked at. Report: what a page is complete with. */
void agent_queues_open(struct agent *agent);
void agent_queues_report(struct agent *agent);
void agent_queues_close(struct agent *agent);

/* A queue as the last look found it that worked. */
struct queue_view {
    const char *name;
    const struct shape *shape; /* NULL: nothing is known of it */
    int64_t seconds;           /* since then */
    const char *complaint;     /* what is wrong with the last look; NULL: nothing */
};
struct queue_view agent_queue_view(const struct agent *agent, size_t queue);
/* Their sections of the page for a person. */
void agent_queues_page(const struct agent *agent, struct strbuf *page);

/* What the logs held at the start has been read: what it made is not new to any scraper. */
void agent_begin(struct agent *agent);
/* Series may have been born. */
void agent_note_births(struct agent *agent);

/* The pages of an agent; the array must live as long as the agent. */
#define AGENT_PAGES 4
void agent_pages(struct agent *agent, struct http_page pages[AGENT_PAGES]);

/* Gives up what following and answering do not need, as the configuration says. */
int agent_confine(const struct agent *agent, struct error *err);

#endif
