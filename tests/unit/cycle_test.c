/**
 * When cycles run and what they record: thresholds, requests, periods, ticks, emergencies, quiescing.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/manager_internal.h"

#include "sapimem/extension.h"

#include <string.h>

/* What the hooks saw. */
struct seen {
    uint64_t cycles, ticks, pauses;
    uint64_t tick_clock_bytes;
    struct sm_cycle_record last;
    struct sm_pause_record last_pause;
};

static void see_cycle(void *context, const struct sm_cycle_record *record)
{
    struct seen *seen = context;
    seen->cycles++;
    seen->last = *record;
}

static void see_pause(void *context, const struct sm_pause_record *record)
{
    struct seen *seen = context;
    seen->pauses++;
    seen->last_pause = *record;
}

static void see_tick(void *context, struct sm_manager *mm)
{
    struct seen *seen = context;
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    seen->ticks++;
    seen->tick_clock_bytes = stats.alloc_bytes;
}

static struct sm_manager *traced(struct sm_config config, struct seen *seen)
{
    config.hooks.context = seen;
    config.hooks.on_cycle = see_cycle;
    config.hooks.on_pause = see_pause;
    config.hooks.on_tick = see_tick;
    return list_policy_manager(&list_policy_tracing_ops, &config);
}

static void allocate(struct sm_manager *mm, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes; done += 1024)
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 1024));
}

static void test_threshold_only_requests_a_cycle(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.threshold_bytes = 64 << 10}, &seen);
    allocate(mm, 256 << 10);
    assert_int_equal(seen.cycles, 0);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    assert_int_equal(seen.last.trigger, SM_TRIGGER_THRESHOLD);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    sm_manager_destroy(mm);
}

static void test_threshold_counts_from_the_last_cycle(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "fixed:64K"}, &seen);
    for (int i = 0; i < 1024; i++) {
        allocate(mm, 1024);
        sm_safepoint(mm);
    }
    assert_int_equal(seen.cycles, 16);
    assert_int_equal(seen.last.index, 16);
    assert_int_equal(seen.last.clock_bytes, 1 << 20);
    assert_int_equal(manager_stats(mm).cycles, 16);
    assert_int_equal(manager_stats(mm).cycles_by_trigger[SM_TRIGGER_THRESHOLD], 16);
    assert_int_equal(manager_stats(mm).threshold_bytes, 64 << 10);
    sm_manager_destroy(mm);
}

/* What objects hold outside the heap counts as if it were allocated, and again no more once it was given back. */
static void test_external_bytes_bring_a_cycle_forward(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.threshold_bytes = 64 << 10}, &seen);
    struct sm_stats stats;
    allocate(mm, 1024);
    sm_external_change(mm, 48 << 10);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 0);
    sm_external_change(mm, 16 << 10);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    assert_int_equal(seen.last.trigger, SM_TRIGGER_THRESHOLD);
    sm_external_change(mm, -(64 << 10));
    sm_stats_get(mm, &stats);
    assert_int_equal(stats.external_bytes, 0);
    assert_int_equal(stats.peak_external_bytes, 64 << 10);
    assert_int_equal(stats.alloc_bytes, 1024);
    allocate(mm, 32 << 10);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    sm_manager_destroy(mm);
}

static void test_external_bytes_mean_nothing_without_cycles(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never"}, &seen);
    sm_external_change(mm, INT64_C(1) << 40);
    allocate(mm, 1024);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 0);
    sm_manager_destroy(mm);
}

static void test_default_threshold(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, NULL);
    assert_int_equal(manager_stats(mm).threshold_bytes, SM_THRESHOLD_DEFAULT_BYTES);
    sm_manager_destroy(mm);
}

static void test_policy_without_cycles_has_no_threshold(void **state)
{
    (void)state;
    struct sm_config config = {.threshold_bytes = 4096, .collect_every_bytes = 4096, .collect_every_safepoint = true};
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, &config);
    allocate(mm, 64 << 10);
    sm_safepoint(mm);
    assert_int_equal(manager_stats(mm).threshold_bytes, 0);
    assert_int_equal(manager_stats(mm).cycles, 0);
    assert_int_equal(list_policy_of(mm)->calls.safepoint, 0);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_quiesce(mm), SM_OK);
    sm_manager_destroy(mm);
}

