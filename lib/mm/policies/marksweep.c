/**
 * The mark-and-sweep policy: precise, stop the world, free at once. What the epoch policy would be without
 * guards, grace periods and observers; the difference between the two is what those cost and buy.
 *
 * A cycle marks from the roots with an explicit stack (marker.h), and frees every object that stayed unmarked in
 * one sweep of the table of objects (object_table.h). Each object is a mimalloc block of its own: a hidden prefix,
 * whose last word is the table's, the header, the payload; as large as under the epoch policy, so that the two
 * compare. The blocks are in a mimalloc heap of the policy's own, so that the end of a manager frees them without
 * looking at each.
 *
 * Where each soundness rule is kept:
 *   R1  marking starts from sm_roots_enumerate alone; there are no observers.
 *   R5  unreachable objects with destructors, and all they reach, are marked before anything is freed; weak cells
 *       are cleared when their target is freed.                                     collect, weak_list.c
 *   R7  in an emergency everything younger than the last safepoint is a root, and so is what weak_get handed out
 *       since; the memory of all else is there when the cycle returns.               mark_all
 *   R12 header counts are never read here.
 *
 * Threads. All of it is the owner's. Blocks are allocated and freed by the owner, and given back with the heap by the
 * thread that made it, as mimalloc wants.
 */
#include "allocator_order.h"
#include "assertion.h"
#include "marker.h"
#include "object_table.h"
#include "weak_list.h"

#include "sapimem/policy.h"

#include <mimalloc.h>
#include <stdlib.h>
#include <string.h>

enum { POISON_BYTE = 0xDF };

/**
 * So much allocation without a safepoint op asks for one. The inline safepoint does not tell the policy of itself, so
 * this bounds what an emergency must take for younger than the last safepoint. The same as under the epoch policy.
 */
#define SAFEPOINT_STEP_BYTES (UINT64_C(8) << 10)

/** Before each object's header. A multiple of 16 bytes, for objects are aligned so. */
struct marksweep_prefix {
    uint64_t padding;
    uint64_t index; /**< the table's */
};

_Static_assert(sizeof(struct marksweep_prefix) == SM_ALIGNMENT, "the prefix keeps objects aligned");
_Static_assert(offsetof(struct marksweep_prefix, index) + sizeof(uint64_t) == sizeof(struct marksweep_prefix),
               "the table's word stands before the header");
_Static_assert((SM_MARK_MASK & SM_WEAKLY_REFERRED) == 0, "each flag has its own bits");

struct marksweep_policy {
    struct sm_policy base;
    mi_heap_t *heap;
    struct sm_object_table objects;
    struct sm_weak_list weak;
    uint16_t mark;             /**< of the last cycle's survivors; SM_MARK_NONE before the first */
    uint64_t block_bytes;      /**< reserved for the blocks there are */
    uint64_t bytes_since_step; /**< block bytes since the last safepoint op, or request for one */
    uint64_t freed_objects, freed_bytes;
};

extern const struct sm_policy_ops sm_policy_marksweep;

static struct marksweep_policy *marksweep_of(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_marksweep);
    return (struct marksweep_policy *)(uintptr_t)policy;
}

static struct marksweep_prefix *prefix_of(struct sm_object *object)
{
    return (struct marksweep_prefix *)(void *)object - 1;
}

/* Bytes of the system's memory that an object of `payload_bytes` holds. */
static size_t block_bytes_of(uint64_t payload_bytes)
{
    return mi_good_size(sizeof(struct marksweep_prefix) + sm_block_bytes((size_t)payload_bytes));
}

/* ---- Beginning and end. ---- */

static sm_status create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    (void)options;
    struct marksweep_policy *marksweep = calloc(1, sizeof(*marksweep));
    if (marksweep == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy marksweep: no memory for its state");
    marksweep->base = (struct sm_policy){&sm_policy_marksweep, mm};
    marksweep->heap = mi_heap_new();
    if (marksweep->heap == NULL) {
        free(marksweep);
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy marksweep: mimalloc has no memory for a heap");
    }
    sm_object_table_init(&marksweep->objects, mm);
    *policy = &marksweep->base;
    return SM_OK;
}

