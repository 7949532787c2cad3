/**
 * Guards: nesting, repinning, offline stretches, epochs, observers, reports and their ages.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/manager_internal.h"

#include <setjmp.h>
#include <string.h>
#include <time.h>

static void test_epoch_starts_at_one_and_outermost_pins_advance_it(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_guard *guard = sm_owner_guard(mm);
    assert_int_equal(sm_epoch_current(mm), 1);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_epoch_current(mm), 2);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_epoch_current(mm), 2);
    sm_unpin(guard);
    sm_unpin(guard);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_epoch_current(mm), 3);
    sm_unpin(guard);
}

static void test_only_the_outermost_pin_asks_the_policy(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    struct sm_guard *guard = sm_owner_guard(*state);
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_guard_depth(guard), 3);
    sm_unpin(guard);
    sm_unpin(guard);
    assert_int_equal(calls->pin, 1);
    assert_int_equal(calls->unpin, 0);
    sm_unpin(guard);
    assert_int_equal(calls->unpin, 1);
    assert_int_equal(sm_guard_depth(guard), 0);
}

static void test_repin_works_only_at_nesting_one(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    struct sm_guard *guard = sm_owner_guard(*state);
    sm_repin(guard, SM_HERE);
    assert_int_equal(calls->repin, 0);
    sm_pin(guard, SM_HERE);
    uint64_t epoch = sm_epoch_current(*state);
    sm_repin(guard, SM_HERE);
    assert_int_equal(calls->repin, 1);
    assert_int_equal(sm_epoch_current(*state), epoch + 1);
    sm_pin(guard, SM_HERE);
    sm_repin(guard, SM_HERE);
    assert_int_equal(calls->repin, 1);
    sm_guard_restore(guard, 0);
}

static void test_offline_at_any_nesting_empties_the_slot(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    struct sm_guard *guard = sm_owner_guard(*state);
    struct sm_guard_report report;
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_guard_reports(*state, &report, 1), 1);
    sm_offline(guard);
    assert_int_equal(sm_guard_reports(*state, &report, 1), 0);
    sm_offline(guard);
    sm_online(guard);
    assert_int_equal(calls->offline, 1);
    assert_int_equal(calls->online, 0);
    sm_online(guard);
    assert_int_equal(calls->online, 1);
    assert_int_equal(sm_guard_reports(*state, &report, 1), 1);
    assert_int_equal(sm_guard_depth(guard), 2);
    sm_guard_restore(guard, 0);
}

static void test_offline_of_an_unpinned_guard_asks_nobody(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    sm_owner_wait_begin(*state);
    sm_owner_wait_end(*state);
    assert_int_equal(calls->offline, 0);
    assert_int_equal(calls->online, 0);
}

static void test_owner_wait_takes_a_pinned_owner_offline(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    sm_pin(sm_owner_guard(*state), SM_HERE);
    sm_owner_wait_begin(*state);
    assert_int_equal(calls->offline, 1);
    sm_owner_wait_end(*state);
    assert_int_equal(calls->online, 1);
    sm_unpin(sm_owner_guard(*state));
}

static void test_R14_longjmp_is_restored_to_the_depth_of_the_catch(void **state)
{
    struct list_calls *calls = &list_policy_of(*state)->calls;
    struct sm_guard *guard = sm_owner_guard(*state);
    jmp_buf catch;
    sm_pin(guard, SM_HERE);
    uint32_t depth = sm_guard_depth(guard);
    if (setjmp(catch) == 0) {
        sm_pin(guard, SM_HERE);
        sm_pin(guard, SM_HERE);
        longjmp(catch, 1);
    }
    sm_guard_restore(guard, depth);
    assert_int_equal(sm_guard_depth(guard), 1);
    assert_int_equal(calls->unpin, 0);
    sm_guard_restore(guard, 0);
    assert_int_equal(calls->unpin, 1);
}

static void test_without_pin_the_owner_guard_only_counts(void **state)
{
    struct sm_guard *guard = sm_owner_guard(*state);
    sm_pin(guard, SM_HERE);
    sm_repin(guard, SM_HERE);
    sm_offline(guard);
    sm_online(guard);
    assert_int_equal(sm_guard_depth(guard), 1);
    sm_unpin(guard);
    assert_int_equal(list_policy_of(*state)->calls.pin, 0);
    assert_int_equal(list_policy_of(*state)->calls.guard_register, 0);
    assert_int_equal(sm_epoch_of(*state, sm_alloc(*state, SM_TYPE_BYTES, 8)), 0);
}

static void test_observers_are_refused_without_the_capability(void **state)
{
    struct sm_guard *guard = NULL;
    assert_int_equal(sm_observer_register(*state, "reader", &guard), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_observers_allow(*state), SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(sm_error_detail(*state), "lists"));
    assert_null(guard);
}

static void test_owner_thread_cannot_observe(void **state)
{
    struct sm_guard *guard = NULL;
    assert_int_equal(sm_observer_register(*state, "reader", &guard), SM_ERR_WRONG_THREAD);
    assert_null(guard);
}

static void test_unregistering_null_is_fine(void **state)
{
    sm_observer_unregister(NULL);
    assert_int_equal(list_policy_of(*state)->calls.guard_unregister, 0);
}

/* An observer thread that a test leads step by step. */
struct observer {
    struct sm_manager *mm;
    const char *name;
    const char *site;
    struct sm_guard *guard;
    sm_status status;
    int step;
    bool pinned;
    pthread_t thread;
};

