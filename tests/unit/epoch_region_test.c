/** Requests that go as a whole (option `region`): what stays, what goes, and when there are cycles. */
#include "epoch_variants.h"

#include "sapimem/alloc.h"

enum { KIB = 1024 };

static const char small[] = "epoch:region=64K,nursery=64K";
static const char roomy[] = "epoch:region=64M";

static void region_open(struct graph *graph, const char *policy)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = policy};
    graph_open(graph, &config);
}

static void begin(struct graph *graph)
{
    assert_int_equal(sm_request_begin(graph->mm), SM_OK);
}

static void clear_from(struct graph *graph, size_t first)
{
    for (size_t i = first; i < GRAPH_ROOTS; i++)
        graph->roots[i] = NULL;
}

/* The first `kept` roots are the boot objects'. */
static void end(struct graph *graph, size_t kept)
{
    clear_from(graph, kept);
    assert_int_equal(sm_request_end(graph->mm), SM_OK);
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
}

static uint64_t cycles(const struct graph *graph)
{
    return graph_stats(graph).cycles;
}

/* Garbage, with a safepoint now and then; the last ones of it live. */
static void churn(struct graph *graph, size_t kept, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / sizeof(struct node); i++) {
        graph->roots[kept + i % 16] = node_new(graph, i);
        if (i % 64 == 0)
            sm_safepoint(graph->mm);
    }
    for (size_t i = kept; i < kept + 16; i++)
        assert_true(node_is_intact(graph->roots[i]));
}

static void request_of(struct graph *graph, size_t kept, uint64_t bytes)
{
    begin(graph);
    churn(graph, kept, bytes);
    end(graph, kept);
}

/* ---- Within the limit nothing runs; past it cycles do. ---- */

static void test_there_are_cycles_past_the_limit_alone(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, "epoch:region=1M,nursery=256K");
    assert_true((sm_policy_capabilities(graph.mm) & SM_CAP_BULK_FREE) != 0);
    for (int i = 0; i < 40; i++) /* more than a threshold in all */
        request_of(&graph, 0, 900 * KIB);
    assert_int_equal(cycles(&graph), 0);
    request_of(&graph, 0, 3 << 20);
    struct sm_stats stats = graph_stats(&graph);
    assert_in_range(stats.cycles, 4, 12);
    assert_int_equal(stats.live_objects, 0);
    graph_close(&graph);
}

static void test_under_cli_it_is_as_without(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, small);
    assert_true((sm_policy_capabilities(graph.mm) & SM_CAP_BULK_FREE) == 0);
    begin(&graph);
    graph.roots[0] = node_new(&graph, 1);
    assert_int_equal(sm_request_end(graph.mm), SM_OK);
    assert_true(graph_is_valid(&graph, graph.roots[0]));
    graph_close(&graph);
}

static void test_what_survives_again_and_again_gets_a_full_cycle(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    begin(&graph);
    /* A list whose head is dropped now and then: old garbage. */
    for (uint64_t i = 0; i < 40000; i++) {
        struct node *node = node_new(&graph, i);
        node_link(&graph, node, 0, i % 1000 == 0 ? NULL : graph.roots[0]);
        graph.roots[0] = node;
        if (i % 64 == 0)
            sm_safepoint(graph.mm);
    }
    struct sm_stats stats = graph_stats(&graph);
    assert_true(stats.cycles_by_kind[SM_CYCLE_FULL] > 0 &&
                stats.cycles_by_kind[SM_CYCLE_YOUNG] > stats.cycles_by_kind[SM_CYCLE_FULL]);
    assert_true(stats.committed_bytes < 2 << 20);
    end(&graph, 0);
    graph_close(&graph);
}

/* ---- What goes, and what comes back. ---- */

