/*
 * Shape reuse: what is known to be dead goes to the list of its size, and the next block of that size comes from there.
 *
 * Small blocks are in the manager's inline lists, one for each 16 bytes of block, so that none is ever split or rounded.
 * The inline path looks at the window first. So the window is opened in stretches: when one is used up the lists are
 * asked, and when the list has nothing the next stretch is opened, in the smallest larger free block (a hole) that
 * fits, else at the frontier of the last chunk. Until a request has taken the option `reuse-after` nothing is given back and one
 * stretch is all of that: a small request is bump allocation and nothing else.
 *
 * Invariants. While a request is open there is no `window`: every chunk's blocks end at its `end`, and what lies between cursor
 * and limit is in no list. Outside requests the shape is bump.
 */
#include "arena/arena_internal.h"

#include "manager_internal.h"

/**
 * Bytes of window that are opened at once: few where much dies, for what is in the lists waits meanwhile; more and more
 * where fewer than one block dies for so many that are made.
 */
enum { STRETCH_BYTES = 512, STRETCH_BYTES_MAX = 64 * 1024, BIRTHS_TO_DEATH = 4 };
/** Chunks' bytes at which what is free is joined for the first time. */
enum { JOIN_FIRST_BYTES = 4 << 20 };
/** Holes of the same class that are looked at before a larger class is, and lists of larger small blocks. */
enum { HOLES_TRIED_MAX = 8, LISTS_TRIED_MAX = 32 };

static bool is_in_request(const struct arena_policy *arena)
{
    return arena->active == &arena->request;
}

static bool is_small(size_t block_bytes)
{
    return block_bytes <= ARENA_SMALL_CLASSES * SM_ALIGNMENT;
}

static struct sm_free_cell **list_of(struct arena_policy *arena, size_t block_bytes)
{
    size_t class_index = block_bytes / SM_ALIGNMENT - 1;
    return ARENA_IS_WATCHED ? &arena->free.watched[class_index] : &arena_hot(arena)->heads[class_index];
}

/* Four classes to each doubling. */
static unsigned hole_class_of(size_t bytes)
{
    unsigned log = 63 - (unsigned)__builtin_clzll(bytes);
    return (log - 11) * 4 + (unsigned)(bytes >> (log - 2) & 3);
}

/* ---- Giving back. ---- */

static void give_hole(struct arena_policy *arena, struct arena_hole *hole, size_t bytes)
{
    unsigned class_index = hole_class_of(bytes);
    hole->next = arena->free.holes[class_index];
    arena->free.holes[class_index] = hole;
    arena->free.hole_classes |= UINT64_C(1) << class_index;
}

/** [start, start + bytes) is free from now on. */
static void give(struct arena_policy *arena, char *start, size_t bytes)
{
    struct arena_hole *hole = (struct arena_hole *)(void *)start;
    hole->bytes = bytes | ARENA_FREE;
    if (is_small(bytes)) {
        struct sm_free_cell **list = list_of(arena, bytes);
        struct sm_free_cell *cell = (struct sm_free_cell *)(void *)start;
        cell->next = *list;
        *list = cell;
    } else {
        give_hole(arena, hole, bytes);
    }
    if (ARENA_IS_WATCHED)
        sm_poison(start + sizeof(*hole), bytes - sizeof(*hole), bytes - sizeof(*hole));
}

/** A remainder that nobody has used since it was free last. */
static void give_rest(struct arena_policy *arena, char *start, char *end)
{
    if (start == end)
        return;
    if (arena->gives_back)
        give(arena, start, (size_t)(end - start));
    else
        arena_fill(start, end);
}

/** What lies behind the object and is its own: only a resize leaves that, or a larger block's slack. */
static char *room_end(const struct sm_object *object, char *end)
{
    bool may_be_roomy = (object->flags & ARENA_ROOMY) != 0 || object->payload_bytes > SM_INLINE_PAYLOAD_MAX;
    char *block_end = arena_block_end(object);
    /* There is no header at the cursor. */
    return may_be_roomy && block_end != end ? arena_room_end_of(object, end) : block_end;
}

/** Where the blocks that follow `object` without a gap end. */
static char *end_around(const struct arena_policy *arena, const struct arena_chunk *chunk,
                        const struct sm_object *object)
{
    char *cursor = arena_hot(arena)->cursor;
    bool is_below = (const char *)object < cursor && cursor <= chunk->end;
    return is_below ? cursor : chunk->end;
}

