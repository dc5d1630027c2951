/*
 * mailvane explain: what a refusal means, whose problem it is, and what to do.
 */
#include <stdlib.h>

#include "hide.h"
#include "js.h"
#include "mailvane/base/bug.h"
#include "mailvane/base/domain.h"
#include "mailvane/base/hash.h"
#include "mailvane/base/strbuf.h"
#include "mailvane/classify/classifier.h"
#include "mailvane/classify/provider.h"
#include "mailvane/format/reason.h"
#include "setup.h"
#include "term.h"

#define LABEL_COLUMNS 11  /* where the text begins behind "Do not" */
#define REPLY_SHOWN   240 /* bytes of a reply above its answer */

struct explainer {
    struct classifier *classifier;
    struct providers *providers;
    struct term term;
    bool json;
    bool many; /* replies come from stdin: each answer says to which */
    unsigned explained;
    unsigned unknown;
};

/* "eod" is what some call the end of DATA. */
static bool parse_phase(struct slice word, enum phase *out)
{
    if (slice_eq(word, SLICE("eod")))
        word = slice_str(phase_words[PHASE_END_OF_DATA]);
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        if (slice_eq(word, slice_str(phase_words[i]))) {
            *out = (enum phase)i;
            return true;
        }
    }
    return false;
}

/* A host is looked up; what is none, and none that we know, is taken for a provider's name. */
static struct slice provider_of(const struct explainer *e, struct slice host)
{
    if (host.len == 0 || provider_is_known(e->providers, host))
        return host;
    struct slice found = provider_of_host(e->providers, host);
    bool name = slice_find(host, '.') == host.len && slice_eq(found, SLICE("other"));
    return name ? host : found;
}

/* The reply's code; where it has none, one of its enhanced code's class (RFC 3463, 2). */
static unsigned code_of(const struct verdict *v)
{
    return v->code ? v->code : v->dsn.klass * 100u;
}

/* --- JSON ----------------------------------------------------------------------- */

static void print_json(const struct explainer *e, const struct refusal *refusal,
                       const struct verdict *v, const struct reply *reply)
{
    const struct cause_row *cause = &cause_rows[v->cause];
    char dsn[DSN_TEXT_SIZE] = "", code[8] = "";
    struct strbuf rule = STRBUF_INIT;
    struct js *object = js_object();
    if (v->code)
        snprintf(code, sizeof(code), "%03u", v->code % 1000u);
    if (v->dsn.klass)
        dsn_format(v->dsn, dsn);
    if (v->rule != RULE_NONE) {
        struct rule_info info = classifier_rule(e->classifier, v->rule);
        strbuf_addf(&rule, "%s:%u", info.file, info.line);
    }
    js_set_word(object, "cause", cause->name);
    js_set_word(object, "owner", owner_words[cause->owner]);
    js_set_word(object, "retry", retry_words[cause_retry(v->cause, code_of(v))]);
    js_set_text(object, "provider", refusal->provider);
    js_set_text(object, "list", v->list);
    js_set_word(object, "code", code);
    js_set_word(object, "dsn", dsn);
    js_set_word(object, "meaning", cause->meaning);
    js_set_word(object, "action", cause->action);
    js_set_word(object, "avoid", cause->avoid);
    js_set_text(object, "rule", strbuf_slice(&rule));
    js_set_text(object, "matched", classifier_matched(e->classifier, v, reply));
    js_print(object, stdout);
    strbuf_release(&rule);
}

/* --- a page for a person -------------------------------------------------------- */

static void row(const struct term *term, const char *label, enum term_style style,
                struct slice text)
{
    term_style(term, TERM_DIM);
    fprintf(term->out, "%-*s", LABEL_COLUMNS, label);
    term_style(term, TERM_PLAIN);
    term_style(term, style);
    term_wrap(term, LABEL_COLUMNS, LABEL_COLUMNS, text);
    term_style(term, TERM_PLAIN);
}

