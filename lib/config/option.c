#include "option.h"

#include "address.h"
#include "mailvane/base/bug.h"

#define AT_CONFIG(member)    offsetof(struct config, member), 0
#define AT_SOURCE(member)    offsetof(struct config_source, member), 0
#define AT_QUEUE(member)     offsetof(struct config_queue, member), 0
#define AT_LIST(array, size) offsetof(struct config, array), offsetof(struct config, size)
#define AT_NONE              0, 0

static const struct option_row rows[] = {
#define OPTION(parent, name, type, where, value, min, max, words, help)                            \
    {parent, name, OPTION_##type, where, value, min, max, words, help, false},
#include "mailvane/tables/options.def"
#undef OPTION
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

const struct option_row *option_at(size_t i)
{
    return i < ROW_COUNT ? &rows[i] : NULL;
}

const struct option_row *option_find(const char *parent, struct slice name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].parent, parent) == 0 && slice_eq(slice_str(rows[i].name), name))
            return &rows[i];
    return NULL;
}

#define NAME_MAX_BYTES 32 /* a longer key is no slip of ours */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, with one row of the matrix at a time. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned costs[NAME_MAX_BYTES + 1];
    for (unsigned j = 0; j <= b.len; j++)
        costs[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = costs[0];
        costs[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned swap = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = costs[j];
            costs[j] = least(swap, least(costs[j - 1], costs[j]) + 1);
        }
    }
    return costs[b.len];
}

const struct option_row *option_nearest(const char *parent, struct slice name)
{
    const struct option_row *best = NULL;
    unsigned bound = 3;
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return NULL;
    for (const struct option_row *row = rows; row < rows + ROW_COUNT; row++) {
        if (row->type == OPTION_UNSUPPORTED || strcmp(row->parent, parent) != 0)
            continue;
        struct slice known = slice_str(row->name);
        unsigned d = distance(known, name);
        if (d < bound && 2 * d <= known.len) {
            best = row;
            bound = d;
        }
    }
    return best;
}

struct option_row option_entry(const struct option_row *list)
{
    struct option_row entry = *list;
    entry.type = list->type == OPTION_LISTENS ? OPTION_LISTEN : OPTION_PATH;
    entry.min = 1;
    entry.max = 4095;
    entry.is_entry = true;
    return entry;
}

/* Control bytes have no use in any value, and could forge lines where it is printed. */
static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool accepts_text(const struct option_row *row, struct slice text)
{
    return is_clean(text) && (long)text.len >= row->min && (long)text.len <= row->max;
}

/* A query or a fragment could never match a request's path. */
static bool accepts_url_path(const struct option_row *row, struct slice text)
{
    return accepts_text(row, text) && text.ptr[0] == '/' && slice_find(text, ' ') == text.len &&
           slice_find(text, '?') == text.len && slice_find(text, '#') == text.len;
}

/* Decimal digits with an optional minus; false beyond what a long holds. */
static bool parse_number(struct slice text, long *out)
{
    bool negative = slice_take(&text, SLICE("-"));
    long value = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_digit(text.ptr[i]) || __builtin_mul_overflow(value, 10L, &value) ||
            __builtin_add_overflow(value, (long)(text.ptr[i] - '0'), &value))
            return false;
    *out = negative ? -value : value;
    return true;
}

/* Only the port is looked at: whether the host can be bound is for the socket to say. */
static bool accepts_listen(const struct option_row *row, struct slice text)
{
    size_t colon = slice_rfind(text, ':');
    struct slice port = slice_skip(text, colon + 1);
    long number;
    return accepts_text(row, text) && colon < text.len && port.len && port.ptr[0] != '-' &&
           parse_number(port, &number) && number <= 65535;
}

static bool accepts_address(const struct option_row *row, struct slice text)
{
    char address[ADDRESS_TEXT];
    (void)row;
    return address_parse(text, address) != 0;
}

static bool accepts_choice(const struct option_row *row, struct slice text)
{
    struct slice words = slice_str(row->words);
    while (words.len)
        if (slice_eq(slice_cut(&words, ' '), text))
            return true;
    return false;
}

static bool accepts_integer(const struct option_row *row, struct slice text)
{
    long number;
    return parse_number(text, &number) && number >= row->min && number <= row->max;
}

static bool parse_boolean(struct slice text, bool *out)
{
    *out = slice_eq(text, SLICE("true"));
    return *out || slice_eq(text, SLICE("false"));
}

static bool accepts_boolean(const struct option_row *row, struct slice text)
{
    bool value;
    (void)row;
    return parse_boolean(text, &value);
}

