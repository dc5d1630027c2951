/*
 * What all harnesses share: the two entry points of libFuzzer, and copies of the input
 * that end where their memory ends, so that the sanitizer sees a read behind them.
 */
#ifndef MAILVANE_TESTS_FUZZ_INPUT_H
#define MAILVANE_TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/slice.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice input_of(const uint8_t *data, size_t size)
{
    return slice_of((const char *)data, size);
}

/* The copy is freed with copy_free(). */
static inline struct slice copy_of(struct slice bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    bug_if(!copy);
    memcpy(copy, bytes.ptr ? bytes.ptr : "", bytes.len);
    return slice_of(copy, bytes.len);
}

static inline void copy_free(struct slice copy)
{
    free((char *)(uintptr_t)copy.ptr);
}

static inline bool is_within(struct slice inner, struct slice outer)
{
    return inner.len == 0 || (inner.ptr >= outer.ptr && slice_end(inner) <= slice_end(outer));
}

/* Takes the next word of a line of text off, without the blank behind it. */
static inline struct slice word_take(struct slice *line)
{
    while (line->len && *line->ptr == ' ')
        *line = slice_skip(*line, 1);
    return slice_cut(line, ' ');
}

/* The same as a decimal number, which wraps; 0 where it is none. */
static inline uint64_t number_take(struct slice *line)
{
    struct slice word = word_take(line);
    uint64_t number = 0;
    for (size_t i = 0; i < word.len && byte_is_digit(word.ptr[i]); i++)
        number = number * 10 + (uint64_t)(word.ptr[i] - '0');
    return number;
}

#endif
