#include "mailvane/config/postfix_cf.h"

#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "cf_expand.h"
#include "file.h"
#include "mailvane/base/bug.h"

/* One directory being read. */
struct instance {
    struct postfix_cf *cf;
    const char *dir;
    struct strbuf main_text;
    struct strbuf master_text;
    struct cf_pairs main;
    struct error *err;
};

/* The programs that deliver by SMTP or LMTP, and what their parameters are called. */
static const struct client {
    struct slice program;
    struct slice suffix; /* behind the logged name, where services are kept apart */
    struct slice bind4;
    struct slice bind6;
} clients[] = {
    {SLICE("smtp"), SLICE(""), SLICE("smtp_bind_address"), SLICE("smtp_bind_address6")},
    {SLICE("lmtp"), SLICE("/lmtp"), SLICE("lmtp_bind_address"), SLICE("lmtp_bind_address6")},
};

static const struct client *client_find(struct slice command)
{
    size_t slash = slice_rfind(command, '/');
    struct slice program = slash < command.len ? slice_skip(command, slash + 1) : command;
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
        if (slice_eq(clients[i].program, program))
            return &clients[i];
    return NULL;
}

static int load(struct instance *in, const char *file, struct strbuf *text)
{
    char path[sizeof(*in->cf->dirs) + 16];
    snprintf(path, sizeof(path), "%s/%s", in->dir, file);
    if (file_read(path, POSTFIX_CF_FILE_MAX, text, in->err))
        return -1;
    cf_join(text);
    return 0;
}

/* The expanded value of a parameter, or a sentence that names the file and the service. */
static int value_of(struct instance *in, const struct cf_scope *scope, struct slice name,
                    struct strbuf *out)
{
    const char *why;
    struct slice service = cf_raw(scope, SLICE("service_name"));
    if (cf_value(scope, name, out, &why))
        return 0;
    if (service.len == 0)
        return error_set(in->err, "%s/main.cf: the value of %.*s %s", in->dir, SLICE_ARG(name),
                         why);
    return error_set(in->err, "%s/master.cf: service %.*s: the value of %.*s %s", in->dir,
                     SLICE_ARG(service), SLICE_ARG(name), why);
}

/* Postfix allows brackets around an address. */
static struct slice without_brackets(struct slice text)
{
    if (slice_starts(text, SLICE("[")) && slice_ends(text, SLICE("]")))
        return slice_of(text.ptr + 1, text.len - 2);
    return text;
}

static bool is_separator(char c)
{
    return c == ',' || cf_is_space(c);
}

/* Words between commas and white space; empty at the end. */
static struct slice list_word(struct slice *rest)
{
    size_t len = 0;
    while (rest->len && is_separator(*rest->ptr))
        *rest = slice_skip(*rest, 1);
    while (len < rest->len && !is_separator(rest->ptr[len]))
        len++;
    struct slice word = slice_head(*rest, len);
    *rest = slice_skip(*rest, len);
    return word;
}

/*
 * Where inet_interfaces names one address of a family, clients bind to it. Names of
 * interfaces and macros such as $myhostname are not resolved here: then nothing is known.
 */
static void lone_interface(const struct cf_scope *scope, int family, char out[ADDRESS_TEXT])
{
    struct slice rest = cf_raw(scope, SLICE("inet_interfaces"));
    unsigned count = 0;
    out[0] = '\0';
    for (struct slice word; (word = list_word(&rest)).len;) {
        char address[ADDRESS_TEXT];
        int found = address_parse(without_brackets(word), address);
        if (found == family && ++count == 1)
            memcpy(out, address, sizeof(address));
        if (!found || count > 1 || (found == family && address_is_loopback(address)))
            count = 2;
    }
    if (count != 1)
        out[0] = '\0';
}

/* The address of a family that the service binds to; empty for none. */
static int bind_address(struct instance *in, const struct cf_scope *scope, struct slice name,
                        int family, char out[ADDRESS_TEXT])
{
    struct strbuf value = STRBUF_INIT;
    int result = value_of(in, scope, name, &value);
    if (result == 0 && value.len == 0)
        lone_interface(scope, family, out);
    else if (address_parse(without_brackets(strbuf_slice(&value)), out) != family)
        out[0] = '\0';
    strbuf_release(&value);
    return result;
}

