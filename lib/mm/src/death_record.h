/**
 * The side that records: which object died after how many births, and what was shared when it was written.
 *
 * Attached to a manager whose policy counts and has no bump window. While it is, the inline allocation path is
 * closed (it sees no size classes), so that every birth is seen; that changes addresses and counts nowhere.
 * A recorder with a watch writes no tape, numbers what destructors make too, and buries nothing.
 *
 * Invariants. `objects` knows every object that has a number and lives (slot), every one that was recorded dead and
 * that the policy still has (slot DEATH_ZOMBIE), and those without a number that a trace has met (DEATH_UNNUMBERED).
 */
#ifndef SM_DEATH_RECORD_H
#define SM_DEATH_RECORD_H

#include "death_file.h"
#include "object_map.h"
#include "slot_table.h"

/** In place of a slot: recorded dead, not yet freed. */
#define DEATH_ZOMBIE 0u
/** In place of a slot: made by a destructor. */
#define DEATH_UNNUMBERED UINT32_MAX

struct sm_death_recorder {
    bool has_watch; /**< it is told, and nothing is written */
    struct sm_death_watch watch;
    struct sm_death_writer events, sharing, live;
    struct sm_object_map objects; /**< value: the birth clock when it was made */
    struct sm_slot_table slots;
    const uint8_t *size_class_of; /**< the policy's, while the inline path is closed */
    struct sm_death_totals totals;
    uint64_t event_births;   /**< the birth clock at the last event */
    uint64_t next_question;  /**< after the last yes */
    uint64_t request_births; /**< the birth clock when the request began */
    uint64_t zombie_bytes;
    uint64_t sample_count, sample_bytes; /**< of the last sample of live bytes */
    uint32_t stamp;                      /**< of the last trace */
    bool is_out_of_memory, is_finished;
};

/** Close the inline path; the policy has been made. Errors: SM_ERR_UNSUPPORTED for a policy that does not count. */
sm_status sm_recorder_attach(struct sm_manager *mm, struct sm_death_recorder *recorder);

/**
 * Around whatever may look for blocks or choose size classes: the policy's classes are there meanwhile.
 *
 * Nests. Returns what sm_recorder_close_path wants.
 */
const uint8_t *sm_recorder_open_path(struct sm_manager *mm);
void sm_recorder_close_path(struct sm_manager *mm, const uint8_t *before);

void sm_record_birth(struct sm_manager *mm, struct sm_object *object);
/** `resized` is `object` from now on; where it moved, both are there still. */
void sm_record_resize(struct sm_manager *mm, const struct sm_object *object, struct sm_object *resized,
                      uint64_t old_bytes);
/** `object` is about to be freed. */
void sm_record_death(struct sm_manager *mm, struct sm_object *object);
/** Its destructor is about to run. */
void sm_record_destructor(struct sm_manager *mm, const struct sm_object *object);
void sm_record_mark(struct sm_manager *mm);
void sm_record_request_begin(struct sm_manager *mm);
/** Everything made since the request began is gone. */
void sm_record_bulk_free(struct sm_manager *mm);
bool sm_record_answer(struct sm_manager *mm, bool answer);
/** Whether a weak cell may still answer with `target`. */
bool sm_record_is_alive(const struct sm_manager *mm, const struct sm_object *target);

/** The entry's object is dead although the policy has it still. */
void sm_recorder_bury(struct sm_death_recorder *recorder, struct sm_object_entry *entry);

#endif
