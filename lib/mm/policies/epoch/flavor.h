/**
 * liburcu's flavours behind one table: the only door through which the policy reaches liburcu.
 *
 * Each flavour is compiled in a file of its own, because the flavours' headers cannot be included
 * together; `<urcu/...>` appears nowhere else.
 */
#ifndef SM_EPOCH_FLAVOR_H
#define SM_EPOCH_FLAVOR_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_guard;
struct sm_policy;

/** What an outermost guard does in one call; struct sm_guard says when each is called. */
struct epoch_guard_paths {
    void (*pin)(struct sm_guard *guard, const char *site);
    void (*unpin)(struct sm_guard *guard);
    void (*repin)(struct sm_guard *guard, const char *site);
};

/**
 * What waits in liburcu's queue for its grace period: part of what is to be freed, untouched until `function` runs.
 *
 * The size of struct rcu_head, which only the flavours' files know; they check that it fits.
 */
struct epoch_deferred {
    alignas(void *) unsigned char head[2 * sizeof(void *)];
    void (*function)(struct epoch_deferred *deferred); /**< set by `call` */
};

/**
 * What one flavour does.
 *
 * Going offline is `unlock` and coming back is `lock` in every flavour: memb, mb and bp hold nothing
 * back outside a read lock, and qsbr's read lock here is "online", its unlock "offline".
 *
 * Two more back-ends of liburcu's own have their doors here. Both run functions after a grace period, on a
 * thread of the flavour's: there R3 holds as well, no lock may be needed that somebody keeps while waiting for
 * these functions, and neither back-end may be called from inside a function but for `call`. liburcu is not
 * annotated for the thread sanitizer; what is ordered in its terms is said at each.
 *
 * Fork (R14): liburcu's threads do not survive it. In the child `call` and `defer` queue for nobody, and
 * `call_barrier`, `defer_register`, `defer_unregister` and the defer barriers may never return: a child uses none.
 *
 * Threads of liburcu 0.13.2 block no signals of their own accord; they inherit the mask of whoever was the first to
 * need them. Whoever keeps the embedder's signals from them blocks all around the first `call` and around
 * `defer_register`.
 */
struct epoch_flavor {
    const char *name;
    uint32_t index;                /**< position in the option's choices, and in the thread's use counts */
    void (*register_thread)(void); /**< leaves the thread unlocked */
    void (*unregister_thread)(void);
    /** What the paths below find in a guard's policy_state: the calling thread's, from its registration on. NULL: they need nothing. */
    void *(*thread_record)(void);
    /** Both nest, over every manager and, but for qsbr, the embedder's own use. Threads: registered ones. */
    void (*lock)(void);
    void (*unlock)(void);
    void (*quiescent)(void);   /**< as unlock, then lock, without leaving; nothing at all under a nested lock */
    void (*synchronize)(void); /**< a whole grace period; never under a lock of any flavour (R3) */
    bool (*read_ongoing)(void);
    /** The owner's guard, which advances the epoch and seals at its end, and an observer's. */
    struct epoch_guard_paths owner, observer;

    /**
     * call_rcu: `function` runs after a grace period on the flavour's worker thread.
     *
     * The first call in the process starts the worker, which stays until the process ends, also when its last manager
     * does not: it then sleeps, and dies with the process at exit, what is queued by then unrun. It gathers for
     * 10 ms before each grace period. Without memory or a thread for it liburcu ends the process.
     *
     * Threads:     registered ones, under a lock or not; also the worker, from a function.
     * Blocks:      no; the first call takes a lock that no waiting for readers is done under.
     * Orders:      what the caller did before happens before `function`, to tools as well.
     */
    void (*call)(struct epoch_deferred *deferred, void (*function)(struct epoch_deferred *deferred));
    /**
     * rcu_barrier: wait until all functions have run that were given to `call` before, by any thread.
     *
     * Threads:     any but the worker; never under a lock of any flavour (R3): memb, mb and bp would print an error
     *              and return at once, qsbr would silently become quiescent.
     * Blocks:      for one or two grace periods, hence for as long as any guard lasts.
     */
    void (*call_barrier)(void);
    /**
     * The calling thread's ring for `defer`; through epoch_thread_defer_register, which counts.
     *
     * The first in the process starts a thread, which the last one's end stops and joins. All of these, and
     * `defer` with a full ring, take a lock under which grace periods are waited for and functions run: so
     * never under a lock of any flavour (R3), and never from a function. A thread leaves before it ends, a process
     * before it exits: liburcu aborts when a ring is left then. It also aborts, in 0.13.2, when a thread that gave a
     * ring back takes another one, so a thread has one in its life: best a thread made for it.
     *
     * Returns:     0, or a negative errno without memory.   Blocks: as defer_barrier.
     */
    int (*defer_register)(void);
    void (*defer_unregister)(void); /**< runs what is left in the ring, after a grace period, on the calling thread */
    /**
     * defer_rcu: `function(argument)` runs after a grace period.
     *
     * On the flavour's thread, up to 100 ms and a grace period later; or on whichever thread calls a barrier or
     * finds its ring full (4096 words: one for each argument, more when the function changes) and so waits for the
     * grace period itself. When that will be cannot be known, so never under a lock of any flavour (R3).
     *
     * Threads:     those with a ring.   Orders: nothing that tools see; the argument's content brings its own order.
     */
    void (*defer)(void (*function)(void *argument), void *argument);
    /** Wait for a grace period and run all rings' functions on the calling thread. Never under a lock of any flavour (R3). */
    void (*defer_barrier)(void);
    void (*defer_barrier_thread)(void); /**< of the calling thread's ring only; otherwise the same */
};

enum { EPOCH_FLAVOR_COUNT = 4 };

extern const struct epoch_flavor epoch_flavor_memb;
extern const struct epoch_flavor epoch_flavor_qsbr;
extern const struct epoch_flavor epoch_flavor_mb;
extern const struct epoch_flavor epoch_flavor_bp;

/** Names in the order of the indices, NULL-terminated: the choices of the option. */
extern const char *const epoch_flavor_names[EPOCH_FLAVOR_COUNT + 1];

const struct epoch_flavor *epoch_flavor_get(size_t index);

/**
 * The calling thread's use of a flavour, counted over every manager of the process.
 *
 * liburcu knows threads, not managers: a second registration would corrupt its list. So only the first and the
 * last of a thread's registrations reach liburcu. (A thread that is registered with the same flavour
 * by the embedder's own use of liburcu must not own or observe a manager of that flavour; bp has no
 * such restriction.) Locks nest by themselves, see epoch_flavor.lock.
 */
void epoch_thread_register(const struct epoch_flavor *flavor);
void epoch_thread_unregister(const struct epoch_flavor *flavor);
/**
 * The calling thread's ring, counted likewise; see epoch_flavor.defer_register.
 *
 * Returns:     false without memory, and when the thread gave its last registration back before.
 */
bool epoch_thread_defer_register(const struct epoch_flavor *flavor);
void epoch_thread_defer_unregister(const struct epoch_flavor *flavor);

/** Whether the calling thread is in a guard of any flavour and any manager (R3). */
bool epoch_thread_in_guard(void);

/** The end of the owner's guard finds objects that were retired under it. In epoch.c; the flavours' paths call it. */
void epoch_seal_at_guard_end(struct sm_policy *policy);

#endif
