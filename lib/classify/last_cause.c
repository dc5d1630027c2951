#include "mailvane/classify/last_cause.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

struct place {
    uint32_t tag; /* of the queue id's hash */
    uint8_t cause;
};

struct last_causes {
    uint64_t seed;
    struct place places[LAST_CAUSE_MESSAGES];
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
    causes->places[hash % LAST_CAUSE_MESSAGES] =
        (struct place){.tag = (uint32_t)(hash >> 32), .cause = (uint8_t)cause};
}

enum cause last_cause_of(const struct last_causes *causes, struct slice queue_id)
{
    uint64_t hash = hash_slice(queue_id, causes->seed);
    const struct place *place = &causes->places[hash % LAST_CAUSE_MESSAGES];
    return place->tag == (uint32_t)(hash >> 32) ? (enum cause)place->cause : CAUSE_NONE;
}
