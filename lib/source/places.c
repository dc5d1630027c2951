#include "places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mailvane/base/bug.h"

struct spot {
    struct place *place;
    struct spot *next;
    char *name; /* NULL: any */
    size_t refs;
    uint32_t changes;
};

struct place {
    struct watched watched;
    struct places *places;
    struct spot *spots; /* any, and a few names: ancestors and links */
};

#define PLACE_ITSELF (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW)

int places_init(struct places *places, const struct logger *log, struct error *err)
{
    *places = (struct places){.log = log};
    return watch_open(&places->watch, err);
}

/* The owners have let go of everything before. */
void places_release(struct places *places)
{
    bug_if(places->table);
    watch_close(&places->watch);
}

static struct watched *find(struct places *places, int wd)
{
    struct watched *watched;
    HASH_FIND_INT(places->table, &wd, watched);
    return watched;
}

static void enter(struct places *places, struct watched *watched, int wd)
{
    watched->wd = wd;
    HASH_ADD_INT(places->table, wd, watched);
}

static void leave(struct places *places, struct watched *watched)
{
    HASH_DEL(places->table, watched);
    watched->wd = -1;
}

void places_shake(struct places *places)
{
    struct watched *watched, *next;
    HASH_ITER(hh, places->table, watched, next)
    {
        watched->notify(watched, IN_Q_OVERFLOW, "");
    }
    places->changed = true;
}

void places_drain(struct places *places)
{
    struct watch_event event;
    while (watch_next(&places->watch, &event)) {
        if (event.mask & IN_Q_OVERFLOW) {
            places->overflows++;
            places_shake(places);
            continue;
        }
        struct watched *watched = find(places, event.wd);
        if (!watched)
            continue;
        if (event.mask & IN_IGNORED)
            leave(places, watched);
        watched->notify(watched, event.mask, event.name);
    }
}

/* Without a watch, changes are found by the slow look only: said once, as it is one cause. */
static int refused(struct places *places, const char *what)
{
    int why = errno;
    if (!places->refused && why != ENOENT && why != ENOTDIR)
        log_warn(places->log, "cannot watch %s: %s%s", what, strerror(why),
                 why == ENOSPC ? " (see fs.inotify.max_user_watches)" : "");
    places->refused |= why != ENOENT && why != ENOTDIR;
    return -1;
}

void places_watch(struct places *places, struct watched *watched, int fd)
{
    if (watched->wd >= 0)
        return;
    int wd = watch_fd(&places->watch, fd, IN_MODIFY);
    if (wd < 0)
        wd = refused(places, "a file");
    if (wd >= 0 && !find(places, wd))
        enter(places, watched, wd);
}

void places_forget(struct places *places, struct watched *watched)
{
    if (watched->wd < 0)
        return;
    watch_drop(&places->watch, watched->wd);
    leave(places, watched);
}

static void place_changed(struct watched *watched, uint32_t mask, const char *name)
{
    struct place *place = (struct place *)watched;
    for (struct spot *spot = place->spots; spot; spot = spot->next) {
        if ((mask & PLACE_ITSELF) || !spot->name || strcmp(spot->name, name) == 0) {
            spot->changes++;
            place->places->changed = true;
        }
    }
}

static struct place *place_get(struct places *places, const char *dir)
{
    int wd = watch_path(&places->watch, dir, WATCH_NAMES);
    if (wd < 0) {
        refused(places, dir);
        return NULL;
    }
    struct watched *known = find(places, wd);
    if (known)
        return (struct place *)known;
    struct place *place = must_calloc(1, sizeof(*place));
    place->places = places;
    place->watched.notify = place_changed;
    enter(places, &place->watched, wd);
    return place;
}

static bool same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct spot *spot_get(struct place *place, const char *name)
{
    for (struct spot *spot = place->spots; spot; spot = spot->next) {
        if (same_name(spot->name, name))
            return spot;
    }
    struct spot *spot = must_calloc(1, sizeof(*spot));
    *spot = (struct spot){.place = place, .next = place->spots};
    spot->name = name ? must_strdup(name) : NULL;
    place->spots = spot;
    return spot;
}

static void spot_put(struct spot *spot, struct places *places)
{
    struct place *place = spot->place;
    if (--spot->refs > 0)
        return;
    struct spot **link = &place->spots;
    while (*link != spot)
        link = &(*link)->next;
    *link = spot->next;
    free(spot->name);
    free(spot);
    if (!place->spots) {
        places_forget(places, &place->watched);
        free(place);
    }
}

static bool holds(const struct interests *set, const struct spot *spot)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].spot == spot)
            return true;
    }
    return false;
}

void interests_add(struct interests *set, struct places *places, const char *dir, const char *name)
{
    struct place *place = set->count < INTERESTS_MAX ? place_get(places, dir) : NULL;
    if (!place)
        return;
    struct spot *spot = spot_get(place, name);
    if (holds(set, spot))
        return;
    set->items = must_realloc(set->items, (set->count + 1) * sizeof(*set->items));
    set->items[set->count++] = (struct interest){.spot = spot, .changes = spot->changes};
    spot->refs++;
}

bool interests_stale(const struct interests *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].spot->changes != set->items[i].changes)
            return true;
    }
    return false;
}

void interests_release(struct interests *set, struct places *places)
{
    for (size_t i = 0; i < set->count; i++)
        spot_put(set->items[i].spot, places);
    free(set->items);
    *set = (struct interests){0};
}
