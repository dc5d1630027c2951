/* Which queues there are to look at, by the configuration and by what is there. */
#include <unistd.h>

#include "setup.h"

/* Most hosts have one of these, and those without shall not be told so. */
static const struct {
    const char *mta, *spool;
    const char *probe; /* the queue is there if this can be listed ... */
    int mode;          /* ... or but exists: its socket may be for others, which is worth a word */
} usual[] = {
    {"postfix", "/var/spool/postfix", "/var/spool/postfix", F_OK},
    {"exim", "/var/spool/exim4", "/var/spool/exim4/input", R_OK | X_OK},
};

/* Instances are told apart by the names of their directories, as Postfix' are. */
static void name_queue(struct setup_queue *queue, const struct setup_queue *queues, size_t count)
{
    size_t alike = 0;
    for (size_t i = 0; i < count; i++)
        alike += strcmp(queues[i].mta, queue->mta) == 0;
    const char *slash = strrchr(queue->spool, '/');
    const char *name = slash && slash[1] ? slash + 1 : queue->spool;
    snprintf(queue->name, sizeof(queue->name), "%s", alike > 1 ? name : queue->mta);
}

/* Two directories of the same name are known by their whole paths. */
static void tell_apart(struct setup_queue *queues, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool shared = false;
        for (size_t j = 0; j < count; j++)
            shared |= j != i && strcmp(queues[i].name, queues[j].name) == 0;
        if (!shared)
            continue;
        for (size_t j = count; j-- > i;) {
            if (j != i && strcmp(queues[i].name, queues[j].name) == 0)
                snprintf(queues[j].name, sizeof(queues[j].name), "%s", queues[j].spool);
        }
        snprintf(queues[i].name, sizeof(queues[i].name), "%s", queues[i].spool);
    }
}

static size_t find_usual(struct setup_queue queues[SETUP_QUEUES_MAX])
{
    struct config_queue defaults;
    size_t count = 0;
    config_queue_defaults(&defaults);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (access(usual[i].probe, usual[i].mode) == 0)
            queues[count++] = (struct setup_queue){
                .mta = usual[i].mta,
                .spool = usual[i].spool,
                .interval = defaults.interval,
                .timeout = defaults.timeout,
                .usual = true,
            };
    }
    return count;
}

static size_t take_configured(const struct config *config,
                              struct setup_queue queues[SETUP_QUEUES_MAX])
{
    size_t count = 0;
    for (; count < config->queue_count && count < SETUP_QUEUES_MAX; count++) {
        const struct config_queue *queue = &config->queues[count];
        queues[count] = (struct setup_queue){
            .mta = queue->mta,
            .spool = queue->spool,
            .interval = queue->interval,
            .timeout = queue->timeout,
        };
    }
    return count;
}

size_t setup_queues(const struct config *config, struct setup_queue queues[SETUP_QUEUES_MAX])
{
    size_t count = config->queues_given ? take_configured(config, queues) : find_usual(queues);
    for (size_t i = 0; i < count; i++)
        name_queue(&queues[i], queues, count);
    tell_apart(queues, count);
    return count;
}
