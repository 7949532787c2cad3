/* Which kind of cycle it is to be, and a full one with the program stopped. */
#include "epoch/epoch_internal.h"

/* Young ones stay so: what the C code goes on writing to them no barrier sees. */
static void visit_recent(void *context, struct sm_object *object)
{
    struct epoch_policy *epoch = context;
    epoch_marker_visit_recent(&epoch->marker, object);
    if (epoch->young.is_on)
        epoch_remember_whole(epoch, object);
}

/* R5 at its end: what due destructors can reach lives on, before anything is retired. */
static void mark_all(struct epoch_policy *epoch, enum sm_trigger trigger)
{
    struct sm_manager *mm = epoch->base.mm;
    struct epoch_marker *marker = &epoch->marker;
    /* What the emergency before this one kept as young stays so, even where marking comes to it before the walk does. */
    bool is_told = epoch->heap.makes_old || epoch_heap_tells_recent(&epoch->heap);
    if (trigger == SM_TRIGGER_EMERGENCY && is_told)
        marker->kept_bits = EPOCH_RECENT;
    sm_roots_enumerate(mm, &marker->roots);
    if (epoch->region.is_open)
        epoch_region_visit_boot(epoch);
    if (trigger == SM_TRIGGER_EMERGENCY) {
        epoch_heap_walk_recent(&epoch->heap, visit_recent, epoch);
        epoch->heap.recent_count =
            EPOCH_RECENT_RANGES + 1; /* what it frees there may be used anew before the next safepoint */
        sm_weak_list_visit_handed_out(&epoch->weak, &marker->roots);
        sm_attention_request(mm); /* the next emergency need not keep these: let the next safepoint be heard of */
    } else {
        sm_weak_list_handed_back(&epoch->weak); /* any other cycle is at a safepoint */
    }
    epoch_marker_drain(marker);
    epoch_marker_keep_finalizable(marker);
}

/* Live by the manager's books before the cycle, less what was marked: nobody looks at the dead. */
static void record_marking(struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    const struct epoch_marker *marker = &epoch->marker;
    struct sm_stats stats;
    sm_stats_get(epoch->base.mm, &stats);
    SM_ASSERT(stats.live_objects >= marker->live_objects && stats.live_bytes >= marker->live_bytes);
    record->traced_objects = marker->live_objects;
    record->live_objects = epoch->heap.old_objects = marker->live_objects;
    record->live_bytes = epoch->heap.old_bytes = marker->live_bytes;
    record->retired_objects = stats.live_objects - marker->live_objects;
    record->retired_bytes = stats.live_bytes - marker->live_bytes;
}

/* Everything unmarked goes into one sealed batch, and with it what earlier cycles left waiting. */
static void retire_unmarked(struct epoch_policy *epoch, struct epoch_batch *batch, const struct sm_cycle_record *record)
{
    sm_weak_list_sweep(&epoch->weak, epoch->base.mm, epoch_marker_is_live, &epoch->marker);
    epoch_heap_end_cycle(&epoch->heap, epoch->marker.colour, batch);
    batch->object_count += record->retired_objects;
    batch->payload_bytes += record->retired_bytes;
    epoch_heap_take_unlisted(&epoch->heap, batch);
    batch->trims_pool = epoch->cycle_count % EPOCH_TRIM_CYCLES == 0;
    epoch_count_backlog(epoch, batch);
    SM_ASSERT(epoch_batch_is_empty(&epoch->open));
    if (epoch_batch_is_empty(batch) && batch->trims_pool)
        (void)epoch_pool_trim(&epoch->heap.pool);
    epoch_batch_splice(&epoch->open, batch);
    epoch_seal(epoch);
}