/* At most REPLY_SHOWN bytes, whole characters, and nobody's name. */
static void print_reply(const struct term *term, struct slice reply)
{
    struct strbuf hidden = STRBUF_INIT;
    struct slice text = hide_local_parts(reply, SLICE_NONE, &hidden);
    struct slice head = slice_head(text, REPLY_SHOWN);
    while (head.len < text.len && ((unsigned char)text.ptr[head.len] & 0xc0) == 0x80)
        head.len--;
    row(term, "Reply", TERM_PLAIN, head);
    strbuf_release(&hidden);
}

static const char *whose(enum owner owner)
{
    static const char *const texts[OWNER_COUNT] = {
        [OWNER_NOBODY] = "unknown",
        [OWNER_RECIPIENT] = "the recipient's",
        [OWNER_SENDER] = "ours, the sender's",
        [OWNER_REMOTE] = "theirs, the receiving side's",
        [OWNER_NETWORK] = "the network's between us and them",
    };
    return texts[owner];
}

/* What is permanent leaves the queue (RFC 5321, 4.2.1): to try again is to send it again. */
static const char *when(enum retry retry, bool permanent)
{
    static const char *const texts[RETRY_COUNT][2] = {
        [RETRY_NO] = {"no: it will fail again", "no: it will fail again"},
        [RETRY_MINUTES] = {"in minutes, as the queue does by itself",
                           "in minutes, sent anew: the queue has given it up"},
        [RETRY_HOURS] = {"in hours, as the queue does by itself",
                         "in hours, sent anew: the queue has given it up"},
        [RETRY_DAYS] = {"for some days, not faster",
                        "some days later, sent anew: the queue has given it up"},
    };
    return texts[retry][permanent];
}

/* "causes.rules:12, by "unusual rate of" (reply 421 4.7.28) at google" */
static void print_evidence(const struct explainer *e, const struct refusal *refusal,
                           const struct verdict *v, const struct reply *reply)
{
    struct strbuf text = STRBUF_INIT;
    char dsn[DSN_TEXT_SIZE] = "";
    if (v->rule == RULE_NONE) {
        row(&e->term, "Why", TERM_PLAIN, SLICE("no rule holds"));
        return;
    }
    struct rule_info info = classifier_rule(e->classifier, v->rule);
    if (v->dsn.klass)
        dsn_format(v->dsn, dsn);
    strbuf_addf(&text, "%s:%u", info.file, info.line);
    struct slice matched = classifier_matched(e->classifier, v, reply);
    if (matched.len)
        strbuf_addf(&text, ", by \"%.*s\"", SLICE_ARG(matched));
    else
        strbuf_add_str(&text, ", by its codes alone");
    if (v->code || v->dsn.klass)
        strbuf_addf(&text, " (reply %.0u%s%s)", v->code, v->code && v->dsn.klass ? " " : "", dsn);
    if (refusal->provider.len)
        strbuf_addf(&text, " at %.*s", SLICE_ARG(refusal->provider));
    row(&e->term, "Why", TERM_PLAIN, strbuf_slice(&text));
    strbuf_release(&text);
}

static void print_page(const struct explainer *e, const struct refusal *refusal,
                       const struct verdict *v, const struct reply *reply)
{
    const struct cause_row *cause = &cause_rows[v->cause];
    const struct term *term = &e->term;
    if (e->explained)
        putchar('\n');
    if (e->many)
        print_reply(term, refusal->text);
    row(term, "Cause", TERM_BOLD, slice_str(cause->name));
    row(term, "Meaning", TERM_PLAIN, slice_str(cause->meaning));
    row(term, "Problem", TERM_PLAIN, slice_str(whose(cause->owner)));
    if (v->list.len)
        row(term, "Block list", TERM_RED, v->list);
    row(term, "Retry", TERM_PLAIN,
        slice_str(when(cause_retry(v->cause, code_of(v)), code_of(v) >= 500)));
    row(term, "Do", TERM_GREEN, slice_str(cause->action));
    row(term, "Do not", TERM_YELLOW, slice_str(cause->avoid));
    print_evidence(e, refusal, v, reply);
}

/*
 * What Postfix logs around a reply says who was asked, and when: "host NAME[ADDR] said: REPLY
 * (in reply to RCPT TO command)". What the user says of that wins.
 */
