/*
 * Runs of trial deletion, as Zend makes them.
 *
 * Grey: from the roots, take back the counts that edges give. Scan: what has counts left is held from outside, so it
 * and what it reaches gets its counts back; the rest is white. Collect: what is white gets its counts back too and is
 * listed as garbage. Destructors of garbage run, on exact counts; what those objects reach is taken off the list and
 * they are roots of a second run, at once, which frees them unless they were brought back. Then the list is
 * freed: edges dropped, those between garbage for the counts' sake only, then blocks.
 *
 * All three passes push an object once when they colour it, so one stack of two entries an object serves them,
 * and a third entry an object holds the list. They are reserved before anything is changed: a run is made whole or
 * not at all. Leaves (SM_OBJECT_ACYCLIC) are counted down and up with the rest, as Zend does with strings, but have
 * no colour: white is one without counts.
 *
 * `collected` is Zend's figure: arrays and objects (types that offer a root word), and strings that only garbage
 * held; no references, and no array storage, which is part of its array. An object of a type without the word
 * is taken for a value of its own only if it was a root.
 *
 * In an emergency no destructor runs, for the code that allocates does not expect one: such an object keeps
 * what it reaches and gets a count more until the next safepoint, where its destructor runs.
 *
 * Source: PHP 8.2, Zend/zend_gc.c; Bacon and Rajan, Concurrent Cycle Collection in Reference Counted Systems, 2001.
 */
#include "refcount/refcount_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The rule that adapts the threshold. */
enum { THRESHOLD_STEP = 10000, THRESHOLD_MAX = 1000000000, THRESHOLD_TRIGGER = 100 };

enum { ENTRIES_AN_OBJECT = 3 };

struct run {
    struct sm_visitor visitor; /**< first: visitors are downcast to runs */
    struct refcount_policy *refcount;
    struct sm_object **stack;
    size_t depth, stack_capacity;
    struct sm_object **garbage;
    size_t garbage_count, garbage_capacity;
    void *memory;
    size_t memory_bytes;
    uint64_t traced_count;
    uint64_t collected_count;
    bool has_destructors;
};

/* ---- Small parts. ---- */

static uint16_t colour_of(const struct sm_object *object)
{
    return object->flags & REFCOUNT_COLOUR_MASK;
}

static void set_colour(struct sm_object *object, uint16_t colour)
{
    object->flags = (uint16_t)((object->flags & (uint16_t)~REFCOUNT_COLOUR_MASK) | colour);
}

static bool is_leaf(const struct sm_object *object)
{
    return (object->flags & SM_OBJECT_ACYCLIC) != 0;
}

static void take_count(struct sm_object *object)
{
    SM_ASSERT(object->count != 0);
    object->count -= object->count != SM_COUNT_MAX;
}

static void push(struct run *run, struct sm_object *object)
{
    SM_ASSERT(run->depth < run->stack_capacity);
    run->stack[run->depth++] = object;
}

static void trace(struct run *run, const struct sm_object *object,
                  void (*edge)(struct sm_visitor *, struct sm_object *))
{
    run->visitor.edge = edge;
    refcount_type_of(run->refcount, object)->trace(object, &run->visitor);
}

/* What is above `base` on the stack, and what that leads to. */
static void drain(struct run *run, size_t base, void (*edge)(struct sm_visitor *, struct sm_object *))
{
    while (run->depth > base) {
        const struct sm_object *object = run->stack[--run->depth];
        if (refcount_type_of(run->refcount, object)->trace != NULL)
            trace(run, object, edge);
    }
}

static bool counts_as_collected(const struct run *run, const struct sm_object *object)
{
    uint32_t offset = refcount_type_of(run->refcount, object)->root_offset;
    if (offset == SM_ROOT_NONE)
        return (object->flags & SM_OBJECT_CANDIDATE) != 0;
    return offset != SM_ROOT_FORWARD;
}

/* ---- Memory for a run. ---- */

