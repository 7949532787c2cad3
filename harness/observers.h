/**
 * Observer threads: readers that walk the heap under guards while its owner writes.
 *
 * Each pins its guard, walks at random from the roots of one provider, checks every header it meets,
 * and unpins. One of them may be told to stall: to hold its guard for a time, or until the end.
 */
#ifndef HX_OBSERVERS_H
#define HX_OBSERVERS_H

#include "control.h"
#include "sapimem/roots.h"
#include "stall.h"

#include <stdbool.h>

/** What to start. */
struct hx_observers_config {
    struct sm_manager *mm;
    const char *observed_roots;       /**< provider to walk from; NULL: guards only */
    unsigned count;                   /**< at most HX_OBSERVERS_MAX */
    const struct hx_stall *stall;     /**< NULL: none */
    const struct hx_control *control; /**< whose clock starts the stall */
    uint64_t seed;
};

struct hx_observers;

/** What the observers did and found. */
struct hx_observers_result {
    uint64_t guards;         /**< outermost pins that ended */
    uint64_t objects_read;   /**< headers checked */
    uint64_t broken_objects; /**< headers no live object has: reclaimed under a guard */
};

/**
 * Start the threads and wait until all are registered.
 *
 * Errors: SM_ERR_SYSTEM or what registration said, with a line; nothing runs then.
 * Threads: the manager's owner.
 */
sm_status hx_observers_start(const struct hx_observers_config *config, struct hx_observers **observers,
                             struct sm_error *error);

/** End every stall and guard, join the threads, say what they did. NULL is fine: all zero. */
struct hx_observers_result hx_observers_stop(struct hx_observers *all);

/** CPU time that all of them have used so far; 0 for NULL. */
uint64_t hx_observers_cpu_ns(const struct hx_observers *all);

#endif
