#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Reads on to the end; false with errno where it fails, or with EFBIG at max. */
static bool read_all(int fd, size_t max, struct strbuf *text)
{
    char chunk[16384];
    for (size_t total = 0;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        total += (size_t)got;
        if (total > max) {
            errno = EFBIG;
            return false;
        }
        strbuf_add(text, chunk, (size_t)got);
    }
}

int file_read(const char *path, size_t max, struct strbuf *text, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "%s: cannot be opened: %s", path, strerror(errno));
    bool done = read_all(fd, max, text);
    int why = errno;
    close(fd);
    if (done)
        return 0;
    if (why == EFBIG)
        return error_set(err, "%s: is larger than %zu bytes", path, max);
    return error_set(err, "%s: cannot be read: %s", path, strerror(why));
}
