/* The report on queues for a person, and for a program. */
#include "js.h"
#include "report.h"
#include "report_queue.h"

#define DOMAIN_COLUMNS_MIN 12 /* columns of a domain */
#define DOMAIN_COLUMNS_MAX 40

/* How many columns each number takes, with the blank before it: those of the total are widest. */
struct widths {
    int name, all, bands[QUEUE_BANDS];
};

static int columns_of(uint64_t number, const char *heading)
{
    int digits = snprintf(NULL, 0, "%llu", (unsigned long long)number);
    int head = (int)strlen(heading);
    return 1 + (digits > head ? digits : head);
}

static struct widths widths_of(const struct shape_table *table, const struct term *term)
{
    struct widths w = {.all = columns_of(table->total.all, "all")};
    int room = term->width - w.all;
    for (unsigned i = 0; i < QUEUE_BANDS; i++) {
        w.bands[i] = columns_of(table->total.bands[i], shape_minutes[i]);
        room -= w.bands[i];
    }
    w.name = room < DOMAIN_COLUMNS_MIN   ? DOMAIN_COLUMNS_MIN
             : room > DOMAIN_COLUMNS_MAX ? DOMAIN_COLUMNS_MAX
                                         : room;
    return w;
}

static void put_row(const struct term *term, const struct widths *w, const struct shape_row *row)
{
    const char *name = row->domain[0] ? row->domain : "(none)";
    report_name(term, slice_str(name), w->name);
    fprintf(term->out, "%*llu", w->all, (unsigned long long)row->all);
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        fprintf(term->out, "%*llu", w->bands[i], (unsigned long long)row->bands[i]);
    putc('\n', term->out);
}

static void put_table(const struct term *term, const struct shape_table *table)
{
    struct widths w = widths_of(table, term);
    report_name(term, SLICE("minutes"), w.name);
    fprintf(term->out, "%*s", w.all, "all");
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        fprintf(term->out, "%*s", w.bands[i], shape_minutes[i]);
    putc('\n', term->out);
    put_row(term, &w, &table->total);
    for (unsigned i = 0; i < table->count; i++)
        put_row(term, &w, &table->rows[i]);
    if (table->other.all)
        put_row(term, &w, &table->other);
}

/* One queue of the MTA's, where something waits in it. */
static void put_queue(const struct queue_report *r, const struct term *term, unsigned number)
{
    struct shape_row rows[REPORT_TOP_MAX];
    struct shape_table table;
    char heading[400];
    shape_table(r->shape, number, r->top, rows, &table);
    if (table.queue.messages == 0)
        return;
    snprintf(heading, sizeof(heading), "%s, %s", r->setup->name, table.queue.name);
    report_heading(term, heading);
    fprintf(term->out, "%llu message%s", (unsigned long long)table.queue.messages,
            table.queue.messages == 1 ? "" : "s");
    if (!r->look->counts_only)
        fprintf(term->out, ", %llu byte%s, the oldest has waited %lld minutes",
                (unsigned long long)table.queue.bytes, table.queue.bytes == 1 ? "" : "s",
                (long long)table.queue.oldest / 60);
    putc('\n', term->out);
    if (table.queue.left_out)
        fprintf(term->out, "%llu recipients left out, whose messages postsuper -e made expire\n",
                (unsigned long long)table.queue.left_out);
    if (table.total.all)
        put_table(term, &table);
}

static void put_causes(const struct queue_report *r, const struct term *term)
{
    uint16_t numbers[CAUSE_COUNT];
    unsigned count = counts_causes(&r->causes, numbers);
    char heading[400];
    if (count == 0)
        return;
    snprintf(heading, sizeof(heading), "%s: why they were put off, and what to do", r->setup->name);
    report_heading(term, heading);
    for (unsigned i = 0; i < count; i++) {
        const struct cause_row *cause = &cause_rows[numbers[i]];
        fprintf(term->out, "%-20s %10llu  %s\n", cause->name,
                (unsigned long long)r->causes.causes[numbers[i]], owner_words[cause->owner]);
        report_advice(term, (enum cause)numbers[i]);
    }
}

