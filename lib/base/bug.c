#include "mailvane/base/bug.h"

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

void *must_realloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size ? size : 1);
    bug_if(!grown);
    return grown;
}

char *must_strdup(const char *text)
{
    char *copy = strdup(text);
    bug_if(!copy);
    return copy;
}
