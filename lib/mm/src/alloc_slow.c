/**
 * Allocation when the inline path has nothing left; resizing, freeing, retiring.
 */
#include "manager_internal.h"

#include <inttypes.h>
#include <string.h>

bool sm_alloc_is_leaf(const struct sm_manager *mm)
{
    return mm->alloc_is_leaf;
}

/* The inline form: as it is, since a cycle may have refilled it, then once refilled. */
static void *try_inline(struct sm_manager *mm, size_t payload_bytes)
{
    void *block = sm_take_block(&mm->hot, payload_bytes);
    if (block == NULL && mm->ops->refill(mm->policy, payload_bytes))
        block = sm_take_block(&mm->hot, payload_bytes);
    return block;
}

/* One try: the inline form where there is one, else the policy's own way. */
static void *try_block(struct sm_manager *mm, size_t payload_bytes)
{
    void *block = NULL;
    if (mm->ops->form != SM_FORM_NONE && payload_bytes <= SM_INLINE_PAYLOAD_MAX)
        block = try_inline(mm, payload_bytes);
    return block != NULL ? block : mm->ops->alloc_slow(mm->policy, payload_bytes);
}

static int append_guard(const struct sm_guard_report *report, char *text, size_t text_bytes)
{
    return snprintf(text, text_bytes, "; held back by guard '%s' at %s for %" PRIu64 " ms", report->thread,
                    report->site, report->age_ns / 1000000);
}

/* What was asked for, what there is, and who holds the rest back. */
static void explain_refusal(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    char guard_text[SM_DETAIL_BYTES / 2] = "";
    char limit_text[32] = "none";
    uint64_t backlog_bytes = sm_backlog_bytes(mm);
    struct sm_guard_report report;
    if (backlog_bytes != 0 && sm_guards_oldest_observer(mm, &report))
        append_guard(&report, guard_text, sizeof(guard_text));
    if (mm->reserve.limit_bytes != 0)
        snprintf(limit_text, sizeof(limit_text), "%" PRIu64, mm->reserve.limit_bytes);
    sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY,
                   "out of memory: %zu bytes for %.32s; limit %s, committed %" PRIu64 ", live %" PRIu64
                   ", retired backlog %" PRIu64 "%s",
                   payload_bytes, sm_type_get(mm, type)->name, limit_text, sm_committed_bytes(mm), sm_live_bytes(mm),
                   backlog_bytes, guard_text);
}

/* R7: one cycle, one retry, then the error; the heap stays as it is. */
static void *block_after_emergency(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    void *block = NULL;
    if (sm_has(mm, SM_CAP_COLLECT) && !mm->cycles.running) {
        /* The status does not matter: whatever the cycle managed, the retry tells. */
        (void)sm_cycle_run(mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
        block = try_block(mm, payload_bytes);
    }
    if (block == NULL)
        explain_refusal(mm, type, payload_bytes);
    return block;
}

static void *take_block_slow(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    SM_ASSERT(sm_type_get(mm, type) != NULL);
    if (payload_bytes > SM_PAYLOAD_MAX) {
        sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "%zu bytes for one object: expected at most 1 TiB", payload_bytes);
        return NULL;
    }
    if (SM_UNLIKELY(mm->cycles.every_alloc) && !mm->cycles.running)
        sm_cycle_before_alloc(mm);
    const uint8_t *path = mm->recorder == NULL ? NULL : sm_recorder_open_path(mm);
    void *block = try_block(mm, payload_bytes);
    if (block == NULL)
        block = block_after_emergency(mm, type, payload_bytes);
    if (mm->recorder != NULL)
        sm_recorder_close_path(mm, path);
    SM_ASSERT((uintptr_t)block % SM_ALIGNMENT == 0);
    return block;
}

/* Policies that keep a slot for each object: what died since the last birth is freed before this one. */
static bool prepare_birth(struct sm_manager *mm)
{
    if (!mm->births.is_kept)
        return true;
    if (sm_entry_check(mm) != SM_OK)
        return false;
    if (!sm_births_prepare(mm)) {
        sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory for the slot of an object");
        return false;
    }
    return true;
}

static void conclude_birth(struct sm_manager *mm, struct sm_object *object)
{
    if (mm->births.is_kept && object != NULL)
        sm_births_add(mm, object);
    else if (mm->births.is_kept)
        sm_births_fail(mm);
    if (mm->recorder != NULL && object != NULL)
        sm_record_birth(mm, object);
}

static struct sm_object *object_slow(struct sm_manager *mm, sm_type_id type, uint16_t flags, size_t payload_bytes)
{
    mm->alloc_is_leaf = (flags & SM_OBJECT_ACYCLIC) != 0;
    bool is_scripted = SM_UNLIKELY((mm->hot.script & SM_SCRIPT_BIRTHS) != 0);
    if (is_scripted && !prepare_birth(mm))
        return NULL;
    void *block = take_block_slow(mm, type, payload_bytes);
    struct sm_object *object = block == NULL ? NULL : sm_object_init(&mm->hot, block, type, flags, payload_bytes);
    if (is_scripted)
        conclude_birth(mm, object);
    return object;
}

