/* Generators under every policy: steps, suspended frames as roots, finally, cycles, failures. */
#include "vm_fixture.h"

#include <stdio.h>

/* function counter($limit) { for ($i = 0; $i < $limit; $i++) $sent .= yield "value $i"; return $sent; } */
enum { LOCAL_LIMIT, LOCAL_INDEX, LOCAL_SENT, LOCAL_COUNT };

static enum vm_generator_step counter_body(struct vm *vm, struct vm_generator *generator)
{
    if (vm_generator_state(generator) == 0) {
        vm_generator_local_set(vm, generator, LOCAL_INDEX, vm_int(0));
        vm_generator_local_set(vm, generator, LOCAL_SENT, vm_string_value(vm_fixture_string(vm, "")));
    } else if (vm_tag_of(vm_generator_sent(generator)) == VM_STRING) {
        const struct vm_string *sent = vm_as_string(vm_generator_sent(generator));
        vm_string_append(vm, vm_generator_local_place(generator, LOCAL_SENT), sent->data, sent->length);
    }
    vm_safepoint(vm);
    int64_t index = vm_as_int(vm_generator_local_get(generator, LOCAL_INDEX));
    if (index == vm_as_int(vm_generator_local_get(generator, LOCAL_LIMIT)))
        return vm_generator_return(vm, generator, vm_value_copy(vm, vm_generator_local_get(generator, LOCAL_SENT)));
    vm_generator_local_set(vm, generator, LOCAL_INDEX, vm_int(index + 1));
    return vm_generator_yield(vm, generator, vm_string_value(vm_string_format(vm, "value %lld", (long long)index)), 1);
}

struct finally_log {
    int calls;
    int64_t index;
    bool resurrect, bail_out;
};

static void counter_finally(struct vm *vm, struct vm_generator *generator)
{
    struct finally_log *log = vm_context(vm);
    log->calls++;
    log->index = vm_as_int(vm_generator_local_get(generator, LOCAL_INDEX));
    if (log->resurrect)
        vm_global_set(vm, "saved", vm_value_copy(vm, vm_generator_value(generator)));
    if (log->bail_out)
        vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
}

static const struct vm_generator_function counter = {"counter", counter_body, NULL, LOCAL_COUNT};
static const struct vm_generator_function guarded = {"guarded", counter_body, counter_finally, LOCAL_COUNT};

/* A generator in local 0. */
static struct vm_generator *counter_to(struct vm *vm, const struct vm_generator_function *function, int64_t limit)
{
    struct sm_value argument = vm_int(limit);
    struct vm_generator *generator = vm_generator_new(vm, function, &argument, 1);
    vm_local_set(vm, 0, vm_generator_value(generator));
    return generator;
}

static void it_goes_from_yield_to_yield(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &counter, 3);
    assert_int_equal(generator->identity.header.payload_bytes, 288);
    assert_int_equal(generator->frame->header.payload_bytes, 80 + 16 * LOCAL_COUNT);
    for (int64_t i = 0; i < 3; i++) {
        char expected[16];
        snprintf(expected, sizeof(expected), "value %d", (int)i);
        assert_true(vm_generator_valid(vm, generator));
        vm_assert_string(vm_generator_current(vm, generator), expected);
        assert_true(vm_generator_key(vm, generator) == i);
        assert_int_equal(vm_generator_returned(generator).tag, VM_UNDEF);
        vm_fixture_settle(fixture);
        vm_generator_next(vm, generator);
    }
    assert_false(vm_generator_valid(vm, generator));
    assert_int_equal(vm_generator_current(vm, generator).tag, VM_UNDEF);
    assert_true(vm_generator_key(vm, generator) == -1);
    vm_assert_string(vm_generator_returned(generator), "");
    assert_null(generator->frame);
    vm_generator_next(vm, generator);
    assert_false(vm_generator_valid(vm, generator));
    vm_frame_leave(vm);
}

static void what_is_sent_is_what_yield_gives(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &counter, 3);
    vm_assert_string(vm_generator_send(vm, generator, vm_string_value(vm_fixture_string(vm, "a"))), "value 1");
    vm_fixture_settle(fixture);
    vm_generator_next(vm, generator);
    struct sm_value last = vm_generator_send(vm, generator, vm_string_value(vm_fixture_string(vm, "b")));
    assert_int_equal(last.tag, VM_UNDEF);
    vm_assert_string(vm_generator_returned(generator), "ab");
    last = vm_generator_send(vm, generator, vm_string_value(vm_fixture_string(vm, "too late")));
    assert_int_equal(last.tag, VM_UNDEF);
    vm_frame_leave(vm);
}

