/* Rotations, writes and looks in any order: the lines must come in the order of writing. */
#include "follow_stage.h"

struct player {
    struct stage *stage;
    uint32_t random;
    unsigned lines;
    unsigned rotated;
};

/* Numerical Recipes' generator: the same game on every machine. */
static unsigned draw(struct player *player, unsigned below)
{
    player->random = player->random * 1664525U + 1013904223U;
    return (player->random >> 16) % below;
}

static void play_write(struct player *player)
{
    char line[64];
    snprintf(line, sizeof(line), "line %u %.*s\n", player->lines++, (int)draw(player, 40),
             "----------------------------------------");
    put(player->stage, "l", line);
    strbuf_add_str(&player->stage->want, line);
}

static void shift(struct player *player)
{
    char from[16], to[16];
    for (unsigned i = player->rotated; i > 0; i--) {
        snprintf(from, sizeof(from), "l.%u", i);
        snprintf(to, sizeof(to), "l.%u", i + 1);
        move(player->stage, from, to);
    }
    player->rotated++;
}

static void play_rename(struct player *player)
{
    shift(player);
    move(player->stage, "l", "l.1");
    put(player->stage, "l", "");
}

static void play_copytruncate(struct player *player)
{
    shift(player);
    copy(player->stage, "l", "l.1");
    cut(player->stage, "l");
}

static void play_wake(struct player *player)
{
    wake(player->stage);
}

static void play_one_block(struct player *player)
{
    struct follow_block block;
    if (follow_next(player->stage->follow, &block) == FOLLOW_BLOCK)
        strbuf_add_slice(&player->stage->got, block.lines);
}

static void play_check(struct player *player)
{
    follow_check(player->stage->follow);
}

static void (*const moves[])(struct player *) = {
    play_write,  play_write,        play_write, play_write,     play_write, play_rename,
    play_rename, play_copytruncate, play_wake,  play_one_block, play_check,
};

static void test_at_random(void **state)
{
    struct stage *stage = *state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        char name[32];
        struct player player = {.stage = stage, .random = seed};
        put(stage, "l", "");
        follow_free(stage->follow);
        stage->follow = new_follow(false);
        add(stage, "l");
        for (int i = 0; i < 200; i++)
            moves[draw(&player, LEN(moves))](&player);
        snprintf(name, sizeof(name), "seed %u", seed);
        /* An empty file tells nothing when it is renamed; a last line settles all. */
        play_write(&player);
        expect(stage, name, stage->want.buf);
        strbuf_reset(&stage->want);
        assert_int_equal(stats(stage, 0).lost_bytes, 0);
        scratch_remove(stage->dir);
        assert_int_equal(mkdir(stage->dir, 0700), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(test_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
