#include "mailvane/base/number.h"

const double number_scale[NUMBER_PLACES_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

const char *number_read_slowly(const char *from, const char *end, double *out)
{
    const char *p = from, *point = NULL;
    uint64_t value = 0;
    unsigned digits = 0;
    for (; p < end; p++) {
        if (*p == '.' && !point && p > from) {
            point = p;
            continue;
        }
        if (!byte_is_digit(*p))
            break;
        value = value * 10 + (uint64_t)(*p - '0');
        if (++digits > NUMBER_DIGITS_MAX)
            return NULL;
    }
    size_t places = point ? (size_t)(p - point) - 1 : 0;
    if (p == from || places > NUMBER_PLACES_MAX)
        return NULL;
    *out = (double)value / number_scale[places];
    return p;
}
