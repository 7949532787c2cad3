/**
 * The arena's memory: chunks, mappings of single large blocks, and what is kept of both between requests.
 *
 * Both kinds begin with the same header at a multiple of the chunk size, so that the header of any block
 * is found by masking its address.
 */
#ifndef SM_ARENA_CHUNK_H
#define SM_ARENA_CHUNK_H

#include "sapimem/policy.h"

/** Generation of chunks that no request owns. Requests count from 1. */
#define SM_ARENA_BOOT_GENERATION 0u

/**
 * Header of a mapping; blocks follow it, end to end.
 *
 * A mapping that is kept for later is empty: `end` says how far its blocks reached, for the poison check.
 */
struct arena_chunk {
    struct arena_chunk *next, *previous;
    char *end;           /**< past its last block; stale while the window is here, for then the cursor says */
    size_t bytes;        /**< of the mapping, this header included */
    uint64_t generation; /**< request that owns its blocks: the stamp that shows a use after request end */
    bool is_large;       /**< of one block */
};

_Static_assert(sizeof(struct arena_chunk) % SM_ALIGNMENT == 0, "blocks are aligned");

/** What becomes of a request's mappings when it ends. */
enum arena_pages {
    ARENA_PAGES_RETAIN, /**< as many stay as the recent requests used on average, and at least `keep_bytes` */
    ARENA_PAGES_DROP,   /**< none */
    ARENA_PAGES_KEEP,   /**< at most `keep_bytes` */
};

/** A list that knows its last element and its sums. */
struct arena_list {
    struct arena_chunk *first, *last;
    size_t count;
    size_t bytes;
};

/** A decaying mean: each value counts for an eighth, the first one for all. */
struct arena_mean {
    uint64_t scaled; /**< 256 times the mean */
    bool begun;
};

/** Mappings that are empty and kept, hottest first, and how many it is worth to keep. */
struct arena_store {
    struct sm_manager *mm;
    size_t chunk_bytes;
    enum arena_pages pages;
    uint64_t keep_bytes;
    struct arena_list chunks, large;
    struct arena_mean chunk_use, large_use; /**< of the recent requests: chunks, and bytes of large mappings at most */
    size_t large_peak_bytes;                /**< most bytes of large mappings that this request had at a time */
};

static inline char *sm_arena_first_block(struct arena_chunk *chunk)
{
    return (char *)(chunk + 1);
}

static inline char *sm_arena_room_end(struct arena_chunk *chunk)
{
    return (char *)chunk + chunk->bytes;
}

void sm_arena_list_append(struct arena_list *list, struct arena_chunk *chunk);
void sm_arena_list_remove(struct arena_list *list, struct arena_chunk *chunk);

/** Take the next value into the mean. */
void sm_arena_mean_add(struct arena_mean *mean, uint64_t value);
/** The mean, rounded to the nearest. */
uint64_t sm_arena_mean(const struct arena_mean *mean);

/** An empty chunk: a kept one, else a new one; NULL when memory is refused even after what is kept was given back. */
struct arena_chunk *sm_arena_take_chunk(struct arena_store *store);
/** Likewise for one block of `block_bytes`: the closest kept mapping that wastes at most a quarter, else a new one. */
struct arena_chunk *sm_arena_take_large(struct arena_store *store, size_t block_bytes);

/** `chunk`, of no list, is empty: keep it unless more than `bytes_max` would be kept so. */
void sm_arena_keep_large(struct arena_store *store, struct arena_chunk *chunk, size_t bytes_max);

/** A request is over: empty its mappings, keep what `pages` says, give back the rest. */
void sm_arena_give_back(struct arena_store *store, struct arena_list *chunks, struct arena_list *large);
/** Give back every mapping of `list`, which is empty then. */
void sm_arena_unmap_all(struct arena_store *store, struct arena_list *list);

#endif
