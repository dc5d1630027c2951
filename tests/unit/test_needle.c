#include "replies.h"

#include "../../lib/classify/expression.h"
#include "../../lib/classify/needle.h"
#include "../../lib/classify/pattern.h"
#include "../../lib/classify/rule_file.h"
#include "../../lib/classify/sieve.h"

struct text {
    char text[NEEDLES_MAX * (NEEDLE_MAX + 1) + 1];
    size_t len;
};

static void add_text(struct text *out, struct slice s)
{
    int n = snprintf(out->text + out->len, sizeof(out->text) - out->len, "%s%.*s",
                     out->len ? "|" : "", SLICE_ARG(s));
    assert_true(n >= 0 && out->len + (size_t)n < sizeof(out->text));
    out->len += (size_t)n;
}

/* "7", "0-1", "3-": how far behind the match's beginning a needle may begin. */
static void add_distance(struct text *out, struct distance distance)
{
    char text[32];
    if (distance.most == DISTANCE_ANY)
        snprintf(text, sizeof(text), "%u-", distance.least);
    else if (distance.most == distance.least)
        snprintf(text, sizeof(text), "%u", distance.least);
    else
        snprintf(text, sizeof(text), "%u-%u", distance.least, distance.most);
    add_text(out, slice_str(text));
}

static void add_distances(struct text *out, const struct alternative *alternative)
{
    out->len = 0;
    for (unsigned i = 0; i < alternative->needle_count; i++)
        add_distance(out, alternative->list[i].distance);
}

static void add_clause(struct text *out, const struct alternative *alternative, unsigned number)
{
    const struct clause *clause = &alternative->clauses[number];
    for (unsigned i = 0; i < clause->count; i++) {
        const struct needle *needle = &alternative->list[clause->first + i];
        add_text(out, slice_of(needle->text, needle->len));
    }
}

/* "a|b" of what each alternative is found by, in their order; "-" for one that has nothing. */
static struct slice leads_text(struct slice pattern, struct text *out)
{
    struct alternative alternative;
    out->len = 0;
    while (pattern.ptr && alternative_take(&pattern, &alternative)) {
        if (alternative.clause_count)
            add_clause(out, &alternative, alternative.lead);
        else
            add_text(out, SLICE("-"));
    }
    return pattern.ptr ? SLICE_NONE : slice_of(out->text, out->len);
}

