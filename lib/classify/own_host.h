/*
 * The host that an MTA names when it tells, in its own words, of one that it could not
 * talk to. Why that failed does not depend on the name, and a log of many destinations
 * has many names: to the rules they are one.
 */
#ifndef MAILVANE_CLASSIFY_OWN_HOST_H
#define MAILVANE_CLASSIFY_OWN_HOST_H

#include "mailvane/base/slice.h"

/*
 * "connect to HOST[192.0.2.1]:25: Connection timed out", and its like, from the first byte
 * on: the HOST; empty where the text is none of these.
 */
struct slice own_host(struct slice text);

#endif
