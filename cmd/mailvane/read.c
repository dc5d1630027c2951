#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void file_reader_init(struct file_reader *r)
{
    *r = (struct file_reader){.source.fd = -1};
    block_init(&r->blocks, READ_BUFFER);
}

void file_reader_release(struct file_reader *r)
{
    block_release(&r->blocks);
}

int file_reader_open(struct file_reader *r, const char *path, struct error *err)
{
    struct stat st;
    bool std = strcmp(path, "-") == 0;
    r->path = std ? "stdin" : path;
    r->begun = false;
    block_reset(&r->blocks);
    int fd = std ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "%s: %s", r->path, strerror(errno));
    if (fstat(fd, &st) < 0) {
        close(fd);
        return error_set(err, "%s: cannot be looked at", r->path);
    }
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return error_set(err, "%s: is a directory, not a log file", r->path);
    }
    r->mtime = S_ISREG(st.st_mode) ? st.st_mtime : time(NULL);
    r->source = (struct decompress){.fd = fd};
    if (!S_ISREG(st.st_mode))
        return 0;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return decompress_open(&r->source, r->path, fd, err);
}

/* 1: *lines is filled; 0: nothing is left; -1: the file cannot be read. */
static int next_block(struct file_reader *r, struct slice *lines, struct error *err)
{
    switch (block_next(&r->blocks, r->source.fd, lines)) {
    case BLOCK_LINES:
        return 1;
    case BLOCK_ERROR:
        return error_set(err, "%s: %s", r->path, strerror(errno));
    default:
        return block_rest(&r->blocks, lines);
    }
}

/* A file's first bytes were looked at when it was opened; those of a pipe are seen here. */
static int refuse_compressed(struct file_reader *r, struct slice lines, struct error *err)
{
    const char *tool = r->begun || r->source.pid ? NULL : decompress_tool(lines);
    r->begun = true;
    if (!tool)
        return 0;
    return error_set(err, "%s: is compressed; let `%s -dc` read it first", r->path, tool);
}

int file_reader_next(struct file_reader *r, struct slice *lines, struct error *err)
{
    int more = next_block(r, lines, err);
    if (more > 0 && refuse_compressed(r, *lines, err) < 0)
        more = -1;
    if (more > 0)
        return more;
    if (more == 0)
        return decompress_close(&r->source, r->path, err);
    decompress_abandon(&r->source);
    return -1;
}