static void test_record_says_what_the_cycle_found(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){0}, &seen);
    struct sm_object *kept = sm_alloc(mm, SM_TYPE_VALUES, 320);
    sm_handle handle = sm_alloc_value(mm, sm_value_from_object(kept, 0));
    assert_false(sm_handle_is_none(handle));
    sm_alloc(mm, SM_TYPE_VALUES, 160);
    sm_alloc(mm, SM_TYPE_VALUES, 160);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(seen.last.trigger, SM_TRIGGER_MANUAL);
    assert_int_equal(seen.last.live_objects, 1);
    assert_int_equal(seen.last.live_bytes, 320);
    assert_int_equal(seen.last.retired_objects, 2);
    assert_int_equal(seen.last.retired_bytes, 320);
    assert_int_equal(seen.last.clock_bytes, 640);
    assert_true(seen.last.pause_ns <= seen.last_pause.duration_ns);
    assert_int_equal(seen.last_pause.cause, SM_PAUSE_CYCLE);
    struct sm_stats stats = manager_stats(mm);
    assert_int_equal(stats.live_bytes, 320);
    assert_int_equal(stats.live_objects, 1);
    assert_int_equal(stats.retired_objects, 2);
    assert_int_equal(stats.peak_live_bytes, 640);
    assert_int_equal(stats.peak_garbage_bytes, 320);
    assert_int_equal(stats.traced_objects, 1);
    sm_manager_destroy(mm);
}

static void test_peak_garbage_includes_the_backlog(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){0}, &seen);
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 160);
    sm_retire(mm, object);
    sm_alloc(mm, SM_TYPE_VALUES, 320);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(manager_stats(mm).peak_garbage_bytes, 320 + sm_block_bytes(160));
    sm_manager_destroy(mm);
}

static void test_request_runs_at_the_next_safepoint_once(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never"}, &seen);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 0);
    sm_collect_request(mm);
    sm_collect_request(mm);
    assert_int_equal(seen.cycles, 0);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    assert_int_equal(seen.last.trigger, SM_TRIGGER_MANUAL);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 1);
    sm_manager_destroy(mm);
}

static void test_periodic_cycles_ignore_the_pacing(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .collect_every_bytes = 32 << 10}, &seen);
    sm_cycles_enable(mm, false);
    for (int i = 0; i < 256; i++) {
        allocate(mm, 1024);
        sm_safepoint(mm);
    }
    assert_int_equal(seen.cycles, 8);
    assert_int_equal(manager_stats(mm).cycles_by_trigger[SM_TRIGGER_PERIODIC], 8);
    assert_int_equal(manager_stats(mm).threshold_bytes, 0);
    sm_manager_destroy(mm);
}

static void test_every_safepoint_collects(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.collect_every_safepoint = true}, &seen);
    for (int i = 0; i < 5; i++)
        sm_safepoint(mm);
    assert_int_equal(seen.cycles, 5);
    sm_manager_destroy(mm);
}

static void test_pacing_always_collects_unless_disabled(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "always"}, &seen);
    sm_safepoint(mm);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 2);
    assert_int_equal(seen.last.trigger, SM_TRIGGER_THRESHOLD);
    sm_cycles_enable(mm, false);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 2);
    sm_manager_destroy(mm);
}

static void test_disabled_cycles_resume_where_they_are_due(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.threshold_bytes = 64 << 10}, &seen);
    sm_cycles_enable(mm, false);
    allocate(mm, 256 << 10);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 0);
    assert_int_equal(sm_collect(mm, SM_COLLECT_YOUNG), SM_OK);
    assert_int_equal(seen.cycles, 1);
    allocate(mm, 256 << 10);
    sm_cycles_enable(mm, true);
    sm_safepoint(mm);
    assert_int_equal(seen.cycles, 2);
    sm_manager_destroy(mm);
}

static void test_proportional_pacing_learns_from_live_bytes(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "proportional:2"}, &seen);
    assert_int_equal(manager_stats(mm).threshold_bytes, SM_THRESHOLD_DEFAULT_BYTES);
    sm_alloc_value(mm, sm_value_from_object(sm_alloc(mm, SM_TYPE_VALUES, 100000), 0));
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(manager_stats(mm).threshold_bytes, 200000);
    sm_manager_destroy(mm);
}

static void test_limit_shortens_the_threshold(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.memory_limit_bytes = 8 << 20}, &seen);
    assert_int_equal(manager_stats(mm).threshold_bytes, 4 << 20);
    sm_alloc_value(mm, sm_value_from_object(sm_alloc(mm, SM_TYPE_VALUES, 2 << 20), 0));
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(manager_stats(mm).threshold_bytes, 3 << 20);
    sm_manager_destroy(mm);
}

static void test_ticks_come_at_the_first_safepoint_past_each_multiple(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_config config = {.pacing = "never", .hooks = {.tick_bytes = 10000}};
    struct sm_manager *mm = traced(config, &seen);
    for (int i = 0; i < 100; i++) {
        allocate(mm, 1024);
        sm_safepoint(mm);
    }
    assert_int_equal(seen.ticks, 10);
    allocate(mm, 50 << 10);
    sm_safepoint(mm);
    assert_int_equal(seen.ticks, 11);
    assert_int_equal(seen.tick_clock_bytes, manager_stats(mm).alloc_bytes);
    assert_int_equal(seen.cycles, 0);
    sm_manager_destroy(mm);
}