static void test_a_thousand_requests_take_what_one_takes(void **state)
{
    (void)state;
    static const char *const policies[] = {small, roomy};
    for (size_t p = 0; p < 2; p++) {
        struct graph graph;
        region_open(&graph, policies[p]);
        uint64_t committed_bytes = 0;
        for (int i = 0; i < 1000; i++) {
            begin(&graph);
            churn(&graph, 0, 200 * KIB);
            assert_non_null(sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 100 * KIB));
            assert_non_null(sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 5 << 20));
            end(&graph, 0);
            if (i == 100)
                committed_bytes = graph_stats(&graph).committed_bytes;
        }
        struct sm_stats stats = graph_stats(&graph);
        assert_int_equal(stats.live_objects, 0);
        assert_int_equal(stats.backlog_bytes, 0);
        assert_true(stats.committed_bytes <= committed_bytes && committed_bytes < 2 << 20);
        assert_int_equal(stats.reclaimed_objects, stats.retired_objects);
        graph_close(&graph);
    }
}

static void test_its_addresses_serve_the_next_request(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, roomy);
    begin(&graph);
    const struct node *first = node_new(&graph, 1);
    end(&graph, 0);
    assert_false(graph_is_valid(&graph, first));
    begin(&graph);
    assert_ptr_equal(node_new(&graph, 2), first);
    end(&graph, 0);
    graph_close(&graph);
}

/* ---- Boot objects. ---- */

static void make_boot(struct graph *graph)
{
    for (size_t i = 0; i < 8; i++) {
        graph->roots[i] = node_new(graph, i);
        (void)node_new(graph, 100 + i); /* holes beside them, which stay so while a request is open */
    }
}

static void assert_boot(const struct graph *graph)
{
    for (size_t i = 0; i < 8; i++)
        assert_true(graph_is_valid(graph, graph->roots[i]) && node_is_intact(graph->roots[i]));
}

static void test_boot_objects_outlast_it_and_hold_what_they_refer_to(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    make_boot(&graph);
    for (int request = 0; request < 20; request++) {
        uint64_t live_objects = graph_stats(&graph).live_objects;
        begin(&graph);
        for (size_t i = 0; i < 8; i++)
            node_link(&graph, graph.roots[i], 0, node_new(&graph, 50 + i));
        churn(&graph, 8, 300 * KIB);
        if (request % 4 == 3)
            graph_collect(&graph);
        for (size_t i = 0; i < 8; i++) {
            assert_true(node_is_intact(node_edge(graph.roots[i], 0)));
            assert_true(graph_is_valid(&graph, node_edge(graph.roots[i], 0)));
            node_link(&graph, graph.roots[i], 0, NULL);
        }
        end(&graph, 8);
        assert_boot(&graph);
        assert_int_equal(graph_stats(&graph).live_objects, live_objects);
    }
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).live_objects, 8);
    graph_close(&graph);
}

static void test_a_boot_object_nobody_reaches_stays_until_the_request_ends(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    struct node *boot = node_new(&graph, 1);
    begin(&graph);
    graph_collect(&graph);
    assert_true(graph_is_valid(&graph, boot));
    end(&graph, 0);
    assert_true(graph_is_valid(&graph, boot));
    graph_collect(&graph);
    assert_false(graph_is_valid(&graph, boot));
    graph_close(&graph);
}

static void test_a_boot_object_retired_inside_is_gone_afterwards(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    make_boot(&graph);
    struct sm_object *large = sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 200 * KIB);
    graph.roots[8] = (struct node *)large;
    sm_safepoint(graph.mm);
    for (int with_cycle = 0; with_cycle < 2; with_cycle++) {
        struct node *given_up = node_new(&graph, 9);
        begin(&graph);
        sm_retire(graph.mm, &given_up->header);
        graph.roots[8] = NULL;
        if (with_cycle == 0)
            sm_retire(graph.mm, large);
        if (with_cycle != 0)
            churn(&graph, 8, 400 * KIB);
        end(&graph, 8);
        assert_false(graph_is_valid(&graph, given_up));
    }
    assert_false(graph_is_valid(&graph, large));
    assert_boot(&graph);
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).live_objects, 8);
    assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
    graph_close(&graph);
}

