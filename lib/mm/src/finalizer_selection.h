/**
 * Which destructors are due: what a policy that collects by generation, or beside the program, asks of the table of
 * registered objects. sm_finalizers_select, which asks about all of them at once, is in policy.h.
 *
 * All of them move what is not live to the ready queue, in order of registration, and none needs memory. Each object
 * must be asked about before its memory goes: a young selection asks about those that no whole or young one
 * has asked about yet; one in pieces spares what is young, so it does not count.
 */
#ifndef SM_FINALIZER_SELECTION_H
#define SM_FINALIZER_SELECTION_H

#include "sapimem/policy.h"

/**
 * Ask about the objects registered since the last young or whole selection.
 *
 * Returns:     how many moved.
 * Cost:        O(registered since).
 */
size_t sm_finalizers_select_young(struct sm_manager *mm, sm_is_live *is_live, void *context);

/**
 * Begin a selection in pieces, between which the program runs; one that is open begins anew.
 *
 * What is registered from now on counts as live, and the next young selection asks about it. A whole or a young
 * selection in between is as good as ever; after a whole one the pieces begin anew, because its marks may be others.
 */
void sm_finalizers_select_begin(struct sm_manager *mm);

/**
 * Go on with the next `budget` entries, range 1 and up. `*moved` becomes how many of them moved.
 *
 * Between two pieces the program may register objects and drop them, and destructors may run: those of objects that
 * a piece has moved too, so mark them, and what they reach, before the program runs on (R5).
 * Returns:     whether it has ended, also when none was open. It cannot go on for ever unless the program registers
 *              `budget` objects a piece.
 */
bool sm_finalizers_select_some(struct sm_manager *mm, sm_is_live *is_live, void *context, size_t budget, size_t *moved);

/** Visit the `count` objects that moved to the ready queue last, as far as they are there still. */
void sm_finalizers_visit_newest(struct sm_manager *mm, struct sm_visitor *visitor, size_t count);

/**
 * Have `hand_out` called for each object whose destructor is about to run, and before for all that the end of a request
 * chooses at once; NULL ends it.
 *
 * The end of a request runs the destructors of objects that no selection asked about, reachable or not, and the program
 * gets such an object as from a weak reference: a policy that is marking shades it (R9). It must not call back.
 */
void sm_finalizers_watch(struct sm_manager *mm, void (*hand_out)(struct sm_policy *policy, struct sm_object *object));

#endif
