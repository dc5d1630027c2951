#include "mailvane/classify/classifier.h"

#include <stdlib.h>

#include "alike.h"
#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"
#include "mailvane/classify/provider.h"
#include "row_file.h"
#include "rule_data.h"
#include "rules.h"

/* A rule's number over all tables: the table's in the upper half. */
#define TABLE_SHIFT 16
/* Places that a verdict may be remembered in; any of them makes room for another. */
#define WAYS 4
/* Replies remembered as they came; a longer one is normalised each time. */
#define LIKENESSES   256
#define LIKENESS_MAX 640
/* Stands for all providers; a row of the table cannot name one so. */
#define EVERYONE SLICE("*")

/* A verdict, and everything that it was given on. */
struct memory {
    uint64_t hash;
    struct verdict verdict;
    struct dsn dsn;
    uint16_t code;
    uint16_t len; /* of the text */
    uint8_t phase;
    uint8_t provider_len;
    bool used;
    char provider[PROVIDER_NAME_MAX];
    char text[REPLY_TEXT_MAX];
};

/* A reply as it came, so that one like it need not be normalised. */
struct likeness {
    struct verdict verdict;
    struct dsn dsn;
    uint16_t code;
    uint16_t len; /* of the text; 0: free */
    uint8_t phase;
    uint8_t provider_len;
    char provider[PROVIDER_NAME_MAX];
    char text[LIKENESS_MAX];
};

struct user_file {
    char *name;
    char *text;
};

struct classifier {
    uint64_t seed;
    struct rules *tables[CLASSIFIER_FILES_MAX + 1]; /* users' first, the built-in one last */
    unsigned table_count;
    unsigned turn; /* which likeness of a set makes room next */
    struct user_file files[CLASSIFIER_FILES_MAX];
    struct memory *memories;
    struct likeness *likenesses;
};

struct classifier *classifier_new(uint64_t seed)
{
    struct error err;
    struct classifier *c = must_calloc(1, sizeof(*c));
    c->seed = seed;
    c->memories = must_calloc(CLASSIFIER_MEMORY, sizeof(*c->memories));
    c->likenesses = must_calloc(LIKENESSES, sizeof(*c->likenesses));
    c->tables[0] = rules_new("built-in causes.rules", slice_str(rule_data), false, &err);
    bug_if(!c->tables[0]);
    c->table_count = 1;
    return c;
}

void classifier_free(struct classifier *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->table_count; i++)
        rules_free(c->tables[i]);
    for (unsigned i = 0; i + 1 < c->table_count; i++) {
        free(c->files[i].name);
        free(c->files[i].text);
    }
    free(c->memories);
    free(c->likenesses);
    free(c);
}

/* Takes text over, whatever comes of it. */
static int add_table(struct classifier *c, const char *name, char *text, size_t len,
                     struct error *err)
{
    unsigned last = c->table_count - 1;
    struct rules *rules = NULL;
    struct user_file file = {.name = must_strdup(name), .text = text};
    if (last == CLASSIFIER_FILES_MAX)
        error_set(err, "%s: is one file of rules too many", name);
    else
        rules = rules_new(file.name, slice_of(text, len), true, err);
    if (!rules) {
        free(file.name);
        free(file.text);
        return -1;
    }
    c->files[last] = file;
    c->tables[last + 1] = c->tables[last];
    c->tables[last] = rules;
    c->table_count++;
    memset(c->memories, 0, CLASSIFIER_MEMORY * sizeof(*c->memories));
    memset(c->likenesses, 0, LIKENESSES * sizeof(*c->likenesses));
    return 0;
}

int classifier_load_text(struct classifier *c, const char *name, struct slice text,
                         struct error *err)
{
    char *copy = must_calloc(text.len + 1, 1);
    memcpy(copy, text.ptr ? text.ptr : "", text.len);
    return add_table(c, name, copy, text.len, err);
}

int classifier_load(struct classifier *c, const char *path, struct error *err)
{
    struct slice text;
    if (row_file_read(path, CLASSIFIER_FILE_MAX, &text, err) < 0)
        return -1;
    return add_table(c, path, (char *)text.ptr, text.len, err);
}

