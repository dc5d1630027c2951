/* What this binary is; the Makefile gives both. */
#ifndef MAILVANE_VERSION_H
#define MAILVANE_VERSION_H

#ifndef MAILVANE_VERSION
#define MAILVANE_VERSION "0.0.0"
#endif
#ifndef MAILVANE_REVISION
#define MAILVANE_REVISION "unknown"
#endif

#endif
