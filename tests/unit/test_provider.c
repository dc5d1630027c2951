#include "scratch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailvane/base/strbuf.h"
#include "mailvane/classify/provider.h"

#define SEED 42

struct lookup {
    const char *name; /* of the case */
    const char *key;
    const char *want;
};

static void expect(struct slice got, const char *name, const char *key, const char *want)
{
    if (!slice_eq(got, slice_str(want)))
        fail_msg("%s: %s: got \"%.*s\", want \"%s\"", name, key, SLICE_ARG(got), want);
}

static void expect_host(struct providers *providers, const char *host, const char *want)
{
    expect(provider_of_host(providers, slice_str(host)), "host", host, want);
}

static void expect_domain(struct providers *providers, const char *domain, const char *want)
{
    expect(provider_of_domain(providers, slice_str(domain)), "domain", domain, want);
}

static void load_ok(struct providers *providers, const char *text)
{
    struct error err = {.text = ""};
    if (providers_load_text(providers, "mine.tsv", slice_str(text), &err) != 0)
        fail_msg("got \"%s\", want no error", err.text);
}

/* MX hosts as the DNS of these domains publishes them. */
static const struct lookup hosts[] = {
    {"gmail", "gmail-smtp-in.l.google.com", "google"},
    {"workspace", "aspmx.l.google.com", "google"},
    {"workspace second", "ASPMX2.GOOGLEMAIL.COM", "google"},
    {"outlook.com", "outlook-com.olc.protection.outlook.com", "microsoft-consumer"},
    {"tenant", "example-com.mail.protection.outlook.com", "microsoft-365"},
    {"dane tenant", "example-com.o-v1.mx.microsoft", "microsoft-365"},
    {"yahoo", "mta7.am0.yahoodns.net", "yahoo"},
    {"aol", "mx-aol.mail.gm0.yahoodns.net", "yahoo"},
    {"yahoo japan", "mx1.mail.yahoo.co.jp", "yahoo-jp"},
    {"icloud", "mx01.mail.icloud.com", "apple"},
    {"gmx", "mx00.emig.gmx.net", "gmx"},
    {"a dot in the name", "mx-ha02.web.de", "web.de"},
    {"a slash in the name", "mx.websitewelcome.com", "hostgator/bluehost"},
    {"last dot", "aspmx.l.google.com.", "google"},
    {"mixed case", "Aspmx.L.Google.Com", "google"},
    {"one label below", "smtp.google.com", "google"},
    {"the suffix itself is not below it", "google.com", "other"},
    {"whole labels only", "notgoogle.com", "other"},
    {"whole labels only, below", "mx.notgoogle.com", "other"},
    {"suffix within", "google.com.example.net", "other"},
    {"empty", "", "other"},
    {"a dot", ".", "other"},
    {"two dots", "..", "other"},
    {"single label", "localhost", "other"},
    {"address literal", "[192.0.2.1]", "other"},
    {"a domain row is no host row", "gmail.com", "other"},
};

static void test_hosts(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    for (int again = 0; again < 2; again++) { /* the second time from the cache */
        for (size_t i = 0; i < LEN(hosts); i++)
            expect(provider_of_host(providers, slice_str(hosts[i].key)), hosts[i].name,
                   hosts[i].key, hosts[i].want);
    }
    expect(provider_of_host(providers, SLICE_NONE), "no slice", "", "other");
    providers_free(providers);
}

static const struct lookup domains[] = {
    {"gmail", "gmail.com", "google"},
    {"german gmail", "googlemail.com", "google"},
    {"outlook", "outlook.com", "microsoft-consumer"},
    {"country", "hotmail.co.uk", "microsoft-consumer"},
    {"yahoo", "yahoo.com", "yahoo"},
    {"aol", "aol.com", "yahoo"},
    {"yahoo japan", "yahoo.co.jp", "yahoo-jp"},
    {"apple", "me.com", "apple"},
    {"same operator as gmx", "mail.com", "gmx"},
    {"web.de", "web.de", "web.de"},
    {"orange", "wanadoo.fr", "orange"},
    {"mail.ru", "bk.ru", "mailru"},
    {"netease", "126.com", "netease"},
    {"daum", "hanmail.net", "daum"},
    {"proton", "pm.me", "proton"},
    {"whole domains only", "mail.gmail.com", "other"},
    {"nor a part", "mygmail.com", "other"},
    {"a suffix row is no domain row", "mx.google.com", "other"},
    {"unknown", "example.com", "other"},
    {"empty", "", "other"},
};

