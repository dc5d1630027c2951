#include "mailvane/base/bug.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void bug_abort(const char *file, int line, const char *what)
{
    fprintf(stderr, "mailvane: bug at %s:%d: %s\n", file, line, what);
    abort();
}

void *must_calloc(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);
    bug_if(!ptr);
    return ptr;
}

/* The byte before it says how far it lies behind what was allocated. */
void *lines_calloc(size_t count, size_t size)
{
    bug_if(size && count > (SIZE_MAX - CACHE_LINE) / size);
    char *raw = must_calloc(count * size + CACHE_LINE, 1);
    size_t offset = CACHE_LINE - ((uintptr_t)raw & (CACHE_LINE - 1));
    raw[offset - 1] = (char)offset;
    return raw + offset;
}

void lines_free(void *ptr)
{
    char *at = ptr;
    if (at)
        free(at - at[-1]);
}

void *must_realloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size ? size : 1);
    bug_if(!grown);
    return grown;
}

void *must_grow(void *list, uint32_t count, uint32_t *room, size_t size)
{
    if (list && count < *room)
        return list;
    *room = *room ? *room * 2 : 512;
    return must_realloc(list, *room * size);
}

char *must_strdup(const char *text)
{
    char *copy = strdup(text);
    bug_if(!copy);
    return copy;
}
