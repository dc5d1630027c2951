#include "cf_text.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

struct slice cf_trim(struct slice text)
{
    while (text.len && cf_is_space(*text.ptr))
        text = slice_skip(text, 1);
    while (text.len && cf_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* A continuation before any line is dropped, as Postfix does with a warning. */
void cf_join(struct strbuf *text)
{
    strbuf_add(text, "\n", 1); /* so that the last line has one too */
    struct slice rest = strbuf_slice(text);
    size_t len = 0;
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        struct slice shown = cf_trim(line);
        bool continues = line.len && cf_is_space(*line.ptr);
        if (shown.len == 0 || *shown.ptr == '#' || (continues && len == 0))
            continue;
        if (continues)
            len--;
        memmove(text->buf + len, line.ptr, line.len);
        len += line.len;
        text->buf[len++] = '\n';
    }
    text->len = len;
    text->buf[len] = '\0';
}

struct slice cf_token(struct slice *rest)
{
    size_t len = 0;
    int level = 0;
    while (rest->len && cf_is_space(*rest->ptr))
        *rest = slice_skip(*rest, 1);
    for (; len < rest->len && (level > 0 || !cf_is_space(rest->ptr[len])); len++)
        level += (rest->ptr[len] == '{') - (rest->ptr[len] == '}');
    struct slice token = slice_head(*rest, len);
    *rest = slice_skip(*rest, len);
    return token;
}

struct slice cf_unbrace(struct slice word)
{
    if (slice_starts(word, SLICE("{")) && slice_ends(word, SLICE("}")) && word.len >= 2)
        return cf_trim(slice_of(word.ptr + 1, word.len - 2));
    return word;
}

bool cf_pair_parse(struct slice text, struct cf_pair *out)
{
    size_t equals = slice_find(text, '=');
    out->name = cf_trim(slice_head(text, equals));
    out->value = cf_trim(slice_skip(text, equals + 1));
    for (size_t i = 0; i < out->name.len; i++)
        if (cf_is_space(out->name.ptr[i]))
            return false;
    return equals < text.len && out->name.len;
}

void cf_pairs_add(struct cf_pairs *pairs, struct cf_pair pair)
{
    if (pairs->count == pairs->cap) {
        pairs->cap = pairs->cap ? 2 * pairs->cap : 16;
        pairs->list = must_realloc(pairs->list, pairs->cap * sizeof(*pairs->list));
    }
    pairs->list[pairs->count++] = pair;
}

const struct cf_pair *cf_pairs_find(const struct cf_pairs *pairs, struct slice name)
{
    for (size_t i = pairs->count; i > 0; i--)
        if (slice_eq(pairs->list[i - 1].name, name))
            return &pairs->list[i - 1];
    return NULL;
}

void cf_pairs_release(struct cf_pairs *pairs)
{
    free(pairs->list);
    *pairs = (struct cf_pairs){0};
}
