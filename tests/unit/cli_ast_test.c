/* Workload cli-ast: faithful to its measured row; what every workload has to be is in workload_cases_test.c. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/ast.h"

/* Files of one size over a small index. */
#define SMALL "functions=10,spread=0,symbols=200"

static const struct wl_ops *ast_ops(void)
{
    return workload_find("cli-ast");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

/* cli-phpparse: 127 bytes a block, 14 of them more where PHP's packed arrays are larger than ours. */
static void test_a_function_has_the_stated_size(void **state)
{
    (void)state;
    enum { FILES = 5 };
    struct workload_run run = on("null", SMALL, FILES);
    struct workload_outcome outcome = workload_run(ast_ops(), &run);
    uint64_t functions = UINT64_C(10) * FILES;
    assert_in_range(outcome.step_alloc_count / functions, 1300, 1900);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 105, 130);
}

struct kind_counts {
    struct wl_instance *instance;
    uint64_t total, strings, heads, objects, references, hashes, packed;
};

static void count_kind(void *context, struct sm_object *object)
{
    struct kind_counts *counts = (struct kind_counts *)context;
    const struct vm_types *types = vm_types(vm_session_of(counts->instance)->vm);
    counts->total++;
    counts->strings += object->type == types->string;
    counts->heads += object->type == types->array;
    counts->objects += object->type == types->object;
    counts->references += object->type == types->reference;
    counts->hashes += object->type == types->hash;
    counts->packed += object->type == types->packed;
}

static void assert_share(uint64_t count, uint64_t total, double expected)
{
    double share = (double)count / (double)total;
    assert_true(share > expected - 0.035 && share < expected + 0.035);
}

/* cli-phpparse. Under null everything ever allocated is still there, storage that an array has outgrown included. */
static void test_kinds_have_the_measured_shares(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 20);
    struct wl_instance *instance = workload_create(ast_ops(), &run);
    workload_steps(instance, run.steps);
    struct kind_counts counts = {.instance = instance};
    sm_walk(instance->mm, count_kind, &counts);
    assert_share(counts.strings, counts.total, 0.278);
    assert_share(counts.heads, counts.total, 0.2785);
    assert_share(counts.objects, counts.total, 0.0493);
    assert_share(counts.references, counts.total, 0.1147);
    assert_share(counts.hashes, counts.total, 0.1801);
    assert_share(counts.packed, counts.total, 0.0985);
    ast_ops()->destroy(instance);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 5);
    double density = workload_opcodes_per_alloc(ast_ops(), &run);
    assert_true(density >= 4 && density <= 6);
}

/* Share of the blocks that counting references would never free. Nothing is freed under null, so all are there. */
static double cyclic_block_share(const char *options)
{
    struct workload_run run = on("null", options, 10);
    struct wl_instance *instance = workload_create(ast_ops(), &run);
    struct heap_census before, after;
    heap_census_take(instance->mm, &before);
    workload_steps(instance, run.steps);
    heap_census_take(instance->mm, &after);
    ast_ops()->destroy(instance);
    assert_int_equal(before.dead_in_cycles_count, 0);
    return (double)after.dead_in_cycles_count / (double)(after.object_count - before.object_count);
}

/* cli-phpparse: 32.7 % of the blocks are freed by the cycle collector alone. */
static void test_the_cyclic_share_is_the_measured_one_and_follows_the_option(void **state)
{
    (void)state;
    double share = cyclic_block_share(SMALL);
    assert_true(share > 0.29 && share < 0.36);
    assert_true(cyclic_block_share(SMALL ",cyclic=0") == 0);
    double half = cyclic_block_share(SMALL ",cyclic=0.5");
    assert_true(half > share * 0.4 && half < share * 0.6);
}

/* A tenth of the largest on average, most far below it. */
static void test_sizes_of_files_are_spread_as_stated(void **state)
{
    (void)state;
    enum { FILES = 100 };
    struct workload_run run = on("null", "functions=20,symbols=200,spread=9", FILES);
    run.mutator_work = false;
    struct wl_instance *instance = workload_create(ast_ops(), &run);
    const struct ast *ast = (const struct ast *)instance;
    uint64_t total = 0, single = 0, largest = 0;
    for (int i = 0; i < FILES; i++) {
        workload_steps(instance, 1);
        total += ast->function_count;
        single += ast->function_count == 1;
        largest = ast->function_count > largest ? ast->function_count : largest;
    }
    assert_in_range(total, FILES * 2, FILES * 3);
    assert_in_range(single, FILES / 2, FILES * 9 / 10);
    assert_in_range(largest, 17, 20);
    ast_ops()->destroy(instance);
}

/* Inside a step nobody can look, but a leak keeps all that lived there but the source text. */
static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    static const char *const options[] = {"functions=60,spread=0,symbols=50", "functions=20,spread=0,symbols=3000"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct workload_run run = on("null", options[i], 1);
        run.fault = WL_FAULT_LEAK;
        run.fault_period = 1;
        struct wl_instance *instance = workload_create(ast_ops(), &run);
        workload_steps(instance, run.steps);
        struct heap_census census;
        heap_census_take(instance->mm, &census);
        ast_ops()->destroy(instance);
        workload_assert_analytic_size(ast_ops(), options[i], census.reachable_block_bytes);
    }
}

/* Whole files die at once: nothing but the index is left after each. */
static void test_a_file_leaves_nothing_but_its_symbols(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 0);
    struct wl_instance *instance = workload_create(ast_ops(), &run);
    struct heap_census early, late;
    workload_steps(instance, 30);
    heap_census_take(instance->mm, &early);
    workload_steps(instance, 30);
    heap_census_take(instance->mm, &late);
    assert_in_range(late.reachable_count, early.reachable_count - 20, early.reachable_count + 20);
    ast_ops()->destroy(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function_has_the_stated_size),
        cmocka_unit_test(test_kinds_have_the_measured_shares),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_the_cyclic_share_is_the_measured_one_and_follows_the_option),
        cmocka_unit_test(test_sizes_of_files_are_spread_as_stated),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
        cmocka_unit_test(test_a_file_leaves_nothing_but_its_symbols),
    };
    return cmocka_run_group_tests_name("cli_ast", tests, NULL, NULL);
}
