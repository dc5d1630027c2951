/*
 * JSON for people's tools, one value a line. Texts of any bytes become valid UTF-8.
 *
 *     struct js *object = js_object();
 *     js_set_word(object, "cause", "throttled");
 *     js_print(object, stdout);
 *
 * A value that is put into another belongs to it from then on.
 */
#ifndef MAILVANE_JS_H
#define MAILVANE_JS_H

#include <stdbool.h>
#include <stdio.h>

#include "mailvane/base/slice.h"

struct js;

struct js *js_object(void);
struct js *js_list(void);
struct js *js_number(double value); /* whole ones as 182, not 182.0 */

void js_set(struct js *object, const char *key, struct js *value);
void js_add(struct js *list, struct js *value);
void js_set_text(struct js *object, const char *key, struct slice value);
void js_set_word(struct js *object, const char *key, const char *value);
void js_set_number(struct js *object, const char *key, double value);
/* UTC, as RFC 3339 writes it; nothing where the time is unknown. */
void js_set_time(struct js *object, const char *key, int64_t seconds);
void js_set_bool(struct js *object, const char *key, bool value);

/* Prints it on a line of its own and frees it. */
void js_print(struct js *value, FILE *out);

#endif
