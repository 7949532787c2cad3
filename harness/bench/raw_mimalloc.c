/* A mimalloc heap for each batch or request, destroyed with all that is in it. */
#include "raw_allocator.h"
#include "stopwatch.h"

#include <mimalloc.h>
#include <stdlib.h>

static struct sm_object *mimalloc_take(void *source, bool is_leaf, size_t payload_bytes)
{
    return initialize_block(mi_heap_malloc((mi_heap_t *)source, sm_block_bytes(payload_bytes)), is_leaf, payload_bytes);
}

static void *mimalloc_open(size_t block_bytes, const char **reason)
{
    static char nothing;
    (void)block_bytes;
    (void)reason;
    return &nothing;
}

static void mimalloc_close(void *source)
{
    (void)source;
}

static bool mimalloc_batch(void *source, const struct allocation_batch *batch)
{
    (void)source;
    mi_heap_t *heap = mi_heap_new();
    bool filled = heap != NULL && fill_batch(mimalloc_take, heap, batch, false);
    if (heap != NULL)
        mi_heap_destroy(heap);
    return filled;
}

static bool mimalloc_request(void *source, const struct request_program *program, uint64_t *sum)
{
    (void)source;
    mi_heap_t *heap = mi_heap_new();
    bool filled = heap != NULL && fill_request(mimalloc_take, heap, program, sum, false);
    if (heap != NULL)
        mi_heap_destroy(heap);
    return filled;
}

bool raw_mimalloc_serves_malloc(void)
{
    void *block = calloc(1, 64);
    bool serves = block != NULL && mi_is_in_heap_region(block);
    free(block);
    return serves;
}

double raw_mimalloc_reset_seconds(const struct allocation_batch *batch)
{
    mi_heap_t *heap = mi_heap_new();
    if (heap == NULL)
        return -1;
    bool filled = fill_batch(mimalloc_take, heap, batch, false);
    double start = stopwatch_wall_seconds();
    mi_heap_destroy(heap);
    return filled ? stopwatch_wall_seconds() - start : -1;
}

const struct raw_allocator raw_mimalloc = {.name = "raw:mimalloc",
                                           .open = mimalloc_open,
                                           .close = mimalloc_close,
                                           .batch = mimalloc_batch,
                                           .request = mimalloc_request};
