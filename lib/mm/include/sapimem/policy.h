/**
 * The seam: what a policy provides, and what the manager provides to policies.
 *
 * A policy is one struct that starts with `struct sm_policy` and one const ops table. Only mm/src
 * calls through the table, always on the owner thread unless stated; accounting, limits, pause timing
 * and fault injection live there, once. Required operations are never NULL; an optional one is NULL
 * exactly when its capability bit is clear, and creation checks that.
 */
#ifndef SAPIMEM_POLICY_H
#define SAPIMEM_POLICY_H

#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/manager.h"
#include "sapimem/option.h"
#include "sapimem/roots.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One bit per optional operation or guarantee. */
enum sm_capability {
    SM_CAP_RESIZE = 1u << 0,     /**< resize: in place */
    SM_CAP_FREE = 1u << 1,       /**< free: explicit */
    SM_CAP_BARRIER = 1u << 2,    /**< store_slow */
    SM_CAP_COUNTS = 1u << 3,     /**< value_dead, value_candidate: every value and pointer is counted, inline */
    SM_CAP_PIN = 1u << 4,        /**< guard_register, guard_unregister, pin, unpin, repin, offline, online */
    SM_CAP_COLLECT = 1u << 5,    /**< collect */
    SM_CAP_RETIRE = 1u << 6,     /**< retire */
    SM_CAP_WEAK = 1u << 7,       /**< weak_make, weak_get; without it weak cells never clear before request end */
    SM_CAP_EPOCH_TAGS = 1u << 8, /**< epoch_of */
    SM_CAP_OBSERVERS = 1u << 9,  /**< guarantee: other threads may read under guards; implies SM_CAP_PIN */
    SM_CAP_BULK_FREE = 1u << 10, /**< guarantee: request_end frees everything the request allocated */
    SM_CAP_CONCURRENT =
        1u
        << 11, /**< guarantee: marks beside the program, on as many threads as sm_collector_threads says; implies SM_CAP_COLLECT */
    SM_CAP_DEATHS = 1u << 12, /**< known_dead: what counts beside tracing show to be dead is reused */
};

/** Name of one capability bit ("resize", ...); NULL for a bit that means nothing. */
const char *sm_capability_name(uint32_t bit);

enum sm_alloc_form {
    SM_FORM_NONE,   /**< every allocation asks alloc_slow */
    SM_FORM_WINDOW, /**< the bump window; refill moves it */
    SM_FORM_LISTS,  /**< size-class heads; refill fills one */
};

/** First member of every policy's struct. */
struct sm_policy {
    const struct sm_policy_ops *ops;
    struct sm_manager *mm;
};

/** The operations. Unless stated: called on the owner thread, and must not call back into the public API. */
struct sm_policy_ops {
    const char *name;
    const char *summary; /**< one line */
    uint32_t capabilities;
    enum sm_alloc_form form;
    const struct sm_option *options;
    size_t option_count;
    /** Why this build cannot run it ("libgc was not found at build time"); NULL: available. */
    const char *unavailable;

