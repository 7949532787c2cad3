/**
 * The snapshot (R1, R8, R9): a cycle that marks beside the program keeps what was reachable when it began and what is made
 * meanwhile, whatever the program does between any two objects that are marked; and takes the rest.
 */
#include "epoch_holders.h"

#include "test_scale.h"

#include "sapimem/extension.h"

/* ---- The last edge to a subgraph moves, at every moment. ---- */

struct moves {
    const char *policy;
    enum holder from, to;
    bool is_fresh;    /**< what it moves to is made after the snapshot */
    uint64_t before;  /**< objects marked before the edge goes */
    uint64_t between; /**< and while only a local has what it led to */
    holder_store *unlink;
};

struct moved {
    struct node *node, *below;
};

/* Roots beside those of holders: what moves, and what there is to have something to mark. */
enum { ROOT_FROM = ROOT_TARGET + 1, ROOT_TO, ROOT_REST };

/* Something more to mark, before and behind what moves. */
static void make_chains(struct graph *graph)
{
    for (size_t root = ROOT_REST; root < ROOT_REST + 2; root++) {
        graph->roots[root] = node_new(graph, root);
        struct node *last = graph->roots[root];
        for (uint64_t i = 0; i < 3; i++) {
            node_link(graph, last, i % GRAPH_EDGES, node_new(graph, 10 * root + i));
            last = node_edge(last, i % GRAPH_EDGES);
        }
    }
}

static struct moved make_scene(struct graph *graph, const struct moves *moves)
{
    struct moved moved;
    stages_open(graph, moves->policy);
    holders_open(graph);
    graph->roots[ROOT_TARGET] = node_new(graph, 1);
    put_root(graph, ROOT_FROM, holder_new(graph, moves->from));
    if (!moves->is_fresh)
        put_root(graph, ROOT_TO, holder_new(graph, moves->to));
    make_chains(graph);
    moved.node = node_new(graph, 2);
    moved.below = node_new(graph, 3);
    node_link(graph, moved.node, 1, moved.below);
    holder_set(graph, &graph->roots[ROOT_FROM]->header, moves->from, moved.node);
    return moved;
}

/* False: marking was over before so many objects. */
static bool move(struct graph *graph, const struct moves *moves, struct moved moved)
{
    start_cycle(graph);
    if (!mark_some(graph, moves->before))
        return false;
    moves->unlink(graph, &graph->roots[ROOT_FROM]->header, moves->from, NULL);
    (void)mark_some(graph, moves->between);
    if (moves->is_fresh)
        put_root(graph, ROOT_TO, holder_new(graph, moves->to));
    holder_set(graph, &graph->roots[ROOT_TO]->header, moves->to, moved.node);
    return true;
}

/* False: that moment does not exist. */
static bool survives_move(const struct moves *moves)
{
    struct graph graph;
    struct moved moved = make_scene(&graph, moves);
    bool exists = move(&graph, moves, moved);
    if (exists) {
        mark_rest(&graph);
        assert_true(epoch_marking_is_complete(graph_epoch(&graph)));
    }
    finish_cycle(&graph);
    assert_lives(&graph, moved.node);
    assert_lives(&graph, moved.below);
    collect_young(&graph);
    assert_lives(&graph, moved.below);
    graph_close(&graph);
    return exists;
}

static void at_every_moment(struct moves moves)
{
    static const uint64_t betweens[] = {0, 1, UINT64_MAX};
    for (moves.before = 0; survives_move(&moves); moves.before += test_scale(1, 2, 5))
        for (size_t b = 1; b < sizeof(betweens) / sizeof(betweens[0]); b++) {
            moves.between = betweens[b];
            (void)survives_move(&moves);
        }
    assert_true(moves.before > HOLDER_COUNT);
}

static void move_between_all(bool is_fresh)
{
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (int from = 0; from < HOLDER_COUNT; from++)
            for (int to = 0; to < HOLDER_COUNT; to++)
                at_every_moment((struct moves){.policy = stages_policies[p],
                                               .from = (enum holder)from,
                                               .to = (enum holder)to,
                                               .is_fresh = is_fresh,
                                               .unlink = holder_set});
}

static void test_R1_R8_what_the_last_edge_led_to_lives_whenever_it_moves(void **state)
{
    (void)state;
    move_between_all(false);
}

static void test_R1_R8_it_lives_too_where_it_moves_to_what_was_made_meanwhile(void **state)
{
    (void)state;
    move_between_all(true);
}