/* A letter alone is no needle: it is in every reply. */
static const struct {
    const char *name;
    const char *pattern;
    const char *want;
    /* Empty: the pattern is not understood. */
} rows[] = {
    {"a text", "mailbox full", "mailbox full"},
    {"capitals", "MailBox", "mailbox"},
    {"too short", "a", "-"},
    {"a rare byte", "@", "@"},
    {"a rare byte that is escaped", "\\[", "["},
    {"a blank", " ", "-"},
    {"a byte that is not ASCII", "\xc3", "-"},
    {"a rare byte is better than none", "(?:@|a).\"", "\""},
    {"nothing", "", "-"},
    {"the longest", "a.mailbox.user", "mailbox"},
    {"24 bytes", "abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"},
    {"the end of 26", "abcdefghijklmnopqrstuvwxyz", "cdefghijklmnopqrstuvwxyz"},
    {"alternatives", "mailbox|account", "mailbox|account"},
    {"an alternative too short", "mailbox|a", "mailbox|-"},
    {"an empty alternative", "mailbox|", "mailbox|-"},
    {"an empty one first", "|mailbox", "-|mailbox"},
    {"three in a group", "(?:mailbox|account|users)", "mailbox|account|users"},
    {"a group that captures", "(mailbox|account)", "mailbox|account"},
    {"an atomic group", "(?>mailbox|account)", "mailbox|account"},
    {"the better of group and text", "(?:users|mailbox) unavailable", " unavailable"},
    {"the group where it is better", "a (?:mailbox|account)", "mailbox|account"},
    {"a group in a group", "(?:(?:mailbox|account)|users)", "mailbox|account|users"},
    {"a group in two alternatives", "(?:mailbox|account)x|(?:users|names)y",
     "mailbox|account|users|names"},
    {"an optional group", "(?:mailbox)?", "-"},
    {"a starred group", "(?:mailbox)*a", "-"},
    {"a group of none to three", "(?:mailbox){0,3}a", "-"},
    {"a group of none", "(?:mailbox){0}a", ""},
    {"a blank that is not a line's end", "mailbox\\h", ""},
    {"the end of a line", "mailbox\\R", ""},
    {"a lazy optional group", "(?:mailbox)??a", "-"},
    {"a possessive optional group", "(?:mailbox)?+a", "-"},
    {"a group once or more", "(?:mailbox)+", "mailbox"},
    {"a group twice", "(?:mailbox){2}", "mailbox"},
    {"a group of ten", "(?:mailbox){10,20}", "mailbox"},
    {"an optional byte ends a run", "mailboxe?s", "mailbox"},
    {"a starred byte", "mailboxe*s", "mailbox"},
    {"a byte of none to one", "mailboxe{0,1}s", "mailbox"},
    {"a byte once or more", "mailboxe+s", "mailboxe"},
    {"a lazy one", "mailboxe+?s", "mailboxe"},
    {"a possessive one", "mailboxe++s", "mailboxe"},
    {"a byte twice", "mailboxe{2}s", "mailboxe"},
    {"a brace that is none", "mailbox{x}", "mailbox{x}"},
    {"any byte", "mailbox.users", "mailbox"},
    {"a class", "mailbox[es]users", "mailbox"},
    {"what stands in a class", "[mailbox]+a", "-"},
    {"a class with a bracket first", "[]mailbox]a", "-"},
    {"a negated class with a bracket first", "[^]mailbox]a", "-"},
    {"a class with an escaped bracket", "[\\]mailbox]a", "-"},
    {"a class with an end in quotes", "[\\Q]mailbox[\\E]]full", ""},
    {"a class with an end of quotes", "[\\E]mailbox]full", ""},
    {"a class with a control byte", "[\\c]]mailbox", ""},
    {"a class that ends with a backslash", "mailbox[a\\", ""},
    {"a quantifier without a minimum", "mailbox{,3}", ""},
    {"a quantifier with a blank", "mailbox{ 3}", ""},
    {"a quantifier with blanks", "mailbox{1, 3 }", ""},
    {"a quantifier with a tab", "mailbox{1,\t3}", ""},
    {"a class with a named one", "[[:alpha:]mailbox]a", ""},
    {"a bar in a class", "[a|b]mailbox", "mailbox"},
    {"a group's end in a class", "([)]mailbox)", "mailbox"},
    {"look-ahead", "(?=mailbox)a", "-"},
    {"negative look-ahead", "(?!mailbox)a", "-"},
    {"look-behind", "(?<=mailbox)a", "-"},
    {"negative look-behind", "(?<!mailbox)a", "-"},
    {"behind a look-around", "(?!mailbox)account", "account"},
    {"text beside a look-around", "account(?= mailbox)", "account"},
    {"anchors", "^mailbox$", "mailbox"},
    {"a word's edge", "\\bmailbox\\b", "mailbox"},
    {"no word's edge", "\\Bmailbox", "mailbox"},
    {"an escaped dot", "mailbox\\.users", "mailbox.users"},
    {"an escaped slash", "mail\\/box", "mail/box"},
    {"an escaped bracket", "mailbox \\(users\\)", "mailbox (users)"},
    {"an escaped bar", "mailbox\\|users", "mailbox|users"},
    {"a backslash", "mailbox\\\\users", "mailbox\\users"},
    {"a digit's class", "mailbox\\d+users", "mailbox"},
    {"an optional class", "mailbox\\w?a", "mailbox"},
    {"blank's class", "\\smailbox\\S", "mailbox"},
    {"not ASCII", "empf\xc3\xa4nger", "empf\xc3\xa4nger"},
    /* What is not understood gives none. */
    {"hexadecimal", "mailbox\\x41", ""},
    {"octal", "mailbox\\101", ""},
    {"a back reference", "(mailbox)\\1", ""},
    {"quoting", "\\Qmailbox\\E", ""},
    {"a property", "mailbox\\pL", ""},
    {"a start that is kept", "mailbox\\Kusers", ""},
    {"an option", "(?x)mail box", ""},
    {"an option to the group's end", "(?-i:mailbox)", ""},
    {"a comment", "mailbox(?#users)", ""},
    {"a named group", "(?<name>mailbox)", ""},
    {"a named group of Python's", "(?P<name>mailbox)", ""},
    {"a reset of groups", "(?|mailbox|account)", ""},
    {"a condition", "(a)?(?(1)mailbox|users)", ""},
    {"a recursion", "mailbox(?R)?", ""},
    {"a verb", "(*ACCEPT)mailbox", ""},
    {"a verb within", "mailbox(*FAIL)|users", ""},
    /* What is no pattern. */
    {"an unended group", "(mailbox", ""},
    {"an end too many", "mailbox)", ""},
    {"an unended class", "mailbox[a", ""},
    {"an unended quantifier", "mailboxe{2", "mailboxe{2"},
    {"a backslash at the end", "mailbox\\", ""},
    {"too deep", "(((((((((((((((((((((mailbox)))))))))))))))))))))", ""},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct text text;
        expect_slice(rows[i].name, rows[i].pattern, leads_text(slice_str(rows[i].pattern), &text),
                     slice_str(rows[i].want));
    }
}

/* All clauses of the first alternative, "&" between them. */
static const struct {
    const char *name;
    const char *pattern;
    const char *want;
} clause_rows[] = {
    {"a text", "mailbox full", "mailbox full"},
    {"two texts", "mailbox.{0,20}full", "mailbox&full"},
    {"a byte between", "mailbox.a.full", "mailbox&full"},
    {"a capital", "mailBox", "mailbox"},
    {"an escaped byte", "spam\\.example", "spam.example"},
    {"an optional byte", "mailboxe?susers", "mailbox&susers"},
    {"a class", "mail[boxes]users", "mail&users"},
    {"two groups", "(?:user|mailbox)s? (?:is )?(?:full|over)", "user|mailbox&full|over"},
    {"a group that is incomplete", "(?:user|a) is (?:full|over)", " is &full|over"},
    {"a group that is optional", "user(?: is)? full", "user& full"},
    {"groups in a group", "mail(?:box(?:es|full))users", "mail&box&users"},
    {"look-around", "mail(?=box)(?!user)boxes", "mail&boxes"},
    {"alternatives", "mail.box|users", "mail&box"},
    {"six of seven", "one.two.six.ten.all.any.not", "one&two&six&ten&all&any"},
};

