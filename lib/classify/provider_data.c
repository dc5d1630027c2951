#include "provider_data.h"

/*
 * The assembler takes the file in, so that the file is the one source; its path is
 * from the root of the tree, where the compiler runs. A compiler sees no #include
 * here: the Makefile must name the file as a prerequisite of this object.
 */
__asm__(".pushsection .rodata, \"a\"\n"
        ".global provider_data\n"
        ".hidden provider_data\n"
        ".type provider_data, %object\n"
        "provider_data:\n"
        ".incbin \"data/providers.tsv\"\n"
        ".byte 0\n"
        ".size provider_data, . - provider_data\n"
        ".popsection\n");
