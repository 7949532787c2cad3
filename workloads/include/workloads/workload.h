/**
 * Workloads: seeded programs that drive a manager, one file each, listed in workloads.def.
 *
 * The harness creates an instance, boots it, steps it (an iteration or a request a step) until the
 * work asked for is done, finishes it and compares checksums over policies. What a workload does
 * depends on its seed and options alone, never on time, addresses, the policy or its statistics.
 */
#ifndef WORKLOADS_WORKLOAD_H
#define WORKLOADS_WORKLOAD_H

#include "sapimem/manager.h"
#include "sapimem/option.h"

/** Deliberate faults: each must turn a check red. */
enum wl_fault {
    WL_FAULT_NONE,
    WL_FAULT_LEAK,      /**< keep one in `fault_period` of the objects that should die reachable for ever */
    WL_FAULT_FLIP_BYTE, /**< change one payload byte at step `fault_period` */
    WL_FAULT_FLIP_EDGE, /**< redirect one edge at step `fault_period` */
};

/** How to create an instance. */
struct wl_config {
    struct sm_config manager;               /**< SAPI already resolved */
    const struct sm_option_values *options; /**< parsed against the workload's table; outlives the instance */
    uint64_t seed;
    bool mutator_work;       /**< opcode-sized work between allocations, at PHP's measured rate */
    bool prompt_destructors; /**< vm_config */
    bool check_trace;        /**< trace replay only: verify reachability of every id named */
    const char *trace_path;  /**< trace replay only */
    /* Trace replay only: what the run asks for. A trace that holds less is replayed in a loop, or refused. */
    uint64_t wanted_steps, wanted_bytes; /**< 0: not asked for */
    bool wants_time;                     /**< as much as there is time for */
    enum wl_fault fault;
    uint64_t fault_period;
};

enum wl_step {
    WL_STEP_MORE,
    WL_STEP_DONE,    /**< the workload has no more work of its own (a trace at its end) */
    WL_STEP_FAILED,  /**< out of memory: status and line are on the manager */
    WL_STEP_INVALID, /**< the workload's own check failed, or the trace is wrong: `error` has the line */
};

/** A request by number, as any process of a burst may get it. */
struct wl_request {
    uint64_t index; /**< from 0; what the request does follows from seed and index alone */
    bool is_cold;   /**< the program is compiled first */
};

struct wl_ops;

/** First member of every workload's state. */
struct wl_instance {
    const struct wl_ops *ops;
    struct sm_manager *mm;   /**< the VM's, or the replayer's own */
    uint64_t checksum;       /**< rolling; see checksum.h */
    uint64_t destructor_sum; /**< commutative sum of destructor effects; folded in after the final drain */
    uint64_t steps_done;     /**< iterations or requests completed */
    struct sm_error error;
    const char *observed_roots; /**< root provider whose graph observers may walk; NULL: none */
};

/** One workload. */
struct wl_ops {
    const char *name;
    const char *summary;   /**< one line */
    enum sm_sapi sapi;     /**< the mode it is written for */
    const char *step_unit; /**< "iteration" or "request" */
    const struct sm_option *options;
    size_t option_count;
    uint64_t default_alloc_bytes; /**< work of a default run, chosen for 5 to 10 s; 0: until WL_STEP_DONE */
    uint64_t default_steps;       /**< likewise in steps; 0: by bytes */

    sm_status (*create)(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error);
    /** One iteration or request, safepoints included. */
    enum wl_step (*step)(struct wl_instance *instance);
    /**
     * Serve a request of its own, whatever the instance did before; in place of `step`. NULL: steps depend on each other.
     * The instance's checksum is then that of this request alone.
     */
    enum wl_step (*serve)(struct wl_instance *instance, const struct wl_request *request);
    /** Verify what lives on and fold it into the checksum; the roots stay. Call once, after the last step. */
    enum wl_step (*finish)(struct wl_instance *instance);
    /** Destroys the VM and its manager too. */
    void (*destroy)(struct wl_instance *instance);
    /** Live bytes by construction (block bytes of what lives on between steps, or of the most that lives inside one where that is more), for --heap-factor; NULL: not known. */
    uint64_t (*analytic_live_bytes)(const struct sm_option_values *options);
    /** Bytes dead by the workload's oracle but not yet freed or retired; NULL: no oracle. Cheap. */
    uint64_t (*garbage_bytes)(const struct wl_instance *instance);
};

/** The built-in workloads in the order of workloads.def; NULL past the end. */
const struct wl_ops *wl_table(size_t index);
const struct wl_ops *wl_find(const char *name);

/** Trace replay ("trace:FILE"), described like a workload but named by a file. */
extern const struct wl_ops wl_trace;

#endif
