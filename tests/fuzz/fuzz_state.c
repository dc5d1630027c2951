/*
 * Any bytes as a state file: whatever SQLite makes of them, state.h says what must hold. The
 * tables may be others than ours, so that nothing is said of what was saved.
 */
#include "state.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stage_open();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stage_enter();
    stage_write(STATE_FILE, input_of(data, size));
    state_check(false);
    stage_clear();
    stage_leave();
    return 0;
}
