#include "mailvane/line/envelope.h"

#include <time.h>

#include "mailvane/base/number.h"
#include "mailvane/base/scan.h"
#include "stamp.h"

/* What stands in brackets behind the program is short. */
#define PID_MAX 24

/* "<22>": facility and severity, which the tag and the text tell better. */
static void skip_priority(struct slice *s)
{
    if (s->len == 0 || s->ptr[0] != '<')
        return;
    size_t end = slice_find(slice_head(*s, 5), '>');
    if (end >= 2 && end < 5 && byte_is_digit(s->ptr[1]))
        *s = slice_skip(*s, end + 1);
}

static void skip_blanks(struct slice *s)
{
    while (s->len && *s->ptr == ' ')
        *s = slice_skip(*s, 1);
}

/* Behind "[pid]: " with a number of up to seven digits and one blank: as nearly every tag ends. */
static inline const char *behind_pid(const char *open, const char *end)
{
    if (end - open < 12 || *open != '[' || !NUMBER_BY_WORD)
        return NULL;
    const char *close = open + 1 + number_length(bytes_load(open + 1));
    bool usual = close - open < 9 && close[0] == ']' && close[1] == ':' && close[2] == ' ' &&
                 close + 3 < end && close[3] != ' ';
    return usual ? close + 3 : NULL;
}

/*
 * Where the text behind "prog[pid]: ", "prog[pid] " or "prog: " begins, NULL where no
 * such tag stands at p. A bare word is no tag: it may be a host or the beginning of
 * the text.
 */
ALWAYS_INLINE const char *read_tag(const char *p, const char *end, struct slice *program)
{
    const char *from = p;
    p = scan_to3(p, end, '[', ':', ' ');
    if (p == from || p == end || *p == ' ')
        return NULL;
    struct slice name = slice_between(from, p);
    const char *text = behind_pid(p, end);
    if (text) {
        *program = name;
        return text;
    }
    if (*p == '[') {
        const char *limit = end - p > PID_MAX ? p + PID_MAX : end;
        p = scan_to(p, limit, ']');
        if (p == limit)
            return NULL;
        p++;
    }
    if (p < end && *p == ':')
        p++;
    if (p < end && *p != ' ')
        return NULL;
    while (p < end && *p == ' ')
        p++;
    *program = name;
    return p;
}

static bool take_tag(struct slice *s, struct slice *program)
{
    const char *end = slice_end(*s), *text = read_tag(s->ptr, end, program);
    if (text)
        *s = slice_between(text, end);
    return text;
}

/* "host prog[pid]: "; *s stays as it was where there is no tag behind a first word. */
static void take_host_and_tag(struct slice *s, struct slice *program)
{
    const char *end = slice_end(*s);
    const char *p = scan_to(s->ptr, end, ' ');
    while (p < end && *p == ' ')
        p++;
    struct slice rest = slice_between(p, end);
    if (take_tag(&rest, program))
        *s = rest;
}

/* Solaris' message id: "[ID 801593 mail.info] ". */
static void skip_solaris_id(struct slice *text)
{
    if (!slice_starts(*text, SLICE("[ID ")))
        return;
    size_t close = slice_find(slice_head(*text, 48), ']');
    if (close < 48 && close < text->len) {
        *text = slice_skip(*text, close + 1);
        skip_blanks(text);
    }
}

/* RFC 5424, 6.3: "-" or elements in brackets, whose values quote with a backslash. */
static bool skip_structured_data(struct slice *s)
{
    if (slice_take(s, SLICE("-")))
        return true;
    bool any = false;
    while (s->len && s->ptr[0] == '[') {
        bool quoted = false;
        size_t at = 1;
        for (; at < s->len && (quoted || s->ptr[at] != ']'); at++) {
            if (s->ptr[at] == '\\' && quoted)
                at++;
            else if (s->ptr[at] == '"')
                quoted = !quoted;
        }
        if (at >= s->len)
            return false;
        *s = slice_skip(*s, at + 1);
        any = true;
    }
    return any;
}

/* What follows "<PRI>1 " of RFC 5424. */
static bool parse_5424(struct envelope_parser *parser, struct slice s, struct envelope *out)
{
    struct slice nil = SLICE("- ");
    if (!slice_take(&s, nil) &&
        (!stamp_take(parser, &s, &out->time) || !slice_take(&s, SLICE(" "))))
        return false;
    slice_cut(&s, ' '); /* host */
    struct slice program = slice_cut(&s, ' ');
    slice_cut(&s, ' '); /* process id */
    slice_cut(&s, ' '); /* message id */
    if (!skip_structured_data(&s))
        return false;
    skip_blanks(&s);
    slice_take(&s, SLICE("\xef\xbb\xbf"));
    out->program = slice_eq(program, SLICE("-")) ? SLICE_NONE : program;
    out->text = s;
    return true;
}

void envelope_parser_init(struct envelope_parser *parser, int64_t reference)
{
    *parser = (struct envelope_parser){.reference = reference};
}

void envelope_parser_refer(struct envelope_parser *parser, int64_t reference)
{
    parser->reference = reference;
    parser->date_len = parser->head_len = 0;
    parser->year = 0;
}

/*
 * What stands in front of the tag, for the next line; but for a host with a bracket, which the
 * next line may close behind the host: it is a tag then.
 */
static void remember_head(struct envelope_parser *parser, struct slice head, int64_t time)
{
    parser->head_len = 0;
    if (slice_find(head, '[') < head.len || head.len <= parser->date_len ||
        head.len > sizeof(parser->head) || head.ptr[parser->date_len] != ' ' ||
        !slice_starts(head, slice_of(parser->date, parser->date_len)))
        return;
    memcpy(parser->head, head.ptr, head.len);
    parser->head_len = head.len;
    parser->head_time = time;
}

/* A line whose stamp and host are those of the line before. */
static bool parse_same_head(const struct envelope_parser *parser, struct slice line,
                            struct envelope *out)
{
    if (!parser->head_len || !slice_starts(line, slice_of(parser->head, parser->head_len)))
        return false;
    const char *end = slice_end(line);
    const char *text = read_tag(line.ptr + parser->head_len, end, &out->program);
    if (!text)
        return false;
    out->time = parser->head_time;
    out->text = slice_between(text, end);
    if (text < end && *text == '[')
        skip_solaris_id(&out->text);
    return true;
}

/* "[stamp] [host] tag: text" */
static void parse_plain(struct envelope_parser *parser, struct slice s, struct envelope *out)
{
    struct slice line = s;
    bool stamped = stamp_take(parser, &s, &out->time);
    skip_blanks(&s);
    /* Only behind a stamp may a host stand: else any word could pass for one. */
    if (!take_tag(&s, &out->program) && stamped)
        take_host_and_tag(&s, &out->program);
    if (stamped && out->program.len)
        remember_head(parser, slice_between(line.ptr, out->program.ptr), out->time);
    skip_solaris_id(&s);
    out->text = s;
}

void envelope_parse(struct envelope_parser *parser, struct slice line, struct envelope *out)
{
    struct slice s = line;
    if (parse_same_head(parser, line, out))
        return;
    *out = (struct envelope){.time = INT64_MIN};
    skip_priority(&s);
    if (s.ptr == line.ptr || !slice_take(&s, SLICE("1 ")) || !parse_5424(parser, s, out))
        parse_plain(parser, s, out);
}
