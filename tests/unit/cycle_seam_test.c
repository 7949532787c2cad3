/**
 * What a policy with young cycles, and full ones that go on beside the program, asks of the manager.
 */
#include "cycle_world.h"

#include <sched.h>
#include <string.h>

static void assert_asked(const struct cycle_world *world, size_t index, enum sm_collect_kind kind,
                         enum sm_trigger trigger)
{
    assert_true(index < world->asked_count);
    assert_int_equal(world->asked[index].kind, kind);
    assert_int_equal(world->asked[index].trigger, trigger);
}

/* ---- young cycles ---- */

static void test_young_request_runs_at_the_next_safepoint_once(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){0});
    sm_young_request(world.mm);
    assert_int_equal(world.asked_count, 0);
    sm_safepoint(world.mm);
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    assert_asked(&world, 0, SM_COLLECT_YOUNG, SM_TRIGGER_BOUNDARY);
    assert_int_equal(world.records[0].kind, SM_CYCLE_YOUNG);
    assert_int_equal(world.records[0].trigger, SM_TRIGGER_BOUNDARY);
    cycle_world_close(&world);
}

static void ask_for_young(struct list_policy *lists)
{
    lists->at_safepoint = NULL;
    sm_young_request(lists->base.mm);
}

static void test_young_request_at_a_safepoint_runs_at_this_one(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){0});
    world.lists->at_safepoint = ask_for_young;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    assert_asked(&world, 0, SM_COLLECT_YOUNG, SM_TRIGGER_BOUNDARY);
    /* And leaves nothing to do at the next. */
    uint64_t safepoints = world.lists->calls.safepoint;
    sm_safepoint(world.mm);
    assert_int_equal(world.lists->calls.safepoint, safepoints);
    cycle_world_close(&world);
}

static void test_full_cycle_comes_instead_of_a_young_one(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    cycle_world_allocate(&world, 64 << 10);
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    assert_asked(&world, 0, SM_COLLECT_FULL, SM_TRIGGER_THRESHOLD);
    cycle_world_close(&world);
}

static void test_disabled_cycles_drop_young_requests(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){0});
    sm_young_request(world.mm);
    sm_cycles_enable(world.mm, false);
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    sm_cycles_enable(world.mm, true);
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 0);
    cycle_world_close(&world);
}

static void test_young_cycle_puts_the_threshold_off_by_what_it_took_back(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    world.retired_bytes = 40 << 10;
    cycle_world_allocate(&world, 48 << 10);
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    cycle_world_allocate(&world, 48 << 10); /* 96K of the clock, 40K taken back */
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    cycle_world_allocate(&world, 8 << 10);
    sm_safepoint(world.mm);
    assert_asked(&world, 1, SM_COLLECT_FULL, SM_TRIGGER_THRESHOLD);
    assert_int_equal(world.records[0].heap_bytes, 8 << 10);
    assert_int_equal(world.records[0].goal_bytes, (8 + 16 + 40) << 10);
    /* The full one began a new count. */
    assert_int_equal(world.records[1].goal_bytes - world.records[1].heap_bytes, 64 << 10);
    cycle_world_allocate(&world, 63 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 2);
    cycle_world_allocate(&world, 1 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 3);
    cycle_world_close(&world);
}

static void test_never_stays_never_when_young_cycles_put_it_off(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    world.retired_bytes = 1024;
    for (int i = 0; i < 3; i++) {
        cycle_world_allocate(&world, 4096);
        sm_young_request(world.mm);
        sm_safepoint(world.mm);
    }
    assert_int_equal(manager_stats(world.mm).cycles_by_kind[SM_CYCLE_YOUNG], 3);
    assert_int_equal(manager_stats(world.mm).cycles_by_kind[SM_CYCLE_FULL], 0);
    assert_int_equal(manager_stats(world.mm).threshold_bytes, 0);
    assert_int_equal(world.records[2].goal_bytes, 0);
    cycle_world_close(&world);
}

static void test_failed_young_cycle_leaves_the_threshold_alone(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    cycle_world_allocate(&world, 48 << 10);
    world.status = SM_ERR_GUARD_HELD;
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(manager_stats(world.mm).cycles, 0);
    world.status = SM_OK;
    cycle_world_allocate(&world, 16 << 10);
    sm_safepoint(world.mm);
    assert_asked(&world, 1, SM_COLLECT_FULL, SM_TRIGGER_THRESHOLD);
    cycle_world_close(&world);
}

