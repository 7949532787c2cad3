/* Backlog bounds, safepoints, waits, stalled guards. */
#include "epoch/epoch_internal.h"

#include "event.h"
#include "guard.h"
#include "pause.h"

#include <time.h>

#define POLL_NS 50000

/* A grace period for every open batch at most. */
static uint64_t inline_bound(uint64_t threshold_bytes, uint64_t soft_bytes)
{
    uint64_t due_bytes = threshold_bytes < EPOCH_OPEN_BATCH_BYTES ? EPOCH_OPEN_BATCH_BYTES : threshold_bytes;
    return due_bytes < soft_bytes ? due_bytes : soft_bytes;
}

void epoch_bounds_set(struct epoch_policy *epoch, uint64_t threshold_bytes)
{
    uint64_t hard_bytes = epoch->backlog_limit_bytes;
    if (hard_bytes == 0)
        hard_bytes = threshold_bytes > UINT64_MAX / EPOCH_BACKLOG_THRESHOLDS
                         ? UINT64_MAX
                         : threshold_bytes * EPOCH_BACKLOG_THRESHOLDS;
    if (epoch->backlog_limit_bytes == 0 && hard_bytes < EPOCH_BACKLOG_MINIMUM_BYTES)
        hard_bytes = EPOCH_BACKLOG_MINIMUM_BYTES;
    epoch->bounds = (struct epoch_bounds){
        .inline_bytes = inline_bound(threshold_bytes, hard_bytes / 4),
        .soft_bytes = hard_bytes / 4,
        .middle_bytes = hard_bytes / 2,
        .hard_bytes = hard_bytes,
    };
}

bool epoch_at_hard_bound(const struct epoch_policy *epoch)
{
    return epoch_backlog_bytes(epoch->reclaimer) >= epoch->bounds.hard_bytes;
}

bool epoch_may_allocate(struct epoch_policy *epoch)
{
    if (epoch_at_hard_bound(epoch))
        return false;
    if (epoch->heap.bytes_since_step >= EPOCH_WINDOW_STEP_BYTES) {
        epoch->heap.bytes_since_step = 0;
        sm_attention_request(epoch->base.mm);
    }
    return true;
}

/* The owner is offline, so it is not among the reports. */
void epoch_watch_stall(struct epoch_policy *epoch)
{
    struct sm_manager *mm = epoch->base.mm;
    struct sm_guard_report oldest;
    sm_guards_observe_ages(mm);
    if (sm_guard_reports(mm, &oldest, 1) == 0)
        return;
    if (oldest.age_ns < epoch->stall_report_ns || oldest.pinned_epoch == epoch->stall_epoch)
        return;
    if (sm_guard_stall_report(mm, &oldest))
        epoch->stall_epoch = oldest.pinned_epoch;
}

