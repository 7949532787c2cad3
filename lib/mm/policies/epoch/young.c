/* Young cycles: whether there are any, when, and one of them. */
#include "epoch/epoch_internal.h"

#include "epoch/chunks.h"

#include "event.h"
#include "manager_internal.h"
#include "pause.h"

#include <stdlib.h>

enum {
    /** A young cycle that would look at more objects gives up, and one to which remembered objects bring more edges: everything is old then (R11). */
    LOOKED_AT_MAX = 16384,
    LOGGED_SLOTS_MAX = 16384,
    /** Of what is young, so large a part (one in ...) may survive for the nursery to grow, and for there to be young cycles. */
    SURVIVORS_OF_GROWING = 8,
    SURVIVORS_OF_STAYING = 2,
};
#define BACKOFF_MIN_BYTES (UINT64_C(4) << 20)
#define BACKOFF_MAX_BYTES (UINT64_C(1) << 30)

/* ---- Whether. ---- */

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static uint64_t nursery_min_bytes(const struct epoch_young *young)
{
    return smaller(EPOCH_NURSERY_MIN_BYTES, young->nursery_max_bytes);
}

void epoch_young_turn(struct epoch_policy *epoch, bool is_on)
{
    struct sm_hot *hot = sm_hot(epoch->base.mm);
    epoch->young.is_on = is_on;
    epoch->young.since_bytes = hot->alloc_bytes;
    epoch->heap.makes_old = !is_on;
    hot->barrier = is_on ? hot->barrier | SM_BARRIER_ARMED : hot->barrier & ~(uint32_t)SM_BARRIER_ARMED;
}

/* All that there is is old, and armed. */
static void turn_on(struct epoch_policy *epoch)
{
    epoch_heap_make_window_old(&epoch->heap);
    epoch->young.nursery_bytes = nursery_min_bytes(&epoch->young);
    epoch_young_turn(epoch, true);
}

static void turn_off(struct epoch_policy *epoch)
{
    struct epoch_young *young = &epoch->young;
    young->trial_bytes = sm_hot(epoch->base.mm)->alloc_bytes + young->backoff_bytes;
    young->backoff_bytes = smaller(2 * young->backoff_bytes, BACKOFF_MAX_BYTES);
    epoch_young_turn(epoch, false);
}

void epoch_young_init(struct epoch_policy *epoch)
{
    epoch->young.backoff_bytes = BACKOFF_MIN_BYTES;
    epoch->young.nursery_bytes = nursery_min_bytes(&epoch->young);
    epoch_young_turn(epoch, epoch->young.choice != EPOCH_YOUNG_NEVER);
}

void epoch_young_follow_threshold(struct epoch_policy *epoch, uint64_t threshold_bytes)
{
    struct epoch_young *young = &epoch->young;
    young->nursery_max_bytes = smaller(young->nursery_option_bytes, threshold_bytes / 4);
    young->nursery_bytes = smaller(young->nursery_bytes, young->nursery_max_bytes);
    if (young->nursery_bytes < nursery_min_bytes(young) || young->choice == EPOCH_YOUNG_ALWAYS)
        young->nursery_bytes =
            young->choice == EPOCH_YOUNG_ALWAYS ? young->nursery_max_bytes : nursery_min_bytes(young);
}

/* Few survivors: the next may wait longer. Many: shorter, or there is no point in it. */
static void adapt(struct epoch_policy *epoch, uint64_t young_bytes, uint64_t survived_bytes)
{
    struct epoch_young *young = &epoch->young;
    young->since_bytes = sm_hot(epoch->base.mm)->alloc_bytes;
    if (young->choice == EPOCH_YOUNG_ALWAYS || young_bytes < nursery_min_bytes(young) / 2)
        return;
    if (survived_bytes > young_bytes / SURVIVORS_OF_STAYING) {
        turn_off(epoch);
    } else if (survived_bytes > young_bytes / SURVIVORS_OF_GROWING) {
        young->nursery_bytes =
            young->nursery_bytes / 2 > nursery_min_bytes(young) ? young->nursery_bytes / 2 : nursery_min_bytes(young);
    } else {
        young->nursery_bytes = smaller(2 * young->nursery_bytes, young->nursery_max_bytes);
        young->backoff_bytes = BACKOFF_MIN_BYTES;
    }
}

