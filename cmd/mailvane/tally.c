#include "tally.h"

#include <math.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"

uint64_t counts_attempts(const struct counts *c)
{
    return c->status[STATUS_SENT] + counts_failed(c);
}

uint64_t counts_failed(const struct counts *c)
{
    return c->status[STATUS_DEFERRED] + c->status[STATUS_BOUNCED] + c->status[STATUS_EXPIRED];
}

enum cause counts_leading(const struct counts *c)
{
    unsigned best = CAUSE_NONE;
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        best = c->causes[i] > c->causes[best] ? i : best;
    return (enum cause)best;
}

uint64_t counts_owned(const struct counts *c, enum owner owner)
{
    uint64_t sum = 0;
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        sum += cause_rows[i].owner == owner ? c->causes[i] : 0;
    return sum;
}

/* Four bins an octave: the two bits behind the highest one. */
static unsigned bin_of(uint64_t value)
{
    unsigned octave = 63 - (unsigned)__builtin_clzll(value | 1);
    unsigned quarter = octave >= 2 ? (unsigned)(value >> (octave - 2)) & 3 : 0;
    return octave * 4 + quarter;
}

/* The middle of a bin. */
static double bin_value(unsigned bin)
{
    double octave = (double)(UINT64_C(1) << bin / 4);
    return octave * (1 + (bin % 4 + 0.5) / 4);
}

static void times_add(struct times *times, uint64_t value)
{
    times->count++;
    times->most = value > times->most ? value : times->most;
    times->bins[bin_of(value)]++;
}

double times_quantile(const struct times *times, double q)
{
    uint64_t want = (uint64_t)((double)times->count * q), seen = 0;
    for (unsigned i = 0; i < TALLY_TIMES; i++) {
        seen += times->bins[i];
        if (seen > want) {
            double value = i ? bin_value(i) : 0;
            return (value < (double)times->most ? value : (double)times->most) / 1e6;
        }
    }
    return (double)times->most / 1e6;
}

static void group_init(struct group *group, uint32_t limit, uint64_t seed)
{
    dict_init(&group->names, limit, seed);
    group->counts = must_calloc(limit, sizeof(*group->counts));
}

static void group_release(struct group *group)
{
    dict_release(&group->names);
    free(group->counts);
}

struct tally *tally_new(uint64_t seed)
{
    struct tally *t = must_calloc(1, sizeof(*t));
    group_init(&t->providers, TALLY_PROVIDERS, seed);
    group_init(&t->domains, TALLY_DOMAINS, seed);
    group_init(&t->ips, TALLY_IPS, seed);
    dict_init(&t->lists, TALLY_LISTS, seed);
    t->by_provider = must_calloc(TALLY_PROVIDERS, sizeof(*t->by_provider));
    t->first = t->last = TIME_UNKNOWN;
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    group_release(&t->providers);
    group_release(&t->domains);
    group_release(&t->ips);
    dict_release(&t->lists);
    free(t->by_provider);
    free(t);
}

static void fold(struct slot slots[TALLY_SLOTS])
{
    for (unsigned i = 0; i < TALLY_SLOTS; i++) {
        struct slot sum = {0};
        for (unsigned j = 2 * i; j < 2 * i + 2 && j < TALLY_SLOTS; j++) {
            sum.attempts += slots[j].attempts;
            sum.failed += slots[j].failed;
        }
        slots[i] = sum;
    }
}

static void double_width(struct tally *t)
{
    for (unsigned i = 0; i < TALLY_PROVIDERS; i++)
        fold(t->by_provider[i]);
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        fold(t->by_cause[i]);
    t->width *= 2;
}

/* The slot of a time; what is older than the log's first line counts with it. */
static unsigned slot_of(struct tally *t, int64_t time)
{
    if (t->first == TIME_UNKNOWN) {
        t->first = t->last = t->start = time;
        t->width = 1;
    }
    t->first = time < t->first ? time : t->first;
    t->last = time > t->last ? time : t->last;
    if (time < t->start)
        return 0;
    while ((time - t->start) / t->width >= TALLY_SLOTS)
        double_width(t);
    return (unsigned)((time - t->start) / t->width);
}

static void count(struct counts *c, const struct delivery *d, enum cause cause)
{
    c->status[d->status]++;
    c->first += d->first;
    c->first_deferred += d->first && d->status == STATUS_DEFERRED;
    c->causes[cause] += cause != CAUSE_NONE;
}