/* The control: unheard of, such a move loses it at some moment, and the checker says so. */
static size_t lost_moments(enum holder from)
{
    struct moves moves = {.policy = stages_policies[0], .from = from, .to = HOLDER_NODE, .unlink = holder_set_behind};
    size_t lost = 0;
    for (bool exists = true; exists; moves.before++) {
        struct graph graph;
        struct moved moved = make_scene(&graph, &moves);
        exists = move(&graph, &moves, moved);
        mark_rest(&graph);
        lost += !epoch_marking_is_complete(graph_epoch(&graph));
        epoch_marker_visit(&graph_epoch(&graph)->marker, &moved.node->header); /* so that it can end */
        finish_cycle(&graph);
        graph_close(&graph);
    }
    return lost;
}

static void test_a_store_behind_the_barrier_is_noticed(void **state)
{
    (void)state;
    for (int from = 0; from < HOLDER_COUNT; from++)
        assert_true(lost_moments((enum holder)from) != 0);
}

/* ---- A large array, chunk by chunk. ---- */

static struct sm_object *array_new(struct graph *graph, size_t root)
{
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    put_root(graph, root, array);
    return array;
}

static struct sm_value *element_of(struct sm_object *array, size_t index)
{
    return (struct sm_value *)sm_payload(array) + index;
}

enum { SPREAD = EPOCH_CHUNK_ELEMENTS / 2, SPREAD_COUNT = STAGES_ELEMENTS / SPREAD };

/* Two elements of each chunk move to the other array, first to last, `stride` marks apart. */
static void move_elements(const char *policy, uint64_t before, uint64_t stride)
{
    struct graph graph;
    struct node *nodes[SPREAD_COUNT];
    stages_open(&graph, policy);
    struct sm_object *from = array_new(&graph, ROOT_FROM), *to = array_new(&graph, ROOT_TO);
    for (size_t i = 0; i < SPREAD_COUNT; i++) {
        nodes[i] = node_new(&graph, i);
        sm_store(graph.mm, from, element_of(from, i * SPREAD), value_of(nodes[i]));
    }
    start_cycle(&graph);
    (void)mark_some(&graph, before);
    for (size_t i = 0; i < SPREAD_COUNT; i++) {
        sm_store(graph.mm, from, element_of(from, i * SPREAD), (struct sm_value){0, 0});
        (void)mark_some(&graph, stride);
        sm_store(graph.mm, to, element_of(to, STAGES_ELEMENTS - 1 - i * SPREAD), value_of(nodes[i]));
    }
    mark_rest(&graph);
    assert_true(epoch_marking_is_complete(graph_epoch(&graph)));
    finish_cycle(&graph);
    for (size_t i = 0; i < SPREAD_COUNT; i++)
        assert_lives(&graph, nodes[i]);
    graph_close(&graph);
}

static void test_R8_elements_of_a_large_array_move_while_its_chunks_are_read(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (uint64_t before = 0; before < 3 * STAGES_ELEMENTS / EPOCH_CHUNK_ELEMENTS; before++)
            for (uint64_t stride = 0; stride < 3; stride++)
                move_elements(stages_policies[p], before, stride);
}

/* Each chunk is read once, by the marker or by the program. */
static void test_R8_a_write_to_one_chunk_logs_that_chunk_alone(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct sm_object *array = array_new(&graph, ROOT_FROM);
    for (size_t i = 0; i < STAGES_ELEMENTS; i++)
        sm_store(graph.mm, array, element_of(array, i), value_of(node_new(&graph, i)));
    start_cycle(&graph);
    /* No thread takes anything out meanwhile. */
    const struct epoch_log *log = &graph_epoch(&graph)->log, *handed = &graph_epoch(&graph)->collector.shared;
    for (size_t chunk = 0; chunk < 3; chunk++) {
        for (size_t i = 0; i < EPOCH_CHUNK_ELEMENTS; i++)
            sm_store(graph.mm, array, element_of(array, chunk * EPOCH_CHUNK_ELEMENTS + i), (struct sm_value){0, 0});
        assert_int_equal(log->count + handed->count, (chunk + 1) * EPOCH_CHUNK_ELEMENTS);
    }
    mark_rest(&graph);
    sm_store(graph.mm, array, element_of(array, STAGES_ELEMENTS - 1), (struct sm_value){0, 0});
    assert_int_equal(log->count + handed->count, 0); /* all of it was read */
    finish_cycle(&graph);
    graph_close(&graph);
}

