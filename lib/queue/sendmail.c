/*
 * Sendmail: the control file of each message, qfID, tells all but the size, which is that of
 * dfID. Sources: Sendmail Installation and Operation Guide, "Queue Files", and how readqf()
 * and queueup() of queue.c do it.
 *
 * A queue directory holds these files itself, or its subdirectories qf and df do, or it is
 * one of several below the directory that is looked at. A control file is read to its end,
 * which says that it is complete, and then again for the recipients.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "reader.h"
#include "spool.h"

#define ID_MAX      64
#define VERSION_MAX 8 /* of the format, as of Sendmail 8.17 */
#define DIR_MAX     256
#define REASON_MAX  4096
/* What is not complete but younger is being written: Sendmail itself waits so long. */
#define YOUNG (10 * 60)

struct sendmail_look {
    struct walk walk;
    struct spool_file file;
    enum { NEXT, CONTROL, RECIPIENTS } stage;
    struct slice queue;
    char name[ID_MAX + 3]; /* of the control file */
    uint64_t version, arrived;
    bool has_time, complete;
    size_t dir_len, reason_len;
    char dir[DIR_MAX]; /* of the data file, where it is another one */
    /* Why the recipients wait that have no reason of their own; and of the next one its own. */
    bool behind_sender;
    char reason[REASON_MAX];
    size_t own_len;
    char own[REASON_MAX];
};

struct kind {
    struct slice prefix;
    struct slice queue;
};

/* The words of mailq: with -qQ and -qL it shows the latter two. */
static const struct kind kinds[] = {
    {SLICE_INIT("qf"), SLICE_INIT("queued")},
    {SLICE_INIT("hf"), SLICE_INIT("quarantined")},
    {SLICE_INIT("Qf"), SLICE_INIT("lost")},
};

static int begin(struct look *look, struct error *err)
{
    struct sendmail_look *s = look->state;
    s->stage = NEXT;
    return walk_open(&s->walk, look->spool) < 0 ? look_fail(look, "", err) : 0;
}

static void end(struct look *look)
{
    struct sendmail_look *s = look->state;
    walk_close(&s->walk);
    spool_close(&s->file);
}

static enum look_step give_up(struct look *look, const char *why)
{
    struct sendmail_look *s = look->state;
    s->stage = NEXT;
    spool_close(&s->file);
    return why ? look_unreadable(look, s->name, why) : look_unreadable_file(look, s->name);
}

/* --- the control file as a whole ---------------------------------------------------------- */

static size_t keep(char *buf, size_t size, struct slice text)
{
    text = slice_head(text, size);
    if (text.len)
        memcpy(buf, text.ptr, text.len);
    return text.len;
}

/* What a line says of the message; NULL, or why the file is none. */
static const char *take(struct sendmail_look *s, struct slice line)
{
    struct slice value = slice_skip(line, 1);
    if (!line.len)
        return NULL;
    if (s->complete)
        return "it goes on behind its end";
    switch (line.ptr[0]) {
    case 'V':
        if (!spool_is_number(value, &s->version) || s->version > VERSION_MAX)
            return "its version is not known";
        return NULL;
    case 'T':
        s->has_time = spool_is_number(value, &s->arrived);
        return s->has_time ? NULL : "it has no time that is understood";
    case 'd':
        s->dir_len = keep(s->dir, sizeof(s->dir), value);
        return NULL;
    case '.':
        s->complete = value.len == 0;
        return s->complete ? NULL : "it has a line that is not understood";
    default:
        return NULL;
    }
}

static bool stat_data(const struct sendmail_look *s, const char *dir, struct stat *st)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%sdf%s", dir, s->name + 2);
    return len > 0 && (size_t)len < sizeof(path) && walk_stat(&s->walk, path, st) == 0;
}

