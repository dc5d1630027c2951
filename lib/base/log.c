#include "mailvane/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

bool log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Both formats quote alike; control bytes become '?', so that a path cannot forge a line. */
static size_t put_quoted(char *out, const char *text)
{
    char *p = out;
    *p++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            *p++ = '\\';
        *p++ = c < 0x20 || c == 0x7f ? '?' : *text;
    }
    *p++ = '"';
    return (size_t)(p - out);
}

void log_write(const struct logger *log, enum log_level level, const char *format, ...)
{
    if (!log || level < log->level)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    struct timespec now;
    struct tm tm;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);

    /* One write(2) a line: lines of several processes do not mix. */
    char line[2 * sizeof(text) + 128];
    int head = snprintf(line, sizeof(line),
                        log->json ? "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"msg\":"
                                  : "ts=%s.%03ldZ level=%s msg=",
                        stamp, now.tv_nsec / 1000000, level_names[level]);
    size_t len = (size_t)head + put_quoted(line + head, text);
    len += (size_t)snprintf(line + len, 4, "%s\n", log->json ? "}" : "");
    fwrite(line, 1, len, stderr);
}
