#include "guard.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "mailvane/base/strbuf.h"
#include "mailvane/classify/reply.h"

/* Reads a reply of which the log says nothing more; the text is what is compared. */
static void expect_reply(const char *name, struct slice raw, struct slice want)
{
    struct reply reply;
    reply_read(&reply, raw, 0, (struct dsn){0});
    expect_slice(name, "text", reply_text(&reply), want);
}

static void expect_dsn(const char *name, struct dsn got, const char *want)
{
    char text[DSN_TEXT_SIZE] = "";
    if (got.klass)
        dsn_format(got, text);
    expect_slice(name, "enhanced code", slice_str(text), slice_str(want));
}

/* --- codes ------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *raw;
    unsigned code; /* what the log says */
    struct dsn dsn;
    unsigned want_code;
    const char *want_dsn;
    const char *want;
} codes[] = {
    {"a code", "550 No such user", 0, {0}, 550, "", "no such user"},
    {"both codes", "550 5.1.1 No such user", 0, {0}, 550, "5.1.1", "no such user"},
    {"a dash", "550-5.1.1 No such user", 0, {0}, 550, "5.1.1", "no such user"},
    {"three digits each", "550 5.700.123 x", 0, {0}, 550, "5.700.123", "x"},
    {"an enhanced code alone", "4.7.1 wait", 0, {0}, 0, "4.7.1", "wait"},
    {"codes alone", "550 5.1.1", 0, {0}, 550, "5.1.1", ""},
    {"a code alone", "550", 0, {0}, 550, "", ""},
    {"a code and a dash", "550-", 0, {0}, 550, "", ""},
    {"nothing", "", 0, {0}, 0, "", ""},
    {"blanks", " \t ", 0, {0}, 0, "", ""},
    {"blanks around", "  550 5.1.1 gone \r", 0, {0}, 550, "5.1.1", "gone"},
    {"words of our own", "Connection timed out", 0, {0}, 0, "", "connection timed out"},
    {"the log's stay",
     "Connection timed out",
     451,
     {4, 4, 1},
     451,
     "4.4.1",
     "connection timed out"},
    {"the reply's win", "550 5.7.1 no", 451, {4, 4, 1}, 550, "5.7.1", "no"},
    {"the code alone wins", "550 no", 451, {4, 4, 1}, 550, "4.4.1", "no"},
    {"another class is text", "550 4.7.1 no", 0, {0}, 550, "", "4.7.1 no"},
    {"a code of four digits", "5501 no", 0, {0}, 0, "", "# no"},
    {"a code with a letter", "550x no", 0, {0}, 0, "", "# no"},
    {"600 is none", "600 no", 0, {0}, 0, "", "600 no"},
    {"250 is no refusal", "250 2.0.0 ok", 0, {0}, 0, "", "250 2.0.0 ok"},
    {"354 before 451",
     "354 go on 451 4.3.0 error",
     451,
     {4, 3, 0},
     451,
     "4.3.0",
     "354 go on error"},
    {"two lines", "550-one 550 two", 0, {0}, 550, "", "one two"},
    {"two lines with enhanced codes",
     "550-5.1.1 one 550 5.1.1 two",
     0,
     {0},
     550,
     "5.1.1",
     "one two"},
    {"four lines, one of them empty",
     "550-5.7.26 one 550-5.7.26 550-5.7.26 three 550 5.7.26 four",
     0,
     {0},
     550,
     "5.7.26",
     "one three four"},
    {"enhanced code in the first line only",
     "550-5.1.1 one 550 two",
     0,
     {0},
     550,
     "5.1.1",
     "one two"},
    {"another code is text", "550-one 551 two", 0, {0}, 550, "", "one 551 two"},
    {"another enhanced code is text",
     "550-5.1.1 one 550 5.1.2 two",
     0,
     {0},
     550,
     "5.1.1",
     "one 5.1.2 two"},
    {"a number in a word", "550-one x550 two", 0, {0}, 550, "", "one x550 two"},
    {"behind a bracket", "550 no [550 x]", 0, {0}, 550, "", "no [550 x]"},
    {"no code, nothing repeats", "see 550 one", 0, {0}, 0, "", "see 550 one"},
    {"no code, a number with 0 first", "see 012 one", 0, {0}, 0, "", "see 012 one"},
    {"the log's code repeats", "see 550 one", 550, {0}, 550, "", "see one"},
    {"qmail",
     "sorry, no mailbox here by that name (#5.1.1)",
     0,
     {0},
     0,
     "5.1.1",
     "sorry, no mailbox here by that name (#5.1.1)"},
    {"brackets alone", "sorry (not) here (5.1.1)", 0, {0}, 0, "5.1.1", "sorry (not) here (5.1.1)"},
    {"qmail behind the log's", "sorry (#5.1.1)", 0, {5, 0, 0}, 0, "5.0.0", "sorry (#5.1.1)"},
    {"an unended bracket", "sorry (", 0, {0}, 0, "", "sorry ("},
    {"an address is no enhanced code", "5.1.1.7 no", 0, {0}, 0, "", "# no"},
};

