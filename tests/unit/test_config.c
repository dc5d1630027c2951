#include "scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/strbuf.h"
#include "mailvane/config/config.h"
#include "mailvane/queue/look.h"

static void expect_number(const char *name, long got, long want)
{
    if (got != want)
        fail_msg("%s: got %ld, want %ld", name, got, want);
}

/* Parses what must be right; the caller releases. */
static void parse_ok(struct config *config, const char *name, const char *text)
{
    struct error err = {.text = ""};
    config_init(config);
    if (config_parse(config, "c.yml", slice_str(text), &err))
        fail_msg("%s: got \"%s\", want no error", name, err.text);
}

static void expect_defaults(const char *name, const struct config *config)
{
    expect_number(name, (long)config->source_count, 0);
    expect_text(name, config->sending_ip_default, NULL);
    expect_number(name, (long)config->sending_ip_count, 0);
    expect_number(name, (long)config->postfix_dir_count, 0);
    expect_number(name, config->series_domains, 500);
    expect_number(name, config->series_sending_ips, 64);
    expect_number(name, config->series_codes, 256);
    expect_number(name, (long)config->provider_count, 0);
    expect_number(name, (long)config->web_listen_count, 1);
    expect_text(name, config->web_listen[0], ":9925");
    expect_text(name, config->web_telemetry_path, "/metrics");
    expect_text(name, config->log_level, "info");
    expect_text(name, config->log_format, "logfmt");
    expect_number(name, (long)config->queue_count, 0);
    expect_number(name, config->queues_given, false);
    expect_number(name, config->check_interval, 60);
    expect_number(name, config->sandbox, true);
    expect_number(name, (long)config->sandbox_path_count, 0);
    expect_text(name, config->user, NULL);
}

/* Files that say nothing: the defaults hold. */
static const struct {
    const char *name;
    const char *text;
} nothing[] = {
    {"empty", ""},
    {"blank", "\n\n"},
    {"comments", "# nothing\n  # here\n"},
    {"document mark", "---\n"},
    {"null", "~\n"},
    {"empty mapping", "{}\n"},
    {"empty sections",
     "sources:\nweb:\nlog: ~\nqueue:\nproviders: null\nsending_ips: {map: , postfix: }\n"},
    {"byte order mark", "\xef\xbb\xbf# utf-8\n"},
};

static void gives_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(nothing); i++) {
        struct config config;
        parse_ok(&config, nothing[i].name, nothing[i].text);
        expect_defaults(nothing[i].name, &config);
        config_release(&config);
    }
}

static const char every_key[] = "sources:\n"
                                "  - file: /var/log/mail.log\n"
                                "    format: postfix\n"
                                "  - {file: '/var/log/exim4/*', format: auto}\n"
                                "  - file: third\n"
                                "sending_ips:\n"
                                "  default: 2001:DB8::0:1\n"
                                "  map: { \"postfix/out-b\": 203.0.113.11, out-c: '::1' }\n"
                                "  postfix: [/etc/postfix, /etc/postfix-bulk]\n"
                                "series: { domains: 10000, sending_ips: 1, codes: 300 }\n"
                                "providers: [/a.tsv, \"/b c.tsv\"]\n"
                                "web: { listen: [\"127.0.0.1:9925\", \"[::1]:0\"],"
                                " telemetry_path: /m/x }\n"
                                "log:\n"
                                "  level: debug\n"
                                "  format: json\n"
                                "queue:\n"
                                "  - postfix: /q/a\n"
                                "  - { timeout: 3600, exim: '/x y', interval: 1 }\n"
                                "  - postfix: /q/b\n"
                                "    interval: 86400\n"
                                "  - sendmail: /q/c\n"
                                "  - { opensmtpd: /q/d, timeout: 1 }\n"
                                "check_interval: 86400\n"
                                "sandbox: false\n"
                                "sandbox_paths: [/srv, /data/logs]\n"
                                "user: watcher\n"
                                "state: /var/lib/x/state.db\n";

