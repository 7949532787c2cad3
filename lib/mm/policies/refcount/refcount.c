/**
 * The refcount policy: what PHP does today, as a rival that is as well made as ours.
 *
 * Counts are the manager's, inline. An object dies when its last count goes (release.c); what loses a count and
 * keeps others may be the root of a dead cycle and is buffered (root_buffer.h); full, the buffer asks for a
 * run of trial deletion (collect.c). Memory is Zend's allocator's (zend_heap.h) or mimalloc's.
 *
 * Requests. At a request's end its blocks go at once and no value is torn down. What was allocated outside
 * of requests stays, with the counts it has: holders inside the request never give theirs up.
 */
#include "refcount/refcount_internal.h"

#include <stdlib.h>

static const char *const allocators[] = {"zend", "mimalloc", NULL};

static const struct sm_option refcount_options[] = {
    {.key = "allocator",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = "zend",
     .choices = allocators,
     .help = "where blocks come from: a model of Zend's allocator, or mimalloc"},
};

static const struct refcount_policy *refcount_of_const(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_refcount);
    return (const struct refcount_policy *)policy;
}

/* ---- Creation and destruction. ---- */

static sm_status create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    struct refcount_policy *refcount = calloc(1, sizeof(*refcount));
    if (refcount == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy refcount: no memory for its %zu bytes",
                              sizeof(*refcount));
    refcount->base = (struct sm_policy){&sm_policy_refcount, mm};
    refcount->threshold = sm_root_threshold(mm);
    blocks_init(&refcount->blocks, mm, sm_option_count(options, "allocator") != 0);
    root_buffer_init(&refcount->roots, mm);
    *policy = &refcount->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct refcount_policy *refcount = refcount_of(policy);
    blocks_finish(&refcount->blocks);
    root_buffer_finish(&refcount->roots);
    refcount_forget_run_memory(refcount);
    sm_weak_index_finish(&refcount->weak);
    free(refcount);
}

/* ---- Blocks. ---- */

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    return blocks_alloc(&refcount_of(policy)->blocks, payload_bytes);
}

static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    return blocks_refill(&refcount_of(policy)->blocks, payload_bytes);
}

static bool resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    return blocks_resize(&refcount_of(policy)->blocks, object, payload_bytes);
}

/*
 * What its entries kept goes. A value may be the last holder of another entry in the chain, so the next one is held
 * meanwhile.
 */
static void drop_entry_values(struct refcount_policy *refcount, struct sm_weak_cell *chain)
{
    struct sm_manager *mm = refcount->base.mm;
    if (chain != NULL)
        sm_count_add(&chain->header);
    while (chain != NULL) {
        struct sm_weak_cell *next = chain->next;
        struct sm_value *value = sm_weak_value_of(chain);
        struct sm_value old = {0, 0};
        chain->next = NULL;
        if (next != NULL)
            sm_count_add(&next->header);
        if (value != NULL) {
            old = *value;
            *value = (struct sm_value){0, 0};
        }
        sm_value_drop(mm, old);
        sm_count_remove(mm, &chain->header);
        chain = next;
    }
}

/* The block only: what its slots held moved elsewhere. Weak cells of it stay, without their target. */
static void free_object(struct sm_policy *policy, struct sm_object *object)
{
    struct refcount_policy *refcount = refcount_of(policy);
    refcount_unlink(refcount, object);
    if ((object->flags & REFCOUNT_WEAK) != 0)
        drop_entry_values(refcount, sm_weak_index_take(&refcount->weak, object));
    blocks_free(&refcount->blocks, object);
}

/* ---- Possible roots. ---- */

/* Objects that are not, or not now, or already. */
#define NEVER_ROOT (SM_OBJECT_ACYCLIC | SM_OBJECT_CANDIDATE | REFCOUNT_GARBAGE | REFCOUNT_DOOMED)

static inline struct edge_state take_first(struct edge_state first, struct sm_object *target)
{
    return first.at == NULL ? (struct edge_state){.at = target} : first;
}

/* What a reference refers to, where that may be a root; otherwise NULL. */
static struct sm_object *referent_of(const struct refcount_policy *refcount, const struct sm_type *type,
                                     const struct sm_object *reference)
{
    const struct edge_state none = {0};
    struct sm_object *target = edges_each(&refcount->base.mm->types, type, reference, none, take_first).at;
    if (target == NULL || (target->flags & NEVER_ROOT) != 0 || target->count == SM_COUNT_MAX)
        return NULL;
    return refcount_type_of(refcount, target)->root_offset == SM_ROOT_FORWARD ? NULL : target;
}

/* In Zend this root, which found the buffer full, would start the run; here it waits for it. */
static void add_late(struct refcount_policy *refcount, struct sm_object *root)
{
    if (!refcount->is_awaited) {
        refcount->is_awaited = true;
        /* Inside a cycle, but between runs, the cycle itself looks again. */
        if (!refcount->base.mm->cycles.running)
            sm_cycle_request(refcount->base.mm);
    }
    (void)root_buffer_add_late(&refcount->roots, root);
}

