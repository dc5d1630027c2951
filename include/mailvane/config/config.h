/*
 * The configuration file: YAML, read once into this struct.
 *
 * Every key is a row of include/mailvane/tables/options.def; an unknown key, a
 * wrong type or a value out of bounds is an error that names file, line, column
 * and value. Absent keys have the row's default. Strings are owned by the struct.
 */
#ifndef MAILVANE_CONFIG_CONFIG_H
#define MAILVANE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mailvane/base/error.h"

struct config_source {
    char *file;   /* a path or a glob */
    char *format; /* NULL: auto */
    int line;     /* where the row stands in the configuration file */
    int column;
};

struct config_sending_ip {
    char *name; /* syslog_name or transport */
    char *ip;
};

struct config {
    struct config_source *sources;
    size_t source_count;
    char *sending_ip_default; /* NULL: none */
    struct config_sending_ip *sending_ips;
    size_t sending_ip_count;
    char **postfix_dirs; /* configuration directories to read sending addresses from */
    size_t postfix_dir_count;
    long series_domains; /* 1 to 10000 */
    long series_sending_ips;
    long series_codes;
    char **providers; /* files of more MX suffixes, tried before the built-in ones */
    size_t provider_count;
    char **web_listen;
    size_t web_listen_count;
    char *web_telemetry_path;
    char *log_level;
    char *log_format;
    long check_interval; /* seconds between two safety looks at followed files */
};

/* Defaults only. */
void config_init(struct config *config);
/* Reads a file over the defaults; config must have been initialised. */
int config_load(struct config *config, const char *path, struct error *err);
void config_release(struct config *config);

#endif
