/*
 * A growing byte buffer for output: pages, JSON, messages.
 *
 * init with STRBUF_INIT, release when done, reset to reuse the memory. Appending
 * never fails (base/bug.h). After the first one buf[len] is NUL; before it, buf is NULL.
 * Not for the hot path: nothing that runs for each log line uses it.
 */
#ifndef MAILVANE_BASE_STRBUF_H
#define MAILVANE_BASE_STRBUF_H

#include "mailvane/base/slice.h"

struct strbuf {
    char *buf;
    size_t len;
    size_t cap;
};

#define STRBUF_INIT                                                                                \
    {                                                                                              \
        .buf = NULL, .len = 0, .cap = 0                                                            \
    }

void strbuf_add(struct strbuf *sb, const void *bytes, size_t len);
void strbuf_addf(struct strbuf *sb, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole number, in decimal. */
void strbuf_add_number(struct strbuf *sb, uint64_t n);
void strbuf_reset(struct strbuf *sb);
void strbuf_release(struct strbuf *sb);

static inline void strbuf_add_slice(struct strbuf *sb, struct slice s)
{
    strbuf_add(sb, s.ptr, s.len);
}

static inline void strbuf_add_str(struct strbuf *sb, const char *text)
{
    strbuf_add(sb, text, strlen(text));
}

static inline struct slice strbuf_slice(const struct strbuf *sb)
{
    return slice_of(sb->buf, sb->len);
}

#endif
