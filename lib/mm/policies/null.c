/**
 * The null policy: bump allocation that never frees. The floor of every comparison, and the template
 * to copy for a new policy.
 *
 * Memory is mapped in chunks; blocks lie end to end in each, so that a walk needs no other books. The
 * inline path of alloc.h bumps the manager's window, which is the unused part of the newest chunk; this
 * file is asked only when the window is too small.
 *
 * To make a policy of your own: copy this file, rename what says "null", add one line to policies.def.
 * An optional operation comes with its capability bit, and both or neither are there.
 *
 * Invariants. The first of `chunks` is the window's: its blocks end at the cursor; every other chunk's end is
 * in its header. A block that would fill much of a chunk has a mapping of its own, in `large`.
 */
#include "sapimem/policy.h"

#include "assertion.h"

#include <stdlib.h>
#include <unistd.h>

/** Header of a chunk; its blocks follow. A multiple of 16 bytes, for they are aligned so. */
struct null_chunk {
    struct null_chunk *next;
    char *end;    /**< past its last block; the cursor while it is the window's chunk */
    size_t bytes; /**< of the mapping */
    size_t padding;
};

/** The policy. The base comes first: the manager knows only that. */
struct null_policy {
    struct sm_policy base;
    struct null_chunk *chunks;
    struct null_chunk *large;
    size_t chunk_bytes;
    uint64_t used_bytes; /**< blocks of every chunk but the window's */
};

/** Options are parsed before `create`, and listed by --help and `harness list`. */
static const struct sm_option null_options[] = {
    {"chunk", SM_OPTION_SIZE, "bytes", "1M", 64 * 1024, 1024.0 * 1024 * 1024, NULL,
     "memory asked from the system at a time, rounded up to pages"},
};

extern const struct sm_policy_ops sm_policy_null;

/** Downcast. The ops pointer says what the struct is. */
static struct null_policy *null_of(struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_null);
    return (struct null_policy *)policy;
}

static const struct null_policy *null_of_const(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_null);
    return (const struct null_policy *)policy;
}

static char *first_block(struct null_chunk *chunk)
{
    return (char *)(chunk + 1);
}

static size_t round_to_pages(size_t bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

/** Map `bytes` for blocks; empty and in no list. NULL when memory is refused. */
static struct null_chunk *map_chunk(struct null_policy *null, size_t bytes)
{
    struct null_chunk *chunk = sm_chunk_map(null->base.mm, bytes, (size_t)sysconf(_SC_PAGESIZE));
    if (chunk != NULL)
        *chunk = (struct null_chunk){.end = first_block(chunk), .bytes = bytes};
    return chunk;
}

static void unmap_list(struct null_policy *null, struct null_chunk *chunk)
{
    while (chunk != NULL) {
        struct null_chunk *next = chunk->next;
        sm_chunk_unmap(null->base.mm, chunk, chunk->bytes);
        chunk = next;
    }
}

/** Past the last block of `chunk`, wherever that is kept at the moment. */
static char *end_of(const struct null_policy *null, const struct null_chunk *chunk)
{
    return chunk == null->chunks ? sm_hot(null->base.mm)->cursor : chunk->end;
}

/** Move the window to a new chunk. What is left of the old one stays unused. */
static bool open_window(struct null_policy *null)
{
    struct null_chunk *chunk = map_chunk(null, null->chunk_bytes);
    if (chunk == NULL)
        return false;
    struct sm_hot *hot = sm_hot(null->base.mm);
    if (null->chunks != NULL) {
        null->chunks->end = hot->cursor;
        null->used_bytes += (uint64_t)(hot->cursor - first_block(null->chunks));
    }
    chunk->next = null->chunks;
    null->chunks = chunk;
    hot->cursor = first_block(chunk);
    hot->limit = (char *)chunk + chunk->bytes;
    return true;
}

/** A block with a mapping of its own. */
static void *alloc_large(struct null_policy *null, size_t block_bytes)
{
    struct null_chunk *chunk = map_chunk(null, round_to_pages(sizeof(*chunk) + block_bytes));
    if (chunk == NULL)
        return NULL;
    chunk->end += block_bytes;
    chunk->next = null->large;
    null->large = chunk;
    null->used_bytes += block_bytes;
    return first_block(chunk);
}

/* ---- The operations, in the order of the table. ---- */

/** create: make the policy; only its struct, memory comes with the first allocation. */
static sm_status null_create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    struct null_policy *null = calloc(1, sizeof(*null));
    if (null == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy null: no memory for its %zu bytes", sizeof(*null));
    null->base = (struct sm_policy){&sm_policy_null, mm};
    null->chunk_bytes = round_to_pages((size_t)sm_option_count(options, "chunk"));
    *policy = &null->base;
    return SM_OK;
}

/** destroy: give back everything; the manager has run the destructors. */
static void null_destroy(struct sm_policy *policy)
{
    struct null_policy *null = null_of(policy);
    unmap_list(null, null->chunks);
    unmap_list(null, null->large);
    free(null);
}

/** alloc_slow: one block where the inline form has no answer. */
static void *null_alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct null_policy *null = null_of(policy);
    struct sm_hot *hot = sm_hot(policy->mm);
    /* The manager asks refill first for small blocks, so memory for this one was refused just now. */
    if (payload_bytes <= SM_INLINE_PAYLOAD_MAX)
        return NULL;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (block_bytes > null->chunk_bytes / 8)
        return alloc_large(null, block_bytes);
    if (block_bytes > (size_t)(hot->limit - hot->cursor) && !open_window(null))
        return NULL;
    void *block = hot->cursor;
    hot->cursor += block_bytes;
    return block;
}