static void tell_release(void *context, struct sm_object *object)
{
    (void)context;
    sm_allocator_releases(prefix_of(object));
}

static void destroy(struct sm_policy *policy)
{
    struct marksweep_policy *marksweep = marksweep_of(policy);
    if (SM_ALLOCATOR_ORDER_IS_TOLD)
        sm_object_table_walk(&marksweep->objects, tell_release, NULL);
    mi_heap_destroy(marksweep->heap);
    sm_unreserve(policy->mm, marksweep->block_bytes);
    sm_object_table_finish(&marksweep->objects);
    free(marksweep);
}

/* ---- Blocks. ---- */

static void count_allocation(struct marksweep_policy *marksweep, size_t payload_bytes, size_t block_bytes)
{
    marksweep->block_bytes += block_bytes;
    sm_count_policy_bytes(marksweep->base.mm, block_bytes - payload_bytes);
    marksweep->bytes_since_step += block_bytes;
    if (marksweep->bytes_since_step >= SAFEPOINT_STEP_BYTES) {
        marksweep->bytes_since_step = 0;
        sm_attention_request(marksweep->base.mm);
    }
}

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct marksweep_policy *marksweep = marksweep_of(policy);
    size_t block_bytes = block_bytes_of(payload_bytes);
    if (!sm_object_table_reserve(&marksweep->objects) || !sm_reserve(policy->mm, block_bytes))
        return NULL;
    struct marksweep_prefix *prefix = mi_heap_malloc(marksweep->heap, block_bytes);
    if (prefix == NULL) {
        sm_unreserve(policy->mm, block_bytes);
        return NULL;
    }
    sm_allocator_acquired(prefix);
    struct sm_object *object = (struct sm_object *)(prefix + 1);
    sm_object_table_add(&marksweep->objects, object, payload_bytes);
    count_allocation(marksweep, payload_bytes, block_bytes);
    return object;
}

/* SM_FORM_NONE: there is no window to move. */
static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    (void)marksweep_of(policy);
    SM_ASSERT(payload_bytes <= SM_INLINE_PAYLOAD_MAX);
    return false;
}

/* The object has left the table. Its block stays reserved: a sweep gives all it freed back at once. */
static void release(void *context, struct sm_object *object)
{
    struct marksweep_policy *marksweep = context;
    marksweep->block_bytes -= block_bytes_of(object->payload_bytes);
    marksweep->freed_objects++;
    marksweep->freed_bytes += object->payload_bytes;
    if (SM_ASSERT_LEVEL >= 2)
        memset(object, POISON_BYTE, sm_block_bytes((size_t)object->payload_bytes));
    sm_allocator_releases(prefix_of(object));
    mi_free(prefix_of(object));
}

static void free_now(struct sm_policy *policy, struct sm_object *object)
{
    struct marksweep_policy *marksweep = marksweep_of(policy);
    uint64_t block_bytes_before = marksweep->block_bytes;
    sm_weak_list_forget(&marksweep->weak, policy->mm, object);
    sm_object_table_remove(&marksweep->objects, object);
    release(marksweep, object);
    sm_unreserve(policy->mm, block_bytes_before - marksweep->block_bytes);
}

/* ---- Cycles. ---- */

static void safepoint(struct sm_policy *policy)
{
    struct marksweep_policy *marksweep = marksweep_of(policy);
    sm_object_table_safepoint(&marksweep->objects);
    sm_weak_list_handed_back(&marksweep->weak);
    marksweep->bytes_since_step = 0;
}

static void mark_all(struct marksweep_policy *marksweep, struct sm_marker *marker, enum sm_trigger trigger)
{
    struct sm_manager *mm = marksweep->base.mm;
    sm_roots_enumerate(mm, &marker->visitor);
    if (trigger == SM_TRIGGER_EMERGENCY) {
        sm_object_table_walk_recent(&marksweep->objects, sm_marker_visit, marker);
        sm_weak_list_visit_handed_out(&marksweep->weak, &marker->visitor);
        sm_attention_request(mm); /* the next emergency need not keep these: let the next safepoint be heard of */
    } else {
        sm_weak_list_handed_back(&marksweep->weak); /* any other cycle is at a safepoint */
    }
    sm_marker_drain(marker);
    sm_marker_keep_finalizable(marker);
}

