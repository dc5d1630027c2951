/*
 * The words of a reply: which may be somebody's code, and which differ with each message?
 */
#ifndef MAILVANE_CLASSIFY_WORD_H
#define MAILVANE_CLASSIFY_WORD_H

#include "bytes.h"

enum word_kind {
    WORD_KEPT,    /* as it stands */
    WORD_ID,      /* a number, an id, an address of a host */
    WORD_QUERY,   /* the same in front of a block list's name */
    WORD_ADDRESS, /* holds an "@" */
};

/* The word without the punctuation behind it. */
struct slice word_core(struct slice word);

/* seen: the classes of its bytes. */
enum word_kind word_kind(struct slice core, uint8_t seen);

/*
 * A span of time, "300 seconds" and its like: how long to wait differs with each message.
 * core is its number, whole what stands behind that in the reply.
 */
bool word_is_span(struct slice core, struct slice behind);

/* Of a WORD_QUERY: the block list that is asked. */
struct slice word_zone(struct slice core);

/* How many of the bytes from p on, max at most, are of one of the classes. */
size_t count_class(const char *p, const char *end, uint8_t class, size_t max);

#endif
