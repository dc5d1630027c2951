/*
 * Which of many alternatives may match a text, and where such a match may begin: where the
 * needles that they must hold (needle.h) stand at the right distances behind. It may still
 * not begin there; it cannot begin anywhere else.
 */
#ifndef MAILVANE_CLASSIFY_SIEVE_H
#define MAILVANE_CLASSIFY_SIEVE_H

#include "needle.h"
#include "places.h"

#define SIEVE_MAX   16384 /* alternatives */
#define SIEVE_WORDS (SIEVE_MAX / 64)

#define SIEVE_TEXT_MAX (PLACES_MAX - 1) /* bytes of a text */

struct sieve;

struct sieve *sieve_new(void);
void sieve_free(struct sieve *sieve);

/*
 * One more, whose number is that of all before it; at most SIEVE_MAX. What is narrowed to
 * another choice than the one before is added next to it: what stands before the choice is
 * looked for once.
 */
void sieve_add(struct sieve *sieve, const struct alternative *alternative);

/*
 * Looks a text through, which is in lower case and not longer than SIEVE_TEXT_MAX. Sets the
 * bits of those alternatives that are worth to be asked about one by one, and clears all
 * others.
 */
void sieve_look(struct sieve *sieve, struct slice text, uint64_t candidates[SIEVE_WORDS]);
/* Where in the text of the last look this candidate may match; false: nowhere. */
bool sieve_starts(struct sieve *sieve, uint32_t number, struct places *starts);

#endif
