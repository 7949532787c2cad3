/**
 * Status codes: the one error idiom of the library.
 *
 * Every function that can fail returns a status, or NULL with the status kept on the manager.
 * A failed call has no partial effect: the heap is unchanged and usable.
 */
#ifndef SAPIMEM_STATUS_H
#define SAPIMEM_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sm_status {
    SM_OK = 0,
    SM_ERR_OUT_OF_MEMORY,    /**< the limit or the system refused, after one reclamation cycle (R7) */
    SM_ERR_INVALID_ARGUMENT, /**< a value outside its stated range, or an unknown name */
    SM_ERR_STALE_HANDLE,     /**< released, its scope closed, or its request ended */
    SM_ERR_FOREIGN_HANDLE,   /**< made by another manager */
    SM_ERR_GUARD_REQUIRED,   /**< an observer read without a guard */
    SM_ERR_GUARD_HELD,       /**< waiting for a grace period under a guard would deadlock (R3) */
    SM_ERR_UNSUPPORTED,      /**< the policy lacks the capability */
    SM_ERR_WRONG_THREAD,     /**< owner-only operation called from another thread (R1) */
    SM_ERR_FORKED,           /**< the manager belongs to the parent process (R14) */
    SM_ERR_SYSTEM,           /**< the operating system refused a thread or a mapping */
} sm_status;

struct sm_manager;

/** Status of the manager's last failed call, and the line that explains it ("" when none failed). Threads: owner. */
sm_status sm_error_status(const struct sm_manager *mm);
const char *sm_error_detail(const struct sm_manager *mm);

enum { SM_DETAIL_BYTES = 384 };

/** A status with the sentence that explains it; filled by calls that have no manager to keep it. */
struct sm_error {
    sm_status status;
    char detail[SM_DETAIL_BYTES];
};

/** Name of `status` as written in code, for example "SM_ERR_OUT_OF_MEMORY"; never NULL. */
const char *sm_status_name(sm_status status);

#ifdef __cplusplus
}
#endif
#endif
