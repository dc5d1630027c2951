/*
 * Who operates the MX: a provider, found by the relay host's suffix, the longest
 * first; or, where no host was reached, by the recipient's domain.
 *
 * The table is a data file (data/providers.tsv, built into the binary) that users
 * extend with files of the same form; their rows are tried first:
 *     provider TAB mx_suffix
 * A suffix with a leading dot matches whole labels behind any host; one with a
 * leading "=" is a recipient domain, matched whole. Lines that are empty or begin
 * with "#" are skipped. Names follow the label's rules: [a-z0-9-], at most 63.
 *
 * provider_of_* are on the hot path: they allocate nothing, and remember recent
 * answers in a cache of fixed size.
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_H
#define MAILVANE_CLASSIFY_PROVIDER_H

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

struct providers;

/* With the built-in table; seed is for hashing. */
struct providers *providers_new(uint64_t seed);
void providers_free(struct providers *providers);

/* Adds a user's file, before what is there; a mistake names file, line, column and value. */
int providers_load(struct providers *providers, const char *path, struct error *err);

/* The provider of an MX host (any case, with or without the last dot); "other" if none. */
struct slice provider_of_host(struct providers *providers, struct slice host);
/* The provider of a recipient domain (lower case); "other" if none. */
struct slice provider_of_domain(struct providers *providers, struct slice domain);

#endif