/* How much of the queue the rest of the page does not tell of. */
static void put_unreadable(const struct queue_report *r, const struct term *term)
{
    const struct look *look = r->look;
    if (look->unreadable > 1)
        fprintf(term->out, "%s: %llu messages are missing here. The first of them:\n",
                r->setup->name, (unsigned long long)look->unreadable);
}

void report_queue_page(const struct queue_report *r, const struct term *term)
{
    const struct look *look = r->look;
    if (look->messages == 0 && look->unreadable == 0)
        fprintf(term->out, "%s: nothing waits in %s\n", r->setup->name, r->setup->spool);
    for (unsigned i = 0; i < shape_queues(r->shape); i++)
        put_queue(r, term, i);
    if (look->counts_only || look->unreadable) {
        putc('\n', term->out);
        put_unreadable(r, term);
        term_wrap(term, 0, 0, slice_str(look->note.text));
    }
    put_causes(r, term);
}

/* --- JSON --------------------------------------------------------------------------- */

static struct js *ages(const struct shape_row *row)
{
    struct js *object = js_object();
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        js_set_number(object, queue_band_words[i], (double)row->bands[i]);
    return object;
}

static struct js *domain_of(const struct shape_row *row)
{
    struct js *object = js_object();
    js_set_word(object, "domain", row->domain);
    js_set_number(object, "recipients", (double)row->all);
    js_set(object, "ages", ages(row));
    return object;
}

static struct js *queue_of(const struct queue_report *r, unsigned number)
{
    struct shape_row rows[REPORT_TOP_MAX];
    struct shape_table table;
    struct js *object = js_object(), *domains = js_list();
    shape_table(r->shape, number, r->top, rows, &table);
    js_set_word(object, "queue", table.queue.name);
    js_set_number(object, "messages", (double)table.queue.messages);
    if (!r->look->counts_only) {
        js_set_number(object, "bytes", (double)table.queue.bytes);
        js_set_number(object, "oldest", (double)table.queue.oldest);
        js_set_number(object, "recipients", (double)table.total.all);
        js_set_number(object, "left_out", (double)table.queue.left_out);
        js_set(object, "ages", ages(&table.total));
    }
    for (unsigned i = 0; i < table.count; i++)
        js_add(domains, domain_of(&rows[i]));
    if (table.other.all)
        js_add(domains, domain_of(&table.other));
    js_set(object, "domains", domains);
    return object;
}

static struct js *causes(const struct queue_report *r)
{
    struct js *list = js_list();
    uint16_t numbers[CAUSE_COUNT];
    unsigned count = counts_causes(&r->causes, numbers);
    for (unsigned i = 0; i < count; i++) {
        const struct cause_row *cause = &cause_rows[numbers[i]];
        struct js *object = js_object();
        js_set_word(object, "cause", cause->name);
        js_set_word(object, "owner", owner_words[cause->owner]);
        js_set_number(object, "recipients", (double)r->causes.causes[numbers[i]]);
        js_set_word(object, "action", cause->action);
        js_add(list, object);
    }
    return list;
}

static struct js *object_of(const struct queue_report *r)
{
    struct js *object = js_object();
    js_set_word(object, "mta", r->setup->name);
    js_set_word(object, "spool", r->setup->spool);
    return object;
}

struct js *report_queue_failure_json(const struct queue_report *r, const char *why)
{
    struct js *object = object_of(r);
    js_set_word(object, "error", why);
    return object;
}

struct js *report_queue_json(const struct queue_report *r)
{
    const struct look *look = r->look;
    struct js *object = object_of(r), *queues = js_list();
    for (unsigned i = 0; i < shape_queues(r->shape); i++)
        js_add(queues, queue_of(r, i));
    js_set(object, "queues", queues);
    js_set(object, "causes", causes(r));
    js_set_number(object, "unreadable", (double)look->unreadable);
    if (look->counts_only || look->unreadable)
        js_set_word(object, "note", look->note.text);
    return object;
}
