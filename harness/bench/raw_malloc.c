/* The system's malloc, with a free for each object. */
#include "raw_allocator.h"

#include <malloc.h>
#include <stdlib.h>

/** The second is glibc's maximum. */
enum { TRIM_THRESHOLD_BYTES = 1 << 30, MMAP_THRESHOLD_BYTES = 32 << 20 };

void raw_malloc_fix_thresholds(void)
{
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

static struct sm_object *malloc_take(void *source, bool is_leaf, size_t payload_bytes)
{
    (void)source;
    return initialize_block(malloc(sm_block_bytes(payload_bytes)), is_leaf, payload_bytes);
}

/* There is no state; an address that is not NULL says that all went well. */
static void *malloc_open(size_t block_bytes, const char **reason)
{
    static char nothing;
    (void)block_bytes;
    *reason = "malloc is mimalloc's in this process";
    return raw_mimalloc_serves_malloc() ? NULL : &nothing;
}

static void malloc_close(void *source)
{
    (void)source;
}

static void free_all(struct sm_object **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(objects[i]);
}

static bool malloc_batch(void *source, const struct allocation_batch *batch)
{
    if (!fill_batch(malloc_take, source, batch, true))
        return false;
    free_all(batch->objects, batch->object_count);
    return true;
}

static bool malloc_request(void *source, const struct request_program *program, uint64_t *sum)
{
    if (!fill_request(malloc_take, source, program, sum, true))
        return false;
    free_all(program->objects, program->step_count);
    return true;
}

const struct raw_allocator raw_malloc = {
    .name = "raw:malloc", .open = malloc_open, .close = malloc_close, .batch = malloc_batch, .request = malloc_request};
