/*
 * The text of a rules file, row by row (data/causes.rules says the form). Nothing is
 * allocated; slices point into the text.
 */
#ifndef MAILVANE_CLASSIFY_RULE_FILE_H
#define MAILVANE_CLASSIFY_RULE_FILE_H

#include "mailvane/classify/cause.h"
#include "row_file.h"

enum rule_key { RULE_PROVIDER, RULE_PHASE, RULE_CODE, RULE_DSN, RULE_KEYS };

struct rule_row {
    enum cause cause;               /* CAUSE_NONE: the row names a block list */
    struct slice list;              /* its name */
    struct slice values[RULE_KEYS]; /* "a,b" as written; ptr NULL: the key is not there */
    struct slice pattern;           /* between the slashes; ptr NULL: none */
    unsigned line;
};

enum rule_file_result { RULE_FILE_ROW, RULE_FILE_END, RULE_FILE_MISTAKE };

enum rule_file_result rule_file_next(struct row_file *file, struct rule_row *row,
                                     struct error *err);

#endif