/* What is allocated between requests goes where boot objects left room, not where each time a new block would be taken. */
static void test_room_beside_boot_objects_serves_between_requests(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, roomy);
    make_boot(&graph);
    uint64_t committed_bytes = 0;
    for (int i = 0; i < 200; i++) {
        (void)node_new(&graph, 1);
        request_of(&graph, 8, 10 * KIB);
        if (i == 20)
            committed_bytes = graph_stats(&graph).committed_bytes;
    }
    assert_int_equal(graph_stats(&graph).committed_bytes, committed_bytes);
    graph_close(&graph);
}

/* ---- Weak cells and destructors. ---- */

static void test_weak_cells_of_the_request_go_and_those_of_boot_stay(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    make_boot(&graph);
    struct sm_object *cell = sm_weak_make(graph.mm, &graph.roots[0]->header);
    graph.roots[8] = (struct node *)cell;
    for (int request = 0; request < 6; request++) {
        begin(&graph);
        struct sm_object *inner = sm_weak_make(graph.mm, &graph.roots[1]->header);
        graph.roots[9] = (struct node *)inner;
        graph.roots[10] = node_new(&graph, 5);
        graph.roots[11] = (struct node *)sm_weak_make(graph.mm, &graph.roots[10]->header);
        churn(&graph, 12, request % 2 == 0 ? 10 * KIB : 300 * KIB);
        assert_ptr_equal(sm_weak_get(graph.mm, inner), graph.roots[1]);
        assert_ptr_equal(sm_weak_get(graph.mm, &graph.roots[11]->header), graph.roots[10]);
        end(&graph, 9);
        assert_ptr_equal(sm_weak_get(graph.mm, cell), graph.roots[0]);
    }
    graph.roots[0] = NULL;
    sm_safepoint(graph.mm);
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    graph_close(&graph);
}

static void test_destructors_run_before_it_goes(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, small);
    for (uint64_t request = 1; request <= 3; request++) {
        begin(&graph);
        for (uint64_t i = 0; i < 8; i++)
            graph.roots[i] = destructible_new(&graph, i);
        graph.roots[0] = NULL;
        if (request == 2)
            graph_collect(&graph);
        end(&graph, 0);
        assert_int_equal(graph.destroyed_count, 8 * request);
    }
    graph_collect(&graph);
    graph_close(&graph);
}

/* ---- Large objects. ---- */

static void test_large_objects_given_up_serve_at_once(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, roomy);
    begin(&graph);
    for (size_t i = 0; i < 200; i++) {
        struct sm_object *object = sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, (100 + i) * KIB);
        assert_non_null(object);
        sm_retire(graph.mm, object);
    }
    assert_true(graph_stats(&graph).committed_bytes < 1 << 20);
    end(&graph, 0);
    graph_close(&graph);
}

/* ---- Memory limits. ---- */

static void test_a_limit_on_memory_is_answered_by_a_cycle(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = roomy, .memory_limit_bytes = 4 << 20};
    graph_open(&graph, &config);
    make_boot(&graph);
    for (int request = 0; request < 3; request++) {
        begin(&graph);
        churn(&graph, 8, 20 << 20);
        assert_true(cycles(&graph) > 0);
        struct node *chain = NULL, *node;
        while ((node = node_try(&graph, graph.node_type, 1, 4000)) != NULL) {
            node_link(&graph, node, 0, chain);
            graph.roots[8] = chain = node;
        }
        assert_int_equal(sm_error_status(graph.mm), SM_ERR_OUT_OF_MEMORY);
        end(&graph, 8);
        assert_boot(&graph);
    }
    graph_close(&graph);
}

