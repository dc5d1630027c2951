/*
 * Whether two replies are one but for what differs with each message, told without
 * normalising either: most replies repeat one that was just read.
 */
#ifndef MAILVANE_CLASSIFY_ALIKE_H
#define MAILVANE_CLASSIFY_ALIKE_H

#include "mailvane/base/slice.h"

/* May a reply be compared with others by alike()? Where it quotes another, it may not. */
bool alike_allowed(struct slice known);

/*
 * true: reply_read() gives the same for both. false says nothing. `known` is one that
 * alike_allowed() allowed.
 */
bool alike(struct slice known, struct slice fresh);

#endif
