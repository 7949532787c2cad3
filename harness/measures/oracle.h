/**
 * Independent, exact reachability: what a run leaked and what it retained.
 *
 * Uses nothing of the policy but its roots' enumeration, its types' trace functions and its walk; has
 * its own visited set. Run after the final quiesce, while nothing allocates.
 */
#ifndef HX_ORACLE_H
#define HX_ORACLE_H

#include "sapimem/manager.h"

struct hx_oracle_result {
    uint64_t retained_objects, retained_bytes; /**< reachable from the roots */
    uint64_t leaked_objects, leaked_bytes;     /**< the manager still has them, nothing reaches them */
    uint64_t missing_objects;                  /**< reachable, yet not among the manager's objects: freed too early */
    uint64_t broken_objects;                   /**< reachable, with a header no live object has */
};

/**
 * Compare the objects of `mm` with what its roots reach. Payload bytes throughout.
 *
 * Errors: SM_ERR_OUT_OF_MEMORY when there is no room for the visited set.
 */
sm_status hx_oracle_run(struct sm_manager *mm, struct hx_oracle_result *result);

#endif
