/*
 * Which of many alternatives may match a text: those of which all needles that they must
 * hold (needle.h) are there, in their order. What passes may still not match; what does
 * not pass cannot.
 */
#ifndef MAILVANE_CLASSIFY_SIEVE_H
#define MAILVANE_CLASSIFY_SIEVE_H

#include "needle.h"

#define SIEVE_MAX   16384 /* alternatives */
#define SIEVE_WORDS (SIEVE_MAX / 64)

struct sieve;

struct sieve *sieve_new(void);
void sieve_free(struct sieve *sieve);

/* One more, whose number is that of all before it; at most SIEVE_MAX. */
void sieve_add(struct sieve *sieve, const struct alternative *alternative);

/*
 * Looks a text through, which is in lower case and shorter than 64 kB. Sets the bits of
 * those alternatives that are worth to be asked about one by one, and clears all others.
 */
void sieve_look(struct sieve *sieve, struct slice text, uint64_t candidates[SIEVE_WORDS]);
/* May this candidate match the text of the last look? */
bool sieve_passes(const struct sieve *sieve, uint32_t number);

#endif