/** refill: make the window large enough for a small block; false when memory is refused. */
static bool null_refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct null_policy *null = null_of(policy);
    SM_ASSERT(sm_block_bytes(payload_bytes) <= null->chunk_bytes - sizeof(struct null_chunk));
    return open_window(null);
}

/** safepoint: the owner is at a safepoint that has work; nothing is ever due here. */
static void null_safepoint(struct sm_policy *policy)
{
    (void)policy;
}

/** finalizer_register: an object has a destructor; the manager's table is all that is needed. */
static sm_status null_finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)policy;
    (void)object;
    return SM_OK;
}

/** request_begin: requests make no difference here. */
static void null_request_begin(struct sm_policy *policy)
{
    (void)policy;
}

/** request_end: nothing is freed. */
static void null_request_end(struct sm_policy *policy)
{
    (void)policy;
}

/** quiesce: there is no backlog to drain. */
static sm_status null_quiesce(struct sm_policy *policy)
{
    (void)policy;
    return SM_OK;
}

static void walk_list(const struct null_policy *null, struct null_chunk *chunk,
                      void (*visit)(void *context, struct sm_object *object), void *context)
{
    for (; chunk != NULL; chunk = chunk->next) {
        char *end = end_of(null, chunk);
        for (char *block = first_block(chunk); block < end;) {
            struct sm_object *object = (struct sm_object *)block;
            block += sm_block_bytes((size_t)object->payload_bytes);
            visit(context, object);
        }
    }
}

/** walk: every object; blocks lie end to end, so each header leads to the next. */
static void null_walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct null_policy *null = null_of(policy);
    walk_list(null, null->chunks, visit, context);
    walk_list(null, null->large, visit, context);
}

/** stats: add what only the policy knows; the manager has counted the rest. */
static void null_stats(const struct sm_policy *policy, struct sm_stats *stats)
{
    const struct null_policy *null = null_of_const(policy);
    uint64_t block_bytes = null->used_bytes;
    if (null->chunks != NULL)
        block_bytes += (uint64_t)(sm_hot(policy->mm)->cursor - first_block(null->chunks));
    stats->policy_bytes += block_bytes - stats->alloc_bytes;
}

static bool in_list(const struct null_policy *null, struct null_chunk *chunk, const char *address)
{
    while (chunk != NULL && (address < first_block(chunk) || address >= end_of(null, chunk)))
        chunk = chunk->next;
    if (chunk == NULL)
        return false;
    const char *block = first_block(chunk);
    while (block < address)
        block += sm_block_bytes((size_t)((const struct sm_object *)block)->payload_bytes);
    return block == address;
}

/** is_valid: whether a block begins exactly there; for tests and checked builds, so a walk will do. */
static bool null_is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    struct null_policy *null = null_of(policy);
    const char *address = (const char *)object;
    return in_list(null, null->chunks, address) || in_list(null, null->large, address);
}

const struct sm_policy_ops sm_policy_null = {
    .name = "null",
    .summary = "bump allocation, never frees: the lower bound, and the template to copy",
    .capabilities = 0,
    .form = SM_FORM_WINDOW,
    .options = null_options,
    .option_count = sizeof(null_options) / sizeof(null_options[0]),
    .create = null_create,
    .destroy = null_destroy,
    .alloc_slow = null_alloc_slow,
    .refill = null_refill,
    .safepoint = null_safepoint,
    .finalizer_register = null_finalizer_register,
    .request_begin = null_request_begin,
    .request_end = null_request_end,
    .quiesce = null_quiesce,
    .walk = null_walk,
    .stats = null_stats,
    .is_valid = null_is_valid,
};