void arena_reuse(struct arena_policy *arena, struct sm_object *object)
{
    struct arena_chunk *chunk = arena_chunk_of(arena, object);
    if (SM_UNLIKELY(chunk->is_large)) {
        arena_large_free(arena, chunk);
        return;
    }
    char *end = arena_block_end(object);
    if (SM_UNLIKELY((object->flags & ARENA_ROOMY) != 0 || object->payload_bytes > SM_INLINE_PAYLOAD_MAX))
        end = room_end(object, end_around(arena, chunk, object));
    give(arena, (char *)object, (size_t)(end - (char *)object));
}

/* ---- Taking again. ---- */

/** A free block leaves its list. */
static char *take(struct arena_hole *hole, size_t bytes)
{
    char *start = (char *)hole;
    bool untouched = sm_unpoison(start + sizeof(*hole), bytes - sizeof(*hole), bytes - sizeof(*hole));
    /* Fails when something wrote to an object that had died. */
    SM_ASSERT_CHECKED(untouched);
    (void)untouched;
    return start;
}

static size_t hole_bytes(const struct arena_hole *hole)
{
    return (size_t)(hole->bytes & ~ARENA_FREE);
}

static struct arena_hole *unlink_hole(struct arena_free *free, unsigned class_index, struct arena_hole **link)
{
    struct arena_hole *hole = *link;
    *link = hole->next;
    if (free->holes[class_index] == NULL)
        free->hole_classes &= ~(UINT64_C(1) << class_index);
    return hole;
}

/** One of at least `bytes`, the closest class first; NULL when there is none. */
static struct arena_hole *find_hole(struct arena_free *free, size_t bytes)
{
    unsigned class_index = bytes < 2048 ? 0 : hole_class_of(bytes);
    struct arena_hole **link = &free->holes[class_index];
    for (unsigned i = 0; i < HOLES_TRIED_MAX && *link != NULL; i++, link = &(*link)->next) {
        if (hole_bytes(*link) >= bytes)
            return unlink_hole(free, class_index, link);
    }
    uint64_t larger = class_index == 63 ? 0 : free->hole_classes >> (class_index + 1) << (class_index + 1);
    if (larger == 0)
        return NULL;
    class_index = (unsigned)__builtin_ctzll(larger);
    return unlink_hole(free, class_index, &free->holes[class_index]);
}

/** Watched blocks go to the inline list one at a time. */
static bool take_watched(struct arena_policy *arena, size_t block_bytes)
{
    if (!ARENA_IS_WATCHED)
        return false;
    struct sm_free_cell **list = list_of(arena, block_bytes);
    struct sm_free_cell *cell = *list;
    if (cell == NULL)
        return false;
    *list = cell->next;
    (void)take((struct arena_hole *)cell, block_bytes);
    cell->next = NULL;
    arena_hot(arena)->heads[block_bytes / SM_ALIGNMENT - 1] = cell;
    return true;
}

/* ---- Stretches. ---- */

/** What is left of the stretch is free again. */
static void close_stretch(struct arena_policy *arena)
{
    struct sm_hot *hot = arena_hot(arena);
    struct arena_chunk *last = arena->request.chunks.last;
    if (last != NULL && hot->limit == last->end) {
        arena->request_bytes -= (uint64_t)(hot->limit - hot->cursor);
        last->end = hot->cursor;
    } else {
        give_rest(arena, hot->cursor, hot->limit);
    }
    hot->cursor = hot->limit = NULL;
}

static void open_stretch(struct arena_policy *arena, char *start, size_t bytes)
{
    struct sm_hot *hot = arena_hot(arena);
    hot->cursor = start;
    hot->limit = start + bytes;
}

static size_t frontier_room(const struct arena_chunk *chunk)
{
    return chunk == NULL ? 0 : (size_t)(sm_arena_room_end((struct arena_chunk *)(uintptr_t)chunk) - chunk->end);
}

/* ---- Joining. ---- */

static void clear_lists(struct arena_policy *arena)
{
    memset(arena_hot(arena)->heads, 0, sizeof(arena_hot(arena)->heads));
    memset(arena->free.watched, 0, sizeof(arena->free.watched));
    memset(arena->free.holes, 0, sizeof(arena->free.holes));
    arena->free.hole_classes = 0;
}