static bool needs_run(const struct refcount_policy *refcount)
{
    return !refcount->is_active && refcount->base.mm->cycles.enabled &&
           root_buffer_is_full(&refcount->roots, refcount->threshold);
}

void refcount_candidate(struct refcount_policy *refcount, struct sm_object *object)
{
    if ((object->flags & NEVER_ROOT) != 0)
        return;
    const struct sm_type *type = refcount_type_of(refcount, object);
    if (SM_UNLIKELY(type->root_offset == SM_ROOT_FORWARD)) {
        object = referent_of(refcount, type, object);
        if (object == NULL)
            return;
    }
    if (SM_UNLIKELY(refcount->is_awaited || needs_run(refcount)))
        add_late(refcount, object);
    else
        (void)root_buffer_add(&refcount->roots, object);
}

static void value_candidate(struct sm_policy *policy, struct sm_object *object)
{
    refcount_candidate(refcount_of(policy), object);
}

/* ---- Weak cells. ---- */

static sm_status weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    struct refcount_policy *refcount = refcount_of(policy);
    struct sm_weak_cell *weak = (struct sm_weak_cell *)cell;
    if (!sm_weak_index_add(&refcount->weak, weak))
        return sm_policy_fail(policy->mm, SM_ERR_OUT_OF_MEMORY, "policy refcount: no memory to register a weak cell");
    sm_object_set_flags(weak->target, REFCOUNT_WEAK);
    sm_object_set_flags(cell, REFCOUNT_CELL);
    return SM_OK;
}

static struct sm_object *weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct sm_object *target = ((struct sm_weak_cell *)cell)->target;
    (void)policy;
    /* Dead already, and only waiting to be released. */
    if (target != NULL && (target->flags & (REFCOUNT_DOOMED | REFCOUNT_GARBAGE)) != 0)
        return NULL;
    return target;
}

/* ---- Requests. ---- */

static void request_begin(struct sm_policy *policy)
{
    blocks_request_begin(&refcount_of(policy)->blocks);
}

static bool stays(void *context, const struct sm_object *object)
{
    return blocks_is_boot(context, object);
}

/* What stays is asked about only where there is something that may. */
static void request_end(struct sm_policy *policy)
{
    struct refcount_policy *refcount = refcount_of(policy);
    bool has_boot = refcount->blocks.boot.is_open;
    SM_ASSERT(!refcount->is_active);
    root_buffer_forget(&refcount->roots, has_boot ? stays : NULL, &refcount->blocks);
    refcount->is_awaited = false;
    if (has_boot)
        sm_weak_index_filter(&refcount->weak, stays, &refcount->blocks);
    else
        sm_weak_index_finish(&refcount->weak);
    blocks_request_end(&refcount->blocks);
    refcount_forget_run_memory(refcount);
}

/* ---- Looking. ---- */

struct walk {
    void (*visit)(void *context, struct sm_object *object);
    void *context;
};

static void visit_block(void *context, void *block)
{
    const struct walk *walk = context;
    struct sm_object *object = block;
    if ((object->flags & REFCOUNT_DOOMED) == 0)
        walk->visit(walk->context, object);
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct walk walk_context = {visit, context};
    blocks_walk(&refcount_of(policy)->blocks, visit_block, &walk_context);
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    return blocks_contain(&refcount_of(policy)->blocks, object) && (object->flags & REFCOUNT_DOOMED) == 0;
}

/* Nothing waits to be reused. Of what is held beyond payloads the headers are counted; bins round on top of that. */
static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct refcount_policy *refcount = refcount_of_const(policy);
    snapshot->policy_bytes += snapshot->alloc_count * SM_HEADER_BYTES;
    snapshot->reclaimed_bytes = snapshot->retired_bytes;
    snapshot->reclaimed_objects = snapshot->retired_objects;
    snapshot->roots = root_buffer_total(&refcount->roots);
    snapshot->root_threshold = refcount->threshold;
    snapshot->root_runs = refcount->run_count;
    snapshot->collected_objects = refcount->collected_count;
}

/* ---- The rest of the table. ---- */

static void safepoint(struct sm_policy *policy)
{
    (void)policy;
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)policy;
    (void)object;
    return SM_OK;
}

/* There is no backlog. */
static sm_status quiesce(struct sm_policy *policy)
{
    (void)policy;
    return SM_OK;
}

const struct sm_policy_ops sm_policy_refcount = {
    .name = "refcount",
    .summary = "PHP today: counts, Zend's allocator, trial deletion when the root buffer is full",
    .capabilities = SM_CAP_RESIZE | SM_CAP_FREE | SM_CAP_COUNTS | SM_CAP_COLLECT | SM_CAP_WEAK | SM_CAP_BULK_FREE,
    .form = SM_FORM_LISTS,
    .options = refcount_options,
    .option_count = sizeof(refcount_options) / sizeof(refcount_options[0]),
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .resize = resize,
    .free = free_object,
    .value_dead = refcount_value_dead,
    .value_candidate = value_candidate,
    .safepoint = safepoint,
    .collect = refcount_collect,
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