    /**
     * Make the policy; `options` outlives it. May fail with any status, detail through sm_policy_fail. Where options
     * decide what it can do, its `ops` is another table of the same policy, with capabilities of its own (never SM_CAP_COUNTS).
     */
    sm_status (*create)(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy);
    /** Free everything. Destructors have run; the owner is unpinned. */
    void (*destroy)(struct sm_policy *policy);
    /** One block of sm_block_bytes(payload_bytes), 16-byte aligned, any contents; NULL when memory is refused. Not timed. */
    void *(*alloc_slow)(struct sm_policy *policy, size_t payload_bytes);
    /** Make the inline form able to serve `payload_bytes` (at most SM_INLINE_PAYLOAD_MAX). False: use alloc_slow. Not timed. */
    bool (*refill)(struct sm_policy *policy, size_t payload_bytes);
    /** Change the payload room of `object` in place; the manager updates its header. False: cannot. */
    bool (*resize)(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes);
    void (*free)(struct sm_policy *policy, struct sm_object *object);
    /** Perform the store, however the policy wants it; counts nothing. `is_pointer`: the slot is a plain pointer, `value` holds the target. */
    void (*store_slow)(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                       struct sm_value value);
    /** `object` lost its last count: run its destructor, free it and what only it held. */
    void (*value_dead)(struct sm_policy *policy, struct sm_object *object);
    /** `object` lost a count and keeps others: it may be the root of a dead cycle. Sets SM_OBJECT_CANDIDATE if it keeps it. */
    void (*value_candidate)(struct sm_policy *policy, struct sm_object *object);
    /**
     * Beside tracing, `object` lost its last count: its holders by value are gone. Some objects have others, and are
     * not dead: those with SM_OBJECT_SHARED or SM_OBJECT_INTERNED. Never called for one whose destructor
     * is to run.
     */
    void (*known_dead)(struct sm_policy *policy, struct sm_object *object);
    /** The calling thread's registration with the reclamation domain; on the guard's thread. */
    sm_status (*guard_register)(struct sm_policy *policy, struct sm_guard *guard);
    void (*guard_unregister)(struct sm_policy *policy, struct sm_guard *guard);
    /** Outermost pin and unpin; on the guard's thread. Nesting, sites and epochs are the manager's. */
    void (*pin)(struct sm_policy *policy, struct sm_guard *guard);
    void (*unpin)(struct sm_policy *policy, struct sm_guard *guard);
    void (*repin)(struct sm_policy *policy, struct sm_guard *guard);
    void (*offline)(struct sm_policy *policy, struct sm_guard *guard);
    void (*online)(struct sm_policy *policy, struct sm_guard *guard);
    /** At every safepoint that has work, before the manager's own cycle decision. */
    void (*safepoint)(struct sm_policy *policy);
    /**
     * One whole cycle, or the beginning of one (sm_cycle_open). In an emergency every object allocated since the last
     * safepoint is a root. `record` is zeroed but for trigger and clock; its kind is full unless the policy says
     * otherwise. Timed by the manager, which adds to pause_ns and cpu_ns and raises max_pause_ns. The record is counted
     * when this returns SM_OK, unless a cycle is open then, or sm_cycle_report or sm_cycle_close has counted it.
     * Manual, emergency and quiesce triggers leave no cycle open.
     */
    sm_status (*collect)(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record);
    void (*retire)(struct sm_policy *policy, struct sm_object *object);
    /** `cell` is a fresh SM_TYPE_WEAK_CELL or SM_TYPE_WEAK_ENTRY that already holds its target. */
    sm_status (*weak_make)(struct sm_policy *policy, struct sm_object *cell);
    struct sm_object *(*weak_get)(struct sm_policy *policy, struct sm_object *cell);
    /** A finalizer was registered for `object`; the shared table (finalizer.h) already has it. */
    sm_status (*finalizer_register)(struct sm_policy *policy, struct sm_object *object);
    void (*request_begin)(struct sm_policy *policy);
    /** Destructors that are due have run; handles are stale. */
    void (*request_end)(struct sm_policy *policy);
    /** Drain the backlog; blocks. SM_ERR_GUARD_HELD, with the line set, where waiting would deadlock (R3). */
    sm_status (*quiesce)(struct sm_policy *policy);
    void (*walk)(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context);
    /** Add what only the policy knows (backlog, reclaimed, live) to a snapshot that the manager has begun. */
    void (*stats)(const struct sm_policy *policy, struct sm_stats *stats);
    bool (*is_valid)(struct sm_policy *policy, const struct sm_object *object);
    uint64_t (*epoch_of)(struct sm_policy *policy, const struct sm_object *object);
};

/** The built-in policies, in the order of policies.def; `index` past the end gives NULL. Threads: any. */
const struct sm_policy_ops *sm_policy_table(size_t index);
const struct sm_policy_ops *sm_policy_find(const char *name);

/* ---- What the manager gives to policies. ---- */

/**
 * Ask leave to hold `bytes` more of the system's memory: the limit, then fault injection.
 *
 * Threads:     owner.   Returns false when refused; nothing is counted then.
 */
bool sm_reserve(struct sm_manager *mm, size_t bytes);
/** Give back what sm_reserve granted. Threads: any. Orders: release; pairs with the acquire in sm_reserve. */
void sm_unreserve(struct sm_manager *mm, size_t bytes);

/** Inside create of a policy with SM_CAP_DEATHS: where arrays and references are counted, count holders of SM_TAG_COUNTED_LEAF as well. */
void sm_leaves_count(struct sm_manager *mm);

/** Inside alloc_slow and refill: whether the block is for an object without edges. */
bool sm_alloc_is_leaf(const struct sm_manager *mm);

/** Whether a cycle is to come before every allocation (sm_config.collect_every_alloc): then the inline forms stay empty. */
bool sm_collects_every_alloc(const struct sm_manager *mm);

/** Map and unmap whole chunks, `bytes` a multiple of the page size, `alignment` a power of two at least a page; counted through sm_reserve. NULL: refused. */
void *sm_chunk_map(struct sm_manager *mm, size_t bytes, size_t alignment);
void sm_chunk_unmap(struct sm_manager *mm, void *chunk, size_t bytes);

/** Count bytes a policy holds beyond payloads. */
void sm_count_policy_bytes(struct sm_manager *mm, uint64_t bytes);

/** Ask for a cycle, trigger threshold, at the next safepoint at which cycles are enabled: the pacing of policies that count roots. */
void sm_cycle_request(struct sm_manager *mm);