static char *end_of_run(char *block, const char *end)
{
    while (block < end && (arena_is_free((struct sm_object *)block) || arena_is_filler((struct sm_object *)block)))
        block = arena_block_end((struct sm_object *)block);
    return block;
}

/** Give back each run of free blocks and fillers of `chunk` as one. Returns its free bytes. */
static size_t join_chunk(struct arena_policy *arena, struct arena_chunk *chunk)
{
    size_t free_bytes = 0;
    for (char *block = sm_arena_first_block(chunk); block < chunk->end;) {
        struct sm_object *object = (struct sm_object *)block;
        char *end = end_of_run(block, chunk->end);
        if (end == block) {
            /* Its room goes with the run behind it. */
            object->flags &= (uint16_t)~ARENA_ROOMY;
            block = arena_block_end(object);
            continue;
        }
        __asan_unpoison_memory_region(block, (size_t)(end - block));
        give(arena, block, (size_t)(end - block));
        free_bytes += (size_t)(end - block);
        block = end;
    }
    return free_bytes;
}

/** Join what is free in all chunks, the stretch included. Returns the free bytes. */
static size_t join_all(struct arena_policy *arena)
{
    size_t free_bytes = 0;
    close_stretch(arena);
    clear_lists(arena);
    for (struct arena_chunk *chunk = arena->request.chunks.first; chunk != NULL; chunk = chunk->next)
        free_bytes += join_chunk(arena, chunk);
    arena->joined_dead_bytes = arena->base.mm->counters.dead_bytes;
    return free_bytes;
}

/**
 * A new chunk would be next: join what is free, if so much may be that it pays. False: it was not, or too little is.
 *
 * Nothing is looked at unless half as much has died since the last time. Each time that half of the chunks is free the
 * program allocates as much before the next one; where it is not, the next one comes at twice the size. So it costs a
 * few steps for each block that is allocated, whatever the program does.
 */
static bool join_if_worth(struct arena_policy *arena)
{
    size_t bytes = arena->request.chunks.bytes;
    if (bytes < arena->join_at_bytes || arena->base.mm->counters.dead_bytes - arena->joined_dead_bytes < bytes / 2)
        return false;
    if (join_all(arena) >= bytes / 2)
        return true;
    arena->join_at_bytes = bytes * 2;
    return false;
}

/** Let the last chunk have room for `bytes`, which may take a new one. */
static bool make_frontier(struct arena_policy *arena, size_t bytes)
{
    struct arena_chunk *last = arena->request.chunks.last;
    if (frontier_room(last) >= bytes)
        return true;
    struct arena_chunk *chunk = sm_arena_take_chunk(&arena->store);
    if (chunk == NULL)
        return false;
    chunk->generation = arena->generation;
    if (last != NULL) {
        char *rest = last->end;
        last->end = sm_arena_room_end(last);
        give_rest(arena, rest, last->end);
    }
    sm_arena_list_append(&arena->request.chunks, chunk);
    return true;
}

/** Take `bytes` at the frontier, where there is room. */
static char *take_frontier(struct arena_policy *arena, size_t bytes)
{
    struct arena_chunk *last = arena->request.chunks.last;
    char *start = last->end;
    last->end += bytes;
    arena->request_bytes += bytes;
    arena->gives_back = arena->gives_back || arena->request_bytes >= arena->reuse_after_bytes;
    return start;
}

/** What died since the last stretch says how long the next one is. */
static void adapt_stretch(struct arena_policy *arena)
{
    uint64_t births = arena_hot(arena)->alloc_count - arena->births_before;
    uint64_t deaths = arena->base.mm->counters.dead_objects - arena->deaths_before;
    arena->births_before += births;
    arena->deaths_before += deaths;
    if (deaths * BIRTHS_TO_DEATH >= births)
        arena->stretch_bytes = STRETCH_BYTES;
    else if (arena->stretch_bytes < STRETCH_BYTES_MAX)
        arena->stretch_bytes *= 2;
}

static size_t stretch_bytes(const struct arena_policy *arena, size_t least_bytes)
{
    size_t room = frontier_room(arena->request.chunks.last);
    uint64_t wanted = arena->gives_back ? arena->stretch_bytes : arena->reuse_after_bytes - arena->request_bytes;
    if (wanted < least_bytes)
        wanted = least_bytes;
    wanted = (wanted + SM_ALIGNMENT - 1) & ~(uint64_t)(SM_ALIGNMENT - 1);
    return wanted < room ? (size_t)wanted : room;
}

