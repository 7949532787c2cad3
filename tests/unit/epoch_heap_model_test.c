/**
 * The heap of the epoch policy under random operations of the public API, beside a plain list of what ought to be there
 * (epoch_heap_list.h). Between cycles everything that was not retired by hand is there.
 *
 * The seed is printed; `epoch_heap_model_test SEED`, or EPOCH_HEAP_SEED=SEED, replays one.
 */
#include "epoch_heap_steps.h"

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

/* ---- Every way of collecting, with cycles so often that operations meet each of their stages. ---- */

static const struct way {
    const char *options;
    enum sm_collector_threads threads;
} ways[] = {{"young=always,nursery=16K", SM_COLLECTOR_THREADS_NONE},
            {"young=always,nursery=16K", SM_COLLECTOR_THREADS_ONE},
            {"young=never", SM_COLLECTOR_THREADS_NONE},
            {"young=never", SM_COLLECTOR_THREADS_ONE},
            {"young=auto", SM_COLLECTOR_THREADS_NONE},
            {"young=auto", SM_COLLECTOR_THREADS_ONE},
            {"young=always,marking=stop", SM_COLLECTOR_THREADS_NONE}};

static void run_ways(struct sm_config config, uint64_t steps)
{
    static const char *const rest[] = {"reclaim=inline,debug=poison", "reclaim=thread,debug=none",
                                       "reclaim=thread,debug=poison"};
    for (uint64_t seed = first_seed; seed < first_seed + 2; seed++)
        for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
            for (size_t r = 0; r < sizeof(rest) / sizeof(rest[0]); r++) {
                char policy[128];
                snprintf(policy, sizeof(policy), "epoch:%s,%s", ways[w].options, rest[r]);
                config.policy = policy;
                config.collector_threads = ways[w].threads;
                run(&config, seed * 64 + w * 4 + r, steps);
            }
}

static void test_random_operations_agree_with_a_plain_list_however_it_collects(void **state)
{
    (void)state;
    run_ways((struct sm_config){.threshold_bytes = 128 * KIB}, test_scale(8000, 2000, 1500));
}

static void test_random_operations_agree_with_a_plain_list_however_it_collects_under_a_small_limit(void **state)
{
    (void)state;
    run_ways((struct sm_config){.threshold_bytes = 128 * KIB, .memory_limit_bytes = 6 * MIB},
             test_scale(4000, 1000, 700));
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
    const struct epoch_heap *heap = &epoch_of_base(model->mm->policy)->heap;
    epoch_block_of(model->root_objects[0])->live_granules[epoch_colour_index(heap->colour)]++;
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
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list_however_it_collects),
        cmocka_unit_test(test_random_operations_agree_with_a_plain_list_however_it_collects_under_a_small_limit),
        cmocka_unit_test(test_planted_faults_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
