/* Retiring: from reachable to "reusable after a grace period". */
#include "epoch/epoch_internal.h"

#include "event.h"
#include "pause.h"

void epoch_count_backlog(struct epoch_policy *epoch, struct epoch_batch *batch)
{
    uint64_t room_bytes = batch->uncounted_bytes;
    batch->uncounted_bytes = 0;
    _Atomic uint64_t *backlog = &epoch->reclaimer->backlog_bytes;
    uint64_t backlog_bytes = atomic_fetch_add_explicit(backlog, room_bytes, memory_order_relaxed) + room_bytes;
    if (backlog_bytes > epoch->peak_backlog_bytes)
        epoch->peak_backlog_bytes = backlog_bytes;
}

void epoch_uncount_backlog(struct epoch_policy *epoch, uint64_t room_bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&epoch->reclaimer->backlog_bytes, room_bytes, memory_order_relaxed);
    SM_ASSERT(before >= room_bytes);
    (void)before;
}

void epoch_seal(struct epoch_policy *epoch)
{
    if (epoch_batch_is_empty(&epoch->open))
        return;
    epoch->open.retire_epoch = sm_epoch_advance(epoch->base.mm);
    if (epoch->open.sealed_ns == 0)
        epoch->open.sealed_ns = sm_clock_ns();
    epoch->open_safepoints = 0;
    sm_event(epoch->base.mm, SM_EVENT_BACKLOG, SM_CYCLE_FULL, epoch_backlog_bytes(epoch->reclaimer), 0);
    epoch_reclaimer_push(epoch->reclaimer, &epoch->open);
}

void epoch_seal_batch(struct epoch_policy *epoch, struct epoch_batch *batch)
{
    epoch_count_backlog(epoch, batch);
    epoch_batch_splice(&epoch->open, batch);
    epoch_seal(epoch);
}

void epoch_release_held(struct epoch_policy *epoch)
{
    epoch_batch_splice(&epoch->open, &epoch->held);
}

/* What is remembered later cannot refer to what nothing reachable refers to now. */
static bool remembers(const struct epoch_policy *epoch)
{
    return epoch->remembered.count != 0 || epoch->beside.unfiltered.count != 0;
}

/*
 * An object that was there at the snapshot may be on the marker's stack: it counts as reachable still, so that the marker
 * comes to it for certain. And one that is old may be remembered, or something remembered that is dead itself may refer to
 * it, which young cycles follow.
 */
static bool is_to_be_held(const struct epoch_policy *epoch, const struct sm_object *object)
{
    uint8_t byte = epoch_granule_load(object);
    bool is_at_snapshot = epoch->heap.marking != EPOCH_COLOUR_NONE && !epoch_heap_is_black(&epoch->heap, byte);
    bool may_be_remembered = epoch->young.is_on || (sm_object_flags(object) & EPOCH_ARMED) == 0 ||
                             epoch_block_of(object)->state == EPOCH_BLOCK_LARGE;
    return byte != 0 && (is_at_snapshot || (may_be_remembered && remembers(epoch)));
}

/* The next young cycle takes a young object without any list, and nothing that it reads may lead to reused room before. */
static bool leave_to_young_cycle(struct epoch_policy *epoch, struct sm_object *object)
{
    if (!epoch->young.is_on || !remembers(epoch) || epoch_heap_is_old(object))
        return false;
    sm_object_set_flags(object, EPOCH_RETIRED);
    epoch->heap.unlisted_objects++;
    epoch->heap.unlisted_bytes += object->payload_bytes;
    return true;
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
    bool is_region = epoch->region.is_open;
    bool is_held = is_to_be_held(epoch, object);
    struct epoch_batch *batch = is_held ? &epoch->held : &epoch->open;
    sm_weak_list_forget(&epoch->weak, mm, object);
    if ((is_region && epoch_region_retire(epoch, object)) || leave_to_young_cycle(epoch, object))
        return;
    if (is_held)
        epoch_shade(epoch, object);
    uint64_t room_bytes = sm_block_bytes((size_t)object->payload_bytes);
    epoch_heap_retire(&epoch->heap, object, batch);
    epoch_count_backlog(epoch, batch);
    if (is_region && !is_held)
        epoch_region_large_gone(epoch, room_bytes);
    if (epoch->open.room_bytes >= EPOCH_OPEN_BATCH_BYTES || sm_guard_depth(sm_owner_guard(mm)) == 0)
        epoch_seal(epoch);
}
