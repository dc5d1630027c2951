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
static void put_quoted(FILE *out, const char *text)
{
    putc('"', out);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            putc('\\', out);
        putc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
    putc('"', out);
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

    long ms = now.tv_nsec / 1000000;
    flockfile(stderr);
    if (log->json)
        fprintf(stderr, "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"msg\":", stamp, ms,
                level_names[level]);
    else
        fprintf(stderr, "ts=%s.%03ldZ level=%s msg=", stamp, ms, level_names[level]);
    put_quoted(stderr, text);
    fputs(log->json ? "}\n" : "\n", stderr);
    funlockfile(stderr);
}
