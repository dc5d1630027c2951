/*
 * Which file is this? A name says nothing (rotation moves names), an inode number
 * alone is given again after a deletion: device, inode and time of birth do it.
 */
#ifndef SOURCE_IDENT_H
#define SOURCE_IDENT_H

#include <stdbool.h>
#include <stdint.h>

struct ident {
    uint64_t dev;
    uint64_t ino;
    int64_t born; /* ns since the epoch; 0 where the file system does not know */
};

struct look {
    struct ident id;
    uint64_t size;
    int64_t mtime; /* ns since the epoch */
    bool regular;
    bool link;
    bool directory;
    bool deleted; /* no name is left */
};

/* Neither follows a symlink. False with errno. */
bool look_at(int dirfd, const char *name, struct look *out);
bool look_fd(int fd, struct look *out);

/* As memcmp: an order to sort and search by. */
int ident_compare(const struct ident *a, const struct ident *b);

static inline bool ident_eq(const struct ident *a, const struct ident *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->born == b->born;
}

#endif
