/*
 * A control file of Sendmail's queue from anybody: read through the file system, as the
 * agent does, so that what is tested is what runs.
 */
#include "spool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    spool_make("q");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of((const char *)data, size);
    spool_put("q/qf6AM3H5wi000557", bytes);
    /* It is a message, or it is said that it is none; each recipient stands in a line. */
    struct told told = spool_look("sendmail");
    bug_if(told.messages + told.unreadable != 1);
    bug_if(told.recipients > size);
    bug_if(told.recipients && !told.messages);
    return 0;
}
