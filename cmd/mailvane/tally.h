/*
 * What `report` counts: deliveries by provider, domain and sending address, with why they
 * failed, and how that changed over the time that the log covers.
 *
 * One pass, and memory that does not grow with the log: names beyond the limits are
 * counted under "other", and time is cut into TALLY_SLOTS slots, which double their width
 * whenever the log turns out to be longer.
 */
#ifndef MAILVANE_TALLY_H
#define MAILVANE_TALLY_H

#include "mailvane/classify/cause.h"
#include "mailvane/event/event.h"
#include "mailvane/metric/dict.h"

#define TALLY_PROVIDERS 512
#define TALLY_DOMAINS   10000
#define TALLY_IPS       256
#define TALLY_LISTS     128
#define TALLY_SLOTS     64

struct counts {
    uint64_t status[STATUS_COUNT];
    uint64_t first;          /* first attempts */
    uint64_t first_deferred; /* of them, those that were put off */
    uint64_t causes[CAUSE_COUNT];
};

uint64_t counts_attempts(const struct counts *c);
uint64_t counts_failed(const struct counts *c);
/* The cause that most failures have; CAUSE_NONE where nothing failed. */
enum cause counts_leading(const struct counts *c);
/* All causes that there were, most failures first: writes them and returns how many. */
unsigned counts_causes(const struct counts *c, uint16_t causes[CAUSE_COUNT]);
uint64_t counts_owned(const struct counts *c, enum owner owner);

/* Counts by name. */
struct group {
    struct dict names;
    struct counts *counts; /* by number */
};

/* Attempts and failures in a slot of time. */
struct slot {
    uint32_t attempts;
    uint32_t failed;
};

/* Times in microseconds, by their order of magnitude: quantiles are right within a fifth. */
#define TALLY_TIMES 256
struct times {
    uint64_t count;
    uint64_t most;
    uint32_t bins[TALLY_TIMES];
};

double times_quantile(const struct times *times, double q); /* seconds */

struct tally {
    struct counts all;
    struct group providers, domains, ips;
    struct dict lists;
    uint64_t listed[TALLY_LISTS];
    struct times stages[DELAY_STAGES];
    int64_t first, last;  /* stamps of deliveries; TIME_UNKNOWN before one */
    int64_t start, width; /* of the slots, seconds */
    struct slot (*by_provider)[TALLY_SLOTS];
    struct slot by_cause[CAUSE_COUNT][TALLY_SLOTS];
};

struct tally *tally_new(uint64_t seed);
void tally_free(struct tally *tally);

/* Counts a delivery. */
void tally_delivery(struct tally *tally, const struct event *event);

/* Both halves of the time that is covered, added up. */
struct halves {
    struct slot half[2];
};
struct halves tally_halves(const struct tally *tally, const struct slot slots[TALLY_SLOTS]);

/* The failures of a cause (CAUSE_NONE: all of them) among all attempts. */
struct halves tally_cause_halves(const struct tally *tally, enum cause cause);

/*
 * How sure it is that the share of failures differs between the halves: the difference
 * in standard errors (two proportions, pooled); negative where it fell.
 */
double halves_change(const struct halves *halves);

/*
 * Names with failures, most failures first: writes up to max numbers and returns how
 * many. DICT_EMPTY is left out; DICT_OTHER is a name like others.
 */
unsigned group_worst(const struct group *group, uint16_t *numbers, unsigned max);
/* The same by attempts, with or without failures. */
unsigned group_busiest(const struct group *group, uint16_t *numbers, unsigned max);

/* The block lists that were named, most often named first. */
unsigned tally_lists(const struct tally *tally, uint16_t numbers[TALLY_LISTS]);

#endif
