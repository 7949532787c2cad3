/**
 * The system's memory: limit, committed bytes, fault injection, chunks.
 */
#ifndef SM_RESERVE_H
#define SM_RESERVE_H

#include "sapimem/manager.h"

struct sm_reserve_state {
    uint64_t limit_bytes;     /**< 0: none */
    uint64_t committed_bytes; /**< atomic: given back by any thread */
    uint64_t peak_committed_bytes;
    uint64_t request_count; /**< calls of sm_reserve so far */
    uint64_t fail_after;    /**< the request of this number fails; 0: none */
    uint64_t fail_count;    /**< and so many in a row, itself included */
};

void sm_reserve_init(struct sm_reserve_state *reserve, const struct sm_config *config);
uint64_t sm_committed_bytes(const struct sm_manager *mm);

#endif
