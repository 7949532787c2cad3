/**
 * A census of the heap by its roots and edges: what is reachable, and what of the rest
 * only a cycle collector would find.
 *
 * Uses the walk, the roots and the trace functions alone; meant for heaps of test size.
 */
#ifndef HEAP_CENSUS_H
#define HEAP_CENSUS_H

#include "sapimem/manager.h"

struct heap_census {
    uint64_t object_count; /**< that the walk shows */
    uint64_t reachable_count;
    uint64_t reachable_block_bytes; /**< headers and rounding included */
    uint64_t dead_count;            /**< not reachable */
    uint64_t
        dead_in_cycles_count; /**< of those: in a cycle, or held by one, so that counting references never frees them */
    uint64_t dead_to_living_edges; /**< edges from dead objects to reachable ones */
};

/** Take the census of `mm`. Fails the test when there is no memory for it. */
void heap_census_take(struct sm_manager *mm, struct heap_census *census);

#endif
