/**
 * Random operations of the public API on a heap of the epoch policy, beside the list of what ought to be there
 * (epoch_heap_list.h), and the look at everything.
 */
#ifndef EPOCH_HEAP_STEPS_H
#define EPOCH_HEAP_STEPS_H

#include "epoch_heap_list.h"

/* ---- Steps. ---- */

static inline size_t random_payload(struct model *model)
{
    uint64_t kind = next_random(model, 2000);
    bool is_tight = model->live_bytes > LIVE_BYTES_MAX / 2;
    if (kind == 0 && model->huge_count < HUGE_MAX)
        return 5 * MIB - next_random(model, 1000 * KIB);
    if (kind < 30 && !is_tight)
        return next_random(model, 200 * KIB);
    if (kind < 150)
        return next_random(model, 40 * KIB);
    return next_random(model, kind < 600 ? 3100 : 300);
}

static inline bool is_zeroed(const struct sm_object *object)
{
    const char *payload = sm_payload_const(object);
    size_t bytes = (size_t)object->payload_bytes;
    return bytes == 0 || (payload[0] == 0 && memcmp(payload, payload + 1, bytes - 1) == 0);
}

static inline struct sm_object *allocate(struct model *model, enum kind kind, size_t payload_bytes)
{
    if (kind == KIND_LEAF)
        return sm_alloc_leaf(model->mm, SM_TYPE_BYTES, payload_bytes);
    if (kind == KIND_VALUES)
        return sm_alloc(model->mm, SM_TYPE_VALUES, payload_bytes);
    if (kind == KIND_NODE || kind == KIND_MORTAL)
        return sm_alloc(model->mm, kind == KIND_NODE ? model->node_type : model->mortal_type,
                        NODE_HEAD_BYTES + payload_bytes);
    return sm_alloc(model->mm, model->opaque_type, OPAQUE_HEAD_BYTES + payload_bytes);
}

/* Where the heap grows little is let go; then it shrinks. */
static inline bool grows(const struct model *model)
{
    return model->steps / 900 % 2 == 0;
}

/* Into the first edge that is free on a way from some root on. False: the way ended before one. */
static inline bool hang_on(struct model *model, uint32_t place)
{
    size_t root = next_random(model, ROOTS);
    if (model->roots[root] == NONE) {
        set_root(model, root, place);
        return true;
    }
    uint32_t at = model->roots[root];
    for (size_t step = 0; step < 40 && at != place; step++) {
        struct entry *entry = &model->entries[at];
        size_t edges = edges_of(entry);
        if (edges == 0)
            return false;
        size_t edge = next_random(model, edges);
        if (entry->edges[edge] == NONE) {
            set_edge(model, entry, edge, place);
            return true;
        }
        at = entry->edges[edge];
    }
    return false;
}

/* Into a root, into an edge of somebody, or nowhere: then it is garbage at the next safepoint. */
static inline void place_somewhere(struct model *model, uint32_t place)
{
    uint64_t where = next_random(model, 10);
    uint32_t owner = held_place(model);
    size_t edges = owner == NONE ? 0 : edges_of(&model->entries[owner]);
    bool hangs = grows(model) && where < 8 && hang_on(model, place);
    /* Chance decides where; a second try finds a place more often than not. */
    if (hangs || (grows(model) && where < 8 && hang_on(model, place)))
        return;
    if (where < 2)
        set_root(model, next_random(model, ROOTS), place);
    else if (where < 9 && edges != 0)
        set_edge(model, &model->entries[owner], next_random(model, edges), place);
}

static inline void step_alloc(struct model *model)
{
    enum kind kind = (enum kind)next_random(model, KIND_WEAK);
    if (model->count == ENTRIES_MAX || model->live_bytes > LIVE_BYTES_MAX)
        return;
    struct sm_object *object = model->fresh = allocate(model, kind, random_payload(model));
    follow_cycles(model);
    model->fresh = NULL;
    expect(model, object != NULL || model->is_limited, "memory was refused without a limit");
    if (object == NULL)
        return;
    expect(model, kind == KIND_LEAF || is_zeroed(object), "a fresh object is not zeroed");
    uint32_t place = enter(model, object, kind);
    fill(&model->entries[place]);
    model->entries[place].has_destructor =
        kind == KIND_MORTAL && next_random(model, 2) == 0 && sm_finalizer_register(model->mm, object) == SM_OK;
    place_somewhere(model, place);
}

