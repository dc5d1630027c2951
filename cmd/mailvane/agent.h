/*
 * The agent: follows the configured logs in one epoll loop and answers scrapes.
 * agent.c wires it up, agent_pages.c holds what it shows.
 */
#ifndef MAILVANE_AGENT_H
#define MAILVANE_AGENT_H

#include "mailvane/base/watch.h"
#include "mailvane/daemon/loop.h"
#include "mailvane/expose/http.h"
#include "mailvane/expose/scrapers.h"
#include "mailvane/source/follow.h"
#include "pipeline.h"

#define AGENT_LISTENS_MAX 16

struct agent {
    const char *config_file; /* NULL: none was read */
    struct config config;
    struct logger log;
    struct pipeline pipeline;
    struct loop *loop;
    struct follow *follow;
    struct stream streams[FOLLOW_SOURCES_MAX]; /* by the follow set's number */
    struct http *https[AGENT_LISTENS_MAX];
    struct loop_timer http_timers[AGENT_LISTENS_MAX];
    uint64_t connections; /* that there were, on all of them */
    struct scrapers scrapers;
    struct loop_timer check;  /* the slow safety look */
    struct loop_timer more;   /* a long backlog is read in parts, so that scrapes get between */
    struct loop_timer settle; /* Postfix' configuration changed: wait until it is whole */
    struct watch postfix;     /* its directories */
    int signals;
    bool ready; /* all was read once that was there at the start */
};

/* Reads and counts what the logs hold now, at most so many bytes; the rest comes by itself. */
void agent_read(struct agent *agent, size_t bytes);

/* What the logs held at the start has been read: what it made is not new to any scraper. */
void agent_begin(struct agent *agent);
/* Series may have been born. */
void agent_note_births(struct agent *agent);

/* The pages of an agent; the array must live as long as the agent. */
#define AGENT_PAGES 4
void agent_pages(struct agent *agent, struct http_page pages[AGENT_PAGES]);

#endif
