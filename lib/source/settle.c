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
 *
 * After a restart the season is open as well, unless the path names the same file, and
 * there is more to be told apart, since nobody watched: what is newer, by its name, than
 * the newest file that was found again is unread whatever its time says; what is not
 * must not be older than the last settled look; and both may be compressed by now. What
 * holds content that is known to have been read does not count, whatever file it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "plan.h"

/* Views of a directory that does not stand still; then the last one has to do. */
#define VIEWS_MAX 64

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
    if (!look_beside(plan->target.dir, plan->target.base, &look))
        return;
    struct member *open = follow_find(plan->stream->follow, &look.id);
    plan->same = open && open == plan->stream->current;
    if (!open)
        open_named(plan);
    else if (open->stream == plan->stream && !plan->same && !open->archive)
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

/* The newest file beside the path of which it is known that it was read. */
static void find_anchor(struct plan *plan)
{
    const struct stream *stream = plan->stream;
    if (stream->restored)
        plan->unmoved = plan->same && stream->current->proven && !plan->changed;
    for (size_t i = 0; i < plan->siblings.count; i++) {
        const struct sibling *sibling = &plan->siblings.items[i];
        const struct member *open = follow_find(stream->follow, &sibling->look.id);
        bool stands = open && !(plan->changed && open == stream->current);
        if (stands && open->stream == stream && (open->proven || !stream->restored) &&
            (!plan->anchor || rotation_is_newer(plan->target.base, sibling, plan->anchor)))
            plan->anchor = sibling;
    }
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
    find_anchor(plan);
    plan_take_copy(plan);
    plan_judge_siblings(plan);
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
        if (plan_is_just_begun(plan, sibling) &&
            look_beside(plan->target.dir, sibling->name, &now) && now.size > 0)
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
        /* One that was read from already goes on: its place is worth more than the order. */
        if (plan->restart)
            plan->again.mark_end = plan->again.mark_len = plan->again.head_len = 0;
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
    for (struct member *m = stream->members; m; m = m->next) {
        if (!m->archive)
            places_watch(&stream->follow->places, &m->watched, m->tail.fd);
    }
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
        plan_keep_known(plan);
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