static void test_domains(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    for (size_t i = 0; i < LEN(domains); i++)
        expect(provider_of_domain(providers, slice_str(domains[i].key)), domains[i].name,
               domains[i].key, domains[i].want);
    providers_free(providers);
}

static void test_longest_suffix_wins(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    load_ok(providers, "short\t.example\n"
                       "long\t.b.example\n"
                       "host\tmx.a.b.example\n"
                       "longer\t.A.B.Example\n");
    expect_host(providers, "mx.example", "short");
    expect_host(providers, "mx.c.example", "short");
    expect_host(providers, "b.example", "short");
    expect_host(providers, "mx.b.example", "long");
    expect_host(providers, "x.a.b.example", "longer");
    expect_host(providers, "mx.a.b.example", "host");
    expect_host(providers, "y.mx.a.b.example", "longer");
    expect_host(providers, "example", "other");
    providers_free(providers);
}

static void test_user_rows_come_first(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    expect_host(providers, "aspmx.l.google.com", "google"); /* so that the cache holds it */
    load_ok(providers, "mine\t.com\nmine-too\t=gmail.com\n");
    expect_host(providers, "aspmx.l.google.com", "mine");
    expect_host(providers, "mta7.am0.yahoodns.net", "yahoo");
    expect_domain(providers, "gmail.com", "mine-too");
    expect_domain(providers, "googlemail.com", "google");
    load_ok(providers, "later\t.com\n");
    expect_host(providers, "aspmx.l.google.com", "later");
    providers_free(providers);
}

static void test_form(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    load_ok(providers, "# a comment\n"
                       "\n"
                       " \t \n"
                       "a/b.c-1\t.one.example\ta note\twith a tab\n"
                       "dos\t.two.example\r\n"
                       "same\t=three.example\n"
                       "same\t=THREE.example\n"
                       "idn\tmx_1.xn--bcher-kva.example\n"
                       "last\t.four.example");
    expect_host(providers, "mx.one.example", "a/b.c-1");
    expect_host(providers, "mx.two.example", "dos");
    expect_domain(providers, "three.example", "same");
    expect_host(providers, "mx_1.xn--bcher-kva.example", "idn");
    expect_host(providers, "mx.four.example", "last");
    load_ok(providers, "");
    providers_free(providers);
}

#define BAD_NAME                                                                                   \
    " is no provider's name: at most 63 of a-z 0-9 . - / with a letter or digit first, then a tab"
#define BAD_SUFFIX " is no suffix: .example.net, mx.example.net or =example.net must follow the tab"
#define TEN        "abcdefghij"
#define LABEL_63   TEN TEN TEN TEN TEN TEN "abc"

static const struct lookup mistakes[] = {
    {"no tab", "google", "m:1:7: \"\"" BAD_SUFFIX},
    {"blanks for a tab", "google .google.com", "m:1:1: \"google .google.com\"" BAD_NAME},
    {"no name", "\t.a.example", "m:1:1: \"\"" BAD_NAME},
    {"capital", "Google\t.a.example", "m:1:1: \"Google\"" BAD_NAME},
    {"a dash first", "-a\t.a.example", "m:1:1: \"-a\"" BAD_NAME},
    {"a quote", "a\"b\t.a.example", "m:1:1: \"a\"b\"" BAD_NAME},
    {"not ASCII", "caf\xc3\xa9\t.a.example", "m:1:1: \"caf??\"" BAD_NAME},
    {"control byte", "a\x1b[2J\t.a.example", "m:1:1: \"a?[2J\"" BAD_NAME},
    {"64 bytes", LABEL_63 "d\t.a.example", "m:1:1: \"" LABEL_63 "d\"" BAD_NAME},
    {"a long value is cut", LABEL_63 TEN TEN "\t.a.example",
     "m:1:1: \"" LABEL_63 TEN "abcdefg...\"" BAD_NAME},
    {"no suffix", "a\t", "m:1:3: \"\"" BAD_SUFFIX},
    {"a dot alone", "a\t.", "m:1:3: \".\"" BAD_SUFFIX},
    {"two dots", "a\t..a.example", "m:1:3: \"..a.example\"" BAD_SUFFIX},
    {"an empty label", "a\t.a..example", "m:1:3: \".a..example\"" BAD_SUFFIX},
    {"last dot", "a\t.a.example.", "m:1:3: \".a.example.\"" BAD_SUFFIX},
    {"both signs", "a\t=.a.example", "m:1:3: \"=.a.example\"" BAD_SUFFIX},
    {"an address", "a\t=x@a.example", "m:1:3: \"=x@a.example\"" BAD_SUFFIX},
    {"a star", "a\t*.a.example", "m:1:3: \"*.a.example\"" BAD_SUFFIX},
    {"64 bytes of label", "a\t." LABEL_63 "d", "m:1:3: \"." LABEL_63 "d\"" BAD_SUFFIX},
    {"third line", "a\t.a.example\n# x\nb\t.b.example!", "m:3:3: \".b.example!\"" BAD_SUFFIX},
    {"two providers", "a\t.a.example\nb\t.A.example",
     "m:2:3: \".A.example\" has another provider further up"},
};

