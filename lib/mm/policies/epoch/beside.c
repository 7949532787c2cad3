/*
 * Full cycles beside the program: a snapshot, marking by the collector's thread or in slices, then clearing and sweeping.
 *
 * NONE -> MARKING    epoch_beside_start, in one pause: everything there is is old (a young cycle), every store goes by the
 *                    barrier, and the roots are in the log, but for the deep parts of stacks, which follow in pieces.
 * MARKING -> MARKING the marker has nothing left, at a safepoint: it gets the rest of the log; or destructors that became due are
 *                    chosen, some at a time, and marking goes on with what they can reach (R5). A weak target that
 *                    is handed out meanwhile is logged, so that what was chosen or cleared stays so.
 * MARKING -> CLEARING   nothing left, log empty, destructors chosen: what is not marked is dead. The colour changes, the
 *                    barrier ends, the cycle is closed: its figures are known.
 * CLEARING -> SWEEPING  weak cells whose target died are cleared, and what died is taken off the remembered set, in pieces:
 *                    both ask granule bytes, which a sweep takes away.
 * SWEEPING -> NONE   every block that had been in use at the change was looked at.
 *
 * A cycle that allocation outruns, or that something else needs out of the way, goes through all that is left at once.
 */
#include "epoch/epoch_internal.h"

#include "event.h"
#include "finalizer_selection.h"
#include "pause.h"

#include <stdlib.h>

enum {
    SLICE_MIN = 256,
    SLICE_MAX = 4096,  /**< objects marked in a slice */
    SWEEP_SLICE = 128, /**< blocks swept in one */
    CHOOSE_SLICE = 4096,
    WEAK_SLICE = 4096,
    LARGE_SLICE = 256,
    ROOTS_SLICE = 16384,   /**< roots of stacks */
    LOG_DRAINED_MAX = 256, /**< objects that the owner marks itself rather than wake the thread */
    FALLBACK_THRESHOLDS = 4,
};
#define ASSIST_WAIT_NS UINT64_C(250000)
#define HEADROOM_MIN_BYTES (UINT64_C(64) << 10)

static struct sm_hot *hot_of(const struct epoch_policy *epoch)
{
    return sm_hot(epoch->base.mm);
}

static uint64_t made_since_snapshot(const struct epoch_policy *epoch)
{
    return hot_of(epoch)->alloc_bytes - epoch->beside.start_clock_bytes;
}

/* ---- Pauses, each counted for the cycle it belongs to. ---- */

struct stop {
    uint64_t start_ns, start_cpu_ns;
};

static struct stop stop_begin(struct epoch_policy *epoch, enum sm_pause_cause cause)
{
    sm_pause_begin(epoch->base.mm, cause);
    return (struct stop){sm_clock_ns(), sm_thread_cpu_ns()};
}

static uint64_t stop_end(struct epoch_policy *epoch, struct stop stop)
{
    struct sm_cycle_record *record = &epoch->beside.record;
    uint64_t duration_ns = sm_clock_ns() - stop.start_ns;
    record->pause_ns += duration_ns;
    record->cpu_ns += sm_thread_cpu_ns() - stop.start_cpu_ns;
    if (duration_ns > record->max_pause_ns)
        record->max_pause_ns = duration_ns;
    sm_pause_end(epoch->base.mm);
    return duration_ns;
}

/* ---- The snapshot. ---- */

static uint64_t threshold_of(const struct epoch_policy *epoch)
{
    struct sm_stats stats;
    sm_stats_get(epoch->base.mm, &stats);
    return stats.threshold_bytes;
}

static void note_snapshot(struct epoch_policy *epoch)
{
    struct epoch_beside *beside = &epoch->beside;
    uint64_t headroom_bytes = threshold_of(epoch) / 2;
    beside->stage = EPOCH_STAGE_MARKING;
    beside->is_choosing = beside->is_chosen = false;
    beside->start_ns = sm_clock_ns();
    beside->start_clock_bytes = hot_of(epoch)->alloc_bytes;
    beside->headroom_bytes = headroom_bytes > HEADROOM_MIN_BYTES ? headroom_bytes : HEADROOM_MIN_BYTES;
    beside->snapshot_objects = epoch->heap.old_objects;
    beside->snapshot_bytes = epoch->heap.old_bytes;
    beside->record =
        (struct sm_cycle_record){.kind = SM_CYCLE_FULL, .trigger = SM_TRIGGER_THRESHOLD, .is_concurrent = true};
}

