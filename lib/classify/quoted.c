#include "quoted.h"

#include "bytes.h"
#include "mailvane/base/scan.h"
#include "mailvane/event/dsn.h"

/* A quotation is announced by one of these, at most so many bytes before its colon. */
#define LEAD_MAX   60
#define PHRASE_MAX 200 /* with an address in it */
/* Refusals that are asked about: more stand only in a text that was made to be costly. */
#define QUOTES_MAX 64
static const struct slice leads[] = {
    SLICE_INIT("said"),       SLICE_INIT("responded"),   SLICE_INIT("respond"),
    SLICE_INIT("response"),   SLICE_INIT("reply"),       SLICE_INIT("replied"),
    SLICE_INIT("returned"),   SLICE_INIT("answer"),      SLICE_INIT("error"),
    SLICE_INIT("reason"),     SLICE_INIT("follows"),     SLICE_INIT("diagnostic"),
    SLICE_INIT("talk to me"), SLICE_INIT("failed with"),
};

/* Where a reply is about our own sender address, what it quotes is not the reason. */
static const struct slice sender_side[] = {
    SLICE_INIT("sender rejected"), SLICE_INIT("sender address rejected"),
    SLICE_INIT("sender verif"),    SLICE_INIT("sender address verif"),
    SLICE_INIT("callout"),         SLICE_INIT("callback"),
};

/* Does `word` stand at p, in any case? */
static bool at_word(const char *p, const char *end, struct slice word)
{
    if ((size_t)(end - p) < word.len)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (byte_lower(p[i]) != word.ptr[i])
            return false;
    }
    return true;
}

static uint32_t letter_bit(char c)
{
    c = byte_lower(c);
    return byte_is_lower(c) ? UINT32_C(1) << (c - 'a') : 0;
}

/* Does one of the words stand in [from, to), beginning a word, and ending one if `whole`? */
static bool any_word(const char *from, const char *to, const struct slice *words, size_t count,
                     bool whole)
{
    uint32_t firsts = 0;
    for (size_t i = 0; i < count; i++)
        firsts |= letter_bit(words[i].ptr[0]);
    for (const char *p = from; p < to; p++) {
        if (!(letter_bit(*p) & firsts) || (p > from && is_word_byte(p[-1])))
            continue;
        for (size_t i = 0; i < count; i++) {
            const char *behind = p + words[i].len;
            if (at_word(p, to, words[i]) && !(whole && behind < to && is_word_byte(*behind)))
                return true;
        }
    }
    return false;
}

#define ANY_WORD(from, to, words, whole)                                                           \
    any_word(from, to, words, sizeof(words) / sizeof((words)[0]), whole)

/* Do the bytes before p end with the text, in any case? */
static bool ends_with(const char *from, const char *p, struct slice text)
{
    return (size_t)(p - from) >= text.len && at_word(p - text.len, p, text);
}

/* Does a refusal begin here: "550 ", "550-" or "5.1.1 "? */
static bool begins_refusal(const char *p, const char *end)
{
    struct slice s = slice_between(p, end);
    struct dsn dsn;
    if (s.len > 3 && reply_code(s) >= 400)
        return true;
    return dsn_take(&s, &dsn) && slice_starts(s, SLICE(" "));
}

/* "host mx.example.net [192.0.2.1]:25:", with the last colon behind `colon`. */
static bool names_host(const char *from, const char *colon)
{
    const char *p = colon;
    while (p > from && byte_is_digit(p[-1]))
        p--;
    if (p < colon && p > from && p[-1] == ':')
        p--;
    if (p == from || p[-1] != ']')
        return false;
    const char *open = p;
    while (open > from && p - open < LEAD_MAX && *open != '[')
        open--;
    if (*open != '[' || open == from || open[-1] != ' ')
        return false;
    const char *host = open - 1;
    while (host > from && host[-1] != ' ' && host[-1] != ':')
        host--;
    return host < open - 1 && ends_with(from, host, SLICE("host "));
}

/* Exim: "SMTP error from remote mail server after RCPT TO:<x>: 550", the ':' at p. */
static bool tells_of_remote(const char *from, const char *p)
{
    static const struct slice phrases[] = {SLICE_INIT("remote mail server after")};
    return ANY_WORD(p - from > PHRASE_MAX ? p - PHRASE_MAX : from, p, phrases, true);
}

/* A ':' or '>' at p: do words before it say that somebody is quoted? */
static bool announces(const char *from, const char *p)
{
    const char *lead = p;
    while (lead > from && p - lead < LEAD_MAX && lead[-1] != ':' && lead[-1] != '<' &&
           lead[-1] != '>')
        lead--;
    return ANY_WORD(lead, p, leads, true) ||
           (*p == ':' && (names_host(from, p) || tells_of_remote(from, p)));
}

/* What begins at p, behind `from`, is quoted if what stands before it says so. */
static bool is_quoted(const char *from, const char *p)
{
    static const struct slice quoters[] = {
        SLICE_INIT("returned "),        SLICE_INIT("address error "),
        SLICE_INIT("address error ("),  SLICE_INIT("system problem "),
        SLICE_INIT("system problem ("),
    };
    const char *before = p;
    bool quote = before > from && (before[-1] == '\'' || before[-1] == '"');
    if (before > from && memchr("[(\"'", before[-1], 4))
        before--;
    for (size_t i = 0; quote && i < sizeof(quoters) / sizeof(quoters[0]); i++) {
        if (ends_with(from, before, quoters[i]))
            return true;
    }
    bool opened = before < p;
    while (before > from && class_of(before[-1]) == BLANK)
        before--;
    if (before == from)
        return false;
    const char *mark = before - 1;
    if (!opened && (*mark == '<' || ends_with(from, before, SLICE("->"))))
        return true;
    /* RFC 3464, 2.3.6: "Diagnostic-Code: smtp; 550 5.1.1 unknown". */
    if (*mark == ';' && ends_with(from, mark, SLICE("smtp")))
        return true;
    return (*mark == ':' || *mark == '>') && announces(from, mark);
}

/* The next place behind `p` where a refusal begins a word; end where none does. */
static const char *next_refusal(const char *p, const char *end)
{
    /* Most digits stand within a word. */
    do
        p = scan_to2(p + 1, end, '4', '5');
    while (p < end && (class_of(p[-1]) & WORD || !begins_refusal(p, end)));
    return p;
}

struct slice quoted_innermost(struct slice raw)
{
    const char *from = raw.ptr, *end = slice_end(raw), *best = from, *asked = from;
    const char *p = raw.len ? next_refusal(from, end) : end;
    for (unsigned places = 0; p < end && places < QUOTES_MAX; places++, p = next_refusal(p, end)) {
        if (!is_quoted(best, p))
            continue;
        /* From a little before what was looked through: a phrase may end behind it. */
        if (ANY_WORD(asked - from > LEAD_MAX ? asked - LEAD_MAX : from, p, sender_side, false))
            break;
        asked = best = p;
    }
    return slice_between(best, end);
}

bool quoted_never(struct slice raw)
{
    const char *end = slice_end(raw);
    for (const char *p = raw.len ? next_refusal(raw.ptr, end) : end; p < end;
         p = next_refusal(p, end)) {
        const char *before = p;
        while (before > raw.ptr && class_of(before[-1]) == BLANK)
            before--;
        if (before == raw.ptr || !(class_of(before[-1]) & WORD))
            return false;
    }
    return true;
}
