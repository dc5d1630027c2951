/*
 * Text for a person: as wide as the terminal, with colour only there.
 */
#ifndef MAILVANE_TERM_H
#define MAILVANE_TERM_H

#include <stdbool.h>
#include <stdio.h>

#include "mailvane/base/slice.h"

#define TERM_WIDTH_USUAL 80 /* where there is no terminal to ask, and COLUMNS is not set */
#define TERM_WIDTH_MIN   40
#define TERM_WIDTH_MAX   120 /* longer lines are hard to read */

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };

struct term {
    FILE *out;
    int width;
    bool colour; /* a terminal, and NO_COLOR is not set (no-color.org) */
};

struct term term_of(FILE *out);
void term_style(const struct term *term, enum term_style style);

/*
 * Writes words, broken between them: the first line goes on at column `at`, further ones
 * begin with `indent` blanks. Control bytes become "?", invalid UTF-8 the replacement.
 */
void term_wrap(const struct term *term, int at, int indent, struct slice text);

/* Writes text of anybody's: control bytes become "?", invalid UTF-8 the replacement. */
void term_put(FILE *out, struct slice text);

/* How many columns the text takes, counting one for each character. */
int term_columns(struct slice text);

#endif
