#include "shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"

#define OTHER_QUEUE (SHAPE_QUEUES - 1)

const char *const shape_minutes[QUEUE_BANDS] = {"5",   "10",  "20",  "40",   "80",
                                                "160", "320", "640", "1280", "1280+"};

/* The recipients of one domain in one queue. */
struct cells {
    uint32_t n[QUEUE_BANDS];
};

struct shape {
    struct dict domains;
    /* By the domain's number; NULL where the queue has no recipient: most have none. */
    struct cells *cells[SHAPE_QUEUES];
    struct rank *ranking; /* room to sort them */
    struct shape_queue queues[SHAPE_QUEUES];
    unsigned queue_count;
    /* of the last message */
    unsigned queue, band;
    bool left_out;
};

struct rank {
    uint64_t weight;
    uint16_t number;
};

static void name_queue(struct shape_queue *queue, struct slice name)
{
    snprintf(queue->name, sizeof(queue->name), "%.*s", SLICE_ARG(name));
}

struct shape *shape_new(const char *const *queues, uint32_t domains, uint64_t seed)
{
    struct shape *shape = must_calloc(1, sizeof(*shape));
    dict_init(&shape->domains, domains + 2, seed);
    shape->ranking = must_calloc(domains + 2, sizeof(*shape->ranking));
    for (; *queues; queues++)
        name_queue(&shape->queues[shape->queue_count++], slice_str(*queues));
    return shape;
}

void shape_free(struct shape *shape)
{
    if (!shape)
        return;
    dict_release(&shape->domains);
    for (unsigned q = 0; q < SHAPE_QUEUES; q++)
        free(shape->cells[q]);
    free(shape->ranking);
    free(shape);
}

/* The queue's number; the last one is for those that there is no room for. */
static unsigned find_queue(struct shape *shape, struct slice name)
{
    name = slice_head(name, SHAPE_QUEUE_MAX);
    for (unsigned i = 0; i < shape->queue_count; i++) {
        if (slice_eq(slice_str(shape->queues[i].name), name))
            return i;
    }
    if (shape->queue_count >= OTHER_QUEUE)
        name = SLICE("other");
    if (shape->queue_count < SHAPE_QUEUES)
        name_queue(&shape->queues[shape->queue_count++], name);
    return shape->queue_count - 1;
}

void shape_message(struct shape *shape, const struct queue_message *message, int64_t age)
{
    shape->queue = find_queue(shape, message->queue);
    shape->band = queue_band(age);
    shape->left_out = message->expiring;
    struct shape_queue *queue = &shape->queues[shape->queue];
    queue->messages++;
    queue->bytes += message->bytes;
    queue->oldest = age > queue->oldest ? age : queue->oldest;
}

/* Of which queues a table tells: of one, or of all that have recipients. */
static bool counts_in(const struct shape *shape, unsigned q, unsigned queue)
{
    return shape->cells[q] && (q == queue || queue == SHAPE_ALL);
}

static uint64_t weigh(const struct shape *shape, uint32_t number, unsigned queue)
{
    uint64_t sum = 0;
    for (unsigned q = 0; q < shape->queue_count; q++) {
        for (unsigned b = 0; b < QUEUE_BANDS && counts_in(shape, q, queue); b++)
            sum += shape->cells[q][number].n[b];
    }
    return sum;
}

/* The heaviest first, by name where they are alike. */
static int by_weight(const void *a, const void *b, void *domains)
{
    const struct rank *x = a, *y = b;
    if (x->weight != y->weight)
        return (x->weight < y->weight) - (x->weight > y->weight);
    struct slice left = dict_text(domains, x->number), right = dict_text(domains, y->number);
    size_t common = left.len < right.len ? left.len : right.len;
    int order = memcmp(left.ptr, right.ptr, common);
    return order ? order : (left.len > right.len) - (left.len < right.len);
}

/* Sorts the domains, without "other", that have recipients there; returns how many. */
static unsigned rank_domains(const struct shape *shape, unsigned queue)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < shape->domains.count; i++) {
        uint64_t weight = i == DICT_OTHER ? 0 : weigh(shape, i, queue);
        shape->ranking[count] = (struct rank){weight, (uint16_t)i};
        count += weight > 0;
    }
    qsort_r(shape->ranking, count, sizeof(*shape->ranking), by_weight, (void *)&shape->domains);
    return count;
}

