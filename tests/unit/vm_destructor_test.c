/* Destructors and exceptions under every policy: when they run, what they may do, what they leave behind. */
#include "vm_fixture.h"
#include "vm_internal.h"

#include <string.h>

static const char *const two_properties[] = {"x", "y"};

struct script {
    int calls;
    bool resurrect, collect, throw, bail_out, pending_inside;
};

static void scripted_destructor(struct vm *vm, struct vm_object *object)
{
    struct script *script = vm_context(vm);
    script->calls++;
    script->pending_inside |= vm_exception_pending(vm);
    if (script->resurrect)
        vm_global_set(vm, "saved", vm_value_copy(vm, vm_object_value(object)));
    if (script->collect) {
        (void)vm_gc_collect_cycles(vm);
        vm_safepoint(vm);
        vm_assert_int(vm_object_get(object, 0), 7);
    }
    if (script->throw)
        vm_throw(vm, vm_object_value(vm_exception_new(vm, "from a destructor")));
    if (script->bail_out)
        vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
}

static struct sm_value scripted(struct vm *vm, struct script *script)
{
    vm_context_set(vm, script);
    struct vm_class *found = vm_class_find(vm, "Scripted");
    struct vm_class *class_entry =
        found != NULL ? found : vm_class_define(vm, "Scripted", two_properties, 2, scripted_destructor);
    struct vm_object *object = vm_object_new(vm, class_entry);
    vm_object_set(vm, object, 0, vm_int(7));
    return vm_object_value(object);
}

static struct sm_value plain(struct vm *vm)
{
    struct vm_class *found = vm_class_find(vm, "Plain");
    return vm_object_value(
        vm_object_new(vm, found != NULL ? found : vm_class_define(vm, "Plain", two_properties, 2, NULL)));
}

/* ---- When ---- */

static void it_runs_at_the_last_drop_or_at_a_safepoint_after(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {0};
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, scripted(vm, &script));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(script.calls, 0);
    vm_local_set(vm, 1, vm_null());
    bool prompt = vm_fixture_is_prompt(fixture);
    assert_int_equal(script.calls, prompt ? 1 : 0);
    vm_fixture_settle(fixture);
    struct vm_destructor_stats stats = vm_destructor_stats(vm);
    assert_int_equal(stats.run, script.calls);
    assert_int_equal(stats.prompt, prompt ? 1 : 0);
    assert_int_equal(stats.delayed, !prompt && script.calls == 1 ? 1 : 0);
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(script.calls, 1);
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

/* The delay of one that died between two cycles lies between what they say. */
static void a_delay_is_bounded_by_two_cycles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {0};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, scripted(vm, &script));
    vm_fixture_collect(fixture);
    vm_value_drop(vm, vm_string_value(vm_string_with_capacity(vm, 999)));
    vm_local_set(vm, 0, vm_null());
    uint64_t died_bytes = sm_hot(fixture->mm)->alloc_bytes;
    vm_value_drop(vm, vm_string_value(vm_string_with_capacity(vm, 4999)));
    uint64_t found_bytes = sm_hot(fixture->mm)->alloc_bytes;
    vm_fixture_collect(fixture);
    if (vm_fixture_is_exact(fixture) && !vm_fixture_is_prompt(fixture)) {
        struct vm_destructor_stats stats = vm_destructor_stats(vm);
        assert_int_equal(stats.delayed, 1);
        assert_true(stats.delay_at_least_bytes <= found_bytes - died_bytes);
        assert_true(stats.delay_at_most_bytes >= found_bytes - died_bytes);
        assert_true(stats.delay_at_most_bytes < 2 * (found_bytes - died_bytes));
        assert_true(stats.delay_max_bytes == stats.delay_at_most_bytes);
    } else if (vm_fixture_is_prompt(fixture)) {
        assert_int_equal(vm_destructor_stats(vm).delay_at_most_bytes, 0);
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

/* A plain object's death takes its counts along only where everything is counted. */
static void a_holder_that_died_by_tracing_delays_it(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {0};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, plain(vm));
    vm_object_set(vm, vm_as_object(vm_local_get(vm, 0)), 0, scripted(vm, &script));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(script.calls, vm_fixture_counts(fixture) ? 1 : 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(script.calls, 1);
        assert_int_equal(vm_destructor_stats(vm).delayed, vm_fixture_counts(fixture) ? 0 : 1);
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

static void one_in_a_cycle_is_delayed_everywhere(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {0};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, scripted(vm, &script));
    struct vm_object *object = vm_as_object(vm_local_get(vm, 0));
    vm_object_set(vm, object, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(script.calls, 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(script.calls, 1);
        assert_int_equal(vm_destructor_stats(vm).delayed, 1);
        assert_false(sm_is_valid(fixture->mm, &object->header));
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

/* ---- What it may do ---- */

/* Lets go of its partner, which has been found dead by the same cycle and waits for its own destructor. */
static void let_go_of_partner(struct vm *vm, struct vm_object *object)
{
    ++*(int *)vm_context(vm);
    vm_object_set(vm, object, 0, vm_null());
}

static void one_may_drop_another_that_is_due(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    int calls = 0;
    vm_context_set(vm, &calls);
    struct vm_class *class_entry = vm_class_define(vm, "Partner", two_properties, 2, let_go_of_partner);
    vm_frame_enter(vm, 2);
    for (uint32_t i = 0; i < 2; i++)
        vm_local_set(vm, i, vm_object_value(vm_object_new(vm, class_entry)));
    for (uint32_t i = 0; i < 2; i++)
        vm_object_set(vm, vm_as_object(vm_local_get(vm, i)), 0, vm_value_copy(vm, vm_local_get(vm, 1 - i)));
    vm_frame_leave(vm);
    assert_int_equal(calls, 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(calls, 2);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(calls, 2);
}

static void resurrection_lasts_and_the_destructor_does_not_run_again(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {.resurrect = true};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, scripted(vm, &script));
    struct vm_object *object = vm_as_object(vm_local_get(vm, 0));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        vm_assert_int(vm_object_get(vm_as_object(vm_global_get(vm, "saved")), 0), 7);
        vm_global_set(vm, "saved", vm_undef());
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, &object->header));
        assert_int_equal(script.calls, 1);
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

static void it_may_collect(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {.collect = true};
    vm_frame_enter(vm, 2);
    for (uint32_t i = 0; i < 2; i++) {
        vm_local_set(vm, i, scripted(vm, &script));
        struct vm_object *object = vm_as_object(vm_local_get(vm, i));
        vm_object_set(vm, object, 1, vm_value_copy(vm, vm_local_get(vm, i)));
    }
    vm_local_set(vm, 0, vm_null());
    vm_local_set(vm, 1, vm_null());
    (void)vm_gc_collect_cycles(vm);
    vm_safepoint(vm);
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(script.calls, 2);
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 2);
}

/* ---- Exceptions ---- */

static void assert_message(struct sm_value exception, const char *message)
{
    assert_int_equal(vm_tag_of(exception), VM_OBJECT);
    vm_assert_string(vm_object_get(vm_as_object(exception), 0), message);
}

static void a_pending_exception_is_a_root_until_it_is_taken(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    assert_false(vm_exception_pending(vm));
    assert_int_equal(vm_exception_take(vm).tag, VM_UNDEF);
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "first")));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "second")));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "third")));
    vm_fixture_settle(fixture);
    assert_true(vm_exception_pending(vm));
    struct sm_value taken = vm_exception_take(vm);
    assert_false(vm_exception_pending(vm));
    assert_message(taken, "third");
    assert_message(vm_exception_previous(taken), "second");
    assert_message(vm_exception_previous(vm_exception_previous(taken)), "first");
    assert_int_equal(vm_exception_previous(vm_exception_previous(vm_exception_previous(taken))).tag, VM_NULL);
    struct sm_object *object = sm_value_object(taken);
    vm_value_drop(vm, taken);
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, object));
    }
}

