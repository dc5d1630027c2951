/*
 * What it costs to judge a reply that was made to be costly.
 *
 *     hostile [nojit]
 *
 * Replies of 2000 bytes, each judged anew: one short text again and again, for texts that
 * imitate the parts of replies; each needle of the shipped rules again and again; soups of all
 * needles; soups of the needles of one alternative; and soups of which a needle or two are changed
 * at random, again and again, and kept where they got costlier. Of each kind the worst is printed,
 * in microseconds of CPU time: the least of many runs, so that what else the machine does is not in
 * it. "nojit" is how the agent runs in its sandbox: no memory is both writable and executable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "../../lib/classify/needle.h"
#include "../../lib/classify/row_file.h"
#include "../../lib/classify/rule_data.h"
#include "../../lib/classify/rule_file.h"
#include "mailvane/base/bug.h"
#include "mailvane/classify/classifier.h"

/* Newer than Debian 12's headers. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LENGTH    2000
#define PARTS_MAX 400
#define SEEN      90 /* parts at the front that are worth changing: rules see fewer */
#define SOUPS     2000
#define OWN_SOUPS 40
#define CLIMBS    4
#define STEPS     20000

static const char *const parts[] = {
    "a",
    "5",
    "  ",
    ": 550 ",
    "said: 550 ",
    "host a said: 550 5.1.1 <x@y>... ",
    "host [1]: 550 ",
    "> 550 ",
    "remote mail server after: 550 ",
    "sender verify: 550 ",
    "550-",
    "550 5.1.1 ",
    "(#5.1.1",
    "a@b ",
    "@ ",
    "1.2.3.4 ",
    "1:2:3:",
    "a-b-c-",
    "A1b2C3d4 ",
    "<>",
    "[[[",
    "\xc3\x89 ",
    "\xff\xfe",
};
static const char *const gaps[] = {" ",
                                   " ",
                                   " ",
                                   " ",
                                   "",
                                   "",
                                   "-",
                                   ". ",
                                   ", ",
                                   ": ",
                                   "<",
                                   "[",
                                   "] ",
                                   "\" ",
                                   "<@b.example> ",
                                   "said: 450 4.7.1 "};

struct words {
    struct needle *list;
    uint32_t count, room;
};

struct part {
    uint16_t word, gap;
};

struct soup {
    struct part parts[PARTS_MAX];
    unsigned count;
};

struct text {
    char bytes[LENGTH];
    double cost;
};

static uint64_t random_state = 20261125;

static unsigned chance(size_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % (unsigned)below;
}

static double cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cost_of(struct classifier *c, const char *text, unsigned runs)
{
    const struct refusal refusal = {
        .provider = SLICE("google"), .phase = PHASE_RCPT, .text = slice_of(text, LENGTH)};
    double least = 1e9;
    for (unsigned i = 0; i < runs; i++) {
        double start = cpu_now();
        classifier_judge_anew(c, &refusal, NULL);
        double took = cpu_now() - start;
        least = took < least ? took : least;
    }
    return least;
}

static void add_words(struct words *words, const struct alternative *alternative)
{
    for (unsigned i = 0; i < alternative->needle_count; i++) {
        words->list = must_grow(words->list, words->count, &words->room, sizeof(*words->list));
        words->list[words->count++] = alternative->list[i];
    }
}

/* Calls for each alternative of all shipped patterns, or each of its choices. */
static void each_alternative(void (*call)(const struct alternative *alternative, void *arg),
                             void *arg)
{
    static struct alternative alternative;
    struct row_file file;
    struct rule_row row;
    struct error err;
    row_file_init(&file, "causes.rules", slice_str(rule_data));
    while (rule_file_next(&file, &row, &err) == RULE_FILE_ROW) {
        struct slice pattern = row.pattern;
        while (pattern.ptr && alternative_take(&pattern, &alternative)) {
            alternative_narrow(&alternative);
            do
                call(&alternative, arg);
            while (alternative.choice_number && alternative_narrow(&alternative));
        }
    }
}

static void read_words(const struct alternative *alternative, void *words)
{
    add_words(words, alternative);
}

/* Writes as much of a text as there is room for; returns where it ends. */
static size_t put(char *text, size_t at, const char *part, size_t len)
{
    size_t n = len < LENGTH - at ? len : LENGTH - at;
    memcpy(text + at, part, n);
    return at + n;
}

static void fill(char *text, const char *part, size_t len)
{
    size_t at = put(text, 0, "550 ", 4);
    while (at < LENGTH)
        at = put(text, at, part, len);
}

/* Measured again as often as it takes until the JIT has compiled what it runs. */
static void report(struct classifier *c, const char *what, const struct text *worst)
{
    printf("%-10s %6.1f us  ", what, cost_of(c, worst->bytes, 200));
    for (unsigned i = 0; i < 60; i++) {
        char byte = worst->bytes[i];
        putchar(byte >= ' ' && byte < 0x7f ? byte : '?');
    }
    putchar('\n');
    fflush(stdout);
}

/* True if it is worse. */
static bool keep_worst(struct classifier *c, struct text *worst, const char *bytes, unsigned runs)
{
    double cost = cost_of(c, bytes, runs);
    /* Again, before it is believed. */
    if (cost <= worst->cost || (cost = cost_of(c, bytes, 4 * runs)) <= worst->cost)
        return false;
    worst->cost = cost;
    memcpy(worst->bytes, bytes, LENGTH);
    return true;
}

