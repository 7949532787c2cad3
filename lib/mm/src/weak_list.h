/**
 * The weak cells and weak entries of a tracing policy: lists through the cells themselves, and what they
 * handed out since the last safepoint.
 *
 * Invariants. In one of the lists is every cell that is alive and whose target is; a cell leaves them when either dies,
 * and is never linked again. An entry is a cell with a value, a strong edge: when its target dies, the value goes
 * with it. What the value held lives to the end of that cycle. Counts (R12) are not touched: like every owner that
 * dies by tracing, an entry never decrements.
 * A cell is younger than its target, so one that outlived a sweep has a target that did: a young cycle need only look
 * at the cells made since.
 *
 * A policy that uses this gives it one bit of its own flag byte.
 *
 * Memory order. The owner's alone, but for the values of entries, which observers and a marker may be reading as any
 * edge: they are cleared by sm_store_move. `target` and `next` are no edges, and nobody else reads them.
 */
#ifndef SM_WEAK_LIST_H
#define SM_WEAK_LIST_H

#include "sapimem/policy.h"
#include "weak.h"

enum {
    /** Flag: some weak cell refers to the object, or did. */
    SM_WEAKLY_REFERRED = 0x0800,
    /** Results of sm_weak_list_get that are told apart between two safepoints. */
    SM_WEAK_HANDED_OUT_MAX = 16,
};

/** Where a cell stands. */
enum sm_weak_age {
    SM_WEAK_YOUNG,         /**< made since the last young or whole sweep: its target may be young */
    SM_WEAK_OLD,           /**< outlived one */
    SM_WEAK_UNSWEPT_YOUNG, /**< a sweep in pieces is still to come to it: young when that began, */
    SM_WEAK_UNSWEPT,       /**< and old */
    SM_WEAK_AGE_COUNT,
};

/** Zeroed: empty. */
struct sm_weak_list {
    struct sm_weak_cell *cells[SM_WEAK_AGE_COUNT]; /**< linked through sm_weak_cell.next */
    uint32_t handed_out_count; /**< above SM_WEAK_HANDED_OUT_MAX: every target counts as handed out */
    /** Since the last safepoint: an emergency's roots, as the C code may hold nothing else. */
    struct sm_object *handed_out[SM_WEAK_HANDED_OUT_MAX];
};

/** Put in a fresh cell or entry that already holds its target. */
void sm_weak_list_add(struct sm_weak_list *list, struct sm_object *cell);

/** The target, or NULL, to look at only: nobody gets it, so it may be one that died and is not swept yet. */
struct sm_object *sm_weak_list_target(const struct sm_object *cell);

/**
 * The target, or NULL. The only door to it, so that a concurrent marker can shade what passes (R9).
 *
 * A policy whose sweep is in pieces asks sm_weak_list_target first, and does not open it for what has died.
 */
struct sm_object *sm_weak_list_get(struct sm_weak_list *list, const struct sm_object *cell);

/** A safepoint: what was handed out is in nobody's locals any more. */
void sm_weak_list_handed_back(struct sm_weak_list *list);
/** Visit what was handed out since then, as roots. */
void sm_weak_list_visit_handed_out(const struct sm_weak_list *list, struct sm_visitor *visitor);

/** After marking: drop cells that died, clear those whose target did. Ends a sweep in pieces. Cost: O(weak cells). */
void sm_weak_list_sweep(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context);

/** The same after a young cycle, which asks about nothing else: for the young cells alone. Cost: O(young cells). */
void sm_weak_list_sweep_young(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context);

/**
 * Begin a sweep in pieces of all cells there are; between them the program runs, makes cells, which count as live and as
 * young, and gives up objects. Those that a sweep given up before its end has not come to are swept first.
 *
 * No memory of what died goes before the sweep has ended, and nothing is marked anew. Cost: O(1), or O(those cells).
 */
void sm_weak_list_sweep_begin(struct sm_weak_list *list);

/** Go on with the next `budget` cells, range 1 and up. Returns whether the sweep has ended, also when none was begun. */
bool sm_weak_list_sweep_some(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context,
                             size_t budget);

/** `object` is about to be given up by hand: the same for it alone. Cost: O(weak cells) when it has or is one. */
void sm_weak_list_forget(struct sm_weak_list *list, struct sm_manager *mm, struct sm_object *object);

#endif
