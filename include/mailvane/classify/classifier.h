/*
 * Why a delivery failed, read from what the server (or our own MTA) said.
 *
 * The rules are a data file (data/causes.rules, whose head describes its form), built
 * into the binary. Users extend it with files of the same form, whose rules are tried
 * before the built-in ones, in the order in which the files were loaded.
 *
 * Replies repeat: the verdicts of recent ones are remembered by everything that a rule
 * may ask about, so that a verdict from memory is the one the rules would give. The
 * memory is of fixed size, and judging allocates nothing but for the first use of a
 * pattern. A pattern that costs too much is stopped, counted, and does not match.
 */
#ifndef MAILVANE_CLASSIFY_CLASSIFIER_H
#define MAILVANE_CLASSIFY_CLASSIFIER_H

#include "mailvane/base/error.h"
#include "mailvane/classify/cause.h"
#include "mailvane/classify/reply.h"
#include "mailvane/event/event.h"

#define CLASSIFIER_RULES_MAX 4096       /* of one file */
#define CLASSIFIER_FILE_MAX  (4u << 20) /* bytes of one file */
#define CLASSIFIER_FILES_MAX 64         /* of a user */
#define CLASSIFIER_MEMORY    1024       /* verdicts remembered */
#define RULE_NONE            UINT32_MAX

/* A failed delivery, as an event tells it. */
struct refusal {
    struct slice provider;
    enum phase phase;
    uint16_t code;
    struct dsn dsn;
    struct slice text; /* the reply, or the MTA's own words */
};

struct verdict {
    enum cause cause;
    uint16_t code;     /* the reply's; 0: none */
    struct dsn dsn;    /* the reply's; klass 0: none */
    struct slice list; /* the block list that is named; lives as long as the classifier */
    uint32_t rule;     /* that decided; RULE_NONE */
};

/* Where a rule stands. */
struct rule_info {
    const char *file;
    unsigned line;
    struct slice text;
};

struct classifier;

/* With the built-in rules; seed is for hashing. */
struct classifier *classifier_new(uint64_t seed);
void classifier_free(struct classifier *classifier);

/*
 * Adds a user's file. A mistake is -1 and a sentence that names file, line, column and
 * value; nothing of that file counts then.
 */
int classifier_load(struct classifier *classifier, const char *path, struct error *err);
/* The same for a text in memory, which is copied; name stands for it in sentences. */
int classifier_load_text(struct classifier *classifier, const char *name, struct slice text,
                         struct error *err);

/* The verdict is the memory's own and holds until the next call. */
const struct verdict *classifier_judge(struct classifier *classifier,
                                       const struct refusal *refusal);
/* The same without the memory; reply, if not NULL, is what the rules were shown. */
struct verdict classifier_judge_anew(struct classifier *classifier, const struct refusal *refusal,
                                     struct reply *reply);
/* And without anything that makes it fast: what the two above are held against. */
struct verdict classifier_judge_slowly(struct classifier *classifier,
                                       const struct refusal *refusal);

/*
 * The part of the reply that the rule of its verdict matched; empty where none decided, or
 * something else than the text. The reply is what judging gave, and owns it.
 */
struct slice classifier_matched(struct classifier *classifier, const struct verdict *verdict,
                                const struct reply *reply);

/* Where a rule stands; not for RULE_NONE. */
struct rule_info classifier_rule(const struct classifier *classifier, uint32_t rule);
/* Searches of patterns that were stopped so far. */
uint64_t classifier_stopped(const struct classifier *classifier);

#endif
