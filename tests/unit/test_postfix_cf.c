#include "scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/config/postfix_cf.h"

#define DATA      "tests/data/postfix-config/"
#define SMTP_LINE "smtp unix - - n - - smtp\n"

static const struct postfix_service *find(const struct postfix_cf *cf, const char *name)
{
    for (size_t i = 0; i < cf->count; i++)
        if (strcmp(cf->services[i].syslog_name, name) == 0)
            return &cf->services[i];
    return NULL;
}

static void expect_service(const struct postfix_cf *cf, const char *name, const char *bind4,
                           const char *bind6)
{
    const struct postfix_service *service = find(cf, name);
    if (!service)
        fail_msg("%s: got no such service, want one", name);
    expect_text(name, service->bind4, bind4);
    expect_text(name, service->bind6, bind6);
}

static void expect_count(const char *name, size_t got, size_t want)
{
    if (got != want)
        fail_msg("%s: got %zu, want %zu", name, got, want);
}

static void read_ok(struct postfix_cf *cf, const char *dir)
{
    struct error err = {.text = ""};
    if (postfix_cf_read(cf, dir, &err))
        fail_msg("%s: got \"%s\", want no error", dir, err.text);
}

/* Real directories; the addresses are those that the receiving servers saw. */
static const struct {
    const char *dir;
    const char *name;
    const char *bind4;
} real[] = {
    {DATA "main/mta", "postfix/out-203.0.113.10", "127.0.2.10"},
    {DATA "main/mta", "postfix/out-203.0.113.11", "127.0.2.11"},
    {DATA "main/mta", "postfix/pool-b", "127.0.2.12"},
    {DATA "main/mta", "postfix", ""}, /* smtp, out3, badbind, badbind2 share it */
    {DATA "main/mta", "postfix/relay", ""},
    {DATA "main/mta", "postfix/lmtp", ""},
    {DATA "syslog/postfix", "postfix", ""},
    {DATA "syslog/postfix", "postfix/relay", ""},
    {DATA "syslog/postfix-bulk", "postfix-bulk/out-203.0.113.10", "127.0.2.10"},
    {DATA "syslog/postfix-bulk", "postfix-bulk/pool-b", "127.0.2.12"},
    {DATA "syslog/postfix-bulk", "postfix-bulk", ""}, /* smtp and out3 */
    {DATA "syslog/postfix-bulk", "postfix-bulk/relay", ""},
    {DATA "special/mta", "postfix/out-203.0.113.11", "127.0.2.11"},
    {DATA "special/mta", "postfix", ""},
    {DATA "inbound/mx", "postfix/relay", ""},
};

static void reads_real_directories(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(real); i++) {
        struct postfix_cf cf = {0};
        read_ok(&cf, real[i].dir);
        expect_service(&cf, real[i].name, real[i].bind4, "");
        expect_count(real[i].dir, cf.dir_count, 1);
        expect_text("directory", cf.dirs[0], real[i].dir);
        postfix_cf_release(&cf);
    }
}

static void counts_each_name_once(void **state)
{
    (void)state;
    struct postfix_cf cf = {0};
    read_ok(&cf, DATA "main/mta");
    read_ok(&cf, DATA "main/mta/");
    expect_count("names", cf.count, 6);
    read_ok(&cf, DATA "syslog/postfix-bulk");
    expect_count("names of two", cf.count, 6 + 6);
    expect_count("directories", cf.dir_count, 2);
    expect_service(&cf, "postfix/pool-b", "127.0.2.12", "");
    expect_service(&cf, "postfix-bulk/pool-b", "127.0.2.12", "");
    assert_null(find(&cf, "postfix/submission"));
    postfix_cf_release(&cf);
}

static const char *const files[] = {"main.cf", "master.cf"};

static void write_dir(const char *dir, const char *main_cf, const char *master_cf)
{
    mkdir(dir, 0700);
    scratch_write(dir, files[0], main_cf);
    scratch_write(dir, files[1], master_cf);
}

/* Reads one directory of these two files. */
static int read_texts(struct postfix_cf *cf, const char *main_cf, const char *master_cf,
                      struct error *err)
{
    char top[SCRATCH_MAX];
    scratch_make(top);
    write_dir(top, main_cf, master_cf);
    int result = postfix_cf_read(cf, top, err);
    scratch_remove(top);
    return result;
}

