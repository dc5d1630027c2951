/*
 * Exim: the header file of each message, ID-H, tells all; the journal, ID-J, who has got it
 * since that was written. Sources: Exim's specification, "Format of spool files", and
 * src/spool_in.c of 4.96 for what it leaves open.
 *
 * The journal is read first: what is delivered meanwhile then counts as waiting, while a
 * header file that is older than the journal's end would bring back whom it had forgotten.
 * The header file is read twice: to its end, since its headers make up the size, and then
 * again for the recipients.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "reader.h"
#include "seen.h"
#include "spool.h"

#define ID_MAX 32

struct exim_look;

/* What is done with a line of the header file, which tells what the next one is; false: nothing
 * can be made of it. */
typedef bool (*take_fn)(struct exim_look *x, struct slice line);

struct exim_look {
    struct walk walk;
    struct spool_file file;
    enum { NEXT, JOURNAL, HEADER, RECIPIENTS } stage;
    take_fn take;
    char id[ID_MAX + 1];
    bool frozen;
    bool crowded; /* more have got it than can be remembered */
    uint64_t arrived;
    uint64_t nodes;   /* of the tree that are still to come */
    uint64_t count;   /* of recipients */
    uint64_t left;    /* of those, not told yet */
    uint64_t told_at; /* where they begin */
    uint64_t bytes;   /* of headers */
    struct seen got;
    char folded[SPOOL_PIECE];
};

static int begin(struct look *look, struct error *err)
{
    struct exim_look *x = look->state;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/input", look->spool);
    x->stage = NEXT;
    seen_init(&x->got);
    return walk_open(&x->walk, path) < 0 ? look_fail(look, "input", err) : 0;
}

static void end(struct look *look)
{
    struct exim_look *x = look->state;
    walk_close(&x->walk);
    spool_close(&x->file);
}

/* --- who has got it ---------------------------------------------------------------------- */

/* Exim writes down who has got it with the domain in lower case, whatever the header file has. */
static struct slice fold(struct exim_look *x, struct slice address)
{
    address = slice_head(address, sizeof(x->folded));
    size_t at = slice_rfind(address, '@');
    for (size_t i = 0; i < address.len; i++)
        x->folded[i] = i < at ? address.ptr[i] : byte_lower(address.ptr[i]);
    return slice_of(x->folded, address.len);
}

static void remember(struct exim_look *x, struct slice address)
{
    x->crowded |= !seen_add(&x->got, fold(x, address));
}

static bool has_got_it(struct exim_look *x, struct slice address)
{
    return seen_has(&x->got, fold(x, address));
}

/* --- the lines of a header file, in their order --------------------------------------- */

/* "NNNF text": the length of the text, a flag, '*' where the header was removed; it ends
 * with its last line. */
static bool take_header(struct exim_look *x, struct slice line)
{
    uint64_t len;
    size_t all = line.len;
    if (!spool_number(&line, &len) || line.len < 2)
        return false;
    if (line.ptr[0] != '*')
        x->bytes += len;
    return spool_seek(&x->file, x->file.line_at + (all - line.len) + 2 + len) == 0;
}

static bool take_blank(struct exim_look *x, struct slice line)
{
    x->take = take_header;
    return line.len == 0;
}

static bool take_recipient(struct exim_look *x, struct slice line)
{
    (void)line;
    if (--x->left == 0)
        x->take = take_blank;
    return true;
}

static bool take_count(struct exim_look *x, struct slice line)
{
    x->take = take_recipient;
    x->told_at = x->file.at;
    if (!spool_is_number(line, &x->count))
        return false;
    x->left = x->count;
    if (!x->count)
        x->take = take_blank;
    return true;
}

/* A node of those who have got it, "YN address": whether it has a left and a right child. */
static bool take_node(struct exim_look *x, struct slice line)
{
    for (size_t i = 0; i < 2; i++) {
        if (line.len < 3 || (line.ptr[i] != 'Y' && line.ptr[i] != 'N'))
            return false;
        x->nodes += line.ptr[i] == 'Y';
    }
    remember(x, slice_skip(line, 3));
    if (--x->nodes == 0)
        x->take = take_count;
    return line.ptr[2] == ' ';
}

