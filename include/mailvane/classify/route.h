/*
 * Where the mail of a domain went lately: the provider of the MX that was reached. It says
 * who will get what still waits for that domain, of which no log has spoken yet.
 *
 * A memory of fixed size by the domain's hash; of two domains that share a place the later
 * one has it. A provider's text must outlive it, as those of classify/provider.h do.
 */
#ifndef MAILVANE_CLASSIFY_ROUTE_H
#define MAILVANE_CLASSIFY_ROUTE_H

#include "mailvane/base/slice.h"

#define ROUTES_MAX 4096 /* 24 bytes each */

struct routes;

struct routes *routes_new(uint64_t seed);
void routes_free(struct routes *routes);

void route_set(struct routes *routes, struct slice domain, struct slice provider);
/* Empty where it is not known. */
struct slice route_of(const struct routes *routes, struct slice domain);

#endif