/**
 * Ask for a young cycle: collect with SM_COLLECT_YOUNG and SM_TRIGGER_BOUNDARY at the next safepoint, inside
 * sm_policy_ops.safepoint at this one.
 *
 * A full cycle that is due there comes instead. The request is dropped while cycles are disabled, and while one is
 * open (R10: no young cycle while marking). Threads: owner.
 */
void sm_young_request(struct sm_manager *mm);

/**
 * A full cycle began that goes on beside the program, or in slices between.
 *
 * Until it is closed no threshold cycle is due; manual, periodic and emergency ones and those of a quiesce are, and
 * the policy finishes the open one first. Not nested; the books that stats reads are in order.
 * Threads: owner, inside collect or sm_policy_ops.safepoint.
 */
void sm_cycle_open(struct sm_manager *mm);

/**
 * Count one cycle that the policy ran: `record` gets its index, and its clock_bytes if they are 0.
 *
 * Inside collect a record without pause_ns gets the time and CPU since collect began or last reported. A young cycle
 * moves the paced deadline to where what lives has grown by a threshold since the last full one: it counts allocation
 * that no young cycle took back.
 * A full one sets new deadlines. Hooks run, so the books that stats reads are in order. `record` is counted once: as
 * that of collect it may be passed here, and is not counted again. Threads: owner, inside collect or sm_policy_ops.safepoint.
 */
void sm_cycle_report(struct sm_manager *mm, struct sm_cycle_record *record);

/** As sm_cycle_report, of the full cycle that is open, which it no longer is then; pacing learns from it. */
void sm_cycle_close(struct sm_manager *mm, struct sm_cycle_record *record);

bool sm_cycle_is_open(const struct sm_manager *mm);

/** How many threads are to mark beside the owner, 0 or 1: sm_config.collector_threads, decided. Threads: any. */
uint32_t sm_collector_threads(const struct sm_manager *mm);

/** Possible roots that a counting policy buffers before it asks for its first cycle: pacing zend:N, range 2 and up. */
uint32_t sm_root_threshold(const struct sm_manager *mm);

/** Ask for sm_policy.safepoint at the owner's next safepoint. Threads: any. */
void sm_attention_request(struct sm_manager *mm);

/** Time a stop of the owner; nested calls count as part of the outermost. */
void sm_pause_begin(struct sm_manager *mm, enum sm_pause_cause cause);
void sm_pause_end(struct sm_manager *mm);

/**
 * What lies between these two, inside a pause, is the instrument's own and not part of it: a count of survivors that
 * the policy itself would not make. CPU and wall time of the run have it all the same. Not nested.
 */
void sm_pause_aside_begin(struct sm_manager *mm);
void sm_pause_aside_end(struct sm_manager *mm);

/** Put a status and a printf-style line on the manager; returns the status. */
sm_status sm_policy_fail(struct sm_manager *mm, sm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Advance the manager's epoch; returns the new one. Threads: owner. */
uint64_t sm_epoch_advance(struct sm_manager *mm);

/** Whether the owner is pinned; its guard is offline for the duration of a wait between these two. Only at a safepoint or in an emergency. */
void sm_owner_wait_begin(struct sm_manager *mm);
void sm_owner_wait_end(struct sm_manager *mm);

/** Re-age guards: a guard pinned in the same epoch as at the last look grows older. Threads: owner. */
void sm_guards_observe_ages(struct sm_manager *mm);
/** After a grace period: an acquire load of every guard slot; pairs with the release in unpin, so that tools that do not know liburcu see the order. Threads: any. */
void sm_guards_synchronized(struct sm_manager *mm);

/** Report the oldest guard through the hook and count it. Returns false when no guard is pinned but the owner's. */
bool sm_guard_stall_report(struct sm_manager *mm, struct sm_guard_report *report);

/**
 * Take a SM_OBJECT_FINALIZABLE object out of the finalizer table and run its destructor now; may be nested.
 *
 * The policy holds one count of it meanwhile and looks at the count afterwards: the destructor may have resurrected it.
 */
void sm_finalizer_run_now(struct sm_manager *mm, struct sm_object *object);

/** Whether the innermost destructor that runs was started by its object's last drop (or by sm_finalizer_run_now outside a cycle). */
bool sm_finalizer_is_prompt(const struct sm_manager *mm);

/** Finalizer table, shared by all policies. `is_live` says whether the policy marked an object. */
typedef bool sm_is_live(void *context, const struct sm_object *object);
/** Move every registered object that is not live to the ready queue (a root provider); returns how many moved. */
size_t sm_finalizers_select(struct sm_manager *mm, sm_is_live *is_live, void *context);
/** Visit the ready queue's objects; the policy marks them and what they reach (R5). */
void sm_finalizers_visit_ready(struct sm_manager *mm, struct sm_visitor *visitor);

#ifdef __cplusplus
}
#endif
#endif