/* What the domain has becomes that of "other". */
static void fold(struct shape *shape, uint16_t number)
{
    for (unsigned q = 0; q < shape->queue_count; q++) {
        struct cells *cells = shape->cells[q];
        for (unsigned b = 0; b < QUEUE_BANDS && cells; b++) {
            cells[DICT_OTHER].n[b] += cells[number].n[b];
            cells[number].n[b] = 0;
        }
    }
}

/* Adds the less busy half of the domains to "other". */
static void make_room(struct shape *shape)
{
    unsigned count = rank_domains(shape, SHAPE_ALL);
    for (unsigned i = count / 2; i < count; i++) {
        uint16_t number = shape->ranking[i].number;
        if (number == DICT_EMPTY)
            continue;
        fold(shape, number);
        dict_remove(&shape->domains, number);
    }
}

static uint16_t find_domain(struct shape *shape, struct slice domain)
{
    if (domain.len == 0)
        return DICT_EMPTY;
    uint16_t number = dict_try(&shape->domains, domain);
    if (number)
        return number;
    make_room(shape);
    return dict_intern(&shape->domains, domain);
}

static struct cells *cells_of(struct shape *shape, unsigned queue)
{
    if (!shape->cells[queue])
        shape->cells[queue] = must_calloc(shape->domains.limit, sizeof(struct cells));
    return shape->cells[queue];
}

void shape_recipient(struct shape *shape, struct slice domain)
{
    if (shape->left_out)
        shape->queues[shape->queue].left_out++;
    else
        cells_of(shape, shape->queue)[find_domain(shape, domain)].n[shape->band]++;
}

unsigned shape_queues(const struct shape *shape)
{
    return shape->queue_count;
}

static void name_row(struct shape_row *row, struct slice name)
{
    *row = (struct shape_row){.all = 0};
    snprintf(row->domain, sizeof(row->domain), "%.*s", SLICE_ARG(name));
}

/* Adds what the domain has in the queue. */
static void add_row(struct shape_row *row, const struct shape *shape, uint16_t number,
                    unsigned queue)
{
    for (unsigned q = 0; q < shape->queue_count; q++) {
        for (unsigned b = 0; b < QUEUE_BANDS && counts_in(shape, q, queue); b++) {
            row->bands[b] += shape->cells[q][number].n[b];
            row->all += shape->cells[q][number].n[b];
        }
    }
}

/* What waits in the queue, or in all of them together. */
static void sum_queue(const struct shape *shape, unsigned queue, struct shape_queue *sum)
{
    if (queue != SHAPE_ALL) {
        *sum = shape->queues[queue];
        return;
    }
    *sum = (struct shape_queue){.name = ""};
    for (unsigned q = 0; q < shape->queue_count; q++) {
        const struct shape_queue *one = &shape->queues[q];
        sum->messages += one->messages;
        sum->bytes += one->bytes;
        sum->left_out += one->left_out;
        sum->oldest = one->oldest > sum->oldest ? one->oldest : sum->oldest;
    }
}

void shape_table(const struct shape *shape, unsigned queue, unsigned max, struct shape_row *rows,
                 struct shape_table *table)
{
    unsigned count = rank_domains(shape, queue);
    *table = (struct shape_table){.rows = rows, .count = count < max ? count : max};
    sum_queue(shape, queue, &table->queue);
    name_row(&table->total, SLICE("TOTAL"));
    name_row(&table->other, SLICE("other"));
    for (unsigned i = 0; i < count; i++) {
        uint16_t number = shape->ranking[i].number;
        if (i < max)
            name_row(&rows[i], dict_text(&shape->domains, number));
        add_row(i < max ? &rows[i] : &table->other, shape, number, queue);
        add_row(&table->total, shape, number, queue);
    }
    add_row(&table->other, shape, DICT_OTHER, queue);
    add_row(&table->total, shape, DICT_OTHER, queue);
}
