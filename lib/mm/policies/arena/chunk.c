#include "arena/chunk.h"

#include "poison.h"

#include <unistd.h>

/* ---- Lists. ---- */

void sm_arena_list_append(struct arena_list *list, struct arena_chunk *chunk)
{
    chunk->next = NULL;
    chunk->previous = list->last;
    if (list->last != NULL)
        list->last->next = chunk;
    else
        list->first = chunk;
    list->last = chunk;
    list->count++;
    list->bytes += chunk->bytes;
}

/** Put all of `front` before `list`; `front` is empty then. */
static void list_prepend_all(struct arena_list *list, struct arena_list *front)
{
    if (front->first == NULL)
        return;
    front->last->next = list->first;
    if (list->last == NULL)
        list->last = front->last;
    else
        list->first->previous = front->last;
    list->first = front->first;
    list->count += front->count;
    list->bytes += front->bytes;
    *front = (struct arena_list){0};
}

void sm_arena_list_remove(struct arena_list *list, struct arena_chunk *chunk)
{
    SM_ASSERT(list->count > 0 && list->bytes >= chunk->bytes);
    if (chunk->previous != NULL)
        chunk->previous->next = chunk->next;
    else
        list->first = chunk->next;
    if (chunk->next != NULL)
        chunk->next->previous = chunk->previous;
    else
        list->last = chunk->previous;
    list->count--;
    list->bytes -= chunk->bytes;
}

static struct arena_chunk *list_take_first(struct arena_list *list)
{
    struct arena_chunk *chunk = list->first;
    sm_arena_list_remove(list, chunk);
    return chunk;
}

/* ---- The mean. ---- */

enum { MEAN_SCALE = 256, MEAN_WEIGHT = 8 };

void sm_arena_mean_add(struct arena_mean *mean, uint64_t value)
{
    uint64_t scaled = value * MEAN_SCALE;
    if (!mean->begun)
        mean->scaled = scaled;
    else if (scaled >= mean->scaled)
        mean->scaled += (scaled - mean->scaled) / MEAN_WEIGHT;
    else
        mean->scaled -= (mean->scaled - scaled) / MEAN_WEIGHT;
    mean->begun = true;
}

uint64_t sm_arena_mean(const struct arena_mean *mean)
{
    return (mean->scaled + MEAN_SCALE / 2) / MEAN_SCALE;
}

/* ---- The system's memory. ---- */

static void unmap(struct arena_store *store, struct arena_chunk *chunk)
{
    /* Whoever is given these addresses next must not find them forbidden. */
    bool untouched = sm_unpoison(sm_arena_first_block(chunk), 0, chunk->bytes - sizeof(*chunk));
    SM_ASSERT(untouched);
    (void)untouched;
    sm_chunk_unmap(store->mm, chunk, chunk->bytes);
}

void sm_arena_unmap_all(struct arena_store *store, struct arena_list *list)
{
    while (list->first != NULL)
        unmap(store, list_take_first(list));
}

/** Give back everything that is kept. Returns false when there was nothing. */
static bool release_kept(struct arena_store *store)
{
    bool any = store->chunks.count + store->large.count != 0;
    sm_arena_unmap_all(store, &store->chunks);
    sm_arena_unmap_all(store, &store->large);
    return any;
}

static struct arena_chunk *map(struct arena_store *store, size_t bytes)
{
    struct arena_chunk *chunk = sm_chunk_map(store->mm, bytes, store->chunk_bytes);
    if (chunk == NULL && release_kept(store))
        chunk = sm_chunk_map(store->mm, bytes, store->chunk_bytes);
    if (chunk != NULL)
        *chunk = (struct arena_chunk){.end = sm_arena_first_block(chunk), .bytes = bytes};
    return chunk;
}

/** Make a kept mapping usable again. */
static struct arena_chunk *reuse(struct arena_list *list, struct arena_chunk *chunk)
{
    sm_arena_list_remove(list, chunk);
    char *start = sm_arena_first_block(chunk);
    bool untouched = sm_unpoison(start, (size_t)(chunk->end - start), chunk->bytes - sizeof(*chunk));
    /* Fails when something wrote to an object of a request that had ended. */
    SM_ASSERT_CHECKED(untouched);
    (void)untouched;
    chunk->end = start;
    return chunk;
}

