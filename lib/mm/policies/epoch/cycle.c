/* One whole stop-the-world cycle. */
#include "epoch/epoch_internal.h"

/* R5 at its end: what due destructors can reach lives on, before anything is retired. */
static void mark_all(struct epoch_policy *epoch, struct sm_marker *marker, enum sm_trigger trigger)
{
    struct sm_manager *mm = epoch->base.mm;
    sm_roots_enumerate(mm, &marker->visitor);
    if (trigger == SM_TRIGGER_EMERGENCY) {
        sm_object_table_walk_recent(&epoch->heap.objects, sm_marker_visit, marker);
        sm_weak_list_mark_handed_out(&epoch->weak, marker);
        sm_attention_request(mm); /* the next emergency need not keep these: let the next safepoint be heard of */
    } else {
        sm_weak_list_handed_back(&epoch->weak); /* any other cycle is at a safepoint */
    }
    sm_marker_drain(marker);
    sm_marker_keep_finalizable(marker);
}

/* Everything unmarked goes into one sealed batch. */
static void retire_unmarked(struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    struct epoch_batch garbage = {0};
    sm_weak_list_sweep(&epoch->weak, epoch->base.mm, epoch->mark);
    epoch_heap_sweep(&epoch->heap, epoch->mark, &garbage);
    record->retired_objects = garbage.object_count;
    record->retired_bytes = garbage.payload_bytes;
    epoch_count_backlog(epoch, garbage.block_bytes);
    epoch_batch_splice(&epoch->open, &garbage);
    epoch_seal(epoch);
}

static void record_marking(const struct sm_marker *marker, struct sm_cycle_record *record)
{
    record->traced_objects = marker->live_objects;
    record->live_objects = marker->live_objects;
    record->live_bytes = marker->live_bytes;
}

static void record_backlog(const struct epoch_reclaimer *reclaimer, struct sm_cycle_record *record)
{
    record->reclaimed_bytes_total = atomic_load_explicit(&reclaimer->reclaimed.payload_bytes, memory_order_relaxed);
    record->backlog_bytes = epoch_backlog_bytes(reclaimer);
}

/* At the hard bound a cycle can only add to the backlog: first the guards must move (R6). */
static bool make_room(struct epoch_policy *epoch)
{
    if (!epoch_at_hard_bound(epoch))
        return true;
    (void)epoch_drain(epoch, SM_PAUSE_GRACE, EPOCH_GRACE_WAIT_NS);
    return !epoch_at_hard_bound(epoch);
}

/* Inline reclamation happens here, so that it depends on the program alone; an emergency waits in either mode (R7). */
static sm_status reclaim_now(struct epoch_policy *epoch, enum sm_trigger trigger, uint64_t retired_objects)
{
    if (epoch->reclaimer->threaded && trigger != SM_TRIGGER_EMERGENCY)
        return SM_OK;
    if (epoch_drain(epoch, SM_PAUSE_GRACE, EPOCH_GRACE_WAIT_NS) || retired_objects > 0)
        return SM_OK;
    if (trigger != SM_TRIGGER_MANUAL)
        return SM_OK;
    return sm_policy_fail(epoch->base.mm, SM_ERR_GUARD_HELD,
                          "policy epoch: nothing to retire, and a guard holds back the whole backlog of %llu bytes",
                          (unsigned long long)epoch_backlog_bytes(epoch->reclaimer));
}

static void bounds_follow_threshold(struct epoch_policy *epoch)
{
    struct sm_stats stats;
    sm_stats_get(epoch->base.mm, &stats);
    epoch_bounds_set(epoch, stats.threshold_bytes);
}

sm_status epoch_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                        struct sm_cycle_record *record)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    const struct sm_object_table *objects = &epoch->heap.objects;
    struct sm_marker marker;
    (void)kind; /* no generations: a young cycle is a full one */
    bounds_follow_threshold(epoch);
    if (trigger == SM_TRIGGER_EMERGENCY && !make_room(epoch))
        return sm_policy_fail(policy->mm, SM_ERR_OUT_OF_MEMORY,
                              "policy epoch: the backlog of %llu bytes is at its bound and guards hold it back",
                              (unsigned long long)epoch_backlog_bytes(epoch->reclaimer));
    if (!sm_marker_init(&marker, policy->mm, sm_object_table_count(objects), epoch->mark, EPOCH_RETIRED))
        return sm_policy_fail(policy->mm, SM_ERR_SYSTEM, "policy epoch: the system refused a mark stack of %zu entries",
                              marker.capacity);
    SM_ASSERT_CHECKED(epoch_heap_is_consistent(&epoch->heap));
    mark_all(epoch, &marker, trigger);
    epoch->mark = marker.mark;
    retire_unmarked(epoch, record);
    SM_ASSERT(sm_object_table_count(objects) == marker.live_objects && objects->live_bytes == marker.live_bytes);
    SM_ASSERT_CHECKED(epoch_heap_is_consistent(&epoch->heap));
    record_marking(&marker, record);
    sm_marker_finish(&marker);
    sm_status status = reclaim_now(epoch, trigger, record->retired_objects);
    record_backlog(epoch->reclaimer, record);
    return status;
}
