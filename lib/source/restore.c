/*
 * From the rows of a follow set that is no more to streams that read on.
 *
 * Each file that was open is looked for among those that stand beside the path now:
 * by its identity, which its content must confirm, as an inode may have been given
 * again and a file may have been truncated; then by its content alone, as it may have
 * been copied away. Device numbers are not compared where there is a birth time: they
 * are given anew at each boot.
 *
 * What was rotated since is not looked for here: it is unknown, and stream_settle takes
 * it for what it is, as it does while it watches.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"
#include "resolve.h"
#include "rotation.h"
#include "rows.h"

/* Views of a directory that does not stand still; then the last one has to do. */
#define VIEWS_MAX 64

/* Archives of one path that are opened to see whether they hold what was read. */
#define ARCHIVES_MAX 64

/* A file to be found again. */
struct lost {
    const struct follow_row *row;
    struct print print;
    struct member *member; /* NULL: not found */
    bool cut;              /* it was found, but ends before the place */
};

struct view {
    struct stream *stream;
    struct target target;
    struct interests set;
    struct siblings siblings; /* and the path's own file, at the end */
};

/* --- looking --------------------------------------------------------------------------------- */

static void view_make(struct view *view, struct stream *stream)
{
    struct look look;
    *view = (struct view){.stream = stream};
    if (!resolve_path(&stream->follow->places, &view->set, stream->path, &view->target) ||
        !view->target.dir[0] ||
        !siblings_list(&view->siblings, view->target.dir, view->target.base))
        return;
    if (!look_beside(view->target.dir, view->target.base, &look) || !look.regular)
        return;
    siblings_add(&view->siblings, view->target.base, &look);
    /* It is read as it is, whatever it is called. */
    view->siblings.items[view->siblings.count - 1].compressed = false;
}

static void view_release(struct view *view)
{
    siblings_release(&view->siblings);
    interests_release(&view->set, &view->stream->follow->places);
}

static bool view_holds(struct view *view)
{
    places_drain(&view->stream->follow->places);
    return !interests_stale(&view->set);
}

static bool is_same_file(const struct follow_row *row, const struct ident *id)
{
    return row->ino == id->ino && row->born == id->born && (row->born || row->dev == id->dev);
}

/*
 * In a file that is not compressed. What is compared last was there before, too: so the tail
 * has its own fingerprint of that content, even if the file is truncated right then.
 */
static bool stands_in(const struct lost *lost, struct member *member)
{
    struct tail *tail = &member->tail;
    if (tail->look.size < lost->row->offset)
        return false;
    tail_resume(tail, lost->row->offset);
    return tail_pin(tail) && print_is_in(&lost->print, tail->fd);
}

static void know(struct stream *stream, const struct known *known)
{
    size_t count = stream->known_count;
    if ((count & (count - 1)) == 0)
        stream->known =
            must_realloc(stream->known, (count ? count * 2 : 1) * sizeof(*stream->known));
    stream->known[stream->known_count++] = *known;
}

/* What was handed out ends with a line, or with a part of one that is too long. */
static bool is_place(const struct tail *tail)
{
    return tail->offset == 0 || tail->skipping ||
           (tail->mark_end == tail->offset && tail->mark[tail->mark_len - 1] == '\n');
}

/* Goes to the place; false where that is not the file. */
typedef bool (*read_on_fn)(struct lost *lost, struct member *member);

/* If it holds what was read. */
static bool read_on(struct lost *lost, struct member *member)
{
    enum archive_found found;
    /* Of a file that was empty nothing but its identity is known; settling takes it as new. */
    if (lost->print.head_len == 0)
        return is_same_file(lost->row, &member->tail.look.id) &&
               (!member->archive || archive_peek(member->archive, &member->tail));
    if (member->archive) {
        found = archive_find(member->archive, &member->tail, &lost->print, lost->row->offset);
        lost->cut |= found == ARCHIVE_CUT;
        member->tail.look.size = lost->row->size;
    } else {
        found = stands_in(lost, member) ? ARCHIVE_FOUND : ARCHIVE_OTHER;
    }
    member->tail.skipping = lost->row->skipping;
    member->proven = found == ARCHIVE_FOUND && is_place(&member->tail);
    return member->proven;
}