static void expect_sources(const struct config *config)
{
    expect_number("sources", (long)config->source_count, 3);
    expect_text("first file", config->sources[0].file, "/var/log/mail.log");
    expect_text("first format", config->sources[0].format, "postfix");
    expect_number("line of the format", config->sources[0].line, 3);
    expect_number("column of the format", config->sources[0].column, 13);
    expect_text("second file", config->sources[1].file, "/var/log/exim4/*");
    expect_text("auto", config->sources[1].format, NULL);
    expect_number("line of auto", config->sources[1].line, 4);
    expect_number("column of auto", config->sources[1].column, 40);
    expect_text("third format", config->sources[2].format, NULL);
    expect_number("line of an entry without a format", config->sources[2].line, 5);
    expect_number("column of an entry without a format", config->sources[2].column, 5);
}

static void expect_queues(const struct config *config)
{
    static const struct config_queue want[] = {
        {"postfix", (char *)"/q/a", 30, 30},    {"exim", (char *)"/x y", 1, 3600},
        {"postfix", (char *)"/q/b", 86400, 30}, {"sendmail", (char *)"/q/c", 30, 30},
        {"opensmtpd", (char *)"/q/d", 30, 1},
    };
    expect_number("queues", (long)config->queue_count, LEN(want));
    expect_number("queues that are given", config->queues_given, true);
    for (size_t i = 0; i < LEN(want); i++) {
        expect_text("MTA of a queue", config->queues[i].mta, want[i].mta);
        expect_text("its spool", config->queues[i].spool, want[i].spool);
        expect_number("its interval", config->queues[i].interval, want[i].interval);
        expect_number("its timeout", config->queues[i].timeout, want[i].timeout);
    }
}

static void an_empty_list_of_queues_is_no_queue(void **state)
{
    (void)state;
    struct config config;
    parse_ok(&config, "no queues", "queue: []\n");
    expect_number("queues", (long)config.queue_count, 0);
    expect_number("queues that are given", config.queues_given, true);
    config_release(&config);
}

static void reads_every_key(void **state)
{
    (void)state;
    struct config config;
    parse_ok(&config, "every key", every_key);
    expect_sources(&config);
    expect_text("default, in its canonical form", config.sending_ip_default, "2001:db8::1");
    expect_number("map", (long)config.sending_ip_count, 2);
    expect_text("map name", config.sending_ips[0].name, "postfix/out-b");
    expect_text("map ip", config.sending_ips[0].ip, "203.0.113.11");
    expect_text("second map name", config.sending_ips[1].name, "out-c");
    expect_text("second map ip", config.sending_ips[1].ip, "::1");
    expect_number("postfix", (long)config.postfix_dir_count, 2);
    expect_text("second directory", config.postfix_dirs[1], "/etc/postfix-bulk");
    expect_number("domains", config.series_domains, 10000);
    expect_number("sending_ips", config.series_sending_ips, 1);
    expect_number("codes", config.series_codes, 300);
    expect_number("providers", (long)config.provider_count, 2);
    expect_text("second provider", config.providers[1], "/b c.tsv");
    expect_number("listen", (long)config.web_listen_count, 2);
    expect_text("first listen", config.web_listen[0], "127.0.0.1:9925");
    expect_text("second listen", config.web_listen[1], "[::1]:0");
    expect_text("telemetry_path", config.web_telemetry_path, "/m/x");
    expect_text("level", config.log_level, "debug");
    expect_text("format", config.log_format, "json");
    expect_queues(&config);
    expect_number("check_interval", config.check_interval, 86400);
    expect_text("state", config.state, "/var/lib/x/state.db");
    expect_number("sandbox", config.sandbox, false);
    expect_number("sandbox_paths", (long)config.sandbox_path_count, 2);
    expect_text("second of sandbox_paths", config.sandbox_paths[1], "/data/logs");
    expect_text("user", config.user, "watcher");
    config_release(&config);
}