/* ---- The remembered set. ---- */

/* Of an object that a full cycle found dead, or that was retired by hand, nothing is left to be asked. */
static bool is_gone(const struct epoch_policy *epoch, const struct sm_object *object)
{
    return !epoch_is_marked(object, epoch->heap.colour) || (sm_object_flags(object) & EPOCH_RETIRED) != 0;
}

/* Returns whether to go on. */
typedef bool visit_remembered(struct epoch_policy *epoch, struct sm_object *object, size_t chunk);

static bool each_remembered(struct epoch_policy *epoch, const struct epoch_log *list, visit_remembered *visit)
{
    for (const struct epoch_log_chunk *entries = list->first; entries != NULL; entries = entries->next)
        for (size_t i = 0; i < entries->count; i++) {
            uintptr_t entry = entries->entries[i];
            bool is_pair = (entry & EPOCH_LOG_PAIR) != 0;
            struct sm_object *object = (struct sm_object *)(entry & ~(uintptr_t)EPOCH_LOG_PAIR);
            if (!is_gone(epoch, object) && !visit(epoch, object, is_pair ? entries->entries[i + 1] : 0))
                return false;
            i += is_pair;
        }
    return true;
}

static bool keep_entry(struct epoch_policy *epoch, struct sm_object *object, size_t chunk)
{
    epoch_remember_again(epoch, object, chunk);
    return true;
}

void epoch_young_keep_living(struct epoch_policy *epoch, struct epoch_log_chunk *entries)
{
    struct epoch_log list = {.first = entries, .count = entries->count};
    entries->next = NULL;
    (void)each_remembered(epoch, &list, keep_entry);
    epoch_log_clear(&list);
}

static bool mark_slots(struct epoch_policy *epoch, struct sm_object *object, size_t chunk)
{
    epoch_marker_visit_slots(&epoch->marker, object, chunk);
    return epoch->region.is_open || epoch->marker.depth < LOGGED_SLOTS_MAX;
}

/* The next store to it is one that counts. */
static bool rearm(struct epoch_policy *epoch, struct sm_object *object, size_t chunk)
{
    const struct sm_type *type = sm_type_get(epoch->base.mm, object->type);
    uint8_t *chunks = epoch_chunks_of(object, &type->layout);
    if (chunks != NULL)
        chunks[epoch_chunk_count(object->payload_bytes) + chunk] = 0;
    else
        epoch_arm(object);
    return true;
}

static void forget(struct epoch_policy *epoch, struct epoch_log *list)
{
    (void)each_remembered(epoch, list, rearm);
    epoch_log_clear(list);
}

void epoch_young_forget(struct epoch_policy *epoch)
{
    forget(epoch, &epoch->remembered);
    forget(epoch, &epoch->beside.unfiltered);
    epoch->young.is_blind = false;
}

static void forget_if(struct epoch_policy *epoch, struct epoch_log *list, sm_is_live *is_kept)
{
    for (struct epoch_log_chunk *entries = list->first; entries != NULL; entries = entries->next)
        for (size_t i = 0; i < entries->count; i++) {
            bool is_pair = (entries->entries[i] & EPOCH_LOG_PAIR) != 0;
            struct sm_object *object = (struct sm_object *)(entries->entries[i] & ~(uintptr_t)EPOCH_LOG_PAIR);
            if (is_kept(NULL, object) && !is_gone(epoch, object))
                (void)rearm(epoch, object, is_pair ? entries->entries[i + 1] : 0);
            i += is_pair;
        }
    epoch_log_clear(list);
}

void epoch_young_forget_if(struct epoch_policy *epoch, sm_is_live *is_kept)
{
    forget_if(epoch, &epoch->remembered, is_kept);
    forget_if(epoch, &epoch->beside.unfiltered, is_kept);
    epoch->young.is_blind = false;
}

/* Where young cycles are given up for now nobody waits for this. Returns whether all are armed. */
static bool rearm_some(struct epoch_policy *epoch)
{
    struct epoch_log_chunk *entries = epoch_log_take(&epoch->remembered);
    if (entries != NULL) {
        struct epoch_log list = {.first = entries, .count = entries->count};
        entries->next = NULL;
        forget(epoch, &list);
    }
    bool is_over = epoch->remembered.count == 0 && epoch->beside.unfiltered.count == 0;
    if (is_over && epoch->held.room_bytes != 0)
        epoch_release_held(epoch);
    if (is_over)
        epoch->young.is_blind = false;
    return is_over;
}

