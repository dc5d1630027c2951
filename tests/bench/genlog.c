/*
 * Writes a Postfix mail log for benchmarks on stdout, and what it must count.
 *
 *     genlog [--seed N] [--messages N] [--domains N] [--long-ids] [--iso]
 *            [--distinct] [--truth FILE] > mail.log
 *
 * The mix is that of a busy host that sends: for each message a submission, one to
 * three recipients, for half of them a TLS line, a line for each attempt (a
 * deferred one is tried again), and its removal; about eight lines a message. Three
 * of four recipients are at eight big mailbox providers, the rest at --domains
 * others by Zipf's law. With --distinct each recipient has a domain of its own and
 * all else is as without it: the same number of lines, of the same kinds.
 *
 * The truth has a row for each domain, status and dsn, and how many there were.
 * The same arguments give the same bytes.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUT_CAP    (1u << 20)
#define LINE_BYTES 4096       /* no line is longer */
#define NAME_BYTES 48         /* bytes of a domain's name, and of its relay's */
#define START      1793491200 /* 2026-11-01T00:00:00Z */
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

enum status { SENT, DEFERRED, BOUNCED, STATUSES };

static const char *const status_words[STATUSES] = {"sent", "deferred", "bounced"};
static const unsigned first_weights[STATUSES] = {86, 9, 5};
static const unsigned retry_weights[STATUSES] = {70, 25, 5};
static const unsigned recipient_weights[] = {85, 10, 5};

static const char *const transports[] = {"smtp", "bulk/smtp", "tx/smtp"};
static const unsigned transport_weights[LEN(transports)] = {70, 20, 10};

struct target {
    const char *domain;
    const char *relay;
    const char *ip;
};

static const struct target big[] = {
    {"gmail.com", "gmail-smtp-in.l.google.com", "142.250.102.26"},
    {"outlook.com", "outlook-com.olc.protection.outlook.com", "52.101.8.49"},
    {"yahoo.com", "mta6.am0.yahoodns.net", "67.195.204.77"},
    {"hotmail.com", "hotmail-com.olc.protection.outlook.com", "52.101.8.33"},
    {"icloud.com", "mx02.mail.icloud.com", "17.57.155.25"},
    {"aol.com", "mx-aol.mail.gm0.yahoodns.net", "67.195.228.84"},
    {"gmx.net", "mx00.emig.gmx.net", "212.227.15.9"},
    {"comcast.net", "mx1a1.comcast.net", "96.103.145.164"},
};
/* The rest to 100 is for the tail. */
static const unsigned big_weights[LEN(big)] = {30, 14, 10, 8, 6, 3, 3, 2};

/*
 * In a text $r is the relay, $i its address, $a the recipient, $d its domain, $q the
 * queue id, $c the client, $D the dsn, $S the status, $k and $K the number of recipients
 * and of commands, $s a size, $h ten hexadecimal digits, $n and $m a long and a short
 * number.
 */
struct reply {
    enum status status;
    const char *dsn;
    unsigned weight; /* of 100 for its status */
    bool unreached;  /* relay=none */
    const char *text;
};