/* A destructor: it may save its object, in a root that is free; what the cycle before it judged by stays as it was. */
static inline void destroy_mortal(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct model *model = context;
    uint32_t place = object->count;
    (void)mm;
    if (model->is_closing)
        return;
    struct entry *entry = &model->entries[place];
    bool is_known = place < ENTRIES_MAX && entry->object == object && entry->has_destructor;
    expect(model, is_known && is_intact(model, entry), "a destructor runs on what is not whole, or twice");
    if (model->fault != NULL)
        return;
    entry->has_destructor = false;
    entry->was_destroyed = true;
    model->destroyed_count++;
    size_t root = next_random(model, ROOTS);
    if (model->roots[root] == NONE)
        set_root(model, root, place);
}

static inline void step_link(struct model *model)
{
    uint32_t from = held_place(model), to = held_place(model);
    size_t edges = from == NONE ? 0 : edges_of(&model->entries[from]);
    if (edges != 0 && !(grows(model) && next_random(model, 8) != 0))
        set_edge(model, &model->entries[from], next_random(model, edges), next_random(model, 4) == 0 ? NONE : to);
}

static inline void step_root(struct model *model)
{
    set_root(model, next_random(model, ROOTS), next_random(model, 3) == 0 ? held_place(model) : NONE);
}

static inline void release_handle(struct model *model, size_t handle)
{
    if (model->handle_places[handle] == NONE)
        return;
    expect(model, sm_handle_release(model->mm, model->handles[handle]) == SM_OK, "a handle was not released");
    model->handle_places[handle] = NONE;
}

/* R9: from a local to a persistent one. No cycle may come of it, or the local's place would be unknown to the list. */
static inline void step_handle(struct model *model)
{
    size_t handle = next_random(model, HANDLES);
    uint32_t place = held_place(model);
    release_handle(model, handle);
    if (place == NONE || next_random(model, 2) == 0)
        return;
    sm_scope scope = sm_scope_open(model->mm);
    sm_handle local = sm_alloc_value(model->mm, sm_value_from_object(model->entries[place].object, 1));
    sm_handle persistent = sm_handle_persist(model->mm, local);
    sm_scope_close(model->mm, scope);
    if (sm_handle_is_none(persistent))
        return;
    model->handles[handle] = persistent;
    model->handle_places[handle] = place;
}

static inline void unlink_everywhere(struct model *model, uint32_t target)
{
    for (size_t i = 0; i < ROOTS; i++)
        if (model->roots[i] == target)
            set_root(model, i, NONE);
    for (size_t i = 0; i < HANDLES; i++)
        if (model->handle_places[i] == target)
            release_handle(model, i);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        struct entry *entry = &model->entries[place];
        for (size_t e = 0; entry->object != NULL && e < edges_of(entry); e++)
            if (entry->edges[e] == target)
                set_edge(model, entry, e, NONE);
    }
}

static inline void step_retire(struct model *model)
{
    uint32_t place = held_place(model);
    if (place == NONE || model->entries[place].has_destructor)
        return;
    struct sm_object *object = model->entries[place].object;
    expect(model, is_intact(model, &model->entries[place]), "the contents changed");
    unlink_everywhere(model, place);
    clear_weak(model, place);
    drop_entry(model, place);
    sm_retire(model->mm, object);
    expect(model, !sm_is_valid(model->mm, object), "an object that was retired is valid");
}

/* Of a root, so that it lives through an emergency; an entry's value is something that the program has. */
static inline void step_weak_make(struct model *model)
{
    size_t root = next_random(model, ROOTS);
    uint32_t target = model->roots[root], value = held_place(model);
    if (target == NONE || model->count == ENTRIES_MAX)
        return;
    bool is_entry = value != NONE && next_random(model, 2) == 0;
    struct sm_object *object = model->entries[target].object;
    struct sm_object *cell = model->fresh =
        is_entry ? sm_weak_entry_make(model->mm, object, sm_value_from_object(object_at(model, value), 1))
                 : sm_weak_make(model->mm, object);
    follow_cycles(model);
    model->fresh = NULL;
    if (cell == NULL)
        return;
    uint32_t place = enter(model, cell, is_entry ? KIND_ENTRY : KIND_WEAK);
    model->entries[place].target = target;
    model->entries[place].edges[0] = is_entry ? value : NONE;
    place_somewhere(model, place);
}

