#include "mailvane/base/number.h"

const uint32_t number_unit[NUMBER_PLACES_MAX + 1] = {1000000, 100000, 10000, 1000, 100, 10, 1};

static const char *read_digits(const char *p, const char *end, uint64_t *value)
{
    for (; p < end && byte_is_digit(*p); p++) {
        if (*value < UINT64_MAX / 100)
            *value = *value * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

const char *number_read_slowly(const char *from, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = read_digits(from, end, &value);
    if (p == from || p - from > NUMBER_DIGITS_MAX)
        return NULL;
    size_t places = 0;
    if (p < end && *p == '.') {
        const char *behind = p + 1;
        p = read_digits(behind, end, &value);
        places = (size_t)(p - behind);
    }
    if (places > NUMBER_PLACES_MAX)
        return NULL;
    *out = value * number_unit[places];
    return p;
}
