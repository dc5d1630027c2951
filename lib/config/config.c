#include "mailvane/config/config.h"

#include <stdarg.h>
#include <yaml.h>

#include "file.h"
#include "mailvane/base/bug.h"
#include "option.h"

/* One walk over one document. */
struct walk {
    const char *name; /* what errors call the file */
    yaml_document_t *doc;
    struct config *config;
    struct error *err;
};

typedef int (*read_fn)(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                       void *base);

static int read_value(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                      void *base);

/* libyaml counts from 0, people from 1. */
static int fail_at(struct walk *walk, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_at(struct walk *walk, yaml_mark_t mark, const char *format, ...)
{
    char sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    return error_set(walk->err, "%s:%zu:%zu: %s", walk->name, mark.line + 1, mark.column + 1,
                     sentence);
}

static struct slice scalar(const yaml_node_t *node)
{
    return slice_of((const char *)node->data.scalar.value, node->data.scalar.length);
}

static bool is_plain(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A key without a value, as one whose entries are all commented out. */
static bool is_null(const yaml_node_t *node)
{
    return is_plain(node) && (scalar(node).len == 0 || slice_eq(scalar(node), SLICE("~")) ||
                              slice_eq(scalar(node), SLICE("null")));
}

#define SHOWN_BYTES 64 /* of a value, in a sentence */

/* The value in quotes, without what could forge a line; cut between characters. */
static void quote(struct slice text, char out[SHOWN_BYTES + 8])
{
    bool cut = text.len > SHOWN_BYTES;
    size_t len = cut ? SHOWN_BYTES : text.len;
    while (cut && len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    out[0] = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i + 1] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    snprintf(out + len + 1, 6, "%s\"", cut ? "..." : "");
}

/* What stands there, for people. */
static void describe(const yaml_node_t *node, char out[SHOWN_BYTES + 8])
{
    if (node->type == YAML_SCALAR_NODE)
        quote(scalar(node), out);
    else
        snprintf(out, SHOWN_BYTES, "%s", node->type == YAML_SEQUENCE_NODE ? "a list" : "a mapping");
}

/* "series.domains must be a whole number from 1 to 10000, not "x"". */
static int fail_type(struct walk *walk, const struct option_row *row, const yaml_node_t *node)
{
    char wants[128], got[SHOWN_BYTES + 8];
    option_wants(row, wants, sizeof(wants));
    describe(node, got);
    return fail_at(walk, node->start_mark, "%s%s%s%s must be %s, not %s",
                   row->is_entry ? "an entry of " : "", row->parent, *row->parent ? "." : "",
                   row->name, wants, got);
}

static int fail_unknown(struct walk *walk, const char *parent, const yaml_node_t *key)
{
    char got[SHOWN_BYTES + 8];
    const struct option_row *near = option_nearest(parent, scalar(key));
    quote(scalar(key), got);
    if (near)
        return fail_at(walk, key->start_mark, "unknown key %s%s%s; did you mean \"%s\"?", got,
                       *parent ? " under " : "", parent, near->name);
    return fail_at(walk, key->start_mark, "unknown key %s%s%s", got, *parent ? " under " : "",
                   parent);
}

/* Keys must be texts, each once; looks at the pairs before this one. */
static int check_key(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    char got[SHOWN_BYTES + 8];
    const yaml_node_t *key = yaml_document_get_node(walk->doc, pair->key);
    describe(key, got);
    if (key->type != YAML_SCALAR_NODE)
        return fail_at(walk, key->start_mark, "a key must be a text, not %s", got);
    const yaml_node_pair_t *before = mapping->data.mapping.pairs.start;
    for (; before < pair; before++) {
        const yaml_node_t *other = yaml_document_get_node(walk->doc, before->key);
        if (slice_eq(scalar(other), scalar(key)))
            return fail_at(walk, key->start_mark, "duplicate key %s, first in line %zu", got,
                           other->start_mark.line + 1);
    }
    return 0;
}

/* A mapping whose keys are the rows under parent. */
static int read_keys(struct walk *walk, const char *parent, const yaml_node_t *node, void *base)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        if (check_key(walk, node, pair))
            return -1;
        const yaml_node_t *key = yaml_document_get_node(walk->doc, pair->key);
        const struct option_row *row = option_find(parent, scalar(key));
        if (!row)
            return fail_unknown(walk, parent, key);
        if (row->type == OPTION_UNSUPPORTED)
            return fail_at(walk, key->start_mark, "%s%s%s is not supported by this version", parent,
                           *parent ? "." : "", row->name);
        if (read_value(walk, row, yaml_document_get_node(walk->doc, pair->value), base))
            return -1;
    }
    return 0;
}

