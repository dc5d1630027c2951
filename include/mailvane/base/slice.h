/*
 * A slice: bytes borrowed from somebody else's buffer.
 *
 * Nothing here allocates, and nothing needs a NUL at the end; a slice may hold
 * any byte. It is valid as long as the buffer that it points into. An absent
 * value is the empty slice, whose ptr may be NULL.
 */
#ifndef MAILVANE_BASE_SLICE_H
#define MAILVANE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * For what is a few instructions once its arguments are known, and a call with all of them
 * where the compiler has run out of patience.
 */
#define ALWAYS_INLINE __attribute__((always_inline)) static inline

struct slice {
    const char *ptr;
    size_t len;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){.ptr = "" literal, .len = sizeof(literal) - 1})
/* The same where an initialiser of static storage is wanted. */
#define SLICE_INIT(literal)                                                                        \
    {                                                                                              \
        .ptr = "" literal, .len = sizeof(literal) - 1                                              \
    }
#define SLICE_NONE ((struct slice){.ptr = NULL, .len = 0})

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_of(const char *ptr, size_t len)
{
    return (struct slice){.ptr = ptr, .len = len};
}

static inline struct slice slice_str(const char *text)
{
    return slice_of(text, text ? strlen(text) : 0);
}

static inline struct slice slice_between(const char *from, const char *to)
{
    return slice_of(from, (size_t)(to - from));
}

static inline const char *slice_end(struct slice s)
{
    return s.len ? s.ptr + s.len : s.ptr;
}

static inline uint64_t bytes_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

static inline uint32_t bytes_load4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/*
 * memcmp() == 0, without the call: names, keywords and the heads of lines are short.
 * The last word overlaps the one before it, so that no length needs a loop over bytes.
 */
ALWAYS_INLINE bool bytes_equal(const char *a, const char *b, size_t len)
{
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            if (bytes_load(a + i) != bytes_load(b + i))
                return false;
        }
        return bytes_load(a + len - 8) == bytes_load(b + len - 8);
    }
    if (len >= 4)
        return bytes_load4(a) == bytes_load4(b) &&
               bytes_load4(a + len - 4) == bytes_load4(b + len - 4);
    return len == 0 || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
}

ALWAYS_INLINE bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && bytes_equal(a.ptr, b.ptr, a.len);
}

ALWAYS_INLINE bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && bytes_equal(s.ptr, prefix.ptr, prefix.len);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* What follows the first n bytes; empty where there are fewer. */
ALWAYS_INLINE struct slice slice_skip(struct slice s, size_t n)
{
    return n >= s.len ? slice_of(slice_end(s), 0) : slice_of(s.ptr + n, s.len - n);
}

/* The first n bytes, or all where there are fewer. */
static inline struct slice slice_head(struct slice s, size_t n)
{
    return slice_of(s.ptr, n < s.len ? n : s.len);
}

/* Takes the prefix off and says whether it was there. */
ALWAYS_INLINE bool slice_take(struct slice *s, struct slice prefix)
{
    if (!slice_starts(*s, prefix))
        return false;
    *s = slice_skip(*s, prefix.len);
    return true;
}

/* Where a byte first stands; s.len where it does not. */
static inline size_t slice_find(struct slice s, char byte)
{
    const char *hit = s.len ? memchr(s.ptr, byte, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

/* Where a byte last stands; s.len where it does not. */
static inline size_t slice_rfind(struct slice s, char byte)
{
    const char *hit = s.len ? memrchr(s.ptr, byte, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

/* Where a text first stands; s.len where it does not. */
static inline size_t slice_find_text(struct slice s, struct slice text)
{
    const char *hit = s.len ? memmem(s.ptr, s.len, text.ptr, text.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

/*
 * Splits at the first byte: returns what stands before it and leaves in *s what
 * stands behind. Without that byte, all of *s is returned and *s becomes empty.
 */
static inline struct slice slice_cut(struct slice *s, char byte)
{
    size_t at = slice_find(*s, byte);
    struct slice head = slice_head(*s, at);
    *s = slice_skip(*s, at + 1);
    return head;
}

static inline struct slice slice_trim(struct slice s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s = slice_skip(s, 1);
    while (s.len &&
           (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    return s;
}

/* ASCII only, whatever the locale: log grammars are ASCII. */
static inline bool byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool byte_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static inline bool byte_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool byte_is_alnum(char c)
{
    return byte_is_digit(c) || byte_is_lower(c) || byte_is_upper(c);
}

static inline char byte_lower(char c)
{
    return byte_is_upper(c) ? (char)(c | 0x20) : c;
}

#endif