static const struct reply replies[] = {
    {SENT, "2.0.0", 55, false, "250 2.0.0 OK  $n $hsi$m.$m - gsmtp"},
    {SENT, "2.6.0", 25, false,
     "250 2.6.0 <$h@app.example> [InternalId=$n, Hostname=$h.example] 9131 bytes in 0.0$m, "
     "97.112 KB/sec Queued mail for delivery"},
    {SENT, "2.0.0", 10, false, "250 ok dirdel"},
    {SENT, "2.0.0", 10, false, "250 2.0.0 Ok: queued as $q"},
    {DEFERRED, "4.7.28", 30, false,
     "host $r[$i] said: 421-4.7.28 Gmail has detected an unusual rate of mail coming from the "
     "address 421-4.7.28 203.0.113.10. To protect our users from spam, mail that it sends "
     "421-4.7.28 has been limited for a while. For more, go to 421 4.7.28 "
     "https://support.example/mail/?p=$h $hsi$m.$m - gsmtp (in reply to end of DATA command)"},
    {DEFERRED, "4.7.500", 20, false,
     "host $r[$i] said: 451 4.7.500 Server busy. Try later from [203.0.113.10]. (S77719) "
     "[$h.eop.example $n] (in reply to RCPT TO command)"},
    {DEFERRED, "4.7.0", 15, false,
     "host $r[$i] refused to talk to me: 421 4.7.0 [TSS04] Mail from 203.0.113.10 is deferred for "
     "now: unexpected volume or complaints of users - 4.16.55.1; see "
     "https://postmaster.example/error-codes"},
    {DEFERRED, "4.2.2", 8, false,
     "host $r[$i] said: 452-4.2.2 The recipient's mailbox has no room left. Direct the recipient "
     "to "
     "452 4.2.2 https://support.example/mail/?p=full $hsi$m.$m - gsmtp (in reply to RCPT TO "
     "command)"},
    {DEFERRED, "4.4.1", 12, true, "connect to $r[$i]:25: Connection timed out"},
    {DEFERRED, "4.4.2", 5, false,
     "lost connection with $r[$i] while sending end of data -- message may be sent more than once"},
    {DEFERRED, "4.2.0", 10, false,
     "host $r[$i] said: 450 4.2.0 <$a>: Recipient address rejected: Greylisted, come back in $m "
     "seconds (in reply to RCPT TO command)"},
    {BOUNCED, "5.1.1", 55, false,
     "host $r[$i] said: 550-5.1.1 There is no such account here. Look for mistakes in the address "
     "550-5.1.1 and for blanks that do not belong there. More under 550 5.1.1 "
     "https://support.example/mail/?p=NoSuchUser $hsi$m.$m - gsmtp (in reply to RCPT TO command)"},
    {BOUNCED, "5.7.1", 20, false,
     "host $r[$i] said: 550 5.7.1 Messages from [203.0.113.10] were not sent: part of its network "
     "is "
     "on our block list (S3140). [$h.eop.example $n] (in reply to MAIL FROM command)"},
    {BOUNCED, "5.7.26", 10, false,
     "host $r[$i] said: 550-5.7.26 The sender is not authenticated, so this was blocked. "
     "550 5.7.26 SPF or DKIM must pass. $hsi$m.$m - gsmtp (in reply to end of DATA command)"},
    {BOUNCED, "5.2.2", 10, false,
     "host $r[$i] said: 552 5.2.2 <$a>: over quota (in reply to RCPT TO command)"},
    {BOUNCED, "5.4.4", 5, true,
     "Host or domain name not found. Name service error for name=$d type=A: Host not found"},
};

struct options {
    uint64_t seed;
    uint64_t messages;
    uint64_t domains;
    bool long_ids;
    bool iso;
    bool distinct;
    const char *truth;
};

struct generator {
    struct options options;
    uint64_t shape; /* states of the two random streams: what happens, */
    uint64_t place; /* and to which domain, so that --distinct changes only that */
    char *out;
    size_t out_len;
    uint64_t now;    /* microseconds since START */
    uint64_t second; /* that `stamp` is of */
    char stamp[32];
    char (*tail)[NAME_BYTES];
    double *zipf; /* cumulated */
    uint64_t recipients;
    uint32_t (*counts)[LEN(replies)]; /* by domain: the big ones, then the tail */
    FILE *truth;
};

/* A message on its way to one of its recipients. */
struct mail {
    char queue_id[24];
    char client[NAME_BYTES];
    const char *transport;
    unsigned recipients;
    char domain[NAME_BYTES];
    char relay[NAME_BYTES];
    char ip[NAME_BYTES];
    char address[2 * NAME_BYTES];
    const char *status; /* of the attempt */
    const char *dsn;
    uint32_t *counts; /* of the domain */
};

static void die(const char *what)
{
    fprintf(stderr, "genlog: %s: %s\n", what, strerror(errno));
    exit(3);
}

/* splitmix64 (Steele, Lea, Flood 2014): a counter through a mixer. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to n - 1. */
static unsigned below(uint64_t *state, unsigned n)
{
    return (unsigned)(((draw(state) >> 32) * n) >> 32);
}

static unsigned between(uint64_t *state, unsigned low, unsigned high)
{
    return low + below(state, high - low + 1);
}

/* One of n weights that sum to 100; n where they sum to less and the draw was above. */
static unsigned weighted(uint64_t *state, const unsigned *weights, unsigned n)
{
    unsigned drawn = below(state, 100), i = 0;
    while (i < n && drawn >= weights[i])
        drawn -= weights[i++];
    return i;
}

static void flush(struct generator *gen)
{
    for (size_t done = 0; done < gen->out_len;) {
        ssize_t put = write(STDOUT_FILENO, gen->out + done, gen->out_len - done);
        if (put < 0 && errno != EINTR)
            die("stdout");
        done += put > 0 ? (size_t)put : 0;
    }
    gen->out_len = 0;
}

static void put(struct generator *gen, const char *text)
{
    size_t len = strlen(text);
    memcpy(gen->out + gen->out_len, text, len);
    gen->out_len += len;
}