/* Only the pages that are used become real; counted against the limit it could not be had in an emergency. */
static bool begin_run(struct run *run, struct refcount_policy *refcount)
{
    size_t object_count = (size_t)sm_live_objects(refcount->base.mm) + 1;
    *run = (struct run){.refcount = refcount};
    run->memory_bytes = object_count * ENTRIES_AN_OBJECT * sizeof(struct sm_object *);
    void *memory =
        mmap(NULL, run->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    run->memory = memory;
    run->garbage_capacity = object_count;
    run->garbage = memory;
    run->stack_capacity = object_count * (ENTRIES_AN_OBJECT - 1);
    run->stack = run->garbage + object_count;
    return true;
}

static void end_run(struct run *run)
{
    SM_ASSERT(run->depth == 0);
    munmap(run->memory, run->memory_bytes);
    run->refcount->collected_count += run->collected_count;
    run->refcount->record->traced_objects += run->traced_count;
}

/* ---- Grey, white, black. ---- */

static void grey_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    struct run *run = (struct run *)visitor;
    take_count(child);
    if (is_leaf(child) || colour_of(child) == REFCOUNT_GREY)
        return;
    set_colour(child, REFCOUNT_GREY);
    run->traced_count++;
    push(run, child);
}

static void mark_roots(struct run *run)
{
    const struct root_buffer *roots = &run->refcount->roots;
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *root = root_buffer_at(roots, slot);
        if (colour_of(root) == REFCOUNT_GREY)
            continue;
        set_colour(root, REFCOUNT_GREY);
        run->traced_count++;
        push(run, root);
        drain(run, 0, grey_edge);
    }
}

static void black_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    struct run *run = (struct run *)visitor;
    sm_count_add(child);
    if (is_leaf(child) || colour_of(child) == 0)
        return;
    set_colour(child, 0);
    push(run, child);
}

static void scan_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    if (is_leaf(child) || colour_of(child) != REFCOUNT_GREY)
        return;
    set_colour(child, REFCOUNT_WHITE);
    push((struct run *)visitor, child);
}

/* An object that was white when it was pushed may have been found to be held since. */
static void scan(struct run *run)
{
    while (run->depth > 0) {
        struct sm_object *object = run->stack[--run->depth];
        if (colour_of(object) != REFCOUNT_WHITE)
            continue;
        if (object->count == 0) {
            if (refcount_type_of(run->refcount, object)->trace != NULL)
                trace(run, object, scan_edge);
            continue;
        }
        size_t base = run->depth;
        set_colour(object, 0);
        push(run, object);
        drain(run, base, black_edge);
    }
}

static void scan_roots(struct run *run)
{
    const struct root_buffer *roots = &run->refcount->roots;
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *root = root_buffer_at(roots, slot);
        if (colour_of(root) != REFCOUNT_GREY)
            continue;
        set_colour(root, REFCOUNT_WHITE);
        push(run, root);
        scan(run);
    }
}

/* ---- Garbage. ---- */

static void list_garbage(struct run *run, struct sm_object *object)
{
    SM_ASSERT(run->garbage_count < run->garbage_capacity);
    sm_object_set_flags(object, REFCOUNT_GARBAGE);
    run->garbage[run->garbage_count++] = object;
}

static void collect_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    struct run *run = (struct run *)visitor;
    /* A leaf without counts: only garbage held it, and this is the first edge that gives one back. */
    if (is_leaf(child) && child->count == 0)
        run->collected_count++;
    sm_count_add(child);
    if (is_leaf(child) || colour_of(child) != REFCOUNT_WHITE)
        return;
    set_colour(child, 0);
    push(run, child);
}

static void collect_white(struct run *run, struct sm_object *root)
{
    set_colour(root, 0);
    push(run, root);
    while (run->depth > 0) {
        struct sm_object *object = run->stack[--run->depth];
        run->collected_count += counts_as_collected(run, object);
        if ((object->flags & REFCOUNT_GARBAGE) == 0)
            list_garbage(run, object);
        run->has_destructors |= refcount_has_destructor_due(object);
        if (refcount_type_of(run->refcount, object)->trace != NULL)
            trace(run, object, collect_edge);
    }
}

/* Live ones leave the buffer; garbage is listed with the roots in front, in the order of their slots. */
static void collect_roots(struct run *run)
{
    struct root_buffer *roots = &run->refcount->roots;
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *root = root_buffer_at(roots, slot);
        if (colour_of(root) == 0)
            root_buffer_remove(roots, root);
    }
    root_buffer_compact(roots);
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++)
        list_garbage(run, root_buffer_at(roots, slot));
    size_t root_count = run->garbage_count;
    for (size_t i = 0; i < root_count; i++) {
        if (colour_of(run->garbage[i]) == REFCOUNT_WHITE)
            collect_white(run, run->garbage[i]);
    }
}

/* ---- Destructors. ---- */