/* What "postconf -x" of Postfix 3.7.11 printed for each value, with a = one, e empty. */
static const struct {
    const char *name;
    const char *value;
    const char *want;
} macros[] = {
    {"plain", "x", "x"},
    {"name", "$a.y", "one.y"},
    {"parentheses", "$(a)y", "oney"},
    {"braces", "${a}y", "oney"},
    {"spaces within", "[$( a )${ a }]", "[oneone]"},
    {"dollar", "$a$$b", "one$b"},
    {"undefined", "[$nope]", "[]"},
    {"if set", "[${a?yes}|${e?yes}|${nope?yes}]", "[yes||]"},
    {"if not set", "[${a:no}|${e:no}|${nope:no}]", "[|no|no]"},
    {"set to what is empty", "[${b?x}]", "[x]"},
    {"either", "[${a?{T}:{F}}|${nope?{T}:{F}}]", "[T|F]"},
    {"either, parentheses", "$(a?{T}:{F})", "T"},
    {"spaces stay within braces", "[${a?{ T }:{F}}]", "[ T ]"},
    {"spaces outside of braces", "[${a ?  {x} : {y} }|${nope ? {T} : {F}}]", "[x|F]"},
    {"spaces of a bare text", "[${a ? x }|${e: x}]", "[ x | x]"},
    {"bare else", "[${a?{T}:F}|${nope?{T}:F}|${nope:{F}}]", "[T|F|F]"},
    {"colon in a bare text", "[${a?T:F}|${nope?T:F}]", "[T:F|]"},
    {"nested", "${a?{$m}:{b}}/${nope?{b}:{x${a?{n}:{m}}}}", "inst/xn"},
    {"group within a bare text", "[${a?$e{}}]", "[{}]"},
    {"deep", "${a?{${e:{deep}}}}", "deep"},
    {"equal", "${{$a} == {one} ? {y} : {n}}", "y"},
    {"unequal", "[${{$a}!={one}?{y}}]", "[]"},
    {"equal, else", "[${{$a}=={two}:{z}}]", "[z]"},
    {"equal alone", "[${{$a}=={one}}|${{$a}=={two}}|${{$a} != {two}}]", "[true||true]"},
    {"bare text of a comparison", "[${{$a} == {one} ? y : {n}}]", "[ y : {n}]"},
};

static void expands_as_postfix_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(macros); i++) {
        struct postfix_cf cf = {0};
        struct error err = {.text = ""};
        char main_cf[512];
        snprintf(main_cf, sizeof(main_cf), "a = one\ne =\nb = $e\nm = inst\nsyslog_name = %s\n",
                 macros[i].value);
        if (read_texts(&cf, main_cf, SMTP_LINE, &err))
            fail_msg("%s: got \"%s\", want no error", macros[i].name, err.text);
        expect_count(macros[i].name, cf.count, 1);
        expect_text(macros[i].name, cf.services[0].syslog_name, macros[i].want);
        postfix_cf_release(&cf);
    }
}

/* Values that Postfix refuses, and ones that would take too much work. */
static const struct {
    const char *name;
    const char *main_cf;
    const char *want;
} refused[] = {
    {"open brace", "syslog_name = ${a", "has a macro that is not closed"},
    {"open arm", "a=1\nsyslog_name = $(a?{T)", "has a brace that is not closed"},
    {"no name", "syslog_name = x${}", "has a macro without a name"},
    {"no name at the end", "syslog_name = x$", "has a macro without a name"},
    {"no name, bare", "syslog_name = $.x", "has a macro without a name"},
    {"dot in a name", "syslog_name = ${a.b}", "has a conditional that cannot be read"},
    {"no colon", "a=1\nsyslog_name = ${a?{T}{F}}", "has a conditional that cannot be read"},
    {"text behind an arm", "syslog_name = ${e:{x} y}", "has a conditional that cannot be read"},
    {"other comparison", "syslog_name = ${{a} ~ {b} ? {c}}",
     "has a comparison that cannot be read"},
    {"loop of one", "syslog_name = $syslog_name", "has macros that nest too deep, or in a loop"},
    {"loop of two", "syslog_name = $a\na = x${b}\nb = $a",
     "has macros that nest too deep, or in a loop"},
    {"doubling",
     "a=$b$b\nb=$c$c\nc=$d$d\nd=$f$f\nf=$g$g\ng=$h$h\nh=$i$i\ni=$j$j\nj=$k$k\nk=$l$l\nl=\n"
     "syslog_name=$a",
     "has macros that nest too deep, or in a loop"},
    {"doubling of text",
     "a=$b$b\nb=$c$c\nc=$d$d\nd=$f$f\nf=$g$g\n"
     "g=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
     "syslog_name=$a",
     "is too long once expanded"},
};