static bool take_tree(struct exim_look *x, struct slice line)
{
    x->nodes = 1;
    x->take = take_node;
    if (!slice_eq(line, SLICE("XX")))
        return take_node(x, line);
    x->take = take_count;
    return true;
}

/* A variable's value has lines of its own, of which only the length is known. */
static bool skip_value(struct exim_look *x, struct slice option)
{
    uint64_t len;
    size_t blank = slice_rfind(option, ' ');
    return spool_is_number(slice_skip(option, blank + 1), &len) &&
           spool_seek(&x->file, x->file.at + len + 1) == 0;
}

/* "-frozen TIME" and its like; "--" where a remote wrote the value. */
static bool take_option(struct exim_look *x, struct slice line)
{
    if (!slice_starts(line, SLICE("-")))
        return take_tree(x, line);
    x->frozen |= slice_starts(line, SLICE("-frozen "));
    slice_take(&line, SLICE("-"));
    slice_take(&line, SLICE("-"));
    if (slice_starts(line, SLICE("acl ")) || slice_starts(line, SLICE("aclc ")) ||
        slice_starts(line, SLICE("aclm ")))
        return skip_value(x, line);
    return true;
}

static bool take_time(struct exim_look *x, struct slice line)
{
    x->take = take_option;
    return spool_number(&line, &x->arrived);
}

static bool take_sender(struct exim_look *x, struct slice line)
{
    x->take = take_time;
    return line.len > 0;
}

static bool take_user(struct exim_look *x, struct slice line)
{
    x->take = take_sender;
    return line.len > 0;
}

static bool take_id(struct exim_look *x, struct slice line)
{
    x->take = take_user;
    return slice_take(&line, slice_str(x->id)) && slice_eq(line, SLICE("-H"));
}

/* --- one message ------------------------------------------------------------------------ */

/* The name of one of its files. */
struct name {
    char text[ID_MAX + 3];
};
static struct name name_of(const struct exim_look *x, char which)
{
    struct name name;
    snprintf(name.text, sizeof(name.text), "%s-%c", x->id, which);
    return name;
}

static enum look_step give_up(struct look *look, const char *why)
{
    struct exim_look *x = look->state;
    x->stage = NEXT;
    spool_close(&x->file);
    return look_unreadable(look, name_of(x, 'H').text, why);
}

static enum look_step give_up_file(struct look *look, char which)
{
    struct exim_look *x = look->state;
    x->stage = NEXT;
    return look_unreadable_file(look, name_of(x, which).text);
}

static enum look_step begin_header(struct look *look)
{
    struct exim_look *x = look->state;
    if (spool_open(&x->file, &x->walk, name_of(x, 'H').text) < 0)
        return give_up_file(look, 'H');
    x->stage = HEADER;
    x->take = take_id;
    x->frozen = false;
    x->bytes = x->left = 0;
    return LOOK_NOTHING;
}

static enum look_step begin_message(struct look *look, struct slice id)
{
    struct exim_look *x = look->state;
    snprintf(x->id, sizeof(x->id), "%.*s", SLICE_ARG(id));
    seen_reset(&x->got);
    x->crowded = false;
    x->stage = JOURNAL;
    if (spool_open(&x->file, &x->walk, name_of(x, 'J').text) == 0)
        return LOOK_NOTHING;
    return errno == ENOENT ? begin_header(look) : give_up_file(look, 'J');
}

static enum look_step next_message(struct look *look, struct error *err)
{
    struct exim_look *x = look->state;
    enum look_step step;
    if (!look_walk(look, &x->walk, "input", &step, err))
        return step;
    struct slice id = slice_str(x->walk.name);
    if (!slice_ends(id, SLICE("-H")) || id.len == 2 || id.len > ID_MAX)
        return LOOK_NOTHING;
    return begin_message(look, slice_head(id, id.len - 2));
}

static enum look_step next_journal(struct look *look)
{
    struct exim_look *x = look->state;
    struct slice line;
    for (;;) {
        switch (spool_next(&x->file, &line)) {
        case SPOOL_LINE:
            remember(x, line);
            break;
        case SPOOL_MORE:
            return LOOK_NOTHING;
        case SPOOL_END:
            return begin_header(look);
        case SPOOL_FAILED:
            return give_up_file(look, 'J');
        }
    }
}

