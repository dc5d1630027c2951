/*
 * A bug is ours: a state that the code says cannot be. It aborts with the place,
 * so that it is found where it happened. The world's mistakes are errors
 * (base/error.h), never bugs; running out of memory ends the process as well,
 * since nothing here allocates by input.
 */
#ifndef MAILVANE_BASE_BUG_H
#define MAILVANE_BASE_BUG_H

#include <stddef.h>
#include <stdint.h>

#define bug_if(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!!(condition), 0))                                                    \
            bug_abort(__FILE__, __LINE__, #condition);                                             \
    } while (0)

_Noreturn void bug_abort(const char *file, int line, const char *what);

/* calloc that does not fail; release with free(). */
void *must_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/*
 * The same for a table whose entries shall not lie across cache lines: it begins with one.
 * Release with lines_free(). Pages of a large one are there when they are touched first.
 */
void *lines_calloc(size_t count, size_t size) __attribute__((returns_nonnull));
void lines_free(void *ptr);
#define CACHE_LINE 64
/* realloc that does not fail. */
void *must_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));
/* A list with room for one more than count; *room grows by doubling. */
void *must_grow(void *list, uint32_t count, uint32_t *room, size_t size)
    __attribute__((returns_nonnull));
/* strdup that does not fail. */
char *must_strdup(const char *text) __attribute__((malloc, returns_nonnull));

#endif