static struct refusal as_logged(const struct explainer *e, const struct refusal *asked)
{
    struct refusal refusal = *asked;
    struct delivery logged;
    postfix_reason(asked->text, &logged);
    if (!logged.tried_host.len)
        return refusal;
    refusal.text = logged.reply;
    refusal.code = asked->code ? asked->code : logged.code;
    refusal.phase = asked->phase ? asked->phase : logged.phase;
    struct slice provider = provider_of_host(e->providers, logged.tried_host);
    if (!asked->provider.len && !slice_eq(provider, SLICE("other")))
        refusal.provider = provider;
    return refusal;
}

static void explain(struct explainer *e, const struct refusal *asked)
{
    struct reply reply;
    struct refusal refusal = as_logged(e, asked);
    struct verdict v = classifier_judge_anew(e->classifier, &refusal, &reply);
    refusal.text = asked->text;
    if (e->json)
        print_json(e, &refusal, &v, &reply);
    else
        print_page(e, &refusal, &v, &reply);
    e->explained++;
    e->unknown += v.cause == CAUSE_UNKNOWN;
}

/* --- many replies ----------------------------------------------------------------- */

/* "reply" or "phase TAB host-or-provider TAB reply". */
static void explain_line(struct explainer *e, struct slice line, unsigned number,
                         const struct refusal *usual)
{
    struct refusal refusal = *usual;
    struct slice rest = line, phase = slice_cut(&rest, '\t'), host = slice_cut(&rest, '\t');
    refusal.text = line;
    if (host.ptr && host.ptr > line.ptr && slice_end(host) < slice_end(line)) {
        refusal.text = rest;
        if (!parse_phase(phase, &refusal.phase))
            cli_fail(EXIT_USAGE, "explain: -:%u:1: \"%.*s\" is no phase; taken as unknown", number,
                     SLICE_ARG(slice_head(phase, 40)));
        if (host.len)
            refusal.provider = provider_of(e, host);
    }
    explain(e, &refusal);
}

/* The rest of a longer line of stdin is passed over: no log has such a reply. */
#define REPLY_LINE_MAX (64u << 10)

/* False behind the last line. */
static bool read_line(FILE *in, char *buf, struct slice *line)
{
    size_t len = 0;
    bool any = false;
    int c;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        any = true;
        if (len < REPLY_LINE_MAX)
            buf[len++] = (char)c;
    }
    *line = slice_of(buf, len);
    return any || c == '\n';
}

static int explain_stdin(struct explainer *e, const struct refusal *usual)
{
    char *line = must_calloc(1, REPLY_LINE_MAX);
    struct slice s;
    e->many = true;
    for (unsigned number = 1; read_line(stdin, line, &s); number++) {
        while (s.len && s.ptr[s.len - 1] == '\r')
            s.len--;
        /* (A program that reads the answers gets one for each line.) */
        if (s.len || e->json)
            explain_line(e, s, number, usual);
    }
    free(line);
    if (ferror(stdin))
        return cli_fail(EXIT_WORLD, "explain: cannot read stdin");
    return EXIT_DONE;
}

static void print_cause(const struct term *term, const struct cause_row *cause)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "(%s) %s", owner_words[cause->owner], cause->meaning);
    term_style(term, TERM_BOLD);
    fprintf(term->out, "%-18s", cause->name);
    term_style(term, TERM_PLAIN);
    term_wrap(term, 18, 18, strbuf_slice(&text));
    strbuf_release(&text);
}

static void print_cause_json(const struct cause_row *cause)
{
    struct js *object = js_object();
    js_set_word(object, "cause", cause->name);
    js_set_word(object, "owner", owner_words[cause->owner]);
    js_set_word(object, "retry_temporary", retry_words[cause->temporary]);
    js_set_word(object, "retry_permanent", retry_words[cause->permanent]);
    js_set_word(object, "meaning", cause->meaning);
    js_set_word(object, "action", cause->action);
    js_set_word(object, "avoid", cause->avoid);
    js_print(object, stdout);
}

