/* Which queues there are to look at, by the configuration and by what is there. */
#include <unistd.h>

#include "setup.h"

/* The default of queue.postfix: most hosts have it, and those without shall not be told so. */
#define USUAL_SPOOL "/var/spool/postfix"

struct kind {
    const char *mta;
    char *const *spools;
    size_t count;
};

/* Instances are told apart by the names of their directories, as Postfix' are. */
static void name_queue(struct setup_queue *queue, const struct kind *kind)
{
    const char *slash = strrchr(queue->spool, '/');
    const char *name = slash && slash[1] ? slash + 1 : queue->spool;
    snprintf(queue->name, sizeof(queue->name), "%s", kind->count > 1 ? name : kind->mta);
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

size_t setup_queues(const struct config *config, struct setup_queue queues[SETUP_QUEUES_MAX])
{
    const struct kind kinds[] = {
        {"postfix", config->queue_postfix, config->queue_postfix_count},
        {"exim", config->queue_exim, config->queue_exim_count},
        {"sendmail", config->queue_sendmail, config->queue_sendmail_count},
        {"opensmtpd", config->queue_opensmtpd, config->queue_opensmtpd_count},
    };
    size_t count = 0;
    if (config->queue_interval == 0)
        return 0;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t i = 0; i < kinds[k].count && count < SETUP_QUEUES_MAX; i++) {
            const char *spool = kinds[k].spools[i];
            if (strcmp(spool, USUAL_SPOOL) == 0 && access(spool, F_OK) != 0)
                continue;
            queues[count] = (struct setup_queue){.mta = kinds[k].mta, .spool = spool};
            name_queue(&queues[count++], &kinds[k]);
        }
    }
    tell_apart(queues, count);
    return count;
}
