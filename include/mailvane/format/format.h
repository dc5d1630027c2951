/*
 * A log format: what the lines of one MTA say.
 *
 * A format is one `const struct format` and one row in tables/formats.def. Its
 * parser gets the envelope of a line that `claims` took as its own and tells what
 * the line was (enum outcome); for OUTCOME_EVENT it has filled *out. It allocates
 * nothing: what must be remembered from line to line lies in its state, whose size
 * is fixed when it is made.
 *
 * A format_set holds the state of every format for the logs of one host, whose queue
 * ids do not repeat, and finds the format of a line by its program.
 */
#ifndef MAILVANE_FORMAT_FORMAT_H
#define MAILVANE_FORMAT_FORMAT_H

#include "mailvane/base/image.h"
#include "mailvane/event/event.h"
#include "mailvane/line/envelope.h"

struct format {
    const char *name;
    const char *summary; /* one line for --help */
    /* A number that parse gets back (which daemon it is); -1: not this format's line. */
    int (*claims)(struct slice program);
    void *(*state_new)(uint64_t seed);
    void (*state_free)(void *state);
    /* What of it must be known again after a restart; its seed is the same then. */
    void (*state_save)(const void *state, struct image_writer *out);
    void (*state_load)(void *state, struct image_reader *in);
    enum outcome (*parse)(void *state, int service, const struct envelope *env, struct event *out);
};

#define FORMAT(name) FORMAT_##name,
enum format_id {
#include "mailvane/tables/formats.def"
    FORMAT_COUNT,
    FORMAT_AUTO = FORMAT_COUNT /* each line's format is found by its program */
};
#undef FORMAT

extern const struct format *const formats[FORMAT_COUNT];

/* "auto" or a format's name; false for any other word. */
bool format_parse_name(const char *name, enum format_id *out);

struct format_set;

struct format_set *format_set_new(uint64_t seed);
void format_set_free(struct format_set *set);
void format_set_save(const struct format_set *set, struct image_writer *out);
void format_set_load(struct format_set *set, struct image_reader *in);

/*
 * Parses a line with the format that claims it, or with `only` unless that is
 * FORMAT_AUTO. *format says which one took it, FORMAT_COUNT if none did (the
 * outcome is then OUTCOME_UNKNOWN). out->time is set, all else by the format.
 */
enum outcome format_set_parse(struct format_set *set, enum format_id only,
                              const struct envelope *env, struct event *out,
                              enum format_id *format);

#endif