/** A small block of `block_bytes` or somewhat more; NULL: there is none. */
static struct arena_hole *find_small(struct arena_policy *arena, size_t block_bytes)
{
    size_t most_bytes = block_bytes + (size_t)LISTS_TRIED_MAX * SM_ALIGNMENT;
    for (size_t bytes = block_bytes; bytes <= most_bytes && is_small(bytes); bytes += SM_ALIGNMENT) {
        struct sm_free_cell **list = list_of(arena, bytes);
        struct sm_free_cell *cell = *list;
        if (cell != NULL) {
            *list = cell->next;
            return (struct arena_hole *)(void *)cell;
        }
    }
    return NULL;
}

static struct arena_hole *find_any(struct arena_policy *arena, size_t block_bytes)
{
    struct arena_hole *hole = find_hole(&arena->free, block_bytes);
    return hole != NULL ? hole : find_small(arena, block_bytes);
}

/** A free block for `block_bytes`; NULL where the frontier is to serve them. */
static struct arena_hole *find_free(struct arena_policy *arena, size_t block_bytes)
{
    struct arena_hole *hole = find_hole(&arena->free, block_bytes);
    /* Searching longer costs something, so it comes only where a new chunk would be next. */
    if (hole != NULL || frontier_room(arena->request.chunks.last) >= block_bytes)
        return hole;
    hole = find_small(arena, block_bytes);
    return hole == NULL && join_if_worth(arena) ? find_any(arena, block_bytes) : hole;
}

/** Memory was refused: all that died is searched, and from now on what dies is of use. */
static struct arena_hole *find_last(struct arena_policy *arena, size_t block_bytes)
{
    arena->gives_back = true;
    if (arena->joined_dead_bytes != arena->base.mm->counters.dead_bytes)
        (void)join_all(arena);
    return find_any(arena, block_bytes);
}

/** A free block for `block_bytes`; NULL: the frontier has room, or (`*served` false) nothing has. */
static struct arena_hole *find_or_extend(struct arena_policy *arena, size_t block_bytes, bool *served)
{
    struct arena_hole *hole = find_free(arena, block_bytes);
    bool is_extended = hole == NULL && make_frontier(arena, block_bytes);
    if (hole == NULL && !is_extended)
        hole = find_last(arena, block_bytes);
    *served = hole != NULL || is_extended;
    return hole;
}

/** A window with room for a block of `block_bytes`. */
static bool next_stretch(struct arena_policy *arena, size_t block_bytes)
{
    bool served;
    close_stretch(arena);
    struct arena_hole *hole = find_or_extend(arena, block_bytes, &served);
    if (!served)
        return false;
    if (hole != NULL) {
        size_t bytes = hole_bytes(hole);
        open_stretch(arena, take(hole, bytes), bytes);
        return true;
    }
    adapt_stretch(arena);
    size_t bytes = stretch_bytes(arena, block_bytes);
    open_stretch(arena, take_frontier(arena, bytes), bytes);
    return true;
}

/* ---- Allocation. ---- */

bool arena_reuse_refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    if (!is_in_request(arena))
        return arena_window_refill(policy, payload_bytes);
    arena->slack_bytes = 0;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    bool served = take_watched(arena, block_bytes) || next_stretch(arena, block_bytes);
    arena->refused_bytes = served ? 0 : payload_bytes;
    return served;
}

/** A block that is no small one: from a hole, whose rest is given back, the window, or the frontier. */
static void *alloc_medium(struct arena_policy *arena, size_t block_bytes, size_t room_bytes)
{
    struct sm_hot *hot = arena_hot(arena);
    bool fits_window = room_bytes <= (size_t)(hot->limit - hot->cursor), served = fits_window;
    struct arena_hole *hole = fits_window ? NULL : find_or_extend(arena, room_bytes, &served);
    char *block = NULL;
    if (fits_window) {
        block = hot->cursor;
        hot->cursor += room_bytes;
    } else if (hole != NULL) {
        size_t bytes = hole_bytes(hole);
        block = take(hole, bytes);
        give_rest(arena, block + room_bytes, block + bytes);
    } else if (served) {
        block = take_frontier(arena, room_bytes);
    }
    if (block != NULL)
        arena_fill(block + block_bytes, block + room_bytes);
    return block;
}