static void bench_parts(struct classifier *c)
{
    struct text worst = {.cost = 0};
    char text[LENGTH];
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        fill(text, parts[i], strlen(parts[i]));
        keep_worst(c, &worst, text, 30);
    }
    report(c, "parts", &worst);
}

static void bench_words(struct classifier *c, const struct words *words)
{
    struct text worst = {.cost = 0};
    char text[LENGTH], word[NEEDLE_MAX + 1];
    for (uint32_t i = 0; i < words->count; i++) {
        const struct needle *needle = &words->list[i];
        memcpy(word, needle->text, needle->len);
        word[needle->len] = ' ';
        fill(text, word, needle->len + 1u);
        keep_worst(c, &worst, text, 5);
    }
    report(c, "words", &worst);
}

static struct part any_part(const struct words *words)
{
    return (struct part){(uint16_t)chance(words->count),
                         (uint16_t)chance(sizeof(gaps) / sizeof(gaps[0]))};
}

static struct soup make_soup(const struct words *words, unsigned count)
{
    struct soup soup = {.count = count};
    for (unsigned i = 0; i < count; i++)
        soup.parts[i] = any_part(words);
    return soup;
}

static void write_soup(const struct words *words, const struct soup *soup, char *text)
{
    size_t at = put(text, 0, "550 ", 4);
    for (unsigned i = 0; i < soup->count; i++) {
        const struct needle *needle = &words->list[soup->parts[i].word];
        const char *gap = gaps[soup->parts[i].gap];
        at = put(text, at, needle->text, needle->len);
        at = put(text, at, gap, strlen(gap));
    }
    memset(text + at, '.', LENGTH - at);
}

/* Puts in another part, or one of its own again. */
static void grow(const struct words *words, struct soup *soup)
{
    unsigned at = chance(soup->count);
    struct part part = chance(2) ? any_part(words) : soup->parts[chance(soup->count)];
    if (soup->count == SEEN)
        return;
    memmove(soup->parts + at + 1, soup->parts + at, (soup->count - at) * sizeof(part));
    soup->parts[at] = part;
    soup->count++;
}

static void shrink(struct soup *soup)
{
    unsigned at = chance(soup->count);
    if (soup->count == 1)
        return;
    soup->count--;
    memmove(soup->parts + at, soup->parts + at + 1, (soup->count - at) * sizeof(soup->parts[0]));
}

static void change(const struct words *words, struct soup *soup)
{
    for (unsigned more = 1 + chance(3); more; more--) {
        unsigned at = chance(soup->count);
        switch (chance(5)) {
        case 0:
            grow(words, soup);
            break;
        case 1:
            shrink(soup);
            break;
        case 2:
            soup->parts[at].gap = any_part(words).gap;
            break;
        case 3:
            soup->parts[at].word = soup->parts[chance(soup->count)].word;
            break;
        default:
            soup->parts[at].word = any_part(words).word;
        }
    }
}

static void bench_soups(struct classifier *c, const struct words *words)
{
    struct text worst = {.cost = 0};
    char text[LENGTH];
    double all = 0;
    for (unsigned i = 0; i < SOUPS; i++) {
        const struct soup soup = make_soup(words, PARTS_MAX);
        write_soup(words, &soup, text);
        all += cost_of(c, text, 1);
        keep_worst(c, &worst, text, 3);
    }
    printf("%-10s %6.1f us  the mean of %d\n", "a soup", all / SOUPS, SOUPS);
    report(c, "soups", &worst);
}

struct own {
    struct classifier *c;
    struct text worst;
};

/* Of the needles of one alternative alone, which is searched for wherever they stand. */
static void try_own(const struct alternative *alternative, void *arg)
{
    struct own *own = arg;
    struct words words = {.list = NULL};
    char text[LENGTH];
    add_words(&words, alternative);
    for (unsigned i = 0; words.count && i < OWN_SOUPS; i++) {
        const struct soup soup = make_soup(&words, SEEN);
        write_soup(&words, &soup, text);
        keep_worst(own->c, &own->worst, text, 2);
    }
    free(words.list);
}

static void bench_own_words(struct classifier *c)
{
    struct own own = {.c = c, .worst = {.cost = 0}};
    each_alternative(try_own, &own);
    report(c, "own words", &own.worst);
}

static void bench_climbs(struct classifier *c, const struct words *words)
{
    struct text worst = {.cost = 0};
    for (unsigned climb = 0; climb < CLIMBS; climb++) {
        struct text costliest = {.cost = 0};
        struct soup soup = make_soup(words, SEEN / 2);
        for (unsigned step = 0; step < STEPS; step++) {
            struct soup changed = soup;
            char text[LENGTH];
            change(words, &changed);
            write_soup(words, &changed, text);
            if (keep_worst(c, &costliest, text, 2))
                soup = changed;
        }
        keep_worst(c, &worst, costliest.bytes, 10);
    }
    report(c, "climbed", &worst);
}

int main(int argc, char **argv)
{
    struct words words = {.list = NULL};
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "nojit") != 0)) {
        fprintf(stderr, "usage: hostile [nojit]\n");
        return 2;
    }
    if (argc == 2 && prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0) {
        perror("hostile: PR_SET_MDWE");
        return 3;
    }
    struct classifier *c = classifier_new(1);
    each_alternative(read_words, &words);
    bench_parts(c);
    bench_words(c, &words);
    bench_soups(c, &words);
    bench_own_words(c);
    bench_climbs(c, &words);
    free(words.list);
    classifier_free(c);
    return 0;
}
