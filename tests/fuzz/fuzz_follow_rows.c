/*
 * Saved rows of any kind against a small directory: whatever they say, no line of it is
 * handed out twice, and after another save and start nothing is left to hand out.
 *
 * Rows are made of true ones, some fields of which the input replaces: most of what is
 * only bytes would be refused at once.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "input.h"
#include "mailvane/base/hash.h"
#include "mailvane/source/follow.h"

#define LINES    8 /* of each file */
#define LINE_LEN 6
#define ROWS_MAX 40

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = {"l", "l.1", "l.2", "l.bak", "l.3", "l.4", "m.log", "m.log.1"};
#define FILES COUNT(names)

static char dir[64];
static char content[FILES][LINES * LINE_LEN + 1];
static struct follow_row truths[FILES];

static void path_of(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s/%s", dir, name);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void learn(size_t file)
{
    char path[128];
    struct statx sx;
    path_of(path, sizeof(path), names[file]);
    if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0) {
        size_t len = strlen(path);
        snprintf(path + len, sizeof(path) - len, ".gz");
        bug_if(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0);
    }
    truths[file] = (struct follow_row){
        .dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
        .ino = sx.stx_ino,
        .born = sx.stx_btime.tv_sec * INT64_C(1000000000) + sx.stx_btime.tv_nsec,
        .size = LINES * LINE_LEN,
        .since = sx.stx_mtime.tv_sec * INT64_C(1000000000),
    };
}

static void make_file(size_t file)
{
    char path[128], command[256];
    path_of(path, sizeof(path), names[file]);
    for (size_t i = 0; i < LINES; i++)
        snprintf(content[file] + i * LINE_LEN, LINE_LEN + 1, "%c %03zu\n", (char)('a' + file), i);
    FILE *out = fopen(path, "w");
    bug_if(!out || fputs(content[file], out) < 0 || fclose(out) != 0);
    /* "l.3" and "l.4" are compressed. */
    snprintf(command, sizeof(command), "gzip %s", path);
    bug_if((file == 4 || file == 5) && system(command) != 0);
    learn(file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(dir, sizeof(dir), "/tmp/fuzz-follow-XXXXXX");
    bug_if(!mkdtemp(dir));
    atexit(clean_up);
    for (size_t i = 0; i < FILES; i++)
        make_file(i);
    return 0;
}

struct input {
    const uint8_t *at;
    size_t left;
};

static unsigned draw(struct input *in, unsigned below)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++ % below;
}

static uint64_t any_value(struct input *in)
{
    static const uint64_t values[] = {
        0, 1, 6, 7, 48, 49, 2200, 2201, INT64_MAX, UINT64_MAX, INT64_MAX - 6, 1ull << 40};
    return values[draw(in, COUNT(values))];
}

/* True of a file of which so many lines were handed out. */
static void fill_row(struct follow_row *row, size_t file, unsigned lines)
{
    size_t offset = lines * LINE_LEN, mark = lines ? offset : LINES * LINE_LEN;
    *row = truths[file];
    row->offset = offset;
    row->head_len = LINES * LINE_LEN;
    row->head_hash = hash_slice(slice_of(content[file], LINES * LINE_LEN), 0);
    row->mark_end = row->mark_len = mark;
    row->mark_hash = hash_slice(slice_of(content[file], mark), 0);
}

static void spoil_row(struct follow_row *row, struct input *in)
{
    uint64_t *const fields[] = {&row->dev,      &row->ino,      &row->offset,
                                &row->size,     &row->head_len, &row->head_hash,
                                &row->mark_end, &row->mark_len, &row->mark_hash};
    for (unsigned times = draw(in, 4); times > 0; times--)
        *fields[draw(in, COUNT(fields))] = any_value(in);
    switch (draw(in, 8)) {
    case 0:
        row->born = (int64_t)any_value(in);
        break;
    case 1:
        row->since = (int64_t)any_value(in);
        break;
    case 2:
        row->skipping = true;
        break;
    default:
        break;
    }
}

static void make_row(struct follow_row *row, struct input *in)
{
    static const char *const patterns[] = {"l", "l", "l", "*.log", "*.log", "other"};
    static const char *const paths[] = {"l", "m.log", "l.1", "none.log", ""};
    char text[128];
    unsigned pattern = draw(in, COUNT(patterns));
    fill_row(row, draw(in, FILES), draw(in, LINES + 1));
    spoil_row(row, in);
    row->role = (enum follow_role)draw(in, 7);
    path_of(text, sizeof(text), patterns[pattern]);
    row->pattern = must_strdup(text);
    unsigned other = draw(in, 16);
    path_of(text, sizeof(text), other < COUNT(paths) ? paths[other] : paths[pattern >= 3]);
    row->path = row->role == FOLLOW_SOURCE ? must_strdup("") : must_strdup(text);
}

/* Each line once: its file and its number say which it is. */
static void check_lines(struct slice lines, bool seen[FILES][LINES])
{
    while (lines.len) {
        struct slice line = slice_cut(&lines, '\n');
        bug_if(line.len != LINE_LEN - 1);
        size_t file = (size_t)(line.ptr[0] - 'a'), number = (size_t)(line.ptr[4] - '0');
        bug_if(file >= FILES || number >= LINES || seen[file][number]);
        seen[file][number] = true;
    }
}

/* One life of a follow set: it ends with what is saved. */
static size_t live(struct follow_rows *rows, bool seen[FILES][LINES])
{
    struct follow_options options = {.line_max = 4096};
    struct follow_block block;
    struct error err;
    char path[128];
    size_t blocks = 0;
    struct follow *follow = follow_new(&options, &err);
    bug_if(!follow);
    path_of(path, sizeof(path), "l");
    bug_if(follow_add(follow, path, rows, &err) < 0);
    path_of(path, sizeof(path), "*.log");
    bug_if(follow_add(follow, path, rows, &err) < 0);
    while (follow_next(follow, &block) == FOLLOW_BLOCK) {
        check_lines(block.lines, seen);
        blocks++;
    }
    follow_rows_release(rows);
    follow_save(follow, rows);
    follow_free(follow);
    return blocks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .left = size};
    bool seen[FILES][LINES] = {0};
    struct follow_rows rows = {.items = must_calloc(ROWS_MAX, sizeof(struct follow_row))};
    while (in.left && rows.count < ROWS_MAX)
        make_row(&rows.items[rows.count++], &in);
    live(&rows, seen);
    bug_if(live(&rows, seen) > 0);
    follow_rows_release(&rows);
    return 0;
}