void epoch_record_heap(const struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    const struct epoch_reclaimer *reclaimer = epoch->reclaimer;
    epoch_heap_occupancy(&epoch->heap, &record->occupied_bytes, &record->hole_bytes);
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

static void follow_threshold(struct epoch_policy *epoch)
{
    struct sm_stats stats;
    sm_stats_get(epoch->base.mm, &stats);
    epoch_bounds_set(epoch, stats.threshold_bytes);
    epoch_young_follow_threshold(epoch, stats.threshold_bytes);
}

/* What was retired by hand is found by the cycle like all that is dead: off the lists, and out of the backlog until then. */
static void withdraw_everything(struct epoch_policy *epoch, struct epoch_batch *batch, struct epoch_block_list *blocks)
{
    epoch_reclaimer_withdraw(epoch->reclaimer, batch);
    epoch_release_held(epoch);
    epoch_batch_splice(batch, &epoch->open);
    uint64_t room_bytes = epoch_heap_forget_listed(&epoch->heap, batch);
    epoch_uncount_backlog(epoch, room_bytes);
    epoch_batch_take_blocks(batch, blocks);
}

/* Hold everything, mark, retire the rest. */
static void run(struct epoch_policy *epoch, enum sm_trigger trigger, struct sm_cycle_record *record)
{
    struct epoch_batch batch = {0};
    struct epoch_block_list blocks = {0};
    epoch_young_forget(epoch);
    withdraw_everything(epoch, &batch, &blocks);
    epoch_heap_begin_cycle(&epoch->heap, &blocks);
    epoch_marker_begin(&epoch->marker, epoch_other_colour(epoch->heap.colour), EPOCH_COLOUR_NONE);
    mark_all(epoch, trigger);
    record_marking(epoch, record);
    retire_unmarked(epoch, &batch, record);
    epoch->young.since_bytes = sm_hot(epoch->base.mm)->alloc_bytes;
    if (epoch->region.is_open)
        epoch_region_note_full(epoch);
}

/* Where a test collects before every allocation, looking at the whole heap each time would be most of its time. */
static bool is_check_due(const struct epoch_policy *epoch)
{
    enum { CHECKED_ONE_IN = 16 };
    return !sm_collects_every_alloc(epoch->base.mm) || epoch->cycle_count % CHECKED_ONE_IN == 0;
}

/* The cycle to come looks at everything, so nothing need be held for young ones; if it does not come, neither do they. */
static void give_up_held(struct epoch_policy *epoch)
{
    if (epoch_batch_is_empty(&epoch->held))
        return;
    epoch_young_forget(epoch);
    epoch->young.is_blind = epoch->young.is_on;
    epoch_release_held(epoch);
}

sm_status epoch_collect_stopped(struct epoch_policy *epoch, enum sm_trigger trigger, struct sm_cycle_record *record)
{
    struct sm_manager *mm = epoch->base.mm;
    epoch_beside_sweep_leftovers(epoch);
    if (trigger == SM_TRIGGER_EMERGENCY)
        give_up_held(epoch);
    if (trigger == SM_TRIGGER_EMERGENCY && !make_room(epoch))
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY,
                              "policy epoch: the backlog of %llu bytes is at its bound and guards hold it back",
                              (unsigned long long)epoch_backlog_bytes(epoch->reclaimer));
    if (!epoch_marker_reserve(&epoch->marker, mm))
        return sm_policy_fail(mm, SM_ERR_SYSTEM, "policy epoch: the system refused a mark stack");
    epoch->cycle_count++;
    SM_ASSERT_CHECKED(!is_check_due(epoch) || epoch_heap_is_consistent(&epoch->heap));
    run(epoch, trigger, record);
    epoch_marker_trim(&epoch->marker);
    sm_status status = reclaim_now(epoch, trigger, record->retired_objects);
    epoch_record_heap(epoch, record);
    return status;
}

/* The threshold's cycles go on beside the program; whoever asks for one himself gets it whole. */
static bool is_for_beside(const struct epoch_policy *epoch, enum sm_trigger trigger)
{
    return epoch->beside.is_allowed && trigger == SM_TRIGGER_THRESHOLD;
}

static bool is_for_young(const struct epoch_policy *epoch, enum sm_collect_kind kind)
{
    return kind == SM_COLLECT_YOUNG && epoch->young.is_on;
}

/* It was asked for when there were young cycles. */
static bool is_out_of_date(const struct epoch_policy *epoch, enum sm_collect_kind kind, enum sm_trigger trigger)
{
    return kind == SM_COLLECT_YOUNG && trigger == SM_TRIGGER_BOUNDARY && !epoch->young.is_on;
}

sm_status epoch_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                        struct sm_cycle_record *record)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    follow_threshold(epoch);
    if (trigger != SM_TRIGGER_EMERGENCY)
        epoch_heap_safepoint(&epoch->heap); /* any other cycle is at one: nothing is recent */
    if (is_out_of_date(epoch, kind, trigger)) {
        *record = (struct sm_cycle_record){.kind = SM_CYCLE_YOUNG,
                                           .trigger = trigger,
                                           .clock_bytes = record->clock_bytes,
                                           .live_objects = epoch->heap.old_objects,
                                           .live_bytes = epoch->heap.old_bytes};
        return SM_OK;
    }
    bool is_young = is_for_young(epoch, kind);
    if (!is_young || epoch->beside.stage != EPOCH_STAGE_SWEEPING)
        epoch_beside_finish(epoch);
    if (is_young) {
        epoch_young_collect(epoch, record);
        return reclaim_now(epoch, trigger, record->retired_objects);
    }
    if (is_for_beside(epoch, trigger) && epoch_beside_start(epoch))
        return SM_OK;
    return epoch_collect_stopped(epoch, trigger, record);
}
