/**
 * The heap of the epoch policy under random operations of the public API, beside a plain list of what ought to be there
 * (epoch_heap_list.h). Between cycles everything that was not retired by hand is there.
 *
 * The seed is printed; `epoch_heap_model_test SEED`, or EPOCH_HEAP_SEED=SEED, replays one.
 */
#include "epoch_heap_list.h"

/* ---- Steps. ---- */

static size_t random_payload(struct model *model)
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

static bool is_zeroed(const struct sm_object *object)
{
    const char *payload = sm_payload_const(object);
    size_t bytes = (size_t)object->payload_bytes;
    return bytes == 0 || (payload[0] == 0 && memcmp(payload, payload + 1, bytes - 1) == 0);
}

static struct sm_object *allocate(struct model *model, enum kind kind, size_t payload_bytes)
{
    if (kind == KIND_LEAF)
        return sm_alloc_leaf(model->mm, SM_TYPE_BYTES, payload_bytes);
    if (kind == KIND_VALUES)
        return sm_alloc(model->mm, SM_TYPE_VALUES, payload_bytes);
    if (kind == KIND_NODE)
        return sm_alloc(model->mm, model->node_type, NODE_HEAD_BYTES + payload_bytes);
    return sm_alloc(model->mm, model->opaque_type, OPAQUE_HEAD_BYTES + payload_bytes);
}

/* Where the heap grows little is let go; then it shrinks. */
static bool grows(const struct model *model)
{
    return model->steps / 900 % 2 == 0;
}

/* Into the first edge that is free on a way from some root on. False: the way ended before one. */
static bool hang_on(struct model *model, uint32_t place)
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
static void place_somewhere(struct model *model, uint32_t place)
{
    uint64_t where = next_random(model, 10);
    uint32_t owner = random_place(model);
    size_t edges = edges_of(&model->entries[owner]);
    bool hangs = grows(model) && where < 8 && hang_on(model, place);
    /* Chance decides where; a second try finds a place more often than not. */
    if (hangs || (grows(model) && where < 8 && hang_on(model, place)))
        return;
    if (where < 2)
        set_root(model, next_random(model, ROOTS), place);
    else if (where < 9 && edges != 0)
        set_edge(model, &model->entries[owner], next_random(model, edges), place);
}

static void step_alloc(struct model *model)
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
    place_somewhere(model, place);
}

static void step_link(struct model *model)
{
    uint32_t from = random_place(model), to = random_place(model);
    size_t edges = from == NONE ? 0 : edges_of(&model->entries[from]);
    if (edges != 0 && !(grows(model) && next_random(model, 8) != 0))
        set_edge(model, &model->entries[from], next_random(model, edges), next_random(model, 4) == 0 ? NONE : to);
}

static void step_root(struct model *model)
{
    set_root(model, next_random(model, ROOTS), next_random(model, 3) == 0 ? random_place(model) : NONE);
}

static void unlink_everywhere(struct model *model, uint32_t target)
{
    for (size_t i = 0; i < ROOTS; i++)
        if (model->roots[i] == target)
            set_root(model, i, NONE);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        struct entry *entry = &model->entries[place];
        for (size_t e = 0; entry->object != NULL && e < edges_of(entry); e++)
            if (entry->edges[e] == target)
                set_edge(model, entry, e, NONE);
    }
}

static void step_retire(struct model *model)
{
    uint32_t place = random_place(model);
    if (place == NONE)
        return;
    struct sm_object *object = model->entries[place].object;
    expect(model, is_intact(model, &model->entries[place]), "the contents changed");
    unlink_everywhere(model, place);
    clear_weak(model, place);
    drop_entry(model, place);
    sm_retire(model->mm, object);
    expect(model, !sm_is_valid(model->mm, object), "an object that was retired is valid");
}

/* Of a root, so that it lives through an emergency. */
static void step_weak_make(struct model *model)
{
    size_t root = next_random(model, ROOTS);
    uint32_t target = model->roots[root];
    if (target == NONE || model->count == ENTRIES_MAX)
        return;
    struct sm_object *cell = model->fresh = sm_weak_make(model->mm, model->entries[target].object);
    follow_cycles(model);
    model->fresh = NULL;
    if (cell == NULL)
        return;
    uint32_t place = enter(model, cell, KIND_WEAK);
    model->entries[place].edges[0] = target;
    place_somewhere(model, place);
}