struct sm_object *sm_alloc_leaf_slow(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    return object_slow(mm, type, SM_OBJECT_ACYCLIC, payload_bytes);
}

struct sm_object *sm_alloc_slow(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    struct sm_object *object = object_slow(mm, type, 0, payload_bytes);
    if (object != NULL)
        sm_zero_payload(object, payload_bytes);
    return object;
}

/* A traced payload must hold no garbage past its old end. */
static void zero_growth(struct sm_manager *mm, struct sm_object *object, uint64_t old_bytes)
{
    if (sm_type_get(mm, object->type)->trace != NULL && object->payload_bytes > old_bytes)
        memset((char *)sm_payload(object) + old_bytes, 0, (size_t)(object->payload_bytes - old_bytes));
}

static void count_resize(struct sm_manager *mm, uint64_t old_bytes, uint64_t new_bytes)
{
    mm->counters.resize_count++;
    if (new_bytes > old_bytes)
        mm->hot.alloc_bytes += new_bytes - old_bytes;
}

static bool resize_in_place(struct sm_manager *mm, struct sm_object *object, size_t payload_bytes)
{
    /* R8: what an observer may be reading never changes its bounds. */
    bool observed = (mm->hot.barrier & SM_BARRIER_PUBLISH) != 0;
    uint64_t old_bytes = object->payload_bytes;
    if (observed || !sm_has(mm, SM_CAP_RESIZE) || !mm->ops->resize(mm->policy, object, payload_bytes))
        return false;
    object->payload_bytes = payload_bytes;
    zero_growth(mm, object, old_bytes);
    count_resize(mm, old_bytes, payload_bytes);
    if (payload_bytes < old_bytes)
        mm->counters.extra_bytes -= old_bytes - payload_bytes;
    return true;
}

static struct sm_object *resize_by_copy(struct sm_manager *mm, struct sm_object *object, size_t payload_bytes)
{
    mm->alloc_is_leaf = (sm_object_flags(object) & SM_OBJECT_ACYCLIC) != 0;
    struct sm_object *copy = take_block_slow(mm, object->type, payload_bytes);
    if (copy == NULL)
        return NULL;
    uint64_t old_bytes = object->payload_bytes;
    size_t kept_bytes = payload_bytes < old_bytes ? payload_bytes : (size_t)old_bytes;
    *copy = (struct sm_object){.count = object->count,
                               .type = object->type,
                               .flags = sm_object_flags(object) & (SM_OBJECT_VM_MASK | SM_OBJECT_ACYCLIC),
                               .payload_bytes = payload_bytes};
    memcpy(sm_payload(copy), sm_payload(object), kept_bytes);
    zero_growth(mm, copy, old_bytes);
    count_resize(mm, old_bytes, payload_bytes);
    sm_count_copy(mm, kept_bytes);
    /* A second object exists, and of its bytes only the growth is on the clock. */
    mm->counters.extra_objects++;
    mm->counters.extra_bytes += kept_bytes;
    /* No birth: the new object is who the old one was. */
    if (mm->births.is_kept)
        sm_births_move(mm, object, copy);
    return copy;
}

struct sm_object *sm_resize(struct sm_manager *mm, struct sm_object *object, size_t payload_bytes)
{
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    /* A destructor's registration and weak cells know the old address: such objects keep their size. */
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0);
    if (payload_bytes > SM_PAYLOAD_MAX) {
        sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "%zu bytes for one object: expected at most 1 TiB", payload_bytes);
        return NULL;
    }
    uint64_t old_bytes = object->payload_bytes;
    if (payload_bytes == old_bytes)
        return object;
    struct sm_object *resized =
        resize_in_place(mm, object, payload_bytes) ? object : resize_by_copy(mm, object, payload_bytes);
    if (mm->recorder != NULL && resized != NULL)
        sm_record_resize(mm, object, resized, old_bytes);
    return resized;
}

sm_status sm_free(struct sm_manager *mm, struct sm_object *object)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (!sm_has(mm, SM_CAP_FREE))
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED, "policy %s frees nothing on request", mm->ops->name);
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0);
    sm_note_death(mm, object);
    sm_count_dead(mm, 1, object->payload_bytes);
    mm->ops->free(mm->policy, object);
    return SM_OK;
}

void sm_retire(struct sm_manager *mm, struct sm_object *object)
{
    if (!sm_has(mm, SM_CAP_RETIRE)) {
        if (sm_has(mm, SM_CAP_FREE))
            (void)sm_free(mm, object);
        return;
    }
    if (sm_entry_check(mm) != SM_OK)
        return;
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0);
    sm_note_death(mm, object);
    sm_count_dead(mm, 1, object->payload_bytes);
    mm->ops->retire(mm->policy, object);
}
