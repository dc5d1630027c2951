/*
 * An error is a value with one sentence that names the thing: file, line,
 * column, value. Libraries fill it and return -1 (or NULL); only cmd/ prints it
 * and chooses an exit status.
 */
#ifndef MAILVANE_BASE_ERROR_H
#define MAILVANE_BASE_ERROR_H

struct error {
    char text[512]; /* NUL-terminated, cut where the sentence is longer */
};

/* Writes the sentence; always returns -1, so that a caller can return it. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
