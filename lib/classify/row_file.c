#include "row_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"

#define SHOWN_MAX 80 /* bytes of a value that a sentence quotes */

void row_file_init(struct row_file *file, const char *name, struct slice text)
{
    *file = (struct row_file){.name = name, .rest = text};
    slice_take(&file->rest, SLICE("\xef\xbb\xbf"));
}

bool row_file_next(struct row_file *file)
{
    while (file->rest.len) {
        file->row = slice_cut(&file->rest, '\n');
        file->line++;
        struct slice text = slice_trim(file->row);
        if (text.len && text.ptr[0] != '#')
            return true;
    }
    return false;
}

/* The value as a terminal may see it: cut, and without control bytes. */
static const char *shown(struct slice value, char buf[SHOWN_MAX + sizeof("...")])
{
    struct slice head = slice_head(value, SHOWN_MAX);
    for (size_t i = 0; i < head.len; i++)
        buf[i] = head.ptr[i] >= ' ' && head.ptr[i] < 0x7f ? head.ptr[i] : '?';
    memcpy(buf + head.len, "...", sizeof("..."));
    if (head.len == value.len)
        buf[head.len] = '\0';
    return buf;
}

int row_file_mistake(const struct row_file *file, struct slice value, const char *what,
                     struct error *err)
{
    return row_file_mistake_at(file, value.ptr, value, what, err);
}

int row_file_mistake_at(const struct row_file *file, const char *place, struct slice value,
                        const char *what, struct error *err)
{
    char buf[SHOWN_MAX + sizeof("...")];
    size_t column = (size_t)(place - file->row.ptr) + 1;
    return error_set(err, "%s:%u:%zu: \"%s\" %s", file->name, file->line, column, shown(value, buf),
                     what);
}

/* Opens without waiting, as a FIFO would make us. */
static int open_regular(const char *path, size_t max, size_t *size, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(err, "%s: cannot open it: %s", path, strerror(errno));
    int rc = 0;
    if (fstat(fd, &st) < 0)
        rc = error_set(err, "%s: cannot look at it: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = error_set(err, "%s: is not a regular file", path);
    else if ((uintmax_t)st.st_size > max)
        rc = error_set(err, "%s: has %jd bytes, more than %zu", path, (intmax_t)st.st_size, max);
    else
        *size = (size_t)st.st_size;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* Bytes read, at most cap; -1 with errno. */
static ssize_t read_full(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = read(fd, buf + len, cap - len);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break;
        len += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)len;
}

int row_file_read(const char *path, size_t max, struct slice *text, struct error *err)
{
    size_t size = 0;
    int fd = open_regular(path, max, &size, err);
    if (fd < 0)
        return -1;
    /* One byte more than it has: a file that grows meanwhile must not lose half a row. */
    char *buf = must_calloc(size + 1, 1);
    ssize_t len = read_full(fd, buf, size + 1);
    int rc = 0;
    if (len < 0)
        rc = error_set(err, "%s: cannot read it: %s", path, strerror(errno));
    else if ((size_t)len != size)
        rc = error_set(err, "%s: changed while it was read", path);
    close(fd);
    *text = rc == 0 ? slice_of(buf, size) : SLICE_NONE;
    if (rc < 0)
        free(buf);
    return rc;
}
