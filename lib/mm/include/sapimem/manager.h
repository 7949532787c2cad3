/**
 * The memory manager: one per virtual machine, owned by the thread that created it.
 *
 * It picks its policy from the SAPI mode at creation and routes every call to it. Unless a
 * declaration says otherwise: Threads: owner. Errors leave the heap unchanged and put one line on the
 * manager (sm_error_detail). Two managers in one process are independent.
 */
#ifndef SAPIMEM_MANAGER_H
#define SAPIMEM_MANAGER_H

#include "sapimem/object.h"
#include "sapimem/stats.h"
#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sm_policy_ops;

/** Which PHP server API the virtual machine runs under. */
enum sm_sapi {
    SM_SAPI_CLI, /**< long-running: epoch by default */
    SM_SAPI_FPM, /**< request bursts: arena by default */
};

struct sm_death_recorder;
struct sm_death_schedule;

enum sm_collect_kind {
    SM_COLLECT_FULL,
    SM_COLLECT_YOUNG, /**< a full one where the policy has no generations */
};

/** Who marks, under a policy that can mark beside the program; others ignore it. */
enum sm_collector_threads {
    SM_COLLECTOR_THREADS_AUTO, /**< one when the process may use two CPUs or more, else none */
    SM_COLLECTOR_THREADS_NONE, /**< the owner, in slices */
    SM_COLLECTOR_THREADS_ONE,
};

/** Threshold unless the configuration says otherwise: what scripts/recommend answers on results/reference/epoch.jsonl.xz. */
#define SM_THRESHOLD_DEFAULT_MIB 32
#define SM_THRESHOLD_DEFAULT_BYTES ((uint64_t)SM_THRESHOLD_DEFAULT_MIB << 20)
#define SM_THRESHOLD_MINIMUM_BYTES (UINT64_C(4) << 10)
#define SM_MEMORY_LIMIT_MINIMUM_BYTES (UINT64_C(1) << 20)

/** How to create a manager. A zeroed struct is a CLI manager with every default. */
struct sm_config {
    enum sm_sapi sapi;
    const char *policy; /**< "NAME" or "NAME:key=value,..."; NULL: by SAPI */
    const struct sm_policy_ops
        *custom_policy; /**< an embedder's own; wins over the name, which then holds its options only */
    const char *
        pacing; /**< "fixed:16M", "proportional:1.0", "sqrt:4e-8", "limit:0.2" (with a memory limit), "never", "always", "zend:10001"; NULL: zend under a policy that counts, else fixed:threshold_bytes */
    uint64_t threshold_bytes;     /**< 0: SM_THRESHOLD_DEFAULT_BYTES; giving it and `pacing` is an error */
    uint64_t memory_limit_bytes;  /**< on committed bytes, backlog included; 0: none */
    uint64_t collect_every_bytes; /**< a cycle each so many bytes of the clock, whatever the pacing; 0: never */
    enum sm_collector_threads collector_threads;
    bool collect_every_safepoint; /**< for tests */
    bool
        collect_every_alloc; /**< for tests: an emergency cycle before each allocation that asks the policy, in a heap of n objects above 64 before one in n / 64 */
    bool sharing_counts; /**< count values with SM_TAG_COUNTED beside tracing (R12); policies that count do so anyway */
    uint64_t fail_alloc_after; /**< fault injection: the Nth request for memory from the system fails; 0: never */
    uint64_t fail_alloc_count; /**< so many requests in a row fail then; 0: one; UINT64_MAX: all from there on */
    struct sm_death_recorder *death_recorder; /**< record when objects die (death_schedule.h); outlives the manager */
    struct sm_death_schedule *death_schedule; /**< free by what was recorded, under policy malloc; likewise */
    struct sm_hooks hooks;
};

/**
 * Create a manager, owned by the calling thread.
 *
 * Returns:     SM_OK and the manager in `*mm`.
 * Errors:      SM_ERR_INVALID_ARGUMENT (unknown policy or option, limit below the minimum, threshold and
 *              pacing both given), SM_ERR_OUT_OF_MEMORY, SM_ERR_SYSTEM; `error` (may be NULL) has the line.
 * Threads:     any; the caller becomes the owner. Create after fork, not before (R14).
 */
