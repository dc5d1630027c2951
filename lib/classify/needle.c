#include "needle.h"

#include "bytes.h"

/* How deep groups may nest before a pattern counts as not understood. */
#define DEPTH_MAX 12

/* A pattern while it is read; `lost` once something is not understood. */
struct reader {
    const char *p;
    const char *end;
    bool lost;
    bool edge;               /* no part of a word stands before what is read next */
    bool edge_next;          /* nor behind the end of what is read */
    struct alternative *top; /* whose clauses are kept; NULL within a group */
};

static const struct distance none = {0, 0}, one_byte = {1, 1};

static uint16_t bounded(uint32_t n)
{
    return n < DISTANCE_ANY ? (uint16_t)n : DISTANCE_ANY;
}

static struct distance distance_add(struct distance a, struct distance b)
{
    return (struct distance){bounded((uint32_t)a.least + b.least),
                             bounded((uint32_t)a.most + b.most)};
}

static struct distance distance_times(struct distance d, struct distance times)
{
    return (struct distance){bounded((uint32_t)d.least * times.least),
                             bounded((uint32_t)d.most * times.most)};
}

/* What is as long as the one or the other. */
static struct distance distance_or(struct distance a, struct distance b)
{
    return (struct distance){a.least < b.least ? a.least : b.least,
                             a.most > b.most ? a.most : b.most};
}

struct needles {
    unsigned count;
    struct needle list[NEEDLES_MAX];
};

/*
 * The alternatives of a part of the pattern; complete only if each has a needle. Their
 * distances are from where the part begins.
 */
struct found {
    struct distance end; /* of what the part matches */
    unsigned count;      /* of its alternatives */
    unsigned shortest;   /* length of the shortest needle; 0: no set */
    struct needles set;
};

static void read_alternatives(struct reader *r, unsigned depth, struct found *out);

static char peek(const struct reader *r, size_t ahead)
{
    return r->p < r->end && (size_t)(r->end - r->p) > ahead ? r->p[ahead] : '\0';
}

/* A run of plain characters grows. edge: no part of a word stands before the character. */
static void run_add(struct needle *run, char c, struct distance at, bool edge)
{
    if (run->len == 0) {
        run->distance = at;
        run->edges = edge && is_word_byte(c) ? NEEDLE_BEGINS_WORD : 0;
    }
    /* Of a longer one the last bytes are kept: any part of a needle is one. */
    if (run->len == NEEDLE_MAX) {
        memmove(run->text, run->text + 1, --run->len);
        run->distance = distance_add(run->distance, one_byte);
        run->edges = 0;
    }
    run->text[run->len++] = byte_lower(c);
}

/* The longer the shortest needle, the rarer they are. */
static bool is_better(unsigned shortest, unsigned count, unsigned than_shortest,
                      unsigned than_count)
{
    return shortest > than_shortest || (shortest == than_shortest && count < than_count);
}

static void keep_better(struct found *best, const struct found *other)
{
    if (is_better(other->shortest, other->set.count, best->shortest, best->set.count)) {
        best->shortest = other->shortest;
        best->set.count = other->set.count;
        memcpy(best->set.list, other->set.list, other->set.count * sizeof(best->set.list[0]));
    }
}

/* Of the top level: one of the needles must be there. What there is no room for is not asked for.
 */
static void add_clause(struct reader *r, const struct needle *needles, unsigned count)
{
    struct alternative *top = r->top;
    if (!top || top->clause_count == CLAUSES_MAX || top->needle_count + count > NEEDLES_MAX)
        return;
    top->clauses[top->clause_count++] =
        (struct clause){(uint16_t)top->needle_count, (uint16_t)count};
    memcpy(top->list + top->needle_count, needles, count * sizeof(needles[0]));
    top->needle_count += count;
}

/* A letter, digit or blank alone is in every reply, and so is a part of what is not ASCII. */
static bool is_needle(const struct needle *run)
{
    char c = run->text[0];
    return run->len > 1 || (run->len == 1 && c > ' ' && c < 0x7f && !byte_is_alnum(c));
}

/* Nothing is added to the run any more. edge: no part of a word stands behind it. */
static void run_end(struct reader *r, struct needle *run, struct found *best, bool edge)
{
    bool needle = is_needle(run);
    if (needle && edge && is_word_byte(run->text[run->len - 1]))
        run->edges |= NEEDLE_ENDS_WORD;
    if (needle)
        add_clause(r, run, 1);
    if (needle && run->len > best->shortest) {
        best->set.count = 1;
        best->shortest = run->len;
        best->set.list[0] = *run;
    }
    run->len = 0;
}

