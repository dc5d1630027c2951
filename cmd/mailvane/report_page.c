#include <time.h>

#include "report.h"

#define NAME_MIN  12 /* columns of a name in a table */
#define NAME_MAX  40
#define WIDE      72   /* columns from which first attempts have a column, too */
#define BIG_SHARE 20.0 /* percent of failures that is shown in red */

void report_heading(const struct term *term, const char *text)
{
    putc('\n', term->out);
    term_style(term, TERM_BOLD);
    fprintf(term->out, "%s\n", text);
    term_style(term, TERM_PLAIN);
}

/* Columns for a name where `others` are taken. */
static int name_columns(const struct term *term, int others)
{
    int room = term->width - others;
    return room < NAME_MIN ? NAME_MIN : room > NAME_MAX ? NAME_MAX : room;
}

void report_name(const struct term *term, struct slice name, int columns)
{
    int shown = term_columns(name);
    if (shown <= columns) {
        fprintf(term->out, "%.*s%*s", SLICE_ARG(name), columns - shown, "");
        return;
    }
    struct slice head = name;
    while (term_columns(head) > columns - 1)
        head.len--;
    fprintf(term->out, "%.*s\xe2\x80\xa6", SLICE_ARG(head));
}

static void put_share(const struct term *term, uint64_t part, uint64_t whole)
{
    double share = report_percent(part, whole);
    term_style(term, share >= BIG_SHARE ? TERM_RED : TERM_PLAIN);
    fprintf(term->out, " %5.1f %%", share);
    term_style(term, TERM_PLAIN);
}

static void put_number(const struct term *term, uint64_t number)
{
    fprintf(term->out, " %10llu", (unsigned long long)number);
}

static const char *stamp(int64_t seconds, char text[32])
{
    struct tm tm;
    time_t when = seconds;
    if (seconds == TIME_UNKNOWN || !localtime_r(&when, &tm) ||
        !strftime(text, 32, "%Y-%m-%d %H:%M", &tm))
        snprintf(text, 32, "no stamp");
    return text;
}

static void totals(const struct report *report, const struct term *term)
{
    const struct counts *all = &report->tally->all;
    uint64_t attempts = counts_attempts(all);
    char from[32], to[32];
    fprintf(term->out, "%llu lines of %u file%s", (unsigned long long)report->lines, report->files,
            report->files == 1 ? "" : "s");
    if (attempts)
        fprintf(term->out, ", %s to %s", stamp(report->tally->first, from),
                stamp(report->tally->last, to));
    putc('\n', term->out);
    if (report->older)
        fprintf(term->out, "%llu older attempts left out\n", (unsigned long long)report->older);
    fprintf(term->out, "%llu attempts\n", (unsigned long long)attempts);
    for (unsigned i = STATUS_SENT; i <= STATUS_EXPIRED; i++) {
        fprintf(term->out, "  %-9s", status_words[i]);
        put_number(term, all->status[i]);
        fprintf(term->out, " %5.1f %%\n", report_percent(all->status[i], attempts));
    }
    fprintf(term->out, "first attempts put off: %llu of %llu",
            (unsigned long long)all->first_deferred, (unsigned long long)all->first);
    put_share(term, all->first_deferred, all->first);
    putc('\n', term->out);
}

static void verdict(const struct report *report, const struct term *term)
{
    char sentence[512];
    report_verdict(report->tally, sentence, sizeof(sentence));
    putc('\n', term->out);
    term_style(term, TERM_BOLD);
    term_wrap(term, 0, 0, slice_str(sentence));
    term_style(term, TERM_PLAIN);
}

/* Causes under their owners. */
static void causes(const struct report *report, const struct term *term)
{
    static const char *const whose[OWNER_COUNT] = {
        [OWNER_NOBODY] = "nobody knows whose",
        [OWNER_RECIPIENT] = "the recipients'",
        [OWNER_SENDER] = "ours",
        [OWNER_REMOTE] = "the receiving side's",
        [OWNER_NETWORK] = "the network's",
    };
    const struct counts *all = &report->tally->all;
    uint64_t failed = counts_failed(all);
    uint16_t numbers[CAUSE_COUNT];
    unsigned count = counts_causes(all, numbers);
    report_heading(term, "Why it failed, and whose problem it is");
    for (unsigned owner = OWNER_COUNT; owner-- > 0;) {
        uint64_t owned = counts_owned(all, (enum owner)owner);
        if (owned == 0)
            continue;
        fprintf(term->out, "%-22s", whose[owner]);
        put_number(term, owned);
        fprintf(term->out, " %5.1f %%\n", report_percent(owned, failed));
        for (unsigned i = 0; i < count; i++) {
            const struct cause_row *cause = &cause_rows[numbers[i]];
            if ((unsigned)cause->owner != owner)
                continue;
            fprintf(term->out, "  %-20s", cause->name);
            put_number(term, all->causes[numbers[i]]);
            fprintf(term->out, " %5.1f %%\n", report_percent(all->causes[numbers[i]], failed));
        }
    }
}

void report_advice(const struct term *term, enum cause cause)
{
    fputs("  ", term->out);
    term_style(term, TERM_DIM);
    term_wrap(term, 2, 2, slice_str(cause_rows[cause].action));
    term_style(term, TERM_PLAIN);
}

