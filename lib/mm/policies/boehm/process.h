/**
 * The process's one bdwgc heap: its beginning, its hooks, and the managers that share it.
 *
 * Bdwgc's hooks (root callback, events) carry no context pointer, and its heap is the process's. So its state here is
 * a static struct in process.c, the one exception to "all state hangs off a handle". It is the main
 * thread's alone: bdwgc calls the hooks on the thread that allocates or collects.
 */
#ifndef SM_BOEHM_PROCESS_H
#define SM_BOEHM_PROCESS_H

#include "sapimem/policy.h"

struct boehm_policy;

enum { BOEHM_MANAGERS_MAX = 4 };

/** Which roots a collection has beside the managers' own. */
enum boehm_stack {
    BOEHM_STACK_SCANNED,  /**< the owner's C stack and registers, conservatively */
    BOEHM_STACK_LEFT_OUT, /**< at a safepoint */
};

struct boehm_settings {
    uint64_t markers;
    bool incremental;
    uint64_t free_space_divisor; /**< 0: bdwgc's own trigger is off */
};

/** Take a place for `boehm`, starting bdwgc if need be. Errors: SM_ERR_UNSUPPORTED, with the line set. */
sm_status boehm_process_join(struct boehm_policy *boehm, const struct boehm_settings *settings);
/** Free what `boehm` has left in the heap and give up its place. */
void boehm_process_leave(struct boehm_policy *boehm);

/** One stop-the-world collection. `unmap`: give every free block back to the system. */
void boehm_collect_now(struct boehm_policy *boehm, enum boehm_stack stack, bool unmap);

/** Incremental mode, at a safepoint: begin a collection; one piece of it (or of bdwgc's own), as a pause; is there one? */
void boehm_slices_begin(struct boehm_policy *boehm);
void boehm_slice(struct boehm_policy *boehm);
bool boehm_slicing(void);

/** Around every call that may make bdwgc collect: `boehm` takes the pauses. */
void boehm_process_enter(struct boehm_policy *boehm);
void boehm_process_exit(void);

/** Collections that have ended since the start of the process. */
uint64_t boehm_collections(void);

/** Move the objects whose finalizer is due to their managers' ready queues. */
void boehm_finalizers_collect(void);

/** Whose the heap's bytes are. */
struct boehm_account {
    uint64_t charged_bytes;   /**< to the managers that exist */
    uint64_t inherited_bytes; /**< left by managers that ended; charged to nobody while free */
};

struct boehm_account *boehm_account(void);
/** The first of the managers that exist. */
struct boehm_policy *boehm_managers(void);

#endif
