/** G10 to G19: what is reachable stays, stays put, and answers; what is not goes where the policy promises it. */
#include "conformance.h"
#include "test_scale.h"

#include <stdlib.h>
#include <string.h>

/** A generator of its own, so that the suite depends on nothing but the library. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void collect_if_possible(struct fixture *fixture)
{
    if (fixture->capabilities & SM_CAP_COLLECT)
        assert_int_equal(sm_collect(fixture->mm, SM_COLLECT_FULL), SM_OK);
    else
        assert_int_equal(sm_collect(fixture->mm, SM_COLLECT_FULL), SM_ERR_UNSUPPORTED);
}

static void reachable_objects_survive_in_place(struct fixture *fixture)
{
    struct node *nodes[1000];
    for (uint64_t i = 0; i < 1000; i++) {
        nodes[i] = node_new(fixture, i);
        node_link_take(fixture, nodes[i], 0, i == 0 ? NULL : nodes[i - 1]);
    }
    fixture->roots[3] = nodes[999];
    for (int round = 0; round < 3; round++) {
        collect_if_possible(fixture);
        for (int i = 0; i < 3000; i++)
            node_drop(fixture, node_new(fixture, 7));
    }
    uint64_t id = 999;
    for (struct node *node = fixture->roots[3]; node != NULL; node = node_edge(node, 0), id--) {
        assert_ptr_equal(node, nodes[id]);
        assert_int_equal(node->id, id);
        assert_true(sm_is_valid(fixture->mm, &node->header));
    }
}

static void walk_visits_each_object_once(struct fixture *fixture)
{
    size_t before = walk_count(fixture);
    for (uint64_t i = 0; i < 500; i++) {
        /* Where holders are counted, nobody gives these up: all of them are there to be visited. */
        fixture->roots[i % ROOTS_MAX] = node_new(fixture, i);
        sm_alloc_leaf(fixture->mm, SM_TYPE_BYTES, (size_t)(i * 37 % 9000));
    }
    assert_int_equal(walk_count(fixture) - before, 1000);
}

static void unreachable_objects_are_gone_after_quiesce(struct fixture *fixture)
{
    size_t before = walk_count(fixture);
    for (uint64_t i = 0; i < 1000; i++) {
        struct node *pair = node_new(fixture, i);
        struct node *other = node_new(fixture, i);
        node_link_take(fixture, pair, 0, other);
        node_link_take(fixture, other, 0, pair);
    }
    fixture->roots[0] = node_new(fixture, 1);
    assert_int_equal(sm_quiesce(fixture->mm), SM_OK);
    assert_int_equal(walk_count(fixture) - before, 1);
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.retired_objects, stats.reclaimed_objects);
}

static void weak_cell_answers_while_its_target_lives(struct fixture *fixture)
{
    struct node *target = fixture->roots[0] = node_new(fixture, 42);
    struct node *holder = fixture->roots[1] = node_new(fixture, 43);
    struct sm_object *cell = sm_weak_make(fixture->mm, &target->header);
    assert_non_null(cell);
    sm_store_take(fixture->mm, &holder->header, &holder->edges[0], sm_value_from_object(cell, 1));
    collect_if_possible(fixture);
    assert_ptr_equal(sm_weak_get(fixture->mm, cell), target);
    node_root(fixture, 0, NULL);
    collect_if_possible(fixture);
    struct sm_object *answer = sm_weak_get(fixture->mm, cell);
    const uint32_t dies = SM_CAP_WEAK | SM_CAP_COLLECT; /* a policy without cycles frees only what it is told to */
    if ((fixture->capabilities & dies) == dies)
        assert_null(answer);
    else
        assert_ptr_equal(answer, target);
}

static void types_and_edges_can_be_traced(struct fixture *fixture)
{
    struct node *node = fixture->roots[0] = node_new(fixture, 1);
    assert_string_equal(sm_type_get(fixture->mm, node->header.type)->name, "node");
    assert_null(sm_type_get(fixture->mm, 60000));
}

enum { MODEL_NODES = 400, MODEL_ROOTS = 16 };

/** The oracle: a plain copy of the graph in the test's own memory. */
struct model {
    struct node *node[MODEL_NODES];
    int edge[MODEL_NODES][NODE_EDGES]; /* index or -1 */
    bool exists[MODEL_NODES];
    bool reachable[MODEL_NODES];
    int root[MODEL_ROOTS];
};

static void model_reach(struct model *model, int index)
{
    if (index < 0 || model->reachable[index])
        return;
    model->reachable[index] = true;
    for (unsigned e = 0; e < NODE_EDGES; e++)
        model_reach(model, model->edge[index][e]);
}

static void model_forget_unreachable(struct model *model)
{
    memset(model->reachable, 0, sizeof(model->reachable));
    for (int r = 0; r < MODEL_ROOTS; r++)
        model_reach(model, model->root[r]);
    for (int i = 0; i < MODEL_NODES; i++)
        model->exists[i] = model->exists[i] && model->reachable[i];
}

static void model_create(struct model *model, struct fixture *fixture, int index, unsigned root)
{
    model->node[index] = node_new(fixture, (uint64_t)index);
    model->exists[index] = true;
    for (unsigned e = 0; e < NODE_EDGES; e++)
        model->edge[index][e] = -1;
    model->root[root] = index;
    node_root(fixture, root, model->node[index]);
}