static inline void step_weak_get(struct model *model)
{
    uint32_t place = (uint32_t)next_random(model, ENTRIES_MAX);
    for (size_t i = 0; i < ENTRIES_MAX && model->entries[place].object != NULL;
         i++, place = (place + 1) % ENTRIES_MAX) {
        struct entry *entry = &model->entries[place];
        if (!is_weak(entry))
            continue;
        const struct sm_object *target = sm_weak_get(model->mm, entry->object);
        expect(model, target == object_at(model, entry->target), "a weak cell answers wrongly");
        if (entry->target != NONE)
            note_local(model, entry->target);
        return;
    }
}

/* An emergency that no refusal of memory brings about. */
static inline void step_emergency(struct model *model)
{
    (void)sm_cycle_run(model->mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
    follow_cycles(model);
}

/* Where no thread marks: a few objects, as one would by now; so the program meets the cycle between any two of them. */
static inline void step_mark(struct model *model)
{
    struct epoch_policy *epoch = epoch_of_base(model->mm->policy);
    uint64_t done = 0;
    if (epoch->beside.stage == EPOCH_STAGE_MARKING && !epoch->collector.has_thread)
        (void)epoch_marker_drain_some(&epoch->marker, 1 + next_random(model, 40), &done);
}

static inline void step_safepoint(struct model *model)
{
    sm_safepoint(model->mm);
    follow_cycles(model);
    forget_recent(model);
}

static inline void step_collect(struct model *model)
{
    uint64_t how = next_random(model, 8);
    if (how < 2) {
        sm_collect_request(model->mm);
        step_safepoint(model);
        return;
    }
    enum sm_collect_kind kind = how < 5 ? SM_COLLECT_YOUNG : SM_COLLECT_FULL;
    expect(model, sm_collect(model->mm, kind) == SM_OK, "a cycle was refused");
    follow_cycles(model);
    forget_recent(model);
}

static inline void step_guard(struct model *model)
{
    struct sm_guard *guard = sm_owner_guard(model->mm);
    if (!model->is_pinned)
        sm_pin(guard, SM_HERE);
    else if (next_random(model, 2) == 0)
        sm_repin(guard, SM_HERE);
    else
        sm_unpin(guard);
    model->is_pinned = sm_guard_depth(guard) != 0;
}

static inline void step_request(struct model *model)
{
    sm_status status = model->is_request_open ? sm_request_end(model->mm) : sm_request_begin(model->mm);
    expect(model, status == SM_OK, "a request was refused");
    for (size_t i = 0; model->is_request_open && i < HANDLES; i++)
        model->handle_places[i] = NONE; /* stale */
    model->is_request_open = !model->is_request_open;
    follow_cycles(model);
}

/* Beside the rest, in small numbers. */
static inline void rare_step(struct model *model)
{
    uint64_t what = next_random(model, 100);
    if (what < 50)
        step_mark(model);
    else if (what < 80)
        step_handle(model);
    else if (what < 83)
        step_emergency(model);
    else {
        sm_attention_request(model->mm); /* the policy has work at the next safepoint */
        step_safepoint(model);
    }
}

static inline void random_step(struct model *model)
{
    const bool is_growing = grows(model);
    uint64_t what = next_random(model, 1000);
    if (next_random(model, 6) == 0)
        rare_step(model);
    else if (what < 500 || (is_growing && what >= 815))
        step_alloc(model);
    else if (what < 640)
        step_link(model);
    else if (what < (is_growing ? 645 : 760))
        step_root(model);
    else if (what < (is_growing ? 660 : 800))
        step_retire(model);
    else if (what < (is_growing ? 690 : 850))
        step_weak_make(model);
    else if (what < (is_growing ? 740 : 900))
        step_weak_get(model);
    else if (what < (is_growing ? 800 : 950))
        step_safepoint(model);
    else if (what < (is_growing ? 802 : 955))
        step_collect(model);
    else if (what < (is_growing ? 810 : 990))
        step_guard(model);
    else
        step_request(model);
}

/* ---- The look at everything. ---- */

static const struct model *sorting; /* qsort has no context */

static inline int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)sorting->entries[*(const uint32_t *)left].object;
    uintptr_t b = (uintptr_t)sorting->entries[*(const uint32_t *)right].object;
    return (a > b) - (a < b);
}