/* "user&one" */
static void add_clauses(struct text *out, const struct alternative *alternative)
{
    struct text all = {.len = 0};
    for (unsigned n = 0; n < alternative->clause_count; n++) {
        struct text text = {.len = 0};
        add_clause(&text, alternative, n);
        all.len += (size_t)snprintf(all.text + all.len, sizeof(all.text) - all.len, "%s%s",
                                    n ? "&" : "", text.text);
        assert_true(all.len < sizeof(all.text));
    }
    out->len += (size_t)snprintf(out->text + out->len, sizeof(out->text) - out->len, "%s%s",
                                 out->len ? ", " : "", all.len ? all.text : "-");
    assert_true(out->len < sizeof(out->text));
}

static void test_clauses(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(clause_rows); i++) {
        struct slice pattern = slice_str(clause_rows[i].pattern);
        struct alternative alternative;
        struct text all = {.len = 0};
        assert_true(alternative_take(&pattern, &alternative));
        add_clauses(&all, &alternative);
        expect_slice(clause_rows[i].name, clause_rows[i].pattern, slice_of(all.text, all.len),
                     slice_str(clause_rows[i].want));
    }
}

/* All needles of the first alternative, or of its first choice; "[" and "]" for a word's edges. */
static const struct {
    const char *name;
    const char *pattern;
    const char *want;
} edge_rows[] = {
    {"a word", "\\bmailbox\\b", "[mailbox]"},
    {"no word", "mailbox", "mailbox"},
    {"other edges", "^mailbox$", "[mailbox"},
    {"no edges", "\\Bmailbox\\B", "mailbox"},
    {"within a text", "mail\\bbox", "mail]|[box"},
    {"between words", "mail \\bbox", "mail |[box"},
    {"beside what is no letter", "\\b\"mailbox\"\\b", "\"mailbox\""},
    {"beside digits", "\\b550_\\b", "[550_]"},
    {"beside what is not ASCII", "\\b\xc3\xa4mail\xc3\xa4\\b", "\xc3\xa4mail\xc3\xa4"},
    {"before an optional byte", "\\be?mailbox", "mailbox"},
    {"before a byte", "\\b.mailbox", "mailbox"},
    {"before a class", "\\b[e-]mailbox", "mailbox"},
    {"before an optional group", "\\b(?:the )?mailbox", "[mailbox"},
    {"before a look-around", "\\b(?!full)mailbox", "[mailbox"},
    {"before another edge", "\\b^\\bmailbox", "[mailbox"},
    {"before a group", "\\b(?:user|e?mailbox|(?:box|full))", "[user|mailbox|[box|[full"},
    {"behind an optional byte", "mailboxe?\\b", "mailbox"},
    {"behind a repeated byte", "mailboxe+\\b", "mailboxe"},
    {"behind a group", "(?:user|mail)\\b", "user|mail"},
    {"in a group", "(?:\\buser|mail\\b)box", "[user|mail]|box"},
    {"the end of a longer one", "\\babcdefghijklmnopqrstuvwxyz\\b", "cdefghijklmnopqrstuvwxyz]"},
    {"behind a choice", "a+(?:user|on|two|six|ten|all)\\b", "user]"},
    {"behind a choice and a blank", "a+(?:user|on|two|six|ten|all) \\b", "user"},
    {"behind a choice that is a group", "a+(?:(?:user|a.us)|on|two|six|ten|all)\\b", "user|us"},
    {"behind a choice that ends in any byte", "a+(?:user.|on|two|six|ten|all)\\b", "user"},
    {"behind a choice of two texts", "a+(?:user.is|on|two|six|ten|all)\\b", "user|is]"},
    {"before a choice", "a+\\b(?:user|on|two|six|ten|all)", "[user"},
    {"before choices that are words", "a+\\b(?:user|on|two|six|ten|all)\\b.*mail\\b",
     "[user]|mail]"},
    {"behind a blank", "a+ (?:mail|box)", "[mail|[box"},
    {"behind a letter", "a+x(?:mail|box)", "mail|box"},
    {"behind what is not ASCII", ".\xc3\xa4(?:mail)", "\xc3\xa4|[mail"},
    {"behind an optional blank", "\\ba ?(?:mail)", "mail"},
    {"behind an edge and an optional blank", "\\b ?(?:mail)", "[mail"},
    {"behind a blank or more", " +mail", "[mail"},
    {"behind any byte", " .mail", "mail"},
    {"behind no part of a word", "\\Wmail", "[mail"},
    {"behind a space", "\\smail", "[mail"},
    {"behind a part of a word", "\\wmail", "mail"},
    {"behind no digit", "\\Dmail", "mail"},
    {"behind no space", "\\Smail", "mail"},
    {"behind a class", "[ -]mail", "mail"},
    {"behind words", "\\S+ (?:\\S{1,9} ){0,3}mail", "[mail"},
    {"behind words or none", "\\S+(?:\\S{1,9} ){0,3}mail", "mail"},
    {"behind a word or more", "\\S+(?:\\S{1,9} ){1,3}mail", "[mail"},
    {"behind one word of two", " (?:the |an? )?mail", "[mail"},
    {"behind one that may go on", " (?:the |re)?mail", "mail"},
    {"behind an empty one", " (?:the |)mail", "[mail"},
    {"behind a group of blanks", "(?:a | )mail", "[mail"},
    {"behind a look-around", " (?=x)mail", "[mail"},
    {"behind the beginning", "^mail", "[mail"},
    {"behind the beginning or a blank", "(?:^|. )mail", "[mail"},
    {"in a group that is repeated", " +(?:mail){2}box", "[mail|box"},
    {"behind a choice and an edge", "a+(?:user |on|two|six|ten|all)mail", "user |[mail"},
    {"before a choice without a text", "a+\\b(?:|on|two|six|ten|all)mail", "[mail"},
};