static void test_a_cycle_before_every_allocation(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = small, .collect_every_alloc = true};
    graph_open(&graph, &config);
    make_boot(&graph);
    for (int request = 0; request < 3; request++) {
        begin(&graph);
        node_link(&graph, graph.roots[3], 1, node_new(&graph, 33));
        churn(&graph, 8, 40 * KIB);
        assert_true(node_is_intact(node_edge(graph.roots[3], 1)));
        node_link(&graph, graph.roots[3], 1, NULL);
        end(&graph, 8);
        assert_boot(&graph);
    }
    graph_close(&graph);
}

/* ---- Observers. ---- */

/* R2: what an observer may be reading waits for it, and goes afterwards. */
static void test_R2_an_observers_guard_keeps_what_the_request_left(void **state)
{
    (void)state;
    struct graph graph;
    struct reader reader;
    region_open(&graph, small);
    make_boot(&graph);
    assert_int_equal(sm_observers_allow(graph.mm), SM_OK);
    reader_start(&reader, graph.mm);
    begin(&graph);
    struct node *read = graph.roots[8] = node_new(&graph, 77);
    reader_do(&reader, READER_PIN);
    churn(&graph, 9, 300 * KIB);
    end(&graph, 8);
    assert_true(graph_stats(&graph).backlog_bytes > 0);
    request_of(&graph, 8, 300 * KIB);
    assert_true(node_is_intact(read));
    reader_do(&reader, READER_UNPIN);
    request_of(&graph, 8, 10 * KIB);
    assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
    reader_stop(&reader);
    request_of(&graph, 8, 300 * KIB);
    assert_int_equal(graph_stats(&graph).live_objects, 16);
    graph_close(&graph);
}

/* ---- Under the arena's name. ---- */

static void test_the_arenas_limit_is_this(void **state)
{
    (void)state;
    struct graph graph;
    region_open(&graph, "arena:limit=64K");
    assert_string_equal(sm_policy_name(graph.mm), "arena");
    assert_true((sm_policy_capabilities(graph.mm) & SM_CAP_BULK_FREE) != 0);
    make_boot(&graph);
    request_of(&graph, 8, 300 * KIB);
    assert_true(cycles(&graph) > 0);
    assert_boot(&graph);
    graph_close(&graph);
}

static void test_the_arenas_limit_stands_alone(void **state)
{
    (void)state;
    static const char *const refused[] = {"arena:limit=64K,shape=bump", "arena:pages=drop,limit=1M",
                                          "arena:limit=4095"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = refused[i]};
        struct sm_manager *mm = NULL;
        struct sm_error error = {0};
        assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "limit"));
        assert_null(mm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_are_cycles_past_the_limit_alone),
        cmocka_unit_test(test_under_cli_it_is_as_without),
        cmocka_unit_test(test_what_survives_again_and_again_gets_a_full_cycle),
        cmocka_unit_test(test_a_thousand_requests_take_what_one_takes),
        cmocka_unit_test(test_its_addresses_serve_the_next_request),
        cmocka_unit_test(test_boot_objects_outlast_it_and_hold_what_they_refer_to),
        cmocka_unit_test(test_a_boot_object_nobody_reaches_stays_until_the_request_ends),
        cmocka_unit_test(test_a_boot_object_retired_inside_is_gone_afterwards),
        cmocka_unit_test(test_room_beside_boot_objects_serves_between_requests),
        cmocka_unit_test(test_weak_cells_of_the_request_go_and_those_of_boot_stay),
        cmocka_unit_test(test_destructors_run_before_it_goes),
        cmocka_unit_test(test_large_objects_given_up_serve_at_once),
        cmocka_unit_test(test_a_limit_on_memory_is_answered_by_a_cycle),
        cmocka_unit_test(test_a_cycle_before_every_allocation),
        cmocka_unit_test(test_R2_an_observers_guard_keeps_what_the_request_left),
        cmocka_unit_test(test_the_arenas_limit_is_this),
        cmocka_unit_test(test_the_arenas_limit_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
