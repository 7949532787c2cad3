/**
 * Freeing by hand: an allocator's malloc and free, and nothing else. The manual floor of every comparison.
 *
 * Values share, so no program of this kind could know its deaths; a schedule recorded under refcount tells
 * (death_schedule.h), and the manager's births.c calls `free` by it. Without a schedule only sm_free and sm_retire free.
 * The policy keeps no books on its blocks: births.c has a slot for every object, whose number is in the count word.
 *
 * The default is the system's allocator: it is what the policy's name says, what a C program gets without asking, and
 * what the sanitizers watch, so that a death recorded too early is caught where it is used. mimalloc is an option.
 *
 * Committed bytes are the usable bytes of the blocks there are, asked for in steps; what an allocator keeps of freed
 * blocks shows in the process's resident memory only.
 */
#include "allocator_order.h"
#include "assertion.h"
#include "births.h"
#include "weak_index.h"

#include "sapimem/policy.h"

#include <malloc.h>
#include <mimalloc.h>
#include <stdlib.h>

/** Leave for memory is asked, and given back, in steps of so much. */
#define GRANT_BYTES ((uint64_t)64 << 10)

/** Header bit of an object that a weak cell refers to: the policy's own byte. */
#define WEAKLY_REFERRED ((uint16_t)(1u << 8))

struct malloc_allocator {
    void *(*allocate)(size_t bytes);
    void (*release)(void *block);
    size_t (*usable)(void *block);
};

struct malloc_policy {
    struct sm_policy base;
    const struct malloc_allocator *allocator;
    uint64_t used_bytes, granted_bytes;
    uint64_t freed_objects, freed_bytes;
    struct sm_weak_index weak;
};

static const char *const allocator_names[] = {"system", "mimalloc", NULL};

static const struct sm_option malloc_options[] = {
    {"allocator", SM_OPTION_CHOICE, "", "system", 0, 0, allocator_names, "whose malloc and free"},
};

extern const struct sm_policy_ops sm_policy_malloc;

static struct malloc_policy *malloc_of(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_malloc);
    return (struct malloc_policy *)(uintptr_t)policy;
}

/* ---- Allocators, in the order of their names. ---- */

static size_t system_usable(void *block)
{
    return malloc_usable_size(block);
}

static void *mimalloc_allocate(size_t bytes)
{
    void *block = mi_malloc(bytes);
    if (block != NULL)
        sm_allocator_acquired(block);
    return block;
}

static void mimalloc_release(void *block)
{
    sm_allocator_releases(block);
    mi_free(block);
}

static size_t mimalloc_usable(void *block)
{
    return mi_usable_size(block);
}

static const struct malloc_allocator allocators[] = {
    {malloc, free, system_usable},
    {mimalloc_allocate, mimalloc_release, mimalloc_usable},
};

/* ---- Beginning and end. ---- */

static sm_status create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    struct malloc_policy *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy malloc: no memory for its state");
    made->base = (struct sm_policy){&sm_policy_malloc, mm};
    made->allocator = &allocators[sm_option_count(options, "allocator")];
    sm_births_keep(mm);
    *policy = &made->base;
    return SM_OK;
}

static void release_block(void *context, struct sm_object *object)
{
    const struct malloc_policy *policy = context;
    policy->allocator->release(object);
}

static void destroy(struct sm_policy *base)
{
    struct malloc_policy *policy = malloc_of(base);
    sm_births_walk(base->mm, release_block, policy);
    sm_unreserve(base->mm, policy->granted_bytes);
    sm_weak_index_finish(&policy->weak);
    free(policy);
}

/* ---- Blocks. ---- */

/* The steps that cover `bytes`. */
static uint64_t steps_for(uint64_t bytes)
{
    return (bytes + GRANT_BYTES - 1) / GRANT_BYTES * GRANT_BYTES;
}

static bool grant(struct malloc_policy *policy, uint64_t bytes)
{
    uint64_t wanted_bytes = policy->used_bytes + bytes;
    if (wanted_bytes <= policy->granted_bytes)
        return true;
    uint64_t more_bytes = steps_for(wanted_bytes - policy->granted_bytes);
    if (!sm_reserve(policy->base.mm, more_bytes))
        return false;
    policy->granted_bytes += more_bytes;
    return true;
}

/* One step stays in hand, so that a program that allocates and frees in turn does not ask each time. */
static void give_back(struct malloc_policy *policy, uint64_t bytes)
{
    policy->used_bytes -= bytes;
    uint64_t kept_bytes = steps_for(policy->used_bytes) + GRANT_BYTES;
    if (policy->granted_bytes <= kept_bytes + GRANT_BYTES)
        return;
    sm_unreserve(policy->base.mm, policy->granted_bytes - kept_bytes);
    policy->granted_bytes = kept_bytes;
}

