/**
 * The arena policy, FPM's default: bump allocation in chunks, one reset at request end.
 *
 * Memory. The window runs through chunks (option `chunk`); blocks that would fill an eighth of one or more have
 * a mapping of their own. At request end every mapping of the request is emptied, in O(mappings). Kept for
 * the next request are as many chunks as the recent ones used, as a mean in which each request counts for an
 * eighth, and never fewer than the option `keep`; of the large mappings as many bytes as the same mean says.
 * The rest is given back to the system. What is kept is also given back when memory is refused.
 *
 * Boot data. What is allocated outside requests lives in a region of its own, in chunks that no request
 * shares, so it survives every request end and is freed only with the manager. Outside a request nothing is
 * ever reset: a CLI program that opens no request has the `null` policy with resizing in place.
 *
 * Resizing. A block that is the last of its chunk grows and shrinks where it is; that includes the newest
 * allocation. A block that has to move because it grew by less than half gets half its size as slack at
 * its new place, so that growth by repeated small steps costs linear memory. Slack, and what shrinking in
 * the middle of a chunk leaves, is a filler object: a header of a type that nobody can hold.
 *
 * Invariants. The window lies in the last chunk of the active region, `window` (NULL: none, and cursor == limit).
 * Its blocks end at the cursor, every other mapping's at `end`. Between first block and end lie whole blocks and
 * fillers, so each mapping can be walked. While `slack_bytes` is not 0, `limit` is pulled down to the cursor, so that
 * the manager, about to take a block for a moved object, asks this policy.
 */
#include "arena/chunk.h"
#include "poison.h"

#include <inttypes.h>
#include <stdlib.h>

/** Type of fillers; sm_type_register would have to hand out all 65,536 indices to reach it. */
#define FILLER_TYPE UINT16_MAX
/** Blocks above this share of a chunk have a mapping of their own; it bounds what a chunk's end wastes. */
enum { LARGE_SHARE = 8 };

struct arena_region {
    struct arena_list chunks, large;
};

struct arena_policy {
    struct sm_policy base;
    struct arena_store store;
    struct arena_region boot, request;
    struct arena_region *active;
    struct arena_chunk *window;
    char *window_start;   /**< the cursor when the window was placed here */
    size_t slack_bytes;   /**< payload about to be asked for by a resize that moves; 0: none */
    size_t refused_bytes; /**< payload that refill has just refused; 0: none */
    uint64_t used_bytes;  /**< taken by blocks and fillers since creation, without the window's part */
    uint64_t generation;  /**< of the current or next request */
};

static const struct sm_option arena_options[] = {
    {"chunk", SM_OPTION_SIZE, "bytes", "256K", 64 * 1024, 64 * 1024 * 1024, NULL,
     "memory asked from the system at a time, a power of two"},
    {"keep", SM_OPTION_COUNT, "chunks", "1", 0, 65536, NULL,
     "chunks kept between requests even when recent ones used fewer"},
};

extern const struct sm_policy_ops sm_policy_arena;

static struct arena_policy *arena_of(struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_arena);
    return (struct arena_policy *)policy;
}

static const struct arena_policy *arena_of_const(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_arena);
    return (const struct arena_policy *)policy;
}

static struct sm_hot *hot_of(const struct arena_policy *arena)
{
    return sm_hot(arena->base.mm);
}

/* ---- Blocks inside a mapping. ---- */

/** The mapping that holds `object`, from the address alone. */
static struct arena_chunk *chunk_of(const struct arena_policy *arena, const struct sm_object *object)
{
    return (struct arena_chunk *)((uintptr_t)object & ~(uintptr_t)(arena->store.chunk_bytes - 1));
}

static char *end_of(const struct arena_policy *arena, const struct arena_chunk *chunk)
{
    return chunk == arena->window ? hot_of(arena)->cursor : chunk->end;
}

static void set_end(struct arena_policy *arena, struct arena_chunk *chunk, char *end)
{
    if (chunk == arena->window)
        hot_of(arena)->cursor = end;
    else
        chunk->end = end;
}

