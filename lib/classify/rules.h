/*
 * The rules of one file, for causes and block lists: the first that holds decides.
 *
 * Before any expression runs, the text is looked through once for the needles of all
 * patterns (needle_index.h); only rules whose needle is there are tried. A shipped pattern
 * is compiled when it is first tried, a user's when it is read, so that a mistake is found
 * then.
 */
#ifndef MAILVANE_CLASSIFY_RULES_H
#define MAILVANE_CLASSIFY_RULES_H

#include "mailvane/base/error.h"
#include "mailvane/classify/cause.h"
#include "mailvane/classify/classifier.h"
#include "mailvane/classify/reply.h"

struct rules;

/*
 * The rules of one file. The text and the name must live as long. eager: compile all
 * patterns now, so that a mistake is found. NULL with a sentence on a mistake.
 */
struct rules *rules_new(const char *name, struct slice text, bool eager, struct error *err);
void rules_free(struct rules *rules);

/* What a rule is asked about. */
struct rule_facts {
    struct slice provider;
    enum phase phase;
    const struct reply *reply;
};

struct rule_hit {
    uint32_t number;   /* RULE_NONE: no rule holds */
    uint16_t from, to; /* the part of the text that its pattern matched */
    bool by_provider;  /* a rule was tried that asks who the provider is */
};

enum rule_kind { RULE_CAUSE, RULE_LIST };

/*
 * The first rule of a kind that holds. thorough: without needles, every rule in turn,
 * which is what the result is held against in tests.
 */
struct rule_hit rules_find(struct rules *rules, enum rule_kind kind, const struct rule_facts *facts,
                           bool thorough);

uint32_t rules_count(const struct rules *rules);
enum cause rules_cause(const struct rules *rules, uint32_t number);
/* The block list that the rule names; empty if it names none. */
struct slice rules_list(const struct rules *rules, uint32_t number);
struct rule_info rules_info(const struct rules *rules, uint32_t number);
/* Searches that were stopped because they cost too much. */
uint64_t rules_stopped(const struct rules *rules);

#endif
