#include "mailvane/classify/route.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

struct route {
    uint64_t hash; /* of the domain */
    struct slice provider;
};

struct routes {
    uint64_t seed;
    struct route routes[ROUTES_MAX];
};

struct routes *routes_new(uint64_t seed)
{
    struct routes *routes = must_calloc(1, sizeof(*routes));
    routes->seed = seed;
    return routes;
}

void routes_free(struct routes *routes)
{
    free(routes);
}

void route_set(struct routes *routes, struct slice domain, struct slice provider)
{
    uint64_t hash = hash_slice(domain, routes->seed);
    routes->routes[hash % ROUTES_MAX] = (struct route){hash, provider};
}

struct slice route_of(const struct routes *routes, struct slice domain)
{
    uint64_t hash = hash_slice(domain, routes->seed);
    const struct route *route = &routes->routes[hash % ROUTES_MAX];
    return route->hash == hash ? route->provider : SLICE_NONE;
}
