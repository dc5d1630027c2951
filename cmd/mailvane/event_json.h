/*
 * An event as one line of JSON (cli.md).
 */
#ifndef MAILVANE_EVENT_JSON_H
#define MAILVANE_EVENT_JSON_H

#include <stdio.h>

#include "mailvane/event/event.h"

/* Writes the object and a newline. Local parts are left out unless with_recipients. */
void event_json_write(FILE *out, const char *format, const struct event *event,
                      bool with_recipients);

#endif