/* Retired by hand before the snapshot: nobody reaches them, so the sweep finds them, and no list may say so too. */
static void forget_listed(struct epoch_policy *epoch)
{
    struct epoch_batch batch = {0};
    epoch_reclaimer_withdraw(epoch->reclaimer, &batch);
    epoch_heap_reuse_graced(&epoch->heap); /* now that none is added */
    epoch_batch_splice(&batch, &epoch->open);
    uint64_t room_bytes = epoch_heap_forget_listed(&epoch->heap, &batch);
    epoch_uncount_backlog(epoch, room_bytes);
    epoch_batch_splice(&epoch->open, &batch);
    epoch_seal(epoch);
}

/* Blocks that came back to the pool with something in them that the last sweep would have cleared. */
void epoch_beside_sweep_leftovers(struct epoch_policy *epoch)
{
    struct epoch_batch batch = {0};
    struct epoch_block_list none = {0};
    while (epoch_heap_sweep_one(&epoch->heap, &none, &batch))
        ;
    epoch_seal_batch(epoch, &batch);
}

static void log_root(struct sm_visitor *visitor, struct sm_object *target)
{
    struct epoch_beside *beside =
        (struct epoch_beside *)(void *)((char *)visitor - offsetof(struct epoch_beside, roots));
    epoch_log_reachable((struct epoch_policy *)(void *)((char *)beside - offsetof(struct epoch_policy, beside)),
                        target);
}

static void note_roots(struct epoch_policy *epoch, size_t left)
{
    epoch->beside.roots_left = left;
    if (left == 0)
        sm_roots_enumerate_end(epoch->base.mm);
    else
        sm_attention_request(epoch->base.mm);
}

/* R11: deep stacks in pieces; what the program comes to first it hands over itself. */
static void begin_roots(struct epoch_policy *epoch)
{
    struct epoch_beside *beside = &epoch->beside;
    beside->roots = (struct sm_visitor){.edge = log_root, .shared = false};
    note_roots(epoch, sm_roots_enumerate_begin(epoch->base.mm, &beside->roots, ROOTS_SLICE));
}

static void go_on_with_roots(struct epoch_policy *epoch, size_t budget)
{
    if (epoch->beside.roots_left != 0)
        note_roots(epoch, sm_roots_enumerate_some(epoch->base.mm, budget));
}

bool epoch_beside_start(struct epoch_policy *epoch)
{
    struct sm_manager *mm = epoch->base.mm;
    SM_ASSERT(epoch->beside.stage == EPOCH_STAGE_NONE);
    if (!epoch_marker_reserve(&epoch->marker, mm))
        return false;
    epoch_young_finish(epoch);
    epoch_beside_sweep_leftovers(epoch);
    struct stop stop = stop_begin(epoch, SM_PAUSE_CYCLE);
    forget_listed(epoch);
    note_snapshot(epoch);
    epoch->heap.marking = epoch_other_colour(epoch->heap.colour);
    epoch_marker_begin(&epoch->marker, epoch->heap.marking, epoch->heap.colour);
    sm_weak_list_handed_back(&epoch->weak);
    hot_of(epoch)->barrier |= SM_BARRIER_POLICY;
    sm_cycle_open(mm);
    epoch_collector_begin(&epoch->collector, EPOCH_JOB_MARK);
    begin_roots(epoch);
    sm_event(mm, SM_EVENT_HANDSHAKE, SM_CYCLE_FULL, epoch->log.count, stop_end(epoch, stop));
    return true;
}

/* ---- The end of marking. ---- */

