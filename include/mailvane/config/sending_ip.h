/*
 * Which local address a delivery came from, where the log does not say it.
 *
 * The candidates, first to last: the configured map by the whole syslog_name
 * ("postfix/out-b"); the map by its last component, the transport ("out-b"); what
 * Postfix's own configuration says of the syslog_name; the configured default. An
 * address of another family than the connection is passed over.
 *
 * sending_ip_of is on the hot path: it allocates nothing. Its slices live until the
 * next rebuild that succeeds.
 *
 * Of lines that lmtp(8) wrote, ask for "<syslog_name>/lmtp": the two programs often
 * share a syslog_name but not the bind address.
 */
#ifndef MAILVANE_CONFIG_SENDING_IP_H
#define MAILVANE_CONFIG_SENDING_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "mailvane/base/error.h"
#include "mailvane/base/slice.h"
#include "mailvane/config/config.h"
#include "mailvane/config/postfix_cf.h"

struct sending_ips;

/* Empty: gives no address to anything. seed is for hashing. */
struct sending_ips *sending_ips_new(uint64_t seed);
void sending_ips_free(struct sending_ips *ips);

/*
 * Takes the map and the default over from config and reads Postfix's files anew.
 * Where a file cannot be read, everything stays as it was and -1 is returned.
 */
int sending_ips_rebuild(struct sending_ips *ips, const struct config *config, struct error *err);

/* The address as text; empty where none is known. */
struct slice sending_ip_of(const struct sending_ips *ips, struct slice syslog_name,
                           bool relay_is_ipv6);

/* Whether the address depends on who wrote the line, as far as any is known. */
bool sending_ips_differ(const struct sending_ips *ips);

/* What the last successful rebuild found: its dirs are to be watched for changes. */
const struct postfix_cf *sending_ips_postfix(const struct sending_ips *ips);

#endif
