/**
 * Guards: one padded slot per registered thread.
 *
 * Rules of a slot. `epoch` is 0 while the guard holds nothing back and the epoch in which it was
 * pinned otherwise. Pin: the policy's pin first, then the slot; unpin: the slot first, then the
 * policy's unpin. So a thread that finds a slot empty, or newer than a grace period, also sees every
 * read made under the guard as done (sm_guards_synchronized). `nesting` and `offline_depth` belong to the
 * guard's own thread; `seen_*` belong to the owner.
 *
 * `pin`, `unpin` and `repin` do all that the outermost guard needs, the slot included, in one call. By default
 * they ask the policy's operations; a policy may put its own here in guard_register, made of the same
 * sm_guard_publish and sm_guard_withdraw in the same order.
 */
#ifndef SM_GUARD_H
#define SM_GUARD_H

#include "sapimem/policy.h"

#include <pthread.h>

enum { SM_GUARD_NAME_BYTES = 32, SM_CACHE_LINE_PAIR = 128 };

struct sm_guard {
    /* Written by the guard's thread, read by others with the orders stated in guard.c. */
    uint64_t epoch;
    uint64_t sequence; /**< counts pins, so that two pins in one epoch differ */
    const char *site;
    /* The guard's own thread only. */
    uint32_t nesting;
    uint32_t offline_depth;
    bool is_owner;
    struct sm_policy *policy;
    void (*pin)(struct sm_guard *guard, const char *site);
    void (*unpin)(struct sm_guard *guard);
    void (*repin)(struct sm_guard *guard, const char *site);
    uint64_t *manager_epoch; /**< sm_guards.epoch; only through the owner's guard is it written */
    struct sm_manager *mm;
    void *policy_state; /**< the policy's own, for its registration */
    pthread_t thread;
    struct sm_guard *next; /**< list of all guards; under sm_guards.lock */
    /* The owner's, when it looks at ages. */
    uint64_t seen_sequence;
    uint64_t seen_since_ns;
    char name[SM_GUARD_NAME_BYTES];
} __attribute__((aligned(SM_CACHE_LINE_PAIR)));

struct sm_guards {
    struct sm_guard owner;
    uint64_t epoch;       /**< the manager's epoch; the owner writes it, any thread reads it */
    pthread_mutex_t lock; /**< the list; never held across a grace period */
    pthread_cond_t allowed_changed;
    bool allowed;           /**< observers may read: the owner publishes its stores; under `lock` */
    uint32_t allow_wait_ms; /**< how long sm_observer_register waits for the owner */
    size_t observer_count;  /**< under `lock` */
    uint64_t stall_count;
};

/** Whether epoch `left` came before `right`. Epochs wrap; no two that are compared lie half their range apart. */
static inline bool sm_epoch_is_before(uint64_t left, uint64_t right)
{
    return left - right > UINT64_MAX / 2;
}

/** Advance the manager's epoch. Threads: owner. */
static inline uint64_t sm_epoch_step(uint64_t *manager_epoch)
{
    /* Only the owner writes, so no read-modify-write is needed. In a guard's slot 0 says "not pinned": it is no epoch. */
    uint64_t epoch = __atomic_load_n(manager_epoch, __ATOMIC_RELAXED) + 1;
    if (SM_UNLIKELY(epoch == 0))
        epoch = 1;
    /* Pairs with the acquire in sm_epoch_read. */
    __atomic_store_n(manager_epoch, epoch, __ATOMIC_RELEASE);
    return epoch;
}

static inline uint64_t sm_epoch_read(const uint64_t *manager_epoch)
{
    /* Pairs with the release in sm_epoch_step. */
    return __atomic_load_n(manager_epoch, __ATOMIC_ACQUIRE);
}

/** Fill the guard's slot: from now on it is a guard of `epoch`. The policy already holds reclamation back. Threads: the guard's own. */
static inline void sm_guard_publish(struct sm_guard *guard, uint64_t epoch, const char *site)
{
    __atomic_store_n(&guard->sequence, guard->sequence + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&guard->site, site, __ATOMIC_RELAXED);
    /* Pairs with the acquire in read_guard: who sees the epoch sees its site. */
    __atomic_store_n(&guard->epoch, epoch, __ATOMIC_RELEASE);
}

/** Empty the guard's slot, before the policy lets go. Threads: the guard's own. */
static inline void sm_guard_withdraw(struct sm_guard *guard)
{
    /* Pairs with the acquire in sm_guards_synchronized: reads made under the guard are done. */
    __atomic_store_n(&guard->epoch, 0, __ATOMIC_RELEASE);
}

sm_status sm_guards_init(struct sm_manager *mm);
void sm_guards_finish(struct sm_manager *mm);

/** Register the owner with the policy, once the policy exists; and the end of it. */
sm_status sm_guards_attach_owner(struct sm_manager *mm);
void sm_guards_detach_owner(struct sm_manager *mm);

/** Let observers in: turn publication of stores on and wake those who wait. Threads: owner. */
void sm_guards_allow(struct sm_manager *mm);

/**
 * Whether an observer is registered with this manager.
 *
 * One that registers later takes the guards' lock after this look, so it sees all that the owner had unlinked before.
 * Threads: owner.
 */
bool sm_guards_have_observers(struct sm_manager *mm);

/** The longest-pinned guard but the owner's; false when there is none. Threads: owner. */
bool sm_guards_oldest_observer(struct sm_manager *mm, struct sm_guard_report *report);

#endif
