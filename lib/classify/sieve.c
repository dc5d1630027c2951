#include "sieve.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "needle_index.h"

struct wanted {
    uint16_t needle;
    struct distance distance;
};

/* Of these, one must be there. */
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
    struct wanted *needles;
    uint32_t member_count, member_room, clause_count, clause_room, needle_count, needle_room;
    uint64_t always[SIEVE_WORDS]; /* those that can be found by nothing */
    size_t text_len;              /* of the last look */
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
        sieve->needles[sieve->needle_count++] = (struct wanted){number, needles[i].distance};
    }
    sieve->clauses = must_grow(sieve->clauses, sieve->clause_count, &sieve->clause_room,
                               sizeof(*sieve->clauses));
    sieve->clauses[sieve->clause_count++] = (struct one_of){first, count};
    return true;
}

static bool watch(struct sieve *sieve, const struct one_of *clause, uint32_t number)
{
    for (uint32_t i = 0; i < clause->count; i++) {
        if (!needle_index_watch(sieve->index, sieve->needles[clause->first + i].needle, number))
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
    sieve->text_len = text.len;
    needle_index_look(sieve->index, text, candidates);
}

/* From where the needle is at the wanted distance. */
static void add_starts(const struct sieve *sieve, const struct wanted *wanted,
                       struct places *starts)
{
    const struct distance distance = wanted->distance;
    uint16_t found = 0;
    size_t at;
    while (needle_index_next(sieve->index, wanted->needle, &found, &at)) {
        if (at >= distance.least)
            places_add(starts, at > distance.most ? at - distance.most : 0, at - distance.least);
    }
}

bool sieve_starts(const struct sieve *sieve, uint32_t number, struct places *starts)
{
    const struct member *member = &sieve->members[number];
    bool any = true;
    *starts = (struct places){{0}};
    places_add(starts, 0, sieve->text_len);
    for (uint32_t i = 0; any && i < member->count; i++) {
        const struct one_of *clause = &sieve->clauses[member->first + i];
        struct places places = {{0}};
        for (uint32_t n = 0; n < clause->count; n++)
            add_starts(sieve, &sieve->needles[clause->first + n], &places);
        any = places_keep(starts, &places);
    }
    return any;
}
