#include "correlate.h"

#include <stdio.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/eight.h"
#include "mailvane/base/hash.h"

#define WAYS             EIGHT
#define MESSAGE_SETS     (CORRELATE_MESSAGES / WAYS)
#define RECIPIENT_SETS   (CORRELATE_RECIPIENTS / WAYS)
#define DESTINATION_SETS (CORRELATE_DESTINATIONS / WAYS)
#define NO_DESTINATION   UINT16_MAX
#define DESTINATION_TEXT 372

enum { FLAG_BORN = 1, FLAG_DEFERRED = 2, FLAG_ACTIVE = 4, FLAG_RENAMED = 8 };

struct message {
    uint32_t serial; /* of this message; a smaller one is older */
    uint32_t destination_tag;
    uint16_t destination;
    uint16_t flags;
};

/* Tags lie side by side, so that a look-up reads one cache line and a hit another. */
struct message_set {
    uint32_t tags[WAYS]; /* of the queue ids' hashes; 0: free */
    struct message ways[WAYS];
};

/* domain, host and origin, one behind the other. */
struct slot {
    uint8_t domain_len;
    uint8_t host_len;
    uint8_t origin_len;
    uint8_t bits; /* local, connected, relay_ipv6 */
    char text[DESTINATION_TEXT];
};

struct destination_set {
    uint32_t tags[WAYS];
    uint32_t serials[WAYS]; /* of the message that was bound for it last: a smaller one is older */
    struct slot ways[WAYS];
};

struct correlate {
    _Alignas(CACHE_LINE) uint32_t
        recipients[RECIPIENT_SETS][WAYS]; /* the youngest first; 0: free */
    _Alignas(CACHE_LINE) struct message_set messages[MESSAGE_SETS];
    _Alignas(CACHE_LINE) struct destination_set destinations[DESTINATION_SETS];
    uint64_t seed;
    uint32_t serial;
};

struct correlate *correlate_new(uint64_t seed)
{
    struct correlate *c = lines_calloc(1, sizeof(*c));
    c->seed = seed;
    return c;
}

void correlate_free(struct correlate *c)
{
    lines_free(c);
}

/* A message's place: its set and way; way WAYS where it is not remembered. */
struct place {
    struct message_set *set;
    unsigned way;
    uint32_t tag;
};

static struct place find(struct correlate *c, struct slice queue_id)
{
    uint64_t hash = hash_slice(queue_id, c->seed);
    struct place at = {.set = &c->messages[hash % MESSAGE_SETS], .tag = eight_tag(hash)};
    at.way = scan_eight(at.set->tags, at.tag);
    return at;
}

void correlate_expect(const struct correlate *c, struct slice queue_id)
{
    const struct message_set *set = &c->messages[hash_slice(queue_id, c->seed) % MESSAGE_SETS];
    __builtin_prefetch(set, 1);
    __builtin_prefetch(set->ways + WAYS / 2, 1);
}

/* Puts a new message into a free way of its set, or into the oldest one's. */
static struct message *make(struct correlate *c, struct place at)
{
    unsigned pick = scan_eight(at.set->tags, 0);
    if (pick == WAYS) {
        pick = 0;
        for (unsigned i = 1; i < WAYS; i++)
            pick = at.set->ways[i].serial < at.set->ways[pick].serial ? i : pick;
    }
    at.set->tags[pick] = at.tag;
    at.set->ways[pick] = (struct message){.serial = ++c->serial, .destination = NO_DESTINATION};
    return &at.set->ways[pick];
}

/* NULL where it is not remembered. */
static struct message *known(struct correlate *c, struct slice queue_id)
{
    struct place at = find(c, queue_id);
    return at.way < WAYS ? &at.set->ways[at.way] : NULL;
}

static struct message *known_or_made(struct correlate *c, struct slice queue_id)
{
    struct place at = find(c, queue_id);
    return at.way < WAYS ? &at.set->ways[at.way] : make(c, at);
}