/* What is not marked is dead: the books. */
static void close_books(struct epoch_policy *epoch)
{
    struct epoch_heap *heap = &epoch->heap;
    struct epoch_beside *beside = &epoch->beside;
    struct sm_cycle_record *record = &beside->record;
    SM_ASSERT(beside->snapshot_objects >= epoch->marker.live_objects);
    record->traced_objects = epoch->marker.live_objects;
    record->retired_objects = beside->snapshot_objects - epoch->marker.live_objects;
    record->retired_bytes = beside->snapshot_bytes - epoch->marker.live_bytes;
    heap->old_objects -= record->retired_objects;
    heap->old_bytes -= record->retired_bytes;
    record->live_objects = heap->old_objects;
    record->live_bytes = heap->old_bytes;
    record->mark_ns = sm_clock_ns() - beside->start_ns;
    record->collector_cpu_ns = epoch->collector.cpu_ns;
    record->clock_bytes = hot_of(epoch)->alloc_bytes;
}

/* What waits for a grace period while something lives beside it is looked at anew; the lists of what was retired by hand go on waiting. */
static void withdraw_living(struct epoch_policy *epoch)
{
    struct epoch_batch batch = {0}, listed = {0};
    epoch_reclaimer_withdraw(epoch->reclaimer, &batch);
    epoch_heap_change_colour(&epoch->heap, epoch->heap.marking);
    epoch_batch_take_blocks(&batch, &epoch->collector.unconcluded);
    listed.retired = batch.retired;
    batch.retired = NULL;
    listed.room_bytes = epoch_retired_chunks_room_bytes(listed.retired);
    batch.room_bytes -= listed.room_bytes;
    /* Whoever reclaims gives memory back: a system call a block. */
    batch.trims_pool = ++epoch->cycle_count % EPOCH_TRIM_CYCLES == 0;
    batch.object_count += epoch->beside.record.retired_objects;
    batch.payload_bytes += epoch->beside.record.retired_bytes;
    epoch_batch_splice(&epoch->open, &listed);
    epoch_collector_add_swept(&epoch->collector, &batch);
}

/* `context` is the heap: of objects that were there at the snapshot, the colour says it; young ones have none. */
static bool is_not_dead(void *context, const struct sm_object *object)
{
    return !epoch_heap_is_dead(context, object);
}

static void end_marking(struct epoch_policy *epoch)
{
    SM_ASSERT(epoch_marker_is_idle(&epoch->marker) && epoch->log.count == 0);
    SM_ASSERT_CHECKED(epoch_marking_is_complete(epoch));
    close_books(epoch);
    withdraw_living(epoch);
    hot_of(epoch)->barrier &= ~(uint32_t)SM_BARRIER_POLICY;
    epoch_log_splice(&epoch->beside.unfiltered, &epoch->remembered);
    sm_weak_list_sweep_begin(&epoch->weak);
    (void)sm_weak_list_sweep_some(&epoch->weak, epoch->base.mm, is_not_dead, &epoch->heap, WEAK_SLICE);
    epoch->beside.stage = EPOCH_STAGE_CLEARING;
    epoch_collector_begin(&epoch->collector, EPOCH_JOB_NONE);
    if (epoch->beside.unfiltered.count == 0)
        epoch_release_held(epoch); /* otherwise the remembered set's end does */
}

/* The record is complete once the pause is. */
static void close_cycle(struct epoch_policy *epoch)
{
    epoch_record_heap(epoch, &epoch->beside.record);
    sm_cycle_close(epoch->base.mm, &epoch->beside.record);
    sm_attention_request(epoch->base.mm);
}

/* R5: some of those that are due. Each becomes a root at once, for its destructor may run before marking has ended. */
static void choose_some(struct epoch_policy *epoch, size_t budget)
{
    struct epoch_beside *beside = &epoch->beside;
    struct sm_manager *mm = epoch->base.mm;
    size_t moved = 0;
    if (!beside->is_choosing)
        sm_finalizers_select_begin(mm);
    beside->is_choosing = true;
    beside->is_chosen = sm_finalizers_select_some(mm, epoch_marker_is_live, &epoch->marker, budget, &moved);
    if (moved != 0)
        sm_finalizers_visit_newest(mm, &epoch->marker.roots, moved);
}