/* A full cycle finds what young ones leave: at that rate the root rule is to count on it. */
static void test_pacing_learns_the_rate_that_young_cycles_leave(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "sqrt:1e-15"});
    world.record.cpu_ns = UINT64_C(1000000000);
    world.retired_bytes = 512 << 10;
    cycle_world_allocate(&world, 512 << 10);
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(manager_stats(world.mm).threshold_bytes, SM_THRESHOLD_MINIMUM_BYTES);
    cycle_world_allocate(&world, 512 << 10);
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_true(manager_stats(world.mm).threshold_bytes > SM_THRESHOLD_MINIMUM_BYTES);
    cycle_world_close(&world);
}

/* ---- cycles that stay open ---- */

static void close_at_safepoint(struct list_policy *lists)
{
    lists->at_safepoint = NULL;
    cycle_world_end_cycle(cycle_world_of(lists));
}

static void test_open_cycle_is_counted_when_it_closes(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){0});
    assert_int_equal(manager_stats(world.mm).cycles, 0);
    cycle_world_allocate(&world, 200 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    world.record.retired_objects = 10;
    world.record.retired_bytes = 10240;
    world.record.pause_ns = 77;
    world.lists->at_safepoint = close_at_safepoint;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_false(sm_cycle_is_open(world.mm));
    assert_int_equal(world.record_count, 1);
    assert_int_equal(world.records[0].index, 1);
    assert_int_equal(world.records[0].clock_bytes, 264 << 10);
    assert_int_equal(world.records[0].pause_ns, 77);
    struct sm_stats stats = manager_stats(world.mm);
    assert_int_equal(stats.cycles, 1);
    assert_int_equal(stats.concurrent_cycles, 1);
    assert_int_equal(stats.retired_objects, 10);
    assert_int_equal(stats.live_bytes, (264 << 10) - 10240);
    assert_int_equal(stats.peak_live_bytes, 264 << 10);
    cycle_world_close(&world);
}

static void test_threshold_counts_from_the_close(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){0});
    cycle_world_allocate(&world, 100 << 10);
    world.lists->at_safepoint = close_at_safepoint;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    cycle_world_allocate(&world, 63 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    cycle_world_allocate(&world, 1 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 2);
    cycle_world_close(&world);
}

static void test_R10_no_young_cycle_while_one_is_open(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){0});
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    world.lists->at_safepoint = close_at_safepoint;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.asked_count, 1);
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    assert_asked(&world, 1, SM_COLLECT_YOUNG, SM_TRIGGER_BOUNDARY);
    cycle_world_close(&world);
}

static void open_at_safepoint(struct list_policy *lists)
{
    lists->at_safepoint = NULL;
    sm_cycle_open(lists->base.mm);
}

static void test_R10_opening_drops_a_young_request(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    world.lists->at_safepoint = open_at_safepoint;
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    world.lists->at_safepoint = close_at_safepoint;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(manager_stats(world.mm).cycles, 1);
    assert_int_equal(world.asked_count, 0);
    cycle_world_close(&world);
}

static void test_other_triggers_come_while_one_is_open(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){0});
    sm_collect_request(world.mm);
    sm_safepoint(world.mm);
    assert_asked(&world, 1, SM_COLLECT_FULL, SM_TRIGGER_MANUAL);
    assert_false(sm_cycle_is_open(world.mm));
    /* The open one, closed inside, and the one that ran after it. */
    assert_int_equal(world.record_count, 2);
    assert_true(world.records[0].is_concurrent && !world.records[1].is_concurrent);
    assert_int_equal(world.records[0].index, 1);
    assert_int_equal(world.records[1].index, 2);
    assert_int_equal(world.records[1].trigger, SM_TRIGGER_MANUAL);
    assert_true(world.records[0].pause_ns > 0 && world.records[1].pause_ns > 0);
    cycle_world_close(&world);

    cycle_world_with_open(&world, (struct sm_config){0});
    assert_int_equal(sm_quiesce(world.mm), SM_OK);
    assert_int_equal(manager_stats(world.mm).cycles, 3);
    assert_false(sm_cycle_is_open(world.mm));
    cycle_world_close(&world);
}

static void test_emergency_comes_while_one_is_open(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){.memory_limit_bytes = 1 << 20});
    assert_null(sm_alloc(world.mm, SM_TYPE_VALUES, 2 << 20));
    assert_asked(&world, 1, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
    assert_int_equal(manager_stats(world.mm).cycles, 2);
    cycle_world_close(&world);
}

/* A periodic cycle that only opened one must not be due again at every safepoint. */
static sm_status open_whenever_asked(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                                     struct sm_cycle_record *record)
{
    (void)kind;
    (void)trigger;
    (void)record;
    cycle_world_of(lists)->asked_count++;
    if (!sm_cycle_is_open(lists->base.mm))
        sm_cycle_open(lists->base.mm);
    return SM_OK;
}

