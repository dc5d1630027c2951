#include "js.h"

#include <jansson.h>
#include <time.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/base/utf8.h"
#include "mailvane/event/event.h"

/* A struct js is jansson's value; only this file knows. */
static json_t *of(struct js *value)
{
    return (json_t *)(void *)value;
}

static struct js *made(json_t *value)
{
    return (struct js *)(void *)value;
}

/* U+0080 to U+009F, which JSON does not escape and some terminals obey. */
static bool is_c1(struct slice s, size_t len)
{
    return len == 2 && (unsigned char)s.ptr[0] == 0xc2 && (unsigned char)s.ptr[1] < 0xa0;
}

/* JSON wants valid UTF-8; a log holds any bytes. */
static json_t *text(struct slice s)
{
    struct strbuf clean = STRBUF_INIT;
    while (s.len) {
        size_t len = utf8_sequence(s);
        bool bad = len == 0 || is_c1(s, len);
        strbuf_add_slice(&clean, bad ? UTF8_REPLACEMENT : slice_head(s, len));
        s = slice_skip(s, len ? len : 1);
    }
    json_t *json = json_stringn_nocheck(clean.buf ? clean.buf : "", clean.len);
    strbuf_release(&clean);
    return json;
}

struct js *js_object(void)
{
    return made(json_object());
}

struct js *js_list(void)
{
    return made(json_array());
}

struct js *js_number(double value)
{
    bool whole = value < 1e15 && value > -1e15 && value == (double)(json_int_t)value;
    return made(whole ? json_integer((json_int_t)value) : json_real(value));
}

void js_set(struct js *object, const char *key, struct js *value)
{
    json_object_set_new_nocheck(of(object), key, of(value));
}

void js_add(struct js *list, struct js *value)
{
    json_array_append_new(of(list), of(value));
}

void js_set_text(struct js *object, const char *key, struct slice value)
{
    js_set(object, key, made(text(value)));
}

void js_set_word(struct js *object, const char *key, const char *value)
{
    js_set_text(object, key, slice_str(value));
}

void js_set_number(struct js *object, const char *key, double value)
{
    js_set(object, key, js_number(value));
}

void js_set_time(struct js *object, const char *key, int64_t seconds)
{
    struct tm tm;
    char stamp[40];
    time_t when = seconds;
    if (seconds == TIME_UNKNOWN || !gmtime_r(&when, &tm))
        return;
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    js_set_word(object, key, stamp);
}

void js_set_bool(struct js *object, const char *key, bool value)
{
    js_set(object, key, made(json_boolean(value)));
}

void js_print(struct js *value, FILE *out)
{
    json_dumpf(of(value), out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putc('\n', out);
    json_decref(of(value));
}