static void test_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(edge_rows); i++) {
        struct slice pattern = slice_str(edge_rows[i].pattern);
        struct alternative alternative;
        struct text text = {.len = 0};
        assert_true(alternative_take(&pattern, &alternative));
        alternative_narrow(&alternative);
        for (unsigned n = 0; n < alternative.needle_count; n++) {
            const struct needle *needle = &alternative.list[n];
            char word[NEEDLE_MAX + 3];
            snprintf(word, sizeof(word), "%s%.*s%s", needle->edges & NEEDLE_BEGINS_WORD ? "[" : "",
                     (int)needle->len, needle->text, needle->edges & NEEDLE_ENDS_WORD ? "]" : "");
            add_text(&text, slice_str(word));
        }
        expect_slice(edge_rows[i].name, edge_rows[i].pattern, slice_of(text.text, text.len),
                     slice_str(edge_rows[i].want));
    }
}

/* Of all needles of the first alternative, in their order: "|" between them. */
static const struct {
    const char *name;
    const char *pattern;
    const char *want;
} distance_rows[] = {
    {"a text", "mailbox", "0"},
    {"behind an edge", "\\bmailbox", "0"},
    {"behind a byte", ".mailbox", "1"},
    {"behind an optional byte", ".?mailbox", "0-1"},
    {"behind many", ".*mailbox", "0-"},
    {"behind one or more", "x+mailbox", "1-"},
    {"behind a gap", "user.{0,20}mailbox", "0|4-24"},
    {"behind a gap of no end", "user.{3,}mailbox", "0|7-"},
    {"behind a gap of one length", "user.{3}mailbox", "0|7"},
    {"behind a class", "[a-z]{2,3}mailbox", "2-3"},
    {"behind an escaped class", "\\d\\dmailbox", "2"},
    {"behind an escaped byte", "a\\.b.mailbox", "0|4"},
    {"in alternatives", "(?:e-?mail|mailbox)", "1-2|0"},
    {"behind alternatives", "(?:user|users)mailbox", "0|0|4-5"},
    {"behind an optional group", "(?:the )?mailbox", "0-4"},
    {"behind a repeated group", "(?:.{2,3}){0,4}mailbox", "0-12"},
    {"behind a group of any number", "(?:\\S{1,40} )*mailbox", "0-"},
    {"behind a group of many", "(?:\\S{1,40} ){0,5}mailbox", "0-205"},
    {"in the first of many", "(?:the user ){2,3}mailbox", "0|18-27"},
    {"behind an incomplete group", "(?:users|a)mailbox", "1-5"},
    {"in a group behind a byte", ".(?:.(?:user|.users)|mailbox)", "2|3|1"},
    {"behind look-around", "(?=users)(?<!a)mailbox", "0"},
    {"the end of 26 bytes", "abcdefghijklmnopqrstuvwxyz", "2"},
    {"behind 26 bytes", "abcdefghijklmnopqrstuvwxyz.ab", "2|27"},
    {"behind a byte that is one of a run", "userss{2,4}mailbox", "0|7-9"},
    {"behind more than can be counted", "(?:.{60000}){60000}mailbox", "65535-"},
};

static void test_distances(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(distance_rows); i++) {
        struct slice pattern = slice_str(distance_rows[i].pattern);
        struct alternative alternative;
        struct text text;
        assert_true(alternative_take(&pattern, &alternative));
        add_distances(&text, &alternative);
        expect_slice(distance_rows[i].name, distance_rows[i].pattern, slice_of(text.text, text.len),
                     slice_str(distance_rows[i].want));
    }
}

#define SIX "(?:one|two|six|ten|all|any)"

/* What the first alternative is narrowed to, its clauses, "&" between them; "" for none. */
static const struct {
    const char *name;
    const char *pattern;
    const char *want;
} choice_rows[] = {
    {"behind a gap", "user.{0,60}" SIX,
     "user&one, user&two, user&six, user&ten, user&all, user&any"},
    {"five choices", "user.{0,60}(?:one|two|six|ten|all)", ""},
    {"no gap", "user " SIX, ""},
    {"behind parts of one length", "(?:user|mail).{3}" SIX, ""},
    {"a group that captures", "user.*(one|two|six|ten|all|any)", ""},
    {"an atomic group", "user.*(?>one|two|six|ten|all|any)", ""},
    {"an optional group", "user.*" SIX "?", ""},
    {"a repeated group", "user.*" SIX "{1,2}", ""},
    {"a group in a group", "user.*(?:x" SIX ")", ""},
    {"alternatives behind a group", "user.*" SIX "|full",
     "user&one, user&two, user&six, user&ten, user&all, user&any"},
    {"text behind it", "user.*" SIX "full",
     "user&one&full, user&two&full, user&six&full, user&ten&full, user&all&full, user&any&full"},
    {"groups in choices", "a+(?:(?:one|two)|is(?:a|b)|six|ten.all|any|on)",
     "one|two, is, six, ten&all, any, on"},
    {"choices without a needle", "user.*(?:one|a||.|six|ten)full",
     "user&one&full, user&full, user&full, user&full, user&six&full, user&ten&full"},
    {"bars that divide no choices", "a+(?:on[e|]|tw\\|o|(?:si|x)|te|al|an)",
     "on, tw|o, -, te, al, an"},
    {"the larger one", "a+(?:on|tw|si|te|al|an|x).*(?:aa|bb|cc|dd|ee|ff).*(?:a|b)",
     "on&aa|bb|cc|dd|ee|ff, tw&aa|bb|cc|dd|ee|ff, si&aa|bb|cc|dd|ee|ff, te&aa|bb|cc|dd|ee|ff, "
     "al&aa|bb|cc|dd|ee|ff, an&aa|bb|cc|dd|ee|ff, aa|bb|cc|dd|ee|ff"},
    {"the last of two that are as large", "a+(?:on|tw|si|te|al|an).*(?:aa|bb|cc|dd|ee|ff)",
     "on|tw|si|te|al|an&aa, on|tw|si|te|al|an&bb, on|tw|si|te|al|an&cc, on|tw|si|te|al|an&dd, "
     "on|tw|si|te|al|an&ee, on|tw|si|te|al|an&ff"},
};

