#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailvane/base/bug.h"

struct archive *archive_new(const struct logger *log, const char *path, int fd)
{
    if (!decompress_knows(fd)) {
        close(fd);
        return NULL;
    }
    struct archive *archive = must_calloc(1, sizeof(*archive));
    *archive = (struct archive){.log = log, .path = must_strdup(path), .fd = fd};
    return archive;
}

static void stop(struct archive *archive)
{
    if (archive->running)
        decompress_abandon(&archive->tool);
    archive->running = false;
    archive->at = 0;
}

void archive_free(struct archive *archive)
{
    stop(archive);
    block_release(&archive->reader);
    close(archive->fd);
    free(archive->path);
    free(archive);
}

/* From the first byte on. The tool shares the descriptor's place. */
static bool start(struct archive *archive)
{
    struct error err = {.text = ""};
    stop(archive);
    int fd = fcntl(archive->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        log_warn(archive->log, "%s: %s", archive->path, strerror(errno));
        return false;
    }
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        decompress_open(&archive->tool, archive->path, fd, &err) < 0) {
        log_warn(archive->log, "%s", err.text);
        return false;
    }
    archive->running = true;
    return true;
}

/* Whether the content was whole is known at its end only. */
static void finish(struct archive *archive)
{
    struct error err;
    archive->running = false;
    if (decompress_close(&archive->tool, archive->path, &err) < 0)
        log_warn(archive->log, "%s; what could be read of it is counted", err.text);
}

/* Takes the content up to a place. False where it ends before. */
static bool pass(struct archive *archive, struct tail *tail, uint64_t upto)
{
    char buf[16384];
    while (archive->at < upto) {
        uint64_t left = upto - archive->at;
        ssize_t got = read(archive->tool.fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        archive->at += (uint64_t)got;
        tail_pass(tail, slice_of(buf, (size_t)got), archive->at);
    }
    return true;
}

bool archive_peek(struct archive *archive, struct tail *tail)
{
    struct error err;
    tail->head_len = 0;
    bool whole = start(archive) && pass(archive, tail, TAIL_PRINT);
    if (!whole && archive->running && tail->head_len == 0) {
        archive->running = false;
        archive->damaged = decompress_close(&archive->tool, archive->path, &err) < 0;
    }
    stop(archive);
    tail_rewind(tail);
    return tail->head_len > 0;
}

/* To the place itself, which the fingerprint may lie around. */
static bool go_to(struct archive *archive, struct tail *tail, uint64_t offset)
{
    if (archive->at > offset) {
        if (!start(archive))
            return false;
        tail_rewind(tail);
    }
    tail->offset = offset;
    return pass(archive, tail, offset);
}

enum archive_found archive_find(struct archive *archive, struct tail *tail,
                                const struct print *print, uint64_t offset)
{
    tail->head_len = tail->mark_len = tail->mark_end = 0;
    if (!start(archive) || !pass(archive, tail, print->head_len) || !print_head_is_of(print, tail))
        return ARCHIVE_OTHER;
    if (!pass(archive, tail, print->mark_end) && archive->at < print->mark_end)
        return ARCHIVE_CUT;
    if (!print_mark_is_of(print, tail))
        return ARCHIVE_OTHER;
    return go_to(archive, tail, offset) ? ARCHIVE_FOUND : ARCHIVE_CUT;
}

static bool begin_to_read(struct archive *archive, const struct tail *tail, size_t line_max)
{
    if (archive->reader.cap)
        return archive->running;
    if (!archive->running && !start(archive))
        return false;
    block_init(&archive->reader, line_max);
    block_restart(&archive->reader, tail->skipping);
    archive->base = archive->at;
    return true;
}

enum tail_result archive_read(struct archive *archive, struct tail *tail, size_t line_max,
                              struct slice *lines)
{
    struct block_reader *reader = &archive->reader;
    if (!begin_to_read(archive, tail, line_max))
        return TAIL_END;
    enum block_result result = block_next(reader, archive->tool.fd, lines);
    uint64_t end = archive->base + reader->bytes;
    tail->offset = end - block_waiting(reader);
    tail->skipping = reader->skipping;
    if (tail->look.size < end)
        tail->look.size = end;
    if (result == BLOCK_LINES) {
        tail_pass(tail, *lines, tail->offset);
        return TAIL_LINES;
    }
    finish(archive);
    return TAIL_END;
}
