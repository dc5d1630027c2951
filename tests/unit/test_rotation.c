#include "follow_stage.h"

#include "../../lib/source/rotation.h"

struct name_row {
    const char *base;
    const char *name;
    bool rotated;
    bool beside;
};

static const struct name_row name_rows[] = {
    {"mail.log", "mail.log.1", true, true},
    {"mail.log", "mail.log.10", true, true},
    {"mail.log", "mail.log-20240131", true, true},
    {"mail.log", "mail.log-2024-01-31T10:00", true, true},
    {"mail.log", "mail-20240131.log", true, true},
    {"mail.log", "mail.1.log", true, true},
    {"mail.log", "mail-2.log", false, false},
    {"mail.log", "mail-2024.log.gz", false, false},
    {"mail.log", "mail.log.old", true, true},
    {"mainlog", "mainlog.01", true, true},
    {"mail.log", "mail.log", false, false},
    {"mail.log", "mail.log.", false, false},
    {"mail.log", "mail.log1", false, false},
    {"mail.log", "mail.log.1.gz", true, true},
    {"mail.log", "mail.log-20240131.xz", true, true},
    {"mail.log", "mail-20240131.log.zst", true, true},
    {"mail.log", "mail.log.gz", false, true},
    {"mail.log", "mail.log.bak.bz2", false, true},
    {"mail.log", "mail.err.1.gz", false, false},
    {"mail.log", "mail.log.bak", false, true},
    {"mail.log", "mail.log.1~", false, true},
    {"mail.log", "mail-relay2.log", false, false},
    {"mail.log", "mail.err", false, false},
    {"mail", "mail.err", false, true},
    {"mail", "mail.err-20240131", false, true},
    {"mail", "mail-20240131", true, true},
    {".log", ".1.log", false, false},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(name_rows); i++) {
        const struct name_row *row = &name_rows[i];
        bool rotated = rotation_is_rotated(row->base, row->name);
        bool beside = rotation_is_beside(row->base, row->name);
        if (rotated != row->rotated || beside != row->beside)
            fail_msg("%s for %s: got rotated %d beside %d, want %d %d", row->name, row->base,
                     rotated, beside, row->rotated, row->beside);
    }
}

struct order_row {
    const char *name;
    const char *files[4]; /* in the order in which they are created */
    const char *want;
};

static const struct order_row order_rows[] = {
    {"numbers count down", {"l.1", "l.10", "l.2"}, "l.10 l.2 l.1 "},
    {"dates by birth, then by name",
     {"l-20240101", "l-20240102", "l-20240110"},
     "l-20240101 l-20240102 l-20240110 "},
    {"compressed or not", {"l.3.gz", "l.4", "l.1.gz", "l.2"}, "l.4 l.3.gz l.2 l.1.gz "},
    {"dates of both kinds",
     {"l-20240103", "l-20240102.gz", "l-20240101"},
     "l-20240101 l-20240102.gz l-20240103 "},
    {"other names do not count", {"l.2", "l.bak", "l.1"}, "l.2 l.1 l.bak "},
    {"compressed ones by their numbers",
     {"l.1", "l.3.gz", "l.2", "l.10.xz"},
     "l.10.xz l.3.gz l.2 l.1 "},
    {"their dates, not their births",
     {"l-20240102.gz", "l-20240101.gz", "l-20240110.gz"},
     "l-20240101.gz l-20240102.gz l-20240110.gz "},
    {"dates beside numbers", {"l.1", "l-20240102.gz"}, "l-20240102.gz l.1 "},
};

static void test_order(void **state)
{
    struct stage *stage = *state;
    for (size_t i = 0; i < LEN(order_rows); i++) {
        const struct order_row *row = &order_rows[i];
        struct siblings siblings;
        for (size_t k = 0; k < LEN(row->files) && row->files[k]; k++)
            put(stage, row->files[k], "");
        assert_true(siblings_list(&siblings, stage->dir, "l"));
        for (size_t k = 0; k < siblings.count; k++)
            strbuf_addf(&stage->got, "%s ", siblings.items[k].name);
        siblings_release(&siblings);
        for (size_t k = 0; k < LEN(row->files) && row->files[k]; k++)
            unlink(in(stage, row->files[k]).text);
        expect(stage, row->name, row->want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        SCENARIO(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