static int read_section(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                        void *base)
{
    if (node->type != YAML_MAPPING_NODE)
        return fail_type(walk, row, node);
    return read_keys(walk, row->name, node, base);
}

static int read_scalar(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                       void *base)
{
    if (node->type != YAML_SCALAR_NODE || is_null(node) ||
        !option_accepts(row, scalar(node), is_plain(node)))
        return fail_type(walk, row, node);
    option_put(row, base, scalar(node));
    return 0;
}

static int check_count(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                       ptrdiff_t count)
{
    if (count >= row->min && count <= row->max)
        return 0;
    return fail_at(walk, node->start_mark, "%s%s%s must have %ld to %ld entries, not %td",
                   row->parent, *row->parent ? "." : "", row->name, row->min, row->max, count);
}

/* The entries of a list within its bounds; NULL with the error set otherwise. */
static const yaml_node_item_t *list_start(struct walk *walk, const struct option_row *row,
                                          const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        fail_type(walk, row, node);
        return NULL;
    }
    const yaml_node_item_t *start = node->data.sequence.items.start;
    return check_count(walk, row, node, node->data.sequence.items.top - start) ? NULL : start;
}

static int read_texts(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                      void *base)
{
    const struct option_row entry = option_entry(row);
    const yaml_node_item_t *item = list_start(walk, row, node);
    if (!item)
        return -1;
    option_clear(row, base);
    for (; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *text = yaml_document_get_node(walk->doc, *item);
        if (text->type != YAML_SCALAR_NODE || is_null(text) ||
            !option_accepts(&entry, scalar(text), is_plain(text)))
            return fail_type(walk, &entry, text);
        option_append(&entry, base, scalar(text));
    }
    return 0;
}

static void release_map(struct config *config)
{
    for (size_t i = 0; i < config->sending_ip_count; i++) {
        free(config->sending_ips[i].name);
        free(config->sending_ips[i].ip);
    }
    free(config->sending_ips);
    config->sending_ips = NULL;
    config->sending_ip_count = 0;
}

/* What a map's names and addresses must be; no keys of the file themselves. */
static const struct option_row map_name = {
    .parent = "",
    .name = "a name in sending_ips.map",
    .type = OPTION_TEXT,
    .at = offsetof(struct config_sending_ip, name),
    .min = 1,
    .max = 127,
};
static const struct option_row map_ip = {
    .parent = "",
    .name = "an address in sending_ips.map",
    .type = OPTION_ADDRESS,
    .at = offsetof(struct config_sending_ip, ip),
};

static int read_map_entry(struct walk *walk, const yaml_node_pair_t *pair)
{
    struct config *config = walk->config;
    size_t bytes = (config->sending_ip_count + 1) * sizeof(*config->sending_ips);
    config->sending_ips = must_realloc(config->sending_ips, bytes);
    struct config_sending_ip *entry = &config->sending_ips[config->sending_ip_count++];
    *entry = (struct config_sending_ip){0};
    if (read_scalar(walk, &map_name, yaml_document_get_node(walk->doc, pair->key), entry))
        return -1;
    return read_scalar(walk, &map_ip, yaml_document_get_node(walk->doc, pair->value), entry);
}

