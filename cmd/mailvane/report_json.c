#include "js.h"
#include "report.h"

static void set_share(struct js *object, const char *key, uint64_t part, uint64_t whole)
{
    if (whole)
        js_set_number(object, key, (double)part / (double)whole);
}

static void set_counts(struct js *object, const struct counts *c)
{
    js_set_number(object, "attempts", (double)counts_attempts(c));
    for (unsigned i = STATUS_SENT; i <= STATUS_EXPIRED; i++)
        js_set_number(object, status_words[i], (double)c->status[i]);
    js_set_number(object, "failed", (double)counts_failed(c));
    js_set_number(object, "first_attempts", (double)c->first);
    js_set_number(object, "first_deferred", (double)c->first_deferred);
    set_share(object, "first_deferral_ratio", c->first_deferred, c->first);
    enum cause leading = counts_leading(c);
    if (leading == CAUSE_NONE)
        return;
    js_set_word(object, "leading_cause", cause_rows[leading].name);
    js_set_word(object, "owner", owner_words[cause_rows[leading].owner]);
    js_set_word(object, "action", cause_rows[leading].action);
}

static struct js *named(const char *key, const struct group *group, const uint16_t *numbers,
                        unsigned count)
{
    struct js *list = js_list();
    for (unsigned i = 0; i < count; i++) {
        struct js *object = js_object();
        js_set_text(object, key, dict_text(&group->names, numbers[i]));
        set_counts(object, &group->counts[numbers[i]]);
        js_add(list, object);
    }
    return list;
}

static struct js *worst(const struct report *report, const char *key, const struct group *group)
{
    uint16_t numbers[REPORT_TOP_MAX];
    return named(key, group, numbers, group_worst(group, numbers, report->top));
}

static struct js *causes(const struct counts *all)
{
    struct js *list = js_list();
    uint16_t numbers[CAUSE_COUNT];
    unsigned count = counts_causes(all, numbers);
    for (unsigned i = 0; i < count; i++) {
        const struct cause_row *cause = &cause_rows[numbers[i]];
        struct js *object = js_object();
        js_set_word(object, "cause", cause->name);
        js_set_word(object, "owner", owner_words[cause->owner]);
        js_set_number(object, "failed", (double)all->causes[numbers[i]]);
        js_set_word(object, "action", cause->action);
        js_add(list, object);
    }
    return list;
}

static struct js *owners(const struct counts *all)
{
    struct js *object = js_object();
    for (unsigned i = 0; i < OWNER_COUNT; i++)
        js_set_number(object, owner_words[i], (double)counts_owned(all, (enum owner)i));
    return object;
}

static struct js *lists(const struct tally *t)
{
    struct js *list = js_list();
    uint16_t numbers[TALLY_LISTS];
    unsigned count = tally_lists(t, numbers);
    for (unsigned i = 0; i < count; i++) {
        struct js *object = js_object();
        js_set_text(object, "list", dict_text(&t->lists, numbers[i]));
        js_set_number(object, "refusals", (double)t->listed[numbers[i]]);
        js_add(list, object);
    }
    return list;
}

static struct js *delays(const struct times stages[DELAY_STAGES])
{
    struct js *list = js_list();
    for (int i = 0; i < DELAY_STAGES && stages[i].count; i++) {
        struct js *object = js_object();
        js_set_word(object, "stage", stage_words[i]);
        js_set_number(object, "p50", times_quantile(&stages[i], 0.5));
        js_set_number(object, "p90", times_quantile(&stages[i], 0.9));
        js_set_number(object, "p99", times_quantile(&stages[i], 0.99));
        js_set_number(object, "max", (double)stages[i].most / 1e6);
        js_add(list, object);
    }
    return list;
}

static void add_change(struct js *list, const char *key, struct slice name, const struct halves *h)
{
    double sure = halves_change(h);
    if (sure < REPORT_SURE && sure > -REPORT_SURE)
        return;
    struct js *object = js_object();
    js_set_text(object, key, name);
    set_share(object, "before", h->half[0].failed, h->half[0].attempts);
    set_share(object, "after", h->half[1].failed, h->half[1].attempts);
    js_set_number(object, "standard_errors", sure);
    js_add(list, object);
}

static struct js *changes(const struct tally *t)
{
    struct js *list = js_list();
    for (uint32_t i = DICT_OTHER; i < t->providers.names.count; i++) {
        struct halves h = tally_halves(t, t->by_provider[i]);
        add_change(list, "provider", dict_text(&t->providers.names, (uint16_t)i), &h);
    }
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        struct halves h = tally_cause_halves(t, (enum cause)i);
        add_change(list, "cause", slice_str(cause_rows[i].name), &h);
    }
    return list;
}

void report_json(const struct report *report)
{
    const struct tally *t = report->tally;
    uint16_t numbers[REPORT_TOP_MAX];
    char sentence[512];
    struct js *object = js_object();
    enum owner owner = report_verdict(t, sentence, sizeof(sentence));
    js_set_number(object, "files", report->files);
    js_set_number(object, "lines", (double)report->lines);
    js_set_number(object, "older", (double)report->older);
    js_set_time(object, "from", t->first);
    js_set_time(object, "to", t->last);
    js_set_word(object, "verdict", sentence);
    js_set_word(object, "verdict_owner", owner_words[owner]);
    set_counts(object, &t->all);
    js_set(object, "owners", owners(&t->all));
    js_set(object, "causes", causes(&t->all));
    js_set(object, "providers", worst(report, "provider", &t->providers));
    js_set(object, "domains", worst(report, "domain", &t->domains));
    js_set(object, "lists", lists(t));
    js_set(object, "sending_ips",
           named("sending_ip", &t->ips, numbers, group_busiest(&t->ips, numbers, report->top)));
    js_set(object, "delays", delays(t->stages));
    js_set(object, "changes", changes(t));
    js_print(object, stdout);
}
