/* Which files beside a path are unread parts of its log (settle.c says how that is told). */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailvane/base/bug.h"
#include "plan.h"

/* Files remembered for one path. */
#define KNOWN_MAX (2 * SIBLINGS_MAX)

static bool has_room(const struct plan *plan)
{
    /* One more for the path's own file. */
    return plan->queue_count < QUEUE_MAX && plan->stream->follow->open_files + 1 < FOLLOW_FILES_MAX;
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
    if (sibling->compressed || sibling->look.size < tail->offset ||
        ident_eq(&sibling->look.id, &tail->look.id))
        return -1;
    int fd = open_beside(plan->target.dir, sibling->name);
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

void plan_take_copy(struct plan *plan)
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

/*
 * Was it rotated since the last look, or since the restarted program saved? Names say so after
 * the newest file that is open or was found again, whatever a clock that was set says; where
 * there is none, times do.
 */
static bool is_later(const struct plan *plan, const struct sibling *sibling)
{
    if (plan->anchor)
        return rotation_is_newer(plan->target.base, sibling, plan->anchor);
    return sibling->look.mtime >= plan->stream->since;
}

/* Only a restart reads what is compressed: later on, its content was read before. */
static bool may_be_archived_part(const struct plan *plan, const struct sibling *sibling)
{
    return plan->stream->restored && !plan->unmoved && is_later(plan, sibling) &&
           !siblings_have_plain(&plan->siblings, sibling);
}

/* Can the name and the times be those of an unread part of the log? */
static bool may_be_part(const struct plan *plan, const struct sibling *sibling)
{
    if (!rotation_is_rotated(plan->target.base, sibling->name))
        return false;
    if (sibling->compressed)
        return may_be_archived_part(plan, sibling);
    if (plan->stream->initial)
        return wanted_at_start(plan, sibling);
    return plan->open && (sibling->look.mtime >= plan->stream->since ||
                          (plan->anchor && is_later(plan, sibling)));
}

bool plan_is_just_begun(const struct plan *plan, const struct sibling *sibling)
{
    return !sibling->compressed && sibling->look.size == 0 &&
           (plan->same || plan->fresh || plan->back);
}

static void say_unread(const struct stream *stream, const char *name, const char *why)
{
    log_warn(stream->follow->options.log, "%s: %s is %s; it is not read", stream->path, name, why);
}

/* Looks at the first bytes. False for an archive of nothing. */
static bool pin(struct member *member)
{
    if (!member->archive) {
        tail_pin(&member->tail);
        return true;
    }
    bool any = archive_peek(member->archive, &member->tail);
    if (member->archive->damaged)
        say_unread(member->stream, member->archive->path, "damaged");
    return any;
}

static bool holds_known(const struct known *known, struct member *member)
{
    const struct tail *tail = &member->tail;
    if (!member->archive)
        return known->size == tail->look.size && print_is_in(&known->print, tail->fd);
    if (!print_head_is_of(&known->print, tail))
        return false;
    bool same =
        archive_find(member->archive, &member->tail, &known->print, known->offset) != ARCHIVE_OTHER;
    pin(member);
    return same;
}

/* Since a restart, what was read may have another identity: a copy, or compressed. */
static bool is_known_content(const struct plan *plan, struct member *member)
{
    const struct stream *stream = plan->stream;
    for (size_t i = 0; stream->restored && i < stream->known_count; i++) {
        if (stream->known[i].print.head_len && holds_known(&stream->known[i], member))
            return true;
    }
    return false;
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
    if (plan_is_just_begun(plan, sibling))
        return PENDING;
    plan->more |= !has_room(plan);
    if (plan->more)
        return LATER;
    struct member *member = member_open_sibling(plan->stream, plan->target.dir, sibling);
    if (!member && sibling->compressed && errno == ENOTSUP)
        say_unread(plan->stream, sibling->name, "compressed in an unknown way");
    if (!member)
        return sibling->compressed && errno == ENOTSUP ? KNOWN : LATER;
    if (!pin(member) || is_copy(plan, &member->tail) || is_known_content(plan, member)) {
        member_free(member);
        return KNOWN;
    }
    enqueue(plan, member);
    return PART;
}

void plan_keep_known(struct plan *plan)
{
    const struct stream *stream = plan->stream;
    size_t count = plan->known_count;
    plan->known = must_realloc(plan->known, (count + stream->known_count) * sizeof(*plan->known));
    for (size_t i = 0; i < stream->known_count && plan->known_count < KNOWN_MAX; i++) {
        const struct known *known = &stream->known[i];
        if (!known_find(plan->known, count, &known->id))
            plan->known[plan->known_count++] = *known;
    }
    known_sort(plan->known, plan->known_count);
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

void plan_judge_siblings(struct plan *plan)
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
    known_sort(plan->known, plan->known_count);
}
