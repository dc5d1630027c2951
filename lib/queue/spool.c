#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void spool_close(struct spool_file *file)
{
    if (file->open)
        close(file->fd);
    file->open = false;
}

static void forget(struct spool_file *file, uint64_t at)
{
    file->at = at;
    file->start = file->end = 0;
    file->cut = file->ended = false;
}

int spool_open(struct spool_file *file, const struct walk *walk, const char *name)
{
    spool_close(file);
    file->fd = walk_open_file(walk, name);
    if (file->fd < 0)
        return -1;
    file->open = true;
    forget(file, 0);
    if (fstat(file->fd, &file->st) < 0)
        return -1;
    if (file->st.st_size <= SPOOL_FILE_MAX)
        return 0;
    spool_close(file);
    errno = EFBIG;
    return -1;
}

/* The unread bytes move to the front, and others come behind them. */
static enum spool_step fill(struct spool_file *file)
{
    memmove(file->buf, file->buf + file->start, file->end - file->start);
    file->end -= file->start;
    file->start = 0;
    ssize_t got = read(file->fd, file->buf + file->end, sizeof(file->buf) - file->end);
    if (got < 0)
        return errno == EINTR ? SPOOL_MORE : SPOOL_FAILED;
    file->end += (size_t)got;
    file->ended = got == 0;
    return SPOOL_MORE;
}

/* Hands out the unread bytes up to there, and passes over as many as stand between lines. */
static struct slice take(struct spool_file *file, size_t len, size_t between)
{
    struct slice line = slice_of(file->buf + file->start, len);
    file->start += len + between;
    file->at += len + between;
    return line;
}

enum spool_step spool_next(struct spool_file *file, struct slice *line)
{
    for (;;) {
        struct slice unread = slice_of(file->buf + file->start, file->end - file->start);
        size_t len = slice_find(unread, '\n');
        bool whole = len < unread.len;
        if (!whole && !file->ended && unread.len < sizeof(file->buf))
            return fill(file);
        if (!unread.len)
            return SPOOL_END;
        bool rest = file->cut;
        if (!rest)
            file->line_at = file->at;
        *line = take(file, len, whole);
        file->cut = !whole;
        if (!rest)
            return SPOOL_LINE;
    }
}

int spool_seek(struct spool_file *file, uint64_t at)
{
    uint64_t held_from = file->at - file->start;
    if (at >= held_from && at - held_from <= file->end) {
        file->start = (size_t)(at - held_from);
        file->at = at;
        file->cut = false;
        return 0;
    }
    forget(file, at);
    return lseek(file->fd, (off_t)at, SEEK_SET) < 0 ? -1 : 0;
}

#define DIGITS_MAX 18

bool spool_number(struct slice *text, uint64_t *out)
{
    size_t digits = 0;
    *out = 0;
    for (; digits < text->len && byte_is_digit(text->ptr[digits]); digits++) {
        if (digits == DIGITS_MAX)
            return false;
        *out = *out * 10 + (uint64_t)(text->ptr[digits] - '0');
    }
    *text = slice_skip(*text, digits);
    return digits > 0;
}

bool spool_is_number(struct slice text, uint64_t *out)
{
    return spool_number(&text, out) && text.len == 0;
}
