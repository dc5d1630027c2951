/*
 * The text of main.cf and master.cf: logical lines, "name = value", tokens.
 *
 * Everything is borrowed from the text that was joined.
 */
#ifndef MAILVANE_CONFIG_CF_TEXT_H
#define MAILVANE_CONFIG_CF_TEXT_H

#include "mailvane/base/strbuf.h"

struct cf_pair {
    struct slice name;
    struct slice value;
};

/* init by zeroing. */
struct cf_pairs {
    struct cf_pair *list;
    size_t count;
    size_t cap;
};

/*
 * Rewrites the text so that each logical line is one line: comments and empty lines
 * vanish, a line that begins with white space continues the one before it, also
 * across comments.
 */
void cf_join(struct strbuf *text);

/* The next word; braces hold words together. Empty at the end. */
struct slice cf_token(struct slice *rest);

/* What stands within a word's outermost braces, trimmed; the word itself without them. */
struct slice cf_unbrace(struct slice word);

/* "name = value"; false where there is no "=", or no one word before it. */
bool cf_pair_parse(struct slice text, struct cf_pair *out);

void cf_pairs_add(struct cf_pairs *pairs, struct cf_pair pair);
/* The last one of that name wins; NULL where there is none. */
const struct cf_pair *cf_pairs_find(const struct cf_pairs *pairs, struct slice name);
void cf_pairs_release(struct cf_pairs *pairs);

static inline bool cf_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice cf_trim(struct slice text);

#endif