sm_status sm_manager_create(const struct sm_config *config, struct sm_manager **mm, struct sm_error *error);

/**
 * Run what destructors remain, drain the backlog and give back all memory.
 *
 * NULL is fine. In a forked child nothing is touched. Every observer must have unregistered.
 * Blocks:      for a grace period, at most about a second; what is held back longer is freed behind the caller's back.
 */
void sm_manager_destroy(struct sm_manager *mm);

/** Name of the policy in force. Threads: any. */
const char *sm_policy_name(const struct sm_manager *mm);

/** Capability bits of the policy in force (enum sm_capability). Threads: any. */
uint32_t sm_policy_capabilities(const struct sm_manager *mm);

/** What SM_COLLECTOR_THREADS_AUTO means for this process now, 0 or 1. Threads: any. */
uint32_t sm_collector_threads_auto(void);

enum sm_sapi sm_manager_sapi(const struct sm_manager *mm);

/**
 * Begin or end a request.
 *
 * The end runs destructors that are due, closes every scope, makes every handle stale and lets the
 * policy free what the request allocated; the virtual machine has dropped its roots before.
 * Errors:      SM_ERR_INVALID_ARGUMENT when unbalanced.
 */
sm_status sm_request_begin(struct sm_manager *mm);
sm_status sm_request_end(struct sm_manager *mm);

/**
 * Collect now.
 *
 * Must be called at a safepoint: objects held only by C locals are not roots.
 * Returns:     SM_OK.
 * Errors:      SM_ERR_UNSUPPORTED for a policy without cycles; SM_ERR_GUARD_HELD.
 * May collect: yes.
 */
sm_status sm_collect(struct sm_manager *mm, enum sm_collect_kind kind);

/**
 * Ask for a cycle at the owner's next safepoint.
 *
 * Threads:     any; async-signal-safe.
 */
void sm_collect_request(struct sm_manager *mm);

/**
 * Objects hold `change_bytes` more outside the heap than before, or, negative, fewer: buffers of an extension's own, mapped files.
 *
 * The manager frees none of it; whoever does reports that too, mostly a destructor. Until then it paces full cycles as if
 * it were allocated: a few small objects that hold much make the next one due as many bytes earlier. It is no part of
 * live bytes, of the allocation clock or of what the memory limit bounds. Pacing by possible roots does not see it.
 * Threads:     owner; inside destructors too.
 */
void sm_external_change(struct sm_manager *mm, int64_t change_bytes);

/**
 * Two full cycles, destructors between them, and a drain of the backlog; nothing for policies without cycles.
 *
 * Errors:      SM_ERR_GUARD_HELD when another manager's guard on this thread holds the backlog back.
 * Blocks:      for grace periods, as long as some guard of the process lasts.
 */
sm_status sm_quiesce(struct sm_manager *mm);

/**
 * Run every destructor that has not run, objects in order of registration, as a program's end does.
 *
 * The objects stay allocated. sm_manager_destroy and the end of an FPM request do this themselves.
 */
void sm_finalizers_run_all(struct sm_manager *mm);

/** Pause or resume cycles that a threshold or the policy asks for (gc_disable, gc_enable); manual and emergency ones still run. */
void sm_cycles_enable(struct sm_manager *mm, bool enabled);

/** Visit every object that has not been retired or freed. The visitor must not allocate. */
void sm_walk(struct sm_manager *mm, void (*visit)(void *context, struct sm_object *object), void *context);

/** Whether `object` is one of this manager's objects, not retired and not freed. Cost: up to O(objects). For checked builds and tests. */
bool sm_is_valid(struct sm_manager *mm, const struct sm_object *object);

/** Slow part of sm_safepoint. */
void sm_safepoint_slow(struct sm_manager *mm);

#ifdef __cplusplus
}
#endif
#endif
