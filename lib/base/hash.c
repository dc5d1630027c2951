#include "mailvane/base/hash.h"

#include <sys/random.h>

#include "mailvane/base/bug.h"

uint64_t hash_seed(void)
{
    uint64_t seed;
    bug_if(getrandom(&seed, sizeof(seed), 0) != sizeof(seed));
    return seed;
}