static void test_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(codes); i++) {
        struct reply reply;
        reply_read(&reply, slice_str(codes[i].raw), (uint16_t)codes[i].code, codes[i].dsn);
        expect_int(codes[i].name, "code", reply.code, codes[i].want_code);
        expect_dsn(codes[i].name, reply.dsn, codes[i].want_dsn);
        expect_slice(codes[i].name, "text", reply_text(&reply), slice_str(codes[i].want));
    }
}

struct text_row {
    const char *name;
    const char *raw;
    const char *want;
};

static void expect_texts(const struct text_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_reply(rows[i].name, slice_str(rows[i].raw), slice_str(rows[i].want));
}

/* As a person pastes a reply: its lines on lines. */
static void test_lines_on_lines(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"LF", "550-one\n550 two", "one two"},
        {"CR LF", "550-5.1.1 one\r\n550 5.1.1 two\r\n", "one two"},
        {"a tab", "550-one\t550 two", "one two"},
    };
    expect_texts(rows, LEN(rows));
}

/* Hosts that our own MTA could not talk to are one; those that a server names are not. */
static void test_own_hosts(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"connect", "connect to mx.example.net[192.0.2.1]:25: Connection refused",
         "connect to #[#]:25: connection refused"},
        {"an IPv6 address", "connect to mx.example.net[2001:db8::25]:25: No route to host",
         "connect to #[#]:25: no route to host"},
        {"lost", "lost connection with mx-1.example.net[192.0.2.1] while sending MAIL FROM",
         "lost connection with #[#] while sending mail from"},
        {"conversation",
         "conversation with mx.example.net[192.0.2.1] timed out while sending RCPT TO",
         "conversation with #[#] timed out while sending rcpt to"},
        {"no such name",
         "Host or domain name not found. Name service error for name=example.net type=MX: Host not "
         "found",
         "host or domain name not found. name service error for name=# type=mx: host not found"},
        {"no address behind it", "connect to mx.example.net: Connection refused",
         "connect to mx.example.net: connection refused"},
        {"no name", "connect to [192.0.2.1]:25: Connection refused",
         "connect to [#]:25: connection refused"},
        {"cut within the name", "connect to mx.example", "connect to mx.example"},
        {"within a server's words", "450 connect to mx.example.net[192.0.2.1] first",
         "connect to mx.example.net[#] first"},
        {"a list's name", "554 blocked using zen.example.org[192.0.2.1]",
         "blocked using zen.example.org[#]"},
    };
    expect_texts(rows, LEN(rows));
}

