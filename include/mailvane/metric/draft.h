/*
 * Gauges that are found out by one look at something and are true together: those of the
 * last complete look are shown, and those of the next one are drafted out of sight.
 *
 * A draft has an owner, the value of its metrics' first label. draft_publish puts what was
 * drafted in the place of all series of that owner, so that what is there no longer goes;
 * draft_withdraw takes them away without a successor. A draft that is begun anew forgets
 * what it held. Nothing is allocated after draft_new.
 *
 * Recipient domains share their bound with the counters (topn.h): draft_domain gives one a
 * number, and what loses it while it is drafted or shown is added to "other".
 *
 * A draft may have as many series as its metrics may. Where those of all owners together are
 * more, what has no place is folded as in metrics.h, and what not even that has room for is not
 * shown; both count as folded.
 */
#ifndef MAILVANE_METRIC_DRAFT_H
#define MAILVANE_METRIC_DRAFT_H

#include "mailvane/metric/metrics.h"

struct draft;

/*
 * ids are gauges with at least one label, which drafts of other owners may have as well; the
 * array must live as long as the draft, and the draft no longer than the metrics.
 */
struct draft *draft_new(struct metrics *m, const enum metric *ids, unsigned count, uint16_t owner);
void draft_free(struct draft *draft);

void draft_begin(struct draft *draft);
/* The key's first value is the owner's, whatever it says. */
void draft_add(struct draft *draft, enum metric id, struct series_key key, double more);
/* The greatest of what was given. */
void draft_max(struct draft *draft, enum metric id, struct series_key key, double value);
void draft_publish(struct draft *draft);
void draft_withdraw(struct draft *draft);

/*
 * The number of a recipient domain (base/domain.h), DICT_OTHER where there is no room. It
 * competes for a place by how often it is asked for, but takes none from a name that has
 * one: what only waits pushes nobody out who is delivered to.
 */
uint16_t draft_domain(struct draft *draft, struct slice domain);

#endif