/* The owner has the marker. Returns whether there is nothing to mark, and everything due is chosen. */
static bool settle(struct epoch_policy *epoch, size_t budget)
{
    epoch_collector_stop(&epoch->collector);
    epoch_collector_hand(&epoch->collector, &epoch->log);
    if (!epoch_collector_work(&epoch->collector, budget))
        return false;
    if (epoch->beside.roots_left != 0)
        return false;
    if (!epoch->beside.is_chosen)
        choose_some(epoch, CHOOSE_SLICE);
    return epoch->beside.is_chosen && epoch_collector_work(&epoch->collector, budget);
}

/* The marker has nothing left as far as it knows. */
static void handshake(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_HANDSHAKE);
    uint64_t log_count = epoch->log.count;
    go_on_with_roots(epoch, ROOTS_SLICE);
    bool is_over = settle(epoch, LOG_DRAINED_MAX);
    if (is_over)
        end_marking(epoch);
    else
        epoch_collector_resume(&epoch->collector);
    uint64_t duration_ns = stop_end(epoch, stop);
    sm_event(epoch->base.mm, SM_EVENT_HANDSHAKE, SM_CYCLE_FULL, log_count, duration_ns);
    if (is_over)
        close_cycle(epoch);
    else
        sm_attention_request(epoch->base.mm);
}

/* ---- Work on the owner's thread. ---- */

/* In step with allocation: all is marked when half a threshold was allocated. */
static uint64_t slice_budget(const struct epoch_policy *epoch)
{
    const struct epoch_beside *beside = &epoch->beside;
    double share = (double)made_since_snapshot(epoch) / (double)beside->headroom_bytes;
    double target = share * (double)beside->snapshot_objects;
    double behind = target - (double)epoch->collector.marked_objects;
    if (behind < SLICE_MIN)
        return SLICE_MIN;
    return behind > SLICE_MAX ? SLICE_MAX : (uint64_t)behind;
}

static void mark_slice(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_CYCLE);
    uint64_t budget = slice_budget(epoch), before = epoch->marker.live_objects;
    (void)epoch_collector_work(&epoch->collector, budget);
    epoch->beside.record.slice_count++;
    uint64_t duration_ns = stop_end(epoch, stop);
    sm_event(epoch->base.mm, SM_EVENT_SLICE, SM_CYCLE_FULL, epoch->marker.live_objects - before, duration_ns);
    /* Behind by more than a slice: the next one comes with the next safepoint. */
    if (budget == SLICE_MAX)
        sm_attention_request(epoch->base.mm);
}

/* The thread cannot keep up: the program waits for it a little. */
static void assist(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_ASSIST);
    (void)epoch_collector_wait(&epoch->collector, ASSIST_WAIT_NS);
    epoch->beside.record.assist_count++;
    sm_event(epoch->base.mm, SM_EVENT_ASSIST, SM_CYCLE_FULL, 0, stop_end(epoch, stop)); /* it waited only */
}

static bool is_outrun(const struct epoch_policy *epoch)
{
    const struct epoch_beside *beside = &epoch->beside;
    return made_since_snapshot(epoch) / FALLBACK_THRESHOLDS > 2 * beside->headroom_bytes + beside->snapshot_bytes;
}

static void go_on_marking(struct epoch_policy *epoch)
{
    struct epoch_beside *beside = &epoch->beside;
    if (is_outrun(epoch)) {
        epoch_beside_finish(epoch);
        return;
    }
    if (beside->roots_left != 0)
        handshake(epoch);
    else if (!epoch->collector.has_thread)
        mark_slice(epoch);
    else if (!epoch_collector_is_done(&epoch->collector) && made_since_snapshot(epoch) > 2 * beside->headroom_bytes)
        assist(epoch);
    if (beside->stage == EPOCH_STAGE_MARKING && epoch_collector_is_done(&epoch->collector))
        handshake(epoch);
}

/* ---- Clearing. ---- */

/* Returns whether everything has been cleared. */
static bool clear_some(struct epoch_policy *epoch, size_t budget)
{
    if (!sm_weak_list_sweep_some(&epoch->weak, epoch->base.mm, is_not_dead, &epoch->heap, budget))
        return false;
    struct epoch_log_chunk *chunk = epoch_log_take(&epoch->beside.unfiltered);
    if (chunk == NULL)
        return true;
    epoch_young_keep_living(epoch, chunk);
    return false;
}

