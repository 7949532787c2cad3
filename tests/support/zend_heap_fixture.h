/**
 * A heap of the model of Zend's allocator, without a policy: the manager only grants memory and has the list heads.
 */
#ifndef ZEND_HEAP_FIXTURE_H
#define ZEND_HEAP_FIXTURE_H

#include "manager_fixture.h"

#include "refcount/zend_heap.h"

#define MIB (UINT64_C(1) << 20)
#define LARGE_MAX ((size_t)ZEND_USABLE_PAGES * ZEND_PAGE_BYTES - SM_HEADER_BYTES)

struct heap_fixture {
    struct sm_manager *mm;
    struct zend_heap heap;
};

/** A heap that may hold what `config` allows; its policy is overruled. */
void heap_open_config(struct heap_fixture *fixture, const struct sm_config *config);
void heap_open(struct heap_fixture *fixture);
/** Nothing is committed any more then. */
void heap_close(struct heap_fixture *fixture);

/** What is committed is the chunks and the huge blocks. */
void heap_assert_committed(const struct heap_fixture *fixture);

/** A block as the manager allocates it: inline, refilled and inline again, or out of line. NULL when refused. */
struct sm_object *try_block(struct heap_fixture *fixture, size_t payload_bytes);
/** Likewise; fails the test when refused. */
struct sm_object *block_new(struct heap_fixture *fixture, size_t payload_bytes);
void block_free(struct heap_fixture *fixture, struct sm_object *block);
/** Returns false, and changes nothing, when the block cannot keep its place. */
bool block_resize(struct heap_fixture *fixture, struct sm_object *block, size_t payload_bytes);

/** Payload of a large block of exactly so many pages. */
size_t large_payload(size_t page_count);

#endif
