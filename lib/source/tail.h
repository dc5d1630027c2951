/*
 * One open file and how far it was read.
 *
 * No bytes are kept for it but two fingerprints: the head (the file's first
 * bytes) and the mark (the last bytes before what was handed out last, or the
 * head while nothing was). The state is the offset of the first byte that was
 * not handed out, so a partial last line is read again when it grows.
 *
 * Every read is checked after it was made: when the mark does not stand where it
 * stood, the file was truncated or written anew since, what was read may be of
 * another age and is not handed out. Checking before the read would leave a gap.
 */
#ifndef SOURCE_TAIL_H
#define SOURCE_TAIL_H

#include <stddef.h>

#include "ident.h"
#include "mailvane/base/slice.h"
#include "mailvane/source/block.h"

/*
 * Bytes of a fingerprint: more than the longest record that syslog daemons write, so
 * that it holds a stamp and a queue id, however alike the ends of two lines are.
 */
#define TAIL_PRINT 2200

struct tail {
    int fd;
    struct look look; /* the last one at which the mark stood */
    uint64_t offset;  /* the first byte not handed out */
    bool skipping;    /* within a line that is too long */
    uint64_t mark_end;
    size_t mark_len; /* 0: nothing is known of the content (the file was empty) */
    char mark[TAIL_PRINT];
    size_t head_len;
    char head[TAIL_PRINT];
};

/*
 * A fingerprint whose bytes are gone. The hashes are XXH3 without a seed: they mean the
 * same in another process.
 */
struct print {
    uint64_t head_len, head_hash;
    uint64_t mark_end, mark_len, mark_hash;
};

enum tail_result {
    TAIL_LINES,
    TAIL_END,     /* all whole lines were read */
    TAIL_CHANGED, /* truncated or written anew; nothing was taken */
    TAIL_ERROR,   /* read(2) failed, see errno */
};

/* Takes the descriptor; reads from the start. */
void tail_init(struct tail *tail, int fd, const struct look *look);
void tail_release(struct tail *tail);

/* Reads on from an offset known from before. */
void tail_resume(struct tail *tail, uint64_t offset);
/* Only what comes; a partial last line counts as coming. */
void tail_start_at_end(struct tail *tail, size_t line_max);
/* Forgets all but the file. */
void tail_restart(struct tail *tail);

/* Takes the fingerprints that are missing. False while the file is empty. */
bool tail_pin(struct tail *tail);

static inline bool tail_pinned(const struct tail *tail)
{
    return tail->mark_len > 0;
}

/* Is the content that was read still there? Looks at the file anew. */
bool tail_intact(struct tail *tail);

enum tail_result tail_read(struct tail *tail, struct block_reader *reader, struct slice *lines);

/* Bytes not handed out, by the last look. */
uint64_t tail_behind(const struct tail *tail);

/* Takes in content that ends at a place and that nothing can be read of again. */
void tail_pass(struct tail *tail, struct slice bytes, uint64_t end);
/* Nothing was handed out: what is known of the content is its head. */
void tail_rewind(struct tail *tail);

void tail_print(const struct tail *tail, struct print *out);
/* Does the file hold that content, at the same places? Not where nothing is known of it. */
bool print_is_in(const struct print *print, int fd);
/* The same of what was passed: of its head, and of what stands before the last place. */
bool print_head_is_of(const struct print *print, const struct tail *tail);
bool print_mark_is_of(const struct print *print, const struct tail *tail);

/* Does another file hold what was read of this one, at the same place? */
bool tail_is_in(const struct tail *tail, int fd, uint64_t size);
/* Can copy have been made of the file whose head this is? Only what it held already can be in it.
 */
bool tail_head_is_of(const struct tail *copy, const struct tail *of);

#endif