static uint16_t take_number(const char **p, const char *end)
{
    uint32_t n = 0;
    for (; *p < end && byte_is_digit(**p); ++*p)
        n = bounded(n * 10 + (uint32_t)(**p - '0'));
    return (uint16_t)n;
}

/* "{2}", "{2,}", "{2,3}"; any other brace is a plain byte. */
static bool take_braces(struct reader *r, struct distance *times)
{
    const char *p = r->p + 1, *digits = p;
    uint16_t least = take_number(&p, r->end), most = least;
    bool some = p > digits;
    if (some && p < r->end && *p == ',') {
        bool more = ++p < r->end && byte_is_digit(*p);
        most = more ? take_number(&p, r->end) : DISTANCE_ANY;
    }
    /* "{,3}" and "{ 3 }" are quantifiers to some versions. */
    r->lost = r->lost || (p < r->end && (*p == ',' || *p == ' ' || *p == '\t'));
    if (!some || p == r->end || *p != '}')
        return false;
    /* "(?:a|^b){0}c": to PCRE2 10.42 the "^" counts, though it is nowhere. */
    r->lost = r->lost || most == 0;
    *times = (struct distance){least, most};
    r->p = p + 1;
    return true;
}

/* Reads a quantifier, if one stands here: how many times what it follows may be there. */
static bool take_quantifier(struct reader *r, struct distance *times)
{
    char c = peek(r, 0);
    *times = one_byte;
    if (c == '{') {
        if (!take_braces(r, times))
            return false;
    } else if (c == '?' || c == '*' || c == '+') {
        times->least = c == '+';
        times->most = c == '?' ? 1 : DISTANCE_ANY;
        r->p++;
    } else {
        return false;
    }
    if (peek(r, 0) == '?' || peek(r, 0) == '+')
        r->p++;
    return true;
}

/* "[\E]", "[\Q]\E]" and "[\c]]": what the backslash makes of the bracket is left alone. */
static bool hides_end(const struct reader *r)
{
    return peek(r, 0) == '\\' && peek(r, 1) && strchr("EQc", peek(r, 1));
}

/* "[...]": any of many bytes. */
static void skip_class(struct reader *r)
{
    r->p++;
    if (peek(r, 0) == '^')
        r->p++;
    if (peek(r, 0) == ']')
        r->p++;
    while (!r->lost && r->p < r->end && *r->p != ']') {
        /* "[[:alpha:]]" has an end of its own: classes of classes are left alone. */
        r->lost = *r->p == '[' || hides_end(r);
        r->p += peek(r, 0) == '\\' && peek(r, 1) ? 2 : 1;
    }
    r->lost = r->lost || r->p == r->end;
    r->p += !r->lost;
}

/* "(?:", "(" or a look-around, whose text need not be there. */
static void read_group(struct reader *r, unsigned depth, struct found *out)
{
    bool counts = true;
    r->p++;
    if (peek(r, 0) == '*') {
        r->lost = true;
    } else if (peek(r, 0) == '?') {
        char c = peek(r, 1);
        counts = c == ':' || c == '>';
        r->lost = r->lost || (!counts && c != '=' && c != '!' && c != '<');
        r->lost = r->lost || (c == '<' && peek(r, 2) != '=' && peek(r, 2) != '!');
        r->p += c == '<' ? 3 : 2;
    }
    if (depth == DEPTH_MAX || r->p > r->end)
        r->lost = true;
    if (r->lost)
        return;
    struct reader outer = *r;
    r->top = NULL;
    r->edge_next = false;
    read_alternatives(r, depth + 1, out);
    r->top = outer.top;
    r->edge_next = outer.edge_next;
    if (!counts) {
        r->edge = outer.edge;
        out->shortest = out->set.count = 0;
        out->end = none;
    }
    r->lost = r->lost || peek(r, 0) != ')';
    r->p++;
}

/* What stands at `at` must be there. */
static void add_inner(struct reader *r, struct distance at, struct found *inner)
{
    for (unsigned i = 0; i < inner->set.count; i++)
        inner->set.list[i].distance = distance_add(inner->set.list[i].distance, at);
    if (inner->set.count)
        add_clause(r, inner->set.list, inner->set.count);
}

