/*
 * An image in memory (base/image.h), and what a harness does to it: lines of text, so that
 * seeds can be read.
 *
 *     poke REGION OFFSET HEX           overwrites bytes
 *     spread REGION OFFSET STRIDE HEX  the same every STRIDE bytes
 *     cut REGION BYTES                 takes bytes off the end
 *
 * REGION is how the stretch's name begins, with "_" for a blank; numbers wrap within it.
 */
#ifndef MAILVANE_TESTS_FUZZ_MEMORY_H
#define MAILVANE_TESTS_FUZZ_MEMORY_H

#include "input.h"
#include "mailvane/base/image.h"
#include "mailvane/base/strbuf.h"

#define MEMORY_REGIONS 200
#define MEMORY_SPREADS 4096 /* writes of one line */

struct memory {
    struct image_writer writer;
    struct image_reader reader;
    unsigned count;
    unsigned turn; /* where a name is looked for first: the order is the same each time */
    char *names[MEMORY_REGIONS];
    struct strbuf bytes[MEMORY_REGIONS];
    bool edited[MEMORY_REGIONS]; /* since memory_copy() */
};

/* The stretch of that name; count where there is none. */
static inline unsigned memory_find(struct memory *memory, const char *name)
{
    for (unsigned i = 0; i < memory->count; i++) {
        unsigned at = (memory->turn + i) % memory->count;
        if (strcmp(memory->names[at], name) == 0) {
            memory->turn = at + 1;
            return at;
        }
    }
    return memory->count;
}

/* Takes a stretch of that name over, if there was one: the memory is used again. */
static void memory_put(struct image_writer *writer, const char *name, struct slice bytes)
{
    struct memory *memory = (struct memory *)(void *)writer;
    unsigned at = memory_find(memory, name);
    bug_if(at == MEMORY_REGIONS || strlen(name) > IMAGE_NAME_MAX);
    if (at == memory->count)
        memory->names[memory->count++] = must_strdup(name);
    strbuf_reset(&memory->bytes[at]);
    strbuf_add_slice(&memory->bytes[at], bytes);
    memory->edited[at] = true;
}

/*
 * What was edited is a copy of its own, so that the sanitizer sees a read behind it; until
 * the next call.
 */
static struct slice memory_get(struct image_reader *reader, const char *name)
{
    static struct slice given;
    struct memory *memory =
        (struct memory *)(void *)((char *)reader - offsetof(struct memory, reader));
    copy_free(given);
    given = SLICE_NONE;
    unsigned at = memory_find(memory, name);
    if (at == memory->count)
        return SLICE_NONE;
    struct slice bytes = strbuf_slice(&memory->bytes[at]);
    return memory->edited[at] ? (given = copy_of(bytes)) : bytes;
}

static inline void memory_init(struct memory *memory)
{
    *memory = (struct memory){.writer = {memory_put}, .reader = {memory_get}};
}

/* Makes it what another one is, which must have been the same once. */
static inline void memory_copy(struct memory *memory, const struct memory *from)
{
    for (unsigned i = 0; i < from->count; i++) {
        if (i >= memory->count || memory->edited[i])
            memory_put(&memory->writer, from->names[i], strbuf_slice(&from->bytes[i]));
        memory->edited[i] = false;
    }
}

/* To be edited: the stretch whose name begins so, NULL where there is none. */
static inline struct strbuf *memory_region(struct memory *memory, struct slice prefix)
{
    for (unsigned i = 0; i < memory->count; i++) {
        size_t at = 0;
        const char *name = memory->names[i];
        while (at < prefix.len && name[at] &&
               (name[at] == prefix.ptr[at] || (name[at] == ' ' && prefix.ptr[at] == '_')))
            at++;
        if (prefix.len && at == prefix.len) {
            memory->edited[i] = true;
            return &memory->bytes[i];
        }
    }
    return NULL;
}

static inline unsigned hex_digit(char c)
{
    return byte_is_digit(c) ? (unsigned)(c - '0') : ((unsigned char)c | 0x20u) - 'a' + 10u;
}

static inline void memory_write(struct strbuf *to, size_t at, struct slice hex)
{
    for (size_t i = 0; i + 1 < hex.len && to->len; i += 2)
        to->buf[(at + i / 2) % to->len] =
            (char)(hex_digit(hex.ptr[i]) << 4 | (hex_digit(hex.ptr[i + 1]) & 0x0f));
}

/* Does what a line says; false where it is no such line. */
static inline bool memory_edit(struct memory *memory, struct slice line)
{
    struct slice word = word_take(&line);
    bool spread = slice_eq(word, SLICE("spread")), cut = slice_eq(word, SLICE("cut"));
    if (!spread && !cut && !slice_eq(word, SLICE("poke")))
        return false;
    struct strbuf *to = memory_region(memory, word_take(&line));
    size_t offset = number_take(&line), stride = spread ? number_take(&line) : 0;
    if (!to)
        return true;
    if (cut) {
        to->len -= offset < to->len ? offset : to->len;
        return true;
    }
    struct slice hex = word_take(&line);
    size_t writes = stride && stride < to->len ? to->len / stride : 1;
    for (size_t i = 0; i < writes && i < MEMORY_SPREADS; i++)
        memory_write(to, offset % (to->len ? to->len : 1) + i * stride, hex);
    return true;
}

#endif
