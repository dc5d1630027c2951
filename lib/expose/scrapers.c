#include "mailvane/expose/scrapers.h"

#include "mailvane/base/hash.h"
#include "mailvane/expose/text.h"

#define FORM      UINT64_C(0x315370617263736d) /* changes with the struct */
#define TURNS_MAX (UINT64_MAX / 2)             /* none counts that far */
#define NEW       SCRAPERS_MAX                 /* no row */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void scrapers_init(struct scrapers *s, uint64_t seed)
{
    *s = (struct scrapers){.table = {.form = FORM, .seed = seed}};
}

void scrapers_start(struct scrapers *s, uint64_t births)
{
    s->base = births;
    s->started = true;
}

/* A clock that was put back must not make old series young: the past goes with it. */
static void set_clock(struct scrapers *s, int64_t now)
{
    if (now < s->now) {
        for (unsigned i = 0; i < s->past_count; i++)
            s->past[i].time -= s->now - now;
    }
    s->now = now;
}

/*
 * Within a slot only the count is moved up: births then seem older than they are by less
 * than that. So the slots reach back over SCRAPERS_RECENT however often this is called.
 */
void scrapers_note(struct scrapers *s, int64_t now, uint64_t births)
{
    set_clock(s, now);
    unsigned last = s->past_count - 1;
    if (s->past_count && s->past[last].births == births)
        return;
    if (s->past_count && now - s->past[last].time < SCRAPERS_SLOT) {
        s->past[last].births = births;
        return;
    }
    if (s->past_count == SCRAPERS_SLOTS) {
        memmove(&s->past[0], &s->past[1], (SCRAPERS_SLOTS - 1) * sizeof(s->past[0]));
        s->past_count--;
    }
    s->past[s->past_count].time = now;
    s->past[s->past_count].births = births;
    s->past_count++;
}

/* Births that are news to nobody: before the end of the first reading all are that. */
static uint64_t old_births(const struct scrapers *s, uint64_t births)
{
    uint64_t old = larger(s->base, s->table.floor);
    if (!s->started)
        return births;
    for (unsigned i = 0; i < s->past_count; i++) {
        if (s->past[i].time <= s->now - SCRAPERS_RECENT)
            old = larger(old, s->past[i].births);
    }
    return old;
}

static bool is_person(struct slice agent)
{
    return slice_starts(agent, SLICE("curl/")) || slice_starts(agent, SLICE("Wget/")) ||
           slice_starts(agent, SLICE("Mozilla/"));
}

static uint64_t key_of(const struct scrapers *s, const struct http_request *request)
{
    uint64_t key = hash_slice(request->peer, s->table.seed);
    key = hash_slice(request->user_agent, key);
    return hash_slice(request->query, key);
}

static bool has_key(const struct scraper *row, uint64_t key)
{
    return row->came && row->key == key;
}

/* The row of a request, and what its scraper has seen. */
struct claim {
    unsigned row; /* NEW: none yet */
    uint64_t seen;
};

static unsigned find_live(const struct scrapers *s, uint64_t key, uint64_t connection)
{
    unsigned i = 0;
    while (i < SCRAPERS_MAX && !(has_key(&s->table.rows[i], key) && s->connection[i] == connection))
        i++;
    return i;
}

/* Rows that cannot be told apart: what one of them has not seen, unless one was shown it. */
static struct claim find_closed(const struct scrapers *s, uint64_t key)
{
    struct claim claim = {.row = NEW, .seen = UINT64_MAX};
    uint64_t shown = 0;
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        const struct scraper *row = &s->table.rows[i];
        if (!has_key(row, key) || s->connection[i])
            continue;
        if (claim.row == NEW || row->came < s->table.rows[claim.row].came)
            claim.row = i;
        claim.seen = smaller(claim.seen, row->seen);
        shown = larger(shown, row->shown);
    }
    claim.seen = larger(claim.seen, shown);
    return claim;
}

static struct claim start_new(const struct scrapers *s, uint64_t key, uint64_t births)
{
    struct claim claim = {.row = NEW, .seen = old_births(s, births)};
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (has_key(&s->table.rows[i], key))
            claim.seen = larger(claim.seen, s->table.rows[i].shown);
    }
    return claim;
}

static struct claim find(const struct scrapers *s, uint64_t key, uint64_t connection,
                         uint64_t births)
{
    struct claim claim = {.row = find_live(s, key, connection)};
    if (claim.row != NEW)
        claim.seen = s->table.rows[claim.row].seen;
    else
        claim = find_closed(s, key);
    if (claim.row == NEW)
        claim = start_new(s, key, births);
    /* Fewer births than it has seen: of a table that began anew. */
    claim.seen = smaller(claim.seen, births);
    return claim;
}

/* A free row; else of those that came only once, or of all, the one that came first. */
static unsigned find_room(const struct scrapers *s)
{
    const struct scraper *rows = s->table.rows;
    unsigned room = 0;
    for (unsigned i = 1; i < SCRAPERS_MAX; i++) {
        if (rows[i].again != rows[room].again ? rows[i].again < rows[room].again
                                              : rows[i].came < rows[room].came)
            room = i;
    }
    return room;
}

