/*
 * The images of what formats and causes remember from line to line (format/correlate.h,
 * classify/last_cause.h), edited by the lines of the input as memory.h says. Whatever they
 * hold, no answer leads out of a table, and messages come, are put off and go as before.
 */
#include <stdio.h>

#include "../../lib/format/correlate.h"
#include "mailvane/classify/last_cause.h"
#include "mailvane/line/lines.h"
#include "memory.h"

#define MESSAGES 64

static struct correlate *correlate;
static struct last_causes *causes;
static struct memory pristine, memory;

static struct slice id_of(unsigned number, char text[16])
{
    return slice_of(text, (size_t)snprintf(text, 16, "%08X", number * 2654435761u));
}

static struct destination destination_of(unsigned number)
{
    static const struct slice domains[] = {SLICE_INIT("a.example"), SLICE_INIT("b.example"),
                                           SLICE_INIT("")};
    return (struct destination){.domain = domains[number % 3],
                                .host = SLICE_INIT("mx.example.net"),
                                .origin = SLICE_INIT("postfix/out"),
                                .connected = number & 1};
}

static void put_off(unsigned number)
{
    char text[16];
    struct destination to = destination_of(number);
    struct slice id = id_of(number, text);
    correlate_born(correlate, id);
    correlate_deferred(correlate, id, SLICE("u@a.example"), &to);
    last_cause_set(causes, id, CAUSE_NONE + 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    correlate = correlate_new(7);
    causes = last_causes_new(7);
    memory_init(&pristine);
    memory_init(&memory);
    for (unsigned i = 0; i < MESSAGES; i++)
        put_off(i);
    correlate_save(correlate, &pristine.writer);
    last_causes_save(causes, &pristine.writer);
    return 0;
}

static void read_all(struct slice s)
{
    volatile char sink = 0;
    for (size_t i = 0; i < s.len; i++)
        sink = (char)(sink ^ s.ptr[i]);
    (void)sink;
}

static void check_answers(unsigned number)
{
    char text[16];
    struct slice id = id_of(number, text);
    struct destination to;
    bug_if(last_cause_of(causes, id) >= CAUSE_COUNT);
    bug_if(correlate_attempt(correlate, id, SLICE("u@a.example")) > ATTEMPT_UNKNOWN);
    if (correlate_destination(correlate, id, &to)) {
        bug_if(to.domain.len > UINT8_MAX || to.host.len > UINT8_MAX || to.origin.len > UINT8_MAX);
        read_all(to.domain);
        read_all(to.host);
        read_all(to.origin);
    }
    correlate_activated(correlate, id);
    bug_if(!correlate_activated(correlate, id));
}

/* A message that comes now is remembered as if nothing had been damaged. */
static void check_life(unsigned number)
{
    char text[16], other[16];
    struct slice id = id_of(number, text), renamed = id_of(number + MESSAGES, other);
    struct destination to;
    correlate_gone(correlate, id);
    correlate_gone(correlate, renamed);
    put_off(number);
    bug_if(correlate_attempt(correlate, id, SLICE("u@a.example")) != ATTEMPT_RETRY);
    bug_if(!correlate_destination(correlate, id, &to));
    correlate_renamed(correlate, id, renamed);
    bug_if(correlate_attempt(correlate, renamed, SLICE("u@a.example")) != ATTEMPT_RETRY);
    bug_if(last_cause_of(causes, id) != CAUSE_NONE + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_head(input_of(data, size), 512), line;
    memory_copy(&memory, &pristine);
    while (lines_next(&text, &line))
        memory_edit(&memory, line);
    correlate_load(correlate, &memory.reader);
    last_causes_load(causes, &memory.reader);
    for (unsigned i = 0; i < MESSAGES; i++)
        check_answers(i);
    for (unsigned i = 0; i < 4; i++)
        check_life(i * 16);
    return 0;
}
