/*
 * OpenSMTPD: queue/XX/MESSAGE/ holds the file `message` and one file for each envelope, which
 * is a recipient: its name is that of the message and eight digits more. What was handed in
 * while smtpd was down lies in offline/, a file each. Sources: envelope.c and queue_fs.c of
 * OpenSMTPD 6.8 and 7.8.
 *
 * incoming/, temporary/ and purge/ are passed over: what is being received or removed does
 * not wait.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "reader.h"
#include "spool.h"

#define VERSION_MAX     3 /* of envelopes, as of OpenSMTPD 7.8 */
#define MESSAGE_DIGITS  8
#define ENVELOPE_DIGITS 16
/* smtpd itself takes an envelope for damaged that is larger than about 5 KiB. */
#define ENVELOPE_MAX (16u << 10)

enum { QUEUE, OFFLINE, DIRS };
static const char *const dirs[DIRS] = {[QUEUE] = "queue", [OFFLINE] = "offline"};

struct envelope {
    struct slice version, type, sender, rcpt, dest, created, errorline;
};

struct opensmtpd_look {
    struct walk walk;
    unsigned dir; /* the one that is walked */
    char message[MESSAGE_DIGITS];
    bool told;          /* that message was; */
    bool damaged;       /* or it has an envelope that is none */
    struct envelope at; /* whose recipient is told next, where its message had to be first */
    bool waiting;
    char buf[ENVELOPE_MAX];
};

static int open_dir(struct look *look, unsigned dir)
{
    struct opensmtpd_look *o = look->state;
    char path[PATH_MAX];
    o->dir = dir;
    snprintf(path, sizeof(path), "%s/%s", look->spool, dirs[dir]);
    return walk_open(&o->walk, path);
}

static int begin(struct look *look, struct error *err)
{
    struct opensmtpd_look *o = look->state;
    o->waiting = o->told = o->damaged = false;
    memset(o->message, 0, sizeof(o->message));
    return open_dir(look, QUEUE) < 0 ? look_fail(look, dirs[QUEUE], err) : 0;
}

static void end(struct look *look)
{
    struct opensmtpd_look *o = look->state;
    walk_close(&o->walk);
}

/* --- an envelope ------------------------------------------------------------------------- */

static void take_field(struct envelope *e, struct slice name, struct slice value)
{
    const struct {
        struct slice name;
        struct slice *to;
    } fields[] = {
        {SLICE("version"), &e->version},     {SLICE("type"), &e->type},
        {SLICE("sender"), &e->sender},       {SLICE("rcpt"), &e->rcpt},
        {SLICE("dest"), &e->dest},           {SLICE("ctime"), &e->created},
        {SLICE("errorline"), &e->errorline},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (slice_eq(fields[i].name, name))
            *fields[i].to = value;
    }
}

/* Letters, digits and hyphens, as smtpd wants them. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!byte_is_alnum(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    }
    return name.len > 0;
}

/* Lines "name: value". NULL, or why it is none. */
static const char *parse(struct slice bytes, struct envelope *e)
{
    uint64_t version;
    *e = (struct envelope){.version = SLICE_NONE};
    if (slice_starts(bytes, SLICE("\x1f\x8b")))
        return "it is compressed (queue compression), which mailvane does not read";
    if (slice_starts(bytes, SLICE("\x01")))
        return "it is encrypted (queue encryption), which mailvane cannot read";
    while (bytes.len) {
        struct slice value = slice_cut(&bytes, '\n');
        size_t colon = slice_find(value, ':');
        struct slice name = slice_trim(slice_head(value, colon));
        if (colon == value.len || !is_name(name))
            return "it is no envelope that is understood";
        take_field(e, name, slice_trim(slice_skip(value, colon + 1)));
    }
    if (!e->version.len || !e->type.len || !e->created.len || !e->dest.len)
        return "it lacks version, type, ctime or dest";
    if (!spool_is_number(e->version, &version) || version > VERSION_MAX)
        return "its version is not known";
    return NULL;
}

/* A notice goes to the sender; what the envelope says of the failure is its content. */
static enum look_step tell_recipient(struct look *look)
{
    struct opensmtpd_look *o = look->state;
    bool bounce = slice_eq(o->at.type, SLICE("bounce"));
    o->waiting = false;
    look->recipient = (struct queue_recipient){
        .address = bounce ? o->at.sender : o->at.dest,
        .reason = bounce ? SLICE_NONE : o->at.errorline,
    };
    return LOOK_RECIPIENT;
}