/* What each type must be, and for scalars how that is found out. */
static const struct {
    const char *wants;
    bool (*accepts)(const struct option_row *row, struct slice text);
} kinds[] = {
    [OPTION_SECTION] = {"a mapping", NULL},
    [OPTION_SOURCES] = {"a list of sources", NULL},
    [OPTION_QUEUES] = {"a list of queues", NULL},
    [OPTION_ADDRESS_MAP] = {"a mapping of names to IP addresses", NULL},
    [OPTION_PATHS] = {"a list of file paths", NULL},
    [OPTION_LISTENS] = {"a list of host:port", NULL},
    [OPTION_TEXT] = {"a text", accepts_text},
    [OPTION_PATH] = {"a file path", accepts_text},
    [OPTION_SPOOL] = {"a directory", accepts_text},
    [OPTION_URL_PATH] = {"a URL path that begins with /", accepts_url_path},
    [OPTION_LISTEN] = {"host:port or :port", accepts_listen},
    [OPTION_ADDRESS] = {"an IP address", accepts_address},
    [OPTION_CHOICE] = {"one of", accepts_choice},
    [OPTION_INTEGER] = {"a whole number", accepts_integer},
    [OPTION_BOOLEAN] = {"true or false", accepts_boolean},
    [OPTION_UNSUPPORTED] = {"left out", NULL},
};

/* A number or a truth value: stored as it is, and never written with quotes. */
static bool owns_nothing(const struct option_row *row)
{
    return row->type == OPTION_INTEGER || row->type == OPTION_BOOLEAN;
}

bool option_accepts(const struct option_row *row, struct slice text, bool plain)
{
    bool is_quoted = owns_nothing(row) && !plain;
    return kinds[row->type].accepts && !is_quoted && kinds[row->type].accepts(row, text);
}

void option_wants(const struct option_row *row, char *out, size_t size)
{
    const char *wants = kinds[row->type].wants;
    if (row->type == OPTION_CHOICE)
        snprintf(out, size, "%s: %s", wants, row->words);
    else if (row->type == OPTION_INTEGER)
        snprintf(out, size, "%s from %ld to %ld", wants, row->min, row->max);
    else if (kinds[row->type].accepts && row->max)
        snprintf(out, size, "%s of at most %ld bytes", wants, row->max);
    else
        snprintf(out, size, "%s", wants);
}

static char *copy_text(const struct option_row *row, struct slice text)
{
    char *copy = must_calloc(text.len + ADDRESS_TEXT, 1);
    if (row->type == OPTION_ADDRESS)
        bug_if(!address_parse(text, copy));
    else if (text.len)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

void option_put(const struct option_row *row, void *base, struct slice text)
{
    void *member = (char *)base + row->at;
    if (row->type == OPTION_INTEGER) {
        bug_if(!parse_number(text, member));
        return;
    }
    if (row->type == OPTION_BOOLEAN) {
        bug_if(!parse_boolean(text, member));
        return;
    }
    option_clear(row, base);
    *(char **)member = copy_text(row, text);
}

void option_append(const struct option_row *row, void *base, struct slice text)
{
    void *array = (char *)base + row->at;
    void *size = (char *)base + row->count_at;
    char ***texts = array;
    size_t *count = size;
    *texts = must_realloc(*texts, (*count + 1) * sizeof(**texts));
    (*texts)[(*count)++] = copy_text(row, text);
}

static void clear_list(const struct option_row *row, void *base)
{
    void *array = (char *)base + row->at;
    void *size = (char *)base + row->count_at;
    char ***texts = array;
    size_t *count = size;
    while (*count)
        free((*texts)[--*count]);
    free(*texts);
    *texts = NULL;
}

void option_clear(const struct option_row *row, void *base)
{
    if (row->type == OPTION_PATHS || row->type == OPTION_LISTENS)
        clear_list(row, base);
    if (!kinds[row->type].accepts || owns_nothing(row))
        return;
    void *member = (char *)base + row->at;
    free(*(char **)member);
    *(char **)member = NULL;
}

void option_defaults(struct config *config)
{
    for (const struct option_row *row = rows; row < rows + ROW_COUNT; row++) {
        if (!*row->value || strchr(row->parent, '['))
            continue;
        if (row->type == OPTION_LISTENS || row->type == OPTION_PATHS)
            option_append(row, config, slice_str(row->value));
        else
            option_put(row, config, slice_str(row->value));
    }
}

void option_entry_defaults(const char *parent, void *entry)
{
    for (const struct option_row *row = rows; row < rows + ROW_COUNT; row++)
        if (*row->value && strcmp(row->parent, parent) == 0)
            option_put(row, entry, slice_str(row->value));
}
