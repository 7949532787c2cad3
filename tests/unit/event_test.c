/**
 * Events: what the manager tells by itself, and how policies tell theirs.
 */
#include "cycle_world.h"

#include "../../lib/mm/src/event.h"

#include <pthread.h>
#include <sched.h>

static void assert_event(const struct cycle_world *world, size_t index, enum sm_event_kind kind,
                         enum sm_cycle_kind cycle_kind)
{
    assert_true(index < world->event_count);
    assert_int_equal(world->events[index].kind, kind);
    assert_int_equal(world->events[index].cycle_kind, cycle_kind);
}

/* As many ends as starts, and never two of either in a row. */
static void assert_balanced(const struct cycle_world *world)
{
    bool is_open = false;
    for (size_t i = 0; i < world->event_count; i++) {
        enum sm_event_kind kind = world->events[i].kind;
        if (kind != SM_EVENT_CYCLE_START && kind != SM_EVENT_CYCLE_END)
            continue;
        assert_int_equal(is_open, kind == SM_EVENT_CYCLE_END);
        is_open = !is_open;
    }
    assert_false(is_open);
}

static void test_events_frame_each_cycle(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    world.retired_bytes = 512;
    cycle_world_allocate(&world, 2048);
    world.event_count = 0;
    sm_young_request(world.mm);
    sm_safepoint(world.mm);
    assert_int_equal(world.event_count, 2);
    assert_event(&world, 0, SM_EVENT_CYCLE_START, SM_CYCLE_YOUNG);
    assert_event(&world, 1, SM_EVENT_CYCLE_END, SM_CYCLE_YOUNG);
    assert_int_equal(world.events[0].amount, 2048);
    assert_int_equal(world.events[1].amount, 512);
    assert_int_equal(world.events[1].clock_bytes, 2048);
    assert_int_equal(world.events[1].duration_ns, world.records[0].pause_ns);
    assert_true(world.events[0].time_ns <= world.events[1].time_ns);
    world.status = SM_ERR_GUARD_HELD;
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_ERR_GUARD_HELD);
    assert_int_equal(world.event_count, 4);
    assert_balanced(&world);
    cycle_world_close(&world);
}

static void test_events_of_an_open_cycle_and_one_inside_are_balanced(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_with_open(&world, (struct sm_config){0});
    assert_int_equal(sm_collect(world.mm, SM_COLLECT_FULL), SM_OK);
    assert_balanced(&world);
    cycle_world_close(&world);
    cycle_world_open(&world, (struct sm_config){.threshold_bytes = 64 << 10});
    world.lists->collect_instead = cycle_world_young_then_open;
    cycle_world_allocate(&world, 64 << 10);
    sm_safepoint(world.mm);
    cycle_world_end_cycle(&world);
    assert_balanced(&world);
    cycle_world_close(&world);
}

static void test_policies_tell_events_through_the_manager(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){0});
    cycle_world_allocate(&world, 1024);
    world.event_count = 0;
    sm_event(world.mm, SM_EVENT_SLICE, SM_CYCLE_FULL, 123, 456);
    assert_event(&world, 0, SM_EVENT_SLICE, SM_CYCLE_FULL);
    assert_int_equal(world.events[0].amount, 123);
    assert_int_equal(world.events[0].duration_ns, 456);
    assert_int_equal(world.events[0].clock_bytes, 1024);
    assert_true(world.events[0].time_ns > 0);
    cycle_world_close(&world);
}

static void test_resize_is_told_once_a_mebibyte(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){.pacing = "never"});
    for (int i = 0; i < 64; i++)
        assert_true(sm_reserve(world.mm, 64 << 10));
    assert_int_equal(world.event_count, 4);
    assert_event(&world, 0, SM_EVENT_RESIZE, SM_CYCLE_FULL);
    assert_int_equal(world.events[3].amount, 4 << 20);
    sm_unreserve(world.mm, 64 * (64 << 10));
    assert_true(sm_reserve(world.mm, 2 << 20)); /* below the peak */
    sm_unreserve(world.mm, 2 << 20);
    assert_int_equal(world.event_count, 4);
    cycle_world_close(&world);
}

struct reader {
    struct sm_manager *mm;
    int step; /* 1: pinned, 2: may end */
};

static void *read_until_told(void *context)
{
    struct reader *reader = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(reader->mm, "observer-0", &guard) == SM_OK)
        sm_pin(guard, "reader.c:12");
    __atomic_store_n(&reader->step, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&reader->step, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    sm_unpin(guard);
    sm_observer_unregister(guard);
    return NULL;
}

static void test_a_reported_guard_is_told(void **state)
{
    (void)state;
    struct cycle_world world;
    cycle_world_open(&world, (struct sm_config){0});
    struct reader reader = {.mm = world.mm};
    pthread_t thread;
    sm_observers_allow(world.mm);
    assert_int_equal(pthread_create(&thread, NULL, read_until_told, &reader), 0);
    while (__atomic_load_n(&reader.step, __ATOMIC_ACQUIRE) < 1)
        sched_yield();
    world.lists->keep_backlog = true;
    sm_retire(world.mm, sm_alloc(world.mm, SM_TYPE_VALUES, 160));
    world.event_count = 0;
    struct sm_guard_report report;
    assert_true(sm_guard_stall_report(world.mm, &report));
    assert_event(&world, 0, SM_EVENT_PIN_STALL, SM_CYCLE_FULL);
    assert_int_equal(world.events[0].amount, sm_block_bytes(160));
    assert_int_equal(world.events[0].duration_ns, report.age_ns);
    __atomic_store_n(&reader.step, 2, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    cycle_world_close(&world);
}

static void test_every_kind_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < SM_EVENT_KIND_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sm_event_kind_name((enum sm_event_kind)i),
                                    sm_event_kind_name((enum sm_event_kind)j));
    assert_string_equal(sm_event_kind_name(SM_EVENT_PIN_STALL), "pin_stall");
    assert_string_equal(sm_cycle_kind_name(SM_CYCLE_FULL), "full");
    assert_string_equal(sm_cycle_kind_name(SM_CYCLE_YOUNG), "young");
    assert_string_equal(sm_trigger_name(SM_TRIGGER_BOUNDARY), "boundary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_frame_each_cycle),
        cmocka_unit_test(test_events_of_an_open_cycle_and_one_inside_are_balanced),
        cmocka_unit_test(test_policies_tell_events_through_the_manager),
        cmocka_unit_test(test_a_reported_guard_is_told),
        cmocka_unit_test(test_resize_is_told_once_a_mebibyte),
        cmocka_unit_test(test_every_kind_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
