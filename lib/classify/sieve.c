#include "sieve.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "needle_index.h"

/* Numbers of needles, of which one must be there. */
struct one_of {
    uint32_t first;
    uint32_t count;
};

/* An alternative's clauses. */
struct member {
    uint32_t first;
    uint32_t count;
};

struct sieve {
    struct needle_index *index;
    struct member *members;
    struct one_of *clauses;
    uint16_t *needles;
    uint32_t member_count, member_room, clause_count, clause_room, needle_count, needle_room;
    uint64_t always[SIEVE_WORDS]; /* those that can be found by nothing */
};

struct sieve *sieve_new(void)
{
    struct sieve *sieve = must_calloc(1, sizeof(*sieve));
    sieve->index = needle_index_new();
    return sieve;
}

void sieve_free(struct sieve *sieve)
{
    if (!sieve)
        return;
    needle_index_free(sieve->index);
    free(sieve->members);
    free(sieve->clauses);
    free(sieve->needles);
    free(sieve);
}

/* False where the index is full: the clause is not asked for. */
static bool add_clause(struct sieve *sieve, const struct needle *needles, unsigned count)
{
    uint32_t first = sieve->needle_count;
    for (unsigned i = 0; i < count; i++) {
        uint16_t number = needle_index_add(sieve->index, &needles[i]);
        if (!number) {
            sieve->needle_count = first;
            return false;
        }
        sieve->needles = must_grow(sieve->needles, sieve->needle_count, &sieve->needle_room,
                                   sizeof(*sieve->needles));
        sieve->needles[sieve->needle_count++] = number;
    }
    sieve->clauses = must_grow(sieve->clauses, sieve->clause_count, &sieve->clause_room,
                               sizeof(*sieve->clauses));
    sieve->clauses[sieve->clause_count++] = (struct one_of){first, count};
    return true;
}

static bool watch(struct sieve *sieve, const struct one_of *clause, uint32_t number)
{
    for (uint32_t i = 0; i < clause->count; i++) {
        if (!needle_index_watch(sieve->index, sieve->needles[clause->first + i], number))
            return false;
    }
    return true;
}

void sieve_add(struct sieve *sieve, const struct alternative *alternative)
{
    uint32_t number = sieve->member_count, first = sieve->clause_count;
    bool found = false;
    bug_if(number == SIEVE_MAX);
    for (unsigned i = 0; i < alternative->clause_count; i++) {
        const struct clause *clause = &alternative->clauses[i];
        bool added = add_clause(sieve, alternative->list + clause->first, clause->count);
        if (added && i == alternative->lead)
            found = watch(sieve, &sieve->clauses[sieve->clause_count - 1], number);
    }
    if (!found)
        sieve->always[number / 64] |= UINT64_C(1) << number % 64;
    sieve->members = must_grow(sieve->members, sieve->member_count, &sieve->member_room,
                               sizeof(*sieve->members));
    sieve->members[sieve->member_count++] = (struct member){first, sieve->clause_count - first};
}

void sieve_look(struct sieve *sieve, struct slice text, uint64_t candidates[SIEVE_WORDS])
{
    memcpy(candidates, sieve->always, sizeof(sieve->always));
    needle_index_look(sieve->index, text, candidates);
}

/*
 * Where a needle of the clause may end at the earliest, if it begins at `from` or behind;
 * 0: none does. Of a needle only its first and its last place are known.
 */
static uint32_t earliest_end(const struct sieve *sieve, const struct one_of *clause, uint32_t from)
{
    uint32_t earliest = 0;
    for (uint32_t i = 0; i < clause->count; i++) {
        struct needle_place place =
            needle_index_place(sieve->index, sieve->needles[clause->first + i]);
        uint32_t end = (place.first > from ? place.first : from) + place.len;
        if (place.len && place.last >= from && (!earliest || end < earliest))
            earliest = end;
    }
    return earliest;
}

bool sieve_passes(const struct sieve *sieve, uint32_t number)
{
    const struct member *member = &sieve->members[number];
    uint32_t from = 0;
    for (uint32_t i = 0; i < member->count; i++) {
        from = earliest_end(sieve, &sieve->clauses[member->first + i], from);
        if (!from)
            return false;
    }
    return true;
}