/* Notes a group of the top level that can be narrowed: that with most choices, or the last such. */
static void note_choices(struct reader *r, struct slice group, bool edge, struct distance at,
                         unsigned count)
{
    struct alternative *top = r->top;
    bool behind_a_gap = at.least < at.most, plain = slice_starts(group, SLICE("(?:"));
    if (!top || top->choice_number || !plain || !behind_a_gap || count < CHOICES_MIN ||
        count < top->choices.count)
        return;
    top->choices = (struct choices){.count = count,
                                    .group = group,
                                    .edge = edge,
                                    .at = at,
                                    .clause_count = top->clause_count,
                                    .needle_count = top->needle_count};
}

/* A group or a class at `at`, with its quantifier. */
static void read_compound(struct reader *r, unsigned depth, struct distance *at, struct found *best)
{
    /* Not zeroed whole: a set is large, and counts only as far as it says. */
    struct found inner;
    struct distance times;
    const char *begin = r->p;
    bool edge = r->edge;
    inner.shortest = inner.set.count = 0;
    inner.count = 1;
    inner.end = one_byte;
    if (*r->p == '(') {
        read_group(r, depth, &inner);
    } else {
        skip_class(r);
        r->edge = false;
    }
    struct slice part = slice_between(begin, r->p);
    bool quantified = take_quantifier(r, &times);
    if (r->lost)
        return;
    r->edge = r->edge && (times.least || edge);
    if (!quantified)
        note_choices(r, part, edge, *at, inner.count);
    if (times.least) {
        add_inner(r, *at, &inner);
        keep_better(best, &inner);
    }
    *at = distance_add(*at, distance_times(inner.end, times));
}

/* "^" or "\b": no byte of the text, but something is said of what is beside it. */
static bool take_assertion(struct reader *r, struct needle *run, struct found *best)
{
    char c = peek(r, 0), escaped = c == '\\' ? peek(r, 1) : '\0';
    if (c != '^' && c != '$' && escaped != 'b' && escaped != 'B')
        return false;
    r->p += escaped ? 2 : 1;
    if (escaped == 'b')
        run_end(r, run, best, true);
    r->edge = r->edge || escaped == 'b' || c == '^';
    return true;
}

/* One byte of the pattern, or one with a backslash. */
struct byte {
    bool plain; /* it stands for itself */
    bool edge;  /* it is no part of a word */
    char c;
};

/* "\d", "\.": what stands behind the backslash. */
static struct byte read_escape(struct reader *r)
{
    char c = peek(r, 0);
    bool plain = c && !byte_is_alnum(c);
    /*
     * "\x41", "\Q..\E", "\1": only those of one letter are known to end here. Of "\h", "\v" and
     * "\R" PCRE2 10.42 thinks that they take nothing that "\S" or "." takes, wrongly for bytes
     * such as 0xa0; whether it makes use of that depends on what else stands beside them.
     */
    r->lost = r->lost || (!plain && !(c && strchr("dDsSwWNnrt", c)));
    return (struct byte){
        .plain = plain,
        .edge = plain ? !is_word_byte(c) : c && strchr("sWnrt", c),
        .c = c,
    };
}

static struct byte take_byte(struct reader *r)
{
    char c = *r->p++;
    struct byte byte = {.plain = c != '.', .edge = c != '.' && !is_word_byte(c), .c = c};
    if (c == '\\') {
        byte = read_escape(r);
        r->p++;
    }
    return byte;
}

/* Any other byte of the pattern at `at`, with its quantifier. */
static void read_byte(struct reader *r, struct distance *at, struct needle *run, struct found *best)
{
    struct byte byte = take_byte(r);
    struct distance times;
    bool quantified = take_quantifier(r, &times);
    if (byte.plain && times.least)
        run_add(run, byte.c, *at, r->edge);
    if (!byte.plain || quantified)
        run_end(r, run, best, false);
    r->edge = byte.edge && (times.least || r->edge);
    *at = distance_add(*at, times);
}

/* One alternative from `at` on, up to '|', ')' or the end. */
static void read_sequence(struct reader *r, unsigned depth, struct distance at, struct found *best)
{
    struct needle run = {.len = 0};
    best->shortest = best->set.count = 0;
    while (!r->lost && r->p < r->end && *r->p != '|' && *r->p != ')') {
        if (*r->p == '(' || *r->p == '[') {
            run_end(r, &run, best, false);
            read_compound(r, depth, &at, best);
        } else if (!take_assertion(r, &run, best)) {
            read_byte(r, &at, &run, best);
        }
    }
    run_end(r, &run, best, r->edge_next);
    best->count = 1;
    best->end = at;
}

