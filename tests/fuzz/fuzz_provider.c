/*
 * The parser of provider files. Any bytes are a file; where it is accepted, each
 * of its suffixes must be found again, and the cache must not change an answer.
 */
#include "input.h"
#include "mailvane/classify/provider.h"

/* A host that the suffix knows has a provider, the same one each time. */
static void look_up(struct providers *providers, struct slice suffix)
{
    char host[300] = "mx";
    if (suffix.len == 0 || suffix.len > sizeof(host) - 2)
        return;
    if (suffix.ptr[0] == '=') {
        bug_if(provider_of_domain(providers, slice_skip(suffix, 1)).len == 0);
        return;
    }
    size_t skip = suffix.ptr[0] == '.' ? 2 : 0;
    memcpy(host + skip, suffix.ptr, suffix.len);
    struct slice whole = slice_of(host, skip + suffix.len);
    struct slice first = provider_of_host(providers, whole);
    struct slice again = provider_of_host(providers, whole);
    bug_if(first.len == 0 || first.len > PROVIDER_NAME_MAX || first.ptr != again.ptr);
}

static void look_up_all(struct providers *providers, struct slice text)
{
    while (text.len) {
        struct slice line = slice_cut(&text, '\n');
        slice_cut(&line, '\t');
        look_up(providers, slice_trim(slice_cut(&line, '\t')));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = input_of(data, size);
    struct error err = {.text = ""};
    struct providers *providers = providers_new(1);
    int rc = providers_load_text(providers, "fuzz", text, &err);
    bug_if((rc == 0) != (err.text[0] == '\0'));
    look_up_all(providers, text);
    providers_free(providers);
    return 0;
}
