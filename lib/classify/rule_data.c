#include "rule_data.h"

/*
 * The assembler takes the file in, so that the file is the one source; its path is
 * from the root of the tree, where the compiler runs. A compiler sees no #include
 * here: the Makefile must name the file as a prerequisite of this object.
 */
__asm__(".pushsection .rodata, \"a\"\n"
        ".global rule_data\n"
        ".hidden rule_data\n"
        ".type rule_data, %object\n"
        "rule_data:\n"
        ".incbin \"data/causes.rules\"\n"
        ".byte 0\n"
        ".size rule_data, . - rule_data\n"
        ".popsection\n");