/** Turn [start, end) into a filler. Sizes are multiples of 16, so whatever is left can hold its header. */
static void fill(char *start, char *end)
{
    SM_ASSERT(start <= end && (size_t)(end - start) % SM_ALIGNMENT == 0);
    if (start < end)
        *(struct sm_object *)start =
            (struct sm_object){.type = FILLER_TYPE, .payload_bytes = (uint64_t)(end - start) - SM_HEADER_BYTES};
}

static bool is_filler(const struct sm_object *object)
{
    return object->type == FILLER_TYPE;
}

static char *block_end(const struct sm_object *object)
{
    return (char *)(uintptr_t)object + sm_block_bytes((size_t)object->payload_bytes);
}

/** Past the filler behind `object`, or past the object when none follows. `end` is its mapping's. */
static char *room_end(const struct sm_object *object, char *end)
{
    char *next = block_end(object);
    SM_ASSERT(next <= end);
    return next < end && is_filler((const struct sm_object *)next) ? block_end((const struct sm_object *)next) : next;
}

/* ---- The window. ---- */

/** Undo what a resize that was about to move did to the limit. */
static void restore_limit(struct arena_policy *arena)
{
    if (arena->window != NULL)
        hot_of(arena)->limit = sm_arena_room_end(arena->window);
    arena->slack_bytes = 0;
}

/** Take the window away from its chunk, whose end is final until the window returns. */
static void close_window(struct arena_policy *arena)
{
    struct sm_hot *hot = hot_of(arena);
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

/** Let the window be the unused part of `chunk`. */
static void place_window(struct arena_policy *arena, struct arena_chunk *chunk)
{
    struct sm_hot *hot = hot_of(arena);
    SM_ASSERT(arena->window == NULL);
    arena->window = chunk;
    arena->window_start = chunk->end;
    hot->cursor = chunk->end;
    hot->limit = sm_arena_room_end(chunk);
}

static uint64_t active_generation(const struct arena_policy *arena)
{
    return arena->active == &arena->boot ? SM_ARENA_BOOT_GENERATION : arena->generation;
}

/** Move the window to an empty chunk. What is left of the old one can still serve its last block. */
static bool open_chunk(struct arena_policy *arena)
{
    struct arena_chunk *chunk = sm_arena_take_chunk(&arena->store);
    if (chunk == NULL)
        return false;
    chunk->generation = active_generation(arena);
    close_window(arena);
    sm_arena_list_append(&arena->active->chunks, chunk);
    place_window(arena, chunk);
    return true;
}

static size_t window_room(const struct arena_policy *arena)
{
    const struct sm_hot *hot = hot_of(arena);
    return (size_t)(hot->limit - hot->cursor);
}

/* ---- Allocation. ---- */

/** A block of `block_bytes`, in a mapping of its own that is at least `room_bytes` large. */
static void *alloc_large(struct arena_policy *arena, size_t block_bytes, size_t room_bytes)
{
    struct arena_chunk *chunk = sm_arena_take_large(&arena->store, room_bytes);
    if (chunk == NULL && room_bytes > block_bytes)
        chunk = sm_arena_take_large(&arena->store, block_bytes);
    if (chunk == NULL)
        return NULL;
    chunk->generation = active_generation(arena);
    chunk->end = sm_arena_first_block(chunk) + block_bytes;
    sm_arena_list_append(&arena->active->large, chunk);
    arena->used_bytes += block_bytes;
    return sm_arena_first_block(chunk);
}

/** A block of `block_bytes` from the window, with slack up to `room_bytes` where that fits. */
static void *alloc_in_window(struct arena_policy *arena, size_t block_bytes, size_t room_bytes)
{
    if (window_room(arena) < block_bytes && !open_chunk(arena))
        return NULL;
    struct sm_hot *hot = hot_of(arena);
    char *block = hot->cursor;
    size_t taken_bytes = room_bytes <= window_room(arena) ? room_bytes : block_bytes;
    hot->cursor = block + taken_bytes;
    fill(block + block_bytes, hot->cursor);
    return block;
}

static void *arena_alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = arena_of(policy);
    bool was_refused = arena->refused_bytes == payload_bytes && payload_bytes != 0;
    arena->refused_bytes = 0;
    if (was_refused)
        return NULL;
    bool wants_slack = arena->slack_bytes == payload_bytes && payload_bytes != 0;
    restore_limit(arena);
    size_t block_bytes = sm_block_bytes(payload_bytes);
    size_t room_bytes = wants_slack ? sm_block_bytes(payload_bytes + payload_bytes / 2) : block_bytes;
    if (room_bytes > arena->store.chunk_bytes / LARGE_SHARE)
        return alloc_large(arena, block_bytes, room_bytes);
    return alloc_in_window(arena, block_bytes, room_bytes);
}

