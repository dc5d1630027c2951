/*
 * Who operates the MX: a provider, found by the relay host's suffix; or, where no
 * host was reached, by the recipient's domain.
 *
 * The table is a data file (data/providers.tsv, whose head describes its form),
 * built into the binary. Users extend it with files of the same form:
 *     provider TAB suffix [TAB note]
 * A suffix ".example.net" knows every host below example.net, by whole labels, and
 * not example.net itself; "mx.example.net" knows that host alone; "=example.net"
 * is a recipient domain, matched whole. A provider's name is made of [a-z0-9./-],
 * since it becomes a label's value.
 *
 * The longest suffix wins. Users' rows are asked first: one of theirs wins over
 * every built-in one, however much longer that is. Where two files of a user give
 * the same suffix, the file loaded last wins; within one file that is a mistake.
 *
 * provider_of_* are on the hot path: they allocate nothing, and remember recent
 * hosts in a cache of fixed size. The slices they return live as long as the
 * struct providers.
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_H
#define MAILVANE_CLASSIFY_PROVIDER_H

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

#define PROVIDER_NAME_MAX  63          /* bytes of a name */
#define PROVIDER_NAMES_MAX 1000        /* different names in all: each may become a series */
#define PROVIDER_ROWS_MAX  100000      /* rows of all user files together */
#define PROVIDER_FILE_MAX  (32u << 20) /* bytes of a user file */

struct providers;

/* With the built-in table; seed is for hashing. */
struct providers *providers_new(uint64_t seed);
void providers_free(struct providers *providers);

/*
 * Adds a user's file. A mistake is -1 and a sentence that names file, line, column
 * and value; nothing of that file counts then.
 */
int providers_load(struct providers *providers, const char *path, struct error *err);
/* The same for a text in memory, which may go afterwards; name stands for it in errors. */
int providers_load_text(struct providers *providers, const char *name, struct slice text,
                        struct error *err);

/* Is this the name of a provider that the tables know? */
bool provider_is_known(const struct providers *providers, struct slice name);
/* All names that the tables know, from 0, the built-in ones first; one of them is "other". */
size_t provider_count(const struct providers *providers);
struct slice provider_name(const struct providers *providers, size_t number);
/* The provider of an MX host (any case, with or without the last dot); "other" if none. */
struct slice provider_of_host(struct providers *providers, struct slice host);
/* The provider of a recipient domain (as base/domain.h makes it); "other" if none. */
struct slice provider_of_domain(struct providers *providers, struct slice domain);

#endif
