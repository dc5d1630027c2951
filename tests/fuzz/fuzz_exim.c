/*
 * A header file and a journal of Exim's spool from anybody: read through the file system, as
 * the agent does, so that what is tested is what runs.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/queue/look.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "1xUy3a-00004n-2x"

static char spool[] = "/tmp/fuzz-exim-XXXXXX";

static void at_end(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", spool);
    if (system(command) != 0)
        return;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[64];
    (void)argc;
    (void)argv;
    bug_if(!mkdtemp(spool));
    snprintf(path, sizeof(path), "%s/input", spool);
    bug_if(mkdir(path, 0700) != 0);
    atexit(at_end);
    return 0;
}

static void put(const char *name, struct slice bytes)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/input/" ID "%s", spool, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bug_if(fd < 0);
    bug_if(write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len);
    close(fd);
}

/* What stands behind the last NUL is the journal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    size_t nul = slice_rfind(bytes, '\0');
    struct error err;
    enum look_step step;
    put("-H", slice_head(bytes, nul));
    put("-J", slice_skip(bytes, nul + 1));
    struct look *look = look_new(queue_reader_named("exim"), spool);
    bug_if(look_begin(look, &err) != 0);
    while ((step = look_next(look, &err)) != LOOK_END) {
        bug_if(step == LOOK_FAILED || step == LOOK_WAIT);
        if (step == LOOK_RECIPIENT)
            bug_if(look->recipient.address.len == 0 || look->recipient.address.len > size);
    }
    look_end(look);
    look_free(look);
    return 0;
}