/* Nobody new may be shown at 0 what somebody who is forgotten was shown as it is. */
static void forget(struct scrapers *s, unsigned at)
{
    s->table.floor = larger(s->table.floor, s->table.rows[at].shown);
    s->table.rows[at] = (struct scraper){0};
    s->connection[at] = s->pending[at] = s->saved[at] = 0;
}

/* Was it known when the table was saved, and then forgotten? A restart would know it again. */
static bool is_saved(const struct scrapers *s, uint64_t key)
{
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (s->saved_keys[i] == key)
            return true;
    }
    return false;
}

/* Makes a row for a new scraper. True where another one had to be forgotten. */
static bool admit(struct scrapers *s, uint64_t key, struct claim *claim)
{
    claim->row = find_room(s);
    bool forgot = s->table.rows[claim->row].came != 0;
    forget(s, claim->row);
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (has_key(&s->table.rows[i], key))
            s->table.rows[i].rival = 1;
    }
    s->table.rows[claim->row].key = key;
    /* After a restart it would be new again, and start with no less than now. */
    s->saved[claim->row] = is_saved(s, key) ? 0 : claim->seen;
    return forgot;
}

struct scrape scrapers_visit(struct scrapers *s, const struct http_request *request, int64_t now,
                             uint64_t births)
{
    if (is_person(request->user_agent))
        return (struct scrape){.seen = TEXT_ALL_SEEN};
    scrapers_note(s, now, births);
    uint64_t key = key_of(s, request);
    struct claim claim = find(s, key, request->connection, births);
    struct scrape scrape = {.seen = claim.seen};
    if (request->head)
        return scrape;
    if (claim.row == NEW)
        scrape.forgot = admit(s, key, &claim);
    struct scraper *row = &s->table.rows[claim.row];
    row->again = row->came != 0;
    row->came = ++s->table.turn;
    row->seen = row->shown = claim.seen;
    row->rival = 0;
    s->connection[claim.row] = request->connection;
    s->pending[claim.row] = births;
    scrape.save_first = claim.seen > s->saved[claim.row];
    return scrape;
}

void scrapers_answered(struct scrapers *s, uint64_t connection, bool whole)
{
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (s->connection[i] != connection || !s->pending[i])
            continue;
        if (whole)
            s->table.rows[i].seen = s->pending[i];
        s->pending[i] = 0;
    }
}

void scrapers_closed(struct scrapers *s, uint64_t connection)
{
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (!s->table.rows[i].came || s->connection[i] != connection)
            continue;
        s->connection[i] = s->pending[i] = 0;
        if (s->table.rows[i].rival)
            forget(s, i);
    }
}

unsigned scrapers_count(const struct scrapers *s)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SCRAPERS_MAX; i++)
        count += s->table.rows[i].came != 0;
    return count;
}

const void *scrapers_image(const struct scrapers *s, size_t *len)
{
    *len = sizeof(s->table);
    return &s->table;
}

void scrapers_saved(struct scrapers *s)
{
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        s->saved[i] = s->table.rows[i].seen;
        s->saved_keys[i] = s->table.rows[i].key;
    }
}

static bool is_row(const struct scraper *row, uint64_t turn)
{
    if (row->came == 0)
        return !(row->key | row->seen | row->shown | row->again | row->rival);
    return row->came <= turn && row->shown <= row->seen && row->seen <= TURNS_MAX &&
           row->again <= 1 && row->rival <= 1;
}

static bool is_table(const struct scrapers_table *table)
{
    if (table->form != FORM || table->turn > TURNS_MAX || table->floor > TURNS_MAX)
        return false;
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        const struct scraper *row = &table->rows[i];
        if (!is_row(row, table->turn))
            return false;
        for (unsigned other = 0; other < i; other++) {
            if (row->came && row->came == table->rows[other].came)
                return false;
        }
    }
    return true;
}

/*
 * All connections are gone, so whoever comes first may be any of those with its key. Each
 * of them gets what find_closed() would say now: later on it could not, since then one of
 * them is somebody else's.
 */
static void level(struct scrapers *s)
{
    uint64_t seen[SCRAPERS_MAX];
    for (unsigned i = 0; i < SCRAPERS_MAX; i++)
        seen[i] = find_closed(s, s->table.rows[i].key).seen;
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        if (s->table.rows[i].came)
            s->table.rows[i].seen = seen[i];
        s->table.rows[i].rival = 0;
    }
}

bool scrapers_restore(struct scrapers *s, const void *image, size_t len)
{
    struct scrapers_table table;
    if (len != sizeof(table))
        return false;
    memcpy(&table, image, sizeof(table));
    if (!is_table(&table))
        return false;
    s->table = table;
    memset(s->connection, 0, sizeof(s->connection));
    memset(s->pending, 0, sizeof(s->pending));
    level(s);
    scrapers_saved(s);
    return true;
}
