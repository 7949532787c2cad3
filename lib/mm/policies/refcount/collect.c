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
 * not at all. What they touched serves the next run too, unless that is much. Leaves (SM_OBJECT_ACYCLIC) are counted
 * down and up with the rest, as Zend does with strings, but have no colour: white is one without counts. A saturated
 * object (a class) is left alone altogether.
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

/* How far below the top of the stack objects are fetched before their turn. */
enum { PREFETCH_AHEAD = 4 };

/* Memory of a run that is kept for the next: it has been touched already. */
enum { RUN_MEMORY_KEPT_MAX = 8 * 1024 * 1024 };

struct run {
    struct refcount_policy *refcount;
    const struct sm_types *types;
    struct sm_object **stack; /**< its top is in the state of the pass in progress */
    struct sm_object **garbage;
    size_t garbage_count;
    size_t capacity; /**< of the list; that of the stack is twice as much */
    uint64_t traced_count;
    uint64_t collected_count;
    bool has_destructors;
};

/* ---- Small parts. ---- */

static inline uint16_t colour_of(const struct sm_object *object)
{
    return object->flags & REFCOUNT_COLOUR_MASK;
}

static inline void set_colour(struct sm_object *object, uint16_t colour)
{
    object->flags = (uint16_t)((object->flags & (uint16_t)~REFCOUNT_COLOUR_MASK) | colour);
}

static inline bool is_leaf(const struct sm_object *object)
{
    return (object->flags & SM_OBJECT_ACYCLIC) != 0;
}

static inline bool is_saturated(const struct sm_object *object)
{
    return object->count == SM_COUNT_MAX;
}

static inline struct edge_state push(struct edge_state state, struct sm_object *object)
{
    struct sm_object **top = state.at;
    *top = object;
    state.at = top + 1;
    return state;
}

static inline struct sm_object *pop(struct edge_state *state)
{
    struct sm_object **top = state->at;
    const char *soon = (const char *)top[-1 - PREFETCH_AHEAD];
    state->at = --top;
    __builtin_prefetch(soon);
    /* The slot may be empty: an integer may be offset, a null pointer may not. */
    __builtin_prefetch((const void *)((uintptr_t)soon + 64));
    return *top;
}

/* Follow the edges of an object from the stack. */
EDGES_INLINE struct edge_state follow(const struct run *run, const struct sm_object *object, struct edge_state state,
                                      edge_step *step)
{
    SM_ASSERT((size_t)((struct sm_object **)state.at - run->stack) <= 2 * run->capacity);
    return edges_each(run->types, edges_type(run->types, object), object, state, step);
}

/* The edges of what is above `base` on the stack, and of what they push. */
EDGES_INLINE struct edge_state drain(const struct run *run, const void *base, struct edge_state state, edge_step *step)
{
    while (state.at != base)
        state = follow(run, pop(&state), state, step);
    return state;
}

static bool counts_as_collected(const struct run *run, const struct sm_object *object)
{
    uint32_t offset = refcount_type_of(run->refcount, object)->root_offset;
    if (offset == SM_ROOT_NONE)
        return (object->flags & SM_OBJECT_CANDIDATE) != 0;
    return offset != SM_ROOT_FORWARD;
}

/* ---- Memory for a run. ---- */

void refcount_forget_run_memory(struct refcount_policy *refcount)
{
    if (refcount->run_memory != NULL)
        munmap(refcount->run_memory, refcount->run_memory_bytes);
    refcount->run_memory = NULL;
    refcount->run_memory_bytes = 0;
}

/* Only the pages that are used become real; counted against the limit it could not be had in an emergency. */
static bool reserve_run_memory(struct refcount_policy *refcount, size_t bytes)
{
    if (bytes <= refcount->run_memory_bytes)
        return true;
    refcount_forget_run_memory(refcount);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    refcount->run_memory = memory;
    refcount->run_memory_bytes = bytes;
    return true;
}

static bool begin_run(struct run *run, struct refcount_policy *refcount)
{
    size_t object_count = (size_t)sm_live_objects(refcount->base.mm) + 1;
    *run = (struct run){.refcount = refcount, .types = &refcount->base.mm->types, .capacity = object_count};
    if (!reserve_run_memory(refcount, (object_count * ENTRIES_AN_OBJECT + PREFETCH_AHEAD) * sizeof(struct sm_object *)))
        return false;
    run->garbage = refcount->run_memory;
    run->stack = run->garbage + object_count + PREFETCH_AHEAD;
    return true;
}