static int read_address_map(struct walk *walk, const struct option_row *row,
                            const yaml_node_t *node, void *base)
{
    (void)base;
    if (node->type != YAML_MAPPING_NODE)
        return fail_type(walk, row, node);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    if (check_count(walk, row, node, node->data.mapping.pairs.top - pair))
        return -1;
    release_map(walk->config);
    for (; pair < node->data.mapping.pairs.top; pair++)
        if (check_key(walk, node, pair) || read_map_entry(walk, pair))
            return -1;
    return 0;
}

static void release_sources(struct config *config)
{
    for (size_t i = 0; i < config->source_count; i++) {
        free(config->sources[i].file);
        free(config->sources[i].format);
    }
    free(config->sources);
    config->sources = NULL;
    config->source_count = 0;
}

/* Where the format stands, since somebody else will check it; else the entry itself. */
static yaml_mark_t source_mark(struct walk *walk, const yaml_node_t *node)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++)
        if (slice_eq(scalar(yaml_document_get_node(walk->doc, pair->key)), SLICE("format")))
            return yaml_document_get_node(walk->doc, pair->value)->start_mark;
    return node->start_mark;
}

/* The default is written as NULL: its name means "find out", not a format. */
static void drop_default_format(struct config_source *source)
{
    const struct option_row *row = option_find("sources[]", SLICE("format"));
    if (!source->format || strcmp(source->format, row->value) != 0)
        return;
    free(source->format);
    source->format = NULL;
}

static int read_source(struct walk *walk, const yaml_node_t *node)
{
    struct config *config = walk->config;
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(walk, node->start_mark, "an entry of sources must be a mapping");
    size_t bytes = (config->source_count + 1) * sizeof(*config->sources);
    config->sources = must_realloc(config->sources, bytes);
    struct config_source *source = &config->sources[config->source_count++];
    *source = (struct config_source){0};
    if (read_keys(walk, "sources[]", node, source))
        return -1;
    if (!source->file)
        return fail_at(walk, node->start_mark, "an entry of sources needs the key \"file\"");
    drop_default_format(source);
    yaml_mark_t mark = source_mark(walk, node);
    source->line = (int)mark.line + 1;
    source->column = (int)mark.column + 1;
    return 0;
}

static int read_sources(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                        void *base)
{
    (void)base;
    const yaml_node_item_t *item = list_start(walk, row, node);
    if (!item)
        return -1;
    release_sources(walk->config);
    for (; item < node->data.sequence.items.top; item++)
        if (read_source(walk, yaml_document_get_node(walk->doc, *item)))
            return -1;
    return 0;
}

static void release_queues(struct config *config)
{
    while (config->queue_count)
        free(config->queues[--config->queue_count].spool);
    free(config->queues);
    config->queues = NULL;
}

void config_queue_defaults(struct config_queue *queue)
{
    option_entry_defaults("queue[]", queue);
}

/* The MTAs whose queues can be looked at, for a sentence. */
static void spool_names(char *out, size_t size)
{
    const struct option_row *row;
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; (row = option_at(i)); i++) {
        if (row->type == OPTION_SPOOL && len < size)
            len += (size_t)snprintf(out + len, size - len, "%s\"%s\"", len ? ", " : "", row->name);
    }
}

/* Which MTA the entry is of: it has one such key. */
static int find_mta(struct walk *walk, const yaml_node_t *node, struct config_queue *queue)
{
    char names[128];
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(walk->doc, pair->key);
        const struct option_row *row = option_find("queue[]", scalar(key));
        if (row->type != OPTION_SPOOL)
            continue;
        if (queue->mta)
            return fail_at(walk, key->start_mark,
                           "an entry of queue has one MTA, not \"%s\" and \"%s\"", queue->mta,
                           row->name);
        queue->mta = row->name;
    }
    if (queue->mta)
        return 0;
    spool_names(names, sizeof(names));
    return fail_at(walk, node->start_mark, "an entry of queue needs one of the keys %s", names);
}