/* Whether every guard pinned now was pinned in `from_epoch` or later, within the deadline. */
static bool poll_guards(struct sm_manager *mm, uint64_t from_epoch, uint64_t deadline_ns)
{
    struct sm_guard_report oldest;
    const struct timespec step = {.tv_nsec = POLL_NS};
    while (sm_guard_reports(mm, &oldest, 1) > 0 && sm_epoch_is_before(oldest.pinned_epoch, from_epoch)) {
        if (sm_clock_ns() >= deadline_ns)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

/*
 * liburcu 0.13 cannot be asked whether a grace period has passed, and its wait has no end of its own;
 * so the slots are looked at first. They only say whether it is wise to wait: liburcu still decides
 * (R2). A guard that begins during the wait itself and never ends is not bounded: whoever has such
 * readers uses reclaim=thread.
 */
static bool drain_inline(struct epoch_policy *epoch, uint64_t timeout_ns)
{
    uint64_t deadline_ns = timeout_ns == EPOCH_FOREVER ? UINT64_MAX : sm_clock_ns() + timeout_ns;
    if (!poll_guards(epoch->base.mm, sm_epoch_advance(epoch->base.mm), deadline_ns))
        return false;
    epoch_reclaimer_drain_inline(epoch->reclaimer);
    return true;
}

/*
 * A busy machine may keep the reclaimer's thread from a processor for longer than a guard may take, and memory is not
 * refused for that. Another manager's guard cannot be told from it, so this has an end, too.
 */
static bool drain_threaded(struct epoch_policy *epoch, enum sm_pause_cause cause, uint64_t timeout_ns)
{
    struct sm_manager *mm = epoch->base.mm;
    uint64_t from_epoch = sm_epoch_advance(mm);
    for (unsigned waits = cause == SM_PAUSE_GRACE ? EPOCH_GRACE_WAITS : 1; waits > 0; waits--) {
        if (epoch_reclaimer_wait(epoch->reclaimer, timeout_ns))
            return true;
        if (!poll_guards(mm, from_epoch, 0))
            return false;
    }
    return false;
}

bool epoch_drain(struct epoch_policy *epoch, enum sm_pause_cause cause, uint64_t timeout_ns)
{
    struct sm_manager *mm = epoch->base.mm;
    bool drained = false;
    epoch_seal(epoch);
    if (epoch_region_reclaims_unread(epoch))
        epoch_reclaimer_release_unread(epoch->reclaimer);
    if (epoch_backlog_bytes(epoch->reclaimer) == 0)
        return true;
    sm_pause_begin(mm, cause);
    sm_owner_wait_begin(mm);
    if (epoch_thread_in_guard())
        drained = false; /* R3: another manager's guard on this thread; its end is not ours to wait for */
    else if (epoch_reclaimer_is_threaded(epoch->reclaimer))
        drained = drain_threaded(epoch, cause, timeout_ns);
    else
        drained = drain_inline(epoch, timeout_ns);
    if (!drained)
        epoch_watch_stall(epoch);
    sm_owner_wait_end(mm);
    sm_pause_end(mm);
    return drained;
}

/* Wait a little, or only look; after a failure not before the backlog has grown by a sixteenth. */
static void assist(struct epoch_policy *epoch, uint64_t backlog_bytes, uint64_t timeout_ns)
{
    if (backlog_bytes < epoch->assist_floor_bytes)
        return;
    uint64_t start_ns = sm_clock_ns();
    bool drained = epoch_drain(epoch, SM_PAUSE_ASSIST, timeout_ns);
    uint64_t left_bytes = epoch_backlog_bytes(epoch->reclaimer);
    sm_event(epoch->base.mm, SM_EVENT_ASSIST, SM_CYCLE_FULL,
             left_bytes < backlog_bytes ? backlog_bytes - left_bytes : 0, sm_clock_ns() - start_ns);
    epoch->assist_floor_bytes = drained ? 0 : backlog_bytes + epoch->bounds.hard_bytes / 16;
}

/* Nobody else releases what waits: with no guard in the way that costs a system call, and the memory is used again. */
static void relieve_inline(struct epoch_policy *epoch, uint64_t backlog_bytes)
{
    if (backlog_bytes >= epoch->bounds.inline_bytes)
        assist(epoch, backlog_bytes, backlog_bytes >= epoch->bounds.soft_bytes ? EPOCH_ASSIST_WAIT_NS : 0);
}

static void relieve(struct epoch_policy *epoch)
{
    uint64_t backlog_bytes = epoch_backlog_bytes(epoch->reclaimer);
    bool is_inline = !epoch_reclaimer_is_threaded(epoch->reclaimer);
    if (backlog_bytes < (is_inline ? epoch->bounds.inline_bytes : epoch->bounds.soft_bytes))
        epoch->assist_floor_bytes = 0;
    if (is_inline)
        relieve_inline(epoch, backlog_bytes);
    if (backlog_bytes < epoch->bounds.soft_bytes)
        return;
    sm_owner_wait_begin(epoch->base.mm);
    epoch_watch_stall(epoch);
    sm_owner_wait_end(epoch->base.mm);
    if (!is_inline && backlog_bytes >= epoch->bounds.middle_bytes)
        assist(epoch, backlog_bytes, EPOCH_ASSIST_WAIT_NS);
}

/*
 * R4. One repin is not always enough: the request is made just before the grace period begins, and an
 * owner that repins in between is pinned again when it does. So safepoints keep coming here while the
 * reclaimer waits, for a time; if a guard has stalled by then, allocation alone brings them.
 *
 * Liburcu's domain is the process, and nobody tells this owner that another manager's reclaimer waits for it:
 * so every safepoint op repins, whether there is garbage here or not.
 */
static void repin_for_reclaimers(struct epoch_policy *epoch)
{
    struct sm_manager *mm = epoch->base.mm;
    sm_owner_wait_begin(mm);
    sm_owner_wait_end(mm);
    uint64_t awaited = epoch_awaited_sequence(epoch->reclaimer);
    if (awaited == 0)
        return;
    uint64_t now_ns = sm_clock_ns();
    if (awaited != epoch->awaited_seen) {
        epoch->awaited_seen = awaited;
        epoch->awaited_seen_ns = now_ns;
    }
    if (now_ns - epoch->awaited_seen_ns < EPOCH_REPIN_EAGER_NS)
        sm_attention_request(mm);
}

/*
 * Each batch costs a grace period, which interrupts every processor: a few objects retired by hand wait for more. The
 * end of the guard seals them in any case; an owner that never leaves its iteration does so here, by and by.
 */
static void seal_in_time(struct epoch_policy *epoch)
{
    if (epoch_batch_is_empty(&epoch->open) || ++epoch->open_safepoints < EPOCH_OPEN_SAFEPOINTS)
        return;
    epoch_seal(epoch);
}

void epoch_safepoint(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    epoch_heap_safepoint(&epoch->heap);
    sm_weak_list_handed_back(&epoch->weak);
    epoch_beside_safepoint(epoch);
    epoch_young_safepoint(epoch);
    seal_in_time(epoch);
    repin_for_reclaimers(epoch);
    relieve(epoch);
    epoch_young_safepoint_end(epoch);
}