#define DOMAINS  "c.yml:1:19: series.domains must be a whole number from 1 to 10000, not "
#define LEVEL    "c.yml:1:14: log.level must be one of: debug info warn error, not "
#define NOT_YET  " is not supported by this version"
#define INTERVAL "c.yml:1:17: check_interval must be a whole number from 1 to 86400, not "
#define A_PATH   " must be a file path of at most 4095 bytes, not "
#define A_LISTENER                                                                                 \
    "c.yml:1:16: an entry of web.listen must be host:port or :port of at most 4095 bytes, not "

/* One mistake a row; lines and columns were counted by hand. */
static const struct mistake {
    const char *name;
    const char *text;
    const char *want;
} mistakes[] = {
    {"unknown", "sources: []\nfoo: 1\n", "c.yml:2:1: unknown key \"foo\""},
    {"unknown, close", "serie: {}\n", "c.yml:1:1: unknown key \"serie\"; did you mean \"series\"?"},
    {"unknown, nested", "web:\n  telemetry_pth: /m\n",
     "c.yml:2:3: unknown key \"telemetry_pth\" under web; did you mean \"telemetry_path\"?"},
    {"unknown, in a source", "sources:\n  - flie: /x\n",
     "c.yml:2:5: unknown key \"flie\" under sources[]; did you mean \"file\"?"},
    {"no dotted keys", "web.listen: []\n", "c.yml:1:1: unknown key \"web.listen\""},
    {"not of this section", "log: {codes: 5}\n", "c.yml:1:7: unknown key \"codes\" under log"},
    {"case counts", "Log: {}\n", "c.yml:1:1: unknown key \"Log\"; did you mean \"log\"?"},
    {"key without text", "? [a]\n: b\n", "c.yml:1:3: a key must be a text, not a list"},
    {"duplicate", "log: {}\nweb: {}\nlog: {}\n",
     "c.yml:3:1: duplicate key \"log\", first in line 1"},
    {"duplicate, nested", "series:\n  codes: 1\n  codes: 1\n",
     "c.yml:3:3: duplicate key \"codes\", first in line 2"},
    {"duplicate, in the map", "sending_ips: {map: {a: 192.0.2.1, \"a\": 192.0.2.2}}\n",
     "c.yml:1:35: duplicate key \"a\", first in line 1"},
    {"root is a list", "- a\n", "c.yml:1:1: the file must be a mapping, not a list"},
    {"root is a text", "hello\n", "c.yml:1:1: the file must be a mapping, not \"hello\""},
    {"second document", "{}\n---\n{}\n", "c.yml:3:1: a second document has no meaning here"},
    {"text for a number", "series: {domains: many}\n", DOMAINS "\"many\""},
    {"quoted number", "check_interval: \"60\"\n", INTERVAL "\"60\""},
    {"number with a unit", "check_interval: 60s\n", INTERVAL "\"60s\""},
    {"no number", "check_interval:\n",
     "c.yml:1:16: check_interval must be a whole number from 1 to 86400, not \"\""},
    {"minus alone", "check_interval: '-'\n", INTERVAL "\"-\""},
    {"zero", "series: {domains: 0}\n", DOMAINS "\"0\""},
    {"one too many", "series: {domains: 10001}\n", DOMAINS "\"10001\""},
    {"negative", "check_interval: -1\n", INTERVAL "\"-1\""},
    {"past a day", "check_interval: 86401\n", INTERVAL "\"86401\""},
    {"past 64 bits", "check_interval: 18446744073709551617\n", INTERVAL "\"18446744073709551617\""},
    {"mapping for a number", "check_interval: {a: b}\n", INTERVAL "a mapping"},
    {"no truth value", "sandbox: yes\n", "c.yml:1:10: sandbox must be true or false, not \"yes\""},
    {"quoted truth value", "sandbox: \"false\"\n",
     "c.yml:1:10: sandbox must be true or false, not \"false\""},
    {"no section", "web: [a]\n", "c.yml:1:6: web must be a mapping, not a list"},
    {"text for a list", "providers: /x.tsv\n",
     "c.yml:1:12: providers must be a list of file paths, not \"/x.tsv\""},
    {"mapping for sources", "sources: {file: x}\n",
     "c.yml:1:10: sources must be a list of sources, not a mapping"},
    {"text for a source", "sources: [/var/log/mail.log]\n",
     "c.yml:1:11: an entry of sources must be a mapping"},
    {"source without a file", "sources:\n  - format: postfix\n",
     "c.yml:2:5: an entry of sources needs the key \"file\""},
    {"empty file path", "sources: [{file: \"\"}]\n", "c.yml:1:18: sources[].file" A_PATH "\"\""},
    {"no file path", "sources: [{file: }]\n", "c.yml:1:18: sources[].file" A_PATH "\"\""},
    {"null file path", "sources: [{file: ~}]\n", "c.yml:1:18: sources[].file" A_PATH "\"~\""},
    {"empty entry", "providers: [a, \"\"]\n", "c.yml:1:16: an entry of providers" A_PATH "\"\""},
    {"list in a list", "sending_ips: {postfix: [[a]]}\n",
     "c.yml:1:25: an entry of sending_ips.postfix" A_PATH "a list"},
    {"newline in a path", "sources: [{file: \"a\\nlevel=error\"}]\n",
     "c.yml:1:18: sources[].file" A_PATH "\"a?level=error\""},
    {"NUL in a path", "sources: [{file: \"a\\0b\"}]\n",
     "c.yml:1:18: sources[].file" A_PATH "\"a?b\""},
    {"default is a name", "sending_ips:\n  default: mail.example.com\n",
     "c.yml:2:12: sending_ips.default must be an IP address, not \"mail.example.com\""},
    {"address out of range", "sending_ips: {default: 192.0.2.256}\n",
     "c.yml:1:24: sending_ips.default must be an IP address, not \"192.0.2.256\""},
    {"network", "sending_ips: {default: 192.0.2.0/24}\n",
     "c.yml:1:24: sending_ips.default must be an IP address, not \"192.0.2.0/24\""},
    {"map to a name", "sending_ips:\n  map:\n    out: here\n",
     "c.yml:3:10: an address in sending_ips.map must be an IP address, not \"here\""},
    {"map from nothing", "sending_ips: {map: {\"\": 192.0.2.1}}\n",
     "c.yml:1:21: a name in sending_ips.map must be a text of at most 127 bytes, not \"\""},
    {"map is a list", "sending_ips: {map: [a]}\n",
     "c.yml:1:20: sending_ips.map must be a mapping of names to IP addresses, not a list"},
    {"level", "log: {level: loud}\n", LEVEL "\"loud\""},
    {"part of a level", "log: {level: \"info warn\"}\n", LEVEL "\"info warn\""},
    {"log format", "log: {format: xml}\n",
     "c.yml:1:15: log.format must be one of: logfmt json, not \"xml\""},
    {"no listener", "web: {listen: []}\n",
     "c.yml:1:15: web.listen must have 1 to 16 entries, not 0"},
    {"no port", "web: {listen: [localhost]}\n", A_LISTENER "\"localhost\""},
    {"port too high", "web: {listen: [\":65536\"]}\n", A_LISTENER "\":65536\""},
    {"port without digits", "web: {listen: [\"a:\"]}\n", A_LISTENER "\"a:\""},
    {"relative URL path", "web: {telemetry_path: metrics}\n",
     "c.yml:1:23: web.telemetry_path must be a URL path that begins with / of at most 255 bytes, "
     "not \"metrics\""},
    {"query in the URL path", "web: {telemetry_path: /m?x}\n",
     "c.yml:1:23: web.telemetry_path must be a URL path that begins with / of at most 255 bytes, "
     "not \"/m?x\""},
    {"own_domains", "own_domains: [example.com]\n", "c.yml:1:1: own_domains" NOT_YET},
    {"trusted_authserv_ids", "trusted_authserv_ids: []\n",
     "c.yml:1:1: trusted_authserv_ids" NOT_YET},
    {"a mapping of queues", "log: {}\nqueue:\n  postfix: /var/spool/postfix\n",
     "c.yml:3:3: queue must be a list of queues, not a mapping"},
    {"a queue by its path", "queue: [/var/spool/postfix]\n",
     "c.yml:1:9: an entry of queue must be a mapping, not \"/var/spool/postfix\""},
    {"a queue of nobody", "queue:\n  - interval: 5\n",
     "c.yml:2:5: an entry of queue needs one of the keys \"postfix\", \"exim\","
     " \"sendmail\", \"opensmtpd\""},
    {"a queue of two MTAs", "queue:\n  - exim: /a\n    postfix: /b\n",
     "c.yml:3:5: an entry of queue has one MTA, not \"exim\" and \"postfix\""},
    {"one queue twice", "queue: [{postfix: /a}, {exim: /b}, {exim: /a}]\n",
     "c.yml:1:36: queue has \"/a\" twice"},
    {"one queue twice, with slashes", "queue: [{postfix: /a}, {exim: /a//}]\n",
     "c.yml:1:24: queue has \"/a\" twice"},
    {"several spools", "queue: [{postfix: [/a, /b]}]\n",
     "c.yml:1:19: queue[].postfix must be a directory of at most 4095 bytes, not a list"},
    {"a queue without a spool", "queue:\n  - postfix:\n",
     "c.yml:2:13: queue[].postfix must be a directory of at most 4095 bytes, not \"\""},
    {"interval of a queue", "queue: [{postfix: /a, interval: 0}]\n",
     "c.yml:1:33: queue[].interval must be a whole number from 1 to 86400, not \"0\""},
    {"timeout of a queue", "queue: [{timeout: 3601}]\n",
     "c.yml:1:19: queue[].timeout must be a whole number from 1 to 3600, not \"3601\""},
    {"slip in a queue", "queue:\n  - postfx: /a\n",
     "c.yml:2:5: unknown key \"postfx\" under queue[]; did you mean \"postfix\"?"},
    {"web.config_file", "web:\n  config_file: /x\n", "c.yml:2:3: web.config_file" NOT_YET},
    {"journal", "sources:\n  - journal: {units: [a]}\n", "c.yml:2:5: sources[].journal" NOT_YET},
    {"mail", "sources:\n  - mail: /var/mail/new\n", "c.yml:2:5: sources[].mail" NOT_YET},
    {"characters, not bytes", "log: {level: info, \xc3\xa4\xc3\xb6: 1}\n",
     "c.yml:1:20: unknown key \"\xc3\xa4\xc3\xb6\" under log"},
    {"tag directive", "# c\n%TAG !a! b\n---\nlog: {}\n",
     "c.yml:2:1: a %TAG directive has no use here"},
    {"long value is cut between characters",
     "log: {level: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4zzzz}\n",
     LEVEL ""
           "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\""},
};

