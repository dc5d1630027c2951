/*
 * Exim: the header file of each message, ID-H, tells all; the journal, ID-J, who has got it
 * since that was written. Sources: Exim's specification, "Format of spool files".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/number.h"
#include "reader.h"
#include "walk.h"

#define HEADER_MAX  (1u << 20) /* bytes of an envelope that are looked at */
#define JOURNAL_MAX (256u << 10)
#define ID_MAX      32

struct exim_look {
    struct walk walk;
    struct slice delivered;  /* lines "YN address" */
    struct slice journal;    /* lines "address" */
    struct slice recipients; /* lines that were not told yet */
    size_t left;             /* how many those are */
    char header[HEADER_MAX];
    char got[JOURNAL_MAX];
};

static void *state_new(void)
{
    return must_calloc(1, sizeof(struct exim_look));
}

static void state_free(void *state)
{
    free(state);
}

static int fail_open(struct look *look, struct error *err)
{
    return error_set(err, "%s/input: %s%s", look->spool, strerror(errno),
                     errno == EACCES ? "; let mailvane's user read it, on Debian as a member of "
                                       "group Debian-exim"
                                     : "");
}

static int begin(struct look *look, struct error *err)
{
    struct exim_look *x = look->state;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/input", look->spool);
    x->left = 0;
    return walk_open(&x->walk, path) < 0 ? fail_open(look, err) : 0;
}

static void end(struct look *look)
{
    struct exim_look *x = look->state;
    walk_close(&x->walk);
}

/* Not inlined: GCC 12 sees impossible lengths in a row of them. */
__attribute__((noinline)) static struct slice take_line(struct slice *rest)
{
    return slice_cut(rest, '\n');
}

static bool read_number(struct slice text, uint64_t *out)
{
    const char *stop = number_read(text.ptr, slice_end(text), out);
    *out /= NUMBER_ONE;
    return stop != NULL;
}

/* "-frozen TIME" and its like stand between the times and the addresses. */
static bool take_options(struct slice *rest)
{
    bool frozen = false;
    while (slice_starts(*rest, SLICE("-")))
        frozen |= slice_starts(take_line(rest), SLICE("-frozen "));
    return frozen;
}

/* The tree of those who have got it, "XX" where there is none; one line a node. */
static struct slice take_tree(struct slice *rest)
{
    const char *from = rest->ptr;
    size_t before = rest->len;
    while (rest->len && !byte_is_digit(rest->ptr[0]))
        take_line(rest);
    return slice_of(from, before - rest->len);
}

/* The sum of the headers' lengths, "NNNT " in front of each, without deleted ones. */
static uint64_t headers_bytes(struct slice rest)
{
    uint64_t sum = 0, len;
    while (rest.len > 5 && read_number(slice_head(rest, 12), &len)) {
        while (rest.len && byte_is_digit(rest.ptr[0]))
            rest = slice_skip(rest, 1);
        sum += rest.len && rest.ptr[0] != '*' ? len : 0;
        if (len > rest.len)
            break;
        rest = slice_skip(rest, (size_t)len + 2);
    }
    return sum;
}

/* The body without the name in its first line, and the blank line before it, as exim -bp has it. */
static uint64_t body_bytes(const struct walk *walk, struct slice id)
{
    char name[ID_MAX + 3];
    struct stat st;
    snprintf(name, sizeof(name), "%.*s-D", SLICE_ARG(id));
    if (walk_stat(walk, name, &st) != 0 || (size_t)st.st_size < id.len + 3)
        return 0;
    return (uint64_t)st.st_size - (id.len + 3) + 1;
}

/* Skips the lines of the recipients; what is behind them are the headers. */
static struct slice behind_recipients(struct slice rest, uint64_t count)
{
    for (; count && rest.len; count--)
        take_line(&rest);
    take_line(&rest);
    return rest;
}

