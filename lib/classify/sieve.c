#include "sieve.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "needle_index.h"

struct wanted {
    uint16_t needle;
    struct distance distance;
};

/* Of needles, of which one must be there; or of clauses. */
struct run {
    uint32_t first;
    uint32_t count;
};

/* An alternative's clauses: those that it has in common with its other choices, and its own. */
struct member {
    struct run common; /* count 0: none */
    struct run own;
};

/* Where the clauses allow a match to begin that were last asked for in common. */
struct common {
    uint32_t first;
    bool known; /* of this text */
    bool any;
    struct places starts;
};

struct sieve {
    struct needle_index *index;
    struct member *members;
    struct run *clauses;
    struct wanted *needles;
    uint32_t member_count, member_room, clause_count, clause_room, needle_count, needle_room;
    uint64_t always[SIEVE_WORDS]; /* those that can be found by nothing */
    size_t text_len;              /* of the last look */
    struct common common;
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
    sieve->clauses[sieve->clause_count++] = (struct run){first, count};
    return true;
}

static bool watch(struct sieve *sieve, const struct run *clause, uint32_t number)
{
    for (uint32_t i = 0; i < clause->count; i++) {
        if (!needle_index_watch(sieve->index, sieve->needles[clause->first + i].needle, number))
            return false;
    }
    return true;
}

/* Those from `from` on, as far as there is room. */
static struct run add_clauses(struct sieve *sieve, const struct alternative *alternative,
                              unsigned from, unsigned end)
{
    uint32_t first = sieve->clause_count;
    bool added = true;
    for (unsigned i = from; added && i < end; i++) {
        const struct clause *clause = &alternative->clauses[i];
        added = add_clause(sieve, alternative->list + clause->first, clause->count);
    }
    return (struct run){first, sieve->clause_count - first};
}

/* One of its needles is what it is found by; NULL: there is no room for that clause. */
static const struct run *lead_of(const struct sieve *sieve, const struct member *member,
                                 const struct alternative *alternative, unsigned common)
{
    bool own = alternative->lead >= common;
    const struct run *run = own ? &member->own : &member->common;
    unsigned at = alternative->lead - (own ? common : 0);
    return at < run->count ? &sieve->clauses[run->first + at] : NULL;
}

void sieve_add(struct sieve *sieve, const struct alternative *alternative)
{
    uint32_t number = sieve->member_count;
    unsigned common = alternative->choice_number ? alternative->choices.clause_count : 0;
    struct member member;
    bug_if(number == SIEVE_MAX);
    member.common = alternative->choice_number > 1 ? sieve->members[number - 1].common
                                                   : add_clauses(sieve, alternative, 0, common);
    member.own = add_clauses(sieve, alternative, common, alternative->clause_count);
    const struct run *lead = lead_of(sieve, &member, alternative, common);
    if (!lead || !watch(sieve, lead, number))
        sieve->always[number / 64] |= UINT64_C(1) << number % 64;
    sieve->members = must_grow(sieve->members, sieve->member_count, &sieve->member_room,
                               sizeof(*sieve->members));
    sieve->members[sieve->member_count++] = member;
}

void sieve_look(struct sieve *sieve, struct slice text, uint64_t candidates[SIEVE_WORDS])
{
    memcpy(candidates, sieve->always, sizeof(sieve->always));
    sieve->text_len = text.len;
    sieve->common.known = false;
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

/* Leaves of the places those that the clauses allow; false: none. */
static bool keep_starts(const struct sieve *sieve, struct run clauses, struct places *starts)
{
    bool any = true;
    for (uint32_t i = 0; any && i < clauses.count; i++) {
        const struct run *clause = &sieve->clauses[clauses.first + i];
        struct places places = {{0}};
        for (uint32_t n = 0; n < clause->count; n++)
            add_starts(sieve, &sieve->needles[clause->first + n], &places);
        any = places_keep(starts, &places);
    }
    return any;
}

/* At any place of the text. */
static struct places anywhere(const struct sieve *sieve)
{
    struct places places = {{0}};
    places_add(&places, 0, sieve->text_len);
    return places;
}

/* Where what is common to many allows a match to begin: of those asked for one after the other. */
static const struct common *common_starts(struct sieve *sieve, struct run clauses)
{
    struct common *common = &sieve->common;
    if (common->known && common->first == clauses.first)
        return common;
    common->known = true;
    common->first = clauses.first;
    common->starts = anywhere(sieve);
    common->any = keep_starts(sieve, clauses, &common->starts);
    return common;
}

bool sieve_starts(struct sieve *sieve, uint32_t number, struct places *starts)
{
    const struct member *member = &sieve->members[number];
    const struct common *common =
        member->common.count ? common_starts(sieve, member->common) : NULL;
    *starts = common ? common->starts : anywhere(sieve);
    return (!common || common->any) && keep_starts(sieve, member->own, starts);
}