static void names_the_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(mistakes); i++) {
        struct config config;
        struct error err = {.text = ""};
        config_init(&config);
        int got = config_parse(&config, "c.yml", slice_str(mistakes[i].text), &err);
        expect_number(mistakes[i].name, got, -1);
        expect_text(mistakes[i].name, err.text, mistakes[i].want);
        config_release(&config);
    }
}

/* What libyaml itself finds: its words are its own, the place is ours to keep. */
static const struct mistake broken[] = {
    {"tab", "web:\n\tlisten: []\n", "c.yml:2:1: a tab, where"},
    {"open bracket", "sources: []\nproviders: [a,\n", "c.yml:3:1: "},
    {"open quote", "log: {level: \"info}\n", "c.yml:"},
    {"unknown alias", "log: *nobody\n", "c.yml:1:6: "},
    {"not UTF-8", "log: {}\n# \xff\n", "c.yml:2:3: "},
    {"control byte", "log: {}\nlog: \x01\n", "c.yml:2:6: "},
    {"bad indentation", "web:\n  listen: []\n telemetry_path: /\n", "c.yml:3:2: "},
};

static void places_syntax_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(broken); i++) {
        struct config config;
        struct error err = {.text = ""};
        config_init(&config);
        int got = config_parse(&config, "c.yml", slice_str(broken[i].text), &err);
        expect_number(broken[i].name, got, -1);
        if (!slice_starts(slice_str(err.text), slice_str(broken[i].want)) ||
            strlen(err.text) < strlen(broken[i].want) + 10)
            fail_msg("%s: got \"%s\", want \"%s...\"", broken[i].name, err.text, broken[i].want);
        config_release(&config);
    }
}