static void step_weak_get(struct model *model)
{
    uint32_t place = (uint32_t)next_random(model, ENTRIES_MAX);
    for (size_t i = 0; i < ENTRIES_MAX && model->entries[place].object != NULL;
         i++, place = (place + 1) % ENTRIES_MAX) {
        struct entry *entry = &model->entries[place];
        if (entry->kind != KIND_WEAK)
            continue;
        const struct sm_object *target = sm_weak_get(model->mm, entry->object);
        expect(model, target == object_at(model, entry->edges[0]), "a weak cell answers wrongly");
        if (entry->edges[0] != NONE)
            model->entries[entry->edges[0]].is_recent = true;
        return;
    }
}

static void step_safepoint(struct model *model)
{
    sm_safepoint(model->mm);
    follow_cycles(model);
    forget_recent(model);
}

static void step_collect(struct model *model)
{
    if (next_random(model, 4) == 0) {
        sm_collect_request(model->mm);
        step_safepoint(model);
        return;
    }
    expect(model, sm_collect(model->mm, SM_COLLECT_FULL) == SM_OK, "a cycle was refused");
    follow_cycles(model);
    forget_recent(model);
}

static void step_guard(struct model *model)
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

static void step_request(struct model *model)
{
    sm_status status = model->is_request_open ? sm_request_end(model->mm) : sm_request_begin(model->mm);
    expect(model, status == SM_OK, "a request was refused");
    model->is_request_open = !model->is_request_open;
    follow_cycles(model);
}

static void random_step(struct model *model)
{
    const bool is_growing = grows(model);
    uint64_t what = next_random(model, 1000);
    if (what < 500 || (is_growing && what >= 815))
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

static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)sorting->entries[*(const uint32_t *)left].object;
    uintptr_t b = (uintptr_t)sorting->entries[*(const uint32_t *)right].object;
    return (a > b) - (a < b);
}

static void sort_by_address(struct model *model)
{
    size_t count = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (is_live_place(model, place))
            model->sorted[count++] = place;
    expect(model, count == model->count, "the test's own list is broken");
    sorting = model;
    qsort(model->sorted, count, sizeof(model->sorted[0]), by_address);
}

static void check_entries(struct model *model)
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

static bool has_address(const struct model *model, uintptr_t address)
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

static void check_dead(struct model *model)
{
    for (size_t i = 0; i < DEAD_LAST && i < model->dead_count; i++) {
        uintptr_t address = model->dead_last[i];
        expect(model, sm_is_valid(model->mm, (const struct sm_object *)address) == has_address(model, address),
               "a dead address is valid");
    }
}

static void check_stats(struct model *model)
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

static void check(struct model *model)
{
    find_reachable(model, false);
    sm_walk(model->mm, see, model);
    sort_by_address(model);
    check_entries(model);
    check_dead(model);
    check_stats(model);
    expect(model, epoch_heap_is_consistent(&epoch_of_base(model->mm->policy)->heap), "the heap's own invariants");
}

static void check_quiet(struct model *model)
{
    struct sm_stats stats;
    expect(model, sm_quiesce(model->mm) == SM_OK, "quiescing was refused");
    follow_cycles(model);
    forget_recent(model);
    check(model);
    sm_stats_get(model->mm, &stats);
    expect(model, stats.backlog_bytes == 0, "a backlog is left");
    expect(model, stats.reclaimed_objects == stats.retired_objects, "all that was retired is reclaimed");
    expect(model, stats.reclaimed_bytes == stats.retired_bytes, "all bytes that were retired are reclaimed");
}

/* ---- Runs. ---- */

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    struct model *model = context;
    for (size_t i = model->hides_a_root ? 1 : 0; i < ROOTS; i++)
        sm_visit_pointer(visitor, &model->root_objects[i]);
}

static void open_types(struct model *model)
{
    const struct sm_type node = {
        .name = "node",
        .trace = trace_node,
        .layout = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 2, .pointers = {node_pointers[0], node_pointers[1]}}};
    const struct sm_type opaque = {.name = "opaque", .trace = trace_opaque};
    const struct sm_root_provider provider = {"model", enumerate_roots, model};
    assert_int_equal(sm_type_register(model->mm, &node, &model->node_type), SM_OK);
    assert_int_equal(sm_type_register(model->mm, &opaque, &model->opaque_type), SM_OK);
    assert_int_equal(sm_roots_register(model->mm, &provider), SM_OK);
}