/* The first table that has a rule of the kind which holds. */
static struct rule_hit find(struct classifier *c, enum rule_kind kind,
                            const struct rule_facts *facts, bool thorough, unsigned *table)
{
    struct rule_hit hit = {.number = RULE_NONE};
    bool by_provider = false;
    for (*table = 0; *table < c->table_count; ++*table) {
        hit = rules_find(c->tables[*table], kind, facts, thorough);
        by_provider |= hit.by_provider;
        if (hit.number != RULE_NONE)
            break;
    }
    hit.by_provider = by_provider;
    return hit;
}

struct judgement {
    struct verdict verdict;
    bool by_provider; /* a rule was asked on the way whose answer depends on who the provider is */
};

static struct judgement judge(struct classifier *c, const struct rule_facts *facts, bool thorough)
{
    unsigned table;
    struct judgement judgement = {
        .verdict.cause = CAUSE_UNKNOWN,
        .verdict.code = facts->reply->code,
        .verdict.dsn = facts->reply->dsn,
        .verdict.rule = RULE_NONE,
    };
    struct verdict *verdict = &judgement.verdict;
    struct rule_hit hit = find(c, RULE_CAUSE, facts, thorough, &table);
    judgement.by_provider = hit.by_provider;
    if (hit.number != RULE_NONE) {
        verdict->cause = rules_cause(c->tables[table], hit.number);
        verdict->rule = table << TABLE_SHIFT | hit.number;
    }
    /* Whatever else a reply says of a list, only these are refusals because of one. */
    if (verdict->cause != CAUSE_REPUTATION_BLOCK && verdict->cause != CAUSE_SPAM_CONTENT)
        return judgement;
    hit = find(c, RULE_LIST, facts, thorough, &table);
    judgement.by_provider |= hit.by_provider;
    if (hit.number != RULE_NONE)
        verdict->list = rules_list(c->tables[table], hit.number);
    return judgement;
}

static struct rule_facts facts_of(const struct refusal *refusal, struct reply *reply)
{
    reply_read(reply, refusal->text, refusal->code, refusal->dsn);
    return (struct rule_facts){
        .provider = refusal->provider.len <= PROVIDER_NAME_MAX ? refusal->provider : SLICE_NONE,
        .phase = refusal->phase,
        .reply = reply,
    };
}

static bool is_about(const struct memory *memory, uint64_t hash, const struct rule_facts *facts)
{
    const struct reply *reply = facts->reply;
    return memory->used && memory->hash == hash && memory->code == reply->code &&
           dsn_equal(memory->dsn, reply->dsn) && memory->phase == facts->phase &&
           slice_eq(facts->provider, slice_of(memory->provider, memory->provider_len)) &&
           memory->len == reply->len && memcmp(memory->text, reply->text, reply->len) == 0;
}

/* Of all that a verdict depends on: the same words of two providers have two places. */
static uint64_t hash_of(const struct classifier *c, const struct rule_facts *facts)
{
    uint64_t codes = (uint64_t)facts->reply->code << 8 | (uint64_t)facts->phase;
    return hash_slice(reply_text(facts->reply), hash_slice(facts->provider, c->seed ^ codes));
}

static const struct memory *recall(const struct classifier *c, const struct rule_facts *facts)
{
    uint64_t hash = hash_of(c, facts);
    const struct memory *set = &c->memories[hash % (CLASSIFIER_MEMORY / WAYS) * WAYS];
    for (unsigned i = 0; i < WAYS; i++) {
        if (is_about(&set[i], hash, facts))
            return &set[i];
    }
    return NULL;
}

static const struct memory *remember(struct classifier *c, const struct rule_facts *facts,
                                     const struct verdict *verdict)
{
    uint64_t hash = hash_of(c, facts);
    struct memory *set = &c->memories[hash % (CLASSIFIER_MEMORY / WAYS) * WAYS];
    struct memory *memory = &set[hash >> 40 & (WAYS - 1)];
    const struct reply *reply = facts->reply;
    memory->hash = hash;
    memory->verdict = *verdict;
    memory->dsn = reply->dsn;
    memory->code = reply->code;
    memory->phase = (uint8_t)facts->phase;
    memory->provider_len = (uint8_t)facts->provider.len;
    memory->len = reply->len;
    memory->used = true;
    memcpy(memory->provider, facts->provider.ptr ? facts->provider.ptr : "", facts->provider.len);
    memcpy(memory->text, reply->text, reply->len);
    return memory;
}