static void test_failed_cycle_is_not_counted_and_does_not_spin(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.threshold_bytes = 64 << 10}, &seen);
    list_policy_of(mm)->collect_status = SM_ERR_GUARD_HELD;
    allocate(mm, 128 << 10);
    sm_safepoint(mm);
    sm_safepoint(mm);
    assert_int_equal(list_policy_of(mm)->calls.collect, 1);
    assert_int_equal(seen.cycles, 0);
    assert_int_equal(manager_stats(mm).cycles, 0);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_ERR_GUARD_HELD);
    assert_int_equal(sm_quiesce(mm), SM_ERR_GUARD_HELD);
    sm_manager_destroy(mm);
}

/* Fill the heap with objects of which every second one hangs on a handle, until memory is refused. */
static void fill(struct sm_manager *mm)
{
    struct sm_object *object = NULL;
    while ((object = sm_alloc(mm, SM_TYPE_VALUES, 3000)) != NULL)
        assert_false(sm_handle_is_none(sm_alloc_value(mm, sm_value_from_object(object, 0))));
}

static void test_R7_emergency_cycle_frees_and_retries(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 2 << 20}, &seen);
    for (int i = 0; i < 2000; i++) {
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 3000));
        if (i % 50 == 0) {
            sm_attention_request(mm);
            sm_safepoint(mm);
        }
    }
    assert_true(seen.cycles > 0);
    assert_int_equal(manager_stats(mm).cycles_by_trigger[SM_TRIGGER_EMERGENCY], seen.cycles);
    assert_int_equal(sm_error_status(mm), SM_OK);
    assert_int_equal(manager_stats(mm).alloc_count, 2000);
    sm_manager_destroy(mm);
}

static void test_R7_objects_since_the_last_safepoint_survive(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    struct sm_object *local = sm_alloc(mm, SM_TYPE_VALUES, 64);
    fill(mm);
    assert_true(sm_is_valid(mm, local));
    assert_int_equal(list_policy_of(mm)->last_trigger, SM_TRIGGER_EMERGENCY);
    sm_manager_destroy(mm);
}

static void test_R7_one_cycle_one_retry_then_the_error(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    fill(mm);
    uint64_t cycles = seen.cycles;
    uint64_t refills = list_policy_of(mm)->calls.refill;
    struct sm_stats before = manager_stats(mm);
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, 3000));
    assert_int_equal(seen.cycles, cycles + 1);
    assert_int_equal(list_policy_of(mm)->calls.refill, refills + 2);
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(manager_stats(mm).alloc_count, before.alloc_count);
    assert_int_equal(manager_stats(mm).alloc_bytes, before.alloc_bytes);
    assert_int_equal(manager_stats(mm).live_bytes, before.live_bytes);
    sm_manager_destroy(mm);
}

static void test_out_of_memory_line_names_the_facts(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, 5000000));
    const char *detail = sm_error_detail(mm);
    assert_non_null(strstr(detail, "5000000 bytes for values"));
    assert_non_null(strstr(detail, "limit 1048576"));
    assert_non_null(strstr(detail, "live 0"));
    assert_non_null(strstr(detail, "retired backlog 0"));
    assert_null(strstr(detail, "held back"));
    sm_manager_destroy(mm);
}

static void test_heap_is_usable_after_out_of_memory(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    sm_request_begin(mm);
    fill(mm);
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    sm_request_end(mm); /* the handles go */
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(manager_stats(mm).live_bytes, 0);
    assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 3000));
    sm_manager_destroy(mm);
}

static void test_policy_without_cycles_fails_at_once(void **state)
{
    (void)state;
    struct sm_config config = {.memory_limit_bytes = 1 << 20};
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, &config);
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, 2 << 20));
    assert_int_equal(list_policy_of(mm)->calls.alloc_slow, 1);
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    sm_manager_destroy(mm);
}

static void test_resize_failure_in_an_emergency_keeps_the_object(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 100);
    memset(sm_payload(object), 0, 100);
    assert_null(sm_resize(mm, object, 5000000));
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_true(sm_is_valid(mm, object));
    assert_int_equal(object->payload_bytes, 100);
    assert_int_equal(manager_stats(mm).live_bytes, 100);
    sm_manager_destroy(mm);
}

struct stalled {
    struct sm_manager *mm;
    int step;
};

static void *stall(void *context)
{
    struct stalled *stalled = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(stalled->mm, "observer-0", &guard) == SM_OK)
        sm_pin(guard, "reader.c:12");
    __atomic_store_n(&stalled->step, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stalled->step, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    sm_unpin(guard);
    sm_observer_unregister(guard);
    return NULL;
}

