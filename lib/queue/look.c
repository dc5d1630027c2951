#include "mailvane/queue/look.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "reader.h"

static const struct queue_reader *const readers[] = {&queue_reader_postfix, &queue_reader_exim};

#define READERS (sizeof(readers) / sizeof(readers[0]))

const struct queue_reader *queue_reader_named(const char *mta)
{
    for (size_t i = 0; i < READERS; i++) {
        if (strcmp(readers[i]->name, mta) == 0)
            return readers[i];
    }
    return NULL;
}

const char *const *queue_reader_queues(const struct queue_reader *reader)
{
    return reader->queues;
}

bool queue_reader_reads(const struct queue_reader *reader)
{
    return reader->reads_files;
}

struct look *look_new(const struct queue_reader *reader, const char *spool)
{
    struct look *look = must_calloc(1, sizeof(*look));
    look->reader = reader;
    look->spool = must_strdup(spool);
    look->fd = -1;
    look->state = reader->state_new();
    return look;
}

void look_free(struct look *look)
{
    if (!look)
        return;
    look->reader->state_free(look->state);
    free(look->spool);
    free(look);
}

int look_begin(struct look *look, struct error *err)
{
    look->fd = -1;
    look->counts_only = false;
    return look->reader->begin(look, err);
}

enum look_step look_next(struct look *look, struct error *err)
{
    return look->reader->next(look, err);
}

void look_end(struct look *look)
{
    look->reader->end(look);
    look->fd = -1;
}
