/**
 * The arena policy, FPM's default: one region a request, dropped whole at its end.
 *
 * Memory. Chunks (option `chunk`) hold the blocks; those that would fill an eighth of one or more have a mapping of their
 * own. What becomes of both at request end is the option `pages`: by default as many chunks are kept as the recent
 * requests used, as a mean in which each counts for an eighth, and never fewer than `keep` has bytes for; of the large mappings
 * as many bytes as the same mean says. What is kept is also given back when memory is refused.
 *
 * Inside a request the option `shape` says what becomes of blocks that the machine knows to be dead: nothing (bump), the
 * newest is taken back (retract), or all of them are used again by size (reuse). README.md has the files.
 *
 * Option `limit` has nothing of this: see overflow.c.
 *
 * Boot data. What is allocated outside requests lives in a region of its own, in chunks that no request
 * shares, so it survives every request end and is freed only with the manager. Outside a request nothing is
 * ever reset, and nothing given back: a CLI program that opens no request has the `null` policy with resizing in place.
 */
#include "arena/arena_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* In the order of enum arena_shape. */
static const char *const shape_names[] = {"bump", "retract", "reuse", NULL};
/* In the order of enum arena_pages. */
static const char *const pages_names[] = {"retain", "drop", "keep", NULL};

static const struct sm_option arena_options[] = {
    {"shape", SM_OPTION_CHOICE, "", "reuse", 0, 0, shape_names,
     "inside a request: free nothing; take back the newest block; use again what is known to be dead"},
    {"reuse-after", SM_OPTION_SIZE, "bytes", "512K", 0, UINT64_C(1) << 40, NULL,
     "shape reuse: what a request takes before anything is used again"},
    {"slack", SM_OPTION_COUNT, "percent", "50", 0, 400, NULL,
     "room that a block gets which has to move because it grew by less than half"},
    {"chunk", SM_OPTION_SIZE, "bytes", "256K", 64 * 1024, 64 * 1024 * 1024, NULL,
     "memory asked from the system at a time, a power of two"},
    {"pages", SM_OPTION_CHOICE, "", "retain", 0, 0, pages_names,
     "between requests: keep what the recent ones used on average; nothing; at most `keep`"},
    {"limit", SM_OPTION_SIZE, "bytes", "0", 0, UINT64_C(1) << 40, NULL,
     "a request that has taken so much goes on with young cycles, in an epoch heap that is dropped at its end; in the "
     "place of all other options; 0: none"},
    {"keep", SM_OPTION_SIZE, "bytes", "256K", 0, UINT64_C(1) << 40, NULL,
     "pages=retain keeps at least, pages=keep at most so much"},
};

static struct arena_policy *arena_of(struct sm_policy *policy)
{
    SM_ASSERT(policy->ops->create == sm_policy_arena.create);
    return (struct arena_policy *)policy;
}

/* ---- Requests. ---- */

static void arena_request_begin(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    SM_ASSERT(arena->active == &arena->boot);
    arena_window_close(arena);
    arena->active = &arena->request;
    arena->gives_back = arena->shape == ARENA_RETRACT;
    if (arena->shape == ARENA_REUSE)
        arena_reuse_begin(arena);
}

static void arena_request_end(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    SM_ASSERT(arena->active == &arena->request);
    arena->gives_back = false;
    if (arena->shape == ARENA_REUSE)
        arena_reuse_end(arena);
    arena_window_close(arena);
    sm_arena_give_back(&arena->store, &arena->request.chunks, &arena->request.large);
    arena->generation++;
    arena->active = &arena->boot;
    if (arena->boot.chunks.last != NULL)
        arena_window_place(arena, arena->boot.chunks.last);
}

/* ---- Figures. ---- */

/* Where blocks are used again the inline paths do not tell what was taken: headers are what is known. */
static void arena_stats(const struct sm_policy *policy, struct sm_stats *stats)
{
    const struct arena_policy *arena = (const struct arena_policy *)policy;
    uint64_t used_bytes = arena->used_bytes;
    if (arena->window != NULL)
        used_bytes += (uint64_t)(arena_hot(arena)->cursor - arena->window_start);
    /* Shrinking gives blocks back but not the clock's bytes, so the difference can be below zero. */
    if (arena->shape != ARENA_BUMP)
        stats->policy_bytes += stats->alloc_count * SM_HEADER_BYTES;
    else if (used_bytes > stats->alloc_bytes)
        stats->policy_bytes += used_bytes - stats->alloc_bytes;
    stats->reclaimed_bytes = stats->retired_bytes;
    stats->reclaimed_objects = stats->retired_objects;
}

