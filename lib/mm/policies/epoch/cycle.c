/* One whole stop-the-world cycle. */
#include "epoch/epoch_internal.h"

#include "epoch/mark.h"

/* R5 at its end: what due destructors can reach lives on, before anything is retired. */
static void mark_all(struct epoch_policy *epoch, struct epoch_marker *marker, enum sm_trigger trigger)
{
    struct sm_manager *mm = epoch->base.mm;
    /* What the emergency before this one kept as young stays so, even where marking comes to it before the walk does. */
    if (trigger == SM_TRIGGER_EMERGENCY && epoch_heap_tells_recent(&epoch->heap))
        marker->kept_bits = EPOCH_RECENT;
    sm_roots_enumerate(mm, &marker->roots);
    if (trigger == SM_TRIGGER_EMERGENCY) {
        epoch_heap_walk_recent(&epoch->heap, epoch_marker_visit_recent, marker);
        sm_weak_list_visit_handed_out(&epoch->weak, &marker->roots);
        sm_attention_request(mm); /* the next emergency need not keep these: let the next safepoint be heard of */
    } else {
        sm_weak_list_handed_back(&epoch->weak); /* any other cycle is at a safepoint */
    }
    epoch_marker_drain(marker);
    epoch_marker_keep_finalizable(marker);
}

/* Live by the manager's books before the cycle, less what was marked: nobody looks at the dead. */
static void record_marking(struct sm_manager *mm, const struct epoch_marker *marker, struct sm_cycle_record *record)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    SM_ASSERT(stats.live_objects >= marker->live_objects && stats.live_bytes >= marker->live_bytes);
    record->traced_objects = marker->live_objects;
    record->live_objects = marker->live_objects;
    record->live_bytes = marker->live_bytes;
    record->retired_objects = stats.live_objects - marker->live_objects;
    record->retired_bytes = stats.live_bytes - marker->live_bytes;
}

/* Everything unmarked goes into one sealed batch, and with it what earlier cycles left waiting. */
static void retire_unmarked(struct epoch_policy *epoch, struct epoch_marker *marker, struct epoch_batch *batch,
                            const struct sm_cycle_record *record)
{
    uint64_t room_bytes_before = batch->room_bytes;
    sm_weak_list_sweep(&epoch->weak, epoch->base.mm, epoch_marker_is_live, marker);
    epoch_heap_end_cycle(&epoch->heap, marker->colour, batch);
    batch->object_count += record->retired_objects;
    batch->payload_bytes += record->retired_bytes;
    batch->trims_pool = epoch->cycle_count % EPOCH_TRIM_CYCLES == 0;
    epoch_count_backlog(epoch, batch->room_bytes - room_bytes_before);
    SM_ASSERT(epoch_batch_is_empty(&epoch->open));
    if (epoch_batch_is_empty(batch) && batch->trims_pool)
        (void)epoch_pool_trim(&epoch->heap.pool);
    epoch_batch_splice(&epoch->open, batch);
    epoch_seal(epoch);
}

static void record_heap(const struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    const struct epoch_reclaimer *reclaimer = epoch->reclaimer;
    record->occupied_bytes = epoch->heap.occupied_bytes;
    record->hole_bytes = epoch->heap.hole_bytes;
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

/* Inline reclamation happens here, so that it depends on the program alone; an emergency waits in any mode (R7). */
static sm_status reclaim_now(struct epoch_policy *epoch, enum sm_trigger trigger, uint64_t retired_objects)
{
    if (epoch_reclaimer_is_threaded(epoch->reclaimer) && trigger != SM_TRIGGER_EMERGENCY)
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

/* Hold everything, mark, retire the rest. */
static void run(struct epoch_policy *epoch, struct epoch_marker *marker, enum sm_trigger trigger,
                struct sm_cycle_record *record)
{
    struct epoch_batch batch = {0};
    epoch_reclaimer_withdraw(epoch->reclaimer, &batch);
    epoch_batch_splice(&batch, &epoch->open);
    epoch_heap_begin_cycle(&epoch->heap, &batch);
    mark_all(epoch, marker, trigger);
    record_marking(epoch->base.mm, marker, record);
    retire_unmarked(epoch, marker, &batch, record);
}

/* Where a test collects before every allocation, looking at the whole heap each time would be most of its time. */
static bool is_check_due(const struct epoch_policy *epoch)
{
    enum { CHECKED_ONE_IN = 16 };
    return !sm_collects_every_alloc(epoch->base.mm) || epoch->cycle_count % CHECKED_ONE_IN == 0;
}

sm_status epoch_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                        struct sm_cycle_record *record)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct epoch_marker marker;
    (void)kind; /* no generations: a young cycle is a full one */
    bounds_follow_threshold(epoch);
    if (trigger == SM_TRIGGER_EMERGENCY && !make_room(epoch))
        return sm_policy_fail(policy->mm, SM_ERR_OUT_OF_MEMORY,
                              "policy epoch: the backlog of %llu bytes is at its bound and guards hold it back",
                              (unsigned long long)epoch_backlog_bytes(epoch->reclaimer));
    if (!epoch_marker_init(&marker, policy->mm, epoch->heap.colour))
        return sm_policy_fail(policy->mm, SM_ERR_SYSTEM, "policy epoch: the system refused a mark stack of %zu entries",
                              marker.capacity);
    epoch->cycle_count++;
    SM_ASSERT_CHECKED(!is_check_due(epoch) || epoch_heap_is_consistent(&epoch->heap));
    run(epoch, &marker, trigger, record);
    epoch_marker_finish(&marker);
    sm_status status = reclaim_now(epoch, trigger, record->retired_objects);
    record_heap(epoch, record);
    return status;
}