static const char *const one_property[] = {"x"};

static void a_suspended_frame_keeps_what_it_holds(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &counter, 3);
    vm_generator_next(vm, generator);
    struct vm_object *object = vm_object_new(vm, vm_class_define(vm, "Held", one_property, 1, NULL));
    vm_object_set(vm, object, 0, vm_int(77));
    vm_generator_local_set(vm, generator, LOCAL_SENT, vm_object_value(object));
    vm_fixture_settle(fixture);
    vm_assert_int(vm_object_get(vm_as_object(vm_generator_local_get(generator, LOCAL_SENT)), 0), 77);
    vm_local_set(vm, 0, vm_null());
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, &object->header));
    }
    vm_frame_leave(vm);
}

/* Only the body's own C variable refers to it while it runs. */
static enum vm_generator_step forgetful_body(struct vm *vm, struct vm_generator *generator)
{
    vm_global_set(vm, "generator", vm_undef());
    vm_generator_local_set(vm, generator, 0, vm_string_value(vm_fixture_string(vm, "local")));
    assert_int_equal(sm_collect(vm_manager(vm), SM_COLLECT_FULL), SM_OK);
    vm_safepoint(vm);
    vm_assert_string(vm_generator_local_get(generator, 0), "local");
    return vm_generator_yield(vm, generator, vm_int(1), 1);
}

static void a_running_generator_is_found_by_a_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static const struct vm_generator_function function = {"forgetful", forgetful_body, NULL, 1};
    struct vm_generator *generator = vm_generator_new(vm, &function, NULL, 0);
    vm_global_set(vm, "generator", vm_generator_value(generator));
    vm_generator_next(vm, generator);
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, &generator->identity.header));
    }
}

static void a_generator_in_its_own_frame_is_let_go(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &counter, 3);
    struct vm_generator_frame *frame = generator->frame;
    vm_generator_next(vm, generator);
    vm_generator_local_set(vm, generator, LOCAL_SENT, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_false(sm_is_valid(fixture->mm, &generator->identity.header));
        assert_false(sm_is_valid(fixture->mm, &frame->header));
    }
    vm_frame_leave(vm);
}

static void finally_runs_once_when_a_suspended_one_dies(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {0};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &guarded, 3);
    vm_generator_next(vm, generator);
    vm_generator_next(vm, generator);
    vm_fixture_settle(fixture);
    assert_int_equal(log.calls, 0);
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(log.calls, vm_fixture_is_prompt(fixture) ? 1 : 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(log.calls, 1);
        assert_false(sm_is_valid(fixture->mm, &generator->identity.header));
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 1);
    assert_int_equal(log.index, 2);
}

static void finally_runs_for_a_generator_in_a_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {0};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &guarded, 3);
    vm_generator_next(vm, generator);
    vm_generator_local_set(vm, generator, LOCAL_SENT, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(log.calls, 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(log.calls, 1);
        assert_false(sm_is_valid(fixture->mm, &generator->identity.header));
    }
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 1);
}

static void finally_is_for_those_that_began_and_did_not_end(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {0};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    (void)counter_to(vm, &guarded, 3);
    vm_local_set(vm, 0, vm_null());
    struct vm_generator *generator = counter_to(vm, &guarded, 1);
    vm_generator_next(vm, generator);
    vm_generator_next(vm, generator);
    assert_false(vm_generator_valid(vm, generator));
    vm_frame_leave(vm);
    vm_fixture_settle(fixture);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 0);
}

static void a_resurrected_generator_has_ended(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {.resurrect = true};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = counter_to(vm, &guarded, 3);
    vm_generator_next(vm, generator);
    vm_local_set(vm, 0, vm_null());
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(log.calls, 1);
        assert_ptr_equal(vm_as_generator(vm_global_get(vm, "saved")), generator);
        assert_false(vm_generator_valid(vm, generator));
        assert_int_equal(vm_generator_current(vm, generator).tag, VM_UNDEF);
    }
    log.resurrect = false;
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 1);
}

