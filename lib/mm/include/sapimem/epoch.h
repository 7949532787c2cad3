/**
 * Guards and epochs: how threads keep retired memory from being reused under them.
 *
 * Each run-loop iteration of the owner is a pinned guard. Other threads register as observers and
 * read under their own guards. liburcu decides when memory is reusable (R2); the 64-bit epoch here
 * serves tags, reports and ages. Under policies without SM_CAP_PIN the owner's guard only counts its
 * nesting, and observers are refused.
 */
#ifndef SAPIMEM_EPOCH_H
#define SAPIMEM_EPOCH_H

#include "sapimem/object.h"
#include "sapimem/stats.h"
#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A thread's registration and its guard. Opaque; owned by the manager. */
struct sm_guard;

#define SM_STRINGIFY_(x) #x
#define SM_STRINGIFY(x) SM_STRINGIFY_(x)
/** This source line, as a guard's site. */
#define SM_HERE __FILE__ ":" SM_STRINGIFY(__LINE__)

/** The owner thread's guard; registered at creation. It does not outlast a safepoint, at any nesting: there it may repin (R4). */
struct sm_guard *sm_owner_guard(struct sm_manager *mm);

/**
 * Register the calling thread as an observer called `name` (copied, cut at 31 bytes).
 *
 * Returns:     SM_OK and the guard in `*guard`.
 * Errors:      SM_ERR_UNSUPPORTED under a policy without observers; SM_ERR_OUT_OF_MEMORY.
 * Threads:     any but the owner; the guard belongs to the calling thread.
 */
sm_status sm_observer_register(struct sm_manager *mm, const char *name, struct sm_guard **guard);

/**
 * Let observers in from now on: stores become published. Without it the first registration waits, at
 * most two seconds, for the owner's next safepoint (SM_ERR_SYSTEM when there is none).
 *
 * Errors:      SM_ERR_UNSUPPORTED under a policy without observers.   Threads: owner.
 */
sm_status sm_observers_allow(struct sm_manager *mm);

/** End the registration. Must not be pinned. Threads: the guard's own. NULL is fine. */
void sm_observer_unregister(struct sm_guard *guard);

/**
 * Enter the guard; nests.
 *
 * Under the outermost one, whatever was reachable when it began stays readable until it ends.
 * `site` is kept, not copied: a string literal such as SM_HERE.
 * Threads:     the guard's own.   Blocks: no.
 * Orders:      full barrier as liburcu's read lock; pairs with its grace period.
 * Cost:        liburcu's read lock and a few stores of the thread's own; no system call. Nested: a count.
 */
void sm_pin(struct sm_guard *guard, const char *site);
/** Leave it. The owner's outermost hands what was retired under it to reclamation; a grace period that waits for this guard is woken. */
void sm_unpin(struct sm_guard *guard);

/** End the outermost guard and begin a new one: a quiescent point without leaving (R4). Only at nesting 1; otherwise nothing happens. */
void sm_repin(struct sm_guard *guard, const char *site);

/** Around blocking calls: while offline the guard, at any nesting, holds nothing back (R4). The owner may not touch the heap between. */
void sm_offline(struct sm_guard *guard);
void sm_online(struct sm_guard *guard);

/** Nesting depth, and its restoration at the catch point of a longjmp (R14): leaves guards above `depth`. */
uint32_t sm_guard_depth(const struct sm_guard *guard);
void sm_guard_restore(struct sm_guard *guard, uint32_t depth);

/** The manager's epoch: starts at 1, advances at the owner's every outermost pin, repin and sealed batch; 64 bits. Threads: any. */
uint64_t sm_epoch_current(const struct sm_manager *mm);

/**
 * An epoch not after the one in which `object` was allocated, and not before it by more than what the owner allocated in
 * between: tags belong to pages of 4 KiB, and move on with the allocator's window. 0 under a policy without
 * SM_CAP_EPOCH_TAGS. Threads: owner.
 */
uint64_t sm_epoch_of(struct sm_manager *mm, const struct sm_object *object);

/** Fill `reports` with pinned guards, oldest first, at most `capacity`. Returns how many there are. Threads: owner. */
size_t sm_guard_reports(struct sm_manager *mm, struct sm_guard_report *reports, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