void *arena_reuse_alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    if (!is_in_request(arena))
        return arena_window_alloc_slow(policy, payload_bytes);
    bool was_refused = arena->refused_bytes == payload_bytes && payload_bytes != 0;
    bool wants_slack = arena->slack_bytes == payload_bytes && payload_bytes > SM_INLINE_PAYLOAD_MAX;
    arena->refused_bytes = arena->slack_bytes = 0;
    if (was_refused)
        return NULL;
    if (payload_bytes <= SM_INLINE_PAYLOAD_MAX)
        return arena_reuse_refill(policy, payload_bytes) ? sm_take_block(arena_hot(arena), payload_bytes) : NULL;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    size_t room_bytes = wants_slack ? arena_roomy_bytes(arena, payload_bytes) : block_bytes;
    void *block = room_bytes > arena_large_above(arena) ? arena_large_alloc(arena, block_bytes, room_bytes)
                                                        : alloc_medium(arena, block_bytes, room_bytes);
    /* Slack is not worth a refusal. */
    bool may_fit = block == NULL && block_bytes < room_bytes && block_bytes <= arena_large_above(arena);
    return may_fit ? alloc_medium(arena, block_bytes, block_bytes) : block;
}

/* ---- Resizing. ---- */

/** The newest block: the window's end, or the frontier behind it, moves. */
static bool resize_newest(struct arena_policy *arena, struct arena_chunk *chunk, char *new_end)
{
    struct sm_hot *hot = arena_hot(arena);
    if (new_end > hot->limit) {
        if (hot->limit != chunk->end || chunk != arena->request.chunks.last || new_end > sm_arena_room_end(chunk))
            return false;
        (void)take_frontier(arena, (size_t)(new_end - hot->limit));
        hot->limit = new_end;
    }
    hot->cursor = new_end;
    return true;
}

/** Any other: as far as its own room goes. What is left stays its own, for it may grow again. */
static bool resize_within(struct sm_object *object, char *new_end, char *room)
{
    if (new_end > room)
        return false;
    arena_fill(new_end, room);
    if (new_end < room)
        object->flags |= ARENA_ROOMY;
    else
        object->flags &= (uint16_t)~ARENA_ROOMY;
    return true;
}

bool arena_reuse_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    struct arena_chunk *chunk = arena_chunk_of(arena, object);
    if (!arena_is_of_request(arena, object))
        return arena_window_resize(policy, object, payload_bytes);
    if (chunk->is_large) {
        /* However small it gets, its death ends the mapping: it must not be taken for a block of a list. */
        object->flags |= ARENA_ROOMY;
        return arena_window_resize(policy, object, payload_bytes);
    }
    SM_ASSERT_CHECKED(policy->ops->is_valid(policy, object));
    char *new_end = (char *)object + sm_block_bytes(payload_bytes);
    char *room = room_end(object, end_around(arena, chunk, object));
    bool is_newest = room == arena_hot(arena)->cursor && arena_block_end(object) == room;
    arena->slack_bytes = 0;
    if (is_newest ? resize_newest(arena, chunk, new_end) : resize_within(object, new_end, room))
        return true;
    if (payload_bytes - object->payload_bytes < object->payload_bytes / 2)
        arena->slack_bytes = payload_bytes;
    return false;
}

/* ---- Requests. ---- */

void arena_reuse_init(struct arena_policy *arena)
{
    for (size_t words = 0; words < sizeof(arena->free.class_of_words); words++)
        arena->free.class_of_words[words] = (uint8_t)((words + 1) / 2);
}

void arena_reuse_begin(struct arena_policy *arena)
{
    clear_lists(arena);
    arena->request_bytes = 0;
    arena->join_at_bytes = JOIN_FIRST_BYTES;
    arena->joined_dead_bytes = arena->base.mm->counters.dead_bytes;
    arena->stretch_bytes = STRETCH_BYTES;
    arena->gives_back = arena->reuse_after_bytes == 0;
    arena_hot(arena)->size_class_of = arena->free.class_of_words;
}

void arena_reuse_end(struct arena_policy *arena)
{
    struct sm_hot *hot = arena_hot(arena);
    close_stretch(arena);
    clear_lists(arena);
    hot->size_class_of = NULL;
}
