#include "hide.h"

/* A local part that is shorter may be any word of a reply, and names nobody. */
#define OWN_LOCAL_PART_MIN 4

static bool is_local_byte(char c)
{
    return byte_is_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

/* Behind a quoted local part that begins here, with its "@"; 0 where there is none. */
static size_t quoted_local_length(struct slice s)
{
    for (size_t i = 1; i < s.len && s.ptr[0] == '"'; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return i + 1 < s.len && s.ptr[i + 1] == '@' ? i + 1 : 0;
    }
    return 0;
}

/* The length of the word that begins here; *address says that "@" and a domain follow. */
static size_t word_length(struct slice s, bool *address)
{
    size_t len = quoted_local_length(s);
    *address = len > 0;
    if (len)
        return len;
    while (len < s.len && is_local_byte(s.ptr[len]))
        len++;
    *address = len && len + 1 < s.len && s.ptr[len] == '@' && (unsigned char)s.ptr[len + 1] > ' ';
    return len;
}

static bool borders(struct slice s, size_t at)
{
    return at >= s.len || !byte_is_alnum(s.ptr[at]);
}

/* The recipient's local part, and what stands before a "+": the mailbox (RFC 5233). */
struct own_names {
    struct slice name[2];
};

static struct own_names own_names_of(struct slice recipient)
{
    struct slice whole = slice_head(recipient, slice_rfind(recipient, '@'));
    return (struct own_names){{whole, slice_head(whole, slice_find(whole, '+'))}};
}

static bool starts_with_name(struct slice text, struct slice name)
{
    size_t i = 0;
    while (i < name.len && i < text.len && byte_lower(text.ptr[i]) == byte_lower(name.ptr[i]))
        i++;
    return i == name.len;
}

/* The length of a name that stands here by itself, whatever its case: servers fold it. */
static size_t own_name_length(struct slice word, size_t at, const struct own_names *own)
{
    for (size_t i = 0; i < sizeof(own->name) / sizeof(own->name[0]); i++) {
        struct slice name = own->name[i];
        if (name.len >= OWN_LOCAL_PART_MIN && starts_with_name(slice_skip(word, at), name) &&
            borders(word, at + name.len))
            return name.len;
    }
    return 0;
}

/* A word with "*" for each name in it: also "/var/mail/anna.mbox". */
static void put_without(struct strbuf *out, struct slice word, const struct own_names *own)
{
    size_t told = 0;
    for (size_t at = 0; at < word.len; at++) {
        size_t len = at == 0 || borders(word, at - 1) ? own_name_length(word, at, own) : 0;
        if (len == 0)
            continue;
        strbuf_add(out, word.ptr + told, at - told);
        strbuf_add_str(out, "*");
        told = at + len;
        at = told - 1;
    }
    strbuf_add_slice(out, slice_skip(word, told));
}

struct slice hide_local_parts(struct slice s, struct slice recipient, struct strbuf *out)
{
    struct own_names own = own_names_of(recipient);
    while (s.len) {
        bool address;
        size_t len = word_length(s, &address);
        if (address)
            strbuf_add_str(out, "*");
        else
            put_without(out, slice_head(s, len), &own);
        s = slice_skip(s, len);
        /* What follows a word is no part of one: "@", a blank, a bracket. */
        size_t gap = s.len > 0;
        strbuf_add_slice(out, slice_head(s, gap));
        s = slice_skip(s, gap);
    }
    return strbuf_slice(out);
}