struct arena_chunk *sm_arena_take_chunk(struct arena_store *store)
{
    if (store->chunks.first != NULL)
        return reuse(&store->chunks, store->chunks.first);
    return map(store, store->chunk_bytes);
}

struct arena_chunk *sm_arena_take_large(struct arena_store *store, size_t block_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t wanted = (sizeof(struct arena_chunk) + block_bytes + page_bytes - 1) & ~(page_bytes - 1);
    struct arena_chunk *best = NULL;
    for (struct arena_chunk *chunk = store->large.first; chunk != NULL; chunk = chunk->next) {
        bool fits = chunk->bytes >= wanted && chunk->bytes - wanted <= wanted / 4;
        if (fits && (best == NULL || chunk->bytes < best->bytes))
            best = chunk;
    }
    return best != NULL ? reuse(&store->large, best) : map(store, wanted);
}

/* ---- Between requests. ---- */

static void poison_all(struct arena_chunk *chunk)
{
    char *start = sm_arena_first_block(chunk);
    /* Parts of it may be forbidden already, which the pattern must reach as well. */
    __asan_unpoison_memory_region(start, chunk->bytes - sizeof(*chunk));
    sm_poison(start, (size_t)(chunk->end - start), chunk->bytes - sizeof(*chunk));
}

static void poison_list(const struct arena_list *list)
{
    for (struct arena_chunk *chunk = list->first; chunk != NULL; chunk = chunk->next)
        poison_all(chunk);
}

void sm_arena_keep_large(struct arena_store *store, struct arena_chunk *chunk, size_t bytes_max)
{
    if (store->large.bytes + chunk->bytes > bytes_max) {
        unmap(store, chunk);
        return;
    }
    poison_all(chunk);
    sm_arena_list_append(&store->large, chunk);
}

/** Keep the first mappings of `list` as long as they stay within both bounds; give back the others. */
static void trim(struct arena_store *store, struct arena_list *list, uint64_t count_max, uint64_t bytes_max)
{
    struct arena_list kept = {0};
    while (list->first != NULL) {
        struct arena_chunk *chunk = list_take_first(list);
        if (kept.count < count_max && kept.bytes + chunk->bytes <= bytes_max)
            sm_arena_list_append(&kept, chunk);
        else
            unmap(store, chunk);
    }
    *list = kept;
}

static void trim_to_mean(struct arena_store *store, uint64_t chunk_count, uint64_t large_bytes)
{
    sm_arena_mean_add(&store->chunk_use, chunk_count);
    sm_arena_mean_add(&store->large_use, large_bytes);
    uint64_t mean = sm_arena_mean(&store->chunk_use), least = store->keep_bytes / store->chunk_bytes;
    trim(store, &store->chunks, mean > least ? mean : least, UINT64_MAX);
    trim(store, &store->large, UINT64_MAX, sm_arena_mean(&store->large_use));
}

static void trim_to_bytes(struct arena_store *store, uint64_t bytes_max)
{
    trim(store, &store->chunks, UINT64_MAX, bytes_max);
    trim(store, &store->large, UINT64_MAX, bytes_max - store->chunks.bytes);
}

void sm_arena_give_back(struct arena_store *store, struct arena_list *chunks, struct arena_list *large)
{
    uint64_t chunk_count = chunks->count, large_bytes = store->large_peak_bytes;
    store->large_peak_bytes = 0;
    poison_list(chunks);
    poison_list(large);
    list_prepend_all(&store->chunks, chunks);
    list_prepend_all(&store->large, large);
    if (store->pages == ARENA_PAGES_RETAIN)
        trim_to_mean(store, chunk_count, large_bytes);
    else
        trim_to_bytes(store, store->pages == ARENA_PAGES_DROP ? 0 : store->keep_bytes);
}