static void a_bail_out_in_finally_stays_inside(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {.bail_out = true};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    vm_generator_next(vm, counter_to(vm, &guarded, 3));
    vm_local_set(vm, 0, vm_int(3));
    vm_fixture_settle(fixture);
    vm_assert_int(vm_local_get(vm, 0), 3);
    assert_int_equal(vm_destructor_failures(vm), log.calls);
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 1);
}

static enum vm_generator_step failing_body(struct vm *vm, struct vm_generator *generator)
{
    if (vm_generator_state(generator) == 0)
        return vm_generator_yield(vm, generator, vm_int(5), 1);
    vm_temporary_push(vm, vm_int(1));
    vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
}

static void next_it(struct vm *vm, void *context)
{
    vm_generator_next(vm, context);
}

static void a_generator_that_bailed_out_has_ended(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct finally_log log = {0};
    vm_context_set(vm, &log);
    static const struct vm_generator_function function = {"failing", failing_body, counter_finally, LOCAL_COUNT};
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = vm_generator_new(vm, &function, NULL, 0);
    vm_local_set(vm, 0, vm_generator_value(generator));
    assert_true(vm_generator_valid(vm, generator));
    assert_int_equal(vm_try(vm, next_it, generator), SM_ERR_INVALID_ARGUMENT);
    assert_false(vm_generator_valid(vm, generator));
    assert_int_equal(vm_generator_current(vm, generator).tag, VM_UNDEF);
    if (vm_fixture_counts(fixture))
        assert_int_equal(generator->identity.header.count, 1);
    vm_frame_leave(vm);
    vm_fixture_settle(fixture);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 0);
}

static enum vm_generator_step reentrant_body(struct vm *vm, struct vm_generator *generator)
{
    assert_int_equal(vm_try(vm, next_it, generator), SM_ERR_INVALID_ARGUMENT);
    return vm_generator_yield(vm, generator, vm_int(6), 1);
}

static void a_running_generator_cannot_be_resumed(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static const struct vm_generator_function function = {"reentrant", reentrant_body, NULL, 0};
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = vm_generator_new(vm, &function, NULL, 0);
    vm_local_set(vm, 0, vm_generator_value(generator));
    vm_assert_int(vm_generator_current(vm, generator), 6);
    vm_frame_leave(vm);
}

static void the_hash_sees_where_it_stands(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_generator *left = counter_to(vm, &counter, 3);
    vm_local_set(vm, 1, vm_local_take(vm, 0));
    struct vm_generator *right = counter_to(vm, &counter, 3);
    assert_true(vm_value_hash(vm, vm_local_get(vm, 0), 3) == vm_value_hash(vm, vm_local_get(vm, 1), 3));
    vm_generator_next(vm, left);
    assert_true(vm_value_hash(vm, vm_local_get(vm, 0), 3) != vm_value_hash(vm, vm_local_get(vm, 1), 3));
    vm_generator_next(vm, right);
    assert_true(vm_value_hash(vm, vm_local_get(vm, 0), 3) == vm_value_hash(vm, vm_local_get(vm, 1), 3));
    vm_generator_local_set(vm, right, LOCAL_SENT, vm_int(1));
    assert_true(vm_value_hash(vm, vm_local_get(vm, 0), 3) != vm_value_hash(vm, vm_local_get(vm, 1), 3));
    vm_frame_leave(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(it_goes_from_yield_to_yield, 0),
        VM_CASE(what_is_sent_is_what_yield_gives, 0),
        VM_CASE(a_suspended_frame_keeps_what_it_holds, 0),
        VM_CASE(a_running_generator_is_found_by_a_cycle, SM_CAP_COLLECT),
        VM_CASE(a_generator_in_its_own_frame_is_let_go, 0),
        VM_CASE(finally_runs_once_when_a_suspended_one_dies, 0),
        VM_CASE(finally_runs_for_a_generator_in_a_cycle, 0),
        VM_CASE(finally_is_for_those_that_began_and_did_not_end, 0),
        VM_CASE(a_resurrected_generator_has_ended, 0),
        VM_CASE(a_bail_out_in_finally_stays_inside, 0),
        VM_CASE(a_generator_that_bailed_out_has_ended, 0),
        VM_CASE(a_running_generator_cannot_be_resumed, 0),
        VM_CASE(the_hash_sees_where_it_stands, 0),
    };
    return vm_cases_run_all_policies("vm_generator", cases, sizeof(cases) / sizeof(cases[0]));
}
