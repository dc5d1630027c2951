/*
 * Postfix: its showq(8) tells everything. Where that cannot be reached, the directories
 * tell at least how many messages there are.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mailvane/queue/showq.h"
#include "reader.h"

#define SOCKET      "public/showq"
#define READ_BUFFER (16u << 10)

struct postfix_look {
    struct showq showq;
    struct slice unread; /* of buf */
    char buf[READ_BUFFER];
    bool ended;        /* showq has told all */
    unsigned scanning; /* index of the queue whose directory is walked */
    struct walk walk;
    struct error unreachable; /* why showq is not asked */
};

/* The one sentence that says what to do. */
static int fail_connect(struct look *look, struct error *err, int why)
{
    const char *hint = "";
    if (why == EACCES)
        hint = "; only group postdrop may reach it: add mailvane's user to that group";
    else if (why == ENOENT || why == ECONNREFUSED)
        hint = "; is Postfix running?";
    return error_set(err, "%s/" SOCKET ": %s%s", look->spool, strerror(why), hint);
}

/* A local socket connects at once, or not at all. */
static int connect_showq(struct look *look, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET, look->spool);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path))
        return fail_connect(look, err, ENAMETOOLONG);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_connect(look, err, errno);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int why = errno;
        close(fd);
        return fail_connect(look, err, why);
    }
    look->fd = fd;
    return 0;
}

/* Opens the directory of a queue, if it has one; LOOK_END behind the last queue. */
static enum look_step open_queue(struct look *look, struct error *err)
{
    struct postfix_look *p = look->state;
    char path[PATH_MAX];
    const char *queue = look->reader->queues[p->scanning];
    if (!queue)
        return LOOK_END;
    snprintf(path, sizeof(path), "%s/%s", look->spool, queue);
    if (walk_open(&p->walk, path) == 0 || errno == ENOENT)
        return LOOK_NOTHING;
    *err = p->unreachable;
    return LOOK_FAILED;
}

static int begin(struct look *look, struct error *err)
{
    struct postfix_look *p = look->state;
    showq_init(&p->showq);
    p->unread = SLICE_NONE;
    p->ended = false;
    if (connect_showq(look, &p->unreachable) == 0)
        return 0;
    for (p->scanning = 0; !p->walk.depth; p->scanning += !p->walk.depth) {
        /* Not one queue: it is no spool, or none that may be read. */
        if (open_queue(look, err) != LOOK_NOTHING) {
            *err = p->unreachable;
            return -1;
        }
    }
    look->counts_only = true;
    look->note = p->unreachable;
    return 0;
}

/* Queue files bear the id of their message. */
static bool is_queue_id(const char *name)
{
    for (; *name; name++) {
        if (!byte_is_alnum(*name))
            return false;
    }
    return true;
}

/* What cannot be read is told as why showq was not asked: that is what is to be mended. */
static enum look_step scan(struct look *look, struct error *err)
{
    struct postfix_look *p = look->state;
    enum look_step step;
    if (!look_walk(look, &p->walk, "", &step, err)) {
        *err = p->unreachable;
        if (step != LOOK_END)
            return step;
        p->scanning++;
        return open_queue(look, err);
    }
    if (!is_queue_id(p->walk.name))
        return LOOK_NOTHING;
    look->message = (struct queue_message){
        .queue = slice_str(look->reader->queues[p->scanning]),
        .arrived = QUEUE_TIME_UNKNOWN,
    };
    return LOOK_MESSAGE;
}

/* Reads more; LOOK_NOTHING where there is some. */
static enum look_step fill(struct look *look, struct error *err)
{
    struct postfix_look *p = look->state;
    ssize_t got = read(look->fd, p->buf, sizeof(p->buf));
    if (got > 0) {
        p->unread = slice_of(p->buf, (size_t)got);
        return LOOK_NOTHING;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return LOOK_WAIT;
    if (got == 0 && p->ended)
        return LOOK_END;
    error_set(err, "%s/" SOCKET ": %s", look->spool,
              got < 0 ? strerror(errno) : "closed before the list was complete");
    return LOOK_FAILED;
}

static enum look_step ask(struct look *look, struct error *err)
{
    struct postfix_look *p = look->state;
    switch (showq_next(&p->showq, &p->unread)) {
    case SHOWQ_MESSAGE:
        look->message = p->showq.message;
        return LOOK_MESSAGE;
    case SHOWQ_RECIPIENT:
        look->recipient = p->showq.recipient;
        return LOOK_RECIPIENT;
    case SHOWQ_END:
        p->ended = true;
        return LOOK_NOTHING;
    case SHOWQ_BAD:
        error_set(err, "%s/" SOCKET ": %s", look->spool, p->showq.complaint);
        return LOOK_FAILED;
    case SHOWQ_HUNGRY:
        break;
    }
    return fill(look, err);
}

static enum look_step next(struct look *look, struct error *err)
{
    return look->counts_only ? scan(look, err) : ask(look, err);
}

static void end(struct look *look)
{
    struct postfix_look *p = look->state;
    walk_close(&p->walk);
    if (look->fd >= 0)
        close(look->fd);
}

const struct queue_reader queue_reader_postfix = {
    .name = "postfix",
    .queues = {"maildrop", "incoming", "active", "deferred", "hold"},
    .state_size = sizeof(struct postfix_look),
    .begin = begin,
    .next = next,
    .end = end,
};
