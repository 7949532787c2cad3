/**
 * The boehm policy: bdwgc (libgc), the conservative collector that a C programmer would pick.
 *
 * One heap. Bdwgc has one heap per process and no way to end it. Managers share it: each object is of a kind
 * that only its manager uses (a leaf kind and a traced one), so that walks and counts can tell them apart, and at its
 * end a manager frees what it has left. Up to BOEHM_MANAGERS_MAX managers may exist at a time, all owned by the
 * process's main thread, which is the one thread bdwgc knows; others are refused with one line. Options
 * that bdwgc reads at its start (markers, incremental) bind the process.
 *
 * Roots. Bdwgc finds none by itself: no static data, no libraries. sm_roots_enumerate of every manager is pushed,
 * and with it all that a manager allocated since its last safepoint. At a safepoint that is all there is,
 * and the C stack is left out, as the contract says that locals are no roots there. A collection at any
 * other moment (bdwgc's own trigger, incremental work, an emergency after sm_weak_get) scans the owner's
 * stack and registers as well. Objects are scanned word by word: bdwgc may take a number for
 * a pointer and keep garbage, so leaked figures are not exact. Recognised are addresses of objects and of their
 * payloads (sm_alloc_bytes), no other interior ones.
 *
 * Who starts collections. By default the manager's pacing, at safepoints, as for every policy: with the same
 * --threshold it has the same room, and bdwgc's own trigger is off. Option free-space-divisor=N turns that trigger on:
 * bdwgc then collects inside allocations after about (live / N) bytes; with --pacing=never it is
 * alone, and the threshold is n/a. incremental=on makes a threshold begin an incremental collection. Bdwgc would do
 * its slices inside allocations, unseen by its events; so it is disabled there, and the policy has it do one slice
 * per 4 KiB allocated, at a safepoint; bdwgc's own trigger is then asked every 64 KiB.
 *
 * Pauses. The manager times its cycles, the policy each slice; collections inside allocations are timed by bdwgc's
 * events. A cycle is counted once: by the manager where it began it, by the policy where bdwgc did.
 *
 * Memory. Bdwgc may not grow its heap by itself (the maximum is kept at the present size): when it has no
 * room, the policy asks sm_reserve and grows it. Committed is GC_get_heap_size, what bdwgc has unmapped left out;
 * the sum over all managers is exactly that, and growth is charged to the manager that caused it. Bdwgc's block
 * headers and mark bits are its private memory, which it reports to nobody.
 *
 * Counts. Bdwgc does not tell what died: after a collection the marked objects are counted. That costs time in
 * proportion to the survivors (on cli-queue 2.8 ms of CPU a cycle beside 4.8 ms of bdwgc's own), which is set aside
 * from the pause: it is in the run's CPU time and in no pause. A number can bring back what was counted dead while its cell
 * waits for its sweep; the figures then say less than is kept, until the next count.
 *
 * The end of a manager. What numbers still hold is freed, all at once and until a collection finds nothing more; if four do
 * not suffice, the kinds stay out of use, so that no later manager meets the objects.
 *
 * Finalizers are of the unordered kind; they only flag the object, and the manager's ready queue takes it from there.
 * Weak cells hold a disguised address under a long link, cleared after finalizers (R5).
 * The header comment of process.h says why there is a global here.
 */
#ifndef SM_BOEHM_INTERNAL_H
#define SM_BOEHM_INTERNAL_H

#include "boehm/process.h"

#include "assertion.h"
#include "counters.h"
#include "sapimem/policy.h"
#include "weak.h"

/** Policy's flag bit: bdwgc found the object unreachable, its destructor is due. */
#define BOEHM_DUE (UINT16_C(1) << 8)
/** So much allocation without a safepoint operation asks for one: it bounds what counts as recent. */
#define BOEHM_SAFEPOINT_STEP_BYTES (UINT64_C(64) << 10)
/** While an incremental collection runs: bdwgc does one slice per block of small objects that it opens. */
#define BOEHM_SLICE_STEP_BYTES UINT64_C(4096)
#define BOEHM_LINKS_PER_SEGMENT 510u