/* The directory that a line "d" names is one of those below the one that is looked at. */
static bool stat_elsewhere(const struct look *look, struct stat *st)
{
    const struct sendmail_look *s = look->state;
    struct slice dir = slice_of(s->dir, s->dir_len);
    char path[PATH_MAX - DIR_MAX];
    if (!dir.len || slice_starts(dir, SLICE("/")) || slice_find_text(dir, SLICE("..")) < dir.len ||
        slice_find(dir, '\0') < dir.len)
        return false;
    snprintf(path, sizeof(path), "%s/%.*s/", look->spool, SLICE_ARG(dir));
    if (stat_data(s, path, st))
        return true;
    snprintf(path, sizeof(path), "%s/%.*s/df/", look->spool, SLICE_ARG(dir));
    return stat_data(s, path, st);
}

static uint64_t body_bytes(const struct look *look)
{
    const struct sendmail_look *s = look->state;
    struct stat st;
    bool found = s->dir_len ? stat_elsewhere(look, &st)
                            : stat_data(s, "", &st) || stat_data(s, "../df/", &st);
    return found ? (uint64_t)st.st_size : 0;
}

static enum look_step tell_message(struct look *look)
{
    struct sendmail_look *s = look->state;
    int64_t age = time(NULL) - s->file.st.st_mtime;
    if (!s->complete && age >= 0 && age < YOUNG) {
        s->stage = NEXT;
        spool_close(&s->file);
        return LOOK_NOTHING;
    }
    if (!s->complete)
        return give_up(look, "it ends too early");
    if (!s->has_time)
        return give_up(look, "it has no time");
    if (spool_seek(&s->file, 0) < 0)
        return give_up(look, NULL);
    s->stage = RECIPIENTS;
    s->behind_sender = false;
    s->reason_len = s->own_len = 0;
    look->message = (struct queue_message){
        .queue = s->queue, .arrived = (int64_t)s->arrived, .bytes = body_bytes(look)};
    return LOOK_MESSAGE;
}

static enum look_step next_line(struct look *look)
{
    struct sendmail_look *s = look->state;
    struct slice line;
    for (;;) {
        const char *complaint = NULL;
        switch (spool_next(&s->file, &line)) {
        case SPOOL_LINE:
            complaint = take(s, line);
            if (complaint)
                return give_up(look, complaint);
            break;
        case SPOOL_MORE:
            return LOOK_NOTHING;
        case SPOOL_END:
            return tell_message(look);
        case SPOOL_FAILED:
            return give_up(look, NULL);
        }
    }
}

/* The files that tell of a message; what else lies in a queue directory belongs to one. */
static bool is_control(struct sendmail_look *s, struct slice name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (slice_starts(name, kinds[i].prefix)) {
            s->queue = kinds[i].queue;
            return name.len > 2 && name.len < sizeof(s->name);
        }
    }
    return false;
}

static enum look_step next_message(struct look *look, struct error *err)
{
    struct sendmail_look *s = look->state;
    enum look_step step;
    if (!look_walk(look, &s->walk, "", &step, err))
        return step;
    if (!is_control(s, slice_str(s->walk.name)))
        return LOOK_NOTHING;
    snprintf(s->name, sizeof(s->name), "%s", s->walk.name);
    if (spool_open(&s->file, &s->walk, s->name) < 0)
        return give_up(look, NULL);
    s->stage = CONTROL;
    s->version = 0;
    s->has_time = s->complete = false;
    s->dir_len = 0;
    return LOOK_NOTHING;
}

/* --- its recipients ------------------------------------------------------------------------ */

/* Where the byte stands first outside of quotes; text.len: nowhere. */
static size_t find_unquoted(struct slice text, char c)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && quoted)
            i++;
        else if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (text.ptr[i] == c && !quoted)
            return i;
    }
    return text.len;
}

