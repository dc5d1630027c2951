/*
 * A header file and a journal of Exim's spool from anybody: read through the file system, as
 * the agent does, so that what is tested is what runs.
 */
#include "spool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_OF(which) "input/1xUy3a-00004n-2x-" which

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    spool_make("input");
    return 0;
}

/* What stands behind the last NUL is the journal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    size_t nul = slice_rfind(bytes, '\0');
    spool_put(FILE_OF("H"), slice_head(bytes, nul));
    spool_put(FILE_OF("J"), slice_skip(bytes, nul + 1));
    /* It is a message, or it is said that it is none. */
    struct told told = spool_look("exim");
    bug_if(told.messages + told.unreadable != 1);
    bug_if(told.recipients > size);
    bug_if(told.recipients && !told.messages);
    return 0;
}