static int parse_bytes(const struct strbuf *text, struct error *err)
{
    struct config config;
    config_init(&config);
    int result = config_parse(&config, "c.yml", strbuf_slice(text), err);
    config_release(&config);
    return result;
}

/* Ten levels of nine aliases each would be 3.5 billion entries, were they expanded. */
static void aliases_do_not_grow(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    strbuf_add_str(&text, "providers: &a0 [x, x, x, x, x, x, x, x, x]\nsources:\n");
    for (int i = 1; i <= 10; i++) {
        strbuf_addf(&text, "  - &a%d [", i);
        for (int j = 0; j < 9; j++)
            strbuf_addf(&text, "%s*a%d", j ? ", " : "", i - 1);
        strbuf_add_str(&text, "]\n");
    }
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("bomb", err.text, "c.yml:3:5: an entry of sources must be a mapping");
    strbuf_reset(&text);
    strbuf_add_str(&text, "sources: &a [*a]\n");
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("loop", err.text, "c.yml:1:10: an entry of sources must be a mapping");
    strbuf_release(&text);
}

static void follows_aliases(void **state)
{
    (void)state;
    struct config config;
    parse_ok(&config, "alias", "providers: &p [/a.tsv]\nsending_ips: {postfix: *p}\n");
    expect_number("postfix", (long)config.postfix_dir_count, 1);
    expect_text("postfix", config.postfix_dirs[0], "/a.tsv");
    config_release(&config);
}

