/*
 * What the agent says of itself, on stderr: one line a fact, logfmt or JSON.
 *
 * warn is about the world and life goes on; error is about the world and
 * something asked for is not done. A bug is not logged: it aborts (base/bug.h).
 * Texts may hold paths and domains, never a local part of an address.
 */
#ifndef MAILVANE_BASE_LOG_H
#define MAILVANE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct logger {
    enum log_level level; /* what is below is not written */
    bool json;
};

/* "debug", "info", "warn", "error"; false for any other word. */
bool log_level_parse(const char *word, enum log_level *out);

/* A NULL logger is silent, so that libraries need not ask. */
void log_write(const struct logger *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(log, ...) log_write(log, LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(log, ...)  log_write(log, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(log, ...)  log_write(log, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(log, ...) log_write(log, LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