static bool arena_refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = arena_of(policy);
    /* A moved object's block gets its slack in alloc_slow, which the manager asks next. */
    if (arena->slack_bytes == payload_bytes && payload_bytes != 0)
        return false;
    restore_limit(arena);
    bool served = window_room(arena) >= sm_block_bytes(payload_bytes) || open_chunk(arena);
    arena->refused_bytes = served ? 0 : payload_bytes;
    return served;
}

/* ---- Resizing. ---- */

/** An object now ends at `new_end`: what is left of its room is given back when it is the last, else a filler. */
static void settle(struct arena_policy *arena, struct arena_chunk *chunk, char *new_end, char *room)
{
    char *end = end_of(arena, chunk);
    if (room < end) {
        fill(new_end, room);
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
        hot_of(arena)->limit = hot_of(arena)->cursor;
}

static bool arena_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    struct arena_policy *arena = arena_of(policy);
    struct arena_chunk *chunk = chunk_of(arena, object);
    restore_limit(arena);
    SM_ASSERT(chunk->generation == SM_ARENA_BOOT_GENERATION || chunk->generation == arena->generation);
    SM_ASSERT_CHECKED(policy->ops->is_valid(policy, object));
    char *room = room_end(object, end_of(arena, chunk));
    char *limit = room == end_of(arena, chunk) ? sm_arena_room_end(chunk) : room;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (block_bytes > (size_t)(limit - (char *)object)) {
        expect_move(arena, object->payload_bytes, payload_bytes);
        return false;
    }
    settle(arena, chunk, (char *)object + block_bytes, room);
    return true;
}

/* ---- Requests. ---- */

static void arena_request_begin(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    SM_ASSERT(arena->active == &arena->boot);
    close_window(arena);
    arena->active = &arena->request;
}

static void arena_request_end(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    SM_ASSERT(arena->active == &arena->request);
    close_window(arena);
    sm_arena_give_back(&arena->store, &arena->request.chunks, &arena->request.large);
    arena->generation++;
    arena->active = &arena->boot;
    if (arena->boot.chunks.last != NULL)
        place_window(arena, arena->boot.chunks.last);
}

/* ---- Looking at every object. ---- */

static void walk_list(const struct arena_policy *arena, const struct arena_list *list,
                      void (*visit)(void *context, struct sm_object *object), void *context)
{
    for (struct arena_chunk *chunk = list->first; chunk != NULL; chunk = chunk->next) {
        char *end = end_of(arena, chunk);
        for (char *block = sm_arena_first_block(chunk); block < end;) {
            struct sm_object *object = (struct sm_object *)block;
            block = block_end(object);
            SM_ASSERT(block <= end);
            if (!is_filler(object))
                visit(context, object);
        }
    }
}

static void arena_walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct arena_policy *arena = arena_of(policy);
    walk_list(arena, &arena->boot.chunks, visit, context);
    walk_list(arena, &arena->boot.large, visit, context);
    walk_list(arena, &arena->request.chunks, visit, context);
    walk_list(arena, &arena->request.large, visit, context);
}