static void end_run(struct run *run)
{
    struct refcount_policy *refcount = run->refcount;
    if (refcount->run_memory_bytes > RUN_MEMORY_KEPT_MAX)
        refcount_forget_run_memory(refcount);
    refcount->collected_count += run->collected_count;
    refcount->record->traced_objects += run->traced_count;
}

/* ---- Grey, white, black. ---- */

/* Counts what it pushes. */
static inline struct edge_state grey_edge(struct edge_state state, struct sm_object *child)
{
    if (is_saturated(child))
        return state;
    SM_ASSERT(child->count != 0);
    child->count--;
    if ((child->flags & (SM_OBJECT_ACYCLIC | REFCOUNT_GREY)) != 0)
        return state;
    set_colour(child, REFCOUNT_GREY);
    state.count++;
    return push(state, child);
}

/* What dies already gives up its edges itself, and its slot when its turn comes or the run takes it for live. */
static inline bool is_out_of_question(const struct sm_object *root)
{
    return (root->flags & REFCOUNT_DOOMED) != 0 || is_saturated(root);
}

static void mark_roots(struct run *run)
{
    const struct root_buffer *roots = &run->refcount->roots;
    struct edge_state state = {.at = run->stack};
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *root = root_buffer_at(roots, slot);
        if (colour_of(root) == REFCOUNT_GREY || is_out_of_question(root))
            continue;
        set_colour(root, REFCOUNT_GREY);
        state.count++;
        state = drain(run, run->stack, push(state, root), grey_edge);
    }
    run->traced_count += state.count;
}

static inline struct edge_state black_edge(struct edge_state state, struct sm_object *child)
{
    if (is_saturated(child))
        return state;
    child->count++;
    if (is_leaf(child) || colour_of(child) == 0)
        return state;
    set_colour(child, 0);
    return push(state, child);
}

static inline struct edge_state scan_edge(struct edge_state state, struct sm_object *child)
{
    if ((child->flags & (SM_OBJECT_ACYCLIC | REFCOUNT_COLOUR_MASK)) != REFCOUNT_GREY)
        return state;
    set_colour(child, REFCOUNT_WHITE);
    return push(state, child);
}

static struct edge_state blacken(const struct run *run, struct sm_object *object, struct edge_state state)
{
    const void *base = state.at;
    set_colour(object, 0);
    return drain(run, base, push(state, object), black_edge);
}

/* An object that was white when it was pushed may have been found to be held since. */
static void scan(const struct run *run, struct sm_object *root)
{
    struct edge_state state = push((struct edge_state){.at = run->stack}, root);
    while (state.at != run->stack) {
        struct sm_object *object = pop(&state);
        if (colour_of(object) != REFCOUNT_WHITE)
            continue;
        if (object->count == 0)
            state = follow(run, object, state, scan_edge);
        else
            state = blacken(run, object, state);
    }
}

static void scan_roots(const struct run *run)
{
    const struct root_buffer *roots = &run->refcount->roots;
    for (uint32_t slot = ROOTS_FIRST; slot < roots->first_unused; slot++) {
        struct sm_object *root = root_buffer_at(roots, slot);
        if (colour_of(root) != REFCOUNT_GREY)
            continue;
        set_colour(root, REFCOUNT_WHITE);
        scan(run, root);
    }
}

/* ---- Garbage. ---- */

static inline void list_garbage(struct run *run, struct sm_object *object)
{
    SM_ASSERT(run->garbage_count < run->capacity);
    object->flags |= REFCOUNT_GARBAGE;
    run->garbage[run->garbage_count++] = object;
}

/* Counts the leaves that only garbage held: this is the first edge that gives one a count back. */
static inline struct edge_state collect_edge(struct edge_state state, struct sm_object *child)
{
    if (is_saturated(child))
        return state;
    uint32_t count = child->count++;
    if (is_leaf(child)) {
        state.count += count == 0;
        return state;
    }
    if (colour_of(child) != REFCOUNT_WHITE)
        return state;
    set_colour(child, 0);
    return push(state, child);
}