/* ---- When. ---- */

/* Whether a run-loop iteration ends here, or one has begun since the last safepoint op, or a blocking call was made. */
static bool crosses_boundary(const struct epoch_policy *epoch)
{
    return sm_hot(epoch->base.mm)->at_boundary != 0 ||
           sm_owner_guard(epoch->base.mm)->sequence != epoch->young.pins_seen;
}

void epoch_young_safepoint_end(struct epoch_policy *epoch)
{
    epoch->young.pins_seen = sm_owner_guard(epoch->base.mm)->sequence;
}

/* Without a cycle. Where nothing is young the blocks in use are looked at all the same: a snapshot wants each block's counts in order. */
void epoch_young_conclude_as_old(struct epoch_policy *epoch)
{
    struct epoch_batch batch = {0};
    epoch_heap_make_all_old(&epoch->heap);
    epoch_heap_take_unlisted(&epoch->heap, &batch);
    epoch_heap_conclude_open(&epoch->heap, &batch);
    epoch_seal_batch(epoch, &batch);
}

/* Pacing "never" and a program that has disabled cycles leave emergencies alone, and "always" makes every cycle a full one. */
bool epoch_young_is_paced(const struct epoch_policy *epoch)
{
    uint64_t threshold_bytes = epoch->base.mm->cycles.threshold_bytes;
    return epoch->base.mm->cycles.enabled && threshold_bytes != 0 && threshold_bytes != UINT64_MAX;
}

static bool leaves_cycles_alone(struct epoch_policy *epoch)
{
    if (epoch_young_is_paced(epoch))
        return false;
    if (epoch->young.is_on) {
        epoch_young_conclude_as_old(epoch);
        epoch_young_turn(epoch, false); /* what is remembered is armed by and by */
    }
    return true;
}

/* At a boundary nearly all that the iteration made is dead. One that never ends has young cycles all the same (R4). */
void epoch_young_safepoint(struct epoch_policy *epoch)
{
    struct epoch_young *young = &epoch->young;
    if (epoch->region.is_open) {
        epoch_region_safepoint(epoch);
        return;
    }
    bool is_boundary = crosses_boundary(epoch);
    uint64_t clock_bytes = sm_hot(epoch->base.mm)->alloc_bytes;
    bool is_in_the_way = epoch->beside.stage == EPOCH_STAGE_MARKING || epoch->beside.stage == EPOCH_STAGE_CLEARING;
    if (is_in_the_way || young->choice == EPOCH_YOUNG_NEVER)
        return;
    bool may_turn_on = !leaves_cycles_alone(epoch) && is_boundary && clock_bytes >= young->trial_bytes;
    if (!young->is_on) {
        if (rearm_some(epoch) && may_turn_on)
            turn_on(epoch);
        return;
    }
    uint64_t made_bytes = clock_bytes - young->since_bytes;
    bool is_much_remembered = epoch->remembered.count >= EPOCH_REMEMBERED_MAX;
    if (made_bytes < young->nursery_bytes && !is_much_remembered)
        return;
    if (is_boundary || is_much_remembered || made_bytes / 2 >= young->nursery_bytes)
        sm_young_request(epoch->base.mm);
    else
        sm_attention_request(epoch->base.mm); /* the boundary is worth waiting for */
}

/* ---- One young cycle. ---- */

/* False: too many live. */
static bool mark_young(struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    struct epoch_marker *marker = &epoch->marker;
    uint64_t done = 0;
    sm_weak_list_handed_back(&epoch->weak);
    record->logged_objects = epoch->remembered.count + epoch->beside.unfiltered.count;
    bool is_too_much = !epoch->region.is_open && record->logged_objects > 4 * EPOCH_REMEMBERED_MAX;
    if (epoch->young.is_blind || is_too_much || !epoch_marker_reserve(marker, epoch->base.mm))
        return false;
    epoch_marker_begin(marker, epoch->heap.colour, EPOCH_COLOUR_NONE);
    marker->is_young = true;
    (void)sm_roots_enumerate_young(epoch->base.mm, &marker->roots);
    return each_remembered(epoch, &epoch->remembered, mark_slots) &&
           each_remembered(epoch, &epoch->beside.unfiltered, mark_slots) &&
           epoch_marker_drain_some(marker, epoch->region.is_open ? UINT64_MAX : LOOKED_AT_MAX, &done);
}

