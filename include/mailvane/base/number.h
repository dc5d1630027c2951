/*
 * Decimal numbers as logs write them: "0", "0.47", "90061".
 */
#ifndef MAILVANE_BASE_NUMBER_H
#define MAILVANE_BASE_NUMBER_H

#include "mailvane/base/slice.h"

#define NUMBER_DIGITS_MAX 15 /* what a double holds exactly */
#define NUMBER_PLACES_MAX 9

/*
 * Reads digits, with a point and more digits behind it if there is one. Gives where
 * the number ends, NULL where none begins or it is longer than the limits above.
 */
const char *number_read(const char *from, const char *end, double *out);

#endif