static void step_to(struct observer *observer, int step)
{
    __atomic_store_n(&observer->step, step, __ATOMIC_RELEASE);
}

static void wait_for_step(struct observer *observer, int step)
{
    const struct timespec pause = {0, 20000};
    while (__atomic_load_n(&observer->step, __ATOMIC_ACQUIRE) < step)
        nanosleep(&pause, NULL);
}

/* Registers, pins, waits for step 2, unpins, unregisters. */
static void *observe(void *context)
{
    struct observer *observer = context;
    observer->status = sm_observer_register(observer->mm, observer->name, &observer->guard);
    if (observer->status == SM_OK)
        sm_pin(observer->guard, observer->site);
    step_to(observer, 1);
    if (observer->status != SM_OK)
        return NULL;
    wait_for_step(observer, 2);
    sm_unpin(observer->guard);
    sm_observer_unregister(observer->guard);
    return NULL;
}

static void observer_start(struct observer *observer)
{
    assert_int_equal(pthread_create(&observer->thread, NULL, observe, observer), 0);
    wait_for_step(observer, 1);
}

static void observer_stop(struct observer *observer)
{
    step_to(observer, 2);
    pthread_join(observer->thread, NULL);
}

static void test_observer_registers_and_is_reported(void **state)
{
    struct sm_manager *mm = *state;
    struct observer observer = {.mm = mm, .name = "reader-with-a-name-that-is-far-too-long", .site = "here:1"};
    assert_int_equal(sm_observers_allow(mm), SM_OK);
    observer_start(&observer);
    assert_int_equal(observer.status, SM_OK);
    struct sm_guard_report report;
    assert_int_equal(sm_guard_reports(mm, &report, 1), 1);
    assert_string_equal(report.thread, "reader-with-a-name-that-is-far-");
    assert_string_equal(report.site, "here:1");
    assert_int_equal(report.pinned_epoch, 1);
    observer_stop(&observer);
    assert_int_equal(sm_guard_reports(mm, &report, 1), 0);
    assert_int_equal(list_policy_of(mm)->calls.guard_unregister, 1);
}