/* ---- R9: weak targets. ---- */

struct weak_scene {
    struct graph graph;
    struct sm_object *cell;
    struct node *target, *below;
};

/* Old, so that the young cycle before the snapshot does not find it, and reachable by nothing else any more. */
static void open_weak(struct weak_scene *scene, const char *policy, bool is_entry)
{
    struct graph *graph = &scene->graph;
    stages_open(graph, policy);
    make_chains(graph);
    scene->target = graph->roots[ROOT_TARGET] = node_new(graph, 1);
    scene->below = node_new(graph, 2);
    node_link(graph, scene->target, 0, scene->below);
    scene->cell = is_entry ? sm_weak_entry_make(graph->mm, &scene->target->header, value_of(node_new(graph, 3)))
                           : sm_weak_make(graph->mm, &scene->target->header);
    put_root(graph, ROOT_FROM, scene->cell);
    graph_collect(graph);
    graph->roots[ROOT_TARGET] = NULL;
}

typedef struct sm_object *door(struct sm_manager *mm, struct sm_object *cell);

/* False: marking was over before. */
static bool hand_out(struct weak_scene *scene, uint64_t before, door *get)
{
    struct graph *graph = &scene->graph;
    start_cycle(graph);
    if (!mark_some(graph, before))
        return false;
    assert_ptr_equal(get(graph->mm, scene->cell), scene->target);
    graph->roots[ROOT_TO] = scene->target;
    mark_rest(graph);
    return true;
}

static bool lives_once_handed_out(const char *policy, bool is_entry, uint64_t before)
{
    struct weak_scene scene;
    open_weak(&scene, policy, is_entry);
    bool exists = hand_out(&scene, before, sm_weak_get);
    if (exists) {
        assert_true(epoch_marking_is_complete(graph_epoch(&scene.graph)));
        finish_cycle(&scene.graph);
        assert_lives(&scene.graph, scene.target);
        assert_lives(&scene.graph, scene.below);
        assert_ptr_equal(sm_weak_get(scene.graph.mm, scene.cell), scene.target);
        if (is_entry)
            assert_lives(&scene.graph, (struct node *)sm_value_object(*sm_weak_entry_value(scene.cell)));
    }
    graph_close(&scene.graph);
    return exists;
}

static void test_R9_a_weak_target_lives_once_it_was_handed_out_at_any_moment(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (int is_entry = 0; is_entry < 2; is_entry++) {
            uint64_t before = 0;
            while (lives_once_handed_out(stages_policies[p], is_entry != 0, before))
                before++;
            assert_true(before > 3);
        }
}

/* And dies when nobody asks: from the end of marking on nobody gets it, whatever the clearing has come to. */
static void test_R9_a_weak_target_dies_when_nobody_asks_for_it(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (int stage = EPOCH_STAGE_CLEARING; stage <= EPOCH_STAGE_SWEEPING; stage++) {
            struct weak_scene scene;
            open_weak(&scene, stages_policies[p], false);
            start_cycle(&scene.graph);
            go_to(&scene.graph, (enum epoch_stage)stage);
            assert_null(sm_weak_get(scene.graph.mm, scene.cell));
            assert_false(graph_is_valid(&scene.graph, scene.target));
            finish_cycle(&scene.graph);
            assert_false(graph_is_valid(&scene.graph, scene.target));
            assert_null(sm_weak_get(scene.graph.mm, scene.cell));
            graph_close(&scene.graph);
        }
}

static struct sm_object *get_behind(struct sm_manager *mm, struct sm_object *cell)
{
    (void)mm;
    return sm_weak_list_target(cell);
}

static void test_R9_a_target_that_is_handed_out_by_another_door_is_noticed(void **state)
{
    struct weak_scene scene;
    (void)state;
    open_weak(&scene, stages_policies[0], false);
    assert_true(hand_out(&scene, 0, get_behind));
    assert_false(epoch_marking_is_complete(graph_epoch(&scene.graph)));
    epoch_marker_visit(&graph_epoch(&scene.graph)->marker, &scene.target->header);
    finish_cycle(&scene.graph);
    graph_close(&scene.graph);
}

