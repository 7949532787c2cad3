/*
 * Requests that go as a whole: option `region`, where requests are served.
 *
 * Until a request has taken as much as the option says nothing is done beside bumping: no cycle, and what is retired by hand
 * only gets its flag. Then young cycles begin, one each `nursery` bytes, and full ones as what survives them doubles. What
 * lives when the request begins, the boot objects, is old and stays as it is: its blocks are not filled meanwhile, so at the
 * end whatever lies in any other block goes, looked at or not.
 *
 * Why it is sound. A young cycle must know which boot objects refer to younger ones: the store barrier is on from the
 * beginning, and one test at a store to anything else, so they are remembered as ever. A full cycle takes all boot objects for
 * roots, so none of them dies inside a request and the count of what is left at its end is known (what is retired by hand is
 * taken off it). At the end no slot of what stays may lead to what goes (sm_request_end); the policy's own lists are
 * cleaned: weak cells, the remembered set, what is held and listed. Destructors have all run.
 * R2: without an observer nobody but the owner can hold what it has retired, and one that registers later takes the
 * guards' lock after the owner has looked, so nothing waits. With one, liburcu decides as ever.
 */
#include "epoch/epoch_internal.h"

#include "guard.h"
#include "manager_internal.h"

enum { TRIM_REQUESTS = 8 };

bool epoch_region_reclaims_unread(const struct epoch_policy *epoch)
{
    return epoch->region.limit_bytes != 0 && !sm_guards_have_observers(epoch->base.mm);
}

/* ---- Beginning. ---- */

void epoch_region_begin(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct epoch_region *region = &epoch->region;
    SM_ASSERT(!region->is_open && epoch->beside.stage == EPOCH_STAGE_NONE);
    epoch_young_conclude_as_old(epoch);
    epoch_young_forget(epoch);
    epoch_release_held(epoch);
    (void)epoch_drain(epoch, SM_PAUSE_GRACE, 0);
    SM_ASSERT(epoch->heap.old_objects == policy->mm->request_live_objects);
    epoch_pool_begin_region(&epoch->heap.pool);
    region->is_open = true;
    region->is_passed = false;
    region->was_on = epoch->young.is_on;
    region->begin_bytes = epoch_heap_room_bytes(&epoch->heap);
    region->full_at_bytes = region->limit_bytes;
    epoch_young_turn(epoch, true);
}

/* ---- When there is a cycle. ---- */

static uint64_t survived_bytes(const struct epoch_policy *epoch)
{
    return epoch->heap.old_bytes - epoch->base.mm->request_live_bytes;
}

void epoch_region_note_full(struct epoch_policy *epoch)
{
    struct epoch_region *region = &epoch->region;
    region->full_at_bytes = region->limit_bytes;
    if (survived_bytes(epoch) > region->limit_bytes / 2)
        region->full_at_bytes = 2 * survived_bytes(epoch);
    epoch_region_note_young(epoch);
}

void epoch_region_note_young(struct epoch_policy *epoch)
{
    epoch->region.is_passed = true;
    epoch->region.since_bytes = epoch_heap_room_bytes(&epoch->heap);
}

/* C locals hold nothing at a safepoint, so there is no boundary to wait for. */
void epoch_region_safepoint(struct epoch_policy *epoch)
{
    const struct epoch_region *region = &epoch->region;
    uint64_t room_bytes = epoch_heap_room_bytes(&epoch->heap);
    bool is_due = region->is_passed ? room_bytes - region->since_bytes >= epoch->young.nursery_option_bytes
                                    : room_bytes - region->begin_bytes >= region->limit_bytes;
    bool is_much_remembered = region->is_passed && epoch->remembered.count >= EPOCH_REMEMBERED_MAX;
    if ((!is_due && !is_much_remembered) || !epoch_young_is_paced(epoch))
        return;
    if (survived_bytes(epoch) >= region->full_at_bytes)
        sm_cycle_request(epoch->base.mm);
    else
        sm_young_request(epoch->base.mm);
}

/* ---- What boot objects are to a full cycle. ---- */

void epoch_region_visit_boot(struct epoch_policy *epoch)
{
    epoch_heap_walk_boot(&epoch->heap, epoch_marker_visit, &epoch->marker);
}

/* ---- Retired by hand. ---- */

/* Alone in its blocks, so its room is of use at once. */
static bool is_large_of_request(const struct sm_object *object)
{
    const struct epoch_block *block = epoch_block_of(object);
    return block->state == EPOCH_BLOCK_LARGE && !epoch_block_is_boot(block);
}

bool epoch_region_retire(struct epoch_policy *epoch, struct sm_object *object)
{
    if (epoch_block_is_boot(epoch_block_of(object)))
        sm_count_boot_dead(epoch->base.mm, object);
    if (is_large_of_request(object))
        return false;
    epoch_heap_retire_unlisted(&epoch->heap, object);
    return true;
}

void epoch_region_large_gone(struct epoch_policy *epoch, uint64_t room_bytes)
{
    struct epoch_region *region = &epoch->region;
    if (!epoch_region_reclaims_unread(epoch))
        return;
    epoch_seal(epoch);
    epoch_reclaimer_release_unread(epoch->reclaimer);
    region->begin_bytes += room_bytes;
    region->since_bytes += room_bytes;
}

/* ---- The end. ---- */

static bool is_boot(void *context, const struct sm_object *object)
{
    (void)context;
    return epoch_block_is_boot(epoch_block_of(object));
}

/* What a batch has of the time before goes on waiting; the rest of its blocks is found with all the others. */
static void take_waiting(struct epoch_policy *epoch, struct epoch_batch *batch)
{
    struct epoch_block_list blocks = {0};
    struct epoch_block *block;
    epoch_release_held(epoch);
    epoch_reclaimer_withdraw(epoch->reclaimer, batch);
    epoch_batch_splice(batch, &epoch->open);
    epoch_batch_take_blocks(batch, &blocks);
    while ((block = epoch_list_take(&blocks)) != NULL)
        if (epoch_block_is_boot(block) || block->used_bytes == 0) {
            batch->room_bytes += block->dead_bytes;
            epoch_list_append(&batch->blocks, block);
        }
}

static void drop_objects(struct epoch_policy *epoch)
{
    struct sm_manager *mm = epoch->base.mm;
    struct epoch_batch batch = {0};
    take_waiting(epoch, &batch);
    epoch_heap_drop_region(&epoch->heap, &batch);
    epoch_heap_take_unlisted(&epoch->heap, &batch);
    batch.object_count += sm_live_objects(mm) - mm->request_live_objects;
    batch.payload_bytes += sm_live_bytes(mm) - mm->request_live_bytes;
    batch.trims_pool = ++epoch->region.count % TRIM_REQUESTS == 0;
    epoch->heap.old_objects = mm->request_live_objects;
    epoch->heap.old_bytes = mm->request_live_bytes;
    epoch_count_backlog(epoch, &batch);
    epoch_batch_splice(&epoch->open, &batch);
}

void epoch_region_end(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    SM_ASSERT(epoch->region.is_open);
    sm_weak_list_handed_back(&epoch->weak);
    sm_weak_list_sweep(&epoch->weak, policy->mm, is_boot, NULL);
    epoch_young_forget_if(epoch, is_boot);
    drop_objects(epoch);
    epoch_heap_safepoint(&epoch->heap);
    epoch_young_turn(epoch, epoch->region.was_on);
    epoch_pool_end_region(&epoch->heap.pool);
    epoch->region.is_open = false;
    (void)epoch_drain(epoch, SM_PAUSE_GRACE, 0);
}