/* Of a message with several envelopes the first one that is read stands for its age. */
static enum look_step tell_message(struct look *look, uint64_t created)
{
    struct opensmtpd_look *o = look->state;
    struct stat st;
    bool found = walk_stat(&o->walk, "message", &st) == 0;
    o->told = o->waiting = true;
    look->message = (struct queue_message){
        .queue = slice_str(dirs[QUEUE]),
        .arrived = (int64_t)created,
        .bytes = found ? (uint64_t)st.st_size : 0,
    };
    return LOOK_MESSAGE;
}

/* A message counts once, however many of its envelopes are damaged. */
static enum look_step give_up(struct look *look, const char *why)
{
    struct opensmtpd_look *o = look->state;
    bool gone = !why && errno == ENOENT;
    if (o->damaged || gone)
        return LOOK_NOTHING;
    o->damaged = true;
    return why ? look_unreadable(look, o->walk.name, why)
               : look_unreadable_file(look, o->walk.name);
}

/* The whole file; -1 with errno. */
static ssize_t read_envelope(struct opensmtpd_look *o)
{
    int fd = walk_open_file(&o->walk, o->walk.name);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, o->buf, sizeof(o->buf));
    int why = errno;
    close(fd);
    errno = why;
    return got;
}

static enum look_step next_envelope(struct look *look)
{
    struct opensmtpd_look *o = look->state;
    uint64_t created;
    if (memcmp(o->message, o->walk.name, MESSAGE_DIGITS) != 0) {
        memcpy(o->message, o->walk.name, MESSAGE_DIGITS);
        o->told = o->damaged = false;
    }
    ssize_t got = read_envelope(o);
    if (got < 0)
        return give_up(look, NULL);
    if ((size_t)got == sizeof(o->buf))
        return give_up(look, "it is too large for an envelope");
    const char *complaint = parse(slice_of(o->buf, (size_t)got), &o->at);
    if (complaint)
        return give_up(look, complaint);
    if (!spool_is_number(o->at.created, &created))
        return give_up(look, "it has no time that is understood");
    return o->told ? tell_recipient(look) : tell_message(look, created);
}

/* --- the spool --------------------------------------------------------------------------- */

static enum look_step tell_offline(struct look *look)
{
    struct opensmtpd_look *o = look->state;
    struct stat st;
    if (walk_stat(&o->walk, o->walk.name, &st) != 0)
        return look_unreadable_file(look, o->walk.name);
    look->message = (struct queue_message){
        .queue = slice_str(dirs[OFFLINE]),
        .arrived = (int64_t)st.st_mtime,
        .bytes = (uint64_t)st.st_size,
    };
    return LOOK_MESSAGE;
}

/* The next directory that is there. */
static enum look_step next_dir(struct look *look, struct error *err)
{
    struct opensmtpd_look *o = look->state;
    if (o->dir + 1 == DIRS)
        return LOOK_END;
    if (open_dir(look, o->dir + 1) == 0 || errno == ENOENT)
        return LOOK_NOTHING;
    look_fail(look, dirs[o->dir], err);
    return LOOK_FAILED;
}

static bool is_envelope(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!byte_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
    }
    return name.len == ENVELOPE_DIGITS;
}

static enum look_step next(struct look *look, struct error *err)
{
    struct opensmtpd_look *o = look->state;
    enum look_step step;
    if (o->waiting)
        return tell_recipient(look);
    if (!look_walk(look, &o->walk, dirs[o->dir], &step, err))
        return step == LOOK_END ? next_dir(look, err) : step;
    if (o->dir == OFFLINE)
        return tell_offline(look);
    return is_envelope(slice_str(o->walk.name)) ? next_envelope(look) : LOOK_NOTHING;
}

const struct queue_reader queue_reader_opensmtpd = {
    .name = "opensmtpd",
    .queues = {"queue", "offline"},
    .reads_files = true,
    .hint = "; only root and OpenSMTPD's queue user (on Debian opensmtpq) may read it, and smtpd "
            "insists on that",
    .state_size = sizeof(struct opensmtpd_look),
    .begin = begin,
    .next = next,
    .end = end,
};