static void test_first_observer_waits_for_a_safepoint(void **state)
{
    struct sm_manager *mm = *state;
    struct observer observer = {.mm = mm, .name = "late", .site = "here"};
    const struct timespec pause = {0, 1000000};
    assert_int_equal(sm_hot(mm)->barrier & SM_BARRIER_PUBLISH, 0);
    assert_int_equal(pthread_create(&observer.thread, NULL, observe, &observer), 0);
    while (__atomic_load_n(&observer.step, __ATOMIC_ACQUIRE) < 1) {
        sm_safepoint(mm);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(observer.status, SM_OK);
    assert_true((sm_hot(mm)->barrier & SM_BARRIER_PUBLISH) != 0);
    observer_stop(&observer);
}

static void test_owner_going_offline_lets_a_waiting_observer_in(void **state)
{
    struct sm_manager *mm = *state;
    struct observer observer = {.mm = mm, .name = "late", .site = "here"};
    const struct timespec pause = {0, 1000000};
    assert_int_equal(pthread_create(&observer.thread, NULL, observe, &observer), 0);
    while (__atomic_load_n(&observer.step, __ATOMIC_ACQUIRE) < 1) {
        sm_offline(sm_owner_guard(mm));
        nanosleep(&pause, NULL);
        sm_online(sm_owner_guard(mm));
    }
    assert_int_equal(observer.status, SM_OK);
    observer_stop(&observer);
}

static void test_observer_gives_up_when_the_owner_never_reaches_a_safepoint(void **state)
{
    struct sm_manager *mm = *state;
    struct observer observer = {.mm = mm, .name = "late"};
    mm->guards.allow_wait_ms = 5;
    observer_start(&observer);
    pthread_join(observer.thread, NULL);
    assert_int_equal(observer.status, SM_ERR_SYSTEM);
    assert_null(observer.guard);
    assert_int_equal(mm->guards.observer_count, 0);
}

static void test_refused_registration_leaves_nothing_behind(void **state)
{
    struct sm_manager *mm = *state;
    struct observer observer = {.mm = mm, .name = "reader"};
    sm_observers_allow(mm);
    list_policy_of(mm)->register_status = SM_ERR_OUT_OF_MEMORY;
    observer_start(&observer);
    pthread_join(observer.thread, NULL);
    assert_int_equal(observer.status, SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(mm->guards.observer_count, 0);
}

static void test_ages_grow_only_while_the_pin_stays(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_guard *guard = sm_owner_guard(mm);
    struct sm_guard_report before;
    struct sm_guard_report after;
    const struct timespec pause = {0, 3000000};
    sm_pin(guard, "a");
    sm_guards_observe_ages(mm);
    nanosleep(&pause, NULL);
    assert_int_equal(sm_guard_reports(mm, &before, 1), 1);
    assert_true(before.age_ns >= 3000000);
    sm_repin(guard, "b");
    assert_int_equal(sm_guard_reports(mm, &after, 1), 1);
    assert_int_equal(after.age_ns, 0);
    assert_string_equal(after.site, "b");
    assert_int_equal(after.pinned_epoch, before.pinned_epoch + 1);
    sm_unpin(guard);
}

static void test_two_pins_of_one_epoch_have_separate_ages(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_guard *guard = sm_owner_guard(mm);
    sm_pin(guard, "a");
    sm_guards_observe_ages(mm);
    sm_offline(guard);
    /* Not looked at while offline: only the pin's own sequence can tell that it is a new one. */
    mm->guards.epoch--;
    sm_online(guard);
    struct sm_guard_report report;
    assert_int_equal(sm_guard_reports(mm, &report, 1), 1);
    assert_int_equal(report.age_ns, 0);
    sm_unpin(guard);
}

static void test_reports_are_sorted_and_cut(void **state)
{
    struct sm_manager *mm = *state;
    struct observer old_one = {.mm = mm, .name = "old", .site = "old:1"};
    struct observer young = {.mm = mm, .name = "young", .site = "young:1"};
    sm_observers_allow(mm);
    observer_start(&old_one);
    sm_guards_observe_ages(mm);
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    observer_start(&young);
    sm_pin(sm_owner_guard(mm), "owner:1");
    sm_guards_observe_ages(mm);
    struct sm_guard_report reports[3] = {{.thread = ""}};
    assert_int_equal(sm_guard_reports(mm, reports, 3), 3);
    assert_string_equal(reports[0].thread, "old");
    assert_true(reports[0].age_ns >= reports[1].age_ns && reports[1].age_ns >= reports[2].age_ns);
    memset(reports, 0, sizeof(reports));
    assert_int_equal(sm_guard_reports(mm, reports, 1), 3);
    assert_string_equal(reports[0].thread, "old");
    assert_string_equal(reports[1].thread, "");
    assert_int_equal(sm_guard_reports(mm, NULL, 0), 3);
    sm_unpin(sm_owner_guard(mm));
    observer_stop(&young);
    observer_stop(&old_one);
}

static void test_long_site_keeps_its_end(void **state)
{
    struct sm_manager *mm = *state;
    char site[200];
    memset(site, 'x', sizeof(site));
    strcpy(site + 190, "file:77");
    sm_pin(sm_owner_guard(mm), site);
    struct sm_guard_report report;
    sm_guard_reports(mm, &report, 1);
    assert_int_equal(strlen(report.site), sizeof(report.site) - 1);
    assert_string_equal(report.site + sizeof(report.site) - 1 - 7, "file:77");
    sm_unpin(sm_owner_guard(mm));
}

static void count_stall(void *context, const struct sm_guard_report *report)
{
    assert_string_equal(report->thread, "stalled");
    ++*(int *)context;
}

static void test_stall_report_skips_the_owner_and_calls_the_hook(void **state)
{
    (void)state;
    int stalls = 0;
    struct sm_config config = {.hooks = {.context = &stalls, .on_guard_stall = count_stall}};
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, &config);
    struct sm_guard_report report;
    sm_pin(sm_owner_guard(mm), SM_HERE);
    assert_false(sm_guard_stall_report(mm, &report));
    struct observer observer = {.mm = mm, .name = "stalled", .site = "there:9"};
    sm_observers_allow(mm);
    observer_start(&observer);
    assert_true(sm_guard_stall_report(mm, &report));
    assert_string_equal(report.site, "there:9");
    assert_int_equal(stalls, 1);
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    assert_int_equal(stats.guard_stalls, 1);
    observer_stop(&observer);
    sm_unpin(sm_owner_guard(mm));
    sm_manager_destroy(mm);
}

/* A reader that follows a published slot; ThreadSanitizer watches the object behind it. */
struct reader {
    struct sm_manager *mm;
    struct sm_value *slot;
    bool stop;
    uint64_t mismatches, reads;
    sm_status status;
};

static void *read_slot(void *context)
{
    struct reader *reader = context;
    struct sm_guard *guard = NULL;
    reader->status = sm_observer_register(reader->mm, "reader", &guard);
    if (reader->status != SM_OK)
        return NULL;
    while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
        sm_pin(guard, SM_HERE);
        struct sm_value value = sm_load_shared(reader->slot);
        if (sm_value_is_heap(value)) {
            const uint64_t *payload = sm_payload_const(sm_value_object(value));
            reader->mismatches += payload[0] != value.tag >> 8 ? 1 : 0;
            __atomic_fetch_add(&reader->reads, 1, __ATOMIC_RELAXED);
        }
        sm_unpin(guard);
    }
    sm_observer_unregister(guard);
    return NULL;
}