static void put_uint(struct generator *gen, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    memcpy(gen->out + gen->out_len, digits + at, sizeof(digits) - at);
    gen->out_len += sizeof(digits) - at;
}

/* Fills with letters drawn from a set. */
static void draw_text(uint64_t *state, char *to, size_t len, const char *set, unsigned set_len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = set[below(state, set_len)];
}

/* As Postfix writes a delay: two significant digits, whole seconds from ten on. */
static void put_delay(struct generator *gen, unsigned ms)
{
    unsigned unit = ms < 100 ? 1 : ms < 1000 ? 10 : ms < 10000 ? 100 : 1000;
    unsigned rounded = ms / unit * unit;
    put_uint(gen, rounded / 1000);
    rounded %= 1000;
    for (unsigned digit = 100; rounded; rounded %= digit, digit /= 10) {
        if (digit == 100)
            put(gen, ".");
        gen->out[gen->out_len++] = (char)('0' + rounded / digit);
    }
}

static void put_stamp(struct generator *gen)
{
    uint64_t second = gen->now / 1000000;
    if (second != gen->second || gen->stamp[0] == '\0') {
        time_t t = (time_t)(START + second);
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(gen->stamp, sizeof(gen->stamp),
                 gen->options.iso ? "%Y-%m-%dT%H:%M:%S" : "%b %e %T", &tm);
        gen->second = second;
    }
    put(gen, gen->stamp);
    if (gen->options.iso) {
        char part[16];
        snprintf(part, sizeof(part), ".%06u+00:00", (unsigned)(gen->now % 1000000));
        put(gen, part);
    }
}

/* A text that stands for a letter; NULL where it is a number. */
static const char *text_of(const struct mail *mail, char letter)
{
    const char *const texts[] = {mail->relay,    mail->ip,     mail->address, mail->domain,
                                 mail->queue_id, mail->client, mail->dsn,     mail->status};
    static const char letters[] = "riadqcDS";
    const char *at = strchr(letters, letter);
    return at ? texts[at - letters] : NULL;
}

static void put_number(struct generator *gen, const struct mail *mail, char letter)
{
    if (letter == 'h') {
        draw_text(&gen->shape, gen->out + gen->out_len, 10, "0123456789abcdef", 16);
        gen->out_len += 10;
    } else if (letter == 'k' || letter == 'K')
        put_uint(gen, mail->recipients + (letter == 'K' ? 4 : 0));
    else if (letter == 's')
        put_uint(gen, between(&gen->shape, 900, 90000));
    else if (letter == 'n')
        put_uint(gen, between(&gen->shape, 1000000000, 1999999999));
    else
        put_uint(gen, between(&gen->shape, 1, 999));
}

static void expand(struct generator *gen, const struct mail *mail, const char *text)
{
    for (; *text; text++) {
        if (*text != '$') {
            gen->out[gen->out_len++] = *text;
            continue;
        }
        const char *value = text_of(mail, *++text);
        if (value)
            put(gen, value);
        else
            put_number(gen, mail, *text);
    }
}

/* What stands before the text of a line. */
static void begin_line(struct generator *gen, const char *daemon)
{
    if (OUT_CAP - gen->out_len < LINE_BYTES)
        flush(gen);
    gen->now += between(&gen->shape, 1000, 12999);
    put_stamp(gen);
    put(gen, " mx1 postfix/");
    put(gen, daemon);
    put(gen, "[");
    put_uint(gen, between(&gen->shape, 1000, 32000));
    put(gen, "]: ");
}

static void write_line(struct generator *gen, const struct mail *mail, const char *daemon,
                       const char *text)
{
    begin_line(gen, daemon);
    expand(gen, mail, text);
    put(gen, "\n");
}

