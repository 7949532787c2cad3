/* Requests by number, and cold ones: the same wherever and in whatever order they are served, under every policy. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"
#include "workloads/checksum.h"

#include "../../workloads/program.h"

#include <string.h>

/* Options of each workload of requests: small enough for a cycle at every safepoint, and larger. */
static const struct program_case {
    const char *name, *tiny, *small;
} cases[] = {
    {"fpm-page", "posts=1,comments=1,paragraphs=1,options=3,plugins=1,files=1",
     "posts=2,comments=2,paragraphs=2,options=20,plugins=2,files=3"},
    {"fpm-api", "providers=1,routes=2,posts=2,related=1,orders=1,files=1",
     "providers=2,routes=3,posts=3,related=2,orders=1,files=3"},
    {"fpm-admin", "rows=2,columns=2,sections=2,globals=3,files=1", "rows=3,columns=2,sections=3,globals=4,files=3"},
    {"fpm-upload", "files=2,file=2048,chunk=32,fields=2,sources=1", "files=2,file=4096,chunk=64,fields=3,sources=3"},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct wl_instance *create(const struct program_case *tried, const char *policy, const char *options)
{
    struct workload_run run = workload_run_of(SM_SAPI_FPM, policy, options, 0);
    return workload_create(workload_find(tried->name), &run);
}

static uint64_t serve(struct wl_instance *instance, uint64_t index, bool is_cold)
{
    struct wl_request request = {.index = index, .is_cold = is_cold};
    if (instance->ops->serve(instance, &request) != WL_STEP_MORE)
        fail_msg("request %llu: %s", (unsigned long long)index, instance->error.detail);
    return instance->checksum;
}

static uint64_t serve_alone(const struct program_case *tried, const char *policy, const char *options, uint64_t index,
                            bool is_cold)
{
    struct wl_instance *instance = create(tried, policy, options);
    uint64_t checksum = serve(instance, index, is_cold);
    instance->ops->destroy(instance);
    return checksum;
}

static void test_a_request_does_not_depend_on_those_before_it(void **state)
{
    (void)state;
    for (const struct program_case *tried = cases; tried < cases + CASES; tried++) {
        struct wl_instance *instance = create(tried, "arena", tried->small);
        uint64_t warm = serve_alone(tried, "arena", tried->small, 5, false);
        uint64_t cold = serve_alone(tried, "arena", tried->small, 9, true);
        assert_int_equal(serve(instance, 9, true), cold);
        assert_int_equal(serve(instance, 5, false), warm);
        assert_int_equal(serve(instance, 5, false), warm);
        assert_int_equal(serve(instance, 9, true), cold);
        assert_int_not_equal(serve(instance, 6, false), warm);
        assert_int_not_equal(serve(instance, 5, true), warm);
        assert_int_equal(instance->steps_done, 6);
        instance->ops->destroy(instance);
    }
}

static void test_every_policy_serves_the_same(void **state)
{
    (void)state;
    static const char *const policies[] = {"null", "epoch", "epoch:reclaim=inline", "refcount", "marksweep"};
    for (const struct program_case *tried = cases; tried < cases + CASES; tried++) {
        uint64_t warm = serve_alone(tried, "arena", tried->small, 5, false);
        uint64_t cold = serve_alone(tried, "arena", tried->small, 9, true);
        for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
            assert_int_equal(serve_alone(tried, policies[i], tried->small, 5, false), warm);
            assert_int_equal(serve_alone(tried, policies[i], tried->small, 9, true), cold);
        }
    }
}

