/*
 * The report: what a tally says, as a page and as JSON. report.c reads the logs,
 * report_page.c writes for a person, report_json.c for a program.
 */
#ifndef MAILVANE_REPORT_H
#define MAILVANE_REPORT_H

#include "tally.h"
#include "term.h"

#define REPORT_TOP_MAX 100

struct report {
    const struct tally *tally;
    unsigned top; /* rows of a table at most */
    uint64_t lines;
    uint64_t older; /* deliveries that --since leaves out */
    unsigned files;
};

/* A change is worth a line from this many standard errors on ... */
#define REPORT_SURE 4.0
/* ... and if the share of failures moved by this much. */
#define REPORT_MOVED 0.01

/* "It's the provider", "it's us": one sentence with the numbers behind it. */
enum owner report_verdict(const struct tally *tally, char *sentence, size_t size);

/* A share as a person reads it: "12.3". */
double report_percent(uint64_t part, uint64_t whole);

void report_page(const struct report *report, const struct term *term);
void report_json(const struct report *report);

/* What pages share. */
void report_heading(const struct term *term, const char *text);
/* A name cut to its columns, or padded. Names are labels: no control bytes. */
void report_name(const struct term *term, struct slice name, int columns);
void report_advice(const struct term *term, enum cause cause);

#endif