/* Give back to the program what a destructible object reaches, up to the next destructible one. */
static void restore_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    struct run *run = (struct run *)visitor;
    if ((child->flags & (REFCOUNT_GARBAGE | REFCOUNT_DESTRUCTIBLE)) != REFCOUNT_GARBAGE)
        return;
    run->collected_count -= counts_as_collected(run, child);
    sm_object_clear_flags(child, REFCOUNT_GARBAGE);
    if ((child->flags & SM_OBJECT_CANDIDATE) != 0)
        root_buffer_remove(&run->refcount->roots, child);
    push(run, child);
}

/* It is a root of the next run, whatever comes of the destructor. */
static void restore_destructible(struct run *run, struct sm_object *object)
{
    run->collected_count -= counts_as_collected(run, object);
    sm_object_clear_flags(object, REFCOUNT_GARBAGE);
    if ((object->flags & SM_OBJECT_CANDIDATE) == 0 && !root_buffer_add(&run->refcount->roots, object))
        sm_object_clear_flags(object, REFCOUNT_DESTRUCTIBLE);
    push(run, object);
    drain(run, 0, restore_edge);
}

/* What is left on the list has no destructor and nothing with one leads to it. */
static void restore_destructibles(struct run *run)
{
    for (size_t i = 0; i < run->garbage_count; i++) {
        if (refcount_has_destructor_due(run->garbage[i]))
            sm_object_set_flags(run->garbage[i], REFCOUNT_DESTRUCTIBLE);
    }
    for (size_t i = 0; i < run->garbage_count; i++) {
        if ((run->garbage[i]->flags & REFCOUNT_DESTRUCTIBLE) != 0)
            restore_destructible(run, run->garbage[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < run->garbage_count; i++) {
        if ((run->garbage[i]->flags & REFCOUNT_GARBAGE) != 0)
            run->garbage[kept++] = run->garbage[i];
    }
    run->garbage_count = kept;
}

/* An object that a destructor before it killed has had its own by then and left its slot. */
static void run_destructors(struct refcount_policy *refcount)
{
    struct root_buffer *roots = &refcount->roots;
    uint32_t end = roots->first_unused;
    for (uint32_t slot = ROOTS_FIRST; slot < end; slot++) {
        struct sm_object *object = root_buffer_at(roots, slot);
        if (object == NULL || (object->flags & REFCOUNT_DESTRUCTIBLE) == 0)
            continue;
        sm_object_clear_flags(object, REFCOUNT_DESTRUCTIBLE);
        if (!refcount_has_destructor_due(object))
            continue;
        sm_count_add(object);
        sm_finalizer_run_now(refcount->base.mm, object);
        refcount_drop(refcount, object);
    }
}

/* The next safepoint drops the count, which runs the destructor or makes the object a root again. */
static void put_off_destructors(struct refcount_policy *refcount)
{
    struct root_buffer *roots = &refcount->roots;
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *object = root_buffer_at(roots, slot);
        if (object == NULL || (object->flags & REFCOUNT_DESTRUCTIBLE) == 0)
            continue;
        sm_object_clear_flags(object, REFCOUNT_DESTRUCTIBLE);
        if (sm_autorelease_add(refcount->base.mm, object))
            sm_count_add(object);
    }
}

/* ---- Freeing. ---- */

static void free_garbage(struct run *run)
{
    struct refcount_policy *refcount = run->refcount;
    struct cascade cascade = cascade_begin(refcount);
    for (size_t i = 0; i < run->garbage_count; i++)
        cascade_empty(&cascade, run->garbage[i]);
    for (size_t i = 0; i < run->garbage_count; i++) {
        refcount_count_dead(refcount, run->garbage[i]);
        blocks_free(&refcount->blocks, run->garbage[i]);
    }
    run->garbage_count = 0;
    cascade_finish(&cascade);
}

/* ---- Runs. ---- */

/* Returns what Zend would count, or less than 0 without memory. */
static int64_t run_once(struct refcount_policy *refcount, bool may_destruct, bool *had_destructors)
{
    struct run run;
    *had_destructors = false;
    if (!begin_run(&run, refcount))
        return -1;
    refcount->run_count++;
    refcount->is_active = true;
    root_buffer_compact(&refcount->roots);
    mark_roots(&run);
    scan_roots(&run);
    collect_roots(&run);
    if (run.has_destructors) {
        restore_destructibles(&run);
        if (may_destruct)
            run_destructors(refcount);
        else
            put_off_destructors(refcount);
        *had_destructors = may_destruct;
    }
    free_garbage(&run);
    refcount->is_active = false;
    root_buffer_compact(&refcount->roots);
    end_run(&run);
    return (int64_t)run.collected_count;
}

/* A run, and a second one at once where the first called destructors; not a third. */
static int64_t run_twice(struct refcount_policy *refcount, bool may_destruct)
{
    bool again = true;
    int64_t total = 0;
    for (int round = 0; round < 2 && again && refcount->roots.count != 0; round++) {
        int64_t collected = run_once(refcount, may_destruct, &again);
        if (collected < 0)
            return collected;
        total += collected;
    }
    return total;
}

/* Too little was found, or too many roots are left: look later. Otherwise a step back toward the default. */
static void adjust_threshold(struct refcount_policy *refcount, int64_t collected)
{
    uint32_t smallest = sm_root_threshold(refcount->base.mm);
    uint32_t threshold = refcount->threshold;
    if (collected < THRESHOLD_TRIGGER || refcount->roots.count >= threshold) {
        if (threshold < THRESHOLD_MAX)
            threshold = threshold > THRESHOLD_MAX - THRESHOLD_STEP ? THRESHOLD_MAX : threshold + THRESHOLD_STEP;
    } else if (threshold > smallest) {
        threshold = threshold - smallest < THRESHOLD_STEP ? smallest : threshold - THRESHOLD_STEP;
    }
    refcount->threshold = threshold;
}

/* In Zend the run comes before the count that makes a late one a possible root is given up. */
static void hold_late(const struct root_list *late)
{
    for (uint32_t i = 0; i < late->count; i++) {
        if (late->objects[i] != NULL)
            sm_count_add(late->objects[i]);
    }
}

/* The first goes in whatever the threshold says, as in Zend; the others may hit it again. */
static void readmit_late(struct refcount_policy *refcount, struct root_list *late)
{
    bool is_first = true;
    for (uint32_t i = 0; i < late->count; i++) {
        struct sm_object *object = late->objects[i];
        if (object == NULL)
            continue;
        refcount->is_active = is_first;
        is_first = false;
        refcount_drop(refcount, object);
        refcount->is_active = false;
    }
    free(late->objects);
}

/* What Zend would have run when the buffer was full. */
static sm_status run_at_threshold(struct refcount_policy *refcount)
{
    struct root_list late = root_buffer_detach_late(&refcount->roots);
    refcount->is_awaited = false;
    hold_late(&late);
    int64_t collected = run_twice(refcount, true);
    if (collected >= 0)
        adjust_threshold(refcount, collected);
    readmit_late(refcount, &late);
    return collected < 0 ? SM_ERR_OUT_OF_MEMORY : SM_OK;
}

/* All roots there are; the threshold stays as it is. */
static sm_status run_now(struct refcount_policy *refcount, bool may_destruct)
{
    refcount->is_awaited = false;
    root_buffer_settle_late(&refcount->roots);
    return run_twice(refcount, may_destruct) < 0 ? SM_ERR_OUT_OF_MEMORY : SM_OK;
}

sm_status refcount_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                           struct sm_cycle_record *record)
{
    struct refcount_policy *refcount = refcount_of(policy);
    struct sm_manager *mm = policy->mm;
    /* The buffer asks for its runs; a threshold in bytes is only "always". */
    bool wants_run = trigger != SM_TRIGGER_THRESHOLD || !refcount->is_awaited;
    sm_status status = SM_OK;
    (void)kind;
    refcount->record = record;
    while (status == SM_OK && refcount->is_awaited && trigger != SM_TRIGGER_EMERGENCY)
        status = run_at_threshold(refcount);
    if (status == SM_OK && wants_run)
        status = run_now(refcount, trigger != SM_TRIGGER_EMERGENCY);
    if (trigger == SM_TRIGGER_EMERGENCY)
        blocks_trim(&refcount->blocks);
    refcount->record = NULL;
    record->live_objects = sm_live_objects(mm) - record->retired_objects;
    record->live_bytes = sm_live_bytes(mm) - record->retired_bytes;
    record->reclaimed_bytes_total = mm->counters.dead_bytes + record->retired_bytes;
    if (status != SM_OK)
        return sm_policy_fail(mm, status, "policy refcount: no address space for the stack of a run");
    return SM_OK;
}