/* Name, attempts, failures, their share, first attempts put off, leading cause. */
static void table(const struct term *term, const char *what, const struct group *group,
                  const uint16_t *numbers, unsigned count, bool advice)
{
    bool wide = term->width >= WIDE;
    int columns = name_columns(term, wide ? 57 : 48);
    fprintf(term->out, "%-*s %10s %10s %7s%s  %s\n", columns, what, "attempts", "failed", "",
            wide ? " put off" : "", "mostly");
    for (unsigned i = 0; i < count; i++) {
        const struct counts *c = &group->counts[numbers[i]];
        enum cause leading = counts_leading(c);
        report_name(term, dict_text(&group->names, numbers[i]), columns);
        put_number(term, counts_attempts(c));
        put_number(term, counts_failed(c));
        put_share(term, counts_failed(c), counts_attempts(c));
        if (wide)
            put_share(term, c->first_deferred, c->first);
        fprintf(term->out, "  %s\n", cause_rows[leading].name);
        if (advice && leading != CAUSE_NONE)
            report_advice(term, leading);
    }
}

static void worst(const struct report *report, const struct term *term, const char *title,
                  const char *what, const struct group *group, bool advice)
{
    uint16_t numbers[REPORT_TOP_MAX];
    unsigned count = group_worst(group, numbers, report->top);
    if (count == 0)
        return;
    report_heading(term, title);
    table(term, what, group, numbers, count, advice);
}

static void lists(const struct report *report, const struct term *term)
{
    const struct tally *t = report->tally;
    uint16_t numbers[TALLY_LISTS];
    unsigned count = tally_lists(t, numbers);
    if (count == 0)
        return;
    report_heading(term, "Block lists that were named");
    for (unsigned i = 0; i < count; i++) {
        report_name(term, dict_text(&t->lists, numbers[i]), 24);
        put_number(term, t->listed[numbers[i]]);
        putc('\n', term->out);
    }
}

static void addresses(const struct report *report, const struct term *term)
{
    uint16_t numbers[REPORT_TOP_MAX];
    const struct group *ips = &report->tally->ips;
    unsigned count = group_busiest(ips, numbers, report->top);
    if (count == 0)
        return;
    report_heading(term, "Sending addresses beside each other");
    table(term, "address", ips, numbers, count, false);
}

static void delays(const struct report *report, const struct term *term)
{
    static const char *const names[DELAY_STAGES] = {
        [DELAY_BEFORE_QUEUE] = "before the queue",
        [DELAY_IN_QUEUE] = "in the queue",
        [DELAY_CONNECT] = "connecting",
        [DELAY_TRANSMIT] = "transmitting",
    };
    const struct times *stages = report->tally->stages;
    if (stages[0].count == 0)
        return;
    report_heading(term, "Seconds that an attempt spent");
    fprintf(term->out, "%-16s %10s %10s %10s %10s\n", "", "half under", "90 % under", "99 % under",
            "longest");
    for (int i = 0; i < DELAY_STAGES; i++)
        fprintf(term->out, "%-16s %10.2f %10.2f %10.2f %10.2f\n", names[i],
                times_quantile(&stages[i], 0.5), times_quantile(&stages[i], 0.9),
                times_quantile(&stages[i], 0.99), (double)stages[i].most / 1e6);
}

/* One line, if the share of failures is surely another than in the first half. */
static bool change(const struct term *term, struct slice name, const struct halves *h, bool *any)
{
    double sure = halves_change(h);
    double before = report_percent(h->half[0].failed, h->half[0].attempts);
    double after = report_percent(h->half[1].failed, h->half[1].attempts);
    double moved = (after - before) / 100;
    if (sure < REPORT_SURE && sure > -REPORT_SURE)
        return false;
    if (moved < REPORT_MOVED && moved > -REPORT_MOVED)
        return false;
    if (!*any)
        report_heading(term, "What changed from the first half of the log to the second");
    *any = true;
    report_name(term, name, 22);
    term_style(term, moved > 0 ? TERM_RED : TERM_GREEN);
    fprintf(term->out, " %s: %.1f %% of attempts, then %.1f %%\n", moved > 0 ? "more" : "less",
            before, after);
    term_style(term, TERM_PLAIN);
    return true;
}

static void changes(const struct report *report, const struct term *term)
{
    const struct tally *t = report->tally;
    bool any = false;
    struct halves all = tally_cause_halves(t, CAUSE_NONE);
    change(term, SLICE("all failures"), &all, &any);
    for (uint32_t i = DICT_OTHER; i < t->providers.names.count; i++) {
        struct halves h = tally_halves(t, t->by_provider[i]);
        change(term, dict_text(&t->providers.names, (uint16_t)i), &h, &any);
    }
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        struct halves h = tally_cause_halves(t, (enum cause)i);
        change(term, slice_str(cause_rows[i].name), &h, &any);
    }
}

void report_page(const struct report *report, const struct term *term)
{
    const struct tally *t = report->tally;
    totals(report, term);
    verdict(report, term);
    if (counts_failed(&t->all)) {
        causes(report, term);
        worst(report, term, "Providers with most failures", "provider", &t->providers, true);
        worst(report, term, "Domains with most failures", "domain", &t->domains, false);
        lists(report, term);
    }
    addresses(report, term);
    delays(report, term);
    changes(report, term);
}