static void go_on_clearing(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_CYCLE);
    bool is_over = clear_some(epoch, WEAK_SLICE);
    if (is_over) {
        epoch->beside.stage = EPOCH_STAGE_SWEEPING;
        epoch_collector_begin(&epoch->collector, EPOCH_JOB_SWEEP);
    }
    (void)stop_end(epoch, stop);
    sm_attention_request(epoch->base.mm);
}

/* ---- Sweeping. ---- */

/* What was swept so far begins its grace period. */
static void seal_swept(struct epoch_policy *epoch)
{
    struct epoch_batch batch = {0};
    epoch_collector_take_swept(&epoch->collector, &batch);
    if (epoch_batch_is_empty(&batch))
        return; /* what is open may wait for more */
    epoch_seal_batch(epoch, &batch);
}

static bool sweep_large(struct epoch_policy *epoch, size_t budget)
{
    struct epoch_batch batch = {0};
    bool is_over = epoch_heap_sweep_large(&epoch->heap, budget, &batch);
    epoch_collector_add_swept(&epoch->collector, &batch);
    return is_over;
}

static void end_sweeping(struct epoch_policy *epoch)
{
    epoch->beside.stage = EPOCH_STAGE_NONE;
    epoch_collector_begin(&epoch->collector, EPOCH_JOB_NONE);
    epoch_marker_trim(&epoch->marker);
    uint64_t occupied_bytes = 0, hole_bytes = 0;
    epoch_heap_occupancy(&epoch->heap, &occupied_bytes, &hole_bytes);
    sm_event(epoch->base.mm, SM_EVENT_SWEEP, SM_CYCLE_FULL, hole_bytes, 0);
}

static void go_on_sweeping(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_CYCLE);
    bool are_large_swept = sweep_large(epoch, LARGE_SLICE);
    if (!epoch->collector.has_thread)
        (void)epoch_collector_work(&epoch->collector, SWEEP_SLICE);
    bool is_over = epoch_collector_is_done(&epoch->collector) && are_large_swept;
    seal_swept(epoch);
    if (is_over)
        end_sweeping(epoch);
    else if (!are_large_swept)
        sm_attention_request(epoch->base.mm);
    (void)stop_end(epoch, stop);
}

/* ---- At safepoints, and all at once. ---- */

void epoch_beside_safepoint(struct epoch_policy *epoch)
{
    if (epoch->beside.stage == EPOCH_STAGE_MARKING)
        go_on_marking(epoch);
    else if (epoch->beside.stage == EPOCH_STAGE_CLEARING)
        go_on_clearing(epoch);
    else if (epoch->beside.stage == EPOCH_STAGE_SWEEPING)
        go_on_sweeping(epoch);
}

static void finish_marking(struct epoch_policy *epoch)
{
    struct stop stop = stop_begin(epoch, SM_PAUSE_CYCLE);
    epoch->beside.record.is_fallback = true;
    go_on_with_roots(epoch, SIZE_MAX);
    while (!settle(epoch, SIZE_MAX))
        ;
    end_marking(epoch);
    (void)stop_end(epoch, stop);
    close_cycle(epoch);
}

void epoch_beside_finish(struct epoch_policy *epoch)
{
    struct epoch_beside *beside = &epoch->beside;
    if (beside->stage == EPOCH_STAGE_NONE)
        return;
    sm_pause_begin(epoch->base.mm, SM_PAUSE_CYCLE);
    epoch_collector_stop(&epoch->collector);
    if (beside->stage == EPOCH_STAGE_MARKING)
        finish_marking(epoch);
    while (beside->stage == EPOCH_STAGE_CLEARING)
        go_on_clearing(epoch);
    epoch_collector_stop(&epoch->collector);
    while (!epoch_collector_work(&epoch->collector, UINT64_MAX))
        ;
    (void)sweep_large(epoch, SIZE_MAX);
    seal_swept(epoch);
    end_sweeping(epoch);
    sm_pause_end(epoch->base.mm);
}