/* "/spool/" is "/spool", which names the queue. */
static void cut_slashes(char *path)
{
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
}

/* One spool twice would be two queues of the same name. */
static int refuse_twin(struct walk *walk, const yaml_node_t *node, const struct config_queue *queue)
{
    char got[SHOWN_BYTES + 8];
    quote(slice_str(queue->spool), got);
    for (const struct config_queue *other = walk->config->queues; other < queue; other++)
        if (strcmp(other->spool, queue->spool) == 0)
            return fail_at(walk, node->start_mark, "queue has %s twice", got);
    return 0;
}

static int read_queue(struct walk *walk, const yaml_node_t *node)
{
    struct config *config = walk->config;
    char got[SHOWN_BYTES + 8];
    describe(node, got);
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(walk, node->start_mark, "an entry of queue must be a mapping, not %s", got);
    size_t bytes = (config->queue_count + 1) * sizeof(*config->queues);
    config->queues = must_realloc(config->queues, bytes);
    struct config_queue *queue = &config->queues[config->queue_count++];
    *queue = (struct config_queue){0};
    config_queue_defaults(queue);
    if (read_keys(walk, "queue[]", node, queue) || find_mta(walk, node, queue))
        return -1;
    cut_slashes(queue->spool);
    return refuse_twin(walk, node, queue);
}

static int read_queues(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                       void *base)
{
    (void)base;
    const yaml_node_item_t *item = list_start(walk, row, node);
    if (!item)
        return -1;
    release_queues(walk->config);
    walk->config->queues_given = true;
    for (; item < node->data.sequence.items.top; item++)
        if (read_queue(walk, yaml_document_get_node(walk->doc, *item)))
            return -1;
    return 0;
}

/* The types that are no scalars; a key without a value leaves these as they are. */
static const read_fn readers[OPTION_UNSUPPORTED + 1] = {
    [OPTION_SECTION] = read_section,         [OPTION_SOURCES] = read_sources,
    [OPTION_QUEUES] = read_queues,           [OPTION_PATHS] = read_texts,
    [OPTION_ADDRESS_MAP] = read_address_map, [OPTION_LISTENS] = read_texts,
};

static int read_value(struct walk *walk, const struct option_row *row, const yaml_node_t *node,
                      void *base)
{
    if (!readers[row->type])
        return read_scalar(walk, row, node, base);
    return is_null(node) ? 0 : readers[row->type](walk, row, node, base);
}

/* The mark of a byte, for errors that libyaml gives no mark for. */
static yaml_mark_t mark_of(struct slice text, size_t offset)
{
    yaml_mark_t mark = {0};
    struct slice before = slice_head(text, offset);
    for (size_t at; (at = slice_find(before, '\n')) < before.len; mark.line++)
        before = slice_skip(before, at + 1);
    mark.column = before.len;
    return mark;
}

/* libyaml says of a tab that it is "a character". */
static bool is_tab(struct slice text, yaml_mark_t mark)
{
    while (mark.line--)
        slice_cut(&text, '\n');
    return slice_starts(slice_skip(text, mark.column), SLICE("\t"));
}

static int fail_yaml(struct walk *walk, const yaml_parser_t *parser, struct slice text)
{
    const char *problem = parser->problem ? parser->problem : "cannot be parsed";
    if (parser->error == YAML_SCANNER_ERROR && is_tab(text, parser->problem_mark))
        return fail_at(walk, parser->problem_mark, "a tab, where YAML takes blanks only");
    if (parser->error == YAML_READER_ERROR)
        return fail_at(walk, mark_of(text, parser->problem_offset), "%s", problem);
    return fail_at(walk, parser->problem_mark, "%s%s%s", problem, parser->context ? " " : "",
                   parser->context ? parser->context : "");
}

#define DEPTH_MAX   32  /* no right file has more than 4 */
#define ANCHORS_MAX 100 /* libyaml compares each with all */