static void sweep(struct marksweep_policy *marksweep, struct sm_marker *marker, struct sm_cycle_record *record)
{
    uint64_t freed_objects = marksweep->freed_objects;
    uint64_t freed_bytes = marksweep->freed_bytes;
    uint64_t block_bytes = marksweep->block_bytes;
    sm_weak_list_sweep(&marksweep->weak, marksweep->base.mm, sm_marker_is_live, marker);
    sm_object_table_sweep(&marksweep->objects, marksweep->mark, release, marksweep);
    sm_unreserve(marksweep->base.mm, block_bytes - marksweep->block_bytes);
    record->retired_objects = marksweep->freed_objects - freed_objects;
    record->retired_bytes = marksweep->freed_bytes - freed_bytes;
    record->reclaimed_bytes_total = marksweep->freed_bytes;
}

static sm_status collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record)
{
    struct marksweep_policy *marksweep = marksweep_of(policy);
    const struct sm_object_table *objects = &marksweep->objects;
    struct sm_marker marker;
    (void)kind; /* no generations: a young cycle is a full one */
    if (!sm_marker_init(&marker, policy->mm, sm_object_table_count(objects), marksweep->mark, 0))
        return sm_policy_fail(policy->mm, SM_ERR_SYSTEM,
                              "policy marksweep: the system refused a mark stack of %zu entries", marker.capacity);
    SM_ASSERT_CHECKED(sm_object_table_is_consistent(objects, 0));
    mark_all(marksweep, &marker, trigger);
    marksweep->mark = marker.mark;
    sweep(marksweep, &marker, record);
    SM_ASSERT(sm_object_table_count(objects) == marker.live_objects && objects->live_bytes == marker.live_bytes);
    SM_ASSERT_CHECKED(sm_object_table_is_consistent(objects, 0));
    record->traced_objects = record->live_objects = marker.live_objects;
    record->live_bytes = marker.live_bytes;
    sm_marker_finish(&marker);
    return SM_OK;
}

static sm_status weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    sm_weak_list_add(&marksweep_of(policy)->weak, cell);
    return SM_OK;
}

static struct sm_object *weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    return sm_weak_list_get(&marksweep_of(policy)->weak, cell);
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)marksweep_of(policy);
    (void)object;
    return SM_OK; /* the shared table is asked in each cycle; nothing to keep here */
}

static void request_begin(struct sm_policy *policy)
{
    (void)marksweep_of(policy);
}

/* What the request leaves unreachable is found by the cycles to come. */
static void request_end(struct sm_policy *policy)
{
    (void)marksweep_of(policy);
}

/* Nothing waits for anything. */
static sm_status quiesce(struct sm_policy *policy)
{
    (void)marksweep_of(policy);
    return SM_OK;
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    sm_object_table_walk(&marksweep_of(policy)->objects, visit, context);
}

static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct marksweep_policy *marksweep = marksweep_of(policy);
    snapshot->reclaimed_objects = marksweep->freed_objects;
    snapshot->reclaimed_bytes = marksweep->freed_bytes;
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    return sm_object_table_has(&marksweep_of(policy)->objects, object);
}

const struct sm_policy_ops sm_policy_marksweep = {
    .name = "marksweep",
    .summary = "stop-the-world tracing, freed at once in the sweep: epoch without epochs, guards and observers",
    .capabilities = SM_CAP_FREE | SM_CAP_COLLECT | SM_CAP_WEAK,
    .form = SM_FORM_NONE,
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .free = free_now,
    .safepoint = safepoint,
    .collect = collect,
    .weak_make = weak_make,
    .weak_get = weak_get,
    .finalizer_register = finalizer_register,
    .request_begin = request_begin,
    .request_end = request_end,
    .quiesce = quiesce,
    .walk = walk,
    .stats = stats,
    .is_valid = is_valid,
};
