/**
 * The arena's state, what a block looks like, and which file does what with it.
 *
 * A mapping is a header (chunk.h) and blocks, end to end. A block is an object; or a filler, an object of a type that
 * nobody can hold; or free, with ARENA_FREE in the word of its size. So each mapping can be walked, whatever was given back.
 */
#ifndef SM_ARENA_INTERNAL_H
#define SM_ARENA_INTERNAL_H

#include "arena/chunk.h"
#include "poison.h"

/** Type of fillers; sm_type_register would have to hand out all 65,536 indices to reach it. */
#define ARENA_FILLER_TYPE UINT16_MAX
/** In the size word of a free block, beside the bytes of all of it. No payload is so large. */
#define ARENA_FREE (UINT64_C(1) << 63)
/** Header bit: a filler follows, the room that a resize left the object, or it has a mapping of its own. The policy's own byte. */
#define ARENA_ROOMY ((uint16_t)(1u << 8))

enum {
    /** Blocks above this share of a chunk have a mapping of their own; it bounds what a chunk's end wastes. */
    ARENA_LARGE_SHARE = 8,
    /** Classes of the inline lists: each 16 bytes of block up to the largest that is served inline. */
    ARENA_SMALL_CLASSES = (16 + 3072 + 15) / 16,
    /** Classes of larger free blocks: four to each doubling from 2 KiB. */
    ARENA_HOLE_CLASSES = 64,
    /** Fillers that are remembered, so that the cursor can pass them on its way back. */
    ARENA_BACKLOG_MAX = 64,
    /** Arrays in arrays; what dies deeper than this is left to the end of the request. */
    ARENA_DEPTH_MAX = 64,
};

/** Whether what is given back goes out of line: the inline paths could neither forbid nor check it. */
enum { ARENA_IS_WATCHED = SM_IS_ASAN || SM_ASSERT_LEVEL >= 2 };

_Static_assert(ARENA_SMALL_CLASSES <= SM_SIZE_CLASSES_MAX, "a list for each size of block");

enum arena_shape { ARENA_BUMP, ARENA_RETRACT, ARENA_REUSE };

/** A free block in a list. The first words are a header's, so that walks find its size. */
struct arena_hole {
    struct arena_hole *next;
    uint64_t bytes; /**< of the block, and ARENA_FREE */
};

struct arena_region {
    struct arena_list chunks, large;
};

/** What shape retract remembers: fillers between living blocks, in the order of addresses, all below the cursor. */
struct arena_backlog {
    size_t count;
    struct {
        char *start, *end;
    } fillers[ARENA_BACKLOG_MAX];
};

/** What shape reuse has given back and not taken again. */
struct arena_free {
    struct sm_free_cell *watched[ARENA_SMALL_CLASSES]; /**< in the place of the inline lists, where ARENA_IS_WATCHED */
    struct arena_hole *holes[ARENA_HOLE_CLASSES];
    uint64_t hole_classes; /**< a bit for each that is not empty */
    uint8_t class_of_words[(SM_INLINE_PAYLOAD_MAX + 7) / 8 + 1];
};

struct arena_policy {
    struct sm_policy base;
    struct arena_store store;
    struct arena_region boot, request;
    struct arena_region *active;
    struct arena_chunk *window;
    char *window_start;   /**< the cursor when the window was placed here */
    char *dirty_end;      /**< shape retract: what was given back ends here, if it is beyond the cursor */
    size_t slack_bytes;   /**< payload about to be asked for by a resize that moves; 0: none */
    size_t refused_bytes; /**< payload that refill has just refused; 0: none */
    uint64_t used_bytes;  /**< taken by blocks and fillers since creation, without the window's part */
    uint64_t generation;  /**< of the current or next request */
    enum arena_shape shape;
    unsigned slack_percent;
    uint64_t reuse_after_bytes;            /**< what a request takes before it gives anything back */
    uint64_t request_bytes;                /**< what this one took from chunks so far */
    uint64_t stretch_bytes;                /**< of window that is opened next */
    uint64_t births_before, deaths_before; /**< when the last stretch was opened */
    uint64_t join_at_bytes;                /**< chunks' bytes at which what is free is joined next */
    uint64_t joined_dead_bytes;            /**< what had died when it was joined last */
    uint64_t plain_max_bytes;              /**< payloads up to this one go to an inline list when they die */
    bool gives_back;                       /**< what dies now is of use: never outside requests */
    struct arena_backlog backlog;
    struct arena_free free;
};

extern const struct sm_policy_ops sm_policy_arena;

static inline struct sm_hot *arena_hot(const struct arena_policy *arena)
{
    return sm_hot(arena->base.mm);
}

/* ---- Blocks inside a mapping. ---- */

/** The mapping that holds `object`, from the address alone. */
static inline struct arena_chunk *arena_chunk_of(const struct arena_policy *arena, const void *object)
{
    return (struct arena_chunk *)((uintptr_t)object & ~(uintptr_t)(arena->store.chunk_bytes - 1));
}

/** Turn [start, end) into a filler. Sizes are multiples of 16, so whatever is left can hold its header. */
static inline void arena_fill(char *start, char *end)
{
    SM_ASSERT(start <= end && (size_t)(end - start) % SM_ALIGNMENT == 0);
    if (start < end)
        *(struct sm_object *)start =
            (struct sm_object){.type = ARENA_FILLER_TYPE, .payload_bytes = (uint64_t)(end - start) - SM_HEADER_BYTES};
}

