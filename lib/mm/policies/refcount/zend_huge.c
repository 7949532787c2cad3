/* Huge blocks; zend_huge.h says what. */
#include "refcount/zend_huge.h"

#include "sapimem/policy.h"

#include <sys/mman.h>

/* Payload of a record's block: Zend's records have the same 24 bytes. */
#define RECORD_PAYLOAD_BYTES (sizeof(struct zend_huge) - sizeof(struct sm_object))

/* A refusal may be answered with what nobody uses. */
static void *map(struct zend_heap *heap, size_t mapped_bytes)
{
    void *block = sm_chunk_map(heap->mm, mapped_bytes, ZEND_CHUNK_BYTES);
    if (block == NULL && zend_heap_trim(heap) != 0)
        block = sm_chunk_map(heap->mm, mapped_bytes, ZEND_CHUNK_BYTES);
    return block;
}

void *zend_huge_alloc(struct zend_heap *heap, size_t mapped_bytes)
{
    struct zend_huge *record = zend_heap_alloc(heap, RECORD_PAYLOAD_BYTES);
    if (record == NULL)
        return NULL;
    void *block = map(heap, mapped_bytes);
    if (block == NULL) {
        record->header.payload_bytes = RECORD_PAYLOAD_BYTES;
        zend_heap_free_small(heap, record, RECORD_PAYLOAD_BYTES);
        return NULL;
    }
    record->header = (struct sm_object){.payload_bytes = ZEND_FREE};
    record->block = block;
    record->mapped_bytes = mapped_bytes;
    record->next = heap->huge;
    heap->huge = record;
    heap->huge_bytes += mapped_bytes;
    return block;
}

static struct zend_huge *find(const struct zend_heap *heap, const void *block)
{
    struct zend_huge *record = heap->huge;
    while (record != NULL && record->block != block)
        record = record->next;
    return record;
}

bool zend_huge_contains(const struct zend_heap *heap, const void *pointer)
{
    return find(heap, pointer) != NULL;
}

void zend_huge_free(struct zend_heap *heap, void *block)
{
    struct zend_huge *record = find(heap, block);
    SM_ASSERT(record != NULL);
    struct zend_huge **link = &heap->huge;
    while (*link != record)
        link = &(*link)->next;
    *link = record->next;
    heap->huge_bytes -= record->mapped_bytes;
    sm_chunk_unmap(heap->mm, block, record->mapped_bytes);
    record->header.payload_bytes = RECORD_PAYLOAD_BYTES;
    zend_heap_free_small(heap, record, RECORD_PAYLOAD_BYTES);
}

static bool extend(struct zend_heap *heap, struct zend_huge *record, size_t mapped_bytes)
{
    size_t growth_bytes = mapped_bytes - record->mapped_bytes;
    if (!sm_reserve(heap->mm, growth_bytes))
        return false;
    /* It must not move: the alignment would be lost. */
    if (mremap(record->block, record->mapped_bytes, mapped_bytes, 0) == MAP_FAILED) {
        sm_unreserve(heap->mm, growth_bytes);
        return false;
    }
    heap->huge_bytes += growth_bytes;
    record->mapped_bytes = mapped_bytes;
    return true;
}

static void truncate_to(struct zend_heap *heap, struct zend_huge *record, size_t mapped_bytes)
{
    size_t tail_bytes = record->mapped_bytes - mapped_bytes;
    sm_chunk_unmap(heap->mm, (char *)record->block + mapped_bytes, tail_bytes);
    heap->huge_bytes -= tail_bytes;
    record->mapped_bytes = mapped_bytes;
}

bool zend_huge_resize(struct zend_heap *heap, void *block, size_t mapped_bytes)
{
    struct zend_huge *record = find(heap, block);
    SM_ASSERT(record != NULL);
    if (mapped_bytes > record->mapped_bytes)
        return extend(heap, record, mapped_bytes);
    if (mapped_bytes < record->mapped_bytes)
        truncate_to(heap, record, mapped_bytes);
    return true;
}

void zend_huge_free_all(struct zend_heap *heap)
{
    for (struct zend_huge *record = heap->huge; record != NULL; record = record->next)
        sm_chunk_unmap(heap->mm, record->block, record->mapped_bytes);
    heap->huge = NULL;
    heap->huge_bytes = 0;
}
