#include "mailvane/classify/provider.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/domain.h"
#include "mailvane/base/hash.h"
#include "provider_data.h"
#include "provider_file.h"
#include "provider_index.h"

#define OTHER         0 /* the name of hosts that no row knows */
#define MEMO_SLOTS    1024
#define MEMO_HOST_MAX 61 /* a longer host is searched each time; a memo fills a cache line */

#define TEXT_OF(number) TEXT(number)
#define TEXT(number)    #number

/* Users' rows are asked first. */
enum tier { TIER_USER, TIER_BUILTIN, TIERS };

/*
 * A host and its answer. The bytes are compared, not a hash of them: a remote
 * chooses the name of its MX, and shall not choose somebody else's answer.
 */
struct memo {
    uint16_t name;
    uint8_t len; /* 0: empty */
    char host[MEMO_HOST_MAX];
};

struct providers {
    _Alignas(CACHE_LINE) struct memo memos[MEMO_SLOTS];
    uint64_t seed;
    struct provider_index tiers[TIERS];
    struct provider_index names; /* from a name to its number */
    char name[PROVIDER_NAMES_MAX][PROVIDER_NAME_MAX + 1];
    uint8_t name_len[PROVIDER_NAMES_MAX];
};

/* The number of a name, which is added where it is new; -1 where there are too many. */
static int name_number(struct providers *providers, struct slice name)
{
    const struct provider_index_row *row =
        provider_index_find(&providers->names, PROVIDER_KEY_NAME, name);
    if (row)
        return row->name;
    size_t number = providers->names.count;
    if (number == PROVIDER_NAMES_MAX)
        return -1;
    memcpy(providers->name[number], name.ptr, name.len);
    providers->name_len[number] = (uint8_t)name.len;
    provider_index_add(&providers->names, PROVIDER_KEY_NAME, name, (unsigned)number);
    return (int)number;
}

static struct slice name_of(const struct providers *providers, unsigned number)
{
    return slice_of(providers->name[number], providers->name_len[number]);
}

/* Where a file's rows and names begin. */
struct mark {
    size_t rows;
    size_t names;
};

/* Adds a row, unless the file said it already; says what is wrong with it, and with what. */
static const char *add_row(struct providers *providers, struct provider_index *index,
                           const struct mark *mark, const struct provider_row *row,
                           struct slice *wrong)
{
    char lower[DOMAIN_MAX];
    for (size_t i = 0; i < row->key.len; i++)
        lower[i] = byte_lower(row->key.ptr[i]);
    struct slice key = slice_of(lower, row->key.len);
    *wrong = row->provider;
    int name = name_number(providers, row->provider);
    if (name < 0)
        return "is one provider too many: there may be " TEXT_OF(PROVIDER_NAMES_MAX);
    *wrong = row->suffix;
    const struct provider_index_row *old = provider_index_find(index, row->kind, key);
    if (old && (size_t)(old - index->rows) >= mark->rows)
        return old->name == name ? NULL : "has another provider further up";
    if (index->count == PROVIDER_ROWS_MAX)
        return "is one row too many: there may be " TEXT_OF(PROVIDER_ROWS_MAX);
    provider_index_add(index, row->kind, key, (unsigned)name);
    return NULL;
}

static int add_rows(struct providers *providers, struct provider_index *index,
                    const struct mark *mark, struct row_file *file, struct error *err)
{
    struct provider_row row;
    struct slice wrong;
    for (;;) {
        enum provider_file_result got = provider_file_next(file, &row, err);
        if (got != PROVIDER_ROW)
            return got == PROVIDER_END ? 0 : -1;
        const char *what = add_row(providers, index, mark, &row, &wrong);
        if (what)
            return row_file_mistake(file, wrong, what, err);
    }
}

/* All of a text or nothing of it. */
static int load(struct providers *providers, enum tier tier, const char *name, struct slice text,
                struct error *err)
{
    struct provider_index *index = &providers->tiers[tier];
    struct mark mark = {.rows = index->count, .names = providers->names.count};
    struct row_file file;
    row_file_init(&file, name, text);
    int rc = add_rows(providers, index, &mark, &file, err);
    if (rc < 0) {
        provider_index_rewind(index, mark.rows);
        provider_index_rewind(&providers->names, mark.names);
    }
    memset(providers->memos, 0, sizeof(providers->memos));
    return rc;
}