static inline void sort_by_address(struct model *model)
{
    size_t count = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (is_live_place(model, place))
            model->sorted[count++] = place;
    expect(model, count == model->count, "the test's own list is broken");
    sorting = model;
    qsort(model->sorted, count, sizeof(model->sorted[0]), by_address);
}

static inline void check_entries(struct model *model)
{
    const char *end = NULL;
    for (size_t i = 0; i < model->count; i++) {
        const struct entry *entry = &model->entries[model->sorted[i]];
        expect(model, (const char *)entry->object >= end, "two live objects overlap");
        end = (const char *)entry->object + sm_block_bytes(entry->payload_bytes);
        expect(model, is_intact(model, entry), "the contents changed");
        expect(model, sm_epoch_of(model->mm, entry->object) <= entry->birth_epoch, "an epoch tag is after the birth");
        expect(model, entry->is_seen, "the walk leaves out an object");
        if (i % 32 != model->steps % 32)
            continue;
        expect(model, sm_is_valid(model->mm, entry->object), "a live object is not valid");
        expect(model, !sm_is_valid(model->mm, (const struct sm_object *)(const void *)(end - 1)),
               "an odd address is valid");
        if (entry->payload_bytes != 0)
            expect(model, !sm_is_valid(model->mm, entry->object + 1), "an address inside an object is valid");
    }
}

static inline bool has_address(const struct model *model, uintptr_t address)
{
    size_t first = 0, end = model->count;
    while (first < end) {
        size_t middle = (first + end) / 2;
        if ((uintptr_t)model->entries[model->sorted[middle]].object < address)
            first = middle + 1;
        else
            end = middle;
    }
    return first < model->count && (uintptr_t)model->entries[model->sorted[first]].object == address;
}

static inline void check_dead(struct model *model)
{
    for (size_t i = 0; i < DEAD_LAST && i < model->dead_count; i++) {
        uintptr_t address = model->dead_last[i];
        expect(model, sm_is_valid(model->mm, (const struct sm_object *)address) == has_address(model, address),
               "a dead address is valid");
    }
}

static inline void check_stats(struct model *model)
{
    struct sm_stats stats;
    sm_stats_get(model->mm, &stats);
    expect(model, stats.live_objects == model->count && stats.live_bytes == model->live_bytes, "the live figures");
    expect(model, stats.alloc_count == stats.live_objects + stats.retired_objects, "born, live and retired objects");
    expect(model, stats.alloc_bytes == stats.live_bytes + stats.retired_bytes, "born, live and retired bytes");
    expect(model, stats.reclaimed_objects <= stats.retired_objects, "reclaimed objects are among the retired");
    expect(model, stats.reclaimed_bytes <= stats.retired_bytes, "reclaimed bytes are among the retired");
    expect(model, stats.committed_bytes >= stats.live_bytes + stats.live_objects * SM_HEADER_BYTES, "committed bytes");
    expect(model, stats.policy_bytes >= stats.alloc_count * SM_HEADER_BYTES, "headers are the policy's bytes");
}

static inline void check(struct model *model)
{
    walk(model);
    sort_by_address(model);
    check_entries(model);
    check_dead(model);
    check_stats(model);
    struct epoch_heap *heap = &epoch_of_base(model->mm->policy)->heap;
    bool is_marking = heap->marking != EPOCH_COLOUR_NONE; /* some counts are its thread's then */
    expect(model, is_marking || epoch_heap_is_consistent(heap), "the heap's own invariants");
}