static void read_alternatives(struct reader *r, unsigned depth, struct found *out)
{
    struct found one;
    bool edge = r->edge;
    read_sequence(r, depth, none, out);
    bool edges = r->edge;
    bool complete = out->shortest > 0;
    while (!r->lost && peek(r, 0) == '|') {
        r->p++;
        r->edge = edge;
        read_sequence(r, depth, none, &one);
        edges = edges && r->edge;
        out->count++;
        out->end = distance_or(out->end, one.end);
        complete = complete && one.shortest > 0 && out->set.count + one.set.count <= NEEDLES_MAX;
        if (!complete)
            continue;
        memcpy(out->set.list + out->set.count, one.set.list,
               one.set.count * sizeof(one.set.list[0]));
        out->set.count += one.set.count;
        out->shortest = one.shortest < out->shortest ? one.shortest : out->shortest;
    }
    r->edge = edges;
    if (!complete)
        out->shortest = out->set.count = 0;
}

/*
 * How likely a text is to hold one of the clause's needles, if each byte more makes one of them
 * eight times as rare: in no unit, and only good to compare clauses.
 */
static uint64_t likelihood(const struct alternative *alternative, const struct clause *clause)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < clause->count; i++) {
        unsigned len = alternative->list[clause->first + i].len;
        sum += UINT64_C(1) << 3 * (len < 16 ? 16 - len : 0);
    }
    return sum;
}

static unsigned best_clause(const struct alternative *alternative)
{
    unsigned best = 0;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < alternative->clause_count; i++) {
        uint64_t this = likelihood(alternative, &alternative->clauses[i]);
        if (this < least) {
            best = i;
            least = this;
        }
    }
    return best;
}

void alternative_whole(struct slice pattern, struct alternative *out)
{
    out->source = pattern;
    out->choices = (struct choices){.count = 0};
    out->choice_number = 0;
    out->choice = SLICE_NONE;
    out->clause_count = out->needle_count = out->lead = 0;
}

bool alternative_take(struct slice *pattern, struct alternative *out)
{
    struct reader r = {.p = pattern->ptr, .end = slice_end(*pattern), .top = out};
    struct found found;
    alternative_whole(*pattern, out);
    read_sequence(&r, 0, none, &found);
    /* A ')' too many is not ours to judge. */
    if (r.lost || (r.p < r.end && *r.p != '|'))
        return false;
    out->source = slice_between(pattern->ptr, r.p);
    out->lead = best_clause(out);
    *pattern = r.p < r.end ? slice_between(r.p + 1, r.end) : SLICE_NONE;
    return true;
}

static const char *next_choice(const struct alternative *alternative)
{
    if (alternative->choice_number == 0)
        return alternative->choices.group.ptr + strlen("(?:");
    return slice_end(alternative->choice) + strlen("|");
}

bool alternative_narrow(struct alternative *alternative)
{
    const struct choices *choices = &alternative->choices;
    struct found part;
    if (alternative->choice_number == choices->count || alternative->source.len > NARROWED_MAX)
        return false;
    const char *begin = next_choice(alternative), *behind = slice_end(choices->group);
    struct reader r = {.p = begin, .end = behind, .edge = choices->edge, .top = alternative};
    struct slice rest = slice_between(behind, slice_end(alternative->source));
    r.edge_next = slice_starts(rest, SLICE("\\b"));
    alternative->choice_number++;
    alternative->clause_count = choices->clause_count;
    alternative->needle_count = choices->needle_count;
    read_sequence(&r, 0, choices->at, &part);
    alternative->choice = slice_between(begin, r.p);
    r = (struct reader){.p = rest.ptr, .end = slice_end(rest), .edge = r.edge, .top = alternative};
    read_sequence(&r, 0, part.end, &part);
    alternative->lead = best_clause(alternative);
    return true;
}

bool needle_stands_at(const struct needle *needle, struct slice text, size_t at)
{
    size_t end = at + needle->len;
    return end <= text.len && bytes_equal(text.ptr + at, needle->text, needle->len) &&
           !(needle->edges & NEEDLE_BEGINS_WORD && at > 0 && is_word_byte(text.ptr[at - 1])) &&
           !(needle->edges & NEEDLE_ENDS_WORD && end < text.len && is_word_byte(text.ptr[end]));
}