/* Who, whose rights, from whom, when, options, the tree, how many, the recipients. */
static bool parse(struct look *look, struct slice file, struct slice id)
{
    struct exim_look *x = look->state;
    uint64_t arrived, count;
    struct slice rest = file, first = take_line(&rest);
    if (!slice_starts(first, id) || !slice_ends(first, SLICE("-H")))
        return false;
    take_line(&rest);
    take_line(&rest);
    if (!read_number(take_line(&rest), &arrived))
        return false;
    bool frozen = take_options(&rest);
    x->delivered = take_tree(&rest);
    if (!read_number(take_line(&rest), &count))
        return false;
    x->recipients = rest;
    x->left = (size_t)count;
    look->message = (struct queue_message){
        .queue = frozen ? SLICE("frozen") : SLICE("queued"),
        .arrived = (int64_t)arrived,
        .bytes = headers_bytes(behind_recipients(rest, count)) + body_bytes(&x->walk, id),
    };
    return true;
}

static void read_journal(struct exim_look *x, struct slice id)
{
    char name[ID_MAX + 3];
    snprintf(name, sizeof(name), "%.*s-J", SLICE_ARG(id));
    ssize_t len = walk_read(&x->walk, name, x->got + 1, sizeof(x->got) - 1);
    x->got[0] = '\n';
    x->journal = slice_of(x->got, len > 0 ? (size_t)len + 1 : 0);
}

/* A file that goes or cannot be understood is passed over: Exim is at work there. */
static enum look_step next_message(struct look *look, struct error *err)
{
    struct exim_look *x = look->state;
    enum walk_step step = walk_next(&x->walk);
    if (step == WALK_DONE)
        return LOOK_END;
    if (step == WALK_FAILED) {
        fail_open(look, err);
        return LOOK_FAILED;
    }
    struct slice id = slice_str(step == WALK_FILE ? x->walk.name : "");
    if (!slice_ends(id, SLICE("-H")) || id.len > ID_MAX)
        return LOOK_NOTHING;
    id.len -= 2;
    ssize_t got = walk_read(&x->walk, x->walk.name, x->header, sizeof(x->header));
    if (got < 0 && errno == EACCES) {
        fail_open(look, err);
        return LOOK_FAILED;
    }
    size_t len = got > 0 && (size_t)got <= sizeof(x->header) ? (size_t)got : 0;
    if (!len || !parse(look, slice_of(x->header, len), id))
        return LOOK_NOTHING;
    read_journal(x, id);
    return LOOK_MESSAGE;
}

/* Whether a line of the tree or of the journal is that address. */
static bool has_got_it(const struct exim_look *x, struct slice address)
{
    char line[1024];
    if (address.len + 2 > sizeof(line))
        return false;
    memcpy(line + 1, address.ptr, address.len);
    line[address.len + 1] = '\n';
    line[0] = ' ';
    struct slice wanted = slice_of(line, address.len + 2);
    if (slice_find_text(x->delivered, wanted) < x->delivered.len)
        return true;
    line[0] = '\n';
    return slice_find_text(x->journal, wanted) < x->journal.len;
}

static enum look_step next(struct look *look, struct error *err)
{
    struct exim_look *x = look->state;
    if (!x->left || !x->recipients.len) {
        x->left = 0;
        return next_message(look, err);
    }
    x->left--;
    struct slice address = take_line(&x->recipients);
    /* Behind it may stand where errors go and who its parent is. */
    if (slice_ends(address, SLICE("#1")) || slice_ends(address, SLICE("#3")))
        address = slice_cut(&address, ' ');
    if (!address.len || has_got_it(x, address))
        return LOOK_NOTHING;
    look->recipient = (struct queue_recipient){.address = address};
    return LOOK_RECIPIENT;
}

const struct queue_reader queue_reader_exim = {
    .name = "exim",
    .queues = {"queued", "frozen"},
    .reads_files = true,
    .state_new = state_new,
    .state_free = state_free,
    .begin = begin,
    .next = next,
    .end = end,
};