static void count_time(struct tally *t, int64_t time, uint16_t provider, bool failed,
                       enum cause cause)
{
    if (time == TIME_UNKNOWN)
        return;
    unsigned at = slot_of(t, time);
    t->by_provider[provider][at].attempts++;
    t->by_provider[provider][at].failed += failed;
    t->by_cause[CAUSE_NONE][at].attempts++;
    t->by_cause[CAUSE_NONE][at].failed += failed;
    t->by_cause[cause][at].failed += cause != CAUSE_NONE;
}

void tally_delivery(struct tally *t, const struct event *event)
{
    const struct delivery *d = &event->delivery;
    enum cause cause = CAUSE_NONE;
    cause_parse(d->cause, &cause);
    uint16_t provider = dict_intern(&t->providers.names, d->provider);
    count(&t->all, d, cause);
    count(&t->providers.counts[provider], d, cause);
    count(&t->domains.counts[dict_intern(&t->domains.names, d->domain)], d, cause);
    count(&t->ips.counts[dict_intern(&t->ips.names, d->sending_ip)], d, cause);
    if (d->list.len)
        t->listed[dict_intern(&t->lists, d->list)]++;
    for (int i = 0; d->has_delays && i < DELAY_STAGES; i++)
        times_add(&t->stages[i], d->delays[i]);
    count_time(t, event->time, provider, d->status != STATUS_SENT, cause);
}

struct halves tally_halves(const struct tally *t, const struct slot slots[TALLY_SLOTS])
{
    struct halves halves = {0};
    if (t->first == TIME_UNKNOWN)
        return halves;
    unsigned used = (unsigned)((t->last - t->start) / t->width) + 1;
    for (unsigned i = 0; i < used; i++) {
        struct slot *half = &halves.half[i >= used / 2];
        half->attempts += slots[i].attempts;
        half->failed += slots[i].failed;
    }
    return halves;
}

struct halves tally_cause_halves(const struct tally *t, enum cause cause)
{
    struct halves all = tally_halves(t, t->by_cause[CAUSE_NONE]);
    struct halves halves = tally_halves(t, t->by_cause[cause]);
    for (int i = 0; i < 2; i++)
        halves.half[i].attempts = all.half[i].attempts;
    return halves;
}

double halves_change(const struct halves *h)
{
    double n = h->half[0].attempts, m = h->half[1].attempts;
    if (n < 1 || m < 1)
        return 0;
    double pooled = (h->half[0].failed + (double)h->half[1].failed) / (n + m);
    double variance = pooled * (1 - pooled) * (1 / n + 1 / m);
    double difference = h->half[1].failed / m - h->half[0].failed / n;
    return variance > 0 ? difference / sqrt(variance) : 0;
}

struct rank {
    uint64_t weight;
    uint16_t number;
};

static int by_weight(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->weight != y->weight)
        return (x->weight < y->weight) - (x->weight > y->weight);
    return (x->number > y->number) - (x->number < y->number);
}

/* The heaviest first; what weighs nothing is left out. */
static unsigned heaviest(const uint64_t *weights, uint32_t count, uint16_t *numbers, unsigned max)
{
    struct rank *ranks = must_calloc(count, sizeof(*ranks));
    unsigned ranked = 0;
    for (uint32_t i = 0; i < count; i++) {
        ranks[ranked] = (struct rank){weights[i], (uint16_t)i};
        ranked += weights[i] > 0;
    }
    qsort(ranks, ranked, sizeof(*ranks), by_weight);
    ranked = ranked < max ? ranked : max;
    for (unsigned i = 0; i < ranked; i++)
        numbers[i] = ranks[i].number;
    free(ranks);
    return ranked;
}

static unsigned group_heaviest(const struct group *group, uint64_t (*weight)(const struct counts *),
                               uint16_t *numbers, unsigned max)
{
    uint64_t *weights = must_calloc(group->names.count, sizeof(*weights));
    for (uint32_t i = DICT_OTHER; i < group->names.count; i++)
        weights[i] = weight(&group->counts[i]);
    unsigned count = heaviest(weights, group->names.count, numbers, max);
    free(weights);
    return count;
}

unsigned group_worst(const struct group *group, uint16_t *numbers, unsigned max)
{
    return group_heaviest(group, counts_failed, numbers, max);
}

unsigned group_busiest(const struct group *group, uint16_t *numbers, unsigned max)
{
    return group_heaviest(group, counts_attempts, numbers, max);
}

unsigned tally_lists(const struct tally *t, uint16_t numbers[TALLY_LISTS])
{
    return heaviest(t->listed, t->lists.count, numbers, TALLY_LISTS);
}

unsigned counts_causes(const struct counts *c, uint16_t causes[CAUSE_COUNT])
{
    return heaviest(c->causes, CAUSE_COUNT, causes, CAUSE_COUNT);
}
