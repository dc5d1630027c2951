#include "mailvane/classify/last_cause.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/eight.h"
#include "mailvane/base/hash.h"

#define WAYS EIGHT
#define SETS (LAST_CAUSE_MESSAGES / WAYS)

/* The one that was put off last is the first; the last gives way. */
struct set {
    uint32_t tags[WAYS]; /* of the queue ids' hashes; 0: free */
    uint8_t causes[WAYS];
};

struct last_causes {
    struct set sets[SETS];
    uint64_t seed;
};

struct last_causes *last_causes_new(uint64_t seed)
{
    struct last_causes *causes = must_calloc(1, sizeof(*causes));
    causes->seed = seed;
    return causes;
}

void last_causes_free(struct last_causes *causes)
{
    free(causes);
}

void last_cause_set(struct last_causes *causes, struct slice queue_id, enum cause cause)
{
    uint64_t hash = hash_slice(queue_id, causes->seed);
    struct set *set = &causes->sets[hash % SETS];
    unsigned moved = eight_to_front(set->tags, eight_tag(hash));
    memmove(set->causes + 1, set->causes, moved);
    set->causes[0] = (uint8_t)cause;
}

enum cause last_cause_of(const struct last_causes *causes, struct slice queue_id)
{
    uint64_t hash = hash_slice(queue_id, causes->seed);
    const struct set *set = &causes->sets[hash % SETS];
    unsigned way = scan_eight(set->tags, eight_tag(hash));
    return way < WAYS ? (enum cause)set->causes[way] : CAUSE_NONE;
}

/* Causes are numbers, which mean something with the same list of causes only. */
static const char *region(char name[64])
{
    uint64_t hash = 0;
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        hash = hash_slice(slice_str(cause_rows[i].name), hash);
    snprintf(name, 64, "last causes %ux%zu %016llx", SETS, sizeof(struct set),
             (unsigned long long)hash);
    return name;
}

void last_causes_save(const struct last_causes *causes, struct image_writer *out)
{
    char name[64];
    image_put(out, region(name), causes->sets, sizeof(causes->sets));
}

void last_causes_load(struct last_causes *causes, struct image_reader *in)
{
    char name[64];
    image_fill(in, region(name), causes->sets, sizeof(causes->sets));
    /* What was damaged is not known. */
    for (unsigned i = 0; i < SETS * WAYS; i++) {
        uint8_t *cause = &causes->sets[i / WAYS].causes[i % WAYS];
        *cause = *cause < CAUSE_COUNT ? *cause : CAUSE_NONE;
    }
}
