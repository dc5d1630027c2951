#include "needle.h"

/* How deep groups may nest before a pattern counts as not understood. */
#define DEPTH_MAX 12

/* A pattern while it is read; `lost` once something is not understood. */
struct reader {
    const char *p;
    const char *end;
    bool lost;
    struct alternative *top; /* whose clauses are kept; NULL within a group */
};

struct needles {
    unsigned count;
    struct needle list[NEEDLES_MAX];
};

/* The alternatives of a part of the pattern; complete only if each has a needle. */
struct found {
    struct needles set;
    unsigned shortest; /* length of the shortest needle; 0: no set */
};

static void read_alternatives(struct reader *r, unsigned depth, struct found *out);

static char peek(const struct reader *r, size_t ahead)
{
    return r->p < r->end && (size_t)(r->end - r->p) > ahead ? r->p[ahead] : '\0';
}

/* A run of plain characters while it grows. */
struct run {
    unsigned len;
    char text[NEEDLE_MAX];
};

static void run_add(struct run *run, char c)
{
    /* Of a longer one the last bytes are kept: any part of a needle is one. */
    if (run->len == NEEDLE_MAX)
        memmove(run->text, run->text + 1, --run->len);
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

static void run_end(struct reader *r, struct run *run, struct found *best)
{
    struct needle needle = {.len = (uint8_t)run->len};
    memcpy(needle.text, run->text, run->len);
    run->len = 0;
    if (needle.len < NEEDLE_MIN)
        return;
    add_clause(r, &needle, 1);
    if (needle.len > best->shortest) {
        best->set.count = 1;
        best->shortest = needle.len;
        best->set.list[0] = needle;
    }
}

/* Reads a quantifier, if one stands here; *once says that what it follows must be there. */
static bool take_quantifier(struct reader *r, bool *once)
{
    char c = peek(r, 0);
    *once = true;
    if (c == '{') {
        /* "{2}", "{2,}", "{2,3}"; any other brace is a plain byte. */
        const char *p = r->p + 1;
        bool zero = true;
        for (; p < r->end && byte_is_digit(*p); p++)
            zero = zero && *p == '0';
        bool digits = p > r->p + 1;
        while (p < r->end && (byte_is_digit(*p) || *p == ','))
            p++;
        /* "{,3}" is a quantifier to some versions. */
        r->lost = r->lost || (!digits && p > r->p + 1);
        if (!digits || p == r->end || *p != '}')
            return false;
        *once = !zero;
        r->p = p;
    } else if (c == '?' || c == '*' || c == '+') {
        *once = c == '+';
    } else {
        return false;
    }
    r->p++;
    if (peek(r, 0) == '?' || peek(r, 0) == '+')
        r->p++;
    return true;
}

/* "[...]": any of many bytes. */
static void skip_class(struct reader *r)
{
    r->p++;
    if (peek(r, 0) == '^')
        r->p++;
    if (peek(r, 0) == ']')
        r->p++;
    while (r->p < r->end && *r->p != ']') {
        /* "[[:alpha:]]" has an end of its own: classes of classes are left alone. */
        r->lost = r->lost || *r->p == '[';
        r->p += *r->p == '\\' ? 2 : 1;
    }
    r->lost = r->lost || r->p >= r->end;
    r->p++;
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
    struct alternative *top = r->top;
    r->top = NULL;
    read_alternatives(r, depth + 1, out);
    r->top = top;
    if (!counts)
        out->shortest = 0;
    r->lost = r->lost || peek(r, 0) != ')';
    r->p++;
}

/* One alternative, up to '|', ')' or the end. */
static void read_sequence(struct reader *r, unsigned depth, struct found *best)
{
    struct run run = {0};
    bool once;
    best->shortest = best->set.count = 0;
    while (!r->lost && r->p < r->end && *r->p != '|' && *r->p != ')') {
        char c = *r->p;
        bool plain = true;
        if (c == '(' || c == '[') {
            /* Not zeroed whole: a set is large, and counts only as far as it says. */
            struct found inner;
            inner.shortest = inner.set.count = 0;
            run_end(r, &run, best);
            if (c == '(')
                read_group(r, depth, &inner);
            else
                skip_class(r);
            if ((!take_quantifier(r, &once) || once) && !r->lost && inner.shortest) {
                add_clause(r, inner.set.list, inner.set.count);
                keep_better(best, &inner);
            }
            continue;
        }
        if (c == '\\') {
            c = peek(r, 1);
            r->p++;
            if (c == 'b' || c == 'B') {
                r->p++;
                continue;
            }
            plain = c && !byte_is_alnum(c);
        } else if (c == '^' || c == '$') {
            r->p++;
            continue;
        } else {
            plain = c != '.';
        }
        /* "\x41", "\Q..\E", "\1": only those of one letter are known to end here. */
        r->lost = r->lost || (!plain && c != '.' && !(c && strchr("dDsSwWhHvVNnrtR", c)));
        r->p++;
        bool quantified = take_quantifier(r, &once);
        if (plain && once)
            run_add(&run, c);
        if (!plain || quantified)
            run_end(r, &run, best);
    }
    run_end(r, &run, best);
}

static void read_alternatives(struct reader *r, unsigned depth, struct found *out)
{
    struct found one;
    read_sequence(r, depth, out);
    bool complete = out->shortest > 0;
    while (!r->lost && peek(r, 0) == '|') {
        r->p++;
        read_sequence(r, depth, &one);
        complete = complete && one.shortest > 0 && out->set.count + one.set.count <= NEEDLES_MAX;
        if (!complete)
            continue;
        memcpy(out->set.list + out->set.count, one.set.list,
               one.set.count * sizeof(one.set.list[0]));
        out->set.count += one.set.count;
        out->shortest = one.shortest < out->shortest ? one.shortest : out->shortest;
    }
    if (!complete)
        out->shortest = out->set.count = 0;
}

static unsigned shortest_of(const struct alternative *alternative, const struct clause *clause)
{
    unsigned shortest = NEEDLE_MAX;
    for (unsigned i = 0; i < clause->count; i++) {
        unsigned len = alternative->list[clause->first + i].len;
        shortest = len < shortest ? len : shortest;
    }
    return shortest;
}

static unsigned best_clause(const struct alternative *alternative)
{
    unsigned best = 0, best_shortest = 0;
    for (unsigned i = 0; i < alternative->clause_count; i++) {
        const struct clause *clause = &alternative->clauses[i];
        unsigned shortest = shortest_of(alternative, clause);
        if (is_better(shortest, clause->count, best_shortest, alternative->clauses[best].count)) {
            best = i;
            best_shortest = shortest;
        }
    }
    return best;
}

bool alternative_take(struct slice *pattern, struct alternative *out)
{
    struct reader r = {.p = pattern->ptr, .end = slice_end(*pattern), .top = out};
    struct found found;
    out->clause_count = out->needle_count = 0;
    read_sequence(&r, 0, &found);
    /* A ')' too many is not ours to judge. */
    if (r.lost || (r.p < r.end && *r.p != '|'))
        return false;
    out->source = slice_between(pattern->ptr, r.p);
    out->lead = best_clause(out);
    *pattern = r.p < r.end ? slice_between(r.p + 1, r.end) : SLICE_NONE;
    return true;
}
