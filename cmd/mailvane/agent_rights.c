#include "agent.h"
#include <stdlib.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/strbuf.h"
#include "mailvane/daemon/sandbox.h"
#include "mailvane/queue/look.h"
#include "setup.h"

/* The directory that a configuration of Postfix lies in, and where its files' links lead to. */
static void allow_postfix(struct sandbox *sandbox, const char *dir)
{
    static const char *const files[] = {"main.cf", "master.cf"};
    struct strbuf path = STRBUF_INIT;
    sandbox_allow(sandbox, SANDBOX_READ, dir);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        strbuf_reset(&path);
        strbuf_addf(&path, "%s/%s", dir, files[i]);
        sandbox_allow_file(sandbox, path.buf);
    }
    strbuf_release(&path);
}

static void allow_files(struct sandbox *sandbox, char *const *paths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sandbox_allow_file(sandbox, paths[i]);
}

/* Beside the file lie its log and its lock; what is damaged is moved aside there. */
static void allow_state(struct sandbox *sandbox, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path)
        return;
    char *dir = slash ? must_strdup(path) : must_strdup(".");
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    /* Not what is above a directory that is missing: nobody makes it later. */
    if (access(dir, F_OK) == 0)
        sandbox_allow(sandbox, SANDBOX_WRITE, dir);
    free(dir);
}

/* Some spools have to be read; of the others the names of the files are counted at most. */
static void allow_queues(struct sandbox *sandbox, const struct config *config)
{
    struct setup_queue queues[SETUP_QUEUES_MAX];
    size_t count = setup_queues(config, queues);
    for (size_t i = 0; i < count; i++) {
        const struct queue_reader *reader = queue_reader_named(queues[i].mta);
        sandbox_allow(sandbox, queue_reader_reads(reader) ? SANDBOX_READ : SANDBOX_LIST,
                      queues[i].spool);
    }
}

/* Everything that the configuration names, and that may be read again later. */
static void allow_all(struct sandbox *sandbox, const struct agent *agent)
{
    const struct config *config = &agent->config;
    const struct postfix_cf *cf = sending_ips_postfix(agent->pipeline.sending_ips);
    const char *pattern;
    for (size_t i = 0; (pattern = setup_log(&agent->config, i)); i++)
        sandbox_allow_log(sandbox, pattern);
    for (size_t i = 0; i < config->postfix_dir_count; i++)
        allow_postfix(sandbox, config->postfix_dirs[i]);
    for (size_t i = 0; i < cf->dir_count; i++)
        allow_postfix(sandbox, cf->dirs[i]);
    allow_files(sandbox, config->providers, config->provider_count);
    allow_files(sandbox, config->causes, config->cause_count);
    allow_state(sandbox, config->state);
    allow_queues(sandbox, config);
    if (agent->config_file)
        sandbox_allow_file(sandbox, agent->config_file);
    for (size_t i = 0; i < config->sandbox_path_count; i++)
        sandbox_allow(sandbox, SANDBOX_READ, config->sandbox_paths[i]);
}

int agent_confine(const struct agent *agent, struct error *err)
{
    struct sandbox sandbox = {.log = &agent->log, .user = agent->config.user};
    /* A log that was compressed while nobody read it is read through the tool for that. */
    sandbox.may_run = agent->config.state != NULL;
    if (!agent->config.sandbox)
        return sandbox.user ? sandbox_become_user(&sandbox, err) : 0;
    allow_all(&sandbox, agent);
    int status = sandbox_enter(&sandbox, err);
    sandbox_release(&sandbox);
    return status;
}