/* Long ones have the shape of Postfix': base 52, a "z" before the inode's part. */
static void make_queue_id(struct generator *gen, char id[24])
{
    static const char base52[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    if (!gen->options.long_ids) {
        draw_text(&gen->shape, id, 10, "0123456789ABCDEF", 16);
        return;
    }
    draw_text(&gen->shape, id, 10, base52, 52);
    id[10] = 'z';
    draw_text(&gen->shape, id + 11, 4, base52, 51);
}

/* One of the tail by Zipf's law. */
static size_t pick_tail(struct generator *gen)
{
    size_t low = 0, high = gen->options.domains - 1;
    double drawn = (double)(draw(&gen->place) >> 11) * 0x1p-53 * gen->zipf[high];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (gen->zipf[middle] > drawn)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void copy_target(struct mail *mail, const struct target *target)
{
    snprintf(mail->domain, sizeof(mail->domain), "%s", target->domain);
    snprintf(mail->relay, sizeof(mail->relay), "%s", target->relay);
    snprintf(mail->ip, sizeof(mail->ip), "%s", target->ip);
}

/* A domain of the tail has one MX of its own. */
static void set_own_mx(struct generator *gen, struct mail *mail)
{
    snprintf(mail->relay, sizeof(mail->relay), "mx.%.*s", NAME_BYTES - 4, mail->domain);
    snprintf(mail->ip, sizeof(mail->ip), "198.51.100.%u", between(&gen->place, 1, 254));
}

static void make_recipient(struct generator *gen, struct mail *mail)
{
    size_t which = weighted(&gen->place, big_weights, LEN(big));
    if (gen->options.distinct) {
        snprintf(mail->domain, sizeof(mail->domain), "d%" PRIu64 ".example", gen->recipients);
        set_own_mx(gen, mail);
        which = 0;
        memset(gen->counts[0], 0, sizeof(gen->counts[0]));
    } else if (which < LEN(big)) {
        copy_target(mail, &big[which]);
    } else {
        size_t tail = pick_tail(gen);
        snprintf(mail->domain, sizeof(mail->domain), "%s", gen->tail[tail]);
        set_own_mx(gen, mail);
        which += tail;
    }
    mail->counts = gen->counts[which];
    gen->recipients++;
    snprintf(mail->address, sizeof(mail->address), "user%u@%s", between(&gen->shape, 1, 999999),
             mail->domain);
}

static const struct reply *pick_reply(struct generator *gen, enum status status)
{
    unsigned drawn = below(&gen->shape, 100);
    const struct reply *reply = replies;
    while (reply->status != status)
        reply++;
    for (; drawn >= reply->weight; reply++)
        drawn -= reply->weight;
    return reply;
}

static void put_delays(struct generator *gen)
{
    static const unsigned longest[] = {300, 50, 2000, 3000};
    unsigned parts[LEN(longest)], sum = 0;
    for (size_t i = 0; i < LEN(parts); i++)
        sum += parts[i] = between(&gen->shape, 0, longest[i]);
    put(gen, ", delay=");
    put_delay(gen, sum);
    for (size_t i = 0; i < LEN(parts); i++) {
        put(gen, i ? "/" : ", delays=");
        put_delay(gen, parts[i]);
    }
}

/* One attempt of the status given. */
static void attempt(struct generator *gen, struct mail *mail, enum status status)
{
    const struct reply *reply = pick_reply(gen, status);
    mail->counts[reply - replies]++;
    mail->status = status_words[status];
    mail->dsn = reply->dsn;
    begin_line(gen, mail->transport);
    expand(gen, mail, "$q: to=<$a>, relay=");
    expand(gen, mail, reply->unreached ? "none" : "$r[$i]:25");
    put_delays(gen);
    expand(gen, mail, ", dsn=$D, status=$S (");
    expand(gen, mail, reply->text);
    put(gen, ")\n");
}

/* The rows of a domain; replies that share status and dsn share a row. */
static void write_truth(struct generator *gen, const char *domain, const uint32_t *counts)
{
    for (size_t i = 0; i < LEN(replies); i++) {
        uint64_t sum = 0;
        size_t first = LEN(replies);
        for (size_t k = LEN(replies); k-- > 0;) {
            if (replies[k].status == replies[i].status && !strcmp(replies[k].dsn, replies[i].dsn)) {
                sum += counts[k];
                first = k;
            }
        }
        if (sum && first == i)
            fprintf(gen->truth, "%s\t%s\t%s\t%" PRIu64 "\n", domain,
                    status_words[replies[i].status], replies[i].dsn, sum);
    }
}

static void deliver(struct generator *gen, struct mail *mail)
{
    make_recipient(gen, mail);
    if (below(&gen->shape, 2))
        write_line(gen, mail, mail->transport,
                   "Trusted TLS connection established to $r[$i]:25: TLSv1.3 with cipher "
                   "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature "
                   "ECDSA (prime256v1) server-digest SHA256");
    enum status status = (enum status)weighted(&gen->shape, first_weights, STATUSES);
    attempt(gen, mail, status);
    while (status == DEFERRED) {
        status = (enum status)weighted(&gen->shape, retry_weights, STATUSES);
        attempt(gen, mail, status);
    }
    if (gen->options.distinct && gen->truth)
        write_truth(gen, mail->domain, mail->counts);
}

static void make_mail(struct generator *gen, struct mail *mail)
{
    *mail = (struct mail){0};
    make_queue_id(gen, mail->queue_id);
    mail->transport = transports[weighted(&gen->shape, transport_weights, LEN(transports))];
    mail->recipients = 1 + weighted(&gen->shape, recipient_weights, LEN(recipient_weights));
    unsigned host = between(&gen->shape, 2, 250);
    snprintf(mail->client, sizeof(mail->client), "app%u.internal[10.0.0.%u]", host % 9, host);
}

static void write_message(struct generator *gen)
{
    struct mail mail;
    make_mail(gen, &mail);
    write_line(gen, &mail, "smtpd", "connect from $c");
    write_line(gen, &mail, "smtpd", "$q: client=$c");
    write_line(gen, &mail, "cleanup", "$q: message-id=<$h.$n@app.example>");
    write_line(gen, &mail, "qmgr",
               "$q: from=<noreply@example.com>, size=$s, nrcpt=$k (queue active)");
    write_line(gen, &mail, "smtpd",
               "disconnect from $c ehlo=1 mail=1 rcpt=$k data=1 quit=1 commands=$K");
    for (unsigned i = 0; i < mail.recipients; i++)
        deliver(gen, &mail);
    write_line(gen, &mail, "qmgr", "$q: removed");
}

/* Names and weights of the domains that are not the big ones. */
static void make_domains(struct generator *gen)
{
    static const char *const words[] = {"mail", "shop", "corp", "info", "web", "news"};
    static const char *const zones[] = {"com", "de", "es", "fr", "example", "co.uk"};
    size_t n = gen->options.domains;
    double sum = 0;
    gen->tail = calloc(n, sizeof(*gen->tail));
    gen->zipf = calloc(n, sizeof(*gen->zipf));
    gen->counts = calloc(LEN(big) + n, sizeof(*gen->counts));
    gen->out = malloc(OUT_CAP);
    if (!gen->tail || !gen->zipf || !gen->counts || !gen->out)
        die("memory");
    for (size_t i = 0; i < n; i++) {
        gen->zipf[i] = sum += 1.0 / (double)(i + 1);
        const char *word = words[below(&gen->place, LEN(words))];
        snprintf(gen->tail[i], NAME_BYTES, "%s%zu.%s", word, i,
                 zones[below(&gen->place, LEN(zones))]);
    }
}

static void open_truth(struct generator *gen)
{
    if (!gen->options.truth)
        return;
    gen->truth = fopen(gen->options.truth, "w");
    if (!gen->truth)
        die(gen->options.truth);
    fputs("domain\tstatus\tdsn\tcount\n", gen->truth);
}

static void close_truth(struct generator *gen)
{
    if (!gen->truth)
        return;
    size_t all = gen->options.distinct ? 0 : LEN(big) + gen->options.domains;
    for (size_t i = 0; i < all; i++)
        write_truth(gen, i < LEN(big) ? big[i].domain : gen->tail[i - LEN(big)], gen->counts[i]);
    if (fclose(gen->truth) != 0)
        die(gen->options.truth);
}

static uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-') {
        fprintf(stderr, "genlog: \"%s\" is no number\n", text);
        exit(2);
    }
    return value;
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},    {"messages", required_argument, NULL, 'm'},
        {"domains", required_argument, NULL, 'd'}, {"truth", required_argument, NULL, 't'},
        {"long-ids", no_argument, NULL, 'l'},      {"iso", no_argument, NULL, 'i'},
        {"distinct", no_argument, NULL, 'x'},      {0},
    };
    *options = (struct options){.seed = 1, .messages = 100000, .domains = 5000};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == '?')
            exit(2);
        uint64_t *number = c == 's'   ? &options->seed
                           : c == 'm' ? &options->messages
                           : c == 'd' ? &options->domains
                                      : NULL;
        if (number)
            *number = number_of(optarg);
        else if (c == 't')
            options->truth = optarg;
        options->long_ids |= c == 'l';
        options->iso |= c == 'i';
        options->distinct |= c == 'x';
    }
    if (optind < argc || options->domains == 0 || options->domains > UINT32_MAX) {
        fprintf(stderr, "genlog: no file is read, and --domains is at least 1\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct generator gen = {0};
    parse_options(&gen.options, argc, argv);
    gen.shape = gen.options.seed;
    gen.place = ~gen.options.seed;
    make_domains(&gen);
    open_truth(&gen);
    for (uint64_t i = 0; i < gen.options.messages; i++)
        write_message(&gen);
    flush(&gen);
    close_truth(&gen);
    free(gen.out);
    free(gen.tail);
    free(gen.zipf);
    free(gen.counts);
    return 0;
}