struct providers *providers_new(uint64_t seed)
{
    struct providers *providers = lines_calloc(1, sizeof(*providers));
    struct error err;
    providers->seed = seed;
    for (unsigned tier = 0; tier < TIERS; tier++)
        provider_index_init(&providers->tiers[tier], seed);
    provider_index_init(&providers->names, seed);
    bug_if(name_number(providers, SLICE("other")) != OTHER);
    bug_if(load(providers, TIER_BUILTIN, "data/providers.tsv", slice_str(provider_data), &err) < 0);
    return providers;
}

void providers_free(struct providers *providers)
{
    if (!providers)
        return;
    for (unsigned tier = 0; tier < TIERS; tier++)
        provider_index_release(&providers->tiers[tier]);
    provider_index_release(&providers->names);
    lines_free(providers);
}

int providers_load_text(struct providers *providers, const char *name, struct slice text,
                        struct error *err)
{
    return load(providers, TIER_USER, name, text, err);
}

int providers_load(struct providers *providers, const char *path, struct error *err)
{
    struct slice text;
    if (row_file_read(path, PROVIDER_FILE_MAX, &text, err) < 0)
        return -1;
    int rc = providers_load_text(providers, path, text, err);
    free((char *)text.ptr);
    return rc;
}

/* The host itself, then what is below each of its dots from the left: the longest first. */
static const struct provider_index_row *search_tier(const struct provider_index *index,
                                                    struct slice host)
{
    const struct provider_index_row *row = provider_index_find(index, PROVIDER_KEY_HOST, host);
    while (!row && host.len) {
        slice_cut(&host, '.');
        row = provider_index_find(index, PROVIDER_KEY_BELOW, host);
    }
    return row;
}

static unsigned search_host(const struct providers *providers, struct slice host)
{
    char lower[DOMAIN_MAX];
    for (size_t i = 0; i < host.len; i++)
        lower[i] = byte_lower(host.ptr[i]);
    for (unsigned tier = 0; tier < TIERS; tier++) {
        const struct provider_index_row *row =
            search_tier(&providers->tiers[tier], slice_of(lower, host.len));
        if (row)
            return row->name;
    }
    return OTHER;
}

bool provider_is_known(const struct providers *providers, struct slice name)
{
    return provider_index_find(&providers->names, PROVIDER_KEY_NAME, name) != NULL;
}

size_t provider_count(const struct providers *providers)
{
    return providers->names.count;
}

struct slice provider_name(const struct providers *providers, size_t number)
{
    bug_if(number >= providers->names.count);
    return name_of(providers, (unsigned)number);
}

/*
 * Where a host is remembered: its two ends mixed with the seed. A host that falls
 * together with another costs a search, and never gives a wrong answer.
 */
static size_t memo_slot(const struct providers *providers, struct slice host)
{
    if (host.len < 8)
        return hash_slice(host, providers->seed) % MEMO_SLOTS;
    uint64_t mix = bytes_load(host.ptr) ^ providers->seed;
    mix = (mix ^ mix >> 32) * UINT64_C(0x9e3779b97f4a7c15) + bytes_load(host.ptr + host.len - 8);
    mix = (mix ^ mix >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + host.len;
    return (mix >> 32) % MEMO_SLOTS;
}

struct slice provider_of_host(struct providers *providers, struct slice host)
{
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len > DOMAIN_MAX)
        return name_of(providers, OTHER);
    if (host.len > MEMO_HOST_MAX)
        return name_of(providers, search_host(providers, host));
    struct memo *memo = &providers->memos[memo_slot(providers, host)];
    if (!slice_eq(host, slice_of(memo->host, memo->len))) {
        memo->name = (uint16_t)search_host(providers, host);
        memo->len = (uint8_t)host.len;
        memcpy(memo->host, host.ptr, host.len);
    }
    return name_of(providers, memo->name);
}

struct slice provider_of_domain(struct providers *providers, struct slice domain)
{
    for (unsigned tier = 0; tier < TIERS; tier++) {
        const struct provider_index_row *row =
            provider_index_find(&providers->tiers[tier], PROVIDER_KEY_DOMAIN, domain);
        if (row)
            return name_of(providers, row->name);
    }
    return name_of(providers, OTHER);
}
