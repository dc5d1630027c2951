/* The queues on the page for a person: domains by age, as qshape(1) shows them. */
#include "agent.h"
#include "mailvane/expose/landing.h"

#define ROWS 20 /* domains of a queue that are shown */

static void add_number(struct strbuf *page, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    landing_cell(page, text);
}

static void add_row(struct strbuf *page, const struct shape_row *row)
{
    landing_row_begin(page, row->domain[0] ? row->domain : "(none)");
    add_number(page, row->all);
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        add_number(page, row->bands[i]);
    landing_row_end(page);
}

static void add_table(struct strbuf *page, const struct shape_table *table)
{
    landing_table_begin(page);
    landing_row_begin(page, "minutes");
    landing_cell(page, "all");
    for (unsigned i = 0; i < QUEUE_BANDS; i++)
        landing_cell(page, shape_minutes[i]);
    landing_row_end(page);
    add_row(page, &table->total);
    for (unsigned i = 0; i < table->count; i++)
        add_row(page, &table->rows[i]);
    if (table->other.all)
        add_row(page, &table->other);
    landing_table_end(page);
}

/* False where nothing is in it. */
static bool add_queue(struct strbuf *page, const struct queue_view *view, unsigned queue)
{
    struct shape_row rows[ROWS];
    struct shape_table table;
    char text[512];
    shape_table(view->shape, queue, ROWS, rows, &table);
    if (table.queue.messages == 0)
        return false;
    snprintf(text, sizeof(text), "%s, %s", view->name, table.queue.name);
    landing_heading(page, text);
    snprintf(text, sizeof(text), "Messages: %llu, %lld seconds ago. Recipients by how long:",
             (unsigned long long)table.queue.messages, (long long)view->seconds);
    landing_paragraph(page, text);
    if (table.total.all)
        add_table(page, &table);
    return true;
}

/* Silence would look the same, whether nothing waits or nothing can be read. */
static void add_state(struct strbuf *page, const struct queue_view *view)
{
    char text[1024];
    if (view->complaint)
        snprintf(text, sizeof(text), "The last look: %s.", view->complaint);
    else if (view->shape)
        snprintf(text, sizeof(text), "Nothing waits, %lld seconds ago.", (long long)view->seconds);
    else
        snprintf(text, sizeof(text), "It was not looked at yet.");
    landing_heading(page, view->name);
    landing_paragraph(page, text);
}

void agent_queues_page(const struct agent *agent, struct strbuf *page)
{
    for (size_t i = 0; i < agent->queue_count; i++) {
        struct queue_view view = agent_queue_view(agent, i);
        bool some = false;
        for (unsigned q = 0; view.shape && q < shape_queues(view.shape); q++)
            some |= add_queue(page, &view, q);
        if (!some || view.complaint)
            add_state(page, &view);
    }
}