static int print_causes(const struct explainer *e)
{
    for (unsigned i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        if (e->json)
            print_cause_json(&cause_rows[i]);
        else
            print_cause(&e->term, &cause_rows[i]);
    }
    return cli_flush();
}

static int load(struct explainer *e, const struct config *config, struct error *err)
{
    uint64_t seed = hash_seed();
    e->providers = providers_new(seed);
    e->classifier = classifier_new(seed);
    for (size_t i = 0; i < config->provider_count; i++) {
        if (providers_load(e->providers, config->providers[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < config->cause_count; i++) {
        if (classifier_load(e->classifier, config->causes[i], err) < 0)
            return -1;
    }
    return 0;
}

/* A rule that holds nowhere because it costs too much looks like one that does not match. */
static void tell_stopped(const struct explainer *e)
{
    uint64_t stopped = classifier_stopped(e->classifier);
    if (stopped)
        fprintf(stderr,
                "mailvane: explain: searches that cost too much were stopped, and count as no "
                "match: %llu\n",
                (unsigned long long)stopped);
}

static int run(struct explainer *e, char **operands, const struct refusal *usual)
{
    int status = EXIT_DONE;
    if (strcmp(operands[0], "-") == 0) {
        status = explain_stdin(e, usual);
    } else {
        struct refusal refusal = *usual;
        refusal.text = slice_str(operands[0]);
        explain(e, &refusal);
    }
    int flushed = cli_flush();
    tell_stopped(e);
    if (status || flushed)
        return status ? status : flushed;
    return e->unknown ? EXIT_NOT_SO : EXIT_DONE;
}

int run_explain(int argc, char **argv)
{
    const char *config_file = NULL, *domain = NULL, *relay = NULL, *phase = "";
    char canonical[DOMAIN_MAX + 1];
    bool help = false, list = false;
    struct explainer e = {.term = term_of(stdout)};
    const struct cli_flag flags[] = {
        {"config.file", "F", "Configuration: more rules and providers.", &config_file, NULL},
        {"domain", "D", "The recipient's domain.", &domain, NULL},
        {"relay", "HOST", "The server that said it, or its provider.", &relay, NULL},
        {"phase", "P", "Where in the session: connect, mail, rcpt, data, end_of_data ...", &phase,
         NULL},
        {"json", NULL, "Print one JSON object for each reply.", NULL, &e.json},
        {"list", NULL, "Print all causes, and nothing else.", NULL, &list},
        {"help", NULL, "Show this.", NULL, &help},
        {NULL},
    };
    struct error err;
    struct config config;
    struct refusal usual = {.phase = PHASE_NONE};
    int operand = cli_parse(argc, argv, flags, &err);
    if (operand < 0)
        return cli_fail(EXIT_USAGE, "explain: %s", err.text);
    if (help) {
        cli_help("explain [flags] 'REPLY'",
                 "Says what a refusal means, whose problem it is and what to do. With - it reads "
                 "one reply\na line from stdin, or phase TAB host-or-provider TAB reply. The exit "
                 "status is 1 where no\nrule knows the reply.",
                 flags);
        return EXIT_DONE;
    }
    if (list && argv[operand])
        return cli_fail(EXIT_USAGE, "explain: --list takes no reply, but got \"%s\"",
                        argv[operand]);
    if (list)
        return print_causes(&e);
    if (!argv[operand] || argv[operand + 1])
        return cli_fail(EXIT_USAGE, "explain: wants one reply, in quotes, or - for stdin");
    if (!parse_phase(slice_str(phase), &usual.phase))
        return cli_fail(EXIT_USAGE, "explain: --phase \"%s\" is no phase of a session", phase);
    int status;
    if (setup_config(&config, config_file, &err) < 0 || load(&e, &config, &err) < 0) {
        status = cli_fail(EXIT_USAGE, "%s", err.text);
    } else {
        if (relay)
            usual.provider = provider_of(&e, slice_str(relay));
        else if (domain)
            usual.provider =
                provider_of_domain(e.providers, domain_canonical(slice_str(domain), canonical));
        status = run(&e, argv + operand, &usual);
    }
    classifier_free(e.classifier);
    providers_free(e.providers);
    config_release(&config);
    return status;
}
