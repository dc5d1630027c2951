/*
 * A stage for tests of looks: a spool of its own, and what a look at it tells, one line each:
 *
 *     message QUEUE ARRIVED BYTES
 *     recipient ADDRESS [| REASON]
 *     unreadable NUMBER: NOTE
 */
#ifndef TESTS_LOOK_STAGE_H
#define TESTS_LOOK_STAGE_H

#include "guard.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/queue/look.h"

struct stage {
    char dir[64];
    struct strbuf got;
};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void stage_open(struct stage *stage)
{
    *stage = (struct stage){.got = STRBUF_INIT};
    snprintf(stage->dir, sizeof(stage->dir), "/tmp/look-XXXXXX");
    assert_non_null(mkdtemp(stage->dir));
    assert_int_equal(chmod(stage->dir, 0755), 0);
}

static inline void stage_close(struct stage *stage)
{
    nftw(stage->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    strbuf_release(&stage->got);
}

static inline void stage_path(const struct stage *stage, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", stage->dir, name);
}

/* With the directories that lead to it. */
static inline void stage_put(struct stage *stage, const char *name, struct slice bytes)
{
    char path[512];
    stage_path(stage, name, path);
    for (char *slash = path + strlen(stage->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        fail_msg("%s cannot be written", path);
    assert_int_equal(write(fd, bytes.ptr ? bytes.ptr : "", bytes.len), (ssize_t)bytes.len);
    close(fd);
}

static inline void stage_say(struct stage *stage, const struct look *look, enum look_step step)
{
    const struct queue_recipient *to = &look->recipient;
    if (step == LOOK_MESSAGE)
        strbuf_addf(&stage->got, "message %.*s %lld %llu\n", SLICE_ARG(look->message.queue),
                    (long long)look->message.arrived, (unsigned long long)look->message.bytes);
    else if (step == LOOK_RECIPIENT)
        strbuf_addf(&stage->got,
                    to->reason.len ? "recipient %.*s | %.*s\n" : "recipient %.*s%.*s\n",
                    SLICE_ARG(to->address), SLICE_ARG(to->reason));
}

/* One look; what it told is stage->got. */
static inline enum look_step stage_look(struct stage *stage, const char *mta)
{
    struct error err = {{0}};
    enum look_step step = LOOK_FAILED;
    struct look *look = look_new(queue_reader_named(mta), stage->dir);
    strbuf_reset(&stage->got);
    strbuf_add_str(&stage->got, "");
    if (look_begin(look, &err) == 0) {
        while ((step = look_next(look, &err)) != LOOK_END && step != LOOK_FAILED) {
            assert_int_not_equal(step, LOOK_WAIT);
            stage_say(stage, look, step);
        }
        look_end(look);
    }
    /* The name of the stage is another one each time. */
    struct slice note = slice_str(step == LOOK_FAILED ? err.text : look->note.text);
    slice_take(&note, slice_str(stage->dir));
    if (look->unreadable)
        strbuf_addf(&stage->got, "unreadable %llu: SPOOL%.*s\n",
                    (unsigned long long)look->unreadable, SLICE_ARG(note));
    if (step == LOOK_FAILED)
        strbuf_addf(&stage->got, "failed: SPOOL%.*s\n", SLICE_ARG(note));
    look_free(look);
    return step;
}

static inline void stage_expect(const char *name, struct stage *stage, const char *mta,
                                const char *want)
{
    stage_look(stage, mta);
    expect_slice(name, "look", strbuf_slice(&stage->got), slice_str(want));
}

/* A file that an MTA wrote, or its listing. */
static inline void stage_read(const char *path, struct strbuf *out)
{
    char buf[4096];
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s cannot be read", path);
    for (size_t n; (n = fread(buf, 1, sizeof(buf), in)) > 0;)
        strbuf_add(out, buf, n);
    fclose(in);
}

static inline void stage_copy(struct stage *stage, const char *from, const char *name)
{
    struct strbuf bytes = STRBUF_INIT;
    stage_read(from, &bytes);
    stage_put(stage, name, strbuf_slice(&bytes));
    strbuf_release(&bytes);
}

/*
 * A look of somebody who may not read what is said to be root's alone. Root itself could, so
 * it becomes nobody for that time.
 */
static inline void stage_look_as_nobody(struct stage *stage, const char *mta)
{
    bool root = geteuid() == 0;
    if (root)
        assert_int_equal(seteuid(65534), 0);
    stage_look(stage, mta);
    if (root)
        assert_int_equal(seteuid(0), 0);
}

#endif