static inline bool arena_is_free(const struct sm_object *object)
{
    return (object->payload_bytes & ARENA_FREE) != 0;
}

static inline bool arena_is_filler(const struct sm_object *object)
{
    return object->type == ARENA_FILLER_TYPE && !arena_is_free(object);
}

static inline char *arena_block_end(const struct sm_object *object)
{
    size_t bytes = arena_is_free(object) ? (size_t)(object->payload_bytes & ~ARENA_FREE)
                                         : sm_block_bytes((size_t)object->payload_bytes);
    return (char *)(uintptr_t)object + bytes;
}

/** Past the filler behind `object`, which is no free block, or past the object when none follows. `end` is its mapping's. */
static inline char *arena_room_end_of(const struct sm_object *object, char *end)
{
    char *next = (char *)(uintptr_t)object + sm_block_bytes((size_t)object->payload_bytes);
    SM_ASSERT(next <= end);
    if (next == end || !arena_is_filler((const struct sm_object *)next))
        return next;
    return next + sm_block_bytes((size_t)((const struct sm_object *)next)->payload_bytes);
}

/** Whether `object` belongs to the request that is open: only then is what dies given back. */
static inline bool arena_is_of_request(const struct arena_policy *arena, const struct sm_object *object)
{
    return arena->active == &arena->request && arena_chunk_of(arena, object)->generation == arena->generation;
}

static inline uint64_t arena_active_generation(const struct arena_policy *arena)
{
    return arena->active == &arena->boot ? SM_ARENA_BOOT_GENERATION : arena->generation;
}

static inline size_t arena_large_above(const struct arena_policy *arena)
{
    return arena->store.chunk_bytes / ARENA_LARGE_SHARE;
}

/** Block bytes of `payload_bytes` with the slack that growth by small steps gets. */
static inline size_t arena_roomy_bytes(const struct arena_policy *arena, size_t payload_bytes)
{
    return sm_block_bytes(payload_bytes + payload_bytes * arena->slack_percent / 100);
}

/** Whether what lies behind the cursor was given back and is watched. */
static inline bool arena_is_dirty(const struct arena_policy *arena)
{
    return ARENA_IS_WATCHED && arena->dirty_end != NULL && arena_hot(arena)->cursor < arena->dirty_end;
}

/* ---- window.c: shapes bump and retract. ---- */

char *arena_window_end_of(const struct arena_policy *arena, const struct arena_chunk *chunk);
/** Take the window away from its chunk, whose end is final until the window returns. */
void arena_window_close(struct arena_policy *arena);
/** Let the window be the unused part of `chunk`. */
void arena_window_place(struct arena_policy *arena, struct arena_chunk *chunk);
void *arena_window_alloc_slow(struct sm_policy *policy, size_t payload_bytes);
bool arena_window_refill(struct sm_policy *policy, size_t payload_bytes);
bool arena_window_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes);

/* ---- retract.c ---- */

/** The dead block that begins at `object` is taken back when it is the newest, or remembered. */
void arena_retract(struct arena_policy *arena, struct sm_object *object);
/** Let the window have `block_bytes` of what is watched. False: nothing is, or it has no room. */
bool arena_retract_open(struct arena_policy *arena, size_t block_bytes);
/** The window is about to leave its chunk. */
void arena_retract_forget(struct arena_policy *arena);
bool arena_retract_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes);

/* ---- reuse.c ---- */

void arena_reuse_init(struct arena_policy *arena);
void arena_reuse_begin(struct arena_policy *arena);
void arena_reuse_end(struct arena_policy *arena);
/** The dead block that begins at `object` goes to the list of its size. */
void arena_reuse(struct arena_policy *arena, struct sm_object *object);

/** The same for a payload of at most `plain_max_bytes` that is not ARENA_ROOMY. */
static inline void arena_reuse_plain(struct arena_policy *arena, struct sm_object *object)
{
    size_t block_bytes = sm_block_bytes((size_t)object->payload_bytes);
    struct arena_hole *hole = (struct arena_hole *)(void *)object;
    struct sm_free_cell **head = &arena_hot(arena)->heads[block_bytes / SM_ALIGNMENT - 1];
    hole->bytes = block_bytes | ARENA_FREE;
    ((struct sm_free_cell *)(void *)object)->next = *head;
    *head = (struct sm_free_cell *)(void *)object;
}
void *arena_reuse_alloc_slow(struct sm_policy *policy, size_t payload_bytes);
bool arena_reuse_refill(struct sm_policy *policy, size_t payload_bytes);
bool arena_reuse_resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes);

/* ---- large.c ---- */

/** A block of `block_bytes`, in a mapping of its own that is at least `room_bytes` large. */
void *arena_large_alloc(struct arena_policy *arena, size_t block_bytes, size_t room_bytes);
/** Its object is dead. */
void arena_large_free(struct arena_policy *arena, struct arena_chunk *chunk);

/* ---- deaths.c ---- */

void arena_known_dead(struct sm_policy *policy, struct sm_object *object);
void arena_retire(struct sm_policy *policy, struct sm_object *object);

/* ---- overflow.c ---- */

/** With option `limit`: another policy's state, under this one's name. Errors: SM_ERR_INVALID_ARGUMENT, and those of that policy. */
sm_status arena_overflow_create(struct sm_manager *mm, const struct sm_option_values *options,
                                struct sm_policy **policy);

/* ---- walk.c ---- */

void arena_walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context);
bool arena_is_valid(struct sm_policy *policy, const struct sm_object *object);

#endif
