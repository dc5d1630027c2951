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

int file_reader_next(struct file_reader *r, struct slice *lines, struct error *err)
{
    switch (block_next(&r->blocks, r->source.fd, lines)) {
    case BLOCK_LINES:
        return 1;
    case BLOCK_ERROR: {
        struct error ignored;
        error_set(err, "%s: %s", r->path, strerror(errno));
        decompress_close(&r->source, r->path, &ignored);
        return -1;
    }
    default:
        break;
    }
    if (block_rest(&r->blocks, lines))
        return 1;
    return decompress_close(&r->source, r->path, err);
}
