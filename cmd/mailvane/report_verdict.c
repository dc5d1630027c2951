#include "report.h"

#define ALL_IS_WELL      2.0 /* percent of attempts that fail on any host */
#define CONCENTRATED     60  /* percent of an owner's failures at one provider: it is that one */
#define PROVIDERS_ENOUGH 2   /* that were tried, to call one of them the culprit */

double report_percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* What stands behind a verdict: who it is about. */
struct ground {
    enum owner owner;
    uint64_t failures;     /* that are the owner's */
    uint64_t providers;    /* that were tried */
    uint64_t hit;          /* of them, where the owner has failures */
    uint16_t worst;        /* the provider with most of them */
    uint64_t worst_share;  /* percent of the failures */
    double worst_rate;     /* percent of its attempts that failed */
    double elsewhere_rate; /* percent of the others' */
    const char *cause;     /* the owner's leading one */
};

static enum owner leading_owner(const struct counts *all)
{
    enum owner best = OWNER_NOBODY;
    for (unsigned i = 0; i < OWNER_COUNT; i++) {
        if (counts_owned(all, (enum owner)i) > counts_owned(all, best))
            best = (enum owner)i;
    }
    return best;
}

static const char *leading_cause(const struct counts *all, enum owner owner)
{
    unsigned best = CAUSE_NONE;
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        if (cause_rows[i].owner == owner && all->causes[i] > all->causes[best])
            best = i;
    }
    return cause_rows[best].name;
}

static void find_worst(const struct tally *t, struct ground *g)
{
    uint64_t most = 0;
    for (uint32_t i = DICT_OTHER; i < t->providers.names.count; i++) {
        const struct counts *c = &t->providers.counts[i];
        uint64_t owned = counts_owned(c, g->owner);
        g->providers += counts_attempts(c) > 0;
        g->hit += owned > 0;
        if (owned > most) {
            most = owned;
            g->worst = (uint16_t)i;
        }
    }
    const struct counts *worst = &t->providers.counts[g->worst];
    uint64_t failed = counts_failed(worst), attempts = counts_attempts(worst);
    g->worst_share = g->failures ? most * 100 / g->failures : 0;
    g->worst_rate = report_percent(failed, attempts);
    g->elsewhere_rate =
        report_percent(counts_failed(&t->all) - failed, counts_attempts(&t->all) - attempts);
}

/* Is it one provider alone, and worse there than elsewhere? "other" is no provider. */
static bool is_concentrated(const struct ground *g)
{
    return g->worst_share >= CONCENTRATED && g->providers >= PROVIDERS_ENOUGH &&
           g->worst != DICT_OTHER && g->worst_rate > g->elsewhere_rate;
}

static void say_one(const struct tally *t, const struct ground *g, char *sentence, size_t size)
{
    static const char *const leads[OWNER_COUNT] = {
        [OWNER_NOBODY] = "It is not clear whose problem it is, but it is at",
        [OWNER_RECIPIENT] = "It is the recipients, at",
        [OWNER_SENDER] = "It is us, at",
        [OWNER_REMOTE] = "It is the provider,",
        [OWNER_NETWORK] = "It is the way to",
    };
    struct slice name = dict_text(&t->providers.names, g->worst);
    snprintf(sentence, size,
             "%s %.*s: %llu %% of such failures (%s) are there, where %.1f %% of all attempts "
             "failed, against %.1f %% elsewhere.",
             leads[g->owner], SLICE_ARG(name), (unsigned long long)g->worst_share, g->cause,
             g->worst_rate, g->elsewhere_rate);
}

static void say_many(const struct tally *t, const struct ground *g, char *sentence, size_t size)
{
    static const char *const leads[OWNER_COUNT] = {
        [OWNER_NOBODY] = "It is not clear whose problem it is",
        [OWNER_RECIPIENT] = "It is the recipients",
        [OWNER_SENDER] = "It is us",
        [OWNER_REMOTE] = "It is the receiving side, at several places",
        [OWNER_NETWORK] = "It is the network",
    };
    uint64_t failed = counts_failed(&t->all);
    snprintf(sentence, size, "%s: %.0f %% of %llu failures, at %llu of %llu providers, mostly %s.",
             leads[g->owner], report_percent(g->failures, failed), (unsigned long long)failed,
             (unsigned long long)g->hit, (unsigned long long)g->providers, g->cause);
}

enum owner report_verdict(const struct tally *t, char *sentence, size_t size)
{
    uint64_t failed = counts_failed(&t->all), attempts = counts_attempts(&t->all);
    double rate = report_percent(failed, attempts);
    struct ground g = {.owner = leading_owner(&t->all)};
    g.failures = counts_owned(&t->all, g.owner);
    g.cause = leading_cause(&t->all, g.owner);
    find_worst(t, &g);
    if (attempts == 0)
        snprintf(sentence, size, "There is no delivery to tell of.");
    else if (failed == 0)
        snprintf(sentence, size, "All is well: nothing failed.");
    else if (rate < ALL_IS_WELL)
        snprintf(sentence, size, "All is well: %.1f %% of %llu attempts failed, mostly %s.", rate,
                 (unsigned long long)attempts, g.cause);
    else if (is_concentrated(&g))
        say_one(t, &g, sentence, size);
    else
        say_many(t, &g, sentence, size);
    return failed ? g.owner : OWNER_NOBODY;
}
