#include "mailvane/config/sending_ip.h"

#include <stdlib.h>

#include "address.h"
#include "mailvane/base/bug.h"
#include "mailvane/base/hash.h"

/* The addresses of one name, each of its family; empty for none. */
struct addresses {
    char ip4[ADDRESS_TEXT];
    char ip6[ADDRESS_TEXT];
};

struct entry {
    char *name; /* NULL: free */
    struct addresses ips;
};

/* Open addressing with linear probing; never more than half full. */
struct table {
    struct entry *entries;
    size_t mask;
    size_t count;
};

struct sending_ips {
    uint64_t seed;
    struct table configured;
    struct table discovered;
    struct addresses otherwise; /* the configured default */
    struct postfix_cf postfix;
};

static void table_init(struct table *table, size_t count)
{
    size_t size = 2;
    while (size < 2 * count)
        size *= 2;
    *table = (struct table){
        .entries = must_calloc(size, sizeof(struct entry)), .mask = size - 1, .count = count};
}

static void table_release(struct table *table)
{
    for (size_t i = 0; table->entries && i <= table->mask; i++)
        free(table->entries[i].name);
    free(table->entries);
    *table = (struct table){0};
}

/* The entry of that name, or the free one where it would stand. */
static struct entry *table_find(const struct table *table, struct slice name, uint64_t seed)
{
    size_t at = hash_slice(name, seed) & table->mask;
    while (table->entries[at].name && !slice_eq(slice_str(table->entries[at].name), name))
        at = (at + 1) & table->mask;
    return &table->entries[at];
}

static void table_put(struct table *table, const char *name, const struct addresses *ips,
                      uint64_t seed)
{
    struct entry *entry = table_find(table, slice_str(name), seed);
    if (!entry->name)
        entry->name = must_strdup(name);
    entry->ips = *ips;
}

/* One configured address, put under its family; the other family stays empty. */
static struct addresses addresses_of(const char *ip)
{
    struct addresses ips = {0};
    char canonical[ADDRESS_TEXT];
    int family = address_parse(slice_str(ip), canonical);
    if (family)
        memcpy(family == 4 ? ips.ip4 : ips.ip6, canonical, sizeof(canonical));
    return ips;
}

static struct slice pick(const struct addresses *ips, bool ipv6)
{
    return slice_str(ipv6 ? ips->ip6 : ips->ip4);
}

static void release(struct sending_ips *ips)
{
    table_release(&ips->configured);
    table_release(&ips->discovered);
    postfix_cf_release(&ips->postfix);
}

static void fill_configured(struct sending_ips *ips, const struct config *config)
{
    table_init(&ips->configured, config->sending_ip_count);
    for (size_t i = 0; i < config->sending_ip_count; i++) {
        struct addresses one = addresses_of(config->sending_ips[i].ip);
        table_put(&ips->configured, config->sending_ips[i].name, &one, ips->seed);
    }
    ips->otherwise = addresses_of(config->sending_ip_default);
}

static void fill_discovered(struct sending_ips *ips)
{
    table_init(&ips->discovered, ips->postfix.count);
    for (size_t i = 0; i < ips->postfix.count; i++) {
        const struct postfix_service *service = &ips->postfix.services[i];
        struct addresses both = {0};
        memcpy(both.ip4, service->bind4, sizeof(service->bind4));
        memcpy(both.ip6, service->bind6, sizeof(service->bind6));
        table_put(&ips->discovered, service->syslog_name, &both, ips->seed);
    }
}

struct sending_ips *sending_ips_new(uint64_t seed)
{
    struct sending_ips *ips = must_calloc(1, sizeof(*ips));
    ips->seed = seed;
    table_init(&ips->configured, 0);
    table_init(&ips->discovered, 0);
    return ips;
}

void sending_ips_free(struct sending_ips *ips)
{
    if (!ips)
        return;
    release(ips);
    free(ips);
}

/* Everything is built beside the old one, so that a failure changes nothing. */
int sending_ips_rebuild(struct sending_ips *ips, const struct config *config, struct error *err)
{
    struct sending_ips fresh = {.seed = ips->seed};
    for (size_t i = 0; i < config->postfix_dir_count; i++) {
        if (postfix_cf_read(&fresh.postfix, config->postfix_dirs[i], err)) {
            postfix_cf_release(&fresh.postfix);
            return -1;
        }
    }
    fill_configured(&fresh, config);
    fill_discovered(&fresh);
    release(ips);
    *ips = fresh;
    return 0;
}

struct slice sending_ip_of(const struct sending_ips *ips, struct slice syslog_name,
                           bool relay_is_ipv6)
{
    /* Most hosts have one address: nothing is looked up for each of their lines. */
    if (ips->configured.count + ips->discovered.count == 0)
        return pick(&ips->otherwise, relay_is_ipv6);
    size_t slash = slice_rfind(syslog_name, '/');
    struct slice transport =
        slash < syslog_name.len ? slice_skip(syslog_name, slash + 1) : syslog_name;
    const struct entry *const candidates[] = {
        table_find(&ips->configured, syslog_name, ips->seed),
        table_find(&ips->configured, transport, ips->seed),
        table_find(&ips->discovered, syslog_name, ips->seed),
    };
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        struct slice ip = pick(&candidates[i]->ips, relay_is_ipv6);
        if (ip.len)
            return ip;
    }
    return pick(&ips->otherwise, relay_is_ipv6);
}

static bool has_addresses(const struct table *table)
{
    for (size_t i = 0; i <= table->mask; i++) {
        if (table->entries[i].ips.ip4[0] || table->entries[i].ips.ip6[0])
            return true;
    }
    return false;
}

bool sending_ips_differ(const struct sending_ips *ips)
{
    return has_addresses(&ips->configured) || has_addresses(&ips->discovered);
}

const struct postfix_cf *sending_ips_postfix(const struct sending_ips *ips)
{
    return &ips->postfix;
}