/* Finds whatever the compiler does not root across a safepoint, or uses across an emergency. */
static void test_cycles_inside_a_cold_request_change_nothing(void **state)
{
    (void)state;
    for (const struct program_case *tried = cases; tried < cases + CASES; tried++) {
        uint64_t cold = serve_alone(tried, "arena", tried->tiny, 2, true);
        for (int every_allocation = 0; every_allocation < 2; every_allocation++) {
            struct workload_run run = workload_run_of(SM_SAPI_FPM, "epoch:reclaim=inline", tried->tiny, 0);
            run.manager.collect_every_safepoint = every_allocation == 0;
            run.manager.collect_every_alloc = every_allocation == 1;
            struct wl_instance *instance = workload_create(workload_find(tried->name), &run);
            assert_int_equal(serve(instance, 2, true), cold);
            instance->ops->destroy(instance);
        }
    }
}

/* Measured on real pages: 5 to 10 times the memory of a warm request, where nothing is freed before its end. */
static void test_a_cold_request_needs_five_to_ten_times_the_arena(void **state)
{
    (void)state;
    for (const struct program_case *tried = cases; tried < cases + CASES; tried++) {
        struct wl_instance *instance = create(tried, "arena:shape=bump", "");
        struct sm_stats start, warm, cold;
        sm_stats_get(instance->mm, &start);
        (void)serve(instance, 0, false);
        sm_stats_get(instance->mm, &warm);
        (void)serve(instance, 0, true);
        sm_stats_get(instance->mm, &cold);
        double ratio = (double)(cold.alloc_bytes - warm.alloc_bytes) / (double)(warm.alloc_bytes - start.alloc_bytes);
        double arena = (double)cold.peak_committed_bytes / (double)warm.peak_committed_bytes;
        print_message(
            "%s: a cold request allocates %.2f times what a warm one does, its arena is %.2f times as large\n",
            tried->name, ratio, arena);
        assert_true(ratio >= 5 && ratio <= 10);
        assert_true(arena >= 5 && arena <= 10);
        assert_int_equal(cold.live_objects, 0);
        instance->ops->destroy(instance);
    }
}

/* Trees die with their file: what lives at most is a part of what is allocated, where dead objects are freed at once. */
static void test_trees_die_with_their_file(void **state)
{
    (void)state;
    struct wl_instance *instance = create(&cases[0], "refcount", "files=40");
    struct sm_stats warm, cold;
    (void)serve(instance, 0, false);
    sm_stats_get(instance->mm, &warm);
    (void)serve(instance, 0, true);
    sm_stats_get(instance->mm, &cold);
    uint64_t cold_bytes = cold.alloc_bytes - warm.alloc_bytes;
    assert_in_range(cold.peak_live_bytes, warm.peak_live_bytes + 1, cold_bytes / 2);
    instance->ops->destroy(instance);
}

static void assert_nothing_is_left(const struct program_case *tried, const char *policy)
{
    struct wl_instance *instance = create(tried, policy, tried->small);
    struct heap_census census;
    (void)serve(instance, 3, true);
    assert_int_equal(sm_quiesce(instance->mm), SM_OK);
    heap_census_take(instance->mm, &census);
    assert_int_equal(census.dead_count, 0);
    assert_int_equal(census.reachable_count, 0);
    instance->ops->destroy(instance);
}

static void test_nothing_is_left_of_a_cold_request(void **state)
{
    (void)state;
    for (const struct program_case *tried = cases; tried < cases + CASES; tried++) {
        assert_nothing_is_left(tried, "epoch");
        assert_nothing_is_left(tried, "refcount");
    }
}

/* A fault strikes the request of that number, wherever it is served. */
static void test_faults_strike_by_number(void **state)
{
    (void)state;
    static const enum wl_fault faults[] = {WL_FAULT_FLIP_BYTE, WL_FAULT_FLIP_EDGE};
    const struct program_case *tried = &cases[0];
    uint64_t sound = serve_alone(tried, "arena", tried->small, 4, false);
    uint64_t other = serve_alone(tried, "arena", tried->small, 0, false);
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", tried->small, 0);
        run.fault = faults[i];
        run.fault_period = 5;
        struct wl_instance *instance = workload_create(workload_find(tried->name), &run);
        assert_int_equal(serve(instance, 0, false), other);
        assert_int_not_equal(serve(instance, 4, false), sound);
        instance->ops->destroy(instance);
    }
}

