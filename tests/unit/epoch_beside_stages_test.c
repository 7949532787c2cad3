/**
 * Full cycles beside the program meet everything else: destructors, what is given up by hand, emergencies and cycles by hand,
 * ends of requests, guards that last, forks, the manager's end; at each moment of the cycle.
 */
#include "epoch_stages.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Moments. ---- */

struct moment {
    enum epoch_stage stage;
    uint64_t marked; /**< of MARKING: objects marked by then */
};

static const struct moment moments[] = {{EPOCH_STAGE_NONE, 0},    {EPOCH_STAGE_MARKING, 0},   {EPOCH_STAGE_MARKING, 1},
                                        {EPOCH_STAGE_MARKING, 7}, {EPOCH_STAGE_MARKING, 100}, {EPOCH_STAGE_CLEARING, 0},
                                        {EPOCH_STAGE_SWEEPING, 0}};
enum { MOMENTS = sizeof(moments) / sizeof(moments[0]) };

static void reach(struct graph *graph, const struct moment *moment)
{
    if (moment->stage == EPOCH_STAGE_NONE)
        return;
    start_cycle(graph);
    (void)mark_some(graph, moment->marked);
    go_to(graph, moment->stage);
    assert_int_equal(stage_of(graph), moment->stage);
}

typedef void scene_body(struct graph *graph, const struct moment *moment);

/* A fresh graph for `body` at each moment, under each policy. */
static void at_every_moment(scene_body *body)
{
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (size_t m = 0; m < MOMENTS; m++) {
            struct graph graph;
            stages_open(&graph, stages_policies[p]);
            body(&graph, &moments[m]);
            graph_close(&graph);
        }
}

/* ---- What there is at each moment. ---- */

enum { LIVE_CHAIN = 30, ROOT_CHAIN = 0, ROOT_ARRAY, ROOT_CELL, ROOT_SPARE, LIVE_OBJECTS = LIVE_CHAIN + 2 };

static struct sm_object *array_of(const struct graph *graph)
{
    return &graph->roots[ROOT_ARRAY]->header;
}

/* A chain, a large array that leads to its end, a cell for its beginning; and as much garbage, young and old. */
static void make_scene(struct graph *graph)
{
    struct node *last = graph->roots[ROOT_CHAIN] = node_new(graph, 0);
    for (uint64_t id = 1; id < LIVE_CHAIN; id++) {
        struct node *next = node_new(graph, id);
        node_link(graph, last, id % GRAPH_EDGES, next);
        node_link(graph, node_new(graph, 100 + id), 0, next);
        last = next;
    }
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    graph->roots[ROOT_ARRAY] = (struct node *)(void *)array;
    sm_store(graph->mm, array, (struct sm_value *)sm_payload(array) + STAGES_ELEMENTS - 1, value_of(last));
    graph->roots[ROOT_CELL] = (struct node *)(void *)sm_weak_make(graph->mm, &graph->roots[ROOT_CHAIN]->header);
    node_new(graph, 200);
    node_new(graph, 201);
}

/* It had time to become old, and what was made with it to die. */
static void make_old_scene(struct graph *graph)
{
    struct node *garbage[LIVE_CHAIN];
    for (size_t i = 0; i < LIVE_CHAIN; i++)
        garbage[i] = graph->roots[ROOT_SPARE + i] = node_new(graph, 300 + i);
    make_scene(graph);
    graph_collect(graph);
    for (size_t i = 0; i < LIVE_CHAIN; i++)
        graph->roots[ROOT_SPARE + i] = NULL;
    assert_true(node_is_intact(garbage[0]));
}

static void assert_scene(const struct graph *graph)
{
    const struct node *node = graph->roots[ROOT_CHAIN];
    for (uint64_t id = 0; id < LIVE_CHAIN; id++) {
        assert_lives(graph, node);
        assert_int_equal(node->id, id);
        node = node_edge(node, (id + 1) % GRAPH_EDGES);
    }
    assert_null(node);
    assert_true(graph_is_valid(graph, array_of(graph)));
    assert_ptr_equal(sm_weak_get(graph->mm, &graph->roots[ROOT_CELL]->header), graph->roots[ROOT_CHAIN]);
}