static void bounds_lists(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    strbuf_add_str(&text, "sources:\n");
    for (int i = 0; i < 64; i++)
        strbuf_add_str(&text, "  - {file: /x}\n");
    assert_int_equal(parse_bytes(&text, &err), 0);
    strbuf_add_str(&text, "  - {file: /x}\n");
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("sources", err.text, "c.yml:2:3: sources must have 0 to 64 entries, not 65");
    strbuf_reset(&text);
    strbuf_add_str(&text, "sending_ips:\n  map:\n");
    for (int i = 0; i < 1025; i++)
        strbuf_addf(&text, "    n%d: 192.0.2.1\n", i);
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("map", err.text,
                "c.yml:3:5: sending_ips.map must have 0 to 1024 entries, not 1025");
    strbuf_release(&text);
}

static void bounds_depth_and_anchors(void **state)
{
    (void)state;
    struct error err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 200000; i++)
        strbuf_add_str(&text, "[");
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("depth", err.text, "c.yml:1:33: nested deeper than 32");
    strbuf_reset(&text);
    strbuf_add_str(&text, "providers:\n");
    for (int i = 0; i < 101; i++)
        strbuf_addf(&text, "  - &a%d x\n", i);
    assert_int_equal(parse_bytes(&text, &err), -1);
    expect_text("anchors", err.text, "c.yml:102:5: more than 100 anchors");
    strbuf_release(&text);
}

/* Every prefix of a right file gives a configuration or a sentence; sanitizers look on. */
static void every_prefix_ends(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(every_key); len++) {
        struct config config;
        struct error err = {.text = ""};
        char *copy = must_calloc(len, 1);
        memcpy(copy, every_key, len);
        config_init(&config);
        int got = config_parse(&config, "c.yml", slice_of(copy, len), &err);
        if ((got != 0) != (err.text[0] != '\0'))
            fail_msg("prefix of %zu: got %d with \"%s\"", len, got, err.text);
        config_release(&config);
        free(copy);
    }
}