/* A cell that is made for what is reachable only by way of another cell, and for what was made since. */
static void test_R9_cells_made_while_it_marks_answer_afterwards(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct weak_scene scene;
        open_weak(&scene, stages_policies[p], false);
        struct graph *graph = &scene.graph;
        start_cycle(graph);
        struct sm_object *handed = sm_weak_get(graph->mm, scene.cell);
        put_root(graph, ROOT_TO, sm_weak_make(graph->mm, handed));
        graph->roots[ROOT_TARGET] = node_new(graph, 9);
        struct sm_object *fresh = sm_weak_make(graph->mm, &graph->roots[ROOT_TARGET]->header);
        put_root(graph, ROOT_REST, fresh);
        finish_cycle(graph);
        assert_ptr_equal(sm_weak_get(graph->mm, &graph->roots[ROOT_TO]->header), scene.target);
        assert_ptr_equal(sm_weak_get(graph->mm, fresh), graph->roots[ROOT_TARGET]);
        graph->roots[ROOT_TARGET] = NULL;
        collect_young(graph);
        graph_collect(graph);
        assert_null(sm_weak_get(graph->mm, fresh));
        assert_null(sm_weak_get(graph->mm, &graph->roots[ROOT_TO]->header));
        graph_close(graph);
    }
}

/* ---- Handles. ---- */

/* R9: what a persistent handle took over before its last edge went. */
static bool lives_by_handle(const char *policy, uint64_t before)
{
    const struct moves moves = {.policy = policy, .from = HOLDER_VALUES, .to = HOLDER_NODE};
    struct graph graph;
    struct moved moved = make_scene(&graph, &moves);
    start_cycle(&graph);
    bool exists = mark_some(&graph, before);
    sm_scope scope = sm_scope_open(graph.mm);
    sm_handle handle = sm_handle_persist(graph.mm, sm_alloc_value(graph.mm, value_of(moved.node)));
    sm_scope_close(graph.mm, scope);
    holder_set(&graph, &graph.roots[ROOT_FROM]->header, HOLDER_VALUES, NULL);
    finish_cycle(&graph);
    assert_lives(&graph, moved.node);
    assert_lives(&graph, moved.below);
    assert_int_equal(sm_handle_release(graph.mm, handle), SM_OK);
    graph_close(&graph);
    return exists;
}

static void test_R9_what_only_a_persistent_handle_has_lives(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (uint64_t before = 0; lives_by_handle(stages_policies[p], before); before++)
            ;
}

/* ---- What is not kept. ---- */

/* Dead at the snapshot: gone when marking ends. Dead since: gone after the cycle that follows. */
static void test_garbage_goes_in_the_cycle_that_begins_after_its_death(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct graph graph;
        stages_open(&graph, stages_policies[p]);
        make_chains(&graph);
        const struct node *during = graph.roots[ROOT_FROM] = node_new(&graph, 1);
        const struct node *before = graph.roots[ROOT_TO] = node_new(&graph, 2);
        graph_collect(&graph);
        graph.roots[ROOT_TO] = NULL;
        start_cycle(&graph);
        const struct node *fresh = node_new(&graph, 3);
        graph.roots[ROOT_FROM] = NULL;
        go_to(&graph, EPOCH_STAGE_CLEARING);
        assert_false(graph_is_valid(&graph, before));
        assert_true(graph_is_valid(&graph, during) && graph_is_valid(&graph, fresh));
        finish_cycle(&graph);
        start_cycle(&graph);
        finish_cycle(&graph);
        assert_false(graph_is_valid(&graph, during) || graph_is_valid(&graph, fresh));
        assert_int_equal(graph_stats(&graph).live_objects, 8);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R1_R8_what_the_last_edge_led_to_lives_whenever_it_moves),
        cmocka_unit_test(test_R1_R8_it_lives_too_where_it_moves_to_what_was_made_meanwhile),
        cmocka_unit_test(test_a_store_behind_the_barrier_is_noticed),
        cmocka_unit_test(test_R8_elements_of_a_large_array_move_while_its_chunks_are_read),
        cmocka_unit_test(test_R8_a_write_to_one_chunk_logs_that_chunk_alone),
        cmocka_unit_test(test_R9_a_weak_target_lives_once_it_was_handed_out_at_any_moment),
        cmocka_unit_test(test_R9_a_weak_target_dies_when_nobody_asks_for_it),
        cmocka_unit_test(test_R9_a_target_that_is_handed_out_by_another_door_is_noticed),
        cmocka_unit_test(test_R9_cells_made_while_it_marks_answer_afterwards),
        cmocka_unit_test(test_R9_what_only_a_persistent_handle_has_lives),
        cmocka_unit_test(test_garbage_goes_in_the_cycle_that_begins_after_its_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
