/*
 * What tests of the scrapers share: what a series is shown as follows from two numbers alone, it
 * is 0 where it was born after `seen`. So the tests speak of births, and of whom they are shown to.
 */
#ifndef MAILVANE_TESTS_SCRAPERS_STAGE_H
#define MAILVANE_TESTS_SCRAPERS_STAGE_H

#include "guard.h"

#include "mailvane/expose/scrapers.h"
#include "mailvane/expose/text.h"

#define BASE 100 /* births of the first reading */
#define T0   50000

/* Two scrapers by their User-Agents, and two that are alike. */
#define PROM  "Prometheus/2.42.0"
#define AGENT "GrafanaAgent/v0.40"

static inline struct http_request request_of(const char *agent, uint64_t connection)
{
    return (struct http_request){
        .connection = connection,
        .peer = SLICE("192.0.2.7"),
        .user_agent = slice_str(agent),
        .query = SLICE(""),
    };
}

/* A table that began T0 ago with BASE births, all long known. */
static inline struct scrapers *new_scrapers(void)
{
    static struct scrapers s;
    scrapers_init(&s, 42);
    scrapers_note(&s, T0, BASE);
    scrapers_start(&s, BASE);
    return &s;
}

/* A whole scrape: what it had seen. */
static inline uint64_t scrape_at(struct scrapers *s, const char *agent, uint64_t connection,
                                 int64_t now, uint64_t births)
{
    struct http_request request = request_of(agent, connection);
    struct scrape scrape = scrapers_visit(s, &request, now, births);
    scrapers_answered(s, connection, true);
    return scrape.seen;
}

static inline uint64_t scrape(struct scrapers *s, const char *agent, uint64_t connection,
                              uint64_t births)
{
    return scrape_at(s, agent, connection, T0 + 1, births);
}

/* A scrape on a connection that is closed at once. */
static inline uint64_t visit_once(struct scrapers *s, const char *agent, uint64_t connection,
                                  uint64_t births)
{
    uint64_t seen = scrape(s, agent, connection, births);
    scrapers_closed(s, connection);
    return seen;
}

static inline void expect(const char *name, uint64_t got, uint64_t want)
{
    expect_int(name, "seen", (long long)got, (long long)want);
}

/* One of many. */
static inline const char *name_of(unsigned n)
{
    static char name[32];
    snprintf(name, sizeof(name), "scraper %u", n);
    return name;
}

#endif