static void test_mistakes(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    for (size_t i = 0; i < LEN(mistakes); i++) {
        struct error err = {.text = ""};
        if (providers_load_text(providers, "m", slice_str(mistakes[i].key), &err) != -1)
            fail_msg("%s: got no error, want one", mistakes[i].name);
        expect(slice_str(err.text), mistakes[i].name, mistakes[i].key, mistakes[i].want);
        expect_host(providers, "mx.a.example", "other");
    }
    struct error err;
    assert_int_equal(providers_load_text(providers, "m", SLICE("a\t.a.ex\0mple"), &err), -1);
    assert_string_equal(err.text, "m:1:3: \".a.ex?mple\"" BAD_SUFFIX);
    providers_free(providers);
}

/* A domain of 253 bytes is the longest there is (RFC 1035, 2.3.4). */
static void test_longest_domain(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    struct error err;
    char domain[] = LABEL_63 "." LABEL_63 "." LABEL_63 "." TEN TEN TEN TEN TEN TEN "ab";
    assert_int_equal(strlen(domain), 254);
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "a\t.%s", domain);
    assert_int_equal(providers_load_text(providers, "m", strbuf_slice(&text), &err), -1);
    strbuf_reset(&text);
    strbuf_addf(&text, "a\t%s", domain + 1);
    assert_int_equal(providers_load_text(providers, "m", strbuf_slice(&text), &err), 0);
    expect_host(providers, domain + 1, "a");
    expect_host(providers, domain, "other");
    strbuf_release(&text);
    providers_free(providers);
}

/* More hosts than the cache has room for, known and unknown by turns, three times over. */
static void test_cache(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    char host[64];
    for (unsigned i = 0; i < 3 * 5000; i++) {
        snprintf(host, sizeof(host), "mx%u.google.%s", i % 5000, i % 2 ? "com" : "example");
        expect_host(providers, host, i % 2 ? "google" : "other");
    }
    char longer[] = TEN TEN TEN TEN TEN TEN "." TEN TEN TEN TEN TEN TEN ".google.com";
    expect_host(providers, longer, "google");
    expect_host(providers, longer, "google");
    providers_free(providers);
}

/* What was returned stays as it was, however much is loaded afterwards. */
static void test_slices_stay(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    load_ok(providers, "first\t.first.example\n");
    struct slice mine = provider_of_host(providers, SLICE("mx.first.example"));
    struct slice other = provider_of_host(providers, SLICE("mx.example"));
    struct strbuf text = STRBUF_INIT;
    for (unsigned i = 0; i < 800; i++)
        strbuf_addf(&text, "p%u\t.p%u.example\n", i, i);
    load_ok(providers, text.buf);
    expect(mine, "kept", "mx.first.example", "first");
    expect(other, "kept", "mx.example", "other");
    expect_host(providers, "mx.p799.example", "p799");
    strbuf_release(&text);
    providers_free(providers);
}

/* Every name once, the user's behind the built-in ones. */
static void test_names(void **state)
{
    struct providers *providers = providers_new(1);
    (void)state;
    size_t built_in = provider_count(providers);
    assert_true(built_in > 100);
    load_ok(providers, "google\tmx.example.com\nexample-a\t.a.example\nexample-a\t.b.example\n"
                       "example-b\t=c.example\n");
    assert_int_equal(provider_count(providers), built_in + 2);
    expect(provider_name(providers, built_in), "new", "the first", "example-a");
    expect(provider_name(providers, built_in + 1), "new", "the second", "example-b");
    unsigned google = 0, other = 0;
    for (size_t i = 0; i < provider_count(providers); i++) {
        assert_true(provider_is_known(providers, provider_name(providers, i)));
        google += slice_eq(provider_name(providers, i), SLICE("google"));
        other += slice_eq(provider_name(providers, i), SLICE("other"));
    }
    assert_int_equal(google, 1);
    assert_int_equal(other, 1);
    providers_free(providers);
}

