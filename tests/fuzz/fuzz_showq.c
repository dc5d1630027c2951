/*
 * A list of showq(8) from anybody: the same tokens wherever the bytes end, and what is
 * handed out is in bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/queue/showq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t add(uint64_t sum, struct slice s)
{
    bug_if(s.len > SHOWQ_VALUE_MAX);
    return hash_slice(s, sum + 1);
}

static uint64_t add_token(uint64_t sum, const struct showq *q, enum showq_token token)
{
    sum = sum * 31 + token;
    if (token == SHOWQ_MESSAGE) {
        bug_if(q->message.arrived < 0);
        return add(sum, q->message.queue) + q->message.bytes + (uint64_t)q->message.arrived;
    }
    return token == SHOWQ_RECIPIENT ? add(add(sum, q->recipient.address), q->recipient.reason)
                                    : sum;
}

static uint64_t run(struct slice bytes, size_t step)
{
    static struct showq q;
    uint64_t sum = 0;
    showq_init(&q);
    while (bytes.len) {
        /* A buffer of its own, so that the sanitizer sees a read behind the part. */
        struct slice part = slice_head(bytes, step);
        char *copy = must_calloc(part.len, 1);
        memcpy(copy, part.ptr, part.len);
        part.ptr = copy;
        bytes = slice_skip(bytes, step);
        enum showq_token token;
        while ((token = showq_next(&q, &part)) != SHOWQ_HUNGRY) {
            sum = add_token(sum, &q, token);
            if (token == SHOWQ_BAD) {
                free(copy);
                return sum;
            }
        }
        free(copy);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    uint64_t want = run(bytes, size + 1);
    bug_if(run(bytes, 1) != want);
    bug_if(run(bytes, 13) != want);
    return 0;
}
