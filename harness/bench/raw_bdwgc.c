/*
 * Bdwgc as a C program uses it: GC_MALLOC and GC_MALLOC_ATOMIC, and a collection every CYCLE_PERIOD_BYTES.
 *
 * Bdwgc's one heap and its hooks belong to the policy boehm, which other benchmarks of this process run. So a manager
 * of that policy, with nothing in it, stands by: it takes the events, and its roots are none.
 */
#include "raw_allocator.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include <stdlib.h>

struct bdwgc {
    struct sm_manager *standby;
    uint64_t bytes_since_collection;
};

/* Bdwgc zeroes what it scans. */
static struct sm_object *bdwgc_take(void *source, bool is_leaf, size_t payload_bytes)
{
    (void)source;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    struct sm_object *object = is_leaf ? GC_MALLOC_ATOMIC(block_bytes) : GC_MALLOC(block_bytes);
    if (object != NULL)
        *object = (struct sm_object){
            .count = 1, .type = is_leaf ? SM_TYPE_BYTES : SM_TYPE_VALUES, .payload_bytes = payload_bytes};
    return object;
}

static void *bdwgc_open(size_t block_bytes, const char **reason)
{
    (void)block_bytes;
    static struct sm_error error;
    struct bdwgc *bdwgc = calloc(1, sizeof(*bdwgc));
    if (bdwgc == NULL)
        return NULL;
    const struct sm_config config = {.policy = "boehm", .pacing = "never"};
    if (sm_manager_create(&config, &bdwgc->standby, &error) != SM_OK) {
        *reason = error.detail;
        free(bdwgc);
        return NULL;
    }
    /* Events go to the manager that collected last. */
    (void)sm_collect(bdwgc->standby, SM_COLLECT_FULL);
    GC_set_max_heap_size(0);
    return bdwgc;
}

static void bdwgc_close(void *source)
{
    struct bdwgc *bdwgc = source;
    GC_set_max_heap_size(GC_get_heap_size() + GC_get_unmapped_bytes());
    sm_manager_destroy(bdwgc->standby);
    free(bdwgc);
}

static void collect_when_due(struct bdwgc *bdwgc, uint64_t payload_bytes)
{
    bdwgc->bytes_since_collection += payload_bytes;
    if (bdwgc->bytes_since_collection < CYCLE_PERIOD_BYTES)
        return;
    bdwgc->bytes_since_collection = 0;
    GC_gcollect();
}

static bool bdwgc_batch(void *source, const struct allocation_batch *batch)
{
    bool filled = fill_batch(bdwgc_take, source, batch, false);
    collect_when_due(source, batch->object_count * batch->payload_bytes);
    return filled;
}

static bool bdwgc_request(void *source, const struct request_program *program, uint64_t *sum)
{
    bool filled = fill_request(bdwgc_take, source, program, sum, false);
    collect_when_due(source, program->payload_bytes);
    return filled;
}

const struct raw_allocator raw_bdwgc = {.name = "raw:bdwgc",
                                        .open = bdwgc_open,
                                        .close = bdwgc_close,
                                        .batch = bdwgc_batch,
                                        .request = bdwgc_request,
                                        .has_cycles = true};