static void open_model(struct model *model, const struct sm_config *given, uint64_t seed)
{
    struct sm_config config = *given;
    struct sm_error error = {0};
    memset(model, 0, sizeof(*model));
    model->seed = model->random = seed;
    model->is_limited = config.memory_limit_bytes != 0;
    model->never_reuses = strstr(config.policy, "never-reuse") != NULL;
    for (size_t i = 0; i < ROOTS; i++)
        model->roots[i] = NONE;
    config.hooks = (struct sm_hooks){.context = model, .on_cycle = note_cycle};
    if (sm_manager_create(&config, &model->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    open_types(model);
}

static void close_model(struct model *model)
{
    memset(model->root_objects, 0, sizeof(model->root_objects));
    if (model->is_pinned)
        sm_unpin(sm_owner_guard(model->mm));
    sm_manager_destroy(model->mm);
}

static void run_steps(struct model *model, uint64_t steps)
{
    for (uint64_t end = model->steps + steps; model->steps < end && model->fault == NULL;) {
        random_step(model);
        if (++model->steps % CHECK_EVERY == 0)
            check(model);
    }
}

static void run(const struct sm_config *config, uint64_t seed, uint64_t steps)
{
    static struct model model;
    open_model(&model, config, seed);
    run_steps(&model, steps);
    if (model.fault == NULL)
        check_quiet(&model);
    if (model.fault == NULL)
        run_steps(&model, steps / 4);
    for (size_t i = 0; i < ROOTS && model.fault == NULL; i++)
        set_root(&model, i, NONE);
    if (model.fault == NULL)
        check_quiet(&model);
    expect(&model, model.count == 0, "something is left without roots");
    if (model.fault != NULL)
        fail_msg("seed %llu, %s, limit %llu, step %llu: %s", (unsigned long long)seed, config->policy,
                 (unsigned long long)config->memory_limit_bytes, (unsigned long long)model.steps, model.fault);
    close_model(&model);
}

static uint64_t first_seed = 1, seed_count;

/* Every back-end of reclamation with every kind of debugging; flavours in turn. */
static void run_variants(struct sm_config config, uint64_t steps, uint64_t slow_steps)
{
    static const char *const debugs[] = {"none", "poison", "never-reuse"};
    const uint64_t last_seed = first_seed + (seed_count != 0 ? seed_count : 1) - 1;
    print_message("seeds %llu to %llu\n", (unsigned long long)first_seed, (unsigned long long)last_seed);
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        for (size_t backend = 0; backend < EPOCH_BACKEND_COUNT; backend++) {
            for (size_t d = 0; d < sizeof(debugs) / sizeof(debugs[0]); d++) {
                bool is_slow = backend >= EPOCH_BACKEND_CALL_RCU; /* liburcu's own threads take their time */
                if (is_slow && slow_steps < steps && d != seed % 3)
                    continue;
                char policy[128];
                snprintf(policy, sizeof(policy), "epoch:flavor=%s,reclaim=%s,debug=%s",
                         epoch_flavors[(seed + backend + d) % EPOCH_FLAVOR_COUNT], epoch_backend_names[backend],
                         debugs[d]);
                config.policy = policy;
                run(&config, seed * 16 + backend * 4 + d, is_slow ? slow_steps : steps);
            }
        }
    }
}

static void test_random_operations_agree_with_a_plain_list(void **state)
{
    (void)state;
    run_variants((struct sm_config){.pacing = "fixed:1M"}, test_scale(12000, 2700, 1800), test_scale(9000, 1800, 1500));
}

static void test_random_operations_agree_with_a_plain_list_under_a_small_limit(void **state)
{
    (void)state;
    run_variants((struct sm_config){.pacing = "never", .memory_limit_bytes = 6 * MIB}, test_scale(12000, 2700, 1800),
                 test_scale(2700, 900, 900));
}

static void test_random_operations_agree_with_a_plain_list_when_every_allocation_collects(void **state)
{
    (void)state;
    run_variants((struct sm_config){.pacing = "never", .collect_every_alloc = true}, test_scale(1800, 600, 150),
                 test_scale(90, 40, 30));
}

static void test_random_operations_agree_with_a_plain_list_when_every_safepoint_collects(void **state)
{
    (void)state;
    run_variants((struct sm_config){.collect_every_safepoint = true}, test_scale(2700, 900, 900),
                 test_scale(1800, 800, 800));
}

/* ---- The reclaiming thread sweeps ahead while the owner uses the same blocks. ---- */

enum { SWEPT_OBJECTS = 30000, SWEPT_KEPT = 3 };

/* Of each three objects one survives; of these every second is retired by hand, and its room used, as soon as may be. */
static void retire_survivors(struct model *model, const uint32_t *kept, size_t kept_count)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (i % 2 == 0)
            continue;
        struct sm_value *slot = (struct sm_value *)sm_payload(model->root_objects[0]) + kept[i];
        struct sm_object *object = sm_value_object(*slot);
        sm_store(model->mm, model->root_objects[0], slot, (struct sm_value){0, 0});
        sm_retire(model->mm, object);
        (void)sm_alloc_leaf(model->mm, SM_TYPE_BYTES, 3000);
        if (i % 64 == 1)
            sm_safepoint(model->mm);
    }
}

