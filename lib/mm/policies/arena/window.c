/*
 * Shapes bump and retract: a window that runs through chunks, and resizing in place.
 *
 * A block that is the last of its chunk grows and shrinks where it is; that includes the newest allocation. A block
 * that has to move because it grew by less than half gets the option `slack` at its new place, so that growth by
 * repeated small steps costs linear memory. Slack, and what shrinking in the middle of a chunk leaves, is a filler.
 *
 * Invariants. The window lies in the last chunk of the active region, `window` (NULL: none, and cursor == limit).
 * Its blocks end at the cursor, every other mapping's at `end`. While `slack_bytes` is not 0, `limit` is pulled down to the
 * cursor, so that the manager, about to take a block for a moved object, asks this policy.
 */
#include "arena/arena_internal.h"

char *arena_window_end_of(const struct arena_policy *arena, const struct arena_chunk *chunk)
{
    return chunk == arena->window ? arena_hot(arena)->cursor : chunk->end;
}

static void set_end(struct arena_policy *arena, struct arena_chunk *chunk, char *end)
{
    if (chunk == arena->window)
        arena_hot(arena)->cursor = end;
    else
        chunk->end = end;
}

/* ---- The window. ---- */

/** Undo what a resize that was about to move did to the limit. */
static void restore_limit(struct arena_policy *arena)
{
    if (arena->window != NULL)
        arena_hot(arena)->limit = arena_is_dirty(arena) ? arena_hot(arena)->cursor : sm_arena_room_end(arena->window);
    arena->slack_bytes = 0;
}

void arena_window_close(struct arena_policy *arena)
{
    struct sm_hot *hot = arena_hot(arena);
    if (arena->shape == ARENA_RETRACT)
        arena_retract_forget(arena);
    restore_limit(arena);
    if (arena->window != NULL) {
        arena->window->end = hot->cursor;
        /* Modulo 2^64: shrinking may have moved the cursor below where it started. */
        arena->used_bytes += (uint64_t)(hot->cursor - arena->window_start);
    }
    arena->window = NULL;
    hot->cursor = hot->limit = NULL;
    arena->window_start = NULL;
}

void arena_window_place(struct arena_policy *arena, struct arena_chunk *chunk)
{
    struct sm_hot *hot = arena_hot(arena);
    SM_ASSERT(arena->window == NULL);
    arena->window = chunk;
    arena->window_start = chunk->end;
    hot->cursor = chunk->end;
    hot->limit = sm_arena_room_end(chunk);
}

/** Move the window to an empty chunk. What is left of the old one can still serve its last block. */
static bool open_chunk(struct arena_policy *arena)
{
    struct arena_chunk *chunk = sm_arena_take_chunk(&arena->store);
    if (chunk == NULL)
        return false;
    chunk->generation = arena_active_generation(arena);
    arena_window_close(arena);
    sm_arena_list_append(&arena->active->chunks, chunk);
    arena_window_place(arena, chunk);
    return true;
}

static size_t window_room(const struct arena_policy *arena)
{
    const struct sm_hot *hot = arena_hot(arena);
    return (size_t)(hot->limit - hot->cursor);
}

static bool make_room(struct arena_policy *arena, size_t block_bytes)
{
    return window_room(arena) >= block_bytes || (ARENA_IS_WATCHED && arena_retract_open(arena, block_bytes)) ||
           open_chunk(arena);
}

/* ---- Allocation. ---- */

/** A block of `block_bytes` from the window, with slack up to `room_bytes` where that fits. */
static void *alloc_in_window(struct arena_policy *arena, size_t block_bytes, size_t room_bytes)
{
    if (!make_room(arena, block_bytes))
        return NULL;
    struct sm_hot *hot = arena_hot(arena);
    char *block = hot->cursor;
    size_t taken_bytes = room_bytes <= window_room(arena) ? room_bytes : block_bytes;
    hot->cursor = block + taken_bytes;
    arena_fill(block + block_bytes, hot->cursor);
    return block;
}

void *arena_window_alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    bool was_refused = arena->refused_bytes == payload_bytes && payload_bytes != 0;
    arena->refused_bytes = 0;
    if (was_refused)
        return NULL;
    bool wants_slack = arena->slack_bytes == payload_bytes && payload_bytes != 0;
    restore_limit(arena);
    size_t block_bytes = sm_block_bytes(payload_bytes);
    size_t room_bytes = wants_slack ? arena_roomy_bytes(arena, payload_bytes) : block_bytes;
    if (room_bytes > arena_large_above(arena))
        return arena_large_alloc(arena, block_bytes, room_bytes);
    return alloc_in_window(arena, block_bytes, room_bytes);
}

bool arena_window_refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    /* A moved object's block gets its slack in alloc_slow, which the manager asks next. */
    if (arena->slack_bytes == payload_bytes && payload_bytes != 0)
        return false;
    restore_limit(arena);
    bool served = make_room(arena, sm_block_bytes(payload_bytes));
    arena->refused_bytes = served ? 0 : payload_bytes;
    return served;
}

/* ---- Resizing. ---- */

/** An object now ends at `new_end`: what is left of its room is given back when it is the last, else a filler. */
static void settle(struct arena_policy *arena, struct arena_chunk *chunk, char *new_end, char *room)
{
    char *end = arena_window_end_of(arena, chunk);
    if (room < end) {
        arena_fill(new_end, room);
        return;
    }
    set_end(arena, chunk, new_end);
    if (chunk != arena->window)
        arena->used_bytes += (uint64_t)(new_end - end);
}

/** Prepare for the allocation that follows a refusal to grow in place: it shall have slack. */
static void expect_move(struct arena_policy *arena, uint64_t old_bytes, size_t payload_bytes)
{
    /* Who grows by half or more at a time has a rule of his own; slack on top would be waste. */
    if (payload_bytes - old_bytes >= old_bytes / 2)
        return;
    arena->slack_bytes = payload_bytes;
    if (arena->window != NULL)
        arena_hot(arena)->limit = arena_hot(arena)->cursor;
}

bool arena_window_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    struct arena_chunk *chunk = arena_chunk_of(arena, object);
    restore_limit(arena);
    SM_ASSERT(chunk->generation == SM_ARENA_BOOT_GENERATION || chunk->generation == arena->generation);
    SM_ASSERT_CHECKED(policy->ops->is_valid(policy, object));
    char *room = arena_room_end_of(object, arena_window_end_of(arena, chunk));
    char *limit = room == arena_window_end_of(arena, chunk) ? sm_arena_room_end(chunk) : room;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (block_bytes > (size_t)(limit - (char *)object)) {
        expect_move(arena, object->payload_bytes, payload_bytes);
        return false;
    }
    settle(arena, chunk, (char *)object + block_bytes, room);
    return true;
}
