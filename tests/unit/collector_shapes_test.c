/**
 * The collector's runs are PHP's: each shape of workloads/php/collector_shapes.php, at sizes that take a moment, gives
 * the numbers that `php8.2 collector_shapes.php SHAPE --graphs=... ...` of PHP 8.2.36 printed.
 *
 * tests/e2e/collector.sh compares the default sizes with the PHP that is installed.
 */
#include "collector_shapes.h"

#include "check.h"
#include "sapivm/gc.h"

struct expectation {
    struct collector_shape shape;
    uint64_t runs, collected, threshold, roots, final_collected;
};

/* Beside the six shapes, mixtures of theirs in which runs begin in the middle of graphs and of deaths. */
static const struct expectation expectations[] = {
    {{"acyclic", 10500, 0.0, 100, false, 0}, 0, 0, 10001, 0, 0},
    {{"cyclic", 10500, 1.0, 0, false, 0}, 10, 110000, 10001, 5000, 5500},
    {{"mixed", 10500, 0.5, 1000, false, 0}, 5, 55000, 10001, 2500, 2750},
    {{"linked", 10500, 0.5, 1000, true, 0}, 5, 54945, 10001, 2551, 2805},
    {{"touched", 10500, 0.5, 1000, false, 5}, 5, 49500, 10001, 8500, 8250},
    {{"touch-only", 12000, -1.0, 40000, false, 5}, 2, 0, 30001, 29999, 0},
    {{"touched, all cyclic", 4000, 1.0, 4000, false, 5}, 6, 44000, 10001, 1, 0},
    {{"linked, all cyclic", 5000, 1.0, 10, true, 0}, 5, 54989, 10001, 8, 11},
    {{"linked, nine in ten", 4001, 0.9, 50, true, 0}, 3, 32967, 10001, 6031, 6633},
    {{"linked and touched", 8100, 0.5, 3000, true, 3}, 5, 38445, 10001, 8551, 6105},
};

static void read_figures(struct vm *vm, void *context, struct collector_figures *figures)
{
    struct vm_gc_status status = vm_gc_status(vm);
    (void)context;
    *figures = (struct collector_figures){status.runs, status.collected, status.threshold, status.roots};
}

static void every_shape_counts_as_php_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        const struct expectation *expected = &expectations[i];
        struct vm_config config = {.manager = {.sapi = SM_SAPI_CLI, .policy = "refcount"}};
        struct collector_shape_result result = {0};
        struct sm_error error = {0};
        struct vm *vm = NULL;
        print_message("%s\n", expected->shape.name);
        assert_int_equal(vm_create(&config, &vm, &error), SM_OK);
        assert_int_equal(collector_shape_run(vm, &expected->shape, read_figures, NULL, &result), SM_OK);
        assert_int_equal(result.rounds.runs - result.start.runs, expected->runs);
        assert_int_equal(result.rounds.collected - result.start.collected, expected->collected);
        assert_int_equal(result.rounds.threshold, expected->threshold);
        assert_int_equal(result.rounds.roots, expected->roots);
        assert_int_equal(result.end.collected - result.rounds.collected, expected->final_collected);
        vm_destroy(vm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape_counts_as_php_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