static void refuses_bad_macros(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(refused); i++) {
        struct postfix_cf cf = {0};
        struct error err = {.text = ""};
        char want[128];
        snprintf(want, sizeof(want), "/master.cf: service smtp: the value of syslog_name %s",
                 refused[i].want);
        if (read_texts(&cf, refused[i].main_cf, SMTP_LINE, &err) == 0)
            fail_msg("%s: got no error, want \"%s\"", refused[i].name, want);
        if (!slice_ends(slice_str(err.text), slice_str(want)))
            fail_msg("%s: got \"%s\", want \"...%s\"", refused[i].name, err.text, want);
        postfix_cf_release(&cf);
    }
}

/* One service's name and addresses from both files; grammar of postconf(5) and master(5). */
static const struct {
    const char *name;
    const char *main_cf;
    const char *master_cf;
    const char *syslog_name; /* of the one service; NULL: there is none */
    const char *bind4;
    const char *bind6;
} cases[] = {
    {"defaults", "", SMTP_LINE, "postfix", "", ""},
    {"instance", "multi_instance_name = mta-a\n", SMTP_LINE, "mta-a", "", ""},
    {"main.cf", "smtp_bind_address = 192.0.2.1\nsmtp_bind_address6=2001:DB8::0:1\n", SMTP_LINE,
     "postfix", "192.0.2.1", "2001:db8::1"},
    {"later wins", "smtp_bind_address = 192.0.2.1\nsmtp_bind_address = 192.0.2.2\n", SMTP_LINE,
     "postfix", "192.0.2.2", ""},
    {"-o wins", "smtp_bind_address = 192.0.2.1\n",
     "out unix - - n - - smtp -o smtp_bind_address=192.0.2.2\n", "postfix", "192.0.2.2", ""},
    {"later -o wins", "",
     "out unix - - n - - smtp -o smtp_bind_address=192.0.2.2 -o smtp_bind_address=192.0.2.3\n",
     "postfix", "192.0.2.3", ""},
    {"empty -o wins", "smtp_bind_address = 192.0.2.1\n",
     "out unix - - n - - smtp -o smtp_bind_address=\n", "postfix", "", ""},
    {"one word", "", "out unix - - n - - smtp -osmtp_bind_address=192.0.2.2\n", "postfix",
     "192.0.2.2", ""},
    {"behind -v", "", "out unix - - n - - smtp -v -D -vo smtp_bind_address=192.0.2.2\n", "postfix",
     "192.0.2.2", ""},
    {"long form", "", "out unix - - n - - smtp -o { smtp_bind_address = [192.0.2.2] }\n", "postfix",
     "192.0.2.2", ""},
    {"spaces in a short form end it", "",
     "out unix - - n - - smtp -o smtp_bind_address = 192.0.2.2\n", "postfix", "", ""},
    {"nothing behind --", "", "out unix - - n - - smtp -- -o smtp_bind_address=192.0.2.2\n",
     "postfix", "", ""},
    {"full path", "", "out unix - - n - - /usr/lib/postfix/sbin/smtp -o syslog_name=x\n", "x", "",
     ""},
    {"service_name", "", "out-b unix - - n - - smtp -o syslog_name=postfix/$service_name\n",
     "postfix/out-b", "", ""},
    {"default with service_name", "multi_instance_name=bulk",
     "relay unix - - n - - smtp -o "
     "syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name",
     "bulk/relay", "", ""},
    {"spaces within a macro", "", "s unix - - n - - smtp -o syslog_name=${a ? {A B} : {c}}/x\n",
     "c/x", "", ""},
    {"-o for other macros", "syslog_name = $pool/x\n",
     "out unix - - n - - smtp -o pool=p1 -o smtp_bind_address=$ip -o ip=192.0.2.7\n", "p1/x",
     "192.0.2.7", ""},
    {"continuation", "syslog_name = a\n\tb\n\n# comment\n  # another\n\n  c\n",
     "smtp\n unix - -\n# comment\n\n n - - smtp\n  -o smtp_bind_address=192.0.2.2\n", "a\tb  c",
     "192.0.2.2", ""},
    {"no line to continue", "  syslog_name = x\n# c\n  y\n", SMTP_LINE, "postfix", "", ""},
    {"comment in a value", "syslog_name = a # b\n", SMTP_LINE, "a # b", "", ""},
    {"commented out", "#smtp_bind_address = 192.0.2.1\n",
     "#out unix - - n - - smtp -o syslog_name=x\n" SMTP_LINE, "postfix", "", ""},
    {"spaces around", "smtp_bind_address\t =  192.0.2.1 \r\n", SMTP_LINE, "postfix", "192.0.2.1",
     ""},
    {"equals in a value", "syslog_name = a=b\n", SMTP_LINE, "a=b", "", ""},
    {"no newline at the end", "smtp_bind_address = 192.0.2.1", "s unix - - n - - smtp", "postfix",
     "192.0.2.1", ""},
    {"no address", "smtp_bind_address = mail.example.com\n", SMTP_LINE, "postfix", "", ""},
    {"not of its family", "smtp_bind_address = ::1\nsmtp_bind_address6 = 192.0.2.1\n", SMTP_LINE,
     "postfix", "", ""},
    {"longest IPv6", "smtp_bind_address6 = [2001:0db8:1111:2222:3333:4444:5555:6666]\n", SMTP_LINE,
     "postfix", "", "2001:db8:1111:2222:3333:4444:5555:6666"},
    {"lmtp has its own", "smtp_bind_address = 192.0.2.1\nlmtp_bind_address = 192.0.2.2\n",
     "lmtp unix - - n - - lmtp\n", "postfix/lmtp", "192.0.2.2", ""},
    {"other programs", "", "smtp inet n - n - - smtpd\nx unix - - n - - pipe argv=smtp\n", NULL,
     NULL, NULL},
    {"too few fields", "", "smtp unix - - n - smtp\n", NULL, NULL, NULL},
    {"empty syslog_name", "", "smtp unix - - n - - smtp -o syslog_name=\n", NULL, NULL, NULL},
    {"lone interface", "inet_interfaces = 192.0.2.9, [2001:db8::9]\n", SMTP_LINE, "postfix",
     "192.0.2.9", "2001:db8::9"},
    {"lone interface and bind", "inet_interfaces = 192.0.2.9\nsmtp_bind_address = 192.0.2.1\n",
     SMTP_LINE, "postfix", "192.0.2.1", ""},
    {"two interfaces", "inet_interfaces = 192.0.2.9 192.0.2.8 192.0.2.7\n", SMTP_LINE, "postfix",
     "", ""},
    {"loopback interface", "inet_interfaces = 127.0.0.1, ::1\n", SMTP_LINE, "postfix", "", ""},
    {"interface by name", "inet_interfaces = $myhostname, 192.0.2.9\n", SMTP_LINE, "postfix", "",
     ""},
    {"all interfaces", "inet_interfaces = all\n", SMTP_LINE, "postfix", "", ""},
};

