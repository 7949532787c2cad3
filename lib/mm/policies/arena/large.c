/* Blocks that have a mapping of their own. */
#include "arena/arena_internal.h"

/** Mappings of dead blocks that are kept for the same request, in chunks' bytes. */
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

void arena_large_free(struct arena_policy *arena, struct arena_chunk *chunk)
{
    sm_arena_list_remove(&arena->request.large, chunk);
    sm_arena_keep_large(&arena->store, chunk, arena->store.chunk_bytes * KEPT_CHUNKS_MAX);
}
