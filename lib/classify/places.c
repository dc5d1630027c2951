#include "places.h"

/* The bits of a word from `bit` on. */
static uint64_t bits_from(size_t bit)
{
    return ~UINT64_C(0) << bit % 64;
}

void places_add(struct places *places, size_t first, size_t last)
{
    for (size_t word = first / 64; word <= last / 64; word++) {
        uint64_t bits = word == first / 64 ? bits_from(first) : ~UINT64_C(0);
        if (word == last / 64)
            bits &= ~UINT64_C(0) >> (63 - last % 64);
        places->bits[word] |= bits;
    }
}

bool places_keep(struct places *places, const struct places *other)
{
    uint64_t any = 0;
    for (size_t word = 0; word < PLACES_WORDS; word++)
        any |= places->bits[word] &= other->bits[word];
    return any != 0;
}

/* The first bit that differs from those of `none`, which are all 0 or all 1. */
static size_t find(const struct places *places, size_t from, uint64_t none)
{
    for (size_t word = from / 64; word < PLACES_WORDS; word++) {
        uint64_t bits = places->bits[word] ^ none;
        if (word == from / 64)
            bits &= bits_from(from);
        if (bits)
            return word * 64 + (size_t)__builtin_ctzll(bits);
    }
    return PLACES_MAX;
}

size_t places_next(const struct places *places, size_t from)
{
    return find(places, from, 0);
}

size_t places_gap(const struct places *places, size_t from)
{
    return find(places, from, ~UINT64_C(0));
}
