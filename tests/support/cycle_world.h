/**
 * A manager under a policy that runs no cycle at all: it tells the manager of cycles as a test says.
 *
 * What collect was asked for, the records and the events are kept.
 */
#ifndef CYCLE_WORLD_H
#define CYCLE_WORLD_H

#include "list_policy.h"
#include "manager_fixture.h"

enum { CYCLE_WORLD_ENTRIES = 64 };

struct cycle_world {
    struct sm_manager *mm;
    struct list_policy *lists;
    size_t asked_count;
    struct {
        enum sm_collect_kind kind;
        enum sm_trigger trigger;
    } asked[CYCLE_WORLD_ENTRIES];
    size_t record_count;
    struct sm_cycle_record records[CYCLE_WORLD_ENTRIES];
    size_t event_count;
    struct sm_event events[CYCLE_WORLD_ENTRIES];
    /* What a test may ask for. */
    sm_status status;              /**< what collect returns */
    bool opens;                    /**< collect opens a cycle when the threshold asks */
    uint64_t retired_bytes;        /**< of a young cycle */
    struct sm_cycle_record record; /**< what the open cycle says at its end */
    struct sm_object *victim;      /**< for collect_instead of a test's own */
};

/** Make a world; `config` may say anything but the policy and the hooks. */
void cycle_world_open(struct cycle_world *world, struct sm_config config);
void cycle_world_close(struct cycle_world *world);

/** A world in which the threshold, 64K, has just opened a cycle. */
void cycle_world_with_open(struct cycle_world *world, struct sm_config config);

struct cycle_world *cycle_world_of(const struct list_policy *lists);

/** Objects of 1 KiB. */
void cycle_world_allocate(struct cycle_world *world, uint64_t bytes);

/** Close the open cycle, with what `record` says. */
void cycle_world_end_cycle(struct cycle_world *world);

/** For list_policy.collect_instead: a young cycle that ends in the beginning of a full one (R10, R11). */
sm_status cycle_world_young_then_open(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                                      struct sm_cycle_record *record);

#endif