/* Where the comment begins that ends the text; comments nest. 0: it has no beginning. */
static size_t comment_begin(struct slice text)
{
    size_t depth = 0;
    for (size_t i = text.len; i > 0; i--) {
        depth += text.ptr[i - 1] == ')';
        depth -= text.ptr[i - 1] == '(';
        if (depth == 0)
            return i - 1;
    }
    return 0;
}

/* "Name <user@host>" and "user@host (Name)", as a header had it, are user@host. */
static struct slice address_of(struct slice text)
{
    if (slice_ends(text, SLICE(">"))) {
        size_t open = find_unquoted(text, '<');
        return open == text.len ? text : slice_of(text.ptr + open + 1, text.len - open - 2);
    }
    size_t comment = slice_ends(text, SLICE(")")) ? comment_begin(text) : 0;
    return comment ? slice_trim(slice_head(text, comment)) : text;
}

/*
 * A file, a program or a list, which an alias may name, is in no domain, whatever '@' it has.
 * X.400's addresses begin as a file's name does: "/S=doe/@gateway.example".
 */
static bool is_no_mailbox(struct slice address)
{
    slice_take(&address, SLICE("\""));
    struct slice domain = slice_skip(address, slice_rfind(address, '@'));
    bool file = slice_starts(address, SLICE("/")) && slice_find(domain, '/') < domain.len;
    return file || slice_starts(address, SLICE("|")) || slice_starts(address, SLICE(":include:"));
}

/* "FLAGS:ADDRESS"; the first version had no flags. */
static enum look_step tell_recipient(struct look *look, struct slice text)
{
    struct sendmail_look *s = look->state;
    if (s->version > 0)
        slice_cut(&text, ':');
    struct slice address = address_of(text);
    look->recipient = (struct queue_recipient){
        .address = is_no_mailbox(address) ? SLICE_NONE : address,
        .reason = s->own_len ? slice_of(s->own, s->own_len) : slice_of(s->reason, s->reason_len),
    };
    s->own_len = 0;
    return address.len ? LOOK_RECIPIENT : LOOK_NOTHING;
}

/* Reasons stand in front: the message's before its sender, a recipient's own before it. */
static enum look_step take_envelope(struct look *look, struct slice line)
{
    struct sendmail_look *s = look->state;
    struct slice value = slice_skip(line, 1);
    switch (line.len ? line.ptr[0] : '\0') {
    case 'M':
        if (s->behind_sender)
            s->own_len = keep(s->own, sizeof(s->own), value);
        else
            s->reason_len = keep(s->reason, sizeof(s->reason), value);
        return LOOK_NOTHING;
    case 'S':
        s->behind_sender = true;
        return LOOK_NOTHING;
    case 'R':
        return tell_recipient(look, value);
    default:
        return LOOK_NOTHING;
    }
}

static enum look_step next_recipient(struct look *look)
{
    struct sendmail_look *s = look->state;
    struct slice line;
    switch (spool_next(&s->file, &line)) {
    case SPOOL_LINE:
        return take_envelope(look, line);
    case SPOOL_MORE:
        return LOOK_NOTHING;
    case SPOOL_FAILED:
        return give_up(look, NULL);
    case SPOOL_END:
        break;
    }
    s->stage = NEXT;
    spool_close(&s->file);
    return LOOK_NOTHING;
}

static enum look_step next(struct look *look, struct error *err)
{
    const struct sendmail_look *s = look->state;
    if (s->stage == CONTROL)
        return next_line(look);
    return s->stage == RECIPIENTS ? next_recipient(look) : next_message(look, err);
}

const struct queue_reader queue_reader_sendmail = {
    .name = "sendmail",
    .queues = {"queued", "quarantined", "lost"},
    .reads_files = true,
    .hint = "; let mailvane's user read it, on Debian as a member of group smmsp, and with "
            "confQUEUE_FILE_MODE 0640 in sendmail.mc",
    .state_size = sizeof(struct sendmail_look),
    .begin = begin,
    .next = next,
    .end = end,
};