static void test_published_objects_are_seen_whole_by_observers(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 16);
    struct reader reader = {.mm = mm, .slot = sm_payload(owner)};
    pthread_t thread;
    assert_int_equal(sm_observers_allow(mm), SM_OK);
    assert_int_equal(pthread_create(&thread, NULL, read_slot, &reader), 0);
    /* Until the reader has really read; a test that never gets there is stopped by its time limit. */
    for (uint64_t i = 0; i < 20000 || __atomic_load_n(&reader.reads, __ATOMIC_RELAXED) < 100; i++) {
        struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 16);
        assert_non_null(object);
        *(uint64_t *)sm_payload(object) = i;
        sm_store(mm, owner, sm_payload(owner), sm_value_from_object(object, i << 8));
        sm_guards_synchronized(mm);
    }
    __atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(reader.status, SM_OK);
    assert_int_equal(reader.mismatches, 0);
}

int main(void)
{
    struct sm_config traced = {.custom_policy = &list_policy_tracing_ops};
    struct sm_config lists = {.custom_policy = &list_policy_ops};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(test_epoch_starts_at_one_and_outermost_pins_advance_it, &traced),
        MANAGER_TEST(test_only_the_outermost_pin_asks_the_policy, &traced),
        MANAGER_TEST(test_repin_works_only_at_nesting_one, &traced),
        MANAGER_TEST(test_offline_at_any_nesting_empties_the_slot, &traced),
        MANAGER_TEST(test_offline_of_an_unpinned_guard_asks_nobody, &traced),
        MANAGER_TEST(test_owner_wait_takes_a_pinned_owner_offline, &traced),
        MANAGER_TEST(test_R14_longjmp_is_restored_to_the_depth_of_the_catch, &traced),
        MANAGER_TEST(test_without_pin_the_owner_guard_only_counts, &lists),
        MANAGER_TEST(test_observers_are_refused_without_the_capability, &lists),
        MANAGER_TEST(test_owner_thread_cannot_observe, &traced),
        MANAGER_TEST(test_unregistering_null_is_fine, &traced),
        MANAGER_TEST(test_observer_registers_and_is_reported, &traced),
        MANAGER_TEST(test_first_observer_waits_for_a_safepoint, &traced),
        MANAGER_TEST(test_owner_going_offline_lets_a_waiting_observer_in, &traced),
        MANAGER_TEST(test_observer_gives_up_when_the_owner_never_reaches_a_safepoint, &traced),
        MANAGER_TEST(test_refused_registration_leaves_nothing_behind, &traced),
        MANAGER_TEST(test_ages_grow_only_while_the_pin_stays, &traced),
        MANAGER_TEST(test_two_pins_of_one_epoch_have_separate_ages, &traced),
        MANAGER_TEST(test_reports_are_sorted_and_cut, &traced),
        MANAGER_TEST(test_long_site_keeps_its_end, &traced),
        cmocka_unit_test(test_stall_report_skips_the_owner_and_calls_the_hook),
        MANAGER_TEST(test_published_objects_are_seen_whole_by_observers, &traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
