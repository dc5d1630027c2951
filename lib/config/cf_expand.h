/*
 * The value of a parameter with its macros expanded, as Postfix does it:
 * $name, $(name), ${name}, ${name?text}, ${name:text}, ${name?{text}:{text}},
 * ${{text} == {text} ? {text} : {text}} (and !=), $$, nested.
 *
 * A parameter that is set nowhere has its built-in default where that matters for
 * addresses, else it is empty. The work is bounded: loops, and values that double
 * again and again, end in an error.
 */
#ifndef MAILVANE_CONFIG_CF_EXPAND_H
#define MAILVANE_CONFIG_CF_EXPAND_H

#include "cf_text.h"

/* Where values come from, asked in this order; the built-in defaults come last. */
struct cf_scope {
    const struct cf_pairs *options; /* -o of the service */
    const struct cf_pairs *service; /* service_name, process_name */
    const struct cf_pairs *main;    /* main.cf */
};

/* The value as it is written; empty where there is none. */
struct slice cf_raw(const struct cf_scope *scope, struct slice name);

/* Appends the parameter's expanded value; on false *why is set, to go behind the name. */
bool cf_value(const struct cf_scope *scope, struct slice name, struct strbuf *out,
              const char **why);

#endif