static void test_spans_of_time(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"seconds", "450 greylisted, wait 79 seconds", "greylisted, wait # seconds"},
        {"one of four", "450 in 5 minutes, 1 hour or 30 days", "in # minutes, # hour or # days"},
        {"a unit that is half an address", "450 in 79 sec@a.example", "in 79 @"},
        {"a unit and a full stop", "450 wait 79 seconds.", "wait # seconds."},
        {"no unit", "450 wait 79 times", "wait 79 times"},
        {"a sign between", "450 wait 79, seconds", "wait 79, seconds"},
        {"the code again", "451 wait 451 seconds", "wait seconds"},
    };
    expect_texts(rows, LEN(rows));
}

/* --- what is quoted ---------------------------------------------------------- */

static const struct {
    const char *name;
    const char *raw;
    unsigned want_code;
    const char *want_dsn;
    const char *want;
} quoted[] = {
    {"said", "host mx.example.org[192.0.2.1] said: 550 5.1.1 <u@example.org>: gone (in reply to X)",
     550, "5.1.1", "<@>: gone (in reply to x)"},
    {"Exim's own words",
     "SMTP error from remote mail server after RCPT TO:<u@example.org>: 550 5.1.1 gone", 550,
     "5.1.1", "gone"},
    {"said in capitals", "Host X SAID: 450 busy", 450, "", "busy"},
    {"outer codes give way", "451 4.3.0 host x said: 550 5.1.1 gone", 550, "5.1.1", "gone"},
    {"responded", "mx.example.org responded: 550 gone", 550, "", "gone"},
    {"words between lead and colon", "the reply from mx.example.org was: 552 5.2.2 full", 552,
     "5.2.2", "full"},
    {"refused to talk to me", "host x refused to talk to me: 421 4.7.0 wait", 421, "4.7.0", "wait"},
    {"three arrows", "while talking to x.example.org.: <<< 554 5.7.1 no", 554, "5.7.1", "no"},
    {"arrow", "u@example.org -> 451 later", 451, "", "later"},
    {"in brackets", "the error was: [550 gone", 550, "", "gone"},
    {"an enhanced code alone", "x said: 5.1.1 gone", 0, "5.1.1", "gone"},
    {"a host and its address", "host mx.example.org [192.0.2.1]:25: 550 5.1.1 gone", 550, "5.1.1",
     "gone"},
    {"between quotes", "mx.example.org returned '550 gone", 550, "", "gone"},
    {"the innermost", "a said: 450 4.1.1 u: b said: 550 5.1.1 gone", 550, "5.1.1", "gone"},
    {"not what no lead announces", "450 4.1.1 u: 550 gone", 450, "4.1.1", "u: 550 gone"},
    {"of a delivery report", "smtp; 550 5.1.1 gone", 550, "5.1.1", "gone"},
    {"of a delivery report, without a blank", "X: SMTP;550-gone", 550, "", "gone"},
    {"not over another semicolon", "esmtp x; 550 gone", 0, "", "esmtp x; 550 gone"},
    {"not a word with a lead in it", "aforesaid: 550 gone", 0, "", "aforesaid: 550 gone"},
    {"not over another colon", "x said: that u: 550 gone", 0, "", "x said: that u: 550 gone"},
    {"not a success", "x said: 250 ok", 0, "", "x said: 250 ok"},
    {"not a number", "x said: 5501 gone", 0, "", "x said: # gone"},
    {"not a word", "x said: gone", 0, "", "x said: gone"},
    {"not behind one arrow", "<u> 550 gone", 0, "", "<u> 550 gone"},
    {"nothing behind the code", "x said: 550", 0, "", "x said: 550"},
    {"callout about our sender",
     "450 4.1.1 <a@example.org>: Sender address rejected: unverified address: host "
     "mx.example.net said: 550 5.1.1 none",
     450, "4.1.1",
     "<@>: sender address rejected: unverified address: host mx.example.net said: 550 5.1.1 none"},
    {"sender verification", "451 sender verify failed; x said: 550 none", 451, "",
     "sender verify failed; x said: 550 none"},
    {"callback", "451 callback of ours, x said: 552 none", 451, "",
     "callback of ours, x said: 552 none"},
    {"recipient verification is unwrapped",
     "450 4.1.1 <a@example.org>: Recipient address rejected: unverified address: host "
     "mx.example.net said: 550 5.1.1 none",
     550, "5.1.1", "none"},
};