/* Everything else is gone, and reusable. */
static void assert_settled(struct graph *graph, uint64_t more_objects)
{
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    struct sm_stats stats = graph_stats(graph);
    assert_scene(graph);
    assert_int_equal(stats.live_objects, LIVE_OBJECTS + more_objects);
    assert_int_equal(stats.reclaimed_objects, stats.retired_objects);
    assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
}

/* ---- Whatever else begins a cycle, or ends something. ---- */

static void collect_full(struct graph *graph)
{
    graph_collect(graph);
}

static void quiesce(struct graph *graph)
{
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
}

static void request_collect(struct graph *graph)
{
    sm_collect_request(graph->mm);
    sm_safepoint(graph->mm);
}

static void end_request(struct graph *graph)
{
    assert_int_equal(sm_request_end(graph->mm), SM_OK);
    assert_int_equal(sm_request_begin(graph->mm), SM_OK);
}

static void leave_iteration(struct graph *graph)
{
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    pass_safepoint(graph);
    sm_repin(sm_owner_guard(graph->mm), SM_HERE);
    sm_unpin(sm_owner_guard(graph->mm));
}

static const struct {
    void (*run)(struct graph *graph);
    bool is_whole; /**< the cycle that is under way is over afterwards, and if it was marking it fell back */
} interruptions[] = {{collect_full, true},     {collect_young, false}, {run_emergency, true},   {quiesce, true},
                     {request_collect, false}, {end_request, false},   {leave_iteration, false}};

static void interrupt(struct graph *graph, const struct moment *moment, size_t which)
{
    assert_int_equal(sm_request_begin(graph->mm), SM_OK);
    make_old_scene(graph);
    reach(graph, moment);
    uint64_t fallbacks = graph_stats(graph).fallbacks;
    interruptions[which].run(graph);
    bool is_cut = interruptions[which].is_whole && moment->stage == EPOCH_STAGE_MARKING;
    if (interruptions[which].is_whole)
        assert_int_equal(stage_of(graph), EPOCH_STAGE_NONE);
    if (is_cut)
        assert_int_equal(graph_stats(graph).fallbacks, fallbacks + 1);
    assert_scene(graph);
    finish_cycle(graph);
    assert_settled(graph, 0);
    assert_int_equal(sm_request_end(graph->mm), SM_OK);
}

static void interrupt_by_each(struct graph *graph, const struct moment *moment)
{
    for (size_t which = 0; which < sizeof(interruptions) / sizeof(interruptions[0]); which++) {
        struct graph fresh;
        stages_open(&fresh,
                    graph_epoch(graph)->young.choice == EPOCH_YOUNG_NEVER ? stages_policies[1] : stages_policies[0]);
        interrupt(&fresh, moment, which);
        graph_close(&fresh);
    }
}

static void test_other_cycles_and_ends_of_requests_at_each_moment(void **state)
{
    (void)state;
    at_every_moment(interrupt_by_each);
}

/* An emergency's mercy, at each moment: what is younger than the last safepoint, and what a weak cell handed out. */
static void keep_recent(struct graph *graph, const struct moment *moment)
{
    make_old_scene(graph);
    struct node *target = graph->roots[ROOT_SPARE] = node_new(graph, 400);
    graph->roots[ROOT_SPARE + 1] = (struct node *)(void *)sm_weak_make(graph->mm, &target->header);
    graph_collect(graph);
    reach(graph, moment);
    graph->roots[ROOT_SPARE] = NULL;
    struct node *recent = node_new(graph, 401), *below = node_new(graph, 402);
    node_link(graph, recent, 0, below);
    assert_ptr_equal(sm_weak_get(graph->mm, &graph->roots[ROOT_SPARE + 1]->header), target);
    run_emergency(graph);
    for (int i = 0; i < 2; i++) {
        assert_lives(graph, recent);
        assert_lives(graph, below);
        assert_lives(graph, target);
        run_emergency(graph); /* once more, without a safepoint between */
    }
    pass_safepoint(graph);
    assert_settled(graph, 1); /* the cell */
}

