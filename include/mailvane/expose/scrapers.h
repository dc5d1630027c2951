/*
 * The scrapers that come here, and which series each of them has seen.
 *
 * Prometheus' increase() takes no notice of a counter that appears with a value. So a
 * series is shown to each scraper at 0 once, and from its next scrape on as it is. For
 * that a few scrapers are remembered, each with how many births of series it has seen
 * (metrics_births). What is promised, and to whom:
 *
 * - A series that a scraper has not seen is 0 in its next answer and has its value in the
 *   one after it. An answer that was not sent whole does not count.
 * - What a scraper was shown the value of is never 0 for it again: that would be a reset.
 *   This goes before the first promise wherever they meet, also across a restart.
 * - A scraper that is new here sees zeros only for series of the last SCRAPERS_RECENT
 *   seconds, and for none that the first reading of the logs made: a counter that went from
 *   0 to an old total would look like a burst.
 *
 * A scraper is known by its address, its User-Agent and its query, and where several are
 * alike in these, by the connection that it keeps open. A request belongs to the row with
 * its key and its connection. Else it takes over a row with its key whose connection was
 * closed: the one that came longest ago, since scrapers come by turns, and such a row sees
 * nothing at 0 that any of them was shown. Else it is new. A scraper whose connection died
 * unnoticed is new in this sense, too: so whoever is new also starts with what those of its
 * key were shown, and a row that does not come again before its connection is closed, while
 * another one with its key began, is taken for the dead end of that one and dropped.
 *
 * curl, Wget and browsers are people, who want to see what there is: they are shown all as
 * it is and not remembered. (curl -A name is a scraper.) HEAD changes nothing.
 *
 * Everything has a fixed size. When a new scraper finds no room, one that came only once
 * gives way, else the one that has not come for longest.
 */
#ifndef MAILVANE_EXPOSE_SCRAPERS_H
#define MAILVANE_EXPOSE_SCRAPERS_H

#include "mailvane/expose/http.h"

#define SCRAPERS_MAX    16
#define SCRAPERS_RECENT 300 /* seconds */

/* A row, as it is saved. Births are counts of metrics_births(). */
struct scraper {
    uint64_t key;
    uint64_t came;  /* the turn of its last request; 0: a free row */
    uint64_t seen;  /* births that it has seen, be it at 0 */
    uint64_t shown; /* births that it was shown as they are */
    uint64_t again; /* 1: it came more than once */
    uint64_t rival; /* 1: since it came, another one began with its key */
};

struct scrapers_table {
    uint64_t form; /* of this struct */
    uint64_t seed;
    uint64_t turn;  /* requests so far */
    uint64_t floor; /* births that were shown to some scraper that is forgotten */
    struct scraper rows[SCRAPERS_MAX];
};

#define SCRAPERS_SLOT  20 /* seconds that are one in the memory of births */
#define SCRAPERS_SLOTS (SCRAPERS_RECENT / SCRAPERS_SLOT + 1)

struct scrapers {
    struct scrapers_table table;
    /* What is not saved, by row. */
    uint64_t connection[SCRAPERS_MAX]; /* 0: closed */
    uint64_t pending[SCRAPERS_MAX];    /* births in the answer that is being sent; 0: none */
    uint64_t saved[SCRAPERS_MAX];      /* what it would have seen, were we to restart now */
    uint64_t saved_keys[SCRAPERS_MAX]; /* of the table as it was saved last; 0: free */
    /* How many births there were when, oldest first. */
    struct {
        int64_t time;
        uint64_t births;
    } past[SCRAPERS_SLOTS];
    unsigned past_count;
    int64_t now;
    bool started;
    uint64_t base; /* births when the logs had been read for the first time */
};

void scrapers_init(struct scrapers *s, uint64_t seed);

/* The logs have been read once: what has been born so far is not new to anybody new. */
void scrapers_start(struct scrapers *s, uint64_t births);
/* To be called when series may have been born. now: seconds of a clock that does not stand. */
void scrapers_note(struct scrapers *s, int64_t now, uint64_t births);

/* How a page is to be written. */
struct scrape {
    uint64_t seen; /* for text_write() */
    /*
     * State is to be saved before this answer: it shows the value of series that the scraper
     * would be shown at 0 after a restart from what is saved now. (A crash before the answer
     * that shows the zeros costs nothing: 0 twice is no reset, and this one is not that.)
     */
    bool save_first;
    bool forgot; /* another scraper had to give way */
};

/* A request for the page, with the births of all series that will be on it. */
struct scrape scrapers_visit(struct scrapers *s, const struct http_request *request, int64_t now,
                             uint64_t births);
/* For http_options: what became of the answer, and the end of a connection. */
void scrapers_answered(struct scrapers *s, uint64_t connection, bool whole);
void scrapers_closed(struct scrapers *s, uint64_t connection);

/* How many are remembered. */
unsigned scrapers_count(const struct scrapers *s);

/*
 * To save: the table, `len` bytes that are borrowed until the next call; and to be told
 * when they are saved, together with the births of series that they speak of.
 */
const void *scrapers_image(const struct scrapers *s, size_t *len);
void scrapers_saved(struct scrapers *s);
/* Takes a table over, with its seed; false, and nothing is changed, where it cannot be one. */
bool scrapers_restore(struct scrapers *s, const void *image, size_t len);

#endif