static void test_quoted(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(quoted); i++) {
        struct reply reply;
        reply_read(&reply, slice_str(quoted[i].raw), 0, (struct dsn){0});
        expect_int(quoted[i].name, "code", reply.code, quoted[i].want_code);
        expect_dsn(quoted[i].name, reply.dsn, quoted[i].want_dsn);
        expect_slice(quoted[i].name, "text", reply_text(&reply), slice_str(quoted[i].want));
    }
}

/* --- normalisation ----------------------------------------------------------- */

static void test_addresses_and_numbers(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"an address", "<U.Ser+tag=1@mx1.Example.ORG>: gone", "<@>: gone"},
        {"without brackets", "u@example.org gone", "@ gone"},
        {"at the end of a sentence", "no such user u@example.org.", "no such user @."},
        {"dots behind", "u@example.org... gone", "@... gone"},
        {"not ASCII", "\xd1\x8f@\xd0\xbf.\xd1\x80\xd1\x84 gone", "@ gone"},
        {"an @ alone", "u @ x", "u @ x"},
        {"IPv4", "client 203.0.113.54 blocked", "client # blocked"},
        {"IPv4 in brackets", "[203.0.113.54]:25", "[#]:25"},
        {"IPv4 of one digit each", "1.2.3.4 x", "# x"},
        {"IPv4 in a host name", "host-203-0-113-54.example.org", "#"},
        {"IPv6", "2001:0db8:85a3:0000:0000:8a2e:0370:7334 blocked", "# blocked"},
        {"four digits", "line 1234 of 123", "line # of 123"},
        {"a stamp", "2024-11-02T08:51 x", "# x"},
        {"a range is one number", "1234-5678 x", "# x"},
        {"queue id of Postfix", "4F3A01B9C4D: gone", "#: gone"},
        {"long queue id of Postfix", "4bFxYz5sQzz3kP: gone", "#: gone"},
        {"id of Google", "5b1f17b1804b1-431.60 - gsmtp", "# - gsmtp"},
        {"id of Exchange", "08DCF8E1A2B3C4D5]", "#]"},
        {"id without a digit", "ABCDEF: gone", "abcdef: gone"},
    };
    expect_texts(rows, LEN(rows));
}

/* Parts of an IPv6 address may be short, as most that are written down have some. */
static void test_ipv6(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"short groups", "client 2001:db8:85a3:8d3:1319:8a2e:370:7348 blocked", "client # blocked"},
        {"a gap", "client [2001:db8::25] blocked", "client [#] blocked"},
        {"a gap and long groups", "client [2001:db8::a51f:8a2e] blocked", "client [#] blocked"},
    };
    expect_texts(rows, LEN(rows));
}

static void test_kept(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"answer of a list", "127.0.0.2", "127.0.0.2"},
        {"three digits of one", "127.255.255.254", "127.255.255.254"},
        {"not of four", "127.0.0.1000", "#"},
        {"Microsoft", "(S3140) (S77719)", "(s3140) (s77719)"},
        {"Yahoo", "[TSS04] [TS01]", "[tss04] [ts01]"},
        {"Comcast", "RL000001", "rl000001"},
        {"Orange", "LPN001_108", "lpn001_108"},
        {"Charter", "AUP#-1310", "aup#-1310"},
        {"a code behind a dash", "[-9]", "[-9]"},
        {"an RFC", "RFC5321 RFC 821", "rfc5321 rfc 821"},
        {"seven digits are none", "S1234567", "#"},
        {"enhanced code", "see 5.7.1, x", "see 5.7.1, x"},
        {"up to three digits", "1 12 123", "1 12 123"},
        {"three bytes", "4xx 1.5 2GB", "4xx # 2gb"},
        {"host name", "MX.Example.ORG", "mx.example.org"},
        {"host name with a digit", "mx1.example.org a2.b3.example.net",
         "mx1.example.org a2.b3.example.net"},
        {"digit first", "1mx.example.org", "1mx.example.org"},
        {"host name with a number", "mx12.example.org", "#"},
        {"question to a list", "5.113.0.203.zen.spamhaus.org", "#.zen.spamhaus.org"},
        {"key of a list", "0123456789abcdef.zen.dq.spamhaus.net", "#.zen.dq.spamhaus.net"},
        {"address of a page", "https://www.example.org/faq", "https://www.example.org/faq"},
    };
    expect_texts(rows, LEN(rows));
}

