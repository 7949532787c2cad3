/* Retiring: from reachable to "reusable after a grace period". */
#include "epoch/epoch_internal.h"

#include "pause.h"

void epoch_count_backlog(struct epoch_policy *epoch, uint64_t room_bytes)
{
    _Atomic uint64_t *backlog = &epoch->reclaimer->backlog_bytes;
    uint64_t backlog_bytes = atomic_fetch_add_explicit(backlog, room_bytes, memory_order_relaxed) + room_bytes;
    if (backlog_bytes > epoch->peak_backlog_bytes)
        epoch->peak_backlog_bytes = backlog_bytes;
}

void epoch_seal(struct epoch_policy *epoch)
{
    if (epoch_batch_is_empty(&epoch->open))
        return;
    epoch->open.retire_epoch = sm_epoch_advance(epoch->base.mm);
    if (epoch->open.sealed_ns == 0)
        epoch->open.sealed_ns = sm_clock_ns();
    epoch->open_safepoints = 0;
    epoch_reclaimer_push(epoch->reclaimer, &epoch->open);
}

/*
 * Batches, not objects, are what a grace period costs. An owner under its guard cannot let one end
 * anyway, so the batch stays open until it is large, a safepoint op runs, or the guard ends; without
 * a guard nothing later is sure to seal it, so it is sealed at once.
 */
void epoch_retire(struct sm_policy *policy, struct sm_object *object)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct sm_manager *mm = policy->mm;
    uint64_t room_bytes_before = epoch->open.room_bytes;
    sm_weak_list_forget(&epoch->weak, mm, object);
    epoch_heap_retire(&epoch->heap, object, &epoch->open);
    epoch_count_backlog(epoch, epoch->open.room_bytes - room_bytes_before);
    if (epoch->open.room_bytes >= EPOCH_OPEN_BATCH_BYTES || sm_guard_depth(sm_owner_guard(mm)) == 0)
        epoch_seal(epoch);
}
