/* Workloads with a world of their own, without and with the VM: the same under every policy, and their faults show. */
#include "check.h"
#include "test_scale.h"
#include "workload_run.h"

/* Small enough for a cycle at every safepoint, and with enough of those. */
static const struct workload_case {
    const char *name, *options, *other_options;
    uint64_t steps, leaked; /* more objects than that stay with a leak of one in three */
} cases[] = {
    {"gcbench", "stretch=8,long-lived=5,array=100,min=2,max=8", "stretch=8,long-lived=5,array=101,min=2,max=8", 15,
     100},
    {"quads", "depth=4,heap=10,share=1", "depth=5,heap=10,share=1", 10, 100},
    {"quads", "objects=300,heap=10,share=1,linked=1,shuffled=1", "objects=300,heap=10,share=1,shuffled=1", 10, 100},
    {"churn", "objects=500", "objects=501", 10, 100},
    {"churn", "objects=500,linked=1,shuffled=1", "objects=500,shuffled=1", 10, 100},
    {"linked", "objects=40,graphs=4", "objects=40,graphs=4,linked=0", 6, 50},
    {"linked", "objects=40,graphs=4,touch=3", "objects=40,graphs=4,touch=2", 6, 50},
    {"stack", "depth=40,locals=3,garbage=50", "depth=41,locals=3,garbage=50", 5, 50},
    {"arrays", "arrays=2,elements=100,writes=2000,growth=30", "arrays=2,elements=100,writes=2001,growth=30", 6, 50},
    {"cli-dtor", "objects=80", "objects=80,listed=1", 5, 50},
    {"cli-external", "bytes=4K,ring=40,records=60,resident=20", "bytes=4K,ring=40,records=61,resident=20", 6, 30},
    {"cli-external", "bytes=4K,ring=40,records=60,resident=20,seen=off", "bytes=4K,ring=41,records=60,resident=20", 6,
     30},
    {"cli-eventloop", "connections=6,requests=5,resident=5,log=6,keepalive=2,errors=0.3",
     "connections=6,requests=5,resident=6,log=6,keepalive=2,errors=0.3", 22, 50},
    {"cli-tick", "world=130,touch=60,garbage=20", "world=131,touch=60,garbage=20", 6, 50},
    {"cli-tick", "world=130,touch=60,garbage=20,linked=0,rest=1", "world=130,touch=61,garbage=20,linked=0", 6, 50},
    {"cli-idle", "services=9", "services=10", 90, 50},
    {"cli-idle", "services=9,leak=300,linked=0,block=1", "services=9,leak=301,linked=0", 90, 50},
    {"cli-dtor", "objects=80,listed=1", "objects=81,listed=1", 5, 50},
    {"cli-dtor", "objects=400,cyclic=0.6,touch=3,world=20", "objects=400,cyclic=0.6,touch=4,world=20", 5, 50},
    {"cli-orm", "batch=4,relations=2,metadata=3", "batch=4,relations=2,metadata=3,cyclic=0", 10, 50},
    {"cli-orm", "batch=3,relations=2,metadata=3,clear=2", "batch=3,relations=2,metadata=3", 14, 30},
    {"cli-etl", "rows=20,keys=16", "rows=21,keys=16", 10, 100},
    {"cli-etl", "rows=20,keys=16,write=3", "rows=20,keys=17,write=3", 10, 100},
    {"cli-cache", "entries=30,lookups=40,resident=20", "entries=30,lookups=40,resident=20,touch=0.5", 10, 100},
    {"cli-cache", "entries=30,lookups=40,resident=20,snapshot=on", "entries=31,lookups=40,resident=20,snapshot=on", 10,
     100},
    {"cli-leak", "orders=10", "orders=10,leak=2K", 10, 50},
    {"cli-ast", "functions=2,symbols=20,spread=0.5", "functions=2,symbols=20,spread=0.5,cyclic=0.5", 5, 50},
    {"cli-solver", "packages=4,versions=10", "packages=4,versions=11", 4, 20},
    {"cli-batch", "lines=20,entities=10", "lines=21,entities=10", 6, 50},
    {"cli-ast", "functions=2,symbols=20,spread=0,cyclic=0", "functions=2,symbols=21,spread=0,cyclic=0", 5, 50},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct workload_run on(const struct workload_case *tried, const char *policy)
{
    return workload_run_of(SM_SAPI_CLI, policy, tried->options, tried->steps);
}

static const struct wl_ops *ops_of(const struct workload_case *tried)
{
    return workload_find(tried->name);
}

static uint64_t reference_checksum(const struct workload_case *tried)
{
    return workload_checksum(ops_of(tried), on(tried, "null"));
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_policies_agree(ops_of(&cases[i]), on(&cases[i], "null"), reference_checksum(&cases[i]));
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_cycles_change_nothing(ops_of(&cases[i]), on(&cases[i], "epoch:reclaim=inline"),
                                              reference_checksum(&cases[i]));
}

/* Finds what is old, held by a C local alone and used across an allocation. */
static void test_emergencies_at_allocations_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_emergencies_change_nothing(ops_of(&cases[i]), on(&cases[i], "epoch:reclaim=inline"),
                                                   reference_checksum(&cases[i]));
}

