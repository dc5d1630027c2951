#include "tail.h"

#include <errno.h>
#include <unistd.h>

#include "mailvane/base/hash.h"

void tail_init(struct tail *tail, int fd, const struct look *look)
{
    *tail = (struct tail){.fd = fd, .look = *look};
}

void tail_release(struct tail *tail)
{
    if (tail->fd >= 0)
        close(tail->fd);
    tail->fd = -1;
}

/* All of it or to the end of the file; 0 on an error, as if nothing was there. */
static size_t read_at(int fd, char *buf, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, buf + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

static void mark_before(struct tail *tail, uint64_t offset)
{
    size_t len = offset < TAIL_PRINT ? (size_t)offset : TAIL_PRINT;
    tail->mark_len = read_at(tail->fd, tail->mark, len, offset - len);
    tail->mark_end = offset - len + tail->mark_len;
}

void tail_resume(struct tail *tail, uint64_t offset)
{
    tail->offset = offset;
    mark_before(tail, offset);
}

/* Where the line begins that the byte before end belongs to; end where no newline is near. */
static uint64_t line_start(int fd, uint64_t end, size_t line_max, bool *found)
{
    char buf[4096];
    uint64_t at = end;
    while (at > 0 && end - at < line_max) {
        size_t len = at < sizeof(buf) ? (size_t)at : sizeof(buf);
        struct slice piece = slice_of(buf, read_at(fd, buf, len, at - len));
        size_t newline = slice_rfind(piece, '\n');
        *found = newline < piece.len;
        if (*found)
            return at - len + newline + 1;
        at -= len;
    }
    *found = at == 0;
    return *found ? 0 : end;
}

void tail_start_at_end(struct tail *tail, size_t line_max)
{
    bool found;
    uint64_t offset = line_start(tail->fd, tail->look.size, line_max, &found);
    tail_resume(tail, offset);
    tail->skipping = !found;
}

void tail_restart(struct tail *tail)
{
    struct look now;
    tail_init(tail, tail->fd, look_fd(tail->fd, &now) ? &now : &tail->look);
}

/* A short head grows with the file; one that does not continue it is of another age. */
static void grow_head(struct tail *tail)
{
    char now[TAIL_PRINT];
    size_t got = read_at(tail->fd, now, sizeof(now), 0);
    if (got > tail->head_len && memcmp(now, tail->head, tail->head_len) == 0) {
        memcpy(tail->head, now, got);
        tail->head_len = got;
    }
}

void tail_rewind(struct tail *tail)
{
    memcpy(tail->mark, tail->head, tail->head_len);
    tail->mark_len = tail->mark_end = tail->head_len;
    tail->offset = 0;
}

bool tail_pin(struct tail *tail)
{
    if (tail->head_len < TAIL_PRINT)
        grow_head(tail);
    if (tail->mark_len == 0 && tail->offset == 0)
        tail_rewind(tail);
    return tail_pinned(tail);
}

static bool holds_mark(const struct tail *tail, int fd)
{
    char now[TAIL_PRINT];
    size_t got = read_at(fd, now, tail->mark_len, tail->mark_end - tail->mark_len);
    return got == tail->mark_len && memcmp(now, tail->mark, got) == 0;
}

bool tail_intact(struct tail *tail)
{
    struct look now;
    if (!look_fd(tail->fd, &now) || now.size < tail->offset || !holds_mark(tail, tail->fd))
        return false;
    tail->look = now;
    return true;
}

/* The new mark ends with the lines; where they are short, the old one shows before them. */
static void move_mark(struct tail *tail, struct slice lines, uint64_t end)
{
    struct slice fresh = slice_skip(lines, lines.len > TAIL_PRINT ? lines.len - TAIL_PRINT : 0);
    size_t keep = 0;
    if (tail->mark_end == end - lines.len && fresh.len == lines.len) {
        keep = TAIL_PRINT - fresh.len;
        keep = keep < tail->mark_len ? keep : tail->mark_len;
        memmove(tail->mark, tail->mark + tail->mark_len - keep, keep);
    }
    memcpy(tail->mark + keep, fresh.ptr, fresh.len);
    tail->mark_len = keep + fresh.len;
    tail->mark_end = end;
}

void tail_pass(struct tail *tail, struct slice bytes, uint64_t end)
{
    uint64_t from = end - bytes.len;
    if (from <= tail->head_len && tail->head_len < end) {
        struct slice more = slice_head(slice_skip(bytes, (size_t)(tail->head_len - from)),
                                       TAIL_PRINT - tail->head_len);
        memcpy(tail->head + tail->head_len, more.ptr, more.len);
        tail->head_len += more.len;
    }
    move_mark(tail, bytes, end);
}

enum tail_result tail_read(struct tail *tail, struct block_reader *reader, struct slice *lines)
{
    uint64_t before = reader->bytes;
    if (!tail_pin(tail) && tail->offset == 0)
        return TAIL_END;
    block_restart(reader, tail->skipping);
    if (lseek(tail->fd, (off_t)tail->offset, SEEK_SET) < 0)
        return TAIL_ERROR;
    enum block_result result = block_next(reader, tail->fd, lines);
    if (result == BLOCK_ERROR)
        return TAIL_ERROR;
    if (!tail_intact(tail))
        return TAIL_CHANGED;
    tail->offset += reader->bytes - before - block_waiting(reader);
    tail->skipping = reader->skipping;
    if (result == BLOCK_END)
        return TAIL_END;
    move_mark(tail, *lines, tail->offset);
    return TAIL_LINES;
}

uint64_t tail_behind(const struct tail *tail)
{
    return tail->look.size > tail->offset ? tail->look.size - tail->offset : 0;
}

static uint64_t hash_bytes(const char *bytes, size_t len)
{
    return hash_slice(slice_of(bytes, len), 0);
}

void tail_print(const struct tail *tail, struct print *out)
{
    *out = (struct print){
        .head_len = tail->head_len,
        .head_hash = hash_bytes(tail->head, tail->head_len),
        .mark_end = tail->mark_end,
        .mark_len = tail->mark_len,
        .mark_hash = hash_bytes(tail->mark, tail->mark_len),
    };
}

static bool holds_hash(int fd, uint64_t offset, uint64_t len, uint64_t hash)
{
    char now[TAIL_PRINT];
    return len <= sizeof(now) && read_at(fd, now, (size_t)len, offset) == len &&
           hash_bytes(now, (size_t)len) == hash;
}

bool print_is_in(const struct print *print, int fd)
{
    return print->head_len && print->mark_len && print->mark_len <= print->mark_end &&
           holds_hash(fd, 0, print->head_len, print->head_hash) &&
           holds_hash(fd, print->mark_end - print->mark_len, print->mark_len, print->mark_hash);
}

bool print_head_is_of(const struct print *print, const struct tail *tail)
{
    return print->head_len && print->head_len <= tail->head_len &&
           hash_bytes(tail->head, (size_t)print->head_len) == print->head_hash;
}

bool print_mark_is_of(const struct print *print, const struct tail *tail)
{
    const char *bytes = NULL;
    if (print->mark_len == 0 || print->mark_len > print->mark_end)
        return false;
    if (print->mark_end <= tail->head_len)
        bytes = tail->head + (print->mark_end - print->mark_len);
    else if (print->mark_end == tail->mark_end && print->mark_len <= tail->mark_len)
        bytes = tail->mark + (tail->mark_len - print->mark_len);
    return bytes && hash_bytes(bytes, (size_t)print->mark_len) == print->mark_hash;
}

bool tail_is_in(const struct tail *tail, int fd, uint64_t size)
{
    return tail_pinned(tail) && size >= tail->offset && holds_mark(tail, fd);
}

bool tail_head_is_of(const struct tail *copy, const struct tail *of)
{
    return copy->head_len > 0 && copy->head_len <= of->head_len &&
           memcmp(copy->head, of->head, copy->head_len) == 0;
}
