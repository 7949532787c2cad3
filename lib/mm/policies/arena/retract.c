/*
 * Shape retract: what dies and is the newest is taken back, and with it whatever died below it before.
 *
 * A dead block that is not the newest becomes a filler. The youngest of these are remembered in the order of their
 * addresses, joined where they touch; when the cursor comes back to the end of the last one it passes that one too.
 *
 * What was given back is forbidden in watched builds, and the inline path could not take it out again. So
 * the window is shut there as long as the cursor is below `dirty_end`, and opened for one block at a time.
 */
#include "arena/arena_internal.h"

/* ---- Watching. ---- */

/** All of [start, end) is free; parts of it may be forbidden already. */
static void forbid(char *start, char *end)
{
    __asan_unpoison_memory_region(start, (size_t)(end - start));
    sm_poison(start, (size_t)(end - start), (size_t)(end - start));
}

/** [start, end) begins at the cursor and is taken: what of it was given back must be as it was then. */
static void allow(struct arena_policy *arena, const char *start, const char *end)
{
    size_t bytes = (size_t)((end < arena->dirty_end ? end : arena->dirty_end) - start);
    bool untouched = sm_unpoison(start, bytes, bytes);
    /* Fails when something wrote to an object that had died. */
    SM_ASSERT_CHECKED(untouched);
    (void)untouched;
}

bool arena_retract_open(struct arena_policy *arena, size_t block_bytes)
{
    struct sm_hot *hot = arena_hot(arena);
    if (arena->dirty_end == NULL)
        return false;
    if (block_bytes > (size_t)(sm_arena_room_end(arena->window) - hot->cursor))
        return false;
    if (!arena_is_dirty(arena)) {
        arena->dirty_end = NULL;
        hot->limit = sm_arena_room_end(arena->window);
        return true;
    }
    allow(arena, hot->cursor, hot->cursor + block_bytes);
    hot->limit = hot->cursor + block_bytes;
    return true;
}

/** The cursor came back from `from`, where it had been before. */
static void watch_behind(struct arena_policy *arena, char *from)
{
    if (!ARENA_IS_WATCHED)
        return;
    struct sm_hot *hot = arena_hot(arena);
    if (arena->dirty_end == NULL || arena->dirty_end < from)
        arena->dirty_end = from;
    forbid(hot->cursor, from);
    hot->limit = hot->cursor;
}

void arena_retract_forget(struct arena_policy *arena)
{
    if (arena_is_dirty(arena))
        __asan_unpoison_memory_region(arena_hot(arena)->cursor, (size_t)(arena->dirty_end - arena_hot(arena)->cursor));
    arena->dirty_end = NULL;
    arena->backlog.count = 0;
}

/* ---- What died below the newest. ---- */

static void backlog_remove(struct arena_backlog *backlog, size_t index)
{
    backlog->count--;
    memmove(&backlog->fillers[index], &backlog->fillers[index + 1],
            (backlog->count - index) * sizeof(backlog->fillers[0]));
}

/** Remember [start, end), joined with what touches it. Returns where the joined filler begins. */
static char *backlog_add(struct arena_backlog *backlog, char *start, char *end)
{
    size_t i = backlog->count;
    while (i > 0 && backlog->fillers[i - 1].start >= start)
        i--;
    /* What begins inside is a filler that this one has taken in. */
    while (i < backlog->count && backlog->fillers[i].start < end)
        backlog_remove(backlog, i);
    if (i > 0 && backlog->fillers[i - 1].end == start) {
        backlog->fillers[i - 1].end = end;
        return backlog->fillers[i - 1].start;
    }
    if (backlog->count == ARENA_BACKLOG_MAX && i == 0)
        return start;
    if (backlog->count == ARENA_BACKLOG_MAX) {
        backlog_remove(backlog, 0);
        i--;
    }
    memmove(&backlog->fillers[i + 1], &backlog->fillers[i], (backlog->count - i) * sizeof(backlog->fillers[0]));
    backlog->fillers[i].start = start;
    backlog->fillers[i].end = end;
    backlog->count++;
    return start;
}

/** A dead block that others lie behind. */
static void leave_filler(struct arena_policy *arena, struct arena_chunk *chunk, char *start, char *end)
{
    if (chunk == arena->window)
        start = backlog_add(&arena->backlog, start, end);
    if (ARENA_IS_WATCHED)
        forbid(start + SM_HEADER_BYTES, end);
    arena_fill(start, end);
}

void arena_retract(struct arena_policy *arena, struct sm_object *object)
{
    struct arena_chunk *chunk = arena_chunk_of(arena, object);
    struct arena_backlog *backlog = &arena->backlog;
    char *start = (char *)object;
    char *end = arena_room_end_of(object, arena_window_end_of(arena, chunk));
    if (chunk != arena->window || end != arena_hot(arena)->cursor) {
        leave_filler(arena, chunk, start, end);
        return;
    }
    while (backlog->count > 0 && backlog->fillers[backlog->count - 1].end >= start) {
        backlog->count--;
        if (backlog->fillers[backlog->count].start < start)
            start = backlog->fillers[backlog->count].start;
    }
    arena_hot(arena)->cursor = start;
    watch_behind(arena, end);
}

/* ---- Resizing. ---- */

/** The filler that ended the room of `object` begins at `start` now, or is gone. */
static void backlog_move(struct arena_backlog *backlog, const struct sm_object *object, char *start, char *room)
{
    for (size_t i = backlog->count; i > 0 && backlog->fillers[i - 1].start > (const char *)object; i--) {
        if (backlog->fillers[i - 1].start >= room)
            continue;
        if (start == room)
            backlog_remove(backlog, i - 1);
        else
            backlog->fillers[i - 1].start = start;
        return;
    }
}

/** The newest block ends at the cursor now, and ended at `old_end`. */
static void settle_newest(struct arena_policy *arena, char *old_end)
{
    struct sm_hot *hot = arena_hot(arena);
    if (hot->cursor < old_end) {
        watch_behind(arena, old_end);
    } else if (ARENA_IS_WATCHED && arena->dirty_end != NULL && old_end < arena->dirty_end) {
        allow(arena, old_end, hot->cursor);
        hot->limit = arena_is_dirty(arena) ? hot->cursor : sm_arena_room_end(arena->window);
    }
}

bool arena_retract_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    struct arena_chunk *chunk = arena_chunk_of(arena, object);
    char *old_end = arena_block_end(object);
    char *room = arena_room_end_of(object, arena_window_end_of(arena, chunk));
    bool is_newest = chunk == arena->window && room == arena_hot(arena)->cursor;
    /* What died there is forbidden, and may become the object's or a smaller filler. */
    if (ARENA_IS_WATCHED)
        __asan_unpoison_memory_region(old_end, (size_t)(room - old_end));
    if (!arena_window_resize(policy, object, payload_bytes))
        return false;
    char *new_end = (char *)object + sm_block_bytes(payload_bytes);
    if (old_end < room)
        backlog_move(&arena->backlog, object, new_end < room && !is_newest ? new_end : room, room);
    if (is_newest)
        settle_newest(arena, room);
    return true;
}