static void test_R7_an_emergency_keeps_what_locals_have_at_each_moment(void **state)
{
    (void)state;
    at_every_moment(keep_recent);
}

static void test_the_manager_goes_at_each_moment(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (size_t m = 0; m < MOMENTS; m++) {
            struct graph graph;
            stages_open(&graph, stages_policies[p]);
            make_old_scene(&graph);
            reach(&graph, &moments[m]);
            graph.roots[ROOT_CHAIN] = NULL;
            node_new(&graph, 500);
            graph_close(&graph); /* asserts in a checked build that no byte is still committed */
        }
}

/* Whatever list they are in: what belongs to them goes with them, which a leak sanitizer sees. */
static void test_the_manager_goes_with_large_objects_that_wait(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (size_t m = 0; m < MOMENTS; m++) {
            struct graph graph;
            stages_open(&graph, stages_policies[p]);
            make_old_scene(&graph);
            sm_pin(sm_owner_guard(graph.mm), SM_HERE);
            (void)sm_alloc(graph.mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
            reach(&graph, &moments[m]);
            struct sm_object *array = array_of(&graph);
            graph.roots[ROOT_ARRAY] = NULL;
            sm_retire(graph.mm, array);
            sm_retire(graph.mm, sm_alloc(graph.mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value)));
            graph_close(&graph);
        }
}

/* R14: the child may not touch it, and leaves; the parent's cycle goes on. */
static void fork_at(struct graph *graph, const struct moment *moment)
{
    make_old_scene(graph);
    reach(graph, moment);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool is_refused = sm_collect(graph->mm, SM_COLLECT_FULL) == SM_ERR_FORKED;
        sm_safepoint(graph->mm);
        sm_manager_destroy(graph->mm);
        _exit(is_refused ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    finish_cycle(graph);
    assert_settled(graph, 0);
}

static void test_R14_a_child_leaves_at_each_moment(void **state)
{
    (void)state;
    at_every_moment(fork_at);
}

/* ---- Given up by hand. ---- */

enum { GIVEN_UP = 8 };

/* Old ones, some of them written to, referred to weakly, large; and one that was made a moment ago. */
static void make_condemned(struct graph *graph, struct sm_object **condemned)
{
    for (size_t i = 0; i < GIVEN_UP - 2; i++) {
        graph->roots[ROOT_SPARE + i] = node_new(graph, 600 + i);
        condemned[i] = &graph->roots[ROOT_SPARE + i]->header;
    }
    size_t bytes = STAGES_ELEMENTS * sizeof(struct sm_value);
    condemned[GIVEN_UP - 2] = sm_alloc(graph->mm, SM_TYPE_VALUES, bytes);
    graph->roots[ROOT_SPARE + GIVEN_UP - 2] = (struct node *)(void *)condemned[GIVEN_UP - 2];
    sm_weak_make(graph->mm, condemned[1]);
    graph_collect(graph);
    for (size_t i = 2; i < 4; i++)
        node_link(graph, graph->roots[ROOT_SPARE + i], 0, graph->roots[ROOT_CHAIN]);
}

static void write_to_large(struct graph *graph, struct sm_object *array)
{
    sm_store(graph->mm, array, (struct sm_value *)sm_payload(array) + STAGES_ELEMENTS / 2,
             value_of(graph->roots[ROOT_CHAIN]));
}

static void fill_reused(struct graph *graph)
{
    for (int i = 0; i < 400; i++)
        memset(sm_payload(sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, 500)), 0x7F, 500);
}

