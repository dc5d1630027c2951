/*
 * The rows of include/mailvane/tables/options.def, and what one value must be.
 *
 * Knows nothing of YAML. Scalars are stored through the row's offset into the
 * struct they belong to: struct config, or struct config_source for the rows
 * under "sources[]", struct config_queue for those under "queue[]".
 */
#ifndef MAILVANE_CONFIG_OPTION_H
#define MAILVANE_CONFIG_OPTION_H

#include "mailvane/base/slice.h"
#include "mailvane/config/config.h"

enum option_type {
    OPTION_SECTION,     /* a mapping with rows of its own */
    OPTION_SOURCES,     /* a list of mappings */
    OPTION_QUEUES,      /* likewise */
    OPTION_ADDRESS_MAP, /* a mapping of free names to addresses */
    OPTION_PATHS,
    OPTION_LISTENS,
    OPTION_TEXT,
    OPTION_PATH,
    OPTION_SPOOL, /* of the MTA that the row is named after */
    OPTION_URL_PATH,
    OPTION_LISTEN,  /* host:port */
    OPTION_ADDRESS, /* stored in its canonical form */
    OPTION_CHOICE,
    OPTION_INTEGER, /* a long; scalars above are a char * */
    OPTION_BOOLEAN, /* a bool */
    OPTION_UNSUPPORTED,
};

struct option_row {
    const char *parent;
    const char *name;
    enum option_type type;
    size_t at;       /* offset of the member */
    size_t count_at; /* of a list: offset of its count */
    const char *value;
    long min;
    long max;
    const char *words;
    const char *help;
    bool is_entry; /* made by option_entry */
};

/* The row at i; NULL behind the last. */
const struct option_row *option_at(size_t i);
const struct option_row *option_find(const char *parent, struct slice name);
/* The supported row under parent that name may be a slip of; NULL where none is close. */
const struct option_row *option_nearest(const char *parent, struct slice name);

/* The row of one entry of a list of texts. */
struct option_row option_entry(const struct option_row *list);

/* Whether a scalar may stand there; plain: it was written without quotes. */
bool option_accepts(const struct option_row *row, struct slice text, bool plain);
/* What must stand there, to go behind "must be". */
void option_wants(const struct option_row *row, char *out, size_t size);

/* Stores an accepted scalar in the row's member of base; the old one is freed. */
void option_put(const struct option_row *row, void *base, struct slice text);
/* Appends an accepted scalar to the row's list in base. */
void option_append(const struct option_row *row, void *base, struct slice text);
/* Frees what the row's member owns: a text or a list of texts. */
void option_clear(const struct option_row *row, void *base);

/* Fills the rows of struct config with their defaults. */
void option_defaults(struct config *config);
/* Fills an entry of a list; parent is "queue[]" or its like. */
void option_entry_defaults(const char *parent, void *entry);

#endif