static void conclude_marking(struct epoch_policy *epoch, bool is_whole)
{
    struct epoch_heap *heap = &epoch->heap;
    if (is_whole) {
        epoch_marker_keep_finalizable(&epoch->marker);
        sm_weak_list_sweep_young(&epoch->weak, epoch->base.mm, epoch_marker_is_live, &epoch->marker);
    } else {
        epoch_marker_abandon(&epoch->marker);
        epoch_heap_make_all_old(heap);
    }
    heap->old_objects += epoch->marker.live_objects;
    heap->old_bytes += epoch->marker.live_bytes;
}

static void record_young(struct epoch_policy *epoch, uint64_t old_objects_before, struct sm_cycle_record *record)
{
    const struct epoch_heap *heap = &epoch->heap;
    struct sm_stats stats;
    sm_stats_get(epoch->base.mm, &stats);
    SM_ASSERT(stats.live_objects >= heap->old_objects && stats.live_bytes >= heap->old_bytes);
    record->traced_objects = heap->old_objects - old_objects_before;
    record->live_objects = heap->old_objects;
    record->live_bytes = heap->old_bytes;
    record->retired_objects = stats.live_objects - heap->old_objects;
    record->retired_bytes = stats.live_bytes - heap->old_bytes;
}

/* What died waits for its grace period. */
static void retire_young(struct epoch_policy *epoch, const struct sm_cycle_record *record)
{
    struct epoch_batch batch = {.object_count = record->retired_objects, .payload_bytes = record->retired_bytes};
    epoch_heap_take_unlisted(&epoch->heap, &batch);
    epoch_heap_conclude_open(&epoch->heap, &batch);
    batch.trims_pool = ++epoch->young.count % EPOCH_TRIM_YOUNG_CYCLES == 0 && !epoch->region.is_open;
    epoch_count_backlog(epoch, &batch);
    epoch_batch_splice(&epoch->open, &batch);
    if (epoch->remembered.count == 0)
        epoch_release_held(epoch);
    epoch_seal(epoch);
}

void epoch_young_collect(struct epoch_policy *epoch, struct sm_cycle_record *record)
{
    struct epoch_heap *heap = &epoch->heap;
    uint64_t old_objects = heap->old_objects, old_bytes = heap->old_bytes;
    SM_ASSERT(epoch->young.is_on && heap->marking == EPOCH_COLOUR_NONE && epoch->beside.stage != EPOCH_STAGE_CLEARING);
    SM_ASSERT_CHECKED(epoch->young.is_blind || epoch_remembered_is_complete(epoch));
    record->kind = SM_CYCLE_YOUNG;
    epoch->marker.live_objects = epoch->marker.live_bytes = 0;
    epoch_heap_hold_open(heap);
    bool is_whole = mark_young(epoch, record);
    bool gives_up = !is_whole && epoch->young.choice == EPOCH_YOUNG_AUTO && !epoch->region.is_open;
    conclude_marking(epoch, is_whole);
    if (!gives_up)
        epoch_young_forget(epoch);
    record_young(epoch, old_objects, record);
    retire_young(epoch, record);
    uint64_t survived_bytes = heap->old_bytes - old_bytes;
    if (epoch->region.is_open)
        epoch_region_note_young(epoch);
    else if (gives_up)
        turn_off(epoch);
    else
        adapt(epoch, survived_bytes + record->retired_bytes, survived_bytes);
    epoch_record_heap(epoch, record);
}

void epoch_young_finish(struct epoch_policy *epoch)
{
    struct sm_cycle_record record = {.trigger = SM_TRIGGER_THRESHOLD};
    if (!epoch->young.is_on) {
        epoch_young_conclude_as_old(epoch);
        return;
    }
    epoch_young_collect(epoch, &record);
    sm_cycle_report(epoch->base.mm, &record);
}