static void test_choices(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(choice_rows); i++) {
        struct slice pattern = slice_str(choice_rows[i].pattern);
        struct alternative alternative;
        struct text text = {.len = 0};
        assert_true(alternative_take(&pattern, &alternative));
        while (alternative_narrow(&alternative))
            add_clauses(&text, &alternative);
        expect_slice(choice_rows[i].name, choice_rows[i].pattern, slice_of(text.text, text.len),
                     slice_str(choice_rows[i].want));
    }
}

/* What stands behind a choice is as far away as that choice is long. */
static void test_distances_behind_a_choice(void **state)
{
    (void)state;
    struct slice pattern = SLICE("user.{0,9}(?:a|bb|cc(?:c|)|ddd|e+|)full");
    static const char *const want[] = {"0|5-14",      "0|4-13|6-15", "0|4-13|6-16",
                                       "0|4-13|7-16", "0|5-",        "0|4-13"};
    struct alternative alternative;
    assert_true(alternative_take(&pattern, &alternative));
    for (size_t i = 0; i < LEN(want); i++) {
        struct text text;
        assert_true(alternative_narrow(&alternative));
        add_distances(&text, &alternative);
        expect_slice("a choice", want[i], slice_of(text.text, text.len), slice_str(want[i]));
    }
    assert_false(alternative_narrow(&alternative));
}

/* Of a group, since each alternative of the top level has needles of its own. */
static void test_number_of_needles(void **state)
{
    (void)state;
    char pattern[NEEDLES_MAX * 8 + 16] = "(?:";
    size_t len = 3;
    for (unsigned i = 0; i <= NEEDLES_MAX; i++) {
        struct alternative alternative;
        len +=
            (size_t)snprintf(pattern + len, sizeof(pattern) - len, "%sname%03u", i ? "|" : "", i);
        pattern[len] = ')';
        struct slice rest = slice_of(pattern, len + 1);
        assert_true(alternative_take(&rest, &alternative));
        expect_int("alternatives", "needles", alternative.needle_count,
                   i < NEEDLES_MAX ? i + 1 : 0);
    }
}

/* --- what the header promises ------------------------------------------------ */

struct checker {
    struct pattern_limits *limits;
    unsigned searches, found, with_needles, narrowed;
};

static struct pattern *compile(const struct expression *expression)
{
    char what[128];
    size_t at;
    struct pattern *pattern = expression_compile(expression, what, &at);
    if (!pattern)
        fail_msg("/%.*s/ is no pattern: %s", SLICE_ARG(expression->source), what);
    return pattern;
}

/* The first match that begins in the set, asked for at each place alone. */
static enum pattern_result find_at(struct checker *c, const struct expression *expression,
                                   struct slice text, const struct places *starts, struct span *out)
{
    struct pattern *pattern = compile(expression);
    enum pattern_result result = PATTERN_ABSENT;
    for (size_t at = places_next(starts, 0); at < PLACES_MAX && result == PATTERN_ABSENT;
         at = places_next(starts, at + 1))
        result = pattern_search(pattern, c->limits, text, at, at, out);
    pattern_free(pattern);
    return result;
}

/* A pattern while it is taken apart into its alternatives, and these into their choices. */
struct taker {
    struct slice rest;
    struct alternative part;
    bool begun;
};

/* The next part; false behind the last one. */
static bool take_part(struct taker *taker)
{
    if (taker->begun && taker->part.choice_number && alternative_narrow(&taker->part))
        return true;
    taker->begun = taker->rest.ptr && alternative_take(&taker->rest, &taker->part);
    if (taker->begun)
        alternative_narrow(&taker->part);
    return taker->begun;
}

static struct sieve *sieve_of(struct slice pattern)
{
    struct taker taker = {.rest = pattern};
    struct sieve *sieve = sieve_new();
    while (take_part(&taker))
        sieve_add(sieve, &taker.part);
    return sieve;
}

/* Where the first match so far begins; PLACES_MAX: there is none. */
struct first {
    size_t from;
    bool stopped;
};