static struct postfix_service *find_service(struct postfix_cf *cf, const char *name)
{
    for (size_t i = 0; i < cf->count; i++)
        if (strcmp(cf->services[i].syslog_name, name) == 0)
            return &cf->services[i];
    return NULL;
}

/* Adds the service; what it does not share with others of its name becomes empty. */
static int add_service(struct instance *in, const struct postfix_service *service)
{
    struct postfix_cf *cf = in->cf;
    struct postfix_service *known = find_service(cf, service->syslog_name);
    if (known) {
        if (strcmp(known->bind4, service->bind4) != 0)
            known->bind4[0] = '\0';
        if (strcmp(known->bind6, service->bind6) != 0)
            known->bind6[0] = '\0';
        return 0;
    }
    if (cf->count == POSTFIX_CF_SERVICES_MAX)
        return error_set(in->err, "%s/master.cf: more than %d names of services in all", in->dir,
                         POSTFIX_CF_SERVICES_MAX);
    cf->services = must_realloc(cf->services, (cf->count + 1) * sizeof(*cf->services));
    cf->services[cf->count++] = *service;
    return 0;
}

static int logged_name(struct instance *in, const struct cf_scope *scope, struct slice suffix,
                       struct postfix_service *service)
{
    struct strbuf name = STRBUF_INIT;
    int result = value_of(in, scope, SLICE("syslog_name"), &name);
    strbuf_add_slice(&name, suffix);
    if (result == 0 && name.len >= sizeof(service->syslog_name))
        result = error_set(in->err, "%s/master.cf: syslog_name \"%.40s...\" is longer than %zu",
                           in->dir, name.buf, sizeof(service->syslog_name) - 1);
    if (result == 0)
        memcpy(service->syslog_name, name.buf, name.len + 1);
    strbuf_release(&name);
    return result;
}

static int work_out(struct instance *in, const struct cf_scope *scope, const struct client *client)
{
    struct postfix_service service = {0};
    char bind4[ADDRESS_TEXT], bind6[ADDRESS_TEXT];
    if (logged_name(in, scope, client->suffix, &service) ||
        bind_address(in, scope, client->bind4, 4, bind4) ||
        bind_address(in, scope, client->bind6, 6, bind6))
        return -1;
    if (!service.syslog_name[0]) /* Postfix does not run with that */
        return 0;
    memcpy(service.bind4, bind4, strnlen(bind4, sizeof(service.bind4) - 1));
    memcpy(service.bind6, bind6, strnlen(bind6, sizeof(service.bind6) - 1));
    return add_service(in, &service);
}

/* The pair of "-oname=value", "-o name=value" or "-o { name = value }", also behind -v. */
static bool take_option(struct slice word, struct slice *rest, struct cf_pair *pair)
{
    struct slice text = slice_skip(word, 1);
    while (slice_take(&text, SLICE("v")) || slice_take(&text, SLICE("D")))
        ;
    if (!slice_take(&text, SLICE("o")))
        return false;
    if (text.len == 0)
        text = cf_unbrace(cf_token(rest));
    return cf_pair_parse(text, pair);
}

/* As getopt(3): what is no option, or "--", ends them. */
static void read_options(struct slice rest, struct cf_pairs *options)
{
    struct cf_pair pair;
    for (struct slice word; (word = cf_unbrace(cf_token(&rest))).len;) {
        if (*word.ptr != '-' || slice_eq(word, SLICE("--")))
            return;
        if (take_option(word, &rest, &pair))
            cf_pairs_add(options, pair);
    }
}

enum { FIELD_NAME, FIELD_COMMAND = 7, FIELDS }; /* of a line of master.cf */