/* The files of one stream, on their way back. */
struct search {
    struct view view;
    struct lost lost[FOLLOW_FILES_MAX];
    size_t count;
    size_t ignored; /* rows of a file that another row told of, or too many */
};

/* Found already, for another row. */
static bool is_taken(const struct search *search, const struct ident *id)
{
    for (size_t i = 0; i < search->count; i++) {
        if (search->lost[i].member && ident_eq(&search->lost[i].member->tail.look.id, id))
            return true;
    }
    return false;
}

/* Opens a file that nobody holds yet, if it is the one; NULL else. */
static struct member *open_lost(struct search *search, struct lost *lost,
                                const struct sibling *sibling, read_on_fn go_on)
{
    const struct view *view = &search->view;
    struct follow *follow = view->stream->follow;
    if (follow->open_files >= FOLLOW_FILES_MAX || follow_find(follow, &sibling->look.id) ||
        is_taken(search, &sibling->look.id))
        return NULL;
    struct member *member = member_open_sibling(view->stream, view->target.dir, sibling);
    if (!member)
        return NULL;
    lost->cut = false;
    if (ident_eq(&member->tail.look.id, &sibling->look.id) && go_on(lost, member))
        return member;
    /* It is the one, though nothing more can be read of it. */
    if (lost->cut)
        know(view->stream, &(struct known){.id = sibling->look.id});
    member_free(member);
    return NULL;
}

/* --- finding ---------------------------------------------------------------------------------- */

static void find_by_identity(struct search *search, struct lost *lost)
{
    const struct siblings *siblings = &search->view.siblings;
    for (size_t i = 0; i < siblings->count && !lost->member; i++) {
        const struct sibling *sibling = &siblings->items[i];
        if (is_same_file(lost->row, &sibling->look.id))
            lost->member = open_lost(search, lost, sibling, read_on);
    }
}

/* Of all that hold it the longest: others are backups made before. */
static void find_by_content(struct search *search, struct lost *lost)
{
    const struct siblings *siblings = &search->view.siblings;
    for (size_t i = 0; i < siblings->count && lost->print.head_len; i++) {
        const struct sibling *sibling = &siblings->items[i];
        if (sibling->compressed ||
            (lost->member && sibling->look.size <= lost->member->tail.look.size))
            continue;
        struct member *member = open_lost(search, lost, sibling, read_on);
        if (member && lost->member)
            member_free(lost->member);
        if (member)
            lost->member = member;
    }
}

/* Which of the files that were not found yet begins as the archive does? */
static struct lost *that_begins_so(struct search *search, const struct tail *tail)
{
    for (size_t i = 0; i < search->count; i++) {
        struct lost *lost = &search->lost[i];
        if (!lost->member && print_head_is_of(&lost->print, tail))
            return lost;
    }
    return NULL;
}

/* Most archives are told by their first bytes; only one that begins alike is read to the place. */
static void find_in_archive(struct search *search, const struct sibling *sibling)
{
    const struct view *view = &search->view;
    if (follow_find(view->stream->follow, &sibling->look.id))
        return;
    struct member *member = member_open_sibling(view->stream, view->target.dir, sibling);
    if (!member)
        return;
    struct lost *lost = NULL;
    if (archive_peek(member->archive, &member->tail))
        lost = that_begins_so(search, &member->tail);
    member_free(member);
    if (lost)
        lost->member = open_lost(search, lost, sibling, read_on);
}

/* Written to since, by its time, and not there when the rows were saved. */
static bool is_likely(const struct view *view, const struct sibling *sibling)
{
    return sibling->look.mtime >= view->stream->since &&
           !stream_known(view->stream, &sibling->look.id);
}

static size_t missing(const struct search *search)
{
    size_t count = 0;
    for (size_t i = 0; i < search->count; i++)
        count += !search->lost[i].member && search->lost[i].print.head_len;
    return count;
}

/* The likely ones first, from the oldest on; then the others, from the newest on. */
static void find_in_archives(struct search *search)
{
    const struct siblings *siblings = &search->view.siblings;
    unsigned left = ARCHIVES_MAX;
    for (size_t turn = 0; turn < 2 * siblings->count && left && missing(search); turn++) {
        bool first = turn < siblings->count;
        size_t at = first ? turn : 2 * siblings->count - 1 - turn;
        const struct sibling *sibling = &siblings->items[at];
        if (!sibling->compressed || siblings_have_plain(siblings, sibling) ||
            is_likely(&search->view, sibling) != first)
            continue;
        find_in_archive(search, sibling);
        left--;
    }
}

