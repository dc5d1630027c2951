#include "mailvane/format/format.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"

#define FORMAT(name) extern const struct format format_##name;
#include "mailvane/tables/formats.def"
#undef FORMAT

#define FORMAT(name) [FORMAT_##name] = &format_##name,
const struct format *const formats[FORMAT_COUNT] = {
#include "mailvane/tables/formats.def"
};
#undef FORMAT

#define MEMO_SLOTS    64
#define MEMO_NAME_MAX 60

/* Who claimed a program: a log has few of them, and each line asks. */
struct memo {
    char name[MEMO_NAME_MAX];
    uint8_t len; /* 0: empty */
    uint8_t format;
    int16_t service;
};

struct format_set {
    void *states[FORMAT_COUNT];
    struct memo memos[MEMO_SLOTS];
};

bool format_parse_name(const char *name, enum format_id *out)
{
    *out = FORMAT_AUTO;
    if (strcmp(name, "auto") == 0)
        return true;
    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(name, formats[i]->name) == 0) {
            *out = (enum format_id)i;
            return true;
        }
    }
    return false;
}

struct format_set *format_set_new(uint64_t seed)
{
    struct format_set *set = must_calloc(1, sizeof(*set));
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        set->states[i] = formats[i]->state_new(seed);
    return set;
}

void format_set_free(struct format_set *set)
{
    if (!set)
        return;
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        formats[i]->state_free(set->states[i]);
    free(set);
}

void format_set_save(const struct format_set *set, struct image_writer *out)
{
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        formats[i]->state_save(set->states[i], out);
}

void format_set_load(struct format_set *set, struct image_reader *in)
{
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        formats[i]->state_load(set->states[i], in);
}

static struct memo claim(struct slice program)
{
    struct memo memo = {.format = FORMAT_COUNT, .service = -1};
    for (unsigned i = 0; i < FORMAT_COUNT && memo.service < 0; i++) {
        memo.service = (int16_t)formats[i]->claims(program);
        if (memo.service >= 0)
            memo.format = (uint8_t)i;
    }
    return memo;
}

/* Length and last byte tell the daemons of one host apart well enough. */
static struct memo *memo_of(struct format_set *set, struct slice program)
{
    size_t middle = (unsigned char)program.ptr[program.len / 2];
    size_t last = (unsigned char)program.ptr[program.len - 1];
    struct memo *memo = &set->memos[(program.len * 7 + middle * 3 + last) % MEMO_SLOTS];
    if (!slice_eq(program, slice_of(memo->name, memo->len))) {
        *memo = claim(program);
        memo->len = (uint8_t)program.len;
        memcpy(memo->name, program.ptr, program.len);
    }
    return memo;
}

enum outcome format_set_parse(struct format_set *set, enum format_id only,
                              const struct envelope *env, struct event *out, enum format_id *format)
{
    struct memo unknown;
    const struct memo *who = &unknown;
    if (env->program.len == 0 || env->program.len > MEMO_NAME_MAX)
        unknown = claim(env->program);
    else
        who = memo_of(set, env->program);
    *format = (enum format_id)who->format;
    if (*format == FORMAT_COUNT || (only != FORMAT_AUTO && only != *format)) {
        *format = FORMAT_COUNT;
        return OUTCOME_UNKNOWN;
    }
    out->time = env->time;
    return formats[*format]->parse(set->states[*format], who->service, env, out);
}
