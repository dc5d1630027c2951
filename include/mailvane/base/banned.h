/*
 * Functions that do not compile here.
 *
 * Each of these has no bound on what it writes, keeps hidden state, or cannot
 * report an error. The Makefile includes this header in front of every file.
 */
#ifndef MAILVANE_BASE_BANNED_H
#define MAILVANE_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf
#pragma GCC poison strtok atoi atol atof
#pragma GCC poison gmtime localtime ctime asctime
#undef alloca
#pragma GCC poison alloca

#endif
