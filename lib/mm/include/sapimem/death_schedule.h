/**
 * The schedule of deaths: when a program's objects died, recorded once and replayed.
 *
 * Values share, so a program that frees by hand cannot know deaths from its source. A run under a policy that
 * counts, with an exact trace at each iteration, tells them; a later run of the same program, same seed, frees by what
 * was recorded (policy malloc), and any policy's garbage is measured against it. Time is the birth clock: the
 * number of objects made, copies included, those made by destructors left out (destructors run at other moments
 * under other policies). Which values had a second owner when they were written is recorded too, so that the
 * run that frees by hand makes the same copies without counting.
 * A record is three unlinked files: neither side holds it in its heap. Threads: owner.
 */
#ifndef SAPIMEM_DEATH_SCHEDULE_H
#define SAPIMEM_DEATH_SCHEDULE_H

#include "sapimem/alloc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sm_death_recorder;
struct sm_death_schedule;

enum { SM_DEATH_FILES = 3 };

/** Where a record is kept; both sides of a fork share it. Owner: the caller. */
struct sm_death_tape {
    int files[SM_DEATH_FILES];
};

/** Make the files, without a name, in $TMPDIR or /tmp. Errors: SM_ERR_SYSTEM. */
sm_status sm_death_tape_create(struct sm_death_tape *tape, struct sm_error *error);
/** Close what is open; harmless on a tape that could not be created. Recorders and schedules keep their own. */
void sm_death_tape_close(struct sm_death_tape *tape);

/** How an object came to its end, for those who watch. */
enum sm_death_cause {
    SM_DEATH_COUNTED, /**< its last holder let go of it, or the program freed it */
    SM_DEATH_CYCLE,   /**< freed by a run of the policy's collector */
    SM_DEATH_REQUEST, /**< it was there until its request ended */
    SM_DEATH_NEVER,   /**< it is there as the record is closed */
    SM_DEATH_CAUSE_COUNT,
};

/**
 * Who is told of every object as it is made, resized and freed, those made by destructors included.
 *
 * `slot` is the object's own until it dies: above 0, dense, used again after its death. Callbacks may look at the
 * object's header and payload, also at its death; what a dying object refers to may be gone. They must not allocate
 * from, store through or collect the manager. Threads: owner.
 */
struct sm_death_watch {
    void *context;
    /** The recorder was given to `mm`, which has no object yet. */
    void (*on_attach)(void *context, const struct sm_manager *mm);
    void (*on_birth)(void *context, uint32_t slot, const struct sm_object *object);
    /** `object` has its new size, and perhaps a new address. */
    void (*on_resize)(void *context, uint32_t slot, const struct sm_object *object, uint64_t old_payload_bytes);
    void (*on_death)(void *context, uint32_t slot, const struct sm_object *object, enum sm_death_cause cause);
};

/** What a record holds. */
struct sm_death_totals {
    uint64_t births;
    uint64_t deaths;        /**< of objects with a birth number */
    uint64_t traced_deaths; /**< of them found by an exact trace rather than by counts */
    uint64_t destructors;
    uint64_t traces;
    uint64_t questions; /**< whether a value is shared */
    uint64_t shared;    /**< of them answered yes */
};

/**
 * Make a recorder that writes to `tape`; goes into sm_config.death_recorder of a policy that counts and has no window.
 *
 * Errors:      SM_ERR_OUT_OF_MEMORY.
 */
sm_status sm_death_recorder_create(const struct sm_death_tape *tape, struct sm_death_recorder **recorder,
                                   struct sm_error *error);
/**
 * Make a recorder that writes nothing and tells `watch`, which is copied; otherwise as above.
 *
 * Errors:      SM_ERR_OUT_OF_MEMORY.
 */
sm_status sm_death_recorder_create_watch(const struct sm_death_watch *watch, struct sm_death_recorder **recorder,
                                         struct sm_error *error);
/**
 * Close the record: what happens later, as the manager is destroyed, is no part of it.
 *
 * A watch is told of what is still there; not inside a destructor.
 * Errors:      SM_ERR_SYSTEM (a file could not be written), SM_ERR_OUT_OF_MEMORY (at any time since creation); the
 *              tape holds no schedule then, and the watch has not heard of everything.
 */
sm_status sm_death_recorder_finish(struct sm_death_recorder *recorder, struct sm_error *error);
/** After the manager. NULL is fine. */
void sm_death_recorder_destroy(struct sm_death_recorder *recorder);

/**
 * Trace exactly, and record as dead what nothing reaches although its counts say otherwise: cycles.
 *
 * An object whose destructor has yet to run, and what it reaches, is alive (R5). At a safepoint; nothing without a
 * recorder. Cost: the live heap.
 */
void sm_death_record_trace(struct sm_manager *mm);

/**
 * Open a record for reading, from its beginning.
 *
 * One run takes it as sm_config.death_schedule (used by policies that keep a slot for each object: malloc).
 * Errors:      SM_ERR_INVALID_ARGUMENT for a record that was not finished; SM_ERR_OUT_OF_MEMORY, SM_ERR_SYSTEM.
 */
sm_status sm_death_schedule_open(const struct sm_death_tape *tape, struct sm_death_schedule **schedule,
                                 struct sm_error *error);
/** After the manager. NULL is fine. */
void sm_death_schedule_close(struct sm_death_schedule *schedule);

struct sm_death_totals sm_death_schedule_totals(const struct sm_death_schedule *schedule);

/**
 * Payload bytes that were alive when `alloc_count` objects had been allocated (sm_stats.alloc_count).
 *
 * Known at least every 64 births and 64 KiB; calls must not go back in time.
 */
uint64_t sm_death_schedule_live_bytes(struct sm_death_schedule *schedule, uint64_t alloc_count);

/** Slow part of sm_sharing_answer. */
bool sm_sharing_answer_slow(struct sm_manager *mm, bool answer, bool in_destructor);

/**
 * What a question about sharing is answered: `answer`, unless a schedule knows better.
 *
 * The program asks the same questions in the same order in every run. One asked inside a destructor is no part of
 * the schedule; when replaying it gets `in_destructor`, which must be right whatever is true.
 */
static inline bool sm_sharing_answer(struct sm_manager *mm, bool answer, bool in_destructor)
{
    if (SM_LIKELY((sm_hot(mm)->script & SM_SCRIPT_SHARING) == 0))
        return answer;
    return sm_sharing_answer_slow(mm, answer, in_destructor);
}

/** Whether answers come from a schedule: flags and counts of objects mean nothing then. */
static inline bool sm_sharing_is_replayed(struct sm_manager *mm)
{
    return (sm_hot(mm)->script & SM_SCRIPT_REPLAY) != 0;
}

#ifdef __cplusplus
}
#endif
#endif