static void test_out_of_memory_names_the_guard_that_holds_the_backlog(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){.pacing = "never", .memory_limit_bytes = 1 << 20}, &seen);
    struct stalled stalled = {.mm = mm};
    pthread_t thread;
    sm_observers_allow(mm);
    list_policy_of(mm)->keep_backlog = true;
    assert_int_equal(pthread_create(&thread, NULL, stall, &stalled), 0);
    while (__atomic_load_n(&stalled.step, __ATOMIC_ACQUIRE) < 1)
        sched_yield();
    sm_retire(mm, sm_alloc(mm, SM_TYPE_VALUES, 500000));
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, 900000));
    const char *detail = sm_error_detail(mm);
    assert_non_null(strstr(detail, "retired backlog 500016"));
    assert_non_null(strstr(detail, "held back by guard 'observer-0' at reader.c:12 for "));
    __atomic_store_n(&stalled.step, 2, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    sm_manager_destroy(mm);
}

static void test_quiesce_runs_two_cycles_and_drains(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = traced((struct sm_config){0}, &seen);
    list_policy_of(mm)->keep_backlog = true;
    sm_retire(mm, sm_alloc(mm, SM_TYPE_VALUES, 160));
    assert_int_equal(sm_quiesce(mm), SM_OK);
    assert_int_equal(manager_stats(mm).cycles_by_trigger[SM_TRIGGER_QUIESCE], 2);
    assert_int_equal(list_policy_of(mm)->calls.quiesce, 1);
    assert_int_equal(manager_stats(mm).backlog_bytes, 0);
    assert_int_equal(seen.last_pause.cause, SM_PAUSE_GRACE);
    sm_manager_destroy(mm);
}

static void test_two_runs_agree_in_every_counter(void **state)
{
    (void)state;
    struct sm_stats runs[2];
    for (int run = 0; run < 2; run++) {
        struct seen seen = {0};
        struct sm_config config = {.pacing = "proportional:1.5", .memory_limit_bytes = 4 << 20};
        struct sm_manager *mm = traced(config, &seen);
        for (int i = 0; i < 3000; i++) {
            struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, (size_t)(i % 90) * 32);
            if (i % 17 == 0)
                sm_alloc_value(mm, sm_value_from_object(object, 0));
            sm_safepoint(mm);
        }
        assert_int_equal(sm_quiesce(mm), SM_OK);
        runs[run] = manager_stats(mm);
        runs[run].pause_total_ns = runs[run].pause_max_ns = runs[run].cycle_cpu_ns = 0;
        sm_manager_destroy(mm);
    }
    assert_memory_equal(&runs[0], &runs[1], sizeof(runs[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threshold_only_requests_a_cycle),
        cmocka_unit_test(test_threshold_counts_from_the_last_cycle),
        cmocka_unit_test(test_external_bytes_bring_a_cycle_forward),
        cmocka_unit_test(test_external_bytes_mean_nothing_without_cycles),
        cmocka_unit_test(test_default_threshold),
        cmocka_unit_test(test_policy_without_cycles_has_no_threshold),
        cmocka_unit_test(test_record_says_what_the_cycle_found),
        cmocka_unit_test(test_peak_garbage_includes_the_backlog),
        cmocka_unit_test(test_request_runs_at_the_next_safepoint_once),
        cmocka_unit_test(test_periodic_cycles_ignore_the_pacing),
        cmocka_unit_test(test_every_safepoint_collects),
        cmocka_unit_test(test_pacing_always_collects_unless_disabled),
        cmocka_unit_test(test_disabled_cycles_resume_where_they_are_due),
        cmocka_unit_test(test_proportional_pacing_learns_from_live_bytes),
        cmocka_unit_test(test_limit_shortens_the_threshold),
        cmocka_unit_test(test_ticks_come_at_the_first_safepoint_past_each_multiple),
        cmocka_unit_test(test_failed_cycle_is_not_counted_and_does_not_spin),
        cmocka_unit_test(test_R7_emergency_cycle_frees_and_retries),
        cmocka_unit_test(test_R7_objects_since_the_last_safepoint_survive),
        cmocka_unit_test(test_R7_one_cycle_one_retry_then_the_error),
        cmocka_unit_test(test_out_of_memory_line_names_the_facts),
        cmocka_unit_test(test_heap_is_usable_after_out_of_memory),
        cmocka_unit_test(test_policy_without_cycles_fails_at_once),
        cmocka_unit_test(test_resize_failure_in_an_emergency_keeps_the_object),
        cmocka_unit_test(test_out_of_memory_names_the_guard_that_holds_the_backlog),
        cmocka_unit_test(test_quiesce_runs_two_cycles_and_drains),
        cmocka_unit_test(test_two_runs_agree_in_every_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
