/*
 * What Postfix's own configuration says of its sending addresses.
 *
 * Reads main.cf and master.cf of a configuration directory (postconf(5),
 * master(5)) and, where it is a multi-instance manager, of the instances that
 * multi_instance_directories names. For each smtp(8) and lmtp(8) client service
 * it works out syslog_name (default ${multi_instance_name?...:postfix}) and
 * smtp_bind_address / smtp_bind_address6, of lmtp(8) lmtp_bind_address and
 * lmtp_bind_address6, with the service's own -o first. Without them a lone address
 * of its family in inet_interfaces counts, unless it is of the loopback.
 *
 * Services that share a name but not the address of a family have none of that
 * family: the log cannot tell them apart, and nothing is guessed. Values that are
 * no IP address are ignored, as are lines that Postfix itself would refuse.
 * Macros that Postfix would refuse, or that need more than a bounded amount of
 * work, are errors.
 */
#ifndef MAILVANE_CONFIG_POSTFIX_CF_H
#define MAILVANE_CONFIG_POSTFIX_CF_H

#include <stddef.h>

#include "mailvane/base/error.h"

#define POSTFIX_CF_SERVICES_MAX 1024
#define POSTFIX_CF_DIRS_MAX     64
#define POSTFIX_CF_FILE_MAX     (1024 * 1024) /* bytes of one main.cf or master.cf */

struct postfix_service {
    /* As it stands in the log before the last "/smtp"; of an lmtp(8) service with its "/lmtp". */
    char syslog_name[128];
    char bind4[16]; /* empty: none, or two services of this name differ */
    char bind6[46];
};

struct postfix_cf {
    struct postfix_service *services; /* one a syslog_name */
    size_t count;
    char (*dirs)[256]; /* every directory that was read, to be watched */
    size_t dir_count;
};

/*
 * Adds what dir says; call it for each directory, on a struct that was zeroed before
 * the first. A directory that was read already is not read again. After an error a
 * part may have been added.
 */
int postfix_cf_read(struct postfix_cf *cf, const char *dir, struct error *err);
void postfix_cf_release(struct postfix_cf *cf);

#endif
