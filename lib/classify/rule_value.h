/*
 * The values that a rule asks for (data/causes.rules says their form): "google", "rcpt",
 * "5xx", "x.7.1".
 */
#ifndef MAILVANE_CLASSIFY_RULE_VALUE_H
#define MAILVANE_CLASSIFY_RULE_VALUE_H

#include "mailvane/classify/reply.h"
#include "mailvane/event/event.h"
#include "rule_file.h"

/* What a rule is asked about. */
struct rule_facts {
    struct slice provider;
    enum phase phase;
    const struct reply *reply;
};

/* What is wrong with a value of a key; NULL if nothing is. */
const char *rule_value_fault(enum rule_key key, struct slice word);
/* Is it so? The value is one without a fault. */
bool rule_value_holds(enum rule_key key, struct slice word, const struct rule_facts *facts);

#endif