static void test_periodic_cycle_that_stays_open_is_due_once_a_period(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never", .collect_every_bytes = 32 << 10});
    world.lists->collect_instead = open_whenever_asked;
    for (int i = 0; i < 128; i++) {
        cycle_world_allocate(&world, 1024);
        sm_safepoint(world.mm);
    }
    assert_int_equal(world.asked_count, 4);
    cycle_world_close(&world);
}

static void test_young_cycle_is_reported_before_a_full_one_opens(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    world.lists->collect_instead = cycle_world_young_then_open;
    cycle_world_allocate(&world, 64 << 10);
    sm_safepoint(world.mm);
    assert_true(sm_cycle_is_open(world.mm));
    assert_int_equal(world.record_count, 1);
    assert_true(world.records[0].pause_ns > 0);
    assert_int_equal(world.records[0].max_pause_ns, world.records[0].pause_ns);
    assert_int_equal(manager_stats(world.mm).retired_bytes, 8192);
    assert_int_equal(manager_stats(world.mm).cycles, 1);
    cycle_world_close(&world);
}

/* Finishing the open cycle is all that this emergency needs: the record it was given is that one's. */
static sm_status close_with_the_record(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                                       struct sm_cycle_record *record)
{
    (void)kind;
    (void)trigger;
    if (!sm_cycle_is_open(lists->base.mm)) {
        sm_cycle_open(lists->base.mm);
        return SM_OK;
    }
    record->is_concurrent = record->is_fallback = true;
    sm_cycle_close(lists->base.mm, record);
    return SM_OK;
}

static void test_record_that_was_closed_with_is_counted_once(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    world.lists->collect_instead = close_with_the_record;
    cycle_world_allocate(&world, 64 << 10);
    sm_safepoint(world.mm);
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(world.record_count, 1);
    assert_int_equal(manager_stats(world.mm).cycles, 1);
    assert_int_equal(manager_stats(world.mm).fallbacks, 1);
    cycle_world_close(&world);
}

static void test_statistics_sum_over_the_records(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    for (uint64_t i = 1; i <= 3; i++) {
        struct sm_cycle_record record = {.kind = i == 2 ? SM_CYCLE_YOUNG : SM_CYCLE_FULL,
                                         .trigger = SM_TRIGGER_THRESHOLD,
                                         .is_concurrent = i != 2,
                                         .is_fallback = i == 3,
                                         .traced_objects = i,
                                         .logged_objects = 10 * i,
                                         .collector_cpu_ns = 100 * i,
                                         .cpu_ns = 50 * i,
                                         .slice_count = 1000 * i,
                                         .assist_count = 10000 * i};
        sm_cycle_report(world.mm, &record);
    }
    struct sm_stats stats = manager_stats(world.mm);
    assert_int_equal(stats.cycles, 3);
    assert_int_equal(stats.cycles_by_kind[SM_CYCLE_FULL], 2);
    assert_int_equal(stats.cycles_by_kind[SM_CYCLE_YOUNG], 1);
    assert_int_equal(stats.concurrent_cycles, 2);
    assert_int_equal(stats.fallbacks, 1);
    assert_int_equal(stats.traced_objects, 6);
    assert_int_equal(stats.logged_objects, 60);
    assert_int_equal(stats.collector_cpu_ns, 600);
    assert_int_equal(stats.cycle_cpu_ns, 300);
    assert_int_equal(stats.slices, 6000);
    assert_int_equal(stats.assists, 60000);
    cycle_world_close(&world);
}

static bool is_live_never(void *context, const struct sm_object *object)
{
    (void)context;
    (void)object;
    return false;
}

static int destructor_runs;

static void count_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    (void)mm;
    (void)object;
    (void)context;
    destructor_runs++;
}

static void select_and_close(struct list_policy *lists)
{
    lists->at_safepoint = NULL;
    sm_finalizers_select(lists->base.mm, is_live_never, NULL);
    cycle_world_end_cycle(cycle_world_of(lists));
}

static void test_R5_destructors_that_a_closed_cycle_found_run_at_its_safepoint(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    const struct sm_type type = {.name = "mortal", .finalize = count_destructor};
    sm_type_id id = 0;
    assert_int_equal(sm_type_register(world.mm, &type, &id), SM_OK);
    assert_int_equal(sm_finalizer_register(world.mm, sm_alloc(world.mm, id, 16)), SM_OK);
    destructor_runs = 0;
    sm_cycle_open(world.mm);
    world.lists->at_safepoint = select_and_close;
    sm_attention_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(destructor_runs, 1);
    cycle_world_close(&world);
}

