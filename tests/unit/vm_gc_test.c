/* gc_collect_cycles, gc_enable, gc_status, memory_get_usage under every policy. */
#include "vm_fixture.h"

static const char *const one_property[] = {"self"};

/* An object that refers to itself, and nothing else refers to. */
static struct sm_object *leave_cycle(struct vm *vm)
{
    struct vm_class *found = vm_class_find(vm, "Node");
    struct vm_object *object =
        vm_object_new(vm, found != NULL ? found : vm_class_define(vm, "Node", one_property, 1, NULL));
    vm_object_set(vm, object, 0, vm_value_copy(vm, vm_object_value(object)));
    vm_value_drop(vm, vm_object_value(object));
    return &object->header;
}

static void collecting_says_how_much_it_freed(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_object *first = leave_cycle(vm);
    struct sm_object *second = leave_cycle(vm);
    struct vm_gc_status before = vm_gc_status(vm);
    uint64_t collected = vm_gc_collect_cycles(vm);
    struct vm_gc_status after = vm_gc_status(vm);
    assert_true(after.collected - before.collected == collected);
    if (vm_fixture_is_exact(fixture)) {
        assert_true(after.runs == before.runs + 1);
        /* Tracing finds whatever else died: no less than the two. */
        assert_true(vm_fixture_counts(fixture) ? collected == 2 : collected >= 2);
        assert_false(sm_is_valid(fixture->mm, first));
        assert_false(sm_is_valid(fixture->mm, second));
        assert_true(vm_gc_collect_cycles(vm) == 0);
    }
    if ((sm_policy_capabilities(fixture->mm) & SM_CAP_COLLECT) == 0)
        assert_true(collected == 0 && after.runs == 0);
}

static void a_disabled_collector_runs_by_hand_only(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    assert_true(vm_gc_enabled(vm));
    vm_gc_disable(vm);
    assert_false(vm_gc_enabled(vm));
    uint64_t runs = vm_gc_status(vm).runs;
    /* Both Zend's default of possible roots and the default threshold would start a cycle. */
    for (uint64_t i = 0; i < 12000 + SM_THRESHOLD_DEFAULT_BYTES / 2000; i++) {
        (void)leave_cycle(vm);
        vm_value_drop(vm, vm_string_value(vm_string_with_capacity(vm, 2000)));
        vm_safepoint(vm);
    }
    assert_true(vm_gc_status(vm).runs == runs);
    vm_gc_enable(vm);
    /* As in PHP the next possible root finds the buffer full. */
    (void)leave_cycle(vm);
    vm_safepoint(vm);
    vm_fixture_let_cycles_end(fixture);
    bool collects = (sm_policy_capabilities(fixture->mm) & SM_CAP_COLLECT) != 0;
    assert_true(vm_gc_status(vm).runs == runs + (collects ? 1 : 0));
    vm_gc_disable(vm);
    (void)leave_cycle(vm);
    (void)vm_gc_collect_cycles(vm);
    assert_true(vm_gc_status(vm).runs == runs + (collects ? 2 : 0));
}

static void the_status_has_roots_where_they_are_counted(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_gc_status before = vm_gc_status(vm);
    (void)leave_cycle(vm);
    (void)leave_cycle(vm);
    (void)leave_cycle(vm);
    struct vm_gc_status after = vm_gc_status(vm);
    if (vm_fixture_counts(fixture)) {
        assert_true(after.roots == before.roots + 3);
        assert_true(after.threshold == 10001);
    } else {
        assert_true(after.roots == 0);
        bool collects = (sm_policy_capabilities(fixture->mm) & SM_CAP_COLLECT) != 0;
        assert_true(!collects || after.threshold == SM_THRESHOLD_DEFAULT_BYTES);
    }
}

static void memory_usage_follows_what_is_alive(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    uint64_t before = vm_memory_get_usage(vm, false);
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_string_with_capacity(vm, 100000)));
    assert_true(vm_memory_get_usage(vm, false) == before + 100000 + 25);
    assert_true(vm_memory_get_usage(vm, true) >= vm_memory_get_usage(vm, false));
    assert_true(vm_memory_get_peak_usage(vm, false) >= before + 100000 + 25);
    vm_safepoint(vm);
    vm_frame_leave(vm);
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_true(vm_memory_get_usage(vm, false) <= before);
    }
    assert_true(vm_memory_get_peak_usage(vm, true) >= vm_memory_get_usage(vm, true));
}

struct seen {
    int cycles, ticks;
    uint64_t last_clock_bytes;
    struct sm_manager *mm;
};

