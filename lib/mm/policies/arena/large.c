/* Blocks that have a mapping of their own. */
#include "arena/arena_internal.h"

/** Mappings of dead blocks that are kept for the same request in any case, in chunks' bytes. */
enum { KEPT_CHUNKS_MAX = 4 };

void *arena_large_alloc(struct arena_policy *arena, size_t block_bytes, size_t room_bytes)
{
    struct arena_chunk *chunk = sm_arena_take_large(&arena->store, room_bytes);
    if (chunk == NULL && room_bytes > block_bytes)
        chunk = sm_arena_take_large(&arena->store, block_bytes);
    if (chunk == NULL)
        return NULL;
    chunk->is_large = true;
    chunk->generation = arena_active_generation(arena);
    chunk->end = sm_arena_first_block(chunk) + block_bytes;
    sm_arena_list_append(&arena->active->large, chunk);
    if (arena->request.large.bytes > arena->store.large_peak_bytes)
        arena->store.large_peak_bytes = arena->request.large.bytes;
    arena->used_bytes += block_bytes;
    return sm_arena_first_block(chunk);
}

/** What recent requests had at most is kept when this one ends: it may as well serve it until then. */
static size_t kept_bytes_max(const struct arena_policy *arena)
{
    size_t least_bytes = arena->store.chunk_bytes * KEPT_CHUNKS_MAX;
    uint64_t mean_bytes = arena->store.pages == ARENA_PAGES_RETAIN ? sm_arena_mean(&arena->store.large_use) : 0;
    uint64_t live_bytes = arena->request.large.bytes;
    return mean_bytes > live_bytes + least_bytes ? (size_t)(mean_bytes - live_bytes) : least_bytes;
}

void arena_large_free(struct arena_policy *arena, struct arena_chunk *chunk)
{
    sm_arena_list_remove(&arena->request.large, chunk);
    sm_arena_keep_large(&arena->store, chunk, kept_bytes_max(arena));
}
