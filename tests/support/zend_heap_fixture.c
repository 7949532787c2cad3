#include "zend_heap_fixture.h"

#include "manager_internal.h"

void heap_open_config(struct heap_fixture *fixture, const struct sm_config *config)
{
    struct sm_config chosen = *config;
    chosen.policy = "null";
    fixture->mm = manager_open(&chosen);
    assert_int_equal(sm_committed_bytes(fixture->mm), 0);
    assert_true(zend_heap_init(&fixture->heap, fixture->mm));
}

void heap_open(struct heap_fixture *fixture)
{
    heap_open_config(fixture, &(struct sm_config){0});
}

void heap_close(struct heap_fixture *fixture)
{
    zend_heap_finish(&fixture->heap);
    assert_int_equal(sm_committed_bytes(fixture->mm), 0);
    sm_manager_destroy(fixture->mm);
}

void heap_assert_committed(const struct heap_fixture *fixture)
{
    const struct zend_chunks *chunks = &fixture->heap.chunks;
    uint64_t chunk_bytes = (uint64_t)(chunks->count + chunks->cached_count) * ZEND_CHUNK_BYTES;
    assert_int_equal(sm_committed_bytes(fixture->mm), chunk_bytes + fixture->heap.huge_bytes);
}

struct sm_object *try_block(struct heap_fixture *fixture, size_t payload_bytes)
{
    struct sm_hot *hot = sm_hot(fixture->mm);
    struct sm_object *block = NULL;
    if (payload_bytes <= SM_INLINE_PAYLOAD_MAX) {
        block = sm_take_block(hot, payload_bytes);
        if (block == NULL && zend_heap_refill(&fixture->heap, payload_bytes))
            block = sm_take_block(hot, payload_bytes);
    } else {
        block = zend_heap_alloc(&fixture->heap, payload_bytes);
    }
    if (block != NULL)
        *block = (struct sm_object){.count = 1, .payload_bytes = payload_bytes};
    return block;
}

struct sm_object *block_new(struct heap_fixture *fixture, size_t payload_bytes)
{
    struct sm_object *block = try_block(fixture, payload_bytes);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % SM_ALIGNMENT, 0);
    return block;
}

void block_free(struct heap_fixture *fixture, struct sm_object *block)
{
    zend_heap_free(&fixture->heap, block, (size_t)block->payload_bytes);
}

bool block_resize(struct heap_fixture *fixture, struct sm_object *block, size_t payload_bytes)
{
    if (!zend_heap_resize(&fixture->heap, block, (size_t)block->payload_bytes, payload_bytes))
        return false;
    block->payload_bytes = payload_bytes;
    return true;
}

size_t large_payload(size_t page_count)
{
    return page_count * ZEND_PAGE_BYTES - SM_HEADER_BYTES;
}