/* A second reading replaces lists, and leaves what it does not name. */
static void reads_over_what_is_there(void **state)
{
    (void)state;
    struct config config;
    struct error err;
    parse_ok(&config, "first", every_key);
    const char *second = "sources: [{file: /new}]\nweb: {listen: [':1']}\n"
                         "sending_ips: {default: 192.0.2.9, map: {}}\n";
    assert_int_equal(config_parse(&config, "c.yml", slice_str(second), &err), 0);
    expect_number("sources", (long)config.source_count, 1);
    expect_text("file", config.sources[0].file, "/new");
    expect_number("listen", (long)config.web_listen_count, 1);
    expect_number("map", (long)config.sending_ip_count, 0);
    expect_text("default", config.sending_ip_default, "192.0.2.9");
    expect_text("level stays", config.log_level, "debug");
    config_release(&config);
}

struct place {
    char dir[SCRATCH_MAX];
    char path[300];
};

static void place_init(struct place *place)
{
    scratch_make(place->dir);
    snprintf(place->path, sizeof(place->path), "%s/c.yml", place->dir);
}

static int load(const char *path, struct error *err)
{
    struct config config;
    config_init(&config);
    int result = config_load(&config, path, err);
    config_release(&config);
    return result;
}

static void expect_load_error(const char *path, const char *sentence)
{
    struct error err = {.text = ""};
    char want[512];
    snprintf(want, sizeof(want), "%s%s", path, sentence);
    assert_int_equal(load(path, &err), -1);
    expect_text(sentence, err.text, want);
}

static void loads_files(void **state)
{
    (void)state;
    struct place place;
    struct error err = {.text = ""};
    place_init(&place);
    expect_load_error(place.path, ": cannot be opened: No such file or directory");
    expect_load_error(place.dir, ": cannot be read: Is a directory");
    file_write(place.path, SLICE("log:\n  level: x\n"));
    expect_load_error(place.path,
                      ":2:10: log.level must be one of: debug info warn error, not \"x\"");
    file_write(place.path, SLICE("log:\n  level: warn\n"));
    if (load(place.path, &err))
        fail_msg("right file: got \"%s\", want no error", err.text);
    file_write(place.path, SLICE_NONE);
    if (load(place.path, &err))
        fail_msg("empty file: got \"%s\", want no error", err.text);
    scratch_remove(place.dir);
}

static void refuses_large_files(void **state)
{
    (void)state;
    struct place place;
    struct error err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    place_init(&place);
    while (text.len < CONFIG_FILE_MAX)
        strbuf_add_str(&text, "#\n");
    file_write(place.path, strbuf_slice(&text));
    if (load(place.path, &err))
        fail_msg("1 MiB: got \"%s\", want no error", err.text);
    strbuf_add_str(&text, "\n");
    file_write(place.path, strbuf_slice(&text));
    expect_load_error(place.path, ": is larger than 1048576 bytes");
    assert_int_equal(parse_bytes(&text, &err), -1);
    strbuf_release(&text);
    scratch_remove(place.dir);
}

static void read_text(const char *path, struct strbuf *text)
{
    char chunk[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s is missing: run from the top of the tree", path);
    for (ssize_t got; (got = read(fd, chunk, sizeof(chunk))) > 0;)
        strbuf_add(text, chunk, (size_t)got);
    close(fd);
}

/* Takes the "#" off the examples; prose has a blank behind it and then a word. */
static void uncomment(struct slice rest, struct strbuf *out)
{
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        struct slice body = slice_skip(line, 1);
        bool prose = body.len > 1 && body.ptr[0] == ' ' && body.ptr[1] != ' ';
        if (slice_starts(line, SLICE("#")) && !prose)
            line = body;
        strbuf_add_slice(out, line);
        strbuf_add_str(out, "\n");
    }
}

