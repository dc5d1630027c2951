/*
 * The built-in table: data/providers.tsv as it stands, with a NUL at its end.
 */
#ifndef MAILVANE_CLASSIFY_PROVIDER_DATA_H
#define MAILVANE_CLASSIFY_PROVIDER_DATA_H

extern const char provider_data[] __attribute__((visibility("hidden")));

#endif