static void test_counts_free_everything_that_dies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "refcount");
        run.manager.pacing = "never";
        struct workload_outcome outcome = workload_run(ops_of(&cases[i]), &run);
        assert_int_equal(outcome.leaked_objects, 0);
        assert_int_equal(outcome.stats.roots, 0);
        assert_int_equal(outcome.stats.live_objects, outcome.retained_objects);
    }
}

static void test_seed_and_options_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_inputs_matter(ops_of(&cases[i]), on(&cases[i], "null"), cases[i].other_options);
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (uint64_t period = 1; period <= 4; period++)
            workload_assert_flips_show(ops_of(&cases[i]), on(&cases[i], "refcount"), period,
                                       reference_checksum(&cases[i]));
}

static void test_a_leak_is_retained_and_grows(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch:reclaim=inline", "refcount"};
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < 2; j++)
            workload_assert_leak_is_retained(ops_of(&cases[i]), on(&cases[i], policies[j]), cases[i].leaked);
}

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    enum { STEPS_MAX = 20000 };
    static const char *const policies[] = {"null", "refcount", "epoch:reclaim=inline"};
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < sizeof(policies) / sizeof(policies[0]); j++) {
            struct workload_run run = on(&cases[i], policies[j]);
            run.manager.memory_limit_bytes = 4 << 20;
            /* What is kept for ever fills any heap, under any policy. */
            run.fault = WL_FAULT_LEAK;
            run.fault_period = 1;
            struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
            enum wl_step result = WL_STEP_MORE;
            for (int step = 0; step < STEPS_MAX && result == WL_STEP_MORE; step++)
                result = instance->ops->step(instance);
            workload_assert_out_of_memory(instance, result);
        }
}

static void test_out_of_memory_at_creation_is_reported(void **state)
{
    (void)state;
    static const char *const refused[][2] = {{"quads", "depth=9"},
                                             {"churn", "objects=200k"},
                                             {"linked", "objects=200k"},
                                             {"arrays", "elements=1m"},
                                             {"cli-tick", "world=200k"},
                                             {"cli-idle", "services=20k"},
                                             {"cli-eventloop", "resident=20k"}};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch", refused[i][1], 0);
        run.manager.memory_limit_bytes = 4 << 20;
        assert_int_equal(workload_refusal(workload_find(refused[i][0]), &run).status, SM_ERR_OUT_OF_MEMORY);
    }
}

int main(void)
{
    /* The collector's and the reclaimer's threads work in these; in the others nothing runs beside the program. */
    const struct CMUnitTest threaded[] = {
        cmocka_unit_test(test_every_policy_gives_the_same_checksum),
        cmocka_unit_test(test_out_of_memory_at_creation_is_reported),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cycle_at_every_safepoint_changes_nothing),
        cmocka_unit_test(test_emergencies_at_allocations_change_nothing),
        cmocka_unit_test(test_counts_free_everything_that_dies),
        cmocka_unit_test(test_seed_and_options_change_the_checksum),
        cmocka_unit_test(test_flipped_bytes_and_edges_change_the_checksum),
        cmocka_unit_test(test_a_leak_is_retained_and_grows),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
    };
    int failures = cmocka_run_group_tests_name("workload_cases: threads", threaded, NULL, NULL);
    if (!IS_THREAD_SANITIZED)
        failures += cmocka_run_group_tests_name("workload_cases", tests, NULL, NULL);
    return failures;
}
