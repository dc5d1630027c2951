/*
 * What outlives a process: named stretches of bytes.
 *
 * Whoever holds something that must be known again after a restart puts it into a writer,
 * stretch by stretch, and asks a reader for it by the same names at the start. A name holds
 * everything that the meaning of the bytes depends on (the layout, the sizes), so that another
 * version asks for another name and begins anew instead of misreading. Bytes are in the
 * machine's own order. What comes out of a reader may be damaged or forged: it is checked
 * as any input is.
 */
#ifndef MAILVANE_BASE_IMAGE_H
#define MAILVANE_BASE_IMAGE_H

#include "mailvane/base/slice.h"

#define IMAGE_NAME_MAX 255

struct image_writer {
    /* The bytes are borrowed for the call. */
    void (*put)(struct image_writer *writer, const char *name, struct slice bytes);
};

struct image_reader {
    /* Borrowed until the next call; empty where there is no such stretch. */
    struct slice (*get)(struct image_reader *reader, const char *name);
};

static inline void image_put(struct image_writer *writer, const char *name, const void *bytes,
                             size_t len)
{
    writer->put(writer, name, slice_of(bytes, len));
}

static inline struct slice image_get(struct image_reader *reader, const char *name)
{
    return reader->get(reader, name);
}

/* Fills what has the very length that was kept; false leaves it as it was. */
static inline bool image_fill(struct image_reader *reader, const char *name, void *out, size_t len)
{
    struct slice kept = image_get(reader, name);
    if (kept.len != len)
        return false;
    memcpy(out, kept.ptr, len);
    return true;
}

#endif
