/*
 * Any bytes as main.cf and master.cf, of one instance or more: a line "--- FILE" begins
 * another file, "b.main.cf" is main.cf of the directory /proc/self/cwd/b. They give services
 * or one sentence, within the bounds; and each service has the address that was read for it.
 */
#include "../../lib/config/address.h"
#include "mailvane/config/sending_ip.h"
#include "mailvane/line/lines.h"
#include "stage.h"

static struct sending_ips *ips;

static const char *const files[] = {"main.cf", "master.cf", "b/main.cf", "b/master.cf"};

static void remove_files(void)
{
    stage_enter();
    for (unsigned i = 2; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(files[i]);
    rmdir("b");
    stage_leave();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ips = sending_ips_new(1);
    stage_open();
    stage_enter();
    bug_if(mkdir("b", 0700) != 0 || atexit(remove_files) != 0);
    stage_leave();
    return 0;
}

/* The file's part of the text, from its own line to the next. */
static struct slice part_of(struct slice text, const char *file)
{
    struct slice line, part = SLICE_NONE;
    bool inside = strcmp(file, files[0]) == 0;
    while (lines_next(&text, &line)) {
        struct slice name = line;
        if (slice_take(&name, SLICE("--- ")))
            inside = slice_eq(name, slice_str(file));
        else if (inside)
            part = slice_between(part.ptr ? part.ptr : line.ptr, slice_end(line));
        else if (part.ptr)
            break;
    }
    return part;
}

static void check_address(const char *text, int family)
{
    char canonical[ADDRESS_TEXT];
    if (*text)
        bug_if(address_parse(slice_str(text), canonical) != family || strcmp(canonical, text) != 0);
}

static void check_services(const struct postfix_cf *cf)
{
    bug_if(cf->count > POSTFIX_CF_SERVICES_MAX || cf->dir_count > POSTFIX_CF_DIRS_MAX);
    for (size_t i = 0; i < cf->count; i++) {
        const struct postfix_service *service = &cf->services[i];
        struct slice name = slice_str(service->syslog_name);
        bug_if(name.len == 0);
        check_address(service->bind4, 4);
        check_address(service->bind6, 6);
        bug_if(!slice_eq(sending_ip_of(ips, name, false), slice_str(service->bind4)));
        bug_if(!slice_eq(sending_ip_of(ips, name, true), slice_str(service->bind6)));
        for (size_t other = 0; other < i; other++)
            bug_if(strcmp(cf->services[other].syslog_name, service->syslog_name) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char here[] = "/proc/self/cwd";
    char *dirs[] = {here};
    const struct config config = {.postfix_dirs = dirs, .postfix_dir_count = 1};
    struct error err = {.text = ""};
    stage_enter();
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        stage_write(files[i], part_of(input_of(data, size), files[i]));
    int rc = sending_ips_rebuild(ips, &config, &err);
    stage_leave();
    bug_if((rc == 0) != (err.text[0] == '\0'));
    /* After a failure it is what it was before. */
    check_services(sending_ips_postfix(ips));
    return 0;
}
