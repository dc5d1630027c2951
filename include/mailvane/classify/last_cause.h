/*
 * Why a message was last put off: when it expires, that is why it failed.
 *
 * A memory of fixed size, by queue id: LAST_CAUSE_MESSAGES messages in sets of eight, of which
 * the one put off longest ago gives way; it is then as if nothing had been known.
 */
#ifndef MAILVANE_CLASSIFY_LAST_CAUSE_H
#define MAILVANE_CLASSIFY_LAST_CAUSE_H

#include "mailvane/base/image.h"
#include "mailvane/classify/cause.h"

#define LAST_CAUSE_MESSAGES 16384 /* 5 bytes each */

struct last_causes;

struct last_causes *last_causes_new(uint64_t seed);
void last_causes_free(struct last_causes *causes);

/* To be known again after a restart, by a memory of the same seed. */
void last_causes_save(const struct last_causes *causes, struct image_writer *out);
void last_causes_load(struct last_causes *causes, struct image_reader *in);

void last_cause_set(struct last_causes *causes, struct slice queue_id, enum cause cause);
/* CAUSE_NONE where it is not known. */
enum cause last_cause_of(const struct last_causes *causes, struct slice queue_id);

#endif