/*
 * What the rules say, or said of this very text before. Few rules ask for a provider: where
 * none of those that were tried did, what they said holds for everyone.
 */
static const struct verdict *judge_read(struct classifier *c, const struct refusal *refusal)
{
    struct reply reply;
    struct rule_facts facts = facts_of(refusal, &reply), everyones = facts;
    everyones.provider = EVERYONE;
    const struct memory *memory = recall(c, &everyones);
    if (!memory)
        memory = recall(c, &facts);
    if (!memory) {
        struct judgement judgement = judge(c, &facts, false);
        memory = remember(c, judgement.by_provider ? &facts : &everyones, &judgement.verdict);
    }
    return &memory->verdict;
}

static bool is_like(const struct likeness *known, const struct refusal *refusal)
{
    return known->len && known->code == refusal->code && dsn_equal(known->dsn, refusal->dsn) &&
           known->phase == refusal->phase &&
           slice_eq(refusal->provider, slice_of(known->provider, known->provider_len)) &&
           alike(slice_of(known->text, known->len), refusal->text);
}

static void remember_likeness(struct likeness *likeness, const struct refusal *refusal,
                              const struct verdict *verdict)
{
    if (refusal->text.len == 0 || refusal->text.len > LIKENESS_MAX ||
        refusal->provider.len > PROVIDER_NAME_MAX || !alike_allowed(refusal->text))
        return;
    likeness->verdict = *verdict;
    likeness->dsn = refusal->dsn;
    likeness->code = refusal->code;
    likeness->phase = (uint8_t)refusal->phase;
    likeness->provider_len = (uint8_t)refusal->provider.len;
    likeness->len = (uint16_t)refusal->text.len;
    memcpy(likeness->provider, refusal->provider.ptr ? refusal->provider.ptr : "",
           refusal->provider.len);
    memcpy(likeness->text, refusal->text.ptr, refusal->text.len);
}

const struct verdict *classifier_judge(struct classifier *c, const struct refusal *refusal)
{
    uint64_t codes = (uint64_t)refusal->code << 24 | (uint64_t)refusal->dsn.subject << 16 |
                     (uint64_t)refusal->dsn.detail << 4 | (uint64_t)refusal->phase;
    uint64_t hash = hash_slice(refusal->provider, c->seed ^ codes);
    struct likeness *set = &c->likenesses[hash % (LIKENESSES / WAYS) * WAYS];
    for (unsigned i = 0; i < WAYS; i++) {
        if (is_like(&set[i], refusal))
            return &set[i].verdict;
    }
    const struct verdict *verdict = judge_read(c, refusal);
    remember_likeness(&set[c->turn++ % WAYS], refusal, verdict);
    return verdict;
}

struct verdict classifier_judge_anew(struct classifier *c, const struct refusal *refusal,
                                     struct reply *reply)
{
    struct reply own;
    struct rule_facts facts = facts_of(refusal, reply ? reply : &own);
    return judge(c, &facts, false).verdict;
}

struct verdict classifier_judge_slowly(struct classifier *c, const struct refusal *refusal)
{
    struct reply reply;
    struct rule_facts facts = facts_of(refusal, &reply);
    return judge(c, &facts, true).verdict;
}

static struct rules *table_of(const struct classifier *c, uint32_t rule)
{
    bug_if(rule >> TABLE_SHIFT >= c->table_count);
    return c->tables[rule >> TABLE_SHIFT];
}

static uint32_t number_of(uint32_t rule)
{
    return rule & ((1u << TABLE_SHIFT) - 1);
}

struct slice classifier_matched(struct classifier *c, const struct verdict *verdict,
                                const struct reply *reply)
{
    if (verdict->rule == RULE_NONE)
        return SLICE_NONE;
    return rules_matched(table_of(c, verdict->rule), number_of(verdict->rule), reply, false);
}

struct rule_info classifier_rule(const struct classifier *c, uint32_t rule)
{
    return rules_info(table_of(c, rule), number_of(rule));
}

uint64_t classifier_stopped(const struct classifier *c)
{
    uint64_t stopped = 0;
    for (unsigned i = 0; i < c->table_count; i++)
        stopped += rules_stopped(c->tables[i]);
    return stopped;
}
