/*
 * Finds rows by their key: an open-addressing table, seeded, that only grows.
 *
 * A key is (kind, bytes); its bytes are copied in lower case. Where a key is added
 * again, the row added last is found. Rows are numbered in the order they came, so
 * that the owner can take the last ones away again.
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_INDEX_H
#define MAILVANE_CLASSIFY_PROVIDER_INDEX_H

#include "provider_file.h"

struct provider_index_row {
    uint64_t hash;
    uint32_t key; /* where its bytes begin */
    uint16_t name;
    uint8_t len;
    uint8_t kind;
};

struct provider_index {
    uint64_t seed;
    struct provider_index_row *rows;
    size_t count;
    size_t rows_cap;
    char *keys;
    size_t keys_len;
    size_t keys_cap;
    size_t longest;  /* no key has more bytes than this */
    uint32_t *slots; /* number of a row, plus one; 0: free */
    size_t slots_len;
};

void provider_index_init(struct provider_index *index, uint64_t seed);
void provider_index_release(struct provider_index *index);

/* The row of a key (lower case); NULL if there is none. It is valid until the next add. */
const struct provider_index_row *provider_index_find(const struct provider_index *index,
                                                     enum provider_key kind, struct slice key);

/* The key has 1 to 255 bytes. */
void provider_index_add(struct provider_index *index, enum provider_key kind, struct slice key,
                        unsigned name);

/* Forgets all but the first count rows. */
void provider_index_rewind(struct provider_index *index, size_t count);

#endif