static void find_part(struct checker *c, const struct alternative *part, struct slice text,
                      const struct places *starts, struct first *first)
{
    struct expression expression = expression_of(part);
    struct span span;
    enum pattern_result result = find_at(c, &expression, text, starts, &span);
    c->with_needles += part->clause_count > 0;
    c->narrowed += part->choice_number > 0;
    first->stopped |= result == PATTERN_TOO_COSTLY;
    if (result == PATTERN_FOUND && span.from < first->from)
        first->from = span.from;
}

/* The leftmost of what those parts find that may match. */
static struct first find_in_parts(struct checker *c, struct slice pattern, struct slice text)
{
    uint64_t candidates[SIEVE_WORDS];
    struct taker taker = {.rest = pattern};
    struct first first = {.from = PLACES_MAX};
    struct sieve *sieve = sieve_of(pattern);
    struct places starts;
    sieve_look(sieve, text, candidates);
    for (uint32_t number = 0; take_part(&taker); number++) {
        if (candidates[number / 64] >> number % 64 & 1 && sieve_starts(sieve, number, &starts))
            find_part(c, &taker.part, text, &starts, &first);
    }
    sieve_free(sieve);
    return first;
}

static bool is_understood(struct slice pattern)
{
    struct alternative alternative;
    while (pattern.ptr) {
        if (!alternative_take(&pattern, &alternative))
            return false;
    }
    return true;
}

/* In parts as in one: found or not, and where it begins. */
static void check_pattern(struct checker *c, struct slice source, const struct slice *texts,
                          size_t count)
{
    char what[128];
    size_t at;
    struct pattern *pattern = pattern_new(source, what, &at);
    for (size_t i = 0; pattern && i < count; i++) {
        struct span whole = {.from = PLACES_MAX};
        c->searches++;
        enum pattern_result result =
            pattern_search(pattern, c->limits, texts[i], 0, texts[i].len, &whole);
        if (result == PATTERN_TOO_COSTLY)
            continue;
        c->found += result == PATTERN_FOUND;
        if (!is_understood(source))
            continue;
        struct first first = find_in_parts(c, source, texts[i]);
        if (!first.stopped && first.from != whole.from)
            fail_msg("/%.*s/ in \"%.*s\": got a match at %zu in parts, want %zu", SLICE_ARG(source),
                     SLICE_ARG(texts[i]), first.from, whole.from);
    }
    pattern_free(pattern);
}

/* With \K in what it looks ahead for, PCRE2 tells of a match that begins behind its end. */
static void test_a_beginning_behind_the_end(void **state)
{
    (void)state;
    struct pattern_limits *limits = pattern_limits_new();
    const struct expression expression = {.source = SLICE("(?=(?1))(?(DEFINE)(abc\\K))a")};
    struct pattern *pattern = compile(&expression);
    struct span span = {9, 0};
    assert_int_equal(pattern_search(pattern, limits, SLICE("xabc"), 0, 4, &span), PATTERN_FOUND);
    assert_int_equal(span.from, 2);
    assert_int_equal(span.to, 2);
    pattern_free(pattern);
    pattern_limits_free(limits);
}

static const struct {
    const char *pattern;
    const char *text; /* lower case; the pattern matches it */
} pairs[] = {
    {"mailbox (?:is )?full", "the mailbox full"},
    {"(?:over|exceeded) ?quota", "overquota"},
    {"mailbox|quota", "over quota"},
    {"(?:no such (?:user|mailbox)|unknown (?:user|address))", "unknown address"},
    {"users?\\b|mail\\w+", "user"},
    {"(?:mailbox)?full", "full"},
    {"(?:mailbox )*full", "full"},
    {"mailbox{0}full", "mailbofull"},
    {"mailbox{0,2}full", "mailbofull"},
    {"MAILBOX", "mailbox"},
    {"mail[a-z]*box", "mailbox"},
    {"mail[^]]*box", "mail box"},
    {"mail[]]box", "mail]box"},
    {"mail[\\]x]box", "mail]box"},
    {"[[:alpha:]]+ full|quota", "x full"},
    {"(?=.*full)mailbox", "mailbox full"},
    {"(?!mailbox)full", "full"},
    {"(?=a)x?a@{0,3}", "mailbox"},
    {"(?=a)x?a@{0,3}|full", "mailbox"},
    {"(?=a)[^a]?+a+?|over quota*", "mailbox"},
    {"(?<=mailbox )full", "mailbox full"},
    {"(?<!mailbox )full", "full"},
    {"mailbox(?= full|$)", "mailbox"},
    {"(?>mail|box)es", "boxes"},
    {"(mail)\\1", "mailmail"},
    {"mail\\x62ox", "mailbox"},
    {"\\Qmail|box\\E", "mail|box"},
    {"mail\\Kbox", "mailbox"},
    {"(?x)mail box", "mailbox"},
    {"(?i:mail)box", "mailbox"},
    {"(?#mailbox)full", "full"},
    {"(?<n>mailbox)|full", "full"},
    {"(?|mailbox|full)", "full"},
    {"(a)?(?(1)mailbox|full)", "full"},
    {"(?:mailbox(?R)?|full)", "full"},
    {"(*NOTEMPTY)mailbox", "mailbox"},
    {"mail\\.box\\/user\\(s\\)", "mail.box/user(s)"},
    {"mailbox\\d{0,3}", "mailbox"},
    {"mail\\Rbox", "mail\r\nbox"},
    {"user\\S*(?:\\hmail|one|two|six|ten|all)", "user\xa0mail"},
    {"user.{0,9}(?:\\Rmail|one|two|six|ten|all)", "user a\x85mail"},
    {"mailbox{x}", "mailbox{x}"},
    {"mailbo{1,x}", "mailbo{1,x}"},
    {"(mailbox{1)", "mailbox{1"},
    {"(?:mail{1)box|(ab{2,)", "ab{2,"},
    {"mailbox++", "mailbox"},
    {"mailbox?+s", "mailbos"},
    {"mailbox*?s", "mailbos"},
    {"^$|mailbox", ""},
    {"(?:)", ""},
    {"empf(?:\xc3\xa4|ae)nger", "empfaenger"},
    {"mail(?:box|)es", "mailes"},
    {"mail(?:box)|(?:full)", "full"},
    {"(?:mail){2}|quota", "mailmail"},
    {"abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz0123456789"},
    {"user.{0,9}" SIX, "user is all"},
    {"user.{0,9}?" SIX "full", "user sixallfull"},
    {"user.{0,9}+" SIX "|is", "user is all"},
    {"user.*" SIX "(?:is|a)+", "user allall anyais"},
    {"(?:user|one).*(?:a|bb||ccc|d+|[x|]|\\|)full", "one of |full"},
    {"(?:user|one).*(?:^one|a|b|c|full$|d)|.", "one is full"},
    {"(?i:a)|user.*(?:\\bone|a|b|c|d|e\\b)", "user one"},
    {"(user)?.*(?:one|two|six|ten|all|any(?=full))", "user anyfull"},
    {"\\bmail\\b", "e-mail!"},
    {"user.*\\b(?:one|two|six|ten|all|any)\\b", "user oney any"},
    {"\\b(?:mail|@)\\b", "a@b"},
    {"x{1,(?:2}|3}|4}|5}|6}|7})", "x{1,4}"},
    {"[\\Qmailbox]\\E]full|quota", "quota"},
    {"[\\E]full]", "f"},
    {"[^\\E]full]", "x"},
    {"[\\Q]full[\\E]]", "f]"},
    {"[\\c]full]", "f"},
    {"[\\c]]full", "\x1d"
                   "full"},
};

