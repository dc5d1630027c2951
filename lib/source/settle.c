/*
 * Which files belong to a path now, and in which order.
 *
 * Between two looks a log may have been rotated many times, by rename or by copy
 * and truncation, and may be rotated again while it is looked at. So a plan is
 * made from one consistent view or not at all: interests are taken, everything
 * is looked at, then inotify is asked whether anything moved meanwhile; if so,
 * once more from the start. The kernel queues the event of a rename before
 * anybody can list the directory in its new state, so nothing slips through.
 *
 * Which files beside the path are unread parts of the log:
 *   - the current file was truncated: the one that holds what we read of it, at
 *     the same place, and at least as much;
 *   - in an open season (the path names another file, the current one was
 *     truncated, or was empty and so could not be recognised): those with the
 *     name of a rotated file, not known from before, not older than the last
 *     settled look, and not a copy of a file that is open: an admin's backup,
 *     or a copy whose truncation is still to come.
 * Outside an open season whatever appears is known as none of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "follow_private.h"
#include "mailvane/base/bug.h"
#include "resolve.h"
#include "rotation.h"

/* Views of a directory that does not stand still; then the last one has to do. */
#define VIEWS_MAX 64
/* Files remembered for one path. */
#define KNOWN_MAX (2 * SIBLINGS_MAX)

struct plan {
    struct stream *stream;
    struct target target;
    struct interests set;
    struct siblings siblings;
    bool listed;          /* siblings are those of a directory that could be read */
    bool same;            /* the path still names the current file */
    bool changed;         /* the current file was truncated */
    bool restart;         /* the current file is taken from its start, as in again */
    bool open;            /* the season */
    bool more;            /* some files have to wait on disk */
    bool copied;          /* a copy of the truncated file was found */
    struct tail again;    /* shares the current file's descriptor */
    struct member *fresh; /* the path's file, when it is not open yet */
    struct member *back;  /* the path's file, when it is an older one of the stream */
    struct member *queue; /* unread files between the current one and fresh; oldest first */
    struct member **queue_end;
    unsigned queue_count;
    unsigned before; /* so many of the queue are older than what the current file holds */
    struct known *known;
    size_t known_count;
};

static int compare_known(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return ident_compare(&x->id, &y->id);
}

void stream_sort_known(struct stream *stream)
{
    if (stream->known_count)
        qsort(stream->known, stream->known_count, sizeof(*stream->known), compare_known);
}

struct known *stream_known(const struct stream *stream, const struct ident *id)
{
    struct known key = {.id = *id};
    if (stream->known_count == 0)
        return NULL;
    return bsearch(&key, stream->known, stream->known_count, sizeof(key), compare_known);
}

static bool has_room(const struct plan *plan)
{
    /* One more for the path's own file. */
    return plan->queue_count < QUEUE_MAX && plan->stream->follow->open_files + 1 < FOLLOW_FILES_MAX;
}

static bool join_path(char out[PATH_MAX], const char *dir, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < PATH_MAX;
}

