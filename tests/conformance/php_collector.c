/* The collector as programs see it: gc_status, thresholds, full buffers, gc_disable. php-src: gc_001 to gc_003, gc_012, gc_023, gc_025, gc_037, gc_045, bug70805. */
#include "php_case.h"

#include <string.h>

/* $a = []; $a[] = &$a; unset($a); at a safepoint, as every opcode that may run the collector is one. */
static void drop_array_cycle(struct vm *vm)
{
    struct vm_reference *self = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    php_reference_append(vm, self, vm_value_copy(vm, php_reference_value(self)));
    vm_value_drop(vm, php_reference_value(self));
    vm_safepoint(vm);
}

static void drop_object_cycles(struct vm *vm, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        php_drop_cycle(vm);
        vm_safepoint(vm);
    }
}

static void expect_status(struct vm *vm, uint64_t runs, uint64_t collected, uint64_t threshold, uint64_t roots)
{
    struct vm_gc_status status = vm_gc_status(vm);
    assert_int_equal(status.runs, runs);
    assert_int_equal(status.collected, collected);
    assert_int_equal(status.threshold, threshold);
    assert_int_equal(status.roots, roots);
}

/* PHP 8.2: 0, and gc_status counts no run. A tracing policy looks, and finds nothing. */
static void php_65_collecting_with_nothing_to_do(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_gc_status before = vm_gc_status(vm);
    uint64_t collected = php_collect(fixture);
    struct vm_gc_status after = vm_gc_status(vm);
    if (!php_is_boehm(fixture))
        assert_int_equal(collected, 0);
    assert_int_equal(after.collected - before.collected, collected);
    assert_int_equal(after.roots, 0);
    assert_int_equal(php_live(fixture), live_before - collected);
    assert_int_equal(after.runs - before.runs, vm_fixture_counts(fixture) || php_keeps_garbage(fixture) ? 0 : 1);
}

/* PHP 8.2: three possible roots; then 3, one run, 3 collected, no roots; again: 0 and the same figures. */
static void php_66_status_after_three_cycles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    drop_object_cycles(vm, 3);
    expect_status(vm, 0, 0, 10001, 3);
    assert_int_equal(php_collect(fixture), 3);
    expect_status(vm, 1, 3, 10001, 0);
    assert_int_equal(php_collect(fixture), 0);
    expect_status(vm, 1, 3, 10001, 0);
}

/*
 * 30,000 arrays in themselves. PHP 8.2, fresh: 2 runs, 20,000 collected, threshold 10001, 10,000 roots; then
 * gc_collect_cycles returns 10,000.
 */
static void php_67_root_buffer_runs_full(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    for (int i = 0; i < 30000; i++)
        drop_array_cycle(vm);
    if (vm_fixture_counts(fixture)) {
        expect_status(vm, 2, 20000, 10001, 10000);
        assert_int_equal(php_collect(fixture), 10000);
        expect_status(vm, 3, 30000, 10001, 0);
    }
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(php_settled(fixture), live_before);
    else if (php_is_boehm(fixture))
        assert_in_range(php_settled(fixture), 0, live_before + 9000);
}

/* gc_disable(), then 150,000 and 600,000 cycles. PHP 8.2: all are roots, none is lost; one call collects each lot. */
static void php_68_more_roots_than_the_buffer_begins_with(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    const uint64_t lots[] = {150000, test_scale(600000, 150000, 150000)};
    uint64_t collected = 0;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_gc_disable(vm);
    for (uint64_t lot = 0; lot < 2; lot++) {
        drop_object_cycles(vm, lots[lot]);
        expect_status(vm, lot, collected, 10001, lots[lot]);
        assert_int_equal(php_collect(fixture), lots[lot]);
        collected += lots[lot];
        expect_status(vm, lot + 1, collected, 10001, 0);
        assert_int_equal(php_live(fixture), live_before);
    }
}

static void touch_all(struct vm *vm, struct vm_array *list)
{
    for (size_t i = 0; i < vm_array_count(list); i++) {
        vm_local_set(vm, 0, vm_value_copy(vm, vm_array_get_index(list, (int64_t)i)));
        vm_safepoint(vm);
    }
    vm_local_set(vm, 0, vm_null());
    vm_safepoint(vm);
}

/*
 * 50,000 live objects touched twice, dropped, and then six times 20,000 cycles. PHP 8.2: the threshold rises by
 * 10,000 with every run that finds fewer than 100, to 40001, and falls back with every one that finds more.
 */
static void php_69_threshold_follows_what_runs_find(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    vm_frame_enter(vm, 1);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_global_set(vm, "kept", vm_array_value(list));
    for (int i = 0; i < 50000; i++)
        vm_array_append(vm, list, vm_object_value(php_plain(vm)));
    expect_status(vm, 0, 0, 10001, 0);
    touch_all(vm, list);
    expect_status(vm, 2, 0, 30001, 20000);
    touch_all(vm, list);
    expect_status(vm, 3, 0, 40001, 40000);
    vm_global_set(vm, "kept", vm_null());
    expect_status(vm, 3, 0, 40001, 0);
    static const struct vm_gc_status steps[] = {{3, 0, 40001, 20000},     {3, 0, 40001, 40000},
                                                {4, 40000, 30001, 20000}, {5, 70000, 20001, 10000},
                                                {6, 90000, 10001, 10000}, {8, 110000, 10001, 10000}};
    for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
        drop_object_cycles(vm, 20000);
        expect_status(vm, steps[step].runs, steps[step].collected, steps[step].threshold, steps[step].roots);
    }
    vm_frame_leave(vm);
}