static void test_pairs(void **state)
{
    (void)state;
    struct checker c = {.limits = pattern_limits_new()};
    for (size_t i = 0; i < LEN(pairs); i++) {
        const struct slice text = slice_str(pairs[i].text);
        unsigned before = c.found;
        check_pattern(&c, slice_str(pairs[i].pattern), &text, 1);
        if (c.found == before)
            fail_msg("/%s/ does not match \"%s\": the row tests nothing", pairs[i].pattern,
                     pairs[i].text);
    }
    pattern_limits_free(c.limits);
}

static void use(struct slice pattern, void *arg)
{
    struct alternative alternative;
    (void)arg;
    while (pattern.ptr && alternative_take(&pattern, &alternative)) {
        assert_true(alternative.needle_count <= NEEDLES_MAX);
        for (unsigned i = 0; i < alternative.needle_count; i++)
            assert_in_range(alternative.list[i].len, 1, NEEDLE_MAX);
        while (alternative_narrow(&alternative))
            assert_true(alternative.needle_count <= NEEDLES_MAX);
    }
}

static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        guard_prefixes(slice_str(rows[i].pattern), use, NULL);
    for (size_t i = 0; i < LEN(pairs); i++)
        guard_prefixes(slice_str(pairs[i].pattern), use, NULL);
    guard_prefixes(SLICE("a\\\0b(\0?\0:[\0]{1\0}"), use, NULL);
}

/* Forms that PCRE2 takes and nobody writes: they must cost a match no more than others. */
static const struct {
    const char *pattern;
    const char *text;
} odd[] = {
    {"full(?:mailbox){00}", "full"},   {"full(?:mailbox){000}", "full"},
    {"full(?:mailbox){00,3}", "full"}, {"[[:]a|b[c]mailbox", "[a"},
    {"[[:alpha]|full]mailbox", "["},
};

static void test_odd_pairs(void **state)
{
    (void)state;
    struct checker c = {.limits = pattern_limits_new()};
    for (size_t i = 0; i < LEN(odd); i++) {
        const struct slice text = slice_str(odd[i].text);
        check_pattern(&c, slice_str(odd[i].pattern), &text, 1);
    }
    assert_int_equal(c.found, LEN(odd));
    pattern_limits_free(c.limits);
}

/* --- patterns by chance ------------------------------------------------------ */

static const char *const words[] = {"user",    "mail", "box", "full", "unknown",
                                    "no such", "ab",   "x",   "@"};

struct maker {
    uint64_t random;
    char text[4000];
    size_t len;
};

static void put(struct maker *m, const char *text)
{
    size_t len = strlen(text);
    if (m->len + len < sizeof(m->text)) {
        memcpy(m->text + m->len, text, len);
        m->len += len;
    }
}

static void put_sequence(struct maker *m, unsigned depth);

static void put_group(struct maker *m, unsigned depth)
{
    static const char *const heads[] = {"(?:", "(?:", "(", "(?>", "(?=", "(?!", "(?<!"};
    unsigned head = replies_random(&m->random, depth > 2 ? 4 : 7);
    bool fixed = head == 6;
    put(m, heads[head]);
    if (fixed)
        put(m, words[replies_random(&m->random, LEN(words))]);
    bool many = head < 2 && replies_random(&m->random, 4) == 0;
    unsigned least = many ? CHOICES_MIN : 1;
    for (unsigned more = least + replies_random(&m->random, 3); !fixed && more > 0; more--) {
        put_sequence(m, depth + 1);
        if (more > 1)
            put(m, "|");
    }
    put(m, ")");
}

