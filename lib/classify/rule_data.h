/*
 * The built-in rules: data/causes.rules as it stands, with a NUL at its end.
 */
#ifndef MAILVANE_CLASSIFY_RULE_DATA_H
#define MAILVANE_CLASSIFY_RULE_DATA_H

extern const char rule_data[] __attribute__((visibility("hidden")));

#endif