static void *alloc_slow(struct sm_policy *base, size_t payload_bytes)
{
    struct malloc_policy *policy = malloc_of(base);
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (!grant(policy, block_bytes))
        return NULL;
    void *block = policy->allocator->allocate(block_bytes);
    if (block == NULL)
        return NULL;
    size_t usable_bytes = policy->allocator->usable(block);
    policy->used_bytes += usable_bytes;
    sm_count_policy_bytes(base->mm, usable_bytes - payload_bytes);
    return block;
}

/* In place as far as the block goes; one that would be less than half full moves to a smaller one. */
static bool resize(struct sm_policy *base, struct sm_object *object, size_t payload_bytes)
{
    struct malloc_policy *policy = malloc_of(base);
    size_t usable_bytes = policy->allocator->usable(object);
    size_t block_bytes = sm_block_bytes(payload_bytes);
    return block_bytes <= usable_bytes && block_bytes >= usable_bytes / 2;
}

/* ---- Weak cells. ---- */

static sm_status weak_make(struct sm_policy *base, struct sm_object *object)
{
    struct malloc_policy *policy = malloc_of(base);
    struct sm_weak_cell *cell = (struct sm_weak_cell *)object;
    if (!sm_weak_index_add(&policy->weak, cell))
        return sm_policy_fail(base->mm, SM_ERR_OUT_OF_MEMORY,
                              "policy malloc: no memory to know a weak cell by its target");
    sm_object_set_flags(cell->target, WEAKLY_REFERRED);
    return SM_OK;
}

static struct sm_object *weak_get(struct sm_policy *base, struct sm_object *cell)
{
    (void)base;
    return ((struct sm_weak_cell *)cell)->target;
}

/* The target dies: its cells are empty from now on. What an entry kept dies by the schedule. */
static void clear_cells(struct malloc_policy *policy, const struct sm_object *target)
{
    for (struct sm_weak_cell *cell = sm_weak_index_take(&policy->weak, target); cell != NULL;) {
        struct sm_weak_cell *next = cell->next;
        struct sm_value *value = sm_weak_value_of(cell);
        cell->next = NULL;
        if (value != NULL)
            *value = (struct sm_value){0, 0};
        cell = next;
    }
}

/* The cell dies before its target. */
static void unlink_cell(struct malloc_policy *policy, struct sm_weak_cell *cell)
{
    struct sm_object *target = cell->target;
    if (!sm_weak_index_remove(&policy->weak, cell))
        sm_object_clear_flags(target, WEAKLY_REFERRED);
}

static void free_object(struct sm_policy *base, struct sm_object *object)
{
    struct malloc_policy *policy = malloc_of(base);
    if ((sm_object_flags(object) & WEAKLY_REFERRED) != 0)
        clear_cells(policy, object);
    if (sm_is_weak_cell(object) && ((struct sm_weak_cell *)object)->target != NULL)
        unlink_cell(policy, (struct sm_weak_cell *)object);
    policy->freed_objects++;
    policy->freed_bytes += object->payload_bytes;
    sm_births_forget(base->mm, object);
    give_back(policy, policy->allocator->usable(object));
    policy->allocator->release(object);
}

/* ---- The rest of the table. ---- */

static void safepoint(struct sm_policy *base)
{
    sm_births_safepoint(base->mm);
}

static sm_status finalizer_register(struct sm_policy *base, struct sm_object *object)
{
    (void)base;
    (void)object;
    return SM_OK;
}

static void request_begin(struct sm_policy *base)
{
    (void)base;
}

static void request_end(struct sm_policy *base)
{
    sm_births_catch_up(base->mm);
}

static sm_status quiesce(struct sm_policy *base)
{
    sm_births_catch_up(base->mm);
    return SM_OK;
}

static void walk(struct sm_policy *base, void (*visit)(void *context, struct sm_object *object), void *context)
{
    sm_births_walk(base->mm, visit, context);
}

static void stats(const struct sm_policy *base, struct sm_stats *stats)
{
    const struct malloc_policy *policy = malloc_of(base);
    stats->reclaimed_objects += policy->freed_objects;
    stats->reclaimed_bytes += policy->freed_bytes;
}

struct search {
    const struct sm_object *object;
    bool is_found;
};

static void compare(void *context, struct sm_object *object)
{
    struct search *search = context;
    search->is_found = search->is_found || object == search->object;
}

static bool is_valid(struct sm_policy *base, const struct sm_object *object)
{
    struct search search = {object, false};
    sm_births_walk(base->mm, compare, &search);
    return search.is_found;
}

const struct sm_policy_ops sm_policy_malloc = {
    .name = "malloc",
    .summary = "explicit free by the recorded schedule of deaths: the manual floor",
    .capabilities = SM_CAP_RESIZE | SM_CAP_FREE | SM_CAP_WEAK,
    .form = SM_FORM_NONE,
    .options = malloc_options,
    .option_count = sizeof(malloc_options) / sizeof(malloc_options[0]),
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .resize = resize,
    .free = free_object,
    .safepoint = safepoint,
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
