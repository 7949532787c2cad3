/**
 * The weak cells and weak entries of a tracing policy: a list through the cells themselves, and what they
 * handed out since the last safepoint.
 *
 * Invariants. In the list is every cell that is alive and whose target is; a cell leaves it when either dies, and
 * is never linked again. An entry is a cell with a value, a strong edge: when its target dies, the value goes
 * with it. What the value held lives to the end of that cycle. Counts (R12) are not touched: like every owner that
 * dies by tracing, an entry never decrements.
 *
 * A policy that uses this gives it one bit of its own flag byte.
 *
 * Memory order. The owner's alone, but for the values of entries, which observers may be reading as any edge: they are
 * cleared by sm_write_slot, with its release. `target` and `next` are no edges, and no observer reads them.
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

/** Zeroed: empty. */
struct sm_weak_list {
    struct sm_weak_cell *cells; /**< linked through sm_weak_cell.next */
    uint32_t handed_out_count;  /**< above SM_WEAK_HANDED_OUT_MAX: every target counts as handed out */
    /** Since the last safepoint: an emergency's roots, as the C code may hold nothing else. */
    struct sm_object *handed_out[SM_WEAK_HANDED_OUT_MAX];
};

/** Put in a fresh cell or entry that already holds its target. */
void sm_weak_list_add(struct sm_weak_list *list, struct sm_object *cell);

/** The target, or NULL. The only door to it, so that a concurrent marker can shade what passes (R9). */
struct sm_object *sm_weak_list_get(struct sm_weak_list *list, const struct sm_object *cell);

/** A safepoint: what was handed out is in nobody's locals any more. */
void sm_weak_list_handed_back(struct sm_weak_list *list);
/** Visit what was handed out since then, as roots. */
void sm_weak_list_visit_handed_out(const struct sm_weak_list *list, struct sm_visitor *visitor);

/** After marking: drop cells that died, clear those whose target did. */
void sm_weak_list_sweep(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context);

/** `object` is about to be given up by hand: the same for it alone. Cost: O(weak cells) when it has or is one. */
void sm_weak_list_forget(struct sm_weak_list *list, struct sm_manager *mm, struct sm_object *object);

#endif
