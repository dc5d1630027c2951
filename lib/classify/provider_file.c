#include "provider_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/domain.h"
#include "mailvane/classify/provider.h"

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */
#define SHOWN_MAX 80 /* bytes of a value that a sentence quotes */

void provider_file_init(struct provider_file *file, const char *name, struct slice text)
{
    *file = (struct provider_file){.name = name, .rest = text};
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

int provider_file_mistake(const struct provider_file *file, struct slice value, const char *what,
                          struct error *err)
{
    char buf[SHOWN_MAX + sizeof("...")];
    size_t column = (size_t)(value.ptr - file->row.ptr) + 1;
    return error_set(err, "%s:%u:%zu: \"%s\" %s", file->name, file->line, column, shown(value, buf),
                     what);
}

/* The next line that may be a row; false at the end. */
static bool next_line(struct provider_file *file)
{
    while (file->rest.len) {
        file->row = slice_cut(&file->rest, '\n');
        file->line++;
        if (slice_trim(file->row).len && file->row.ptr[0] != '#')
            return true;
    }
    return false;
}

static bool is_name_byte(char c)
{
    return byte_is_lower(c) || byte_is_digit(c) || c == '-' || c == '.' || c == '/';
}

static bool is_name(struct slice name)
{
    if (name.len == 0 || name.len > PROVIDER_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_byte(name.ptr[i]))
            return false;
    }
    return byte_is_lower(name.ptr[0]) || byte_is_digit(name.ptr[0]);
}

static bool is_label(struct slice label)
{
    for (size_t i = 0; i < label.len; i++) {
        if (!byte_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    }
    return label.len > 0 && label.len <= LABEL_MAX;
}

static bool is_domain(struct slice domain)
{
    if (domain.len == 0 || domain.len > DOMAIN_MAX || domain.ptr[domain.len - 1] == '.')
        return false;
    while (domain.len) {
        if (!is_label(slice_cut(&domain, '.')))
            return false;
    }
    return true;
}

/* The sign before a suffix says what it stands for. */
static void split_suffix(struct provider_row *row)
{
    row->key = row->suffix;
    row->kind = PROVIDER_KEY_HOST;
    if (slice_take(&row->key, SLICE(".")))
        row->kind = PROVIDER_KEY_BELOW;
    else if (slice_take(&row->key, SLICE("=")))
        row->kind = PROVIDER_KEY_DOMAIN;
}

enum provider_file_result provider_file_next(struct provider_file *file, struct provider_row *row,
                                             struct error *err)
{
    const char *what = NULL;
    if (!next_line(file))
        return PROVIDER_END;
    struct slice rest = file->row;
    row->provider = slice_cut(&rest, '\t');
    row->suffix = slice_trim(slice_cut(&rest, '\t'));
    split_suffix(row);
    struct slice wrong = row->provider;
    if (!is_name(row->provider)) {
        what = "is no provider's name: at most 63 of a-z 0-9 . - / with a letter or digit first, "
               "then a tab";
    } else if (!is_domain(row->key)) {
        what = "is no suffix: .example.net, mx.example.net or =example.net must follow the tab";
        wrong = row->suffix;
    }
    if (!what)
        return PROVIDER_ROW;
    provider_file_mistake(file, wrong, what, err);
    return PROVIDER_MISTAKE;
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

int provider_file_read(const char *path, size_t max, struct slice *text, struct error *err)
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