static void packaged_example_is_right(void **state)
{
    (void)state;
    struct config config;
    struct strbuf text = STRBUF_INIT, bare = STRBUF_INIT;
    read_text("packaging/mailvane.yml", &text);
    parse_ok(&config, "as packaged", text.buf);
    expect_defaults("as packaged", &config);
    expect_text("state as packaged", config.state, "/var/lib/mailvane/state.db");
    config_release(&config);
    uncomment(strbuf_slice(&text), &bare);
    parse_ok(&config, "uncommented", bare.buf);
    expect_number("sources", (long)config.source_count, 1);
    expect_text("file", config.sources[0].file, "/var/log/mail.log");
    expect_text("default", config.sending_ip_default, "203.0.113.10");
    expect_number("map", (long)config.sending_ip_count, 2);
    expect_text("postfix", config.postfix_dirs[0], "/etc/postfix");
    expect_number("providers", (long)config.provider_count, 1);
    config_release(&config);
    strbuf_release(&bare);
    strbuf_release(&text);
}

/* The manual has a row for each row of the table, with its default and its sentence. */
static void manual_has_every_key(void **state)
{
    (void)state;
    static const struct {
        const char *parent, *name, *value, *help;
    } rows[] = {
#define OPTION(parent, name, type, where, value, min, max, words, help) {parent, name, value, help},
#include "mailvane/tables/options.def"
#undef OPTION
    };
    struct strbuf manual = STRBUF_INIT;
    read_text("docs/configuration.md", &manual);
    for (size_t i = 0; i < LEN(rows); i++) {
        char head[128], tail[256];
        const char *tick = *rows[i].value ? "`" : "";
        snprintf(head, sizeof(head), "\n| `%s%s%s` | ", rows[i].parent, *rows[i].parent ? "." : "",
                 rows[i].name);
        snprintf(tail, sizeof(tail), " | %s |", rows[i].help);
        const char *row = strstr(manual.buf, head);
        if (!row)
            fail_msg("docs/configuration.md has no row for %s", head + 3);
        struct slice rest = slice_str(row + 1);
        struct slice line = slice_cut(&rest, '\n');
        char value[64];
        snprintf(value, sizeof(value), "| %s%s%s |", tick, rows[i].value, tick);
        if (!slice_ends(line, slice_str(tail)) ||
            (*rows[i].value && slice_find_text(line, slice_str(value)) == line.len))
            fail_msg("docs/configuration.md: got \"%.*s\", want default \"%s\" and \"%s\"",
                     SLICE_ARG(line), rows[i].value, rows[i].help);
    }
    strbuf_release(&manual);
}

/* A key of an MTA is worth nothing without who reads its queue. */
static void mtas_have_readers(void **state)
{
    (void)state;
    unsigned readers = 0;
#define OPTION(parent, name, type, where, value, min, max, words, help) {parent, name, #type},
    static const struct {
        const char *parent, *name, *type;
    } rows[] = {
#include "mailvane/tables/options.def"
    };
#undef OPTION
    for (size_t i = 0; i < LEN(rows); i++) {
        if (strcmp(rows[i].type, "SPOOL") != 0)
            continue;
        if (!queue_reader_named(rows[i].name))
            fail_msg("no queue reader is named %s", rows[i].name);
        readers++;
    }
    expect_number("MTAs: Postfix, Exim, Sendmail, OpenSMTPD", readers, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_defaults),
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(an_empty_list_of_queues_is_no_queue),
        cmocka_unit_test(mtas_have_readers),
        cmocka_unit_test(names_the_mistake),
        cmocka_unit_test(places_syntax_errors),
        cmocka_unit_test(aliases_do_not_grow),
        cmocka_unit_test(follows_aliases),
        cmocka_unit_test(bounds_lists),
        cmocka_unit_test(bounds_depth_and_anchors),
        cmocka_unit_test(every_prefix_ends),
        cmocka_unit_test(reads_over_what_is_there),
        cmocka_unit_test(loads_files),
        cmocka_unit_test(refuses_large_files),
        cmocka_unit_test(packaged_example_is_right),
        cmocka_unit_test(manual_has_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
