/**
 * A number for every object of a policy that frees by hand, and the schedule of deaths that it frees by.
 *
 * Such a policy keeps no books on its blocks: the header's count word, which nothing counts with, holds the object's
 * slot. Objects that a schedule knows have the slots of its recorder; all others (no schedule, or made by a
 * destructor) have slots of their own, told apart by a bit.
 *
 * Events are read when the object after them is born: by then the program has passed the point where they happened.
 * Reading gives slots back, in the recorder's order, so that both sides always number alike. Freeing may come later:
 * a destructor runs at a safepoint only, and every death behind it in the record waits for it in `due`.
 */
#ifndef SM_BIRTHS_H
#define SM_BIRTHS_H

#include "death_file.h"
#include "slot_table.h"

/** Something that is due: a destructor to run, or a dead object to free. */
struct sm_due {
    struct sm_object *object; /**< NULL: gone already */
    bool is_destructor;
};

struct sm_births {
    bool is_kept; /**< the policy asked for slots */
    struct sm_slot_table scheduled, loose;
    struct sm_death_schedule *schedule; /**< NULL: none, or lost */
    uint64_t clock;                     /**< births so far */
    uint64_t mark_count;                /**< points at which the replay caught up */
    struct sm_object *freeing;          /**< by the schedule, now: it has no slot any more */
    size_t due_first, due_end, due_capacity;
    struct sm_due *due;
};

/** To be called by a policy's create: every object gets a slot, and nothing is counted beside it. */
void sm_births_keep(struct sm_manager *mm);
/** Visit every object there is. The visitor may free the object it is given. */
void sm_births_walk(struct sm_manager *mm, void (*visit)(void *context, struct sm_object *object), void *context);
/** A policy is about to free `object`: its slot ends, unless the schedule has yet to say so. */
void sm_births_forget(struct sm_manager *mm, struct sm_object *object);
/** At a safepoint: run the destructors that are due and free what waited for them. */
void sm_births_safepoint(struct sm_manager *mm);
/** Where the recording side set a mark: all that happened up to it is done now. */
void sm_births_catch_up(struct sm_manager *mm);

/* ---- The manager's own. ---- */

/** Before the block of a new object is taken: free what died since the last birth. False: no memory for its slot. */
bool sm_births_prepare(struct sm_manager *mm);
void sm_births_add(struct sm_manager *mm, struct sm_object *object);
/** The birth failed; the program is not the recorded one any more, so the schedule is given up. */
void sm_births_fail(struct sm_manager *mm);
void sm_births_move(struct sm_manager *mm, struct sm_object *object, struct sm_object *moved);
bool sm_births_answer(struct sm_manager *mm, bool answer, bool in_destructor);
void sm_births_finish(struct sm_births *births);

#endif
