/*
 * What the bytes of a reply may be part of. A word is what an address, a host name or an
 * id is made of.
 */
#ifndef MAILVANE_CLASSIFY_BYTES_H
#define MAILVANE_CLASSIFY_BYTES_H

#include "mailvane/base/slice.h"

enum byte_class { WORD = 1, DIGIT = 2, AT = 4, BLANK = 8, ACCENT = 16, LETTER = 32 };

extern const uint8_t byte_classes[256];

static inline uint8_t class_of(char c)
{
    return byte_classes[(unsigned char)c];
}

static inline bool is_letter(char c)
{
    return class_of(c) & LETTER;
}

/* As "\w" of patterns; unlike WORD nothing that joins the parts of an address. */
static inline bool is_word_byte(char c)
{
    return byte_is_alnum(c) || c == '_';
}

/* Where the word ends that goes on at p; adds the classes of its bytes to *seen. */
static inline const char *word_end(const char *p, const char *end, uint8_t *seen)
{
    for (uint8_t class; p < end && (class = class_of(*p)) & WORD; p++)
        *seen |= class;
    return p;
}

#endif