static int read_service(struct instance *in, struct slice line)
{
    struct slice field[FIELDS];
    for (size_t i = 0; i < FIELDS; i++)
        field[i] = cf_token(&line);
    const struct client *client = client_find(field[FIELD_COMMAND]);
    if (!client)
        return 0;
    struct cf_pair own[] = {
        {SLICE("service_name"), field[FIELD_NAME]},
        {SLICE("process_name"), client->program},
    };
    struct cf_pairs service = {.list = own, .count = sizeof(own) / sizeof(own[0])};
    struct cf_pairs options = {0};
    struct cf_scope scope = {.options = &options, .service = &service, .main = &in->main};
    read_options(line, &options);
    int result = work_out(in, &scope, client);
    cf_pairs_release(&options);
    return result;
}

static int read_master(struct instance *in)
{
    struct slice rest = strbuf_slice(&in->master_text);
    while (rest.len)
        if (read_service(in, slice_cut(&rest, '\n')))
            return -1;
    return 0;
}

static void read_main(struct instance *in)
{
    struct slice rest = strbuf_slice(&in->main_text);
    struct cf_pair pair;
    while (rest.len)
        if (cf_pair_parse(slice_cut(&rest, '\n'), &pair))
            cf_pairs_add(&in->main, pair);
}

/* Appends a directory unless it is there already; who is the file that named it. */
static int add_dir(struct postfix_cf *cf, const char *who, struct slice dir, struct error *err)
{
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.len--;
    for (size_t i = 0; i < cf->dir_count; i++)
        if (slice_eq(slice_str(cf->dirs[i]), dir))
            return 0;
    if (dir.len == 0 || dir.len >= sizeof(*cf->dirs))
        return error_set(err, "%.200s: \"%.*s\" is no usable directory name", who,
                         SLICE_ARG(slice_head(dir, 80)));
    if (cf->dir_count == POSTFIX_CF_DIRS_MAX)
        return error_set(err, "%s: more than %d Postfix directories in all", who,
                         POSTFIX_CF_DIRS_MAX);
    cf->dirs = must_realloc(cf->dirs, (cf->dir_count + 1) * sizeof(*cf->dirs));
    char *copy = cf->dirs[cf->dir_count++];
    memcpy(copy, dir.ptr, dir.len);
    copy[dir.len] = '\0';
    return 0;
}

/* Notes the instances for postfix_cf_read to go on with. */
static int add_instances(struct instance *in)
{
    const struct cf_pairs none = {0};
    struct cf_scope scope = {.options = &none, .service = &none, .main = &in->main};
    struct strbuf value = STRBUF_INIT;
    char who[sizeof(*in->cf->dirs) + 16];
    snprintf(who, sizeof(who), "%s/main.cf", in->dir);
    int result = value_of(in, &scope, SLICE("multi_instance_directories"), &value);
    struct slice rest = strbuf_slice(&value);
    for (struct slice dir; result == 0 && (dir = list_word(&rest)).len;) {
        if (*dir.ptr != '/')
            result = error_set(in->err, "%s: multi_instance_directories: \"%.*s\" is not absolute",
                               who, SLICE_ARG(slice_head(dir, 80)));
        else
            result = add_dir(in->cf, who, dir, in->err);
    }
    strbuf_release(&value);
    return result;
}

/* dir is a copy: adding instances moves the list that it stood in. */
static int read_instance(struct postfix_cf *cf, const char *dir, struct error *err)
{
    struct instance in = {.cf = cf, .dir = dir, .err = err};
    int result = load(&in, "main.cf", &in.main_text) || load(&in, "master.cf", &in.master_text);
    if (result == 0) {
        read_main(&in);
        result = read_master(&in) || add_instances(&in);
    }
    cf_pairs_release(&in.main);
    strbuf_release(&in.main_text);
    strbuf_release(&in.master_text);
    return result ? -1 : 0;
}

int postfix_cf_read(struct postfix_cf *cf, const char *dir, struct error *err)
{
    size_t next = cf->dir_count;
    if (add_dir(cf, "Postfix configuration", slice_str(dir), err))
        return -1;
    for (; next < cf->dir_count; next++) {
        char copy[sizeof(*cf->dirs)];
        memcpy(copy, cf->dirs[next], sizeof(copy));
        if (read_instance(cf, copy, err))
            return -1;
    }
    return 0;
}

void postfix_cf_release(struct postfix_cf *cf)
{
    free(cf->services);
    free(cf->dirs);
    *cf = (struct postfix_cf){0};
}
