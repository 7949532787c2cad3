/**
 * The summary's lines about cycles and CPU time.
 */
#include "check.h"

#include "summary.h"

#include <stdlib.h>
#include <string.h>

/* A report of a run of epoch that did something; on the heap, for it is large. */
struct world {
    struct hx_plan plan;
    struct hx_report report;
    char *text;
};

static struct world *world_make(void)
{
    struct world *world = calloc(1, sizeof(*world));
    struct sm_error error = {SM_OK, ""};
    if (world == NULL) {
        fail();
        return NULL;
    }
    hx_run_options_init(&world->plan.options);
    assert_int_equal(hx_plan_resolve(&world->plan, &error), SM_OK);
    world->report.plan = &world->plan;
    for (int id = 0; id < HX_METRIC_COUNT; id++)
        world->report.metrics.is_known[id] = true;
    hx_metrics_set(&world->report.metrics, HX_METRIC_CPU_NS, 2000000000);
    hx_metrics_set(&world->report.metrics, HX_METRIC_VM_CPU_NS, 1500000000);
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLE_CPU_NS, 100000000);
    hx_metrics_set(&world->report.metrics, HX_METRIC_COLLECTOR_CPU_NS, 400000000);
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLES, 1100);
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLES_FULL, 1100);
    hx_metrics_set(&world->report.metrics, HX_METRIC_DESTRUCTORS_RUN, 7);
    return world;
}

static void world_free(struct world *world)
{
    free(world->text);
    free(world);
}

static const char *summary(struct world *world)
{
    size_t length = 0;
    free(world->text);
    world->text = NULL;
    FILE *stream = open_memstream(&world->text, &length);
    if (stream == NULL) {
        fail();
        return "";
    }
    hx_summary_print(&world->report, stream);
    fclose(stream);
    return world->text;
}

static void test_cpu_time_is_of_all_threads_with_the_share_of_cycles(void **state)
{
    (void)state;
    struct world *world = world_make();
    assert_non_null(
        strstr(summary(world), "  cpu         2.00 s   of which VM thread 1.50 s   in cycles 500 ms, 25.0 %\n"));
    world_free(world);
}

static void test_full_cycles_alone_are_one_figure(void **state)
{
    (void)state;
    struct world *world = world_make();
    assert_non_null(strstr(summary(world), "  cycles      1,100   destructors run 7\n"));
    world_free(world);
}

static void test_young_cycles_and_fallbacks_are_told(void **state)
{
    (void)state;
    struct world *world = world_make();
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLES_FULL, 100);
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLES_YOUNG, 1000);
    assert_non_null(strstr(summary(world), "  cycles      1,100: 1,000 young, 100 full   destructors run 7\n"));
    hx_metrics_set(&world->report.metrics, HX_METRIC_CYCLES_CONCURRENT, 90);
    hx_metrics_set(&world->report.metrics, HX_METRIC_FALLBACKS, 3);
    assert_non_null(strstr(summary(world), "100 full   finished by a stop 3 of 90 concurrent   destructors run 7\n"));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_time_is_of_all_threads_with_the_share_of_cycles),
        cmocka_unit_test(test_full_cycles_alone_are_one_figure),
        cmocka_unit_test(test_young_cycles_and_fallbacks_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