/* Opens without waiting for a writer of a pipe, and without being led elsewhere. */
static int open_file(const char *dir, const char *name)
{
    char path[PATH_MAX];
    if (!join_path(path, dir, name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

struct member *member_open(struct stream *stream, const char *dir, const char *name)
{
    struct look look;
    int fd = open_file(dir, name);
    if (fd < 0)
        return NULL;
    if (!look_fd(fd, &look) || !look.regular) {
        close(fd);
        errno = EINVAL;
        return NULL;
    }
    return member_new(stream, fd, &look);
}

/* Does it hold what was read of it, as far as that is known? */
static bool is_as_known(const struct known *known, const struct tail *tail)
{
    return known->offset <= tail->look.size &&
           (known->print.head_len == 0 || print_is_in(&known->print, tail->fd));
}

/* The file that the path names is one that stood beside it, or a new one. */
static void start_fresh(const struct stream *stream, struct member *member)
{
    const struct known *known = stream_known(stream, &member->tail.look.id);
    if (stream->initial && !stream->follow->options.from_start)
        tail_start_at_end(&member->tail, stream->follow->options.line_max);
    else if (known && is_as_known(known, &member->tail))
        tail_resume(&member->tail, known->offset);
    tail_pin(&member->tail);
}

static bool look_in(const char *dir, const char *name, struct look *out)
{
    char path[PATH_MAX];
    return dir[0] && join_path(path, dir, name) && look_at(AT_FDCWD, path, out);
}

static void open_named(struct plan *plan)
{
    struct stream *stream = plan->stream;
    if (stream->follow->open_files >= FOLLOW_FILES_MAX)
        return;
    plan->fresh = member_open(stream, plan->target.dir, plan->target.base);
    if (plan->fresh)
        start_fresh(stream, plan->fresh);
    else if (errno != ENOENT && !stream->denied)
        log_warn(stream->follow->options.log, "cannot open %s: %s", stream->path, strerror(errno));
    stream->denied = !plan->fresh && errno != ENOENT;
}

static void find_named(struct plan *plan)
{
    struct look look;
    if (!look_in(plan->target.dir, plan->target.base, &look))
        return;
    struct member *open = follow_find(plan->stream->follow, &look.id);
    plan->same = open && open == plan->stream->current;
    if (!open)
        open_named(plan);
    else if (open->stream == plan->stream && !plan->same)
        plan->back = open;
}

static void judge_current(struct plan *plan)
{
    struct member *current = plan->stream->current;
    plan->changed = current && !tail_intact(&current->tail);
    plan->restart = current && (plan->changed || !tail_pinned(&current->tail));
    if (plan->restart) {
        plan->again = current->tail;
        tail_restart(&plan->again);
        tail_pin(&plan->again);
    }
    plan->open = !current || plan->restart || !plan->same;
}

static void enqueue(struct plan *plan, struct member *member)
{
    *plan->queue_end = member;
    plan->queue_end = &member->next;
    plan->queue_count++;
}

/* How far a sibling goes on with the truncated file; -1 where it is not a copy of it. */
static int64_t copy_size(const struct plan *plan, const struct sibling *sibling)
{
    const struct tail *tail = &plan->stream->current->tail;
    int64_t size = -1;
    if (sibling->look.size < tail->offset || ident_eq(&sibling->look.id, &tail->look.id))
        return -1;
    int fd = open_file(plan->target.dir, sibling->name);
    if (fd >= 0 && tail_is_in(tail, fd, sibling->look.size))
        size = (int64_t)sibling->look.size;
    if (fd >= 0)
        close(fd);
    return size;
}

/* Of all copies the longest: others are backups made before. */
static const struct sibling *find_copy(const struct plan *plan)
{
    const struct sibling *found = NULL;
    int64_t longest = -1;
    for (size_t i = 0; i < plan->siblings.count; i++) {
        int64_t size = copy_size(plan, &plan->siblings.items[i]);
        if (size > longest) {
            longest = size;
            found = &plan->siblings.items[i];
        }
    }
    return found;
}

static void take_copy(struct plan *plan)
{
    const struct sibling *sibling = plan->changed ? find_copy(plan) : NULL;
    struct member *member =
        sibling ? member_open(plan->stream, plan->target.dir, sibling->name) : NULL;
    if (!member)
        return;
    const struct tail *tail = &plan->stream->current->tail;
    tail_resume(&member->tail, tail->offset);
    member->tail.skipping = tail->skipping;
    tail_pin(&member->tail);
    plan->copied = true;
    plan->before = 1;
    enqueue(plan, member);
}

/*
 * Was it made of that file? The head of the original is taken anew, as the copy's
 * was read later than it.
 */
static bool is_copy_of(const struct tail *copy, struct tail *of)
{
    tail_pin(of);
    return tail_head_is_of(copy, of);
}

/* What was never pinned stays so: that is done in a view that held, or not at all. */
static bool is_copy_of_any(const struct tail *copy, struct member *members)
{
    for (struct member *m = members; m; m = m->next) {
        if (tail_pinned(&m->tail) && is_copy_of(copy, &m->tail))
            return true;
    }
    return false;
}

/* Is it a copy of a file that is read already, or of the path's file as it is now? */
static bool is_copy(struct plan *plan, const struct tail *tail)
{
    const struct member *current = plan->stream->current;
    if (plan->changed && tail_is_in(&current->tail, tail->fd, tail->look.size))
        return true;
    if (plan->fresh && is_copy_of(tail, &plan->fresh->tail))
        return true;
    if (plan->restart && is_copy_of(tail, &plan->again))
        return true;
    return is_copy_of_any(tail, plan->stream->members) || is_copy_of_any(tail, plan->queue);
}

/* A glob that matches rotated files as well asks for what they hold at the start. */
static bool wanted_at_start(const struct plan *plan, const struct sibling *sibling)
{
    const struct stream *stream = plan->stream;
    const struct source *source = stream_source(stream);
    char path[PATH_MAX];
    const char *slash = strrchr(stream->path, '/');
    if (!source->glob || !stream->follow->options.from_start || !slash)
        return false;
    int len = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - stream->path), stream->path,
                       sibling->name);
    return len > 0 && len < PATH_MAX && fnmatch(source->pattern, path, FNM_PATHNAME) == 0;
}

/* Can the name and the times be those of an unread part of the log? */
static bool may_be_part(const struct plan *plan, const struct sibling *sibling)
{
    if (!rotation_is_rotated(plan->target.base, sibling->name))
        return false;
    if (plan->stream->initial)
        return wanted_at_start(plan, sibling);
    return plan->open && sibling->look.mtime >= plan->stream->since;
}

/* Beside a file, an empty one is as a rule a copy just begun: it shows what it is when it grows. */
static bool is_just_begun(const struct plan *plan, const struct sibling *sibling)
{
    return sibling->look.size == 0 && (plan->same || plan->fresh || plan->back);
}

enum verdict {
    KNOWN,   /* accounted for */
    PART,    /* to be read */
    PENDING, /* asked again, whatever the season */
    LATER,   /* asked again, and the season stays open */
};

static enum verdict judge(struct plan *plan, const struct sibling *sibling)
{
    const struct ident *id = &sibling->look.id;
    const struct known *known = stream_known(plan->stream, id);
    if ((known && !known->pending) || follow_find(plan->stream->follow, id))
        return KNOWN;
    if (!known && !may_be_part(plan, sibling))
        return KNOWN;
    if (is_just_begun(plan, sibling))
        return PENDING;
    plan->more |= !has_room(plan);
    if (plan->more)
        return LATER;
    struct member *member = member_open(plan->stream, plan->target.dir, sibling->name);
    if (!member)
        return LATER;
    tail_pin(&member->tail);
    if (is_copy(plan, &member->tail)) {
        member_free(member);
        return KNOWN;
    }
    enqueue(plan, member);
    return PART;
}

/* Keeps what was known of files that were not seen now, as they may only have been missed. */
static void keep_known(struct plan *plan)
{
    const struct stream *stream = plan->stream;
    size_t count = plan->known_count;
    plan->known = must_realloc(plan->known, (count + stream->known_count) * sizeof(*plan->known));
    for (size_t i = 0; i < stream->known_count && plan->known_count < KNOWN_MAX; i++) {
        const struct known *known = &stream->known[i];
        if (!bsearch(known, plan->known, count, sizeof(*known), compare_known))
            plan->known[plan->known_count++] = *known;
    }
    qsort(plan->known, plan->known_count, sizeof(*plan->known), compare_known);
}

/*
 * What is older than the content of the current file: in its place, everything;
 * where it was truncated and then moved, what stands before it among the siblings.
 */
static void place_current(struct plan *plan, const struct sibling *sibling)
{
    const struct member *current = plan->stream->current;
    bool moved = plan->restart && ident_eq(&sibling->look.id, &current->tail.look.id);
    if (plan->same || moved)
        plan->before = plan->queue_count;
}

static void judge_siblings(struct plan *plan)
{
    plan->known = must_calloc(plan->siblings.count, sizeof(*plan->known));
    for (size_t i = 0; i < plan->siblings.count; i++) {
        const struct sibling *sibling = &plan->siblings.items[i];
        const struct known *known = stream_known(plan->stream, &sibling->look.id);
        enum verdict verdict = judge(plan, sibling);
        place_current(plan, sibling);
        if (verdict == LATER)
            continue;
        struct known *now = &plan->known[plan->known_count++];
        *now = known ? *known : (struct known){.id = sibling->look.id};
        now->pending = verdict == PENDING;
    }
    if (plan->known_count)
        qsort(plan->known, plan->known_count, sizeof(*plan->known), compare_known);
}

/*
 * The heads of the path's file and of the siblings are compared in this order:
 * siblings are listed first, so a copy cannot be ahead of the file it is made of.
 */
static void plan_make(struct plan *plan, struct stream *stream)
{
    struct follow *follow = stream->follow;
    *plan = (struct plan){.stream = stream};
    plan->queue_end = &plan->queue;
    bool usable = resolve_path(&follow->places, &plan->set, stream->path, &plan->target);
    if (!usable || follow_shadowed(stream, plan->target.dir, plan->target.base))
        plan->target.dir[0] = '\0';
    plan->listed =
        plan->target.dir[0] && siblings_list(&plan->siblings, plan->target.dir, plan->target.base);
    find_named(plan);
    judge_current(plan);
    take_copy(plan);
    judge_siblings(plan);
}

static void plan_release(struct plan *plan)
{
    while (plan->queue) {
        struct member *member = plan->queue;
        plan->queue = member->next;
        member_free(member);
    }
    if (plan->fresh)
        member_free(plan->fresh);
    interests_release(&plan->set, &plan->stream->follow->places);
    siblings_release(&plan->siblings);
    free(plan->known);
}

/*
 * A copy that was empty when it was listed and is not empty now may be complete,
 * and its original truncated, before the original's new content was seen.
 */
static bool grew_from_nothing(const struct plan *plan)
{
    for (size_t i = 0; i < plan->siblings.count; i++) {
        const struct sibling *sibling = &plan->siblings.items[i];
        struct look now;
        if (is_just_begun(plan, sibling) && look_in(plan->target.dir, sibling->name, &now) &&
            now.size > 0)
            return true;
    }
    return false;
}

/* Did nothing move while the plan was made, and is what it saw of the path's file still there? */
static bool plan_holds(struct plan *plan)
{
    bool grew = grew_from_nothing(plan);
    places_drain(&plan->stream->follow->places);
    if (grew || interests_stale(&plan->set))
        return false;
    if (plan->fresh && !tail_intact(&plan->fresh->tail))
        return false;
    return !plan->restart || tail_intact(&plan->again);
}

static void count(const struct plan *plan)
{
    const struct member *current = plan->stream->current;
    struct follow_stats *stats = &stream_source(plan->stream)->stats;
    bool renamed = current && !plan->same && !current->tail.look.deleted;
    /* Files from before the current one were truncated copies, unless it was only moved. */
    unsigned copies = plan->changed || plan->same ? plan->before : 0;
    stats->truncates += plan->changed + copies - plan->copied;
    stats->renames += renamed + plan->queue_count - copies;
    if (plan->changed && !plan->copied)
        stats->lost_bytes += tail_behind(&current->tail);
}

static void set_text(char **text, const char *now)
{
    if (strcmp(*text, now) == 0)
        return;
    free(*text);
    *text = must_strdup(now);
}

/* A file in the queue that is open already was overwritten by a copy: the old member is void. */
static void drop_doubles(struct plan *plan)
{
    for (struct member *queued = plan->queue; queued; queued = queued->next) {
        struct member *m = plan->stream->members;
        while (m &&
               (m == plan->stream->current || !ident_eq(&m->tail.look.id, &queued->tail.look.id)))
            m = m->next;
        if (m)
            stream_drop(plan->stream, m);
    }
}

static struct member **link_to(struct stream *stream, const struct member *member)
{
    struct member **link = &stream->members;
    while (*link && *link != member)
        link = &(*link)->next;
    return link;
}

/* Puts the older ones before the current file, the others at the end. */
static void insert_queue(struct plan *plan)
{
    struct stream *stream = plan->stream;
    struct member **link = link_to(stream, stream->current);
    for (unsigned i = 0; i < plan->queue_count; i++) {
        struct member *member = plan->queue;
        plan->queue = member->next;
        if (i == plan->before)
            link = link_to(stream, NULL);
        member->next = *link;
        *link = member;
        link = &member->next;
    }
}

static void append(struct stream *stream, struct member *member)
{
    struct member **link = link_to(stream, member);
    if (*link)
        *link = member->next;
    member->next = NULL;
    *link_to(stream, NULL) = member;
}

/* The current file is not read on before what waits on disk, which is older, was. */
static void hold_current(struct plan *plan)
{
    if (plan->same) {
        if (!plan->restart)
            plan->again = plan->stream->current->tail;
        plan->again.mark_end = plan->again.mark_len = plan->again.head_len = 0;
        plan->restart = true;
        return;
    }
    if (plan->fresh)
        member_free(plan->fresh);
    plan->fresh = plan->back = NULL;
}

static void arrange(struct plan *plan)
{
    struct stream *stream = plan->stream;
    struct member *current = stream->current;
    insert_queue(plan);
    if (plan->restart) {
        current->tail = plan->again;
        current->ready |= tail_pinned(&current->tail);
    }
    if (plan->same)
        return;
    stream->current = plan->fresh ? plan->fresh : plan->back;
    if (stream->current)
        append(stream, stream->current);
    plan->fresh = NULL;
}

static void watch_members(struct stream *stream)
{
    for (struct member *m = stream->members; m; m = m->next)
        places_watch(&stream->follow->places, &m->watched, m->tail.fd);
}

/* From here on only what is written later counts; a stamp from the future would hide it. */
static void settled(struct stream *stream)
{
    stream->initial = stream->restored = false;
    if (!stream->current || !tail_pinned(&stream->current->tail))
        return;
    int64_t mtime = stream->current->tail.look.mtime, now = follow_now(CLOCK_REALTIME);
    stream->since = mtime < now ? mtime : now;
}

static void plan_commit(struct plan *plan, bool holds)
{
    struct stream *stream = plan->stream;
    /* First, as the owner saves then: what is not taken yet must not be known yet. */
    drop_doubles(plan);
    if (!plan->listed || !holds)
        keep_known(plan);
    count(plan);
    if (plan->more)
        hold_current(plan);
    /* Nothing was taken for want of room: asking again at once would not help. */
    stream->more = plan->more && plan->queue_count > 0;
    free(stream->known);
    stream->known = plan->known;
    stream->known_count = plan->known_count;
    plan->known = NULL;
    arrange(plan);
    interests_release(&stream->set, &stream->follow->places);
    stream->set = plan->set;
    plan->set = (struct interests){0};
    set_text(&stream->dir, plan->target.dir);
    set_text(&stream->base, plan->target.base);
    if (!plan->more)
        settled(stream);
    watch_members(stream);
    stream_trim(stream);
}

void stream_settle(struct stream *stream)
{
    struct plan plan;
    bool holds = false;
    for (unsigned view = 1; view <= VIEWS_MAX && !holds; view++) {
        if (view > 1)
            plan_release(&plan);
        plan_make(&plan, stream);
        holds = plan_holds(&plan);
    }
    plan_commit(&plan, holds);
    plan_release(&plan);
}