/*
 * A file that begins as it did, and is shorter or another one before the place: after a loss of
 * power a log may lack what was read of it. What it held there counts already.
 */
static bool go_on_after_loss(struct lost *lost, struct member *member)
{
    struct tail *tail = &member->tail;
    uint64_t offset = lost->row->offset, size = tail->look.size;
    if (!tail_pin(tail) || !print_head_is_of(&lost->print, tail))
        return false;
    tail_resume(tail, offset < size ? offset : size);
    tail->skipping = tail->mark_len && tail->mark[tail->mark_len - 1] != '\n';
    member->proven = tail_pin(tail);
    return member->proven;
}

static void find_after_loss(struct search *search, struct lost *lost)
{
    static const char text[] = "%s: %s is not as it was when it was read; reading goes on "
                               "from byte %llu";
    const struct view *view = &search->view;
    const struct stream *stream = view->stream;
    for (size_t i = 0; i < view->siblings.count && !lost->member; i++) {
        const struct sibling *sibling = &view->siblings.items[i];
        if (sibling->compressed || !is_same_file(lost->row, &sibling->look.id))
            continue;
        lost->member = open_lost(search, lost, sibling, go_on_after_loss);
        if (lost->member)
            log_warn(stream->follow->options.log, text, stream->path, sibling->name,
                     (unsigned long long)lost->member->tail.offset);
    }
}

/* All by identity first: what one of them is, another one cannot be. */
static bool find_all(struct search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        if (!search->lost[i].member)
            find_by_identity(search, &search->lost[i]);
    }
    for (size_t i = 0; i < search->count; i++) {
        if (!search->lost[i].member)
            find_by_content(search, &search->lost[i]);
    }
    find_in_archives(search);
    for (size_t i = 0; i < search->count; i++) {
        if (!search->lost[i].member)
            find_after_loss(search, &search->lost[i]);
    }
    return missing(search) == 0;
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool is_double(const struct search *search, const struct follow_row *row)
{
    const struct ident id = row_ident(row);
    for (size_t i = 0; i < search->count; i++) {
        if (is_same_file(search->lost[i].row, &id))
            return true;
    }
    return false;
}

static void add_lost(struct search *search, const struct follow_row *row)
{
    if (search->count == FOLLOW_FILES_MAX || is_double(search, row)) {
        search->ignored++;
        return;
    }
    struct lost *lost = &search->lost[search->count++];
    *lost = (struct lost){.row = row};
    row_print(row, &lost->print);
}

static void add_known(struct stream *stream, const struct follow_row *row)
{
    struct known known = {.id = row_ident(row),
                          .offset = row->offset,
                          .size = row->size,
                          .pending = row->role == FOLLOW_PENDING};
    row_print(row, &known.print);
    know(stream, &known);
}

/* Strings first: of many rows most are of another path. */
static bool is_of(const struct follow_row *row, const struct stream *stream)
{
    const struct source *source = stream_source(stream);
    return row->pattern && row->path && strcmp(row->path, stream->path) == 0 &&
           strcmp(row->pattern, source->pattern) == 0 && row->role != FOLLOW_SOURCE &&
           !row_fault(row, source);
}

/* What is worth nothing with a clock that stands before it: nothing is older then. */
static int64_t usable_since(int64_t since)
{
    return since <= follow_now(CLOCK_REALTIME) ? since : INT64_MIN;
}

static void sort_rows(struct search *search, struct stream *stream, const struct follow_rows *saved)
{
    for (size_t i = 0; i < saved->count; i++) {
        const struct follow_row *row = &saved->items[i];
        if (!is_of(row, stream))
            continue;
        if (row->role == FOLLOW_PATH)
            stream->since = usable_since(row->since);
        else if (row_is_member(row))
            add_lost(search, row);
        else
            add_known(stream, row);
    }
}

/* Device numbers of now, so that identities can be compared as they are. */
static void renumber_known(const struct view *view)
{
    struct stream *stream = view->stream;
    struct look dir;
    bool seen = view->target.dir[0] && look_at(AT_FDCWD, view->target.dir, &dir);
    for (size_t i = 0; seen && i < stream->known_count; i++) {
        if (stream->known[i].id.born)
            stream->known[i].id.dev = dir.id.dev;
    }
    known_sort(stream->known, stream->known_count);
}

