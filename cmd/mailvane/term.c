#include "term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mailvane/base/utf8.h"

static int clamp(long width)
{
    return width < TERM_WIDTH_MIN   ? TERM_WIDTH_MIN
           : width > TERM_WIDTH_MAX ? TERM_WIDTH_MAX
                                    : (int)width;
}

struct term term_of(FILE *out)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS"), *no_colour = getenv("NO_COLOR");
    bool terminal = isatty(fileno(out));
    struct term term = {.out = out, .width = TERM_WIDTH_USUAL};
    if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        term.width = clamp(size.ws_col);
    else if (columns && strtol(columns, NULL, 10) > 0)
        term.width = clamp(strtol(columns, NULL, 10));
    term.colour = terminal && !(no_colour && *no_colour);
    return term;
}

void term_style(const struct term *term, enum term_style style)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\033[0m", [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
        [TERM_RED] = "\033[31m",  [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
    };
    if (term->colour)
        fputs(codes[style], term->out);
}

int term_columns(struct slice text)
{
    int columns = 0;
    while (text.len) {
        size_t len = utf8_sequence(text);
        text = slice_skip(text, len ? len : 1);
        columns++;
    }
    return columns;
}

/* What a terminal must not see is shown as what it is: no text. */
void term_put(FILE *out, struct slice text)
{
    while (text.len) {
        size_t len = utf8_sequence(text);
        unsigned char first = (unsigned char)text.ptr[0];
        /* C1 controls are two bytes in UTF-8. */
        bool control = first < ' ' || first == 0x7f ||
                       (len == 2 && first == 0xc2 && (unsigned char)text.ptr[1] < 0xa0);
        if (len == 0)
            fwrite(UTF8_REPLACEMENT.ptr, 1, UTF8_REPLACEMENT.len, out);
        else if (control)
            fputc('?', out);
        else
            fwrite(text.ptr, 1, len, out);
        text = slice_skip(text, len ? len : 1);
    }
}

void term_wrap(const struct term *term, int at, int indent, struct slice text)
{
    bool first = true;
    while (text.len) {
        struct slice word = slice_cut(&text, ' ');
        int columns = term_columns(word);
        if (word.len == 0)
            continue;
        if (!first && at + 1 + columns > term->width) {
            fprintf(term->out, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        if (!first)
            fputc(' ', term->out);
        term_put(term->out, word);
        at += columns + !first;
        first = false;
    }
    fputc('\n', term->out);
}
