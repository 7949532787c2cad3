/**
 * Events: the finest grain there is to watch, told to a hook on the owner thread.
 */
#ifndef SM_EVENT_H
#define SM_EVENT_H

#include "manager_internal.h"

/** Slow part of sm_event: somebody listens. Threads: owner. */
void sm_event_tell(struct sm_manager *mm, const struct sm_event *event);

/** Tell of what has just ended after `duration_ns`, or happened (0). Threads: owner. Cost: one test when nobody listens. */
static inline void sm_event(struct sm_manager *mm, enum sm_event_kind kind, enum sm_cycle_kind cycle_kind,
                            uint64_t amount, uint64_t duration_ns)
{
    if (SM_LIKELY(mm->hooks.on_event == NULL))
        return;
    struct sm_event event = {
        .kind = kind, .cycle_kind = cycle_kind, .duration_ns = duration_ns, .amount = amount, .time_ns = sm_clock_ns()};
    sm_event_tell(mm, &event);
}

#endif
