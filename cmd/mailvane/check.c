#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/classify/classifier.h"
#include "mailvane/classify/provider.h"
#include "mailvane/config/postfix_cf.h"
#include "mailvane/daemon/sandbox.h"
#include "mailvane/queue/look.h"
#include "mailvane/source/checkpoint.h"
#include "setup.h"

/* One finding a line; a bad one makes the exit status 1, a note does not. */
struct findings {
    unsigned good;
    unsigned bad;
};

static void good(struct findings *f, const char *what, const char *name)
{
    f->good++;
    printf("ok       %s %s\n", what, name);
}

static void bad(struct findings *f, const char *sentence)
{
    f->bad++;
    printf("problem  %s\n", sentence);
}

static void check_log(struct findings *f, const char *path)
{
    struct error err;
    struct stat st;
    if (access(path, R_OK) < 0)
        error_set(&err, "%s: %s%s", path, strerror(errno),
                  errno == EACCES ? "; on Debian, group adm may read mail logs" : "");
    else if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        error_set(&err, "%s: is no regular file", path);
    else {
        good(f, "log", path);
        return;
    }
    bad(f, err.text);
}

/* A pattern may match many files, and none is a problem: nothing would be counted. */
static void check_source(struct findings *f, const struct config_source *source, const char *path)
{
    glob_t found;
    struct error err;
    if (glob(source->file, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            check_log(f, found.gl_pathv[i]);
    } else {
        error_set(&err, "%s:%d:%d: no file matches \"%s\" yet", path, source->line, source->column,
                  source->file);
        bad(f, err.text);
    }
    globfree(&found);
}

static void check_usual_logs(struct findings *f, const struct config *config)
{
    const char *log;
    if (!setup_has_usual_log())
        bad(f, SETUP_NO_LOG " yet, and the configuration names no log under sources");
    for (size_t i = 0; (log = setup_log(config, i)); i++) {
        if (access(log, F_OK) == 0)
            check_log(f, log);
    }
}

static void check_logs(struct findings *f, const struct config *config, const char *path)
{
    for (size_t i = 0; i < config->source_count; i++)
        check_source(f, &config->sources[i], path);
    if (config->source_count == 0)
        check_usual_logs(f, config);
}

static void check_providers(struct findings *f, const struct config *config)
{
    struct error err;
    struct providers *providers = providers_new(hash_seed());
    for (size_t i = 0; i < config->provider_count; i++) {
        if (providers_load(providers, config->providers[i], &err) < 0)
            bad(f, err.text);
        else
            good(f, "providers", config->providers[i]);
    }
    providers_free(providers);
}

static void check_causes(struct findings *f, const struct config *config)
{
    struct error err;
    struct classifier *classifier = classifier_new(hash_seed());
    for (size_t i = 0; i < config->cause_count; i++) {
        if (classifier_load(classifier, config->causes[i], &err) < 0)
            bad(f, err.text);
        else
            good(f, "causes", config->causes[i]);
    }
    classifier_free(classifier);
}

static void check_postfix(struct findings *f, const struct config *config)
{
    for (size_t i = 0; i < config->postfix_dir_count; i++) {
        struct postfix_cf cf = {0};
        struct error err;
        if (postfix_cf_read(&cf, config->postfix_dirs[i], &err) < 0)
            bad(f, err.text);
        else
            good(f, "Postfix configuration", config->postfix_dirs[i]);
        postfix_cf_release(&cf);
    }
}

/* A queue that nobody asked for may be out of reach: the agent does its work without it. */
static void miss_queue(struct findings *f, const struct setup_queue *queue, const char *why)
{
    if (queue->usual)
        printf("note     the queue is not configured, and cannot be read: %s\n", why);
    else
        bad(f, why);
}

/* A file that cannot be read may be the only one: so many in a row are no accident. */
#define UNREADABLE_MAX 100

/*
 * Why a look would tell less than there is; NULL where it begins well. Files may be out of reach
 * whose names can be read, so they are read until one tells of a message; what the queue holds is
 * the agent's to say.
 */
static const char *find_obstacle(struct look *look, struct error *err)
{
    enum look_step step = LOOK_NOTHING;
    if (look_begin(look, err) < 0)
        return err->text;
    while (queue_reader_reads(look->reader) && step == LOOK_NOTHING &&
           look->unreadable < UNREADABLE_MAX)
        step = look_next(look, err);
    look_end(look);
    if (step == LOOK_FAILED)
        return err->text;
    bool none = look->unreadable && !look->messages;
    return look->counts_only || look->denied || none ? look->note.text : NULL;
}

static void check_queue(struct findings *f, const struct setup_queue *queue)
{
    struct error err;
    struct look *look = look_new(queue_reader_named(queue->mta), queue->spool);
    const char *obstacle = find_obstacle(look, &err);
    if (obstacle)
        miss_queue(f, queue, obstacle);
    else
        good(f, "queue", queue->spool);
    look_free(look);
}

static void check_queues(struct findings *f, const struct config *config)
{
    struct setup_queue queues[SETUP_QUEUES_MAX];
    size_t count = setup_queues(config, queues);
    for (size_t i = 0; i < count; i++)
        check_queue(f, &queues[i]);
}

/* Whom the agent is to become, should it be started as root. False where it would not start. */
static bool check_user(struct findings *f, const struct config *config)
{
    struct error err;
    const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
    if (!config->user)
        return true;
    if (user && user->pw_uid != 0) {
        good(f, "user", config->user);
        return true;
    }
    error_set(&err,
              user ? "user: \"%s\" is root; name a user without rights"
                   : "user: there is no user \"%s\"",
              config->user);
    bad(f, err.text);
    return false;
}

/* As the agent does before it opens logs and state: to root everything looks readable. */
static void become_user(struct findings *f, const struct config *config)
{
    const struct logger quiet = {.level = LOG_LEVEL_ERROR};
    const struct sandbox sandbox = {.log = &quiet, .user = config->user};
    struct error err;
    bool changes = config->user || (config->sandbox && getpwnam(SANDBOX_USER));
    if (geteuid() == 0 && changes && sandbox_become_user(&sandbox, &err) < 0)
        bad(f, err.text);
}

/* The directory, and what lies there already; whether an agent has it open does not matter. */
static void check_state(struct findings *f, const struct config *config)
{
    struct error err;
    if (!config->state)
        return;
    char *dir = must_strdup(config->state), *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    const char *where = slash ? dir : ".";
    int rc = access(where, W_OK | X_OK);
    if (rc < 0)
        error_set(&err, "%s: nothing can be written there: %s", where, strerror(errno));
    else
        rc = checkpoint_inspect(config->state, &err);
    if (rc < 0) {
        f->bad++;
        printf("problem  state: %s\n", err.text);
    } else {
        good(f, "state", config->state);
    }
    free(dir);
}

int run_check(int argc, char **argv)
{
    const char *config_file = NULL;
    bool help = false;
    const struct cli_flag flags[] = {
        {"config.file", "F", "Configuration file (default " SETUP_CONFIG_USUAL ").", &config_file,
         NULL},
        {"help", NULL, "Show this.", NULL, &help},
        {NULL},
    };
    struct error err;
    struct config config;
    struct findings found = {0};
    int operand = cli_parse(argc, argv, flags, &err);
    if (operand < 0)
        return cli_fail(EXIT_USAGE, "check: %s", err.text);
    if (help) {
        cli_help("check [flags]",
                 "Checks the configuration, and that what it names can be read and understood.",
                 flags);
        return EXIT_DONE;
    }
    if (argv[operand])
        return cli_fail(EXIT_USAGE, "check: takes no operand, but got \"%s\"", argv[operand]);
    config_file = setup_config_file(config_file);
    int status = EXIT_USAGE;
    if (setup_config(&config, config_file, &err) < 0) {
        cli_fail(EXIT_USAGE, "%s", err.text);
    } else {
        good(&found, "configuration", config_file ? config_file : "none: the defaults");
        check_providers(&found, &config);
        check_causes(&found, &config);
        check_postfix(&found, &config);
        if (check_user(&found, &config))
            become_user(&found, &config);
        check_logs(&found, &config, config_file);
        check_queues(&found, &config);
        check_state(&found, &config);
        status = found.bad ? EXIT_NOT_SO : EXIT_DONE;
        status = cli_flush() ? EXIT_WORLD : status;
    }
    config_release(&config);
    return status;
}