/* new Bar() that only a static member holds, until the next one. */
static void replace_the_static(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ((struct php_log *)vm_context(vm))->answer++;
    struct vm_object *bar = php_plain(vm);
    vm_extension_data_set(vm, "S::$bar", php_share(vm, bar));
    vm_value_drop(vm, vm_object_value(bar));
}

/*
 * 30,000 times an object in itself that holds one whose destructor makes another. PHP 8.2: 10 runs, 25,000 collected,
 * threshold 10001, 10,000 roots: what destructors delay is counted when the second look frees it.
 */
static void php_70_runs_that_call_destructors(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Value", replace_the_static);
    for (int i = 0; i < 30000; i++) {
        struct vm_object *value = php_object(vm, "Value", 0), *holder = php_plain(vm);
        php_link(vm, holder, PHP_P, holder);
        php_link(vm, holder, PHP_Q, value);
        vm_value_drop(vm, vm_object_value(value));
        /* Nothing roots it past the safepoint but its count, where there is one. */
        struct sm_value held = vm_object_value(holder);
        vm_safepoint(vm);
        vm_value_drop(vm, held);
        vm_safepoint(vm);
    }
    if (vm_fixture_counts(fixture)) {
        expect_status(vm, 10, 25000, 10001, 10000);
        assert_int_equal(log.answer, 25000);
    }
    assert_in_range(log.answer, 0, 30000);
    vm_request_end(vm);
    assert_int_equal(log.answer, 30000);
    vm_request_begin(vm);
}

static void small_threshold(struct sm_config *config)
{
    config->threshold_bytes = 64 * 1024;
}

/* A cycle that a threshold in bytes asks for begins at the first safepoint past it; one in roots likewise. */
static void begin_disabled(struct vm_fixture *fixture, struct php_log *log)
{
    if (!vm_fixture_counts(fixture))
        vm_fixture_reopen(fixture, small_threshold);
    php_begin(fixture, log);
    assert_true(vm_gc_enabled(fixture->vm));
    vm_gc_disable(fixture->vm);
    assert_false(vm_gc_enabled(fixture->vm));
}

/*
 * PHP 8.2: with 20,000 roots and the collector off, no run; gc_enable alone starts none either; the next possible
 * root does, which collects the 20,000 and then is the one root.
 */
static void php_71_disabled_collector_keeps_garbage_until_enabled(struct vm_fixture *fixture)
{
    struct vm *vm;
    struct php_log log;
    begin_disabled(fixture, &log);
    vm = fixture->vm;
    uint64_t live_before = php_live(fixture), runs = vm_gc_status(vm).runs;
    drop_object_cycles(vm, 20000);
    assert_int_equal(vm_gc_status(vm).runs, runs);
    assert_int_equal(php_live(fixture), live_before + 20000);
    vm_gc_enable(vm);
    if (vm_fixture_counts(fixture))
        expect_status(vm, 0, 0, 10001, 20000);
    drop_object_cycles(vm, 1);
    vm_fixture_let_cycles_end(fixture);
    if (vm_fixture_counts(fixture))
        expect_status(vm, 1, 20000, 10001, 1);
    else
        assert_true(vm_gc_status(vm).runs > runs);
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_int_equal(php_settled(fixture), live_before);
    }
}

/* PHP 8.2: gc_collect_cycles collects whether or not the collector is on: 5. */
static void php_72_disabled_collector_still_collects_when_asked(struct vm_fixture *fixture)
{
    struct php_log log;
    begin_disabled(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    drop_object_cycles(fixture->vm, 5);
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(collected, 5);
        assert_int_equal(php_live(fixture), live_before);
    }
    assert_false(vm_gc_enabled(fixture->vm));
}

/* PHP 8.2: memory_get_usage falls by what was collected; the peak stays. */
static void php_73_memory_usage_falls_with_a_collection(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    (void)php_settled(fixture);
    uint64_t usage = vm_memory_get_usage(vm, false);
    drop_object_cycles(vm, 1000);
    uint64_t full = vm_memory_get_usage(vm, false);
    assert_true(full >= usage + UINT64_C(1000) * (VM_OBJECT_HEADER_BYTES + 16 * PHP_PROPERTY_COUNT));
    assert_true(vm_memory_get_peak_usage(vm, false) >= full);
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(vm_memory_get_usage(vm, false), usage);
    else if (php_keeps_garbage(fixture))
        assert_int_equal(vm_memory_get_usage(vm, false), full);
    assert_true(vm_memory_get_peak_usage(vm, false) >= full);
}

static const struct vm_case cases[] = {
    VM_CASE(php_65_collecting_with_nothing_to_do, 0),
    VM_CASE(php_66_status_after_three_cycles, SM_CAP_COUNTS),
    VM_CASE(php_67_root_buffer_runs_full, 0),
    VM_CASE(php_68_more_roots_than_the_buffer_begins_with, SM_CAP_COUNTS),
    VM_CASE(php_69_threshold_follows_what_runs_find, SM_CAP_COUNTS),
    VM_CASE(php_70_runs_that_call_destructors, 0),
    VM_CASE(php_71_disabled_collector_keeps_garbage_until_enabled, SM_CAP_COLLECT),
    VM_CASE(php_72_disabled_collector_still_collects_when_asked, SM_CAP_COLLECT),
    VM_CASE(php_73_memory_usage_falls_with_a_collection, 0),
};

const struct php_suite php_collector = PHP_SUITE(cases);