static void model_check(const struct model *model, const struct fixture *fixture)
{
    for (int i = 0; i < MODEL_NODES; i++) {
        if (!model->exists[i])
            continue;
        assert_int_equal(model->node[i]->id, i);
        for (unsigned e = 0; e < NODE_EDGES; e++) {
            int target = model->edge[i][e];
            assert_ptr_equal(node_edge(model->node[i], e), target < 0 ? NULL : model->node[target]);
        }
    }
    for (int r = 0; r < MODEL_ROOTS; r++)
        assert_ptr_equal(fixture->roots[r], model->root[r] < 0 ? NULL : model->node[model->root[r]]);
}

static void model_operation(struct model *model, struct fixture *fixture, uint64_t random)
{
    int a = (int)(random % MODEL_NODES), b = (int)(random / 1000 % MODEL_NODES);
    unsigned edge = (unsigned)(random / 1000000 % NODE_EDGES), root = (unsigned)(random / 4000000 % MODEL_ROOTS);
    switch (random / 100000000 % 5) {
    case 0:
    case 1:
        if (!model->exists[a])
            model_create(model, fixture, a, root);
        break;
    case 2:
    case 3:
        if (model->exists[a] && model->exists[b]) {
            model->edge[a][edge] = b;
            node_link(fixture, model->node[a], edge, model->node[b]);
        }
        break;
    default:
        model->root[root] = model->exists[b] ? b : -1;
        if (model->exists[b])
            sm_value_copy(fixture->mm, sm_value_from_object(&model->node[b]->header, 1));
        node_root(fixture, root, model->exists[b] ? model->node[b] : NULL);
    }
}

/** Random operations against the oracle, with a collection at every safepoint; the seed is in the failure text. */
static void random_graphs_match_the_oracle(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.collect_every_safepoint = true});
    static struct model model;
    for (uint64_t seed = 1; seed <= test_scale(5, 5, 2); seed++) {
        memset(&model, 0, sizeof(model));
        memset(model.root, -1, sizeof(model.root));
        for (size_t root = 0; root < MODEL_ROOTS; root++)
            node_root(fixture, root, NULL);
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
        for (int i = 0; i < 1500; i++) {
            model_operation(&model, fixture, next_random(&state) >> 8);
            model_forget_unreachable(&model);
            sm_safepoint(fixture->mm);
            if (i % 16 == 0)
                model_check(&model, fixture);
        }
        print_message("random graph seed %lu agreed\n", (unsigned long)seed);
    }
}

static void long_chains_and_wide_blocks_are_traced(struct fixture *fixture)
{
    struct node *chain = NULL;
    for (uint64_t i = 0; i < 200000; i++) {
        struct node *node = node_new(fixture, i);
        node_link_take(fixture, node, 0, chain);
        chain = fixture->roots[0] = node;
    }
    struct sm_object *wide = sm_alloc(fixture->mm, SM_TYPE_VALUES, 16 * 50000);
    assert_non_null(wide);
    node_link_take(fixture, fixture->roots[0], 1, (struct node *)wide);
    struct sm_value *slots = sm_payload(wide);
    for (size_t i = 0; i < 50000; i += 1000)
        sm_store_take(fixture->mm, wide, &slots[i], sm_value_from_object(&node_new(fixture, i)->header, 1));
    collect_if_possible(fixture);
    size_t length = 0;
    for (struct node *node = fixture->roots[0]; node != NULL; node = node_edge(node, 0))
        length++;
    assert_int_equal(length, 200000);
    for (size_t i = 0; i < 50000; i += 1000)
        assert_int_equal(((struct node *)sm_value_object(slots[i]))->id, i);
}

static void retired_objects_leave_the_heap(struct fixture *fixture)
{
    struct node *keeper = fixture->roots[0] = node_new(fixture, 1);
    size_t before = walk_count(fixture);
    for (uint64_t i = 0; i < 100; i++) {
        struct node *node = node_new(fixture, i);
        node_link(fixture, keeper, 0, node);
        node_link(fixture, keeper, 0, NULL);
        sm_retire(fixture->mm, &node->header);
    }
    size_t expected = sm_policy_capabilities(fixture->mm) & (SM_CAP_RETIRE | SM_CAP_FREE) ? before : before + 100;
    assert_int_equal(walk_count(fixture), expected);
    collect_if_possible(fixture);
    assert_int_equal(keeper->id, 1);
}

const struct conformance_test reachability_tests[] = {
    {"G10_reachable_objects_survive_in_place", reachable_objects_survive_in_place, 0},
    {"G11_walk_visits_each_object_once", walk_visits_each_object_once, 0},
    {"G12_unreachable_objects_are_gone_after_quiesce", unreachable_objects_are_gone_after_quiesce, SM_CAP_COLLECT},
    {"G13_weak_cell_answers_while_its_target_lives", weak_cell_answers_while_its_target_lives, 0},
    {"G14_types_and_edges_can_be_traced", types_and_edges_can_be_traced, 0},
    {"G15_random_graphs_match_the_oracle", random_graphs_match_the_oracle, 0},
    {"G16_long_chains_and_wide_blocks_are_traced", long_chains_and_wide_blocks_are_traced, 0},
    {"G17_retired_objects_leave_the_heap", retired_objects_leave_the_heap, 0},
    {NULL, NULL, 0},
};
