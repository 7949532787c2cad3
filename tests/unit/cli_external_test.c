/* Workload cli-external: tiny cycles that hold buffers; whoever is told of them collects in time, whoever is not does not. */
#include "check.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

/* A job allocates hardly anything in the heap, and 64 KiB outside. */
#define FEW "records=1,resident=10,bytes=64K"
enum { JOBS = 800, BUFFER_BYTES = 64 << 10 };

static const struct wl_ops *external_ops(void)
{
    return workload_find("cli-external");
}

static struct sm_stats stats_of(const char *policy, const char *options, uint64_t threshold_bytes)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, policy, options, JOBS);
    run.manager.threshold_bytes = threshold_bytes;
    /* A thread keeps step with what is allocated in the heap, and that is hardly anything here. */
    run.manager.collector_threads = SM_COLLECTOR_THREADS_NONE;
    struct workload_outcome outcome = workload_run(external_ops(), &run);
    assert_int_equal(outcome.leaked_objects, 0);
    return outcome.stats;
}

static void test_buffers_that_are_seen_are_given_back_in_time(void **state)
{
    (void)state;
    static const char *const policies[] = {"marksweep", "epoch:reclaim=inline,young=never"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct sm_stats seen = stats_of(policies[i], FEW, 1 << 20);
        struct sm_stats blind = stats_of(policies[i], FEW ",seen=off", 1 << 20);
        assert_int_equal(blind.peak_external_bytes, 0);
        /* An object with a destructor outlives the cycle that finds it. */
        assert_in_range(seen.peak_external_bytes, 1 << 20, JOBS * BUFFER_BYTES / 4);
        assert_true(seen.cycles > blind.cycles + 4);
    }
}

/* Possible roots pace it: none of 800 jobs makes it run. */
static void test_counting_is_blind_to_them(void **state)
{
    (void)state;
    struct sm_stats stats = stats_of("refcount", FEW, 0);
    assert_int_equal(stats.peak_external_bytes, (uint64_t)JOBS * BUFFER_BYTES);
}

static void test_all_buffers_are_given_back_in_the_end(void **state)
{
    (void)state;
    static const char *const policies[] = {"null", "refcount", "epoch"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, policies[i], FEW, 10);
        struct wl_instance *instance = workload_create(external_ops(), &run);
        struct sm_stats stats;
        workload_steps(instance, run.steps);
        sm_finalizers_run_all(instance->mm);
        sm_stats_get(instance->mm, &stats);
        assert_int_equal(stats.external_bytes, 0);
        assert_int_equal(stats.destructors_run, 10);
        external_ops()->destroy(instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_that_are_seen_are_given_back_in_time),
        cmocka_unit_test(test_counting_is_blind_to_them),
        cmocka_unit_test(test_all_buffers_are_given_back_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