static void churn_while_sweeping(struct model *model)
{
    static uint32_t kept[SWEPT_OBJECTS];
    struct epoch_heap *heap = &epoch_of_base(model->mm->policy)->heap;
    model->root_objects[0] = sm_alloc(model->mm, SM_TYPE_VALUES, SWEPT_OBJECTS * sizeof(struct sm_value));
    for (uint32_t i = 0; i < SWEPT_OBJECTS; i++) {
        struct sm_object *object = sm_alloc_leaf(model->mm, SM_TYPE_BYTES, 40);
        struct sm_value *slot = (struct sm_value *)sm_payload(model->root_objects[0]) + i;
        if (i % SWEPT_KEPT == 0)
            sm_store(model->mm, model->root_objects[0], slot, sm_value_from_object(object, 1));
        kept[i / SWEPT_KEPT] = i / SWEPT_KEPT * SWEPT_KEPT;
    }
    assert_int_equal(sm_collect(model->mm, SM_COLLECT_FULL), SM_OK);
    retire_survivors(model, kept, SWEPT_OBJECTS / SWEPT_KEPT);
    assert_true(epoch_heap_is_consistent(heap));
    while (epoch_pool_sweep_one(&heap->pool)) /* so that granules and counts of all blocks are compared */
        ;
    assert_true(epoch_heap_is_consistent(heap));
}

static void test_survivors_are_retired_and_reused_while_their_blocks_are_swept_ahead(void **state)
{
    static struct model model;
    (void)state;
    open_model(&model, &(struct sm_config){.policy = "epoch:reclaim=thread,debug=none", .pacing = "never"}, 1);
    for (size_t round = 0; round < test_scale(12, 8, 4); round++)
        churn_while_sweeping(&model);
    close_model(&model);
}

/* ---- R2, and its control: memory that is reused before its grace period. ---- */

enum { CONDEMNED = 2000, CONDEMNED_BYTES = 100 };

/* Whether anything is allocated where something died that a reader may still look at. Large ones too. */
static bool reuses_under_a_guard(struct graph *graph, struct reader *reader)
{
    static uintptr_t gone[CONDEMNED];
    bool is_reused = false;
    for (size_t i = 0; i < CONDEMNED; i++)
        gone[i] = (uintptr_t)node_try(graph, graph->node_type, i, i % 100 == 0 ? 50 * KIB : CONDEMNED_BYTES);
    reader_do(reader, READER_PIN);
    for (size_t i = 0; i < CONDEMNED; i += 3)
        sm_retire(graph->mm, (struct sm_object *)gone[i]);
    (void)sm_collect(graph->mm, SM_COLLECT_FULL);
    sleep_ms(20);
    for (size_t i = 0; i < CONDEMNED; i++) {
        uintptr_t fresh = (uintptr_t)node_try(graph, graph->node_type, i, i % 100 == 0 ? 50 * KIB : CONDEMNED_BYTES);
        for (size_t n = 0; n < CONDEMNED; n++)
            is_reused = is_reused || fresh == gone[n];
    }
    reader_do(reader, READER_UNPIN);
    return is_reused;
}

static void expect_no_reuse(struct graph *graph, struct reader *reader)
{
    assert_false(reuses_under_a_guard(graph, reader));
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
}

static void test_R2_nothing_is_allocated_where_something_died_under_a_guard_that_lasts(void **state)
{
    (void)state;
    with_reader_in_every_flavor(expect_no_reuse);
}

static void synchronize_without_waiting(void)
{
}

static void expect_reuse_without_grace(struct graph *graph, struct reader *reader)
{
    struct epoch_reclaimer *reclaimer = graph_epoch(graph)->reclaimer;
    const struct epoch_flavor *whole = reclaimer->flavor;
    struct epoch_flavor broken = *whole;
    broken.synchronize = synchronize_without_waiting;
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = &broken; /* the thread reads it after it has taken the lock for its first batch */
    pthread_mutex_unlock(&reclaimer->lock);
    assert_true(reuses_under_a_guard(graph, reader));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = whole;
    pthread_mutex_unlock(&reclaimer->lock);
}

static void test_a_flavour_that_skips_the_grace_period_is_noticed(void **state)
{
    (void)state;
    with_reader_in_every_flavor(expect_reuse_without_grace);
}

/* ---- Retired by hand, without memory for a place in the list. ---- */