static void give_up_at(struct graph *graph, const struct moment *moment)
{
    struct sm_object *condemned[GIVEN_UP];
    make_old_scene(graph);
    make_condemned(graph, condemned);
    reach(graph, moment);
    condemned[GIVEN_UP - 1] = &node_new(graph, 700)->header;
    write_to_large(graph, condemned[GIVEN_UP - 2]);
    for (size_t i = 0; i < GIVEN_UP; i++)
        graph->roots[ROOT_SPARE + i] = NULL;
    for (size_t i = 0; i < GIVEN_UP; i++) {
        sm_retire(graph->mm, condemned[i]);
        assert_false(graph_is_valid(graph, condemned[i]));
    }
    (void)epoch_drain(graph_epoch(graph), SM_PAUSE_GRACE, EPOCH_FOREVER);
    fill_reused(graph);
    assert_scene(graph);
    finish_cycle(graph);
    collect_young(graph);
    assert_settled(graph, 0);
}

static void test_what_is_given_up_by_hand_at_each_moment_is_reclaimed_once(void **state)
{
    (void)state;
    at_every_moment(give_up_at);
}

/* What is given up between the snapshot and the marker's coming to it is whole still when the marker comes. */
static void test_R8_what_is_given_up_is_not_used_again_before_the_marker_has_read_it(void **state)
{
    (void)state;
    for (uint64_t before = 0; before < LIVE_CHAIN + 10; before++) {
        struct graph graph;
        stages_open(&graph, "epoch:reclaim=inline,young=never,debug=poison");
        make_old_scene(&graph);
        start_cycle(&graph);
        (void)mark_some(&graph, before);
        struct node *above = graph.roots[ROOT_CHAIN];
        struct node *given_up = node_edge(above, 1), *below = node_edge(given_up, 0);
        node_link(&graph, above, 1, below);
        sm_retire(graph.mm, &given_up->header);
        (void)epoch_drain(graph_epoch(&graph), SM_PAUSE_GRACE, EPOCH_FOREVER);
        fill_reused(&graph);
        mark_rest(&graph);
        assert_true(epoch_marking_is_complete(graph_epoch(&graph)));
        finish_cycle(&graph);
        assert_lives(&graph, below);
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
        assert_int_equal(graph_stats(&graph).live_objects, LIVE_OBJECTS - 1);
        graph_close(&graph);
    }
}

/* ---- R2: a guard that lasts. ---- */

static void stall_at(struct graph *graph, struct reader *reader, const struct moment *moment)
{
    make_old_scene(graph);
    const struct node *dying = graph->roots[ROOT_SPARE] = node_new(graph, 800);
    struct node *retired = graph->roots[ROOT_SPARE + 1] = node_new(graph, 801);
    graph_collect(graph);
    reader_do(reader, READER_PIN);
    graph->roots[ROOT_SPARE] = NULL;
    reach(graph, moment);
    graph->roots[ROOT_SPARE + 1] = NULL;
    sm_retire(graph->mm, &retired->header);
    for (int cycle = 0; cycle < 2; cycle++) {
        finish_cycle(graph);
        start_cycle(graph);
        fill_reused(graph);
    }
    finish_cycle(graph);
    sleep_ms(5);
    assert_true(node_is_intact(dying) && node_is_intact(retired));
    assert_false(graph_is_valid(graph, dying) || graph_is_valid(graph, retired));
    assert_true(graph_stats(graph).backlog_bytes != 0);
    reader_do(reader, READER_UNPIN);
    assert_settled(graph, 0);
}

static void test_R2_an_observer_that_lasts_reads_what_died_meanwhile(void **state)
{
    static const char *const policies[] = {"epoch:reclaim=thread,young=always,nursery=1M,debug=poison",
                                           "epoch:reclaim=thread,young=never,debug=poison"};
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (size_t m = 0; m < MOMENTS; m++) {
            struct graph graph;
            struct reader reader;
            stages_open(&graph, policies[p]);
            reader_start(&reader, graph.mm);
            stall_at(&graph, &reader, &moments[m]);
            reader_stop(&reader);
            graph_close(&graph);
        }
}

/* ---- More than one piece of everything. ---- */

enum { PIECES_CELLS = 10000, PIECES_LEAVES = 6000, PIECES_LEAF_BYTES = 4000 };

static struct sm_object *big_array(struct graph *graph, size_t root, size_t count)
{
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, count * sizeof(struct sm_value));
    assert_non_null(array);
    graph->roots[root] = (struct node *)(void *)array;
    return array;
}