static void reads_both_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct postfix_cf cf = {0};
        struct error err = {.text = ""};
        if (read_texts(&cf, cases[i].main_cf, cases[i].master_cf, &err))
            fail_msg("%s: got \"%s\", want no error", cases[i].name, err.text);
        expect_count(cases[i].name, cf.count, cases[i].syslog_name ? 1 : 0);
        if (cases[i].syslog_name) {
            expect_text(cases[i].name, cf.services[0].syslog_name, cases[i].syslog_name);
            expect_text(cases[i].name, cf.services[0].bind4, cases[i].bind4);
            expect_text(cases[i].name, cf.services[0].bind6, cases[i].bind6);
        }
        postfix_cf_release(&cf);
    }
}

/* A third service that agrees with the first does not bring the address back. */
static void never_guesses(void **state)
{
    (void)state;
    struct postfix_cf cf = {0};
    struct error err = {.text = ""};
    const char *master = "a unix - - n - - smtp -o smtp_bind_address=192.0.2.1\n"
                         "b unix - - n - - smtp -o smtp_bind_address=192.0.2.2\n"
                         "c unix - - n - - smtp -o smtp_bind_address=192.0.2.1\n"
                         "d unix - - n - - smtp -o syslog_name=d -o smtp_bind_address=192.0.2.4\n"
                         "e unix - - n - - smtp -o syslog_name=d -o smtp_bind_address=192.0.2.4\n"
                         "lmtp unix - - n - - lmtp\n";
    assert_int_equal(read_texts(&cf, "smtp_bind_address6 = 2001:db8::6\n", master, &err), 0);
    expect_count("names", cf.count, 3);
    expect_service(&cf, "postfix", "", "2001:db8::6");
    expect_service(&cf, "d", "192.0.2.4", "2001:db8::6");
    expect_service(&cf, "postfix/lmtp", "", "");
    postfix_cf_release(&cf);
}

