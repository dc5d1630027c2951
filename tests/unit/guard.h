/*
 * Input that ends at an unreadable page, so that a parser that reads one byte too
 * far dies in the test and not on somebody's mail host; and the checks that all
 * table tests share.
 */
#ifndef MAILVANE_TESTS_GUARD_H
#define MAILVANE_TESTS_GUARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mailvane/base/slice.h"

struct guard {
    char *base;
    size_t size; /* readable bytes; the page behind them is not */
};

/* Room for `size` bytes at least. */
static inline void guard_open(struct guard *guard, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guard->size = (size / page + 1) * page;
    guard->base =
        mmap(NULL, guard->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guard->base != MAP_FAILED);
    assert_int_equal(mprotect(guard->base + guard->size, page, PROT_NONE), 0);
}

static inline void guard_close(struct guard *guard)
{
    munmap(guard->base, guard->size + (size_t)sysconf(_SC_PAGESIZE));
}

/* A copy that ends where the unreadable page begins; until the next call. */
static inline struct slice guard_put(struct guard *guard, struct slice bytes)
{
    assert_true(bytes.len <= guard->size);
    char *at = guard->base + guard->size - bytes.len;
    memcpy(at, bytes.ptr ? bytes.ptr : "", bytes.len);
    return slice_of(at, bytes.len);
}

/* Calls `use` with every prefix of the bytes, the empty one and the whole among them. */
static inline void guard_prefixes(struct slice bytes, void (*use)(struct slice, void *), void *arg)
{
    struct guard guard;
    guard_open(&guard, bytes.len);
    for (size_t len = 0; len <= bytes.len; len++)
        use(guard_put(&guard, slice_head(bytes, len)), arg);
    guard_close(&guard);
}

/* Whether a result lies within what was parsed. */
static inline bool slice_within(struct slice inner, struct slice outer)
{
    return inner.len == 0 || (inner.ptr >= outer.ptr && slice_end(inner) <= slice_end(outer));
}

static inline void expect_slice(const char *name, const char *what, struct slice got,
                                struct slice want)
{
    if (!slice_eq(got, want))
        fail_msg("%s: %s: got \"%.*s\", want \"%.*s\"", name, what, SLICE_ARG(got),
                 SLICE_ARG(want));
}

static inline void expect_text(const char *name, const char *got, const char *want)
{
    if (!got || !want ? got != want : strcmp(got, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", name, got ? got : "(null)", want ? want : "(null)");
}

static inline void expect_int(const char *name, const char *what, long long got, long long want)
{
    if (got != want)
        fail_msg("%s: %s: got %lld, want %lld", name, what, got, want);
}

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