static void test_limit_of_rows(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    struct strbuf text = STRBUF_INIT;
    struct error err;
    for (unsigned i = 1; i <= 100001; i++)
        strbuf_addf(&text, "a\t.h%06u.example\n", i);
    assert_int_equal(providers_load_text(providers, "m", strbuf_slice(&text), &err), -1);
    assert_string_equal(err.text, "m:100001:3: \".h100001.example\" is one row too many: "
                                  "there may be 100000");
    expect_host(providers, "mx.h000001.example", "other");
    text.buf[text.len - strlen("a\t.h100001.example\n")] = '\0';
    load_ok(providers, text.buf);
    expect_host(providers, "mx.h000001.example", "a");
    expect_host(providers, "mx.h100000.example", "a");
    strbuf_release(&text);
    providers_free(providers);
}

static void test_limit_of_names(void **state)
{
    (void)state;
    struct providers *providers = providers_new(SEED);
    struct strbuf text = STRBUF_INIT;
    struct error err;
    for (unsigned i = 1; i <= 1001; i++)
        strbuf_addf(&text, "p%u\t.p%u.example\n", i, i);
    assert_int_equal(providers_load_text(providers, "m", strbuf_slice(&text), &err), -1);
    assert_non_null(strstr(err.text, "is one provider too many: there may be 1000"));
    expect_host(providers, "mx.p1.example", "other");
    /* The names of the refused file were given back. */
    strbuf_reset(&text);
    for (unsigned i = 1; i <= 800; i++)
        strbuf_addf(&text, "q%u\t.q%u.example\n", i, i);
    load_ok(providers, text.buf);
    expect_host(providers, "mx.q800.example", "q800");
    strbuf_release(&text);
    providers_free(providers);
}

/* Every prefix of a table, ending at a page that may not be read. */
static void test_prefixes(void **state)
{
    (void)state;
    static const char table[] = "# c\n\na.b/c-1\t.x.example\tnote\nb\t=y.example\r\nc\tmx.z";
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = strlen(table);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    struct providers *providers = providers_new(SEED);
    struct error err;
    unsigned good = 0;
    for (size_t n = 0; n <= len; n++) {
        char *text = map + page - n;
        memcpy(text, table, n);
        good += providers_load_text(providers, "m", slice_of(text, n), &err) == 0;
        char *host = map + page - n % 16;
        memcpy(host, "mx.l.google.com.", n % 16);
        provider_of_host(providers, slice_of(host, n % 16));
        provider_of_domain(providers, slice_of(host, n % 16));
    }
    /*
     * 6 that hold no row yet; 14 from ".x" to the line's end, without ".x."; 10 from
     * "=y", without "=y."; and "m", "mx", "mx.z".
     */
    assert_int_equal(good, 33);
    providers_free(providers);
    munmap(map, 2 * page);
}

static void test_files(void **state)
{
    (void)state;
    char dir[SCRATCH_MAX], path[300], want[512];
    struct error err;
    struct providers *providers = providers_new(SEED);
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/p.tsv", dir);

    assert_int_equal(providers_load(providers, path, &err), -1);
    snprintf(want, sizeof(want), "%s: cannot open it: No such file or directory", path);
    assert_string_equal(err.text, want);
    assert_int_equal(providers_load(providers, dir, &err), -1);
    snprintf(want, sizeof(want), "%s: is not a regular file", dir);
    assert_string_equal(err.text, want);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    assert_int_equal(providers_load(providers, path, &err), -1);
    assert_int_equal(unlink(path), 0);

    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "mine\t.a.example\n", 16), 16);
    assert_int_equal(providers_load(providers, path, &err), 0);
    expect_host(providers, "mx.a.example", "mine");
    assert_int_equal(write(fd, "Mine\t.b.example\n", 16), 16);
    assert_int_equal(providers_load(providers, path, &err), -1);
    snprintf(want, sizeof(want), "%s:2:1: \"Mine\"" BAD_NAME, path);
    assert_string_equal(err.text, want);
    assert_int_equal(ftruncate(fd, (32 << 20) + 1), 0);
    assert_int_equal(providers_load(providers, path, &err), -1);
    snprintf(want, sizeof(want), "%s: has 33554433 bytes, more than 33554432", path);
    assert_string_equal(err.text, want);

    close(fd);
    scratch_remove(dir);
    providers_free(providers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_longest_suffix_wins),
        cmocka_unit_test(test_user_rows_come_first),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_longest_domain),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_slices_stay),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_limit_of_rows),
        cmocka_unit_test(test_limit_of_names),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