static void put_quantifier(struct maker *m)
{
    static const char *const all[] = {"?",    "*",     "+",    "{0}",  "{1}",   "{2}",  "{0,2}",
                                      "{1,}", "{1,3}", "??",   "*?",   "+?",    "?+",   "*+",
                                      "++",   "{0,}",  "{0}?", "{1}+", "{3,x}", "{10}", "{3"};
    put(m, all[replies_random(&m->random, LEN(all))]);
}

static void put_sequence(struct maker *m, unsigned depth)
{
    static const char *const atoms[] = {".",      "\\w",           "\\s", "[a-z]", "[^x]", "[]x]",
                                        "[\\]x]", "[[:alpha:]|x]", "\\.", " ",     "[)(]", "[|]"};
    static const char *const edges[] = {"\\b", "\\B", "^", "$"};
    for (unsigned more = replies_random(&m->random, 5); more > 0; more--) {
        unsigned kind = replies_random(&m->random, 10);
        if (kind == 9) {
            put(m, edges[replies_random(&m->random, LEN(edges))]);
            continue;
        }
        if (kind < 5)
            put(m, words[replies_random(&m->random, LEN(words))]);
        else if (kind < 7 && depth < 4)
            put_group(m, depth);
        else
            put(m, atoms[replies_random(&m->random, LEN(atoms))]);
        if (replies_random(&m->random, 3) == 0)
            put_quantifier(m);
    }
}

static void put_text(struct maker *m)
{
    static const char *const more[] = {" ", ".",  "]",     "{3,x}", "|",
                                       ")", "xx", "userr", "mai",   "ful"};
    for (unsigned n = replies_random(&m->random, 7); n > 0; n--) {
        put(m, words[replies_random(&m->random, LEN(words))]);
        if (replies_random(&m->random, 3) == 0)
            put(m, more[replies_random(&m->random, LEN(more))]);
    }
}

static void test_patterns_by_chance(void **state)
{
    (void)state;
    struct checker c = {.limits = pattern_limits_new()};
    struct maker pattern = {.random = 20261122}, texts[6];
    for (unsigned round = 0; round < 20000; round++) {
        struct slice slices[LEN(texts)];
        pattern.len = 0;
        put_sequence(&pattern, 0);
        for (unsigned more = replies_random(&pattern.random, 3); more > 0; more--) {
            put(&pattern, "|");
            put_sequence(&pattern, 0);
        }
        for (size_t i = 0; i < LEN(texts); i++) {
            texts[i].len = 0;
            texts[i].random = UINT64_C(977) * (round * LEN(texts) + i + 1);
            replies_random(&texts[i].random, 2);
            put_text(&texts[i]);
            slices[i] = slice_of(texts[i].text, texts[i].len);
        }
        check_pattern(&c, slice_of(pattern.text, pattern.len), slices, LEN(texts));
    }
    /* Enough of them must say something. */
    assert_true(c.with_needles > 1000);
    assert_true(c.narrowed > 100);
    assert_true(c.searches - c.found > 1000);
    pattern_limits_free(c.limits);
}

/* --- the rules that are shipped ---------------------------------------------- */

static size_t read_texts(struct reply_table *table, struct reply **replies, struct slice **texts)
{
    assert_true(replies_open(table, "replies.tsv", REPLY_COLUMNS));
    *replies = must_calloc(table->count, sizeof(**replies));
    *texts = must_calloc(table->count, sizeof(**texts));
    for (size_t i = 0; i < table->count; i++) {
        struct refusal refusal = replies_refusal(&table->lines[i]);
        reply_read(&(*replies)[i], refusal.text, refusal.code, refusal.dsn);
        (*texts)[i] = reply_text(&(*replies)[i]);
    }
    return table->count;
}

static void test_shipped_rules(void **state)
{
    (void)state;
    struct checker c = {.limits = pattern_limits_new()};
    struct reply_table table;
    struct reply *replies;
    struct slice *texts;
    struct row_file file;
    struct rule_row row;
    struct error err;
    enum rule_file_result result;
    unsigned patterns = 0;
    size_t len = 0, count = read_texts(&table, &replies, &texts);
    char *rules = replies_read_file("data/causes.rules", &len);
    assert_non_null(rules);
    row_file_init(&file, "data/causes.rules", slice_of(rules, len));
    while ((result = rule_file_next(&file, &row, &err)) == RULE_FILE_ROW) {
        if (!row.pattern.ptr)
            continue;
        patterns++;
        check_pattern(&c, row.pattern, texts, count);
    }
    if (result == RULE_FILE_MISTAKE)
        fail_msg("got \"%s\", want no mistake", err.text);
    assert_true(patterns > 100);
    assert_int_equal(c.searches, patterns * count); /* all of them can be compiled */
    assert_true(c.found > count / 2);
    free(rules);
    free(texts);
    free(replies);
    replies_close(&table);
    pattern_limits_free(c.limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_clauses),
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_distances_behind_a_choice),
        cmocka_unit_test(test_number_of_needles),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_a_beginning_behind_the_end),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_odd_pairs),
        cmocka_unit_test(test_patterns_by_chance),
        cmocka_unit_test(test_shipped_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