static void collect_white(struct run *run, struct sm_object *root)
{
    struct edge_state state = push((struct edge_state){.at = run->stack}, root);
    set_colour(root, 0);
    while (state.at != run->stack) {
        struct sm_object *object = pop(&state);
        state.count += counts_as_collected(run, object);
        if ((object->flags & REFCOUNT_GARBAGE) == 0)
            list_garbage(run, object);
        run->has_destructors |= refcount_has_destructor_due(object);
        state = follow(run, object, state, collect_edge);
    }
    run->collected_count += state.count;
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

/* The destructor will see it. */
static void restore(struct run *run, struct sm_object *object)
{
    run->collected_count -= counts_as_collected(run, object);
    sm_object_clear_flags(object, REFCOUNT_GARBAGE);
}

static inline struct edge_state restore_edge(struct edge_state state, struct sm_object *child)
{
    if ((child->flags & (REFCOUNT_GARBAGE | REFCOUNT_DESTRUCTIBLE)) != REFCOUNT_GARBAGE)
        return state;
    sm_object_clear_flags(child, REFCOUNT_GARBAGE);
    return push(state, child);
}

/*
 * A destructible object is a root of the next run, whatever comes of the destructor. What it reaches, up to the next
 * destructible one, is given back to the program.
 */
static void restore_destructible(struct run *run, struct sm_object *object)
{
    struct root_buffer *roots = &run->refcount->roots;
    struct edge_state state = {.at = run->stack};
    restore(run, object);
    if ((object->flags & SM_OBJECT_CANDIDATE) == 0 && !root_buffer_add(roots, object))
        sm_object_clear_flags(object, REFCOUNT_DESTRUCTIBLE);
    state = follow(run, object, state, restore_edge);
    while (state.at != run->stack) {
        struct sm_object *child = pop(&state);
        restore(run, child);
        if ((child->flags & SM_OBJECT_CANDIDATE) != 0)
            root_buffer_remove(roots, child);
        state = follow(run, child, state, restore_edge);
    }
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

/* A garbage root keeps its slot until all edges are dropped, as in Zend: what is a root again comes behind it. */
static void free_garbage(struct run *run)
{
    struct refcount_policy *refcount = run->refcount;
    struct cascade cascade;
    cascade_begin(&cascade, refcount);
    for (size_t i = 0; i < run->garbage_count; i++)
        cascade_empty(&cascade, run->garbage[i]);
    for (size_t i = 0; i < run->garbage_count; i++) {
        struct sm_object *object = run->garbage[i];
        if ((object->flags & SM_OBJECT_CANDIDATE) != 0)
            root_buffer_remove(&refcount->roots, object);
        refcount_free_block(refcount, object);
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
static void hold_late(struct root_list *late)
{
    for (uint32_t i = 0; i < late->count; i++) {
        struct sm_object *object = late->objects[i];
        if (object == NULL)
            continue;
        /* Its count is a link now, and it needs no run to die. */
        if ((object->flags & REFCOUNT_DOOMED) != 0)
            late->objects[i] = NULL;
        else
            sm_count_add(object);
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

/* What died goes on the record, and the manager counts it from there. */
static void conclude_record(struct refcount_policy *refcount, const struct sm_counters *before)
{
    struct sm_manager *mm = refcount->base.mm;
    struct sm_counters *counters = &mm->counters;
    struct sm_cycle_record *record = refcount->record;
    record->live_objects = sm_live_objects(mm);
    record->live_bytes = sm_live_bytes(mm);
    record->reclaimed_bytes_total = counters->dead_bytes;
    record->retired_objects += counters->dead_objects - before->dead_objects;
    record->retired_bytes += counters->dead_bytes - before->dead_bytes;
    counters->dead_objects = before->dead_objects;
    counters->dead_bytes = before->dead_bytes;
    refcount->record = NULL;
}

sm_status refcount_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                           struct sm_cycle_record *record)
{
    struct refcount_policy *refcount = refcount_of(policy);
    const struct sm_counters before = policy->mm->counters;
    /* The buffer asks for its runs; a threshold in bytes is only "always". */
    bool wants_run = trigger != SM_TRIGGER_THRESHOLD || !refcount->is_awaited;
    sm_status status = SM_OK;
    (void)kind;
    refcount->record = record;
    while (status == SM_OK && refcount->is_awaited && trigger != SM_TRIGGER_EMERGENCY)
        status = run_at_threshold(refcount);
    if (status == SM_OK && wants_run)
        status = run_now(refcount, trigger != SM_TRIGGER_EMERGENCY);
    if (trigger == SM_TRIGGER_EMERGENCY) {
        refcount_forget_run_memory(refcount);
        blocks_trim(&refcount->blocks);
    }
    conclude_record(refcount, &before);
    if (status != SM_OK)
        return sm_policy_fail(policy->mm, status, "policy refcount: no address space for the stack of a run");
    return SM_OK;
}