/* ---- Beginning and end. ---- */

static const struct sm_policy_ops *table_of(enum arena_shape shape);

static void read_options(struct arena_policy *arena, const struct sm_option_values *options)
{
    arena->store.chunk_bytes = (size_t)sm_option_count(options, "chunk");
    arena->store.pages = (enum arena_pages)sm_option_count(options, "pages");
    arena->store.keep_bytes = sm_option_count(options, "keep");
    arena->shape = (enum arena_shape)sm_option_count(options, "shape");
    arena->slack_percent = (unsigned)sm_option_count(options, "slack");
    arena->reuse_after_bytes = sm_option_count(options, "reuse-after");
    /* Watched blocks go out of line; nothing of what retract takes back goes to a list. */
    arena->plain_max_bytes = arena->shape == ARENA_REUSE && !ARENA_IS_WATCHED ? SM_INLINE_PAYLOAD_MAX : 0;
}

static sm_status arena_create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    uint64_t chunk_bytes = sm_option_count(options, "chunk");
    if (sm_option_count(options, "limit") != 0)
        return arena_overflow_create(mm, options, policy);
    if ((chunk_bytes & (chunk_bytes - 1)) != 0)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT,
                              "policy arena: option 'chunk' wants a power of two, not %" PRIu64, chunk_bytes);
    struct arena_policy *arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy arena: no memory for its %zu bytes", sizeof(*arena));
    read_options(arena, options);
    arena->base = (struct sm_policy){table_of(arena->shape), mm};
    arena->store.mm = mm;
    arena->active = &arena->boot;
    arena->generation = SM_ARENA_BOOT_GENERATION + 1;
    if (arena->shape == ARENA_REUSE)
        arena_reuse_init(arena);
    if (arena->shape != ARENA_BUMP)
        sm_leaves_count(mm);
    *policy = &arena->base;
    return SM_OK;
}

static void arena_destroy(struct sm_policy *policy)
{
    struct arena_policy *arena = arena_of(policy);
    if (arena->shape == ARENA_REUSE && arena->active == &arena->request)
        arena_reuse_end(arena);
    arena_window_close(arena);
    struct arena_list *lists[] = {&arena->request.chunks, &arena->request.large, &arena->boot.chunks,
                                  &arena->boot.large,     &arena->store.chunks,  &arena->store.large};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        sm_arena_unmap_all(&arena->store, lists[i]);
    free(arena);
}

/* ---- The rest of the tables. ---- */

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

/* What all shapes have in common. */
#define ARENA_TABLE \
    .name = "arena", .summary = "a region a request, dropped whole at its end; without requests it never frees", \
    .form = SM_FORM_WINDOW, .options = arena_options, \
    .option_count = sizeof(arena_options) / sizeof(arena_options[0]), .create = arena_create, \
    .destroy = arena_destroy, .safepoint = arena_safepoint, .finalizer_register = arena_finalizer_register, \
    .request_begin = arena_request_begin, .request_end = arena_request_end, .quiesce = arena_quiesce, \
    .walk = arena_walk, .stats = arena_stats, .is_valid = arena_is_valid

/* The registry's: of the default shape. */
const struct sm_policy_ops sm_policy_arena = {
    ARENA_TABLE,
    .capabilities = SM_CAP_RESIZE | SM_CAP_BULK_FREE | SM_CAP_RETIRE | SM_CAP_DEATHS,
    .alloc_slow = arena_reuse_alloc_slow,
    .refill = arena_reuse_refill,
    .resize = arena_reuse_resize,
    .retire = arena_retire,
    .known_dead = arena_known_dead,
};

static const struct sm_policy_ops retract_table = {
    ARENA_TABLE,
    .capabilities = SM_CAP_RESIZE | SM_CAP_BULK_FREE | SM_CAP_RETIRE | SM_CAP_DEATHS,
    .alloc_slow = arena_window_alloc_slow,
    .refill = arena_window_refill,
    .resize = arena_retract_resize,
    .retire = arena_retire,
    .known_dead = arena_known_dead,
};

static const struct sm_policy_ops bump_table = {
    ARENA_TABLE,
    .capabilities = SM_CAP_RESIZE | SM_CAP_BULK_FREE,
    .alloc_slow = arena_window_alloc_slow,
    .refill = arena_window_refill,
    .resize = arena_window_resize,
};

static const struct sm_policy_ops *table_of(enum arena_shape shape)
{
    static const struct sm_policy_ops *const tables[] = {&bump_table, &retract_table, &sm_policy_arena};
    return tables[shape];
}
