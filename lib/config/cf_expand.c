#include "cf_expand.h"

#define DEPTH_MAX 100  /* macros within macros; Postfix gives up there too */
#define STEPS_MAX 1000 /* macros in all, for one value */
#define BYTES_MAX 4096 /* of one value */

struct expansion {
    const struct cf_scope *scope;
    struct strbuf *out;
    const char *why; /* the first failure */
    unsigned depth;
    unsigned steps;
};

static void expand(struct expansion *x, struct slice text);

static void fail(struct expansion *x, const char *why)
{
    if (!x->why)
        x->why = why;
}

static const struct cf_pair defaults[] = {
    {SLICE("syslog_name"), SLICE("${multi_instance_name?{$multi_instance_name}:{postfix}}")},
    {SLICE("mail_name"), SLICE("Postfix")},
};

struct slice cf_raw(const struct cf_scope *scope, struct slice name)
{
    const struct cf_pairs *const where[] = {scope->options, scope->service, scope->main};
    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        const struct cf_pair *pair = cf_pairs_find(where[i], name);
        if (pair)
            return pair->value;
    }
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (slice_eq(defaults[i].name, name))
            return defaults[i].value;
    return SLICE_NONE;
}

static bool is_name_byte(char c)
{
    return byte_is_alnum(c) || c == '_';
}

static void skip_space(struct slice *text)
{
    while (text->len && cf_is_space(*text->ptr))
        *text = slice_skip(*text, 1);
}

static struct slice take_name(struct slice *text)
{
    size_t len = 0;
    while (len < text->len && is_name_byte(text->ptr[len]))
        len++;
    struct slice name = slice_head(*text, len);
    *text = slice_skip(*text, len);
    return name;
}

/* What stands between *text's first byte, an opening one, and the one that closes it. */
static bool take_group(struct slice *text, char open, char close, struct slice *inside)
{
    int level = 0;
    for (size_t i = 0; i < text->len; i++) {
        level += (text->ptr[i] == open) - (text->ptr[i] == close);
        if (level == 0) {
            *inside = slice_of(text->ptr + 1, i - 1);
            *text = slice_skip(*text, i + 1);
            return true;
        }
    }
    return false;
}

/* One arm of a conditional: "{text}", or without braces all that is left. */
static bool take_arm(struct slice *text, struct slice *arm)
{
    struct slice after = *text;
    skip_space(&after);
    if (!slice_starts(after, SLICE("{"))) {
        *arm = *text;
        *text = slice_skip(*text, text->len);
        return true;
    }
    if (!take_group(&after, '{', '}', arm))
        return false;
    skip_space(&after);
    *text = after;
    return true;
}

/* "?yes", ":no", "?{yes}:{no}": expands the arm that applies. */
static void expand_arms(struct expansion *x, struct slice text, bool yes)
{
    struct slice then = SLICE_NONE, otherwise = SLICE_NONE;
    bool closed = !slice_take(&text, SLICE("?")) || take_arm(&text, &then);
    closed = closed && (!slice_take(&text, SLICE(":")) || take_arm(&text, &otherwise));
    if (!closed)
        fail(x, "has a brace that is not closed");
    else if (text.len)
        fail(x, "has a conditional that cannot be read");
    else
        expand(x, yes ? then : otherwise);
}

/* Expands beside the output; the caller releases *out. */
static void expand_aside(struct expansion *x, struct slice text, struct strbuf *out)
{
    struct strbuf *kept = x->out;
    x->out = out;
    expand(x, text);
    x->out = kept;
}

/* Takes "{a} == {b}" or "{a} != {b}". */
static bool take_comparison(struct slice *text, struct slice *left, struct slice *right,
                            bool *equal)
{
    if (!take_group(text, '{', '}', left))
        return false;
    skip_space(text);
    *equal = slice_take(text, SLICE("=="));
    if (!*equal && !slice_take(text, SLICE("!=")))
        return false;
    skip_space(text);
    return slice_starts(*text, SLICE("{")) && take_group(text, '{', '}', right);
}

/* A comparison and its arms; without arms it gives "true" or nothing. */
static void expand_comparison(struct expansion *x, struct slice text)
{
    struct slice left, right;
    struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
    bool equal;
    if (!take_comparison(&text, &left, &right, &equal)) {
        fail(x, "has a comparison that cannot be read");
        return;
    }
    skip_space(&text);
    expand_aside(x, left, &a);
    expand_aside(x, right, &b);
    bool yes = slice_eq(strbuf_slice(&a), strbuf_slice(&b)) == equal;
    strbuf_release(&a);
    strbuf_release(&b);
    expand_arms(x, text.len ? text : SLICE("?true"), yes);
}

/* What stands within ${...} or $(...), or a bare name. */
static void expand_group(struct expansion *x, struct slice text)
{
    skip_space(&text);
    if (slice_starts(text, SLICE("{"))) {
        expand_comparison(x, text);
        return;
    }
    struct slice name = take_name(&text);
    skip_space(&text);
    struct slice value = cf_raw(x->scope, name);
    if (name.len == 0)
        fail(x, "has a macro without a name");
    else if (text.len)
        expand_arms(x, text, value.len > 0);
    else
        expand(x, value);
}

/* Behind a "$". */
static void expand_macro(struct expansion *x, struct slice *text)
{
    struct slice inside;
    bool paren = slice_starts(*text, SLICE("("));
    bool closed = true;
    if (paren || slice_starts(*text, SLICE("{")))
        closed = take_group(text, paren ? '(' : '{', paren ? ')' : '}', &inside);
    else
        inside = take_name(text);
    if (closed)
        expand_group(x, inside);
    else
        fail(x, "has a macro that is not closed");
}

static void add(struct expansion *x, struct slice text)
{
    if (x->out->len + text.len > BYTES_MAX)
        fail(x, "is too long once expanded");
    else
        strbuf_add_slice(x->out, text);
}

static void expand(struct expansion *x, struct slice text)
{
    if (++x->depth > DEPTH_MAX || ++x->steps > STEPS_MAX)
        fail(x, "has macros that nest too deep, or in a loop");
    while (text.len && !x->why) {
        size_t dollar = slice_find(text, '$');
        add(x, slice_head(text, dollar));
        if (dollar == text.len)
            break;
        text = slice_skip(text, dollar + 1);
        if (slice_take(&text, SLICE("$")))
            add(x, SLICE("$"));
        else
            expand_macro(x, &text);
    }
    x->depth--;
}

bool cf_value(const struct cf_scope *scope, struct slice name, struct strbuf *out, const char **why)
{
    struct expansion x = {.scope = scope, .out = out};
    expand(&x, cf_raw(scope, name));
    *why = x.why;
    return !x.why;
}