static void start(yaml_parser_t *parser, struct slice text)
{
    bug_if(!yaml_parser_initialize(parser));
    yaml_parser_set_input_string(parser, (const unsigned char *)(text.ptr ? text.ptr : ""),
                                 text.len);
}

/* Nothing here has a tag of its own, and libyaml compares each with all. */
static int check_directives(struct walk *walk, struct slice text)
{
    struct slice rest = text;
    for (yaml_mark_t mark = {0}; rest.len; mark.line++)
        if (slice_starts(slice_cut(&rest, '\n'), SLICE("%TAG")))
            return fail_at(walk, mark, "a %%TAG directive has no use here");
    return 0;
}

struct shape {
    unsigned depth;
    unsigned anchors;
};

static int count_event(struct walk *walk, struct shape *shape, const yaml_event_t *event)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    bool end = event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
    shape->depth += list || mapping;
    shape->depth -= end;
    shape->anchors += (list && event->data.sequence_start.anchor) ||
                      (mapping && event->data.mapping_start.anchor) ||
                      (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor);
    if (shape->depth > DEPTH_MAX)
        return fail_at(walk, event->start_mark, "nested deeper than %d", DEPTH_MAX);
    if (shape->anchors > ANCHORS_MAX)
        return fail_at(walk, event->start_mark, "more than %d anchors", ANCHORS_MAX);
    return 0;
}

/* libyaml takes quadratic time over depth and anchors: looks at both before it loads. */
static int check_shape(struct walk *walk, struct slice text)
{
    yaml_parser_t parser;
    struct shape shape = {0};
    int result = 0;
    start(&parser, text);
    for (bool more = true; more && result == 0;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            result = fail_yaml(walk, &parser, text);
            break;
        }
        result = count_event(walk, &shape, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return result;
}

/* The file is one mapping; nothing at all, or nothing but comments, is one without keys. */
static int read_document(struct walk *walk)
{
    char got[SHOWN_BYTES + 8];
    const yaml_node_t *root = yaml_document_get_root_node(walk->doc);
    if (!root || is_null(root))
        return 0;
    describe(root, got);
    if (root->type != YAML_MAPPING_NODE)
        return fail_at(walk, root->start_mark, "the file must be a mapping, not %s", got);
    return read_keys(walk, "", root, walk->config);
}

/* Loads the next document and reads it; a second one has no meaning and must be empty. */
static int read_next(struct walk *walk, yaml_parser_t *parser, struct slice text, bool first)
{
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc))
        return fail_yaml(walk, parser, text);
    walk->doc = &doc;
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    int result = first  ? read_document(walk)
                 : root ? fail_at(walk, root->start_mark, "a second document has no meaning here")
                        : 0;
    yaml_document_delete(&doc);
    walk->doc = NULL;
    return result;
}

int config_parse(struct config *config, const char *name, struct slice text, struct error *err)
{
    struct walk walk = {.name = name, .config = config, .err = err};
    yaml_parser_t parser;
    if (text.len > CONFIG_FILE_MAX)
        return error_set(err, "%s: is larger than %d bytes", name, CONFIG_FILE_MAX);
    if (check_directives(&walk, text) || check_shape(&walk, text))
        return -1;
    start(&parser, text);
    int result = read_next(&walk, &parser, text, true);
    if (result == 0)
        result = read_next(&walk, &parser, text, false);
    yaml_parser_delete(&parser);
    return result;
}

int config_load(struct config *config, const char *path, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = file_read(path, CONFIG_FILE_MAX, &text, err);
    if (result == 0)
        result = config_parse(config, path, strbuf_slice(&text), err);
    strbuf_release(&text);
    return result;
}

void config_init(struct config *config)
{
    *config = (struct config){0};
    option_defaults(config);
}

void config_release(struct config *config)
{
    const struct option_row *row;
    release_sources(config);
    release_map(config);
    release_queues(config);
    for (size_t i = 0; (row = option_at(i)); i++)
        if (!strchr(row->parent, '['))
            option_clear(row, config);
    *config = (struct config){0};
}