void correlate_born(struct correlate *c, struct slice queue_id)
{
    struct place at = find(c, queue_id);
    if (at.way < WAYS) {
        struct message *message = &at.set->ways[at.way];
        bool renamed = message->flags & FLAG_RENAMED;
        message->flags &= (uint16_t)~FLAG_RENAMED;
        /* A requeue logs message-id= again, for the message that it renamed. */
        if (renamed)
            return;
        at.set->tags[at.way] = 0;
    }
    make(c, at)->flags = FLAG_BORN;
}

void correlate_renamed(struct correlate *c, struct slice from, struct slice to)
{
    struct place old = find(c, from);
    if (old.way == WAYS)
        return;
    struct message kept = old.set->ways[old.way];
    old.set->tags[old.way] = 0;
    struct message *renamed = known_or_made(c, to);
    *renamed = kept;
    renamed->flags |= FLAG_RENAMED;
}

void correlate_gone(struct correlate *c, struct slice queue_id)
{
    struct place at = find(c, queue_id);
    if (at.way < WAYS)
        at.set->tags[at.way] = 0;
}

bool correlate_activated(struct correlate *c, struct slice queue_id)
{
    struct message *message = known_or_made(c, queue_id);
    bool before = message->flags & (FLAG_ACTIVE | FLAG_DEFERRED);
    message->flags |= FLAG_ACTIVE;
    return before;
}

static uint64_t recipient_hash(const struct correlate *c, uint32_t serial, struct slice recipient)
{
    return hash_slice(recipient, c->seed ^ (serial * UINT64_C(0x9e3779b97f4a7c15)));
}

enum attempt correlate_attempt(struct correlate *c, struct slice queue_id, struct slice recipient)
{
    const struct message *message = known(c, queue_id);
    if (!message)
        return ATTEMPT_UNKNOWN;
    if (!(message->flags & FLAG_DEFERRED))
        return message->flags & FLAG_BORN ? ATTEMPT_FIRST : ATTEMPT_UNKNOWN;
    uint64_t hash = recipient_hash(c, message->serial, recipient);
    /* Absent: another recipient was deferred, or this one's entry gave way. */
    return scan_eight(c->recipients[hash % RECIPIENT_SETS], eight_tag(hash)) < WAYS
               ? ATTEMPT_RETRY
               : ATTEMPT_UNKNOWN;
}

static uint64_t destination_hash(const struct correlate *c, const struct destination *to)
{
    uint64_t hash = hash_slice(to->domain, c->seed);
    hash = hash_slice(to->host, hash);
    return hash_slice(to->origin, hash) + to->local + 2u * to->connected + 4u * to->relay_ipv6;
}

static void slot_fill(struct slot *slot, const struct destination *to)
{
    slot->domain_len = (uint8_t)to->domain.len;
    slot->host_len = (uint8_t)to->host.len;
    slot->origin_len = (uint8_t)to->origin.len;
    slot->bits = (uint8_t)(to->local | to->connected << 1 | to->relay_ipv6 << 2);
    char *at = slot->text;
    const struct slice parts[] = {to->domain, to->host, to->origin};
    for (unsigned i = 0; i < 3; i++) {
        memcpy(at, parts[i].ptr ? parts[i].ptr : "", parts[i].len);
        at += parts[i].len;
    }
}

/* The way that holds the destination, else a free one, else the one used longest ago. */
static unsigned destination_way(const struct destination_set *set, uint32_t tag)
{
    unsigned way = scan_eight(set->tags, tag);
    if (way == WAYS)
        way = scan_eight(set->tags, 0);
    if (way < WAYS)
        return way;
    way = 0;
    for (unsigned i = 1; i < WAYS; i++)
        way = set->serials[i] < set->serials[way] ? i : way;
    return way;
}

static bool fits_slot(const struct destination *to)
{
    return to->domain.len + to->host.len + to->origin.len <= DESTINATION_TEXT &&
           to->domain.len <= UINT8_MAX && to->host.len <= UINT8_MAX && to->origin.len <= UINT8_MAX;
}

static void remember_destination(struct correlate *c, struct message *message, uint64_t hash,
                                 const struct destination *to)
{
    unsigned number = (unsigned)(hash % DESTINATION_SETS);
    struct destination_set *set = &c->destinations[number];
    unsigned way = destination_way(set, eight_tag(hash));
    if (set->tags[way] != eight_tag(hash))
        slot_fill(&set->ways[way], to);
    set->tags[way] = eight_tag(hash);
    set->serials[way] = c->serial;
    message->destination = (uint16_t)(number * WAYS + way);
    message->destination_tag = eight_tag(hash);
}