/* What retiring does then, for malloc does not fail on demand: the next cycle finds the object, and counts it once. */
static void test_an_object_whose_retirement_no_list_had_room_for_is_reclaimed_once(void **state)
{
    struct graph graph;
    (void)state;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct epoch_heap *heap = &graph_epoch(&graph)->heap;
    struct node *node = node_new(&graph, 1);
    sm_count_dead(graph.mm, 1, node->header.payload_bytes);
    sm_object_set_flags(&node->header, EPOCH_RETIRED);
    heap->unlisted_objects++;
    heap->unlisted_bytes += node->header.payload_bytes;
    for (int i = 0; i < 3; i++) {
        node_new(&graph, 2);
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
        struct sm_stats stats = graph_stats(&graph);
        assert_int_equal(stats.reclaimed_objects, stats.retired_objects);
        assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
    }
    graph_close(&graph);
}

/* ---- Controls of the list: each of these is noticed. ---- */

typedef void planted(struct model *model);

static void hide_a_root(struct model *model)
{
    model->hides_a_root = true;
}

static void retire_behind_its_back(struct model *model)
{
    struct sm_object *object = model->root_objects[0];
    memset(model->root_objects, 0, sizeof(model->root_objects)); /* R1 */
    sm_retire(model->mm, object);
}

static void change_a_byte(struct model *model)
{
    ((unsigned char *)sm_payload(model->root_objects[0]))[NODE_HEAD_BYTES + 5] ^= 1;
}

static void change_an_edge(struct model *model)
{
    memset(sm_payload(model->root_objects[0]), 0, sizeof(struct sm_object *));
}

static void allocate_behind_its_back(struct model *model)
{
    assert_non_null(sm_alloc_leaf(model->mm, SM_TYPE_BYTES, 10));
}

static void raise_an_epoch_tag(struct model *model)
{
    const struct sm_object *object = model->root_objects[0];
    struct epoch_block *block = epoch_block_of(object);
    block->page_epochs[epoch_block_offset(block, object) / EPOCH_PAGE_BYTES] += 1000;
}

static void count_a_granule_too_many(struct model *model)
{
    epoch_block_of(model->root_objects[0])->live_granules++;
}

/* A root that refers to a leaf, after a cycle; then something happens, and all is looked at. */
static const char *fault_after(planted *plant, bool collects)
{
    static struct model model;
    open_model(&model, &(struct sm_config){.policy = "epoch:reclaim=inline,debug=none", .pacing = "never"}, 1);
    uint32_t owner = enter(&model, allocate(&model, KIND_NODE, 100), KIND_NODE);
    fill(&model.entries[owner]);
    uint32_t leaf = enter(&model, allocate(&model, KIND_LEAF, 100), KIND_LEAF);
    fill(&model.entries[leaf]);
    set_edge(&model, &model.entries[owner], 0, leaf);
    set_root(&model, 0, owner);
    step_collect(&model);
    /* A second pass makes the block swept, which is when its granules are looked at. */
    (void)epoch_pool_sweep_one(&epoch_of_base(model.mm->policy)->heap.pool);
    check(&model);
    assert_null(model.fault);
    if (plant != NULL)
        plant(&model);
    if (collects) {
        assert_int_equal(sm_collect(model.mm, SM_COLLECT_FULL), SM_OK);
        follow_cycles(&model);
    } else {
        check(&model);
    }
    close_model(&model);
    return model.fault;
}

static void test_planted_faults_are_noticed(void **state)
{
    (void)state;
    assert_null(fault_after(NULL, false));
    assert_null(fault_after(NULL, true));
    assert_non_null(fault_after(hide_a_root, true));
    assert_non_null(fault_after(retire_behind_its_back, false));
    assert_non_null(fault_after(change_a_byte, false));
    assert_non_null(fault_after(change_an_edge, false));
    assert_non_null(fault_after(allocate_behind_its_back, false));
    assert_non_null(fault_after(raise_an_epoch_tag, false));
    assert_non_null(fault_after(count_a_granule_too_many, false));
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("EPOCH_HEAP_SEED");
    if (given != NULL)
        first_seed = strtoull(given, NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list),
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list_under_a_small_limit),
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list_when_every_allocation_collects),
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list_when_every_safepoint_collects),
        cmocka_unit_test(test_survivors_are_retired_and_reused_while_their_blocks_are_swept_ahead),
        cmocka_unit_test(test_R2_nothing_is_allocated_where_something_died_under_a_guard_that_lasts),
        cmocka_unit_test(test_a_flavour_that_skips_the_grace_period_is_noticed),
        cmocka_unit_test(test_an_object_whose_retirement_no_list_had_room_for_is_reclaimed_once),
        cmocka_unit_test(test_planted_faults_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