static inline void check_quiet(struct model *model)
{
    struct sm_stats stats;
    expect(model, sm_quiesce(model->mm) == SM_OK, "quiescing was refused");
    follow(model, true);
    forget_recent(model);
    check(model);
    sm_stats_get(model->mm, &stats);
    expect(model, stats.backlog_bytes == 0, "a backlog is left");
    expect(model, stats.reclaimed_objects == stats.retired_objects, "all that was retired is reclaimed");
    expect(model, stats.reclaimed_bytes == stats.retired_bytes, "all bytes that were retired are reclaimed");
}

/* ---- Runs. ---- */

static inline void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    struct model *model = context;
    for (size_t i = model->hides_a_root ? 1 : 0; i < ROOTS; i++)
        sm_visit_pointer(visitor, &model->root_objects[i]);
}

static inline void open_types(struct model *model)
{
    const struct sm_type node = {
        .name = "node",
        .trace = trace_node,
        .layout = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 2, .pointers = {node_pointers[0], node_pointers[1]}}};
    const struct sm_type opaque = {.name = "opaque", .trace = trace_opaque};
    struct sm_type mortal = node;
    mortal.name = "mortal";
    mortal.finalize = destroy_mortal;
    mortal.context = model;
    const struct sm_root_provider provider = {"model", enumerate_roots, model};
    assert_int_equal(sm_type_register(model->mm, &node, &model->node_type), SM_OK);
    assert_int_equal(sm_type_register(model->mm, &opaque, &model->opaque_type), SM_OK);
    assert_int_equal(sm_type_register(model->mm, &mortal, &model->mortal_type), SM_OK);
    assert_int_equal(sm_roots_register(model->mm, &provider), SM_OK);
}

static inline void open_model(struct model *model, const struct sm_config *given, uint64_t seed)
{
    struct sm_config config = *given;
    struct sm_error error = {0};
    memset(model, 0, sizeof(*model));
    model->seed = model->random = seed;
    model->is_limited = config.memory_limit_bytes != 0;
    model->never_reuses = strstr(config.policy, "never-reuse") != NULL;
    for (size_t i = 0; i < ROOTS; i++)
        model->roots[i] = NONE;
    for (size_t i = 0; i < HANDLES; i++)
        model->handle_places[i] = NONE;
    config.hooks = (struct sm_hooks){.context = model, .on_cycle = note_cycle};
    if (sm_manager_create(&config, &model->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    open_types(model);
}

static inline void close_model(struct model *model)
{
    model->is_closing = true;
    memset(model->root_objects, 0, sizeof(model->root_objects));
    if (model->is_pinned)
        sm_unpin(sm_owner_guard(model->mm));
    sm_manager_destroy(model->mm);
}

static inline void run_steps(struct model *model, uint64_t steps)
{
    for (uint64_t end = model->steps + steps; model->steps < end && model->fault == NULL;) {
        random_step(model);
        if (++model->steps % CHECK_EVERY == 0)
            check(model);
    }
}

static inline void run(const struct sm_config *config, uint64_t seed, uint64_t steps)
{
    static struct model model;
    open_model(&model, config, seed);
    run_steps(&model, steps);
    if (model.fault == NULL)
        check_quiet(&model);
    if (model.fault == NULL)
        run_steps(&model, steps / 4);
    for (int round = 0; round < 3; round++) { /* what destructors save goes the next time */
        for (size_t i = 0; i < ROOTS && model.fault == NULL; i++)
            set_root(&model, i, NONE);
        for (size_t i = 0; i < HANDLES && model.fault == NULL; i++)
            release_handle(&model, i);
        if (model.fault == NULL)
            check_quiet(&model);
    }
    expect(&model, model.count == 0, "something is left without roots");
    if (model.fault == NULL && getenv("EPOCH_HEAP_FIGURES") != NULL)
        print_message("%s: %llu young, %llu beside, %llu emergencies, %llu destructors\n", config->policy,
                      (unsigned long long)model.young_count, (unsigned long long)model.beside_count,
                      (unsigned long long)model.emergency_total, (unsigned long long)model.destroyed_count);
    if (model.fault != NULL)
        fail_msg("seed %llu, %s, limit %llu, step %llu: %s", (unsigned long long)seed, config->policy,
                 (unsigned long long)config->memory_limit_bytes, (unsigned long long)model.steps, model.fault);
    close_model(&model);
}

#endif