/** Whether an object begins at `object`, in a mapping of `list`. */
static bool in_list(const struct arena_policy *arena, const struct arena_list *list, const struct sm_object *object)
{
    struct arena_chunk *chunk = list->first;
    while (chunk != NULL && chunk != chunk_of(arena, object))
        chunk = chunk->next;
    if (chunk == NULL)
        return false;
    const char *end = end_of(arena, chunk);
    const char *block = sm_arena_first_block(chunk);
    while (block < end && block < (const char *)object)
        block = block_end((const struct sm_object *)block);
    return block < end && block == (const char *)object && !is_filler(object);
}

static bool arena_is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    const struct arena_policy *arena = arena_of(policy);
    return in_list(arena, &arena->boot.chunks, object) || in_list(arena, &arena->boot.large, object) ||
           in_list(arena, &arena->request.chunks, object) || in_list(arena, &arena->request.large, object);
}

static void arena_stats(const struct sm_policy *policy, struct sm_stats *stats)
{
    const struct arena_policy *arena = arena_of_const(policy);
    uint64_t used_bytes = arena->used_bytes;
    if (arena->window != NULL)
        used_bytes += (uint64_t)(hot_of(arena)->cursor - arena->window_start);
    /* Shrinking gives blocks back but not the clock's bytes, so the difference can be below zero. */
    if (used_bytes > stats->alloc_bytes)
        stats->policy_bytes += used_bytes - stats->alloc_bytes;
    stats->reclaimed_bytes = stats->retired_bytes;
    stats->reclaimed_objects = stats->retired_objects;
}

/* ---- The rest of the table. ---- */

static sm_status arena_create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    uint64_t chunk_bytes = sm_option_count(options, "chunk");
    if ((chunk_bytes & (chunk_bytes - 1)) != 0)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT,
                              "policy arena: option 'chunk' wants a power of two, not %" PRIu64, chunk_bytes);
    struct arena_policy *arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy arena: no memory for its %zu bytes", sizeof(*arena));
    arena->base = (struct sm_policy){&sm_policy_arena, mm};
    arena->store.mm = mm;
    arena->store.chunk_bytes = (size_t)chunk_bytes;
    arena->store.keep_chunks = (size_t)sm_option_count(options, "keep");
    arena->active = &arena->boot;
    arena->generation = SM_ARENA_BOOT_GENERATION + 1;
    *policy = &arena->base;
    return SM_OK;
}

static void arena_destroy(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    close_window(arena);
    struct arena_list *lists[] = {&arena->request.chunks, &arena->request.large, &arena->boot.chunks,
                                  &arena->boot.large,     &arena->store.chunks,  &arena->store.large};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        sm_arena_unmap_all(&arena->store, lists[i]);
    free(arena);
}

/** Nothing is ever due at a safepoint. */
static void arena_safepoint(struct sm_policy *policy)
{
    (void)policy;
}

/** The manager runs destructors before request_end; the arena need not know whose. */
static sm_status arena_finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)policy;
    (void)object;
    return SM_OK;
}

/** There is no backlog. */
static sm_status arena_quiesce(struct sm_policy *policy)
{
    (void)policy;
    return SM_OK;
}

const struct sm_policy_ops sm_policy_arena = {
    .name = "arena",
    .summary = "bump allocation, one reset at request end; without requests it never frees",
    .capabilities = SM_CAP_RESIZE | SM_CAP_BULK_FREE,
    .form = SM_FORM_WINDOW,
    .options = arena_options,
    .option_count = sizeof(arena_options) / sizeof(arena_options[0]),
    .create = arena_create,
    .destroy = arena_destroy,
    .alloc_slow = arena_alloc_slow,
    .refill = arena_refill,
    .resize = arena_resize,
    .safepoint = arena_safepoint,
    .finalizer_register = arena_finalizer_register,
    .request_begin = arena_request_begin,
    .request_end = arena_request_end,
    .quiesce = arena_quiesce,
    .walk = arena_walk,
    .stats = arena_stats,
    .is_valid = arena_is_valid,
};
