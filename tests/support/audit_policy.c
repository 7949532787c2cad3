#include "audit_policy.h"

#include "manager_internal.h"
#include "object_map.h"
#include "store.h"

#include <inttypes.h>
#include <string.h>

extern const struct sm_policy_ops sm_policy_marksweep;

struct audit_policy {
    struct sm_policy base;
    struct sm_policy *heap; /* marksweep */
    struct sm_object_map images;
    uint64_t finding_count;
    size_t skipped_count; /* safepoints since the last comparison */
};

static struct audit_policy *audit_of(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &audit_policy_ops);
    return (struct audit_policy *)(uintptr_t)policy;
}

/* ---- Images: an object's header and payload as they were, to be traced like it. ---- */

static struct sm_object *image_of(const struct audit_policy *audit, const struct sm_object *object)
{
    const struct sm_object_entry *entry = sm_object_map_find(&audit->images, object);
    return entry == NULL ? NULL : (struct sm_object *)(uintptr_t)entry->value;
}

static void drop_image(struct audit_policy *audit, const struct sm_object *object)
{
    if (image_of(audit, object) != NULL)
        free((void *)(uintptr_t)sm_object_map_take(&audit->images, object));
}

static void make_image(void *context, struct sm_object *object)
{
    struct audit_policy *audit = context;
    size_t bytes = sm_block_bytes((size_t)object->payload_bytes);
    if (sm_type_get(audit->base.mm, object->type)->trace == NULL || image_of(audit, object) != NULL)
        return;
    struct sm_object *image = aligned_alloc(SM_ALIGNMENT, bytes);
    SM_ASSERT(image != NULL);
    memcpy(image, object, SM_HEADER_BYTES + (size_t)object->payload_bytes);
    if (!sm_object_map_set(&audit->images, object, (uintptr_t)image))
        abort();
}

/* ---- Comparing. ---- */

/* What a trace of one object finds: its edges in their order, as one number, and whether `wanted` is one of them. */
struct search {
    struct sm_visitor visitor;
    uint64_t wanted, digest;
    bool is_found;
};

static void see_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct search *search = (struct search *)visitor;
    uint64_t word = (uint64_t)(uintptr_t)target;
    search->is_found = search->is_found || search->wanted == word;
    search->digest = (search->digest ^ word) * UINT64_C(0x9fb21c651e98df25);
}

static struct search find_edge(const struct audit_policy *audit, const struct sm_object *object, uint64_t word)
{
    struct search search = {.visitor = {.edge = see_edge}, .wanted = word};
    sm_trace(audit->base.mm, object, &search.visitor);
    return search;
}

/* An edge is where none was, or was where none is: numbers may change as they like, and the links of the weak list. */
static bool has_moved(const struct audit_policy *audit, const struct sm_object *object, const struct sm_object *image)
{
    const char *now = sm_payload_const(object), *before = sm_payload_const(image);
    if (sm_is_weak_cell(object))
        return false;
    for (size_t offset = 0; offset + 8 <= object->payload_bytes; offset += 8) {
        uint64_t word, old;
        memcpy(&word, now + offset, sizeof(word));
        memcpy(&old, before + offset, sizeof(old));
        if (word != old && (find_edge(audit, object, word).is_found || find_edge(audit, image, old).is_found))
            return true;
    }
    return false;
}

static void compare(struct audit_policy *audit, const struct sm_object *object, const struct sm_object *image)
{
    if (find_edge(audit, object, 0).digest == find_edge(audit, image, 0).digest && !has_moved(audit, object, image))
        return;
    if (audit->finding_count++ == 0)
        fprintf(stderr, "audit: edges of a %s of %" PRIu64 " bytes changed without the barrier\n",
                sm_type_get(audit->base.mm, object->type)->name, object->payload_bytes);
}

static void compare_all(struct audit_policy *audit)
{
    for (size_t i = 0; i < audit->images.capacity; i++) {
        const struct sm_object_entry *entry = &audit->images.entries[i];
        if (entry->object == NULL)
            continue;
        struct sm_object *image = (struct sm_object *)(uintptr_t)entry->value;
        SM_ASSERT(image->payload_bytes == entry->object->payload_bytes);
        size_t bytes = (size_t)image->payload_bytes;
        if (memcmp(sm_payload(image), sm_payload(entry->object), bytes) == 0)
            continue;
        compare(audit, entry->object, image);
        memcpy(sm_payload(image), sm_payload(entry->object), bytes);
    }
}

uint64_t audit_policy_take_findings(struct sm_manager *mm)
{
    struct audit_policy *audit = audit_of(mm->policy);
    compare_all(audit);
    uint64_t finding_count = audit->finding_count;
    audit->finding_count = 0;
    return finding_count;
}