/**
 * Objects allocated since the last collection ended, in order. They carry no mark yet, so that only this tells
 * them from free cells; those from `recent_index` on are younger than the last safepoint, and roots.
 */
struct boehm_young {
    struct sm_object **objects;
    size_t count, capacity;
    size_t recent_index;
};

/** Addresses of weak entries, each under a long link of its own: bdwgc zeroes those whose entry died. */
struct boehm_entry_links {
    struct boehm_entry_links *next;
    size_t used_count; /**< slots below it were used once */
    void *entries[BOEHM_LINKS_PER_SEGMENT];
};

struct boehm_policy {
    struct sm_policy base;
    struct boehm_policy *next; /**< in the process's list */
    unsigned slot;
    int leaf_kind, traced_kind;
    struct boehm_young young;
    struct boehm_entry_links *entry_links;
    uint64_t charged_bytes;   /**< of the heap, through sm_reserve */
    uint64_t step_bytes;      /**< allocated since the last safepoint operation */
    uint64_t counted;         /**< the process's collection that the live figures include */
    uint64_t own_collections; /**< that bdwgc began by itself while this manager allocated */
    uint64_t dead_bytes;      /**< payloads, found by cycles */
    bool own_trigger;         /**< free-space-divisor was given */
    bool incremental;
    bool handed_out; /**< sm_weak_get gave something out since the last safepoint */
    bool finalizers_registered;
};

extern const struct sm_policy_ops sm_policy_boehm;

static inline struct boehm_policy *boehm_of(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_boehm);
    return (struct boehm_policy *)(uintptr_t)policy;
}

/* ---- young.c ---- */

/** Room for one more; false: memory was refused. */
bool boehm_young_reserve(struct boehm_policy *boehm);
static inline void boehm_young_push(struct boehm_young *young, struct sm_object *object)
{
    young->objects[young->count++] = object;
}
/** A collection ended: what it kept is marked now, and only the recent ones stay, as roots. */
void boehm_young_collected(struct boehm_young *young);
void boehm_young_finish(struct boehm_policy *boehm);

/* ---- survey.c ---- */

struct boehm_figures {
    uint64_t objects, bytes; /**< payloads */
};

/** Count what the collections since the last call left; what the manager thought alive beyond that is dead. */
struct boehm_figures boehm_find_dead(struct boehm_policy *boehm);
void boehm_walk(struct boehm_policy *boehm, void (*visit)(void *context, struct sm_object *object), void *context);
bool boehm_has(const struct boehm_policy *boehm, const struct sm_object *object);
/** Free the objects that carry a mark; another collection must follow. False: no memory for their list, none was freed. */
bool boehm_free_marked(struct boehm_policy *boehm, size_t *found_count);

/* ---- weak_links.c ---- */

sm_status boehm_weak_make(struct sm_policy *policy, struct sm_object *cell);
struct sm_object *boehm_weak_get(struct sm_policy *policy, struct sm_object *cell);
/** After a collection: entries whose target died give up their value. */
void boehm_entries_sweep(struct boehm_policy *boehm);
void boehm_entries_finish(struct boehm_policy *boehm);

/* ---- heap.c ---- */

/** One block, from bdwgc or after growing its heap; NULL: refused. */
void *boehm_block_alloc(struct boehm_policy *boehm, size_t block_bytes, int kind);
/** Let bdwgc have room for its own books after it failed; false: refused. */
bool boehm_grow_for_books(struct boehm_policy *boehm);
/** Charge or credit what the heap grew or shrank by. False: the growth was refused, and stays uncharged. */
bool boehm_settle_charge(struct boehm_policy *boehm);
/** Give back the charge at the manager's end. */
void boehm_charge_finish(struct boehm_policy *boehm);

#endif