static void see_cycle(void *context, const struct sm_cycle_record *cycle)
{
    struct seen *seen = context;
    seen->cycles++;
    seen->last_clock_bytes = cycle->clock_bytes;
}

static void see_tick(void *context, struct sm_manager *mm)
{
    struct seen *seen = context;
    seen->ticks++;
    seen->mm = mm;
}

/* The VM watches cycles itself; the embedder's hooks are called all the same, with their own context. */
static void the_embedders_hooks_are_called(struct vm_fixture *fixture)
{
    struct seen seen = {0};
    struct vm_config config = {.manager = fixture->variant->manager};
    struct vm *vm = NULL;
    config.manager.hooks =
        (struct sm_hooks){.context = &seen, .on_cycle = see_cycle, .on_tick = see_tick, .tick_bytes = 4096};
    vm_destroy(fixture->vm);
    fixture->vm = NULL;
    assert_int_equal(vm_create(&config, &vm, NULL), SM_OK);
    if (config.manager.sapi == SM_SAPI_FPM)
        vm_request_begin(vm);
    (void)vm_gc_collect_cycles(vm);
    bool collects = (sm_policy_capabilities(vm_manager(vm)) & SM_CAP_COLLECT) != 0;
    assert_int_equal(seen.cycles, collects ? 1 : 0);
    vm_value_drop(vm, vm_string_value(vm_string_with_capacity(vm, 9000)));
    vm_safepoint(vm);
    assert_int_equal(seen.ticks, 1);
    assert_ptr_equal(seen.mm, vm_manager(vm));
    vm_destroy(vm);
}

/* ---- References in copied arrays ---- */

static bool counts_references(const struct vm_fixture *fixture)
{
    return vm_fixture_counts(fixture) || fixture->variant->manager.sharing_counts;
}

/* $a[0] = &$r; unset($r) or not; $b = $a; $b[] = 1; What is $b[0]? */
static struct sm_value copied_element(struct vm *vm, bool lone)
{
    vm_local_set(vm, 2,
                 vm_heap_value(vm_reference_new(vm, vm_string_value(vm_fixture_string(vm, "in"))), VM_REFERENCE));
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, 0, vm_array_value(array));
    vm_array_append(vm, array, vm_value_copy(vm, vm_local_get(vm, 2)));
    if (lone)
        vm_local_set(vm, 2, vm_null());
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, 1)), vm_int(1));
    return vm_array_get_index(vm_as_array(vm_local_get(vm, 1)), 0);
}

static void a_copy_unwraps_a_reference_that_only_the_array_holds(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    struct sm_value element = copied_element(vm, true);
    assert_int_equal(vm_tag_of(element), counts_references(fixture) ? VM_STRING : VM_REFERENCE);
    vm_assert_string(vm_value_deref(element), "in");
    struct sm_value kept = vm_array_get_index(vm_as_array(vm_local_get(vm, 0)), 0);
    assert_int_equal(vm_tag_of(kept), VM_REFERENCE);
    vm_fixture_settle(fixture);
    vm_assert_string(vm_value_deref(vm_array_get_index(vm_as_array(vm_local_get(vm, 1)), 0)), "in");
    if (counts_references(fixture)) {
        /* The copy is a value of its own now: what is appended to it stays there. */
        vm_string_append(vm, vm_array_place_index(vm_as_array(vm_local_get(vm, 1)), 0), "side", 4);
        vm_assert_string(vm_value_deref(kept), "in");
    }
    vm_frame_leave(vm);
}

static void a_copy_shares_a_reference_that_somebody_else_holds(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    struct sm_value element = copied_element(vm, false);
    assert_int_equal(vm_tag_of(element), VM_REFERENCE);
    vm_reference_set(vm, vm_as_reference(vm_local_get(vm, 2)), vm_int(5));
    vm_fixture_settle(fixture);
    for (uint32_t i = 0; i < 2; i++)
        vm_assert_int(vm_value_deref(vm_array_get_index(vm_as_array(vm_local_get(vm, i)), 0)), 5);
    vm_frame_leave(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(collecting_says_how_much_it_freed, 0),
        VM_CASE(a_disabled_collector_runs_by_hand_only, 0),
        VM_CASE(the_status_has_roots_where_they_are_counted, 0),
        VM_CASE(memory_usage_follows_what_is_alive, 0),
        VM_CASE(the_embedders_hooks_are_called, 0),
        VM_CASE(a_copy_unwraps_a_reference_that_only_the_array_holds, 0),
        VM_CASE(a_copy_shares_a_reference_that_somebody_else_holds, 0),
    };
    return vm_cases_run_all_policies("vm_gc", cases, sizeof(cases) / sizeof(cases[0]));
}
