/*
 * An envelope of OpenSMTPD from anybody: read through the file system, as the agent does, so
 * that what is tested is what runs.
 */
#include "spool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    spool_make("queue");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spool_put("queue/6e6017797322825d", slice_of((const char *)data, size));
    /* It is one recipient of one message, or it is said that it is none. */
    struct told told = spool_look("opensmtpd");
    bug_if(told.messages + told.unreadable != 1);
    bug_if(told.recipients != told.messages);
    return 0;
}