/* The body without the name in its first line, and the blank line before it, as exim -bp has it. */
static uint64_t body_bytes(const struct exim_look *x)
{
    struct stat st;
    size_t first = strlen(x->id) + 3;
    if (walk_stat(&x->walk, name_of(x, 'D').text, &st) != 0 || (size_t)st.st_size < first)
        return 0;
    return (uint64_t)st.st_size - first + 1;
}

static enum look_step tell_message(struct look *look)
{
    struct exim_look *x = look->state;
    if (x->take != take_header || x->file.at > (uint64_t)x->file.st.st_size)
        return give_up(look, "it ends too early");
    if (x->crowded)
        return give_up(look, "more have got it already than can be remembered");
    if (spool_seek(&x->file, x->told_at) < 0)
        return give_up_file(look, 'H');
    x->stage = RECIPIENTS;
    x->left = x->count;
    look->message = (struct queue_message){
        .queue = x->frozen ? SLICE("frozen") : SLICE("queued"),
        .arrived = (int64_t)x->arrived,
        .bytes = x->bytes + body_bytes(x),
    };
    return LOOK_MESSAGE;
}

static enum look_step next_header(struct look *look)
{
    struct exim_look *x = look->state;
    struct slice line;
    for (;;) {
        switch (spool_next(&x->file, &line)) {
        case SPOOL_LINE:
            if (!x->take(x, line))
                return give_up(look, "it is no header file that is understood");
            break;
        case SPOOL_MORE:
            return LOOK_NOTHING;
        case SPOOL_END:
            return tell_message(look);
        case SPOOL_FAILED:
            return give_up_file(look, 'H');
        }
    }
}

/* --- its recipients ---------------------------------------------------------------------- */

/* Takes " TEXT LENGTH,NUMBER" off the end, where the length is the text's. */
static bool drop_field(struct slice *line)
{
    uint64_t len;
    size_t blank = slice_rfind(*line, ' ');
    struct slice numbers = slice_skip(*line, blank + 1);
    if (!spool_number(&numbers, &len) || len + 1 > blank)
        return false;
    line->len = blank - (size_t)len;
    if (!slice_ends(*line, SLICE(" ")))
        return false;
    line->len--;
    return true;
}

/*
 * "ADDRESS", or "ADDRESS ORCPT LENGTH,FLAGS ERRORS-TO LENGTH,PARENT#3", or the latter half
 * with #1: from behind, since an address may hold anything.
 */
static struct slice address_of(struct slice line)
{
    struct slice address = line;
    bool one = slice_ends(line, SLICE("#1")), three = slice_ends(line, SLICE("#3"));
    if (!one && !three)
        return line;
    address.len -= 2;
    if (drop_field(&address) && (one || drop_field(&address)))
        return address;
    return slice_cut(&line, ' ');
}

static enum look_step tell_recipient(struct look *look, struct slice line)
{
    struct exim_look *x = look->state;
    x->left--;
    struct slice address = address_of(line);
    if (!address.len || has_got_it(x, address))
        return LOOK_NOTHING;
    look->recipient = (struct queue_recipient){.address = address};
    return LOOK_RECIPIENT;
}

static enum look_step next_recipient(struct look *look)
{
    struct exim_look *x = look->state;
    struct slice line;
    if (x->left) {
        switch (spool_next(&x->file, &line)) {
        case SPOOL_LINE:
            return tell_recipient(look, line);
        case SPOOL_MORE:
            return LOOK_NOTHING;
        case SPOOL_FAILED:
            return give_up_file(look, 'H');
        case SPOOL_END:
            break;
        }
    }
    spool_close(&x->file);
    x->stage = NEXT;
    return LOOK_NOTHING;
}

static enum look_step next(struct look *look, struct error *err)
{
    const struct exim_look *x = look->state;
    switch (x->stage) {
    case JOURNAL:
        return next_journal(look);
    case HEADER:
        return next_header(look);
    case RECIPIENTS:
        return next_recipient(look);
    case NEXT:
        break;
    }
    return next_message(look, err);
}

const struct queue_reader queue_reader_exim = {
    .name = "exim",
    .queues = {"queued", "frozen"},
    .reads_files = true,
    .hint = "; let mailvane's user read it, on Debian as a member of group Debian-exim",
    .state_size = sizeof(struct exim_look),
    .begin = begin,
    .next = next,
    .end = end,
};
