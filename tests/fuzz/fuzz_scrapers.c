/*
 * Scrapers that come, are answered and go, across restarts (expose/scrapers.h). A line each:
 *
 *     visit KEY SECONDS BIRTHS     time passes, series are born, and a scraper asks
 *     answered KEY WHOLE           its answer was sent, whole or not
 *     close KEY                    its connection ends
 *     save                         state is saved, as it is before an answer that asks for it
 *     restart                      from what was saved last
 *     poke OFFSET HEX              the saved table is damaged, and then restarted from
 *
 * Each key has one scraper with one connection at a time. What it was shown once as it is, it
 * is never shown at 0 again.
 */
#include <stdio.h>

#include "mailvane/expose/scrapers.h"
#include "mailvane/expose/text.h"
#include "mailvane/line/lines.h"
#include "memory.h"

#define KEYS 24 /* more than there are rows */

static struct {
    struct scrapers scrapers;
    struct scrapers_table saved;
    uint64_t births, connections;
    int64_t now;
    uint64_t connection[KEYS]; /* 0: closed */
    uint64_t shown[KEYS];      /* births that it has seen as they are */
    bool forged;               /* the table was damaged: it may say anything */
} world;

static void begin(void)
{
    memset(&world, 0, sizeof(world));
    world.now = 1000;
    world.births = 10;
    scrapers_init(&world.scrapers, 42);
    world.saved = world.scrapers.table;
    scrapers_note(&world.scrapers, world.now, world.births);
    scrapers_start(&world.scrapers, world.births);
}

static void save(void)
{
    size_t len;
    const void *image = scrapers_image(&world.scrapers, &len);
    bug_if(len != sizeof(world.saved));
    memcpy(&world.saved, image, len);
    scrapers_saved(&world.scrapers);
}

static void visit(struct slice line)
{
    char agent[32];
    unsigned key = (unsigned)(number_take(&line) % (KEYS + 1));
    world.now += (int64_t)(number_take(&line) % 1000);
    world.births += number_take(&line) % 1000;
    snprintf(agent, sizeof(agent), key < KEYS ? "Prometheus/%u" : "curl/%u", key);
    if (key < KEYS && !world.connection[key])
        world.connection[key] = ++world.connections;
    struct http_request request = {.connection = key < KEYS ? world.connection[key] : 999999,
                                   .peer = SLICE("192.0.2.7"),
                                   .user_agent = slice_str(agent),
                                   .query = SLICE_NONE,
                                   .head = line.len > 0};
    struct scrape scrape = scrapers_visit(&world.scrapers, &request, world.now, world.births);
    bug_if(key == KEYS && (scrape.seen != TEXT_ALL_SEEN || scrape.save_first));
    if (key == KEYS)
        return;
    bug_if(scrape.seen > world.births && !world.forged);
    bug_if(scrape.seen < world.shown[key] && !world.forged);
    if (!request.head)
        world.shown[key] = scrape.seen;
    if (scrape.save_first)
        save();
}

static void restart(void)
{
    struct scrapers before = world.scrapers;
    scrapers_init(&world.scrapers, 1);
    struct scrapers fresh = world.scrapers;
    if (!scrapers_restore(&world.scrapers, &world.saved, sizeof(world.saved))) {
        bug_if(memcmp(&world.scrapers, &fresh, sizeof(fresh)) != 0 || !world.forged);
        world.scrapers = before;
        return;
    }
    bug_if(scrapers_restore(&before, &world.saved, sizeof(world.saved) - 1));
    memset(world.connection, 0, sizeof(world.connection));
    /* Lines that were read since it was saved are read again, before anybody asks. */
    scrapers_note(&world.scrapers, world.now, world.births);
    scrapers_start(&world.scrapers, world.births);
}

static void damage(struct slice line)
{
    size_t offset = number_take(&line);
    struct slice hex = word_take(&line);
    char *bytes = (char *)&world.saved;
    for (size_t i = 0; i + 1 < hex.len; i += 2)
        bytes[(offset + i / 2) % sizeof(world.saved)] =
            (char)(hex_digit(hex.ptr[i]) << 4 | (hex_digit(hex.ptr[i + 1]) & 0x0f));
    world.forged = true;
    memset(world.shown, 0, sizeof(world.shown));
    restart();
}

static void step(struct slice line)
{
    struct slice word = word_take(&line);
    if (slice_eq(word, SLICE("visit"))) {
        visit(line);
    } else if (slice_eq(word, SLICE("answered"))) {
        unsigned key = (unsigned)(number_take(&line) % KEYS);
        if (world.connection[key])
            scrapers_answered(&world.scrapers, world.connection[key], number_take(&line));
    } else if (slice_eq(word, SLICE("close"))) {
        unsigned key = (unsigned)(number_take(&line) % KEYS);
        if (world.connection[key])
            scrapers_closed(&world.scrapers, world.connection[key]);
        world.connection[key] = 0;
    } else if (slice_eq(word, SLICE("save"))) {
        save();
    } else if (slice_eq(word, SLICE("restart"))) {
        restart();
    } else if (slice_eq(word, SLICE("poke"))) {
        damage(line);
    }
    bug_if(scrapers_count(&world.scrapers) > SCRAPERS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = input_of(data, size), line;
    begin();
    while (lines_next(&text, &line))
        step(line);
    return 0;
}