size_t audit_policy_image_count(const struct sm_manager *mm)
{
    return audit_of(mm->policy)->images.count;
}

/* ---- What it does itself. ---- */

static sm_status create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    struct audit_policy *audit = calloc(1, sizeof(*audit));
    SM_ASSERT(audit != NULL);
    audit->base = (struct sm_policy){&audit_policy_ops, mm};
    sm_status status = sm_policy_marksweep.create(mm, options, &audit->heap);
    if (status != SM_OK) {
        free(audit);
        return status;
    }
    sm_hot(mm)->barrier |= SM_BARRIER_POLICY;
    sm_attention_request(mm);
    *policy = &audit->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct audit_policy *audit = audit_of(policy);
    for (size_t i = 0; i < audit->images.capacity; i++)
        if (audit->images.entries[i].object != NULL)
            free((void *)(uintptr_t)audit->images.entries[i].value);
    sm_object_map_finish(&audit->images);
    audit->heap->ops->destroy(audit->heap);
    if (audit->finding_count != 0)
        abort();
    free(audit);
}

static void store_slow(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                       struct sm_value value)
{
    struct sm_object *image = image_of(audit_of(policy), owner);
    size_t offset = (size_t)((char *)slot - (char *)sm_payload(owner));
    size_t bytes = is_pointer ? sizeof(struct sm_object *) : sizeof(value);
    sm_write_slot(policy->mm, slot, is_pointer, value);
    SM_ASSERT(offset + bytes <= owner->payload_bytes);
    if (image != NULL)
        memcpy((char *)sm_payload(image) + offset, &value, bytes);
}

/* As often as a test can bear, and not seldom. */
static bool is_due(struct audit_policy *audit)
{
    enum { OBJECTS_A_SAFEPOINT = 64, BYTES_A_SAFEPOINT = 16 * 1024, SKIPPED_MAX = 128 };
    struct sm_stats stats;
    sm_stats_get(audit->base.mm, &stats);
    uint64_t wanted = stats.live_objects / OBJECTS_A_SAFEPOINT + stats.live_bytes / BYTES_A_SAFEPOINT;
    if (++audit->skipped_count < wanted && audit->skipped_count < SKIPPED_MAX)
        return false;
    audit->skipped_count = 0;
    return true;
}

/* It asks for the next safepoint, too. */
static void safepoint(struct sm_policy *policy)
{
    struct audit_policy *audit = audit_of(policy);
    audit->heap->ops->safepoint(audit->heap);
    sm_attention_request(policy->mm);
    if (!is_due(audit))
        return;
    compare_all(audit);
    audit->heap->ops->walk(audit->heap, make_image, audit);
}

static void free_now(struct sm_policy *policy, struct sm_object *object)
{
    struct audit_policy *audit = audit_of(policy);
    drop_image(audit, object);
    audit->heap->ops->free(audit->heap, object);
}

/* A removal may move another entry to the place, so that is looked at again. */
static void drop_images_of_dead(struct audit_policy *audit)
{
    for (size_t i = 0; i < audit->images.capacity;) {
        const struct sm_object_entry *entry = &audit->images.entries[i];
        if (entry->object != NULL && !audit->heap->ops->is_valid(audit->heap, entry->object))
            drop_image(audit, entry->object);
        else
            i++;
    }
}

static sm_status collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record)
{
    struct audit_policy *audit = audit_of(policy);
    sm_status status = audit->heap->ops->collect(audit->heap, kind, trigger, record);
    drop_images_of_dead(audit);
    return status;
}

/* ---- What the heap does. ---- */

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->alloc_slow(heap, payload_bytes);
}

static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->refill(heap, payload_bytes);
}

static sm_status weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->weak_make(heap, cell);
}

static struct sm_object *weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->weak_get(heap, cell);
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->finalizer_register(heap, object);
}

static void request_begin(struct sm_policy *policy)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    heap->ops->request_begin(heap);
}

static void request_end(struct sm_policy *policy)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    heap->ops->request_end(heap);
}

static sm_status quiesce(struct sm_policy *policy)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->quiesce(heap);
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    heap->ops->walk(heap, visit, context);
}

static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct sm_policy *heap = audit_of(policy)->heap;
    heap->ops->stats(heap, snapshot);
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    struct sm_policy *heap = audit_of(policy)->heap;
    return heap->ops->is_valid(heap, object);
}

const struct sm_policy_ops audit_policy_ops = {
    .name = "audit",
    .summary = "marksweep, and whether every store of an edge goes through the barrier",
    .capabilities = SM_CAP_FREE | SM_CAP_COLLECT | SM_CAP_WEAK | SM_CAP_BARRIER,
    .form = SM_FORM_NONE,
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .free = free_now,
    .store_slow = store_slow,
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