/* ---- The parser ---- */

static struct sm_value field(struct sm_value node, uint32_t property)
{
    return vm_object_get(vm_as_object(node), property);
}

static void assert_kind(struct sm_value node, enum ast_kind kind)
{
    assert_int_equal(vm_as_int(field(node, AST_KIND)), kind);
}

static void assert_name(struct sm_value node, const char *name)
{
    assert_string_equal(vm_as_string(field(node, AST_VALUE))->data, name);
}

static struct sm_value item(struct sm_value list, int64_t index)
{
    return vm_array_get_index(vm_as_array(list), index);
}

static void parse_a_class(struct vm *vm, void *context)
{
    static const char *const names[AST_PROPERTIES] = {"p0", "p1", "p2", "p3"};
    static const char text[] = "class a7 {\nfunction f0($x, $y) {\n$x->n = 12 + g_h('two words', $y);\n"
                               "if ($x) {\n$y = 1;\n}\nreturn $y;\n}\n}\n";
    (void)context;
    vm_request_begin(vm);
    struct vm_class *node_class = vm_class_define(vm, "AstNode", names, AST_PROPERTIES, NULL);
    struct vm_string *source = vm_string_new(vm, text, sizeof(text) - 1);
    struct sm_value tree = vm_object_value(program_parse(vm, node_class, source));
    assert_kind(tree, AST_CLASS);
    assert_name(tree, "a7");
    struct sm_value method = item(field(tree, AST_LEFT), 0);
    assert_kind(method, AST_METHOD);
    assert_name(method, "f0");
    assert_int_equal(vm_array_count(vm_as_array(field(method, AST_LEFT))), 2);
    struct sm_value statements = field(method, AST_RIGHT);
    assert_int_equal(vm_array_count(vm_as_array(statements)), 3);
    struct sm_value assignment = item(statements, 0);
    assert_kind(assignment, AST_ASSIGN);
    assert_kind(field(assignment, AST_LEFT), AST_PROPERTY);
    assert_name(field(assignment, AST_LEFT), "n");
    struct sm_value sum = field(assignment, AST_RIGHT);
    assert_kind(sum, AST_BINARY);
    assert_int_equal(vm_as_int(field(sum, AST_VALUE)), '+');
    assert_int_equal(vm_as_int(field(field(sum, AST_LEFT), AST_VALUE)), 12);
    struct sm_value call = field(sum, AST_RIGHT);
    assert_kind(call, AST_CALL);
    assert_name(call, "g_h");
    assert_name(item(field(call, AST_LEFT), 0), "two words");
    assert_kind(item(statements, 1), AST_IF);
    assert_kind(item(field(item(statements, 1), AST_RIGHT), 0), AST_ASSIGN);
    assert_kind(item(statements, 2), AST_RETURN);
    vm_request_end(vm);
}

static void test_a_class_is_parsed(void **state)
{
    (void)state;
    struct sm_error error;
    struct vm *vm = NULL;
    struct vm_config config = {.manager = {.sapi = SM_SAPI_FPM, .policy = "arena"}};
    assert_int_equal(vm_create(&config, &vm, &error), SM_OK);
    assert_int_equal(vm_try(vm, parse_a_class, NULL), SM_OK);
    vm_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_does_not_depend_on_those_before_it),
        cmocka_unit_test(test_every_policy_serves_the_same),
        cmocka_unit_test(test_cycles_inside_a_cold_request_change_nothing),
        cmocka_unit_test(test_a_cold_request_needs_five_to_ten_times_the_arena),
        cmocka_unit_test(test_trees_die_with_their_file),
        cmocka_unit_test(test_nothing_is_left_of_a_cold_request),
        cmocka_unit_test(test_faults_strike_by_number),
        cmocka_unit_test(test_a_class_is_parsed),
    };
    return cmocka_run_group_tests_name("program_compile", tests, NULL, NULL);
}