static void follows_instances(void **state)
{
    (void)state;
    char top[SCRATCH_MAX];
    char a[256], b[256], main_cf[1024];
    struct postfix_cf cf = {0};
    scratch_make(top);
    snprintf(a, sizeof(a), "%s/a", top);
    snprintf(b, sizeof(b), "%s/b", top);
    snprintf(main_cf, sizeof(main_cf),
             "top = %s\nmulti_instance_directories = ${top}/a/,\n $top/b\n", top);
    write_dir(top, main_cf, SMTP_LINE);
    write_dir(a, "multi_instance_name = mta-a\nsmtp_bind_address = 192.0.2.1\n", SMTP_LINE);
    /* It names its manager and itself: that ends. */
    snprintf(main_cf, sizeof(main_cf),
             "multi_instance_name = mta-b\nsmtp_bind_address = 192.0.2.2\n"
             "multi_instance_directories = %s %s\n",
             top, b);
    write_dir(b, main_cf, SMTP_LINE);
    read_ok(&cf, top);
    expect_count("directories", cf.dir_count, 3);
    expect_text("first", cf.dirs[0], top);
    expect_text("second", cf.dirs[1], a);
    expect_text("third", cf.dirs[2], b);
    expect_service(&cf, "postfix", "", "");
    expect_service(&cf, "mta-a", "192.0.2.1", "");
    expect_service(&cf, "mta-b", "192.0.2.2", "");
    postfix_cf_release(&cf);
    scratch_remove(top);
}

static void expect_error(const char *name, const char *main_cf, const char *master_cf,
                         const char *want)
{
    struct postfix_cf cf = {0};
    struct error err = {.text = ""};
    if (read_texts(&cf, main_cf, master_cf, &err) == 0)
        fail_msg("%s: got no error, want \"%s\"", name, want);
    if (!slice_ends(slice_str(err.text), slice_str(want)))
        fail_msg("%s: got \"%s\", want \"...%s\"", name, err.text, want);
    postfix_cf_release(&cf);
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    struct strbuf text = STRBUF_INIT;
    expect_error("relative", "multi_instance_directories = postfix-b\n", "",
                 "/main.cf: multi_instance_directories: \"postfix-b\" is not absolute");
    expect_error("missing instance", "multi_instance_directories = /nonexistent/b\n", "",
                 "/nonexistent/b/main.cf: cannot be opened: No such file or directory");
    expect_error(
        "bad list", "multi_instance_directories = ${x\n", "",
        "/main.cf: the value of multi_instance_directories has a macro that is not closed");
    strbuf_add_str(&text, "multi_instance_directories =");
    for (int i = 0; i < 70; i++)
        strbuf_addf(&text, " /nonexistent/%d", i);
    expect_error("many", text.buf, "", "/main.cf: more than 64 Postfix directories in all");
    strbuf_reset(&text);
    strbuf_add_str(&text, "multi_instance_directories = /nonexistent/");
    for (int i = 0; i < 256; i++)
        strbuf_add_str(&text, "x");
    expect_error("long", text.buf, "", " is no usable directory name");
    strbuf_reset(&text);
    strbuf_add_str(&text, "syslog_name = ");
    for (int i = 0; i < 128; i++)
        strbuf_add_str(&text, "x");
    expect_error("long name", text.buf, SMTP_LINE, "is longer than 127");
    strbuf_reset(&text);
    for (int i = 0; i <= POSTFIX_CF_SERVICES_MAX; i++)
        strbuf_addf(&text, "s%d unix - - n - - smtp -o syslog_name=$service_name\n", i);
    expect_error("services", "", text.buf, "/master.cf: more than 1024 names of services in all");
    strbuf_release(&text);
}

static void names_missing_files(void **state)
{
    (void)state;
    char top[SCRATCH_MAX];
    struct error err = {.text = ""};
    char want[512];
    scratch_make(top);
    for (size_t i = 0; i < LEN(files); i++) {
        struct postfix_cf cf = {0};
        assert_int_equal(postfix_cf_read(&cf, top, &err), -1);
        snprintf(want, sizeof(want), "%s/%s: cannot be opened: No such file or directory", top,
                 files[i]);
        expect_text(files[i], err.text, want);
        postfix_cf_release(&cf);
        scratch_write(top, files[i], "");
    }
    struct postfix_cf cf = {0};
    read_ok(&cf, top);
    expect_count("nothing in them", cf.count, 0);
    postfix_cf_release(&cf);
    scratch_remove(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_real_directories),  cmocka_unit_test(counts_each_name_once),
        cmocka_unit_test(expands_as_postfix_does), cmocka_unit_test(refuses_bad_macros),
        cmocka_unit_test(reads_both_files),        cmocka_unit_test(never_guesses),
        cmocka_unit_test(follows_instances),       cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(names_missing_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