static void test_letters_and_blanks(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"ASCII", "No Such USER here", "no such user here"},
        {"letters at the ends", "A@Z [AZ`{", "@ [az`{"},
        {"Latin-1", "\xc3\x80\xc3\x96\xc3\x98\xc3\x9e \xc3\x89",
         "\xc3\xa0\xc3\xb6\xc3\xb8\xc3\xbe \xc3\xa9"},
        {"multiplication sign", "\xc3\x97", "\xc3\x97"},
        {"sharp s",
         "Gr\xc3\xb6\xc3\x9f"
         "e",
         "gr\xc3\xb6\xc3\x9f"
         "e"},
        {"Latin-1 in a word", "Empf\xc3\x84nger", "empf\xc3\xa4nger"},
        {"Cyrillic", "\xd0\x9f\xd0\x9e\xd0\xa7\xd0\xa2\xd0\x90 \xd0\xaf\xd0\xa0",
         "\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0 \xd1\x8f\xd1\x80"},
        {"Chinese", "\xe6\x94\xb6\xe4\xbb\xb6\xe4\xba\xba", "\xe6\x94\xb6\xe4\xbb\xb6\xe4\xba\xba"},
        {"blanks", "a  b   c", "a b c"},
        {"sixteen blanks", "a                b", "a b"},
        {"tabs", "a \t b\tc", "a b c"},
        {"lines", "a\r\nb\nc", "a b c"},
        {"control bytes",
         "a\x1b[mb\x07\x7f"
         "c",
         "a [mb c"},
        {"control bytes around", "\x01\x02 a \x03", "a"},
        {"no UTF-8", "\xff\xfe\x80 A", "\xff\xfe\x80 a"},
        {"half a letter", "A\xc3", "a\xc3"},
        {"half a letter before another",
         "\xd0"
         "A \xc3 B",
         "\xd0"
         "a \xc3 b"},
        {"overlong", "\xc0\xaf A", "\xc0\xaf a"},
    };
    expect_texts(rows, LEN(rows));
    expect_reply("NUL bytes", SLICE("a\0\0b 550\0"), SLICE("a b 550"));
    expect_reply("no slice", SLICE_NONE, SLICE(""));
}

/* Where the line that repeats the code begins with more than one blank, as Google's do. */
static void test_blanks_behind_codes(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"two blanks behind the code", "550-one 550  two", "one two"},
        {"two blanks behind both", "550-5.7.26 one 550-5.7.26  two 550 5.7.26 three",
         "one two three"},
        {"two blanks in the second line", "550-5.1.1 550-5.1.1  two", "two"},
    };
    expect_texts(rows, LEN(rows));
}

/* --- length ------------------------------------------------------------------ */

static void repeat(struct strbuf *sb, const char *text, size_t least)
{
    while (sb->len < least)
        strbuf_add_str(sb, text);
}