static void put_element(struct graph *graph, struct sm_object *array, size_t index, struct sm_object *object)
{
    struct sm_value value = object == NULL ? (struct sm_value){0, 0} : sm_value_from_object(object, 1);
    sm_store(graph->mm, array, (struct sm_value *)sm_payload(array) + index, value);
}

static struct sm_object *element(struct sm_object *array, size_t index)
{
    return sm_value_object(((struct sm_value *)sm_payload(array))[index]);
}

/* Every second target dies; so do two leaves of three, which many blocks are full of. */
static void make_pieces(struct graph *graph)
{
    struct sm_object *targets = big_array(graph, ROOT_SPARE, PIECES_CELLS);
    struct sm_object *cells = big_array(graph, ROOT_SPARE + 1, PIECES_CELLS);
    struct sm_object *leaves = big_array(graph, ROOT_SPARE + 2, PIECES_LEAVES);
    for (size_t i = 0; i < PIECES_CELLS; i++) {
        put_element(graph, targets, i, &node_new(graph, i)->header);
        put_element(graph, cells, i, sm_weak_make(graph->mm, element(targets, i)));
    }
    for (size_t i = 0; i < PIECES_LEAVES; i++)
        put_element(graph, leaves, i, sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, PIECES_LEAF_BYTES));
    graph_collect(graph);
    for (size_t i = 0; i < PIECES_CELLS; i += 2)
        put_element(graph, targets, i, NULL);
    for (size_t i = 0; i < PIECES_LEAVES; i++)
        if (i % 3 != 0)
            put_element(graph, leaves, i, NULL);
}

/* Whatever the clearing and sweeping have come to, the living are there, and the dead are not handed out. */
static void check_pieces(struct graph *graph)
{
    struct sm_object *targets = &graph->roots[ROOT_SPARE]->header, *cells = &graph->roots[ROOT_SPARE + 1]->header;
    for (size_t i = 0; i < PIECES_CELLS; i += 97) {
        struct sm_object *cell = element(cells, i), *target = sm_weak_get(graph->mm, cell);
        assert_ptr_equal(target, i % 2 == 0 ? NULL : element(targets, i));
    }
}

static void work_in_between(struct graph *graph, uint64_t step)
{
    struct sm_object *targets = &graph->roots[ROOT_SPARE]->header, *cells = &graph->roots[ROOT_SPARE + 1]->header;
    size_t index = (size_t)(step * 131 % (PIECES_CELLS / 2)) * 2 + 1;
    struct node *node = node_new(graph, step);
    put_element(graph, targets, index, &node->header);
    put_element(graph, cells, index, sm_weak_make(graph->mm, &node->header));
    if (step % 2 == 0 && graph_epoch(graph)->young.is_on)
        collect_young(graph); /* it may, while a sweep is under way */
    fill_reused(graph);
}

static void test_clearing_and_sweeping_in_pieces_with_the_program_between(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct graph graph;
        uint64_t clearing = 0, sweeping = 0;
        stages_open(&graph, stages_policies[p]);
        make_pieces(&graph);
        start_cycle(&graph);
        go_to(&graph, EPOCH_STAGE_CLEARING);
        for (; stage_of(&graph) == EPOCH_STAGE_CLEARING; clearing++) {
            check_pieces(&graph);
            pass_safepoint(&graph);
        }
        for (; stage_of(&graph) == EPOCH_STAGE_SWEEPING; sweeping++) {
            work_in_between(&graph, sweeping);
            check_pieces(&graph);
            pass_safepoint(&graph);
        }
        assert_true(clearing > 1 && sweeping > 2);
        assert_true(epoch_heap_is_consistent(&graph_epoch(&graph)->heap));
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
        check_pieces(&graph);
        uint64_t expected = PIECES_CELLS / 2 + PIECES_CELLS + PIECES_LEAVES / 3 + 3;
        assert_int_equal(graph_stats(&graph).live_objects, expected);
        graph_close(&graph);
    }
}

