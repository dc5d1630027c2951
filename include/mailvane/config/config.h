/*
 * The configuration file: YAML, read once into this struct.
 *
 * Every key is a row of include/mailvane/tables/options.def; an unknown key, a
 * key that this version does not support yet, a duplicate, a wrong type or a value
 * out of bounds is an error: "FILE:LINE:COLUMN: sentence with the value", counted
 * from 1. Absent keys have the row's default; a section or a list without a value
 * ("web:") is absent too. Strings are owned by the struct; addresses are written in
 * their canonical form. Aliases are followed but nothing grows by them: every list
 * has a bound, and the file has one, CONFIG_FILE_MAX.
 */
#ifndef MAILVANE_CONFIG_CONFIG_H
#define MAILVANE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes */

struct config_source {
    char *file;   /* a path or a glob */
    char *format; /* NULL: auto. The name is not checked here: no format is known here */
    int line;     /* where the format stands in the configuration file, else the entry */
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
    char **causes; /* files of more rules for causes, tried before the built-in ones */
    size_t cause_count;
    char **web_listen;
    size_t web_listen_count;
    char *web_telemetry_path;
    char *log_level;
    char *log_format;
    long check_interval; /* seconds between two safety looks at followed files */
    bool sandbox;
    char **sandbox_paths; /* may be read, besides what everything above names */
    size_t sandbox_path_count;
    char *user;  /* NULL: the usual one, if there is one */
    char *state; /* NULL: nothing is kept over a restart */
};

/* Defaults only. */
void config_init(struct config *config);
/*
 * Reads a file over the defaults; config must have been initialised. After an error
 * it holds a part of the file and is of use for config_release alone.
 */
int config_load(struct config *config, const char *path, struct error *err);
/* The same from memory; name is what errors call it. */
int config_parse(struct config *config, const char *name, struct slice text, struct error *err);
void config_release(struct config *config);

#endif