/* ---- room under a limit ---- */

/* Retires one object of a mebibyte the first time, as a cycle does, and nothing after it. */
static sm_status retire_once(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                             struct sm_cycle_record *record)
{
    (void)kind;
    (void)trigger;
    if (cycle_world_of(lists)->asked_count++ != 0)
        return SM_OK;
    struct sm_object *object = cycle_world_of(lists)->victim;
    record->retired_objects = 1;
    record->retired_bytes = object->payload_bytes;
    lists->base.ops->retire(&lists->base, object);
    return SM_OK;
}

static void test_room_leaves_the_last_cycles_own_garbage_out(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 1 << 30, .memory_limit_bytes = 8 << 20});
    world.lists->keep_backlog = true;
    world.lists->collect_instead = retire_once;
    world.victim = sm_alloc(world.mm, SM_TYPE_VALUES, 1 << 20);
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_true(manager_stats(world.mm).backlog_bytes > 1 << 20);
    assert_int_equal(manager_stats(world.mm).threshold_bytes, 4 << 20);
    /* It still waits at the end of the next one: a guard holds it. */
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(manager_stats(world.mm).threshold_bytes, ((8 << 20) - sm_block_bytes(1 << 20)) / 2);
    cycle_world_close(&world);
}

/* ---- who marks ---- */

static void test_collector_threads_are_what_was_asked_for(void **state)
{
    (void)state;
    struct sm_manager *mm =
        manager_open(&(struct sm_config){.collector_threads = SM_COLLECTOR_THREADS_NONE, .policy = "marksweep"});
    assert_int_equal(sm_collector_threads(mm), 0);
    sm_manager_destroy(mm);
    mm = manager_open(&(struct sm_config){.collector_threads = SM_COLLECTOR_THREADS_ONE, .policy = "marksweep"});
    assert_int_equal(sm_collector_threads(mm), 1);
    sm_manager_destroy(mm);
    struct sm_error error;
    const struct sm_config wrong = {.collector_threads = (enum sm_collector_threads)7};
    assert_int_equal(sm_manager_create(&wrong, &mm, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "collector threads 7"));
}

static void test_collector_threads_follow_the_cpus(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    struct sm_manager *mm = manager_open(&(struct sm_config){.policy = "marksweep"});
    assert_int_equal(sm_collector_threads(mm), CPU_COUNT(&all) >= 2);
    sm_manager_destroy(mm);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    mm = manager_open(&(struct sm_config){.policy = "marksweep"});
    assert_int_equal(sm_collector_threads(mm), 0);
    sm_manager_destroy(mm);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_young_request_runs_at_the_next_safepoint_once),
        cmocka_unit_test(test_young_request_at_a_safepoint_runs_at_this_one),
        cmocka_unit_test(test_full_cycle_comes_instead_of_a_young_one),
        cmocka_unit_test(test_disabled_cycles_drop_young_requests),
        cmocka_unit_test(test_young_cycle_puts_the_threshold_off_by_what_it_took_back),
        cmocka_unit_test(test_never_stays_never_when_young_cycles_put_it_off),
        cmocka_unit_test(test_failed_young_cycle_leaves_the_threshold_alone),
        cmocka_unit_test(test_pacing_learns_the_rate_that_young_cycles_leave),
        cmocka_unit_test(test_open_cycle_is_counted_when_it_closes),
        cmocka_unit_test(test_threshold_counts_from_the_close),
        cmocka_unit_test(test_R10_no_young_cycle_while_one_is_open),
        cmocka_unit_test(test_R10_opening_drops_a_young_request),
        cmocka_unit_test(test_other_triggers_come_while_one_is_open),
        cmocka_unit_test(test_emergency_comes_while_one_is_open),
        cmocka_unit_test(test_periodic_cycle_that_stays_open_is_due_once_a_period),
        cmocka_unit_test(test_young_cycle_is_reported_before_a_full_one_opens),
        cmocka_unit_test(test_record_that_was_closed_with_is_counted_once),
        cmocka_unit_test(test_statistics_sum_over_the_records),
        cmocka_unit_test(test_R5_destructors_that_a_closed_cycle_found_run_at_its_safepoint),
        cmocka_unit_test(test_room_leaves_the_last_cycles_own_garbage_out),
        cmocka_unit_test(test_collector_threads_are_what_was_asked_for),
        cmocka_unit_test(test_collector_threads_follow_the_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