/* A long reply of which `keep` bytes are left. */
static void expect_cut(const char *name, const char *head, const char *text, size_t keep)
{
    struct strbuf raw = STRBUF_INIT;
    struct reply reply;
    strbuf_add_str(&raw, head);
    repeat(&raw, text, 100 << 10);
    reply_read(&reply, strbuf_slice(&raw), 0, (struct dsn){0});
    expect_int(name, "bytes", reply.len, (long long)keep);
    strbuf_release(&raw);
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(REPLY_TEXT_MAX % 8, 0); /* what the figures below are counted for */
    expect_cut("letters", "550 5.7.1 ", "a", REPLY_TEXT_MAX);
    expect_cut("a blank at the cut goes", "550 ", "refused ", REPLY_TEXT_MAX - 1);
    expect_cut("numbers become short", "", "12345 ", REPLY_TEXT_MAX - 1);
    expect_cut("one number", "", "1", 1);
    expect_cut("blanks", "a", " ", 1);
    expect_cut("NUL-like bytes", "a", "\x01", 1);
    expect_cut("accents", "", "\xc3\x84", REPLY_TEXT_MAX);
}

static void test_last_byte(void **state)
{
    (void)state;
    struct strbuf raw = STRBUF_INIT;
    for (size_t len = REPLY_TEXT_MAX - 20; len < REPLY_TEXT_MAX + 20; len++) {
        struct reply reply;
        strbuf_reset(&raw);
        repeat(&raw, "x", len);
        reply_read(&reply, strbuf_slice(&raw), 0, (struct dsn){0});
        expect_int("letters", "bytes", reply.len,
                   (long long)(len < REPLY_TEXT_MAX ? len : REPLY_TEXT_MAX));
    }
    strbuf_release(&raw);
}

/* "Every address as @": nor is the half of one left where the text is cut. */
static void test_cut_within_an_address(void **state)
{
    (void)state;
    static const char *const values[] = {"somebody.with.a.name@example.org",
                                         "0123456789abcdef0123456789"};
    for (size_t i = 0; i < LEN(values); i++) {
        struct strbuf raw = STRBUF_INIT;
        struct reply reply;
        repeat(&raw, "x", REPLY_TEXT_MAX - 12);
        strbuf_addf(&raw, " <%s> gone", values[i]);
        reply_read(&reply, strbuf_slice(&raw), 0, (struct dsn){0});
        if (memmem(reply.text, reply.len, values[i], 8))
            fail_msg("got \"%.*s\", want nothing of %s", 20, reply.text + REPLY_TEXT_MAX - 20,
                     values[i]);
        strbuf_release(&raw);
    }
}

/* --- properties -------------------------------------------------------------- */

/* Values that stand for the same: which of them a reply holds must not show. */
static const char *const values[][4] = {
    {"u@example.org", "Somebody.Else+tag@mx1.example.net", "a@b", "1234567@example.com"},
    {"203.0.113.5", "192.0.2.254", "198.51.100.77", "8.8.4.4"},
    {"4F3A01B9C4D", "0123456789", "9c1b2e3f4a5b6c7d8e9f", "4bFxYz5sQzz3kP"},
    {"1730541207", "4096", "20480000", "99999999999999999999"},
    {"ffacd0b85a97d-37d.61", "5b1f17b1804b1-431.60", "98e67ed59e1d1-2d3.11",
     "4fb4d7f45d1cf-5cb.73"},
};

static const char *const frames[] = {
    "%s",
    "550 5.7.1 %s",
    "550 5.7.1 <%s>: Recipient address rejected",
    "[%s] refused, see https://www.example.org/why",
    "550-5.7.1 first line 550-5.7.1 (%s) 550 5.7.1 last line - gsmtp",
    "host mx.example.org[192.0.2.1] said: 450 4.1.1 id=%s, wait (in reply to RCPT TO command)",
    "Der Empf\xc3\x84nger %s ist unbekannt",
    "far behind sixteen plain bytes and some more there is \"%s\" and then an end of it",
};

