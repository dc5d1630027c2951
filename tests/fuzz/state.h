/*
 * What must hold of any file as a state file (source/checkpoint.h): it is opened, moved aside
 * or left alone; what is opened is read, saved into, and tells the same when it is opened again.
 */
#ifndef MAILVANE_TESTS_FUZZ_STATE_H
#define MAILVANE_TESTS_FUZZ_STATE_H

#include "mailvane/source/checkpoint.h"
#include "stage.h"

#define STATE_FILE "state.db"

static const char *const state_regions[] = {"births", "label provider", "correlate serial", "new"};
#define STATE_REGIONS (sizeof(state_regions) / sizeof(state_regions[0]))

/* Bytes of more than one chunk. */
static struct slice state_bytes(unsigned number)
{
    static char bytes[CHECKPOINT_CHUNK * 2 + 100];
    memset(bytes, (int)number + 'a', sizeof(bytes));
    return slice_of(bytes, sizeof(bytes) - number * 100);
}

static void state_read(struct checkpoint *c)
{
    struct follow_rows rows = {0};
    struct error err = {.text = ""};
    for (unsigned i = 0; i < STATE_REGIONS; i++) {
        struct slice bytes = image_get(checkpoint_reader(c), state_regions[i]);
        bug_if(bytes.len > CHECKPOINT_REGION_BYTES);
        copy_free(copy_of(bytes));
    }
    int rc = checkpoint_files(c, &rows, &err);
    bug_if((rc == 0) != (err.text[0] == '\0') || rows.count > CHECKPOINT_FILES_MAX);
    for (size_t i = 0; i < rows.count; i++)
        bug_if(!rows.items[i].pattern || !rows.items[i].path);
    follow_rows_release(&rows);
}

/* True where the save was made. */
static bool state_save(struct checkpoint *c)
{
    static char pattern[] = "/var/log/mail.log";
    struct follow_row row = {.role = FOLLOW_CURRENT, .pattern = pattern, .path = pattern};
    const struct follow_rows rows = {.items = &row, .count = 1};
    struct error err = {.text = ""};
    checkpoint_begin(c);
    for (unsigned i = 0; i < STATE_REGIONS; i++)
        image_put(checkpoint_writer(c), state_regions[i], state_bytes(i).ptr, state_bytes(i).len);
    checkpoint_put_files(c, &rows);
    int rc = checkpoint_commit(c, &err);
    bug_if((rc == 0) != (err.text[0] == '\0'));
    checkpoint_tidy(c);
    return rc == 0;
}

/* What was saved must be there, to the byte. */
static void state_check_saved(uint64_t seed)
{
    struct follow_rows rows = {0};
    struct error err = {.text = ""};
    struct checkpoint *c = checkpoint_open(STATE_FILE, NULL, &err);
    bug_if(!c || checkpoint_is_new(c) || checkpoint_seed(c) != seed);
    for (unsigned i = 0; i < STATE_REGIONS; i++)
        bug_if(!slice_eq(image_get(checkpoint_reader(c), state_regions[i]), state_bytes(i)));
    bug_if(checkpoint_files(c, &rows, &err) != 0 || rows.count != 1);
    follow_rows_release(&rows);
    checkpoint_close(c);
}

static void state_check(bool ours)
{
    struct error err = {.text = ""};
    struct checkpoint *c = checkpoint_open(STATE_FILE, NULL, &err);
    bug_if((c != NULL) != (err.text[0] == '\0'));
    /* Left alone or moved aside, but never gone. */
    bug_if(!c && access(STATE_FILE, F_OK) != 0);
    if (!c)
        return;
    uint64_t seed = checkpoint_seed(c);
    state_read(c);
    bool saved = state_save(c);
    checkpoint_close(c);
    if (saved && ours)
        state_check_saved(seed);
}

#endif
