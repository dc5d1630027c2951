#include "mailvane/metric/draft.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "metrics_private.h"

struct draft *draft_new(struct metrics *m, const enum metric *ids, unsigned count, uint16_t owner)
{
    struct draft *draft = must_calloc(1, sizeof(*draft) + count * sizeof(draft->families[0]));
    *draft = (struct draft){.metrics = m, .ids = ids, .count = count, .owner = owner};
    for (unsigned i = 0; i < count; i++) {
        const struct metric_row *row = &metric_rows[ids[i]];
        bug_if(row->type != GAUGE || row->label_count == 0);
        family_init(&draft->families[i], row, m->seed, &draft->births);
        draft->families[i].keeping = FAMILY_DRAFT;
        draft->families[i].rest.value[0] = owner;
    }
    draft->next = m->drafts;
    m->drafts = draft;
    return draft;
}

void draft_free(struct draft *draft)
{
    if (!draft)
        return;
    struct draft **at = &draft->metrics->drafts;
    while (*at != draft)
        at = &(*at)->next;
    *at = draft->next;
    for (unsigned i = 0; i < draft->count; i++)
        family_release(&draft->families[i]);
    free(draft);
}

/* What nobody was delivered to has left the table full: the less busy half makes room. */
static void make_room(struct draft *draft)
{
    struct metrics *m = draft->metrics;
    if (draft->refused && topn_is_full(&m->domains))
        metrics_prune(m);
    draft->refused = false;
}

void draft_begin(struct draft *draft)
{
    make_room(draft);
    for (unsigned i = 0; i < draft->count; i++)
        family_clear(&draft->families[i]);
}

static union series_value *value_at(struct draft *draft, enum metric id, struct series_key key)
{
    unsigned i = 0;
    while (i < draft->count && draft->ids[i] != id)
        i++;
    bug_if(i == draft->count);
    key.value[0] = draft->owner;
    return family_at(&draft->families[i], &key);
}

void draft_add(struct draft *draft, enum metric id, struct series_key key, double more)
{
    value_at(draft, id, key)->x += more;
}

void draft_max(struct draft *draft, enum metric id, struct series_key key, double value)
{
    union series_value *at = value_at(draft, id, key);
    at->x = at->x > value ? at->x : value;
}

void draft_withdraw(struct draft *draft)
{
    for (unsigned i = 0; i < draft->count; i++)
        family_remove(&draft->metrics->families[draft->ids[i]], 0, draft->owner);
}

/*
 * Where even the place for what has none is another's, the value is not shown: there nobody
 * would take it away again, and it would grow with each look.
 */
static void show(const struct draft *draft, const struct series *series, struct family *family)
{
    struct series *to = family_series_at(family, &series->key);
    if (to->key.value[0] == draft->owner)
        to->values->x += series->values->x;
}

void draft_publish(struct draft *draft)
{
    draft_withdraw(draft);
    for (unsigned i = 0; i < draft->count; i++) {
        const struct family *from = &draft->families[i];
        struct family *to = &draft->metrics->families[draft->ids[i]];
        for (uint32_t n = 0; n < from->count; n++)
            show(draft, family_series(from, n), to);
        to->folded += from->folded;
    }
}

uint16_t draft_domain(struct draft *draft, struct slice domain)
{
    struct topn *topn = &draft->metrics->domains;
    if (domain.len == 0)
        return DICT_EMPTY;
    uint16_t number = topn_offer(topn, domain);
    draft->refused |= number == 0;
    return number ? number : DICT_OTHER;
}