static void test_what_differs_is_not_seen(void **state)
{
    (void)state;
    for (size_t frame = 0; frame < LEN(frames); frame++) {
        for (size_t kind = 0; kind < LEN(values); kind++) {
            struct reply first, other;
            for (size_t i = 0; i < LEN(values[kind]); i++) {
                struct strbuf raw = STRBUF_INIT;
                const char *cut = strstr(frames[frame], "%s");
                strbuf_add(&raw, frames[frame], (size_t)(cut - frames[frame]));
                strbuf_add_str(&raw, values[kind][i]);
                strbuf_add_str(&raw, cut + 2);
                reply_read(i ? &other : &first, strbuf_slice(&raw), 0, (struct dsn){0});
                strbuf_release(&raw);
                if (i)
                    expect_slice(values[kind][i], frames[frame], reply_text(&other),
                                 reply_text(&first));
            }
        }
    }
}

/* What the header promises of every text. */
static void check_promises(struct slice raw, void *arg)
{
    struct reply reply, again;
    (void)arg;
    memset(&reply, 0xa5, sizeof(reply));
    reply_read(&reply, raw, 0, (struct dsn){0});
    assert_true(reply.len <= REPLY_TEXT_MAX);
    assert_true(reply.code == 0 || (reply.code >= 400 && reply.code <= 599));
    assert_true(reply.dsn.klass == 0 || reply.dsn.klass == 2 || reply.dsn.klass == 4 ||
                reply.dsn.klass == 5);
    for (size_t i = 0; i < reply.len; i++) {
        char c = reply.text[i];
        if (byte_is_upper(c) || (unsigned char)c < ' ' || c == 0x7f)
            fail_msg("\"%.*s\": byte 0x%02x at %zu", SLICE_ARG(raw), (unsigned char)c, i);
    }
    /* The same bytes in another place give the same: nothing around them was read. */
    char *copy = must_calloc(raw.len + 2, 1);
    memcpy(copy, raw.ptr ? raw.ptr : "", raw.len);
    copy[raw.len] = '9';
    copy[raw.len + 1] = '@';
    reply_read(&again, slice_of(copy, raw.len), 0, (struct dsn){0});
    expect_slice("elsewhere", "text", reply_text(&again), reply_text(&reply));
    assert_int_equal(again.code, reply.code);
    free(copy);
}

static const char *const nasty[] = {
    "550-5.1.1 The account 550-5.1.1 u@example.org 550 5.1.1 see 2001:db8::1 5b1f17b1804b1-431.60",
    "host x said: 450 4.1.1 <u@example.org>: y responded: 550 5.1.1 (#5.1.1) <<< 552 -> 451 z",
    "(#5.1.1 (5.1.1) ((#4.2 (#4.2.2)",
    "127.0.0.2 127.0.0. 127.0.0.1000 lpn001_108 lpn001_ -1 a.b.c1 rl000001 S3140 5.7.1. 5.7.1.2",
    "\xc3\x89t\xc3\x89 \xd0\xaf\xd0 \xc3 \xd0\x9f@\xd0\xbf 12\xc3\x89 \xff\xfe\x80\xc3",
    "said: (550 \"said: [451 x<<<<<< 421 'x ->->-> 450-4.2.0-",
    "354 354-250 550 550- 550-550 550  550\t550\r\n5501 55 5",
    "0123456789abcde @ 0123456789abcdef @@ a@ @b 0123456789abcdefg  .-=~+1.-=~+ #:#.#-1:2.3-4",
    "                 x                                  1                     @               ",
};

static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(nasty); i++)
        guard_prefixes(slice_str(nasty[i]), check_promises, NULL);
    static const char bytes[] = "550 a\0b\0\0c\x1b[2J\x9b"
                                "31m u@x\0y 12\0003";
    guard_prefixes(slice_of(bytes, sizeof(bytes)), check_promises, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_lines_on_lines),
        cmocka_unit_test(test_own_hosts),
        cmocka_unit_test(test_spans_of_time),
        cmocka_unit_test(test_quoted),
        cmocka_unit_test(test_addresses_and_numbers),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_letters_and_blanks),
        cmocka_unit_test(test_blanks_behind_codes),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_last_byte),
        cmocka_unit_test(test_cut_within_an_address),
        cmocka_unit_test(test_what_differs_is_not_seen),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
