/*
 * The rules of one file, for causes and block lists: the first that holds decides.
 *
 * A pattern is taken apart into its alternatives, and some of these into their choices. Before any
 * of them is searched for, the text is looked through once, and only those that may match it are
 * tried (sieve.h). They are compiled when they are first tried; a user's pattern also when it is
 * read, so that a mistake is found then.
 *
 * Of a shipped file a bounded number of alternatives is searched for in one text, so that
 * it costs no more than that to judge a text that was made to be costly; those behind them
 * do not match, and are counted as stopped.
 */
#ifndef MAILVANE_CLASSIFY_RULES_H
#define MAILVANE_CLASSIFY_RULES_H

#include "mailvane/base/error.h"
#include "mailvane/classify/cause.h"
#include "mailvane/classify/classifier.h"
#include "mailvane/classify/reply.h"
#include "rule_value.h"

struct rules;

/*
 * The rules of one file. The text and the name must live as long. eager: they are a user's:
 * look for mistakes in patterns, and search for as many as there are. NULL with a sentence
 * on a mistake.
 */
struct rules *rules_new(const char *name, struct slice text, bool eager, struct error *err);
void rules_free(struct rules *rules);

struct rule_hit {
    uint32_t number;  /* RULE_NONE: no rule holds */
    bool by_provider; /* a rule was tried that asks who the provider is */
};

enum rule_kind { RULE_CAUSE, RULE_LIST };

/*
 * The first rule of a kind that holds. thorough: every rule in turn, its pattern as a whole,
 * which is what the result is held against in tests.
 */
struct rule_hit rules_find(struct rules *rules, enum rule_kind kind, const struct rule_facts *facts,
                           bool thorough);

/*
 * The part of the reply's text that the pattern of a rule matches which holds: what the whole
 * pattern finds, or one of its alternatives where that search is stopped. Empty for a rule
 * without one. thorough: as above.
 */
struct slice rules_matched(struct rules *rules, uint32_t number, const struct reply *reply,
                           bool thorough);

uint32_t rules_count(const struct rules *rules);
enum cause rules_cause(const struct rules *rules, uint32_t number);
/* The block list that the rule names; empty if it names none. */
struct slice rules_list(const struct rules *rules, uint32_t number);
struct rule_info rules_info(const struct rules *rules, uint32_t number);
/* Searches that were stopped because they cost too much, or never begun for that. */
uint64_t rules_stopped(const struct rules *rules);

#endif