static void a_chain_never_closes(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_value first = vm_object_value(vm_exception_new(vm, "first"));
    vm_throw(vm, vm_value_copy(vm, first));
    vm_throw(vm, vm_value_copy(vm, first));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "second")));
    vm_throw(vm, first);
    struct sm_value taken = vm_exception_take(vm);
    assert_message(taken, "first");
    assert_int_equal(vm_exception_previous(taken).tag, VM_NULL);
    vm_value_drop(vm, taken);
}

static void throw_plain(struct vm *vm, void *context)
{
    (void)context;
    vm_throw(vm, plain(vm));
}

static void what_has_no_previous_cannot_be_thrown(struct vm_fixture *fixture)
{
    assert_int_equal(vm_try(fixture->vm, throw_plain, NULL), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(fixture->mm), "Plain"));
    assert_false(vm_exception_pending(fixture->vm));
}

static void what_a_destructor_throws_is_pending_for_whoever_triggered_it(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {.throw = true};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, scripted(vm, &script));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "earlier")));
    vm_local_set(vm, 0, vm_null());
    if (vm_fixture_is_prompt(fixture))
        assert_message(vm_exception_previous(vm->exception), "earlier");
    vm_fixture_settle(fixture);
    assert_false(script.pending_inside);
    struct sm_value taken = vm_exception_take(vm);
    if (script.calls == 1) {
        assert_message(taken, "from a destructor");
        assert_message(vm_exception_previous(taken), "earlier");
    } else {
        assert_false(vm_fixture_is_exact(fixture));
        assert_message(taken, "earlier");
    }
    vm_value_drop(vm, taken);
    assert_int_equal(vm_destructor_failures(vm), 0);
    vm_frame_leave(vm);
    script.throw = false;
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

static void a_bail_out_leaves_an_earlier_exception_pending(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct script script = {.bail_out = true};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, scripted(vm, &script));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "earlier")));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_settle(fixture);
    assert_int_equal(vm_destructor_failures(vm), script.calls);
    struct sm_value taken = vm_exception_take(vm);
    assert_message(taken, "earlier");
    vm_value_drop(vm, taken);
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(script.calls, 1);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(it_runs_at_the_last_drop_or_at_a_safepoint_after, 0),
        VM_CASE(a_delay_is_bounded_by_two_cycles, SM_CAP_COLLECT),
        VM_CASE(a_holder_that_died_by_tracing_delays_it, 0),
        VM_CASE(one_in_a_cycle_is_delayed_everywhere, 0),
        VM_CASE(one_may_drop_another_that_is_due, 0),
        VM_CASE(resurrection_lasts_and_the_destructor_does_not_run_again, 0),
        VM_CASE(it_may_collect, 0),
        VM_CASE(a_pending_exception_is_a_root_until_it_is_taken, 0),
        VM_CASE(a_chain_never_closes, 0),
        VM_CASE(what_has_no_previous_cannot_be_thrown, 0),
        VM_CASE(what_a_destructor_throws_is_pending_for_whoever_triggered_it, 0),
        VM_CASE(a_bail_out_leaves_an_earlier_exception_pending, 0),
    };
    return vm_cases_run_all_policies("vm_destructor", cases, sizeof(cases) / sizeof(cases[0]));
}