/*
 * In the order in which they were saved. The path's own file stays that until settling sees
 * what the path names now: if it is truncated before that, its copy is looked for.
 */
static void link_found(struct search *search)
{
    struct stream *stream = search->view.stream;
    struct member **end = &stream->members;
    for (size_t i = 0; i < search->count; i++) {
        struct member *member = search->lost[i].member;
        if (!member)
            continue;
        if (!stream->current && search->lost[i].row->role == FOLLOW_CURRENT && !member->archive) {
            stream->current = member;
            continue;
        }
        /* One that was empty and has content now: it must be known by that when it waits long. */
        tail_pin(&member->tail);
        *end = member;
        end = &member->next;
    }
    *end = stream->current;
}

static void mourn(const struct search *search)
{
    static const char text[] = "%s: a file of it is gone, and with it at least %llu bytes that "
                               "were not read";
    struct stream *stream = search->view.stream;
    uint64_t bytes = 0;
    bool missed = false;
    for (size_t i = 0; i < search->count; i++) {
        const struct lost *lost = &search->lost[i];
        if (lost->member)
            continue;
        uint64_t behind =
            lost->row->size > lost->row->offset ? lost->row->size - lost->row->offset : 0;
        bytes += behind;
        missed |= behind || (lost->row->role == FOLLOW_CURRENT && lost->print.head_len);
    }
    stream_source(stream)->stats.lost_bytes += bytes;
    if (missed)
        log_warn(stream->follow->options.log, text, stream->path, (unsigned long long)bytes);
}

static void restore_stream(struct stream *stream, const struct follow_rows *saved)
{
    struct search *search = must_calloc(1, sizeof(*search));
    bool done = false;
    sort_rows(search, stream, saved);
    if (search->ignored)
        log_warn(stream->follow->options.log,
                 "%s: %zu saved rows tell of a file twice, or too much", stream->path,
                 search->ignored);
    for (unsigned view = 1; view <= VIEWS_MAX && !done; view++) {
        if (view > 1)
            view_release(&search->view);
        view_make(&search->view, stream);
        renumber_known(&search->view);
        done = find_all(search) || view_holds(&search->view);
    }
    known_sort(stream->known, stream->known_count);
    link_found(search);
    mourn(search);
    view_release(&search->view);
    free(search);
}

/* --- a source --------------------------------------------------------------------------------- */

static void complain(const struct follow *follow, const struct source *source, size_t count,
                     const char *first)
{
    if (count)
        log_warn(follow->options.log,
                 "%s: %zu rows of what was saved are ignored; the first one has %s",
                 source->pattern, count, first);
}

/* Is the source known from before? Says what cannot be of it. */
static bool look_at_rows(struct follow *follow, struct source *source,
                         const struct follow_rows *saved)
{
    const char *first = NULL;
    size_t faults = 0, sources = 0, others = 0;
    for (size_t i = 0; i < saved->count; i++) {
        const struct follow_row *row = &saved->items[i];
        if (!row->pattern || strcmp(row->pattern, source->pattern) != 0)
            continue;
        const char *fault = row_fault(row, source);
        first = first ? first : fault;
        faults += fault != NULL;
        others += !fault && row->role != FOLLOW_SOURCE;
        if (!fault && row->role == FOLLOW_SOURCE && sources++ == 0)
            source->since = usable_since(row->since);
    }
    complain(follow, source, faults, first);
    return sources + others > 0;
}

void restore_source(struct follow *follow, unsigned number, const struct follow_rows *saved)
{
    struct source *source = follow->sources[number];
    if (!saved || !look_at_rows(follow, source, saved))
        return;
    source->initial = false;
    for (size_t i = 0; i < saved->count; i++) {
        const struct follow_row *row = &saved->items[i];
        if (row->role == FOLLOW_SOURCE || !row->pattern ||
            strcmp(row->pattern, source->pattern) != 0 || row_fault(row, source))
            continue;
        unsigned before = follow->orders;
        struct stream *stream = follow_stream(follow, number, row->path);
        if (stream && follow->orders > before)
            restore_stream(stream, saved);
    }
}
