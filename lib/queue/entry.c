#include "mailvane/queue/entry.h"

#define FIRST_BAND 300 /* seconds; each further one is twice as wide */

const char *const queue_band_words[QUEUE_BANDS] = {"300",  "600",   "1200",  "2400",  "4800",
                                                   "9600", "19200", "38400", "76800", "+Inf"};

/* As qshape has it: an age that is a bound belongs to the next band. */
unsigned queue_band(int64_t age)
{
    unsigned band = 0;
    for (int64_t bound = FIRST_BAND; band < QUEUE_BANDS - 1 && age >= bound; bound *= 2)
        band++;
    return band;
}