/* The block that the owner allocates in is not swept by the cycle: what died there still has the colour that comes next. */
static void test_a_stopped_cycle_finds_the_blocks_of_the_owner_swept(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        for (int stage = EPOCH_STAGE_NONE; stage <= EPOCH_STAGE_SWEEPING; stage++) {
            struct graph graph;
            stages_open(&graph, stages_policies[p]);
            for (uint64_t id = 0; id < 20; id++)
                graph.roots[id] = node_new(&graph, id);
            pass_safepoint(&graph);
            start_cycle(&graph);
            graph.roots[0] = node_new(&graph, 20); /* into a block with old ones */
            go_to(&graph, (enum epoch_stage)stage);
            for (size_t i = 0; i < 10; i++)
                graph.roots[i] = NULL;
            graph_collect(&graph);
            assert_true(epoch_heap_is_consistent(&graph_epoch(&graph)->heap));
            assert_int_equal(graph_stats(&graph).live_objects, 10);
            graph_close(&graph);
        }
    }
}

/* What died there is not young, though nothing says any more that it was ever old. */
static void test_R7_an_emergency_does_not_take_the_dead_in_the_blocks_of_the_owner_for_recent(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct graph graph;
        stages_open(&graph, stages_policies[p]);
        for (uint64_t id = 0; id < 40; id++) {
            graph.roots[id] = node_new(&graph, id);
            (void)sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 3000); /* a hole beside each */
        }
        graph_collect(&graph);
        for (size_t i = 1; i < 40; i++)
            graph.roots[i] = NULL;
        start_cycle(&graph);
        const struct sm_object *recent[3];
        for (size_t i = 0; i < 3; i++) /* into one hole after the other */
            recent[i] = sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 3000);
        run_emergency(&graph);
        for (size_t i = 0; i < 3; i++)
            assert_true(graph_is_valid(&graph, recent[i]));
        assert_int_equal(graph_stats(&graph).live_objects, 4);
        assert_true(epoch_heap_is_consistent(&graph_epoch(&graph)->heap));
        graph_close(&graph);
    }
}

/* So much is made while it marks that the program stops, and that is counted. */
static void test_a_cycle_that_is_outrun_is_finished_by_a_stop_and_counted(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct graph graph;
        const struct sm_config config = {
            .policy = stages_policies[p], .threshold_bytes = 64 * 1024, .collector_threads = SM_COLLECTOR_THREADS_NONE};
        graph_open(&graph, &config);
        make_scene(&graph);
        start_cycle(&graph);
        for (int i = 0; i < 10; i++)
            fill_reused(&graph); /* no safepoint, so no slice */
        assert_int_equal(graph_stats(&graph).fallbacks, 0);
        pass_safepoint(&graph);
        assert_int_equal(graph_stats(&graph).fallbacks, 1);
        assert_int_equal(graph_stats(&graph).concurrent_cycles, 1);
        assert_scene(&graph);
        finish_cycle(&graph);
        assert_settled(&graph, 0);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_cycles_and_ends_of_requests_at_each_moment),
        cmocka_unit_test(test_R7_an_emergency_keeps_what_locals_have_at_each_moment),
        cmocka_unit_test(test_the_manager_goes_at_each_moment),
        cmocka_unit_test(test_the_manager_goes_with_large_objects_that_wait),
        cmocka_unit_test(test_R14_a_child_leaves_at_each_moment),
        cmocka_unit_test(test_what_is_given_up_by_hand_at_each_moment_is_reclaimed_once),
        cmocka_unit_test(test_R8_what_is_given_up_is_not_used_again_before_the_marker_has_read_it),
        cmocka_unit_test(test_R2_an_observer_that_lasts_reads_what_died_meanwhile),
        cmocka_unit_test(test_clearing_and_sweeping_in_pieces_with_the_program_between),
        cmocka_unit_test(test_a_stopped_cycle_finds_the_blocks_of_the_owner_swept),
        cmocka_unit_test(test_R7_an_emergency_does_not_take_the_dead_in_the_blocks_of_the_owner_for_recent),
        cmocka_unit_test(test_a_cycle_that_is_outrun_is_finished_by_a_stop_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