void correlate_deferred(struct correlate *c, struct slice queue_id, struct slice recipient,
                        const struct destination *to)
{
    struct message *message = known_or_made(c, queue_id);
    message->flags |= FLAG_DEFERRED;
    uint64_t hash = recipient_hash(c, message->serial, recipient);
    uint32_t *set = c->recipients[hash % RECIPIENT_SETS];
    /* Both tables are larger than the cache: fetched while the other hash is made. */
    __builtin_prefetch(set, 1);
    uint64_t to_hash = destination_hash(c, to);
    __builtin_prefetch(&c->destinations[to_hash % DESTINATION_SETS], 1);
    eight_to_front(set, eight_tag(hash));
    if (fits_slot(to))
        remember_destination(c, message, to_hash, to);
}

bool correlate_destination(struct correlate *c, struct slice queue_id, struct destination *out)
{
    const struct message *message = known(c, queue_id);
    if (!message || message->destination == NO_DESTINATION)
        return false;
    const struct destination_set *set = &c->destinations[message->destination / WAYS];
    const struct slot *slot = &set->ways[message->destination % WAYS];
    if (set->tags[message->destination % WAYS] != message->destination_tag)
        return false;
    const char *host = slot->text + slot->domain_len;
    *out = (struct destination){
        .domain = slice_of(slot->text, slot->domain_len),
        .host = slice_of(host, slot->host_len),
        .origin = slice_of(host + slot->host_len, slot->origin_len),
        .local = slot->bits & 1,
        .connected = slot->bits & 2,
        .relay_ipv6 = slot->bits & 4,
    };
    return true;
}

/* --- over a restart -------------------------------------------------------------- */

/* The sizes are part of the name: tables of others mean nothing here. */
static const char *region(char name[64], const char *what, size_t sets, size_t size)
{
    snprintf(name, 64, "correlate %s %zux%zu", what, sets, size);
    return name;
}

#define REGION(table, name)                                                                        \
    region(name, #table, sizeof(c->table) / sizeof(c->table[0]), sizeof(c->table[0]))

void correlate_save(const struct correlate *c, struct image_writer *out)
{
    char name[64];
    image_put(out, "correlate serial", &c->serial, sizeof(c->serial));
    image_put(out, REGION(recipients, name), c->recipients, sizeof(c->recipients));
    image_put(out, REGION(messages, name), c->messages, sizeof(c->messages));
    image_put(out, REGION(destinations, name), c->destinations, sizeof(c->destinations));
}

/* What may have been damaged must not lead out of a table. */
static void mend(struct correlate *c)
{
    for (unsigned i = 0; i < MESSAGE_SETS * WAYS; i++) {
        struct message *message = &c->messages[i / WAYS].ways[i % WAYS];
        if (message->destination >= DESTINATION_SETS * WAYS)
            message->destination = NO_DESTINATION;
    }
    for (unsigned i = 0; i < DESTINATION_SETS * WAYS; i++) {
        struct slot *slot = &c->destinations[i / WAYS].ways[i % WAYS];
        if (slot->domain_len + slot->host_len + slot->origin_len > DESTINATION_TEXT)
            *slot = (struct slot){0};
    }
}

void correlate_load(struct correlate *c, struct image_reader *in)
{
    char name[64];
    bool whole =
        image_fill(in, "correlate serial", &c->serial, sizeof(c->serial)) &&
        image_fill(in, REGION(recipients, name), c->recipients, sizeof(c->recipients)) &&
        image_fill(in, REGION(messages, name), c->messages, sizeof(c->messages)) &&
        image_fill(in, REGION(destinations, name), c->destinations, sizeof(c->destinations));
    if (whole) {
        mend(c);
        return;
    }
    /* One table without the others would answer wrongly. */
    c->serial = 0;
    memset(c->recipients, 0, sizeof(c->recipients));
    memset(c->messages, 0, sizeof(c->messages));
    memset(c->destinations, 0, sizeof(c->destinations));
}
