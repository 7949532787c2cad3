/* The stack: frames, locals, temporaries. */
#include "vm_fixture.h"

static void locals_begin_undefined(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    vm_local_set(vm, 1, vm_int(5));
    vm_frame_leave(vm);
    vm_frame_enter(vm, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(vm_local_get(vm, i).tag, VM_UNDEF);
    vm_frame_leave(vm);
}

static void frames_nest(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    assert_int_equal(vm_frame_depth(vm), 0);
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_int(1));
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_int(2));
    assert_int_equal(vm_frame_depth(vm), 2);
    vm_assert_int(vm_local_get(vm, 0), 2);
    vm_frame_leave(vm);
    vm_assert_int(vm_local_get(vm, 0), 1);
    vm_frame_leave(vm);
    assert_int_equal(vm_frame_depth(vm), 0);
}

static void taking_a_local_leaves_it_undefined(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_int(3));
    vm_assert_int(vm_local_take(vm, 0), 3);
    assert_int_equal(vm_local_get(vm, 0).tag, VM_UNDEF);
    vm_frame_leave(vm);
}

static void temporaries_are_a_stack_above_the_locals(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_int(0));
    vm_temporary_push(vm, vm_int(1));
    vm_temporary_push(vm, vm_int(2));
    vm_assert_int(vm_temporary_pop(vm), 2);
    vm_assert_int(vm_temporary_pop(vm), 1);
    vm_assert_int(vm_local_get(vm, 0), 0);
    vm_frame_leave(vm);
}

static void leaving_drops_temporaries(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_temporary_push(vm, vm_int(1));
    vm_frame_enter(vm, 1);
    vm_temporary_push(vm, vm_int(2));
    vm_temporary_push(vm, vm_int(3));
    vm_frame_leave(vm);
    vm_assert_int(vm_temporary_pop(vm), 1);
}

static void a_temporary_may_carry_a_result_out(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "result")));
    struct sm_value result = vm_local_take(vm, 0);
    vm_frame_leave(vm);
    vm_temporary_push(vm, result);
    vm_safepoint(vm);
    vm_assert_string(vm_temporary_pop(vm), "result");
}

static void many_frames_are_kept_apart(struct vm_fixture *fixture)
{
    enum { DEPTH = 5000 };
    struct vm *vm = fixture->vm;
    for (int i = 0; i < DEPTH; i++) {
        vm_frame_enter(vm, (uint32_t)(i % 4) + 1);
        vm_local_set(vm, (uint32_t)(i % 4), vm_int(i));
        vm_temporary_push(vm, vm_int(-i));
    }
    for (int i = DEPTH - 1; i >= 0; i--) {
        vm_assert_int(vm_local_get(vm, (uint32_t)(i % 4)), i);
        vm_assert_int(vm_temporary_pop(vm), -i);
        vm_frame_leave(vm);
    }
}

static void body_recurse_without_locals(struct vm *vm, void *context)
{
    for (;; ++*(uint32_t *)context)
        vm_frame_enter(vm, 0);
}

static void body_recurse_with_locals(struct vm *vm, void *context)
{
    for (;; ++*(uint32_t *)context)
        vm_frame_enter(vm, VM_STACK_VALUES_MAX / 4);
}

static void body_push_for_ever(struct vm *vm, void *context)
{
    for (;; ++*(uint32_t *)context)
        vm_temporary_push(vm, vm_null());
}

/* These need nothing of a policy, and half a gigabyte: the variant that has this capability, one of them, is enough. */
enum { ONE_VARIANT = SM_CAP_BULK_FREE };

static void check_exhaustion(struct vm_fixture *fixture, void (*body)(struct vm *vm, void *context), uint32_t rounds)
{
    struct vm *vm = fixture->vm;
    uint32_t count = 0;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_int(77));
    assert_int_equal(vm_try(vm, body, &count), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(count, rounds);
    assert_int_equal(vm_frame_depth(vm), 1);
    vm_assert_int(vm_local_get(vm, 0), 77);
    vm_temporary_push(vm, vm_int(1));
    vm_assert_int(vm_temporary_pop(vm), 1);
    vm_frame_leave(vm);
}

static void endless_recursion_bails_out(struct vm_fixture *fixture)
{
    check_exhaustion(fixture, body_recurse_without_locals, VM_STACK_VALUES_MAX - 1);
}

static void a_full_stack_refuses_frames(struct vm_fixture *fixture)
{
    check_exhaustion(fixture, body_recurse_with_locals, 3);
}

static void a_full_stack_refuses_temporaries(struct vm_fixture *fixture)
{
    check_exhaustion(fixture, body_push_for_ever, VM_STACK_VALUES_MAX - 1);
}

static void locals_survive_cycles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 8);
    for (int i = 0; i < 2000; i++) {
        vm_local_set(vm, (uint32_t)(i % 8), vm_string_value(vm_string_format(vm, "local %d", i)));
        vm_temporary_push(vm, vm_string_value(vm_string_format(vm, "temporary %d", i)));
        vm_safepoint(vm);
        struct vm_string *temporary = vm_as_string(vm_temporary_pop(vm));
        assert_int_equal(temporary->data[0], 't');
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(vm_as_string(vm_local_get(vm, (uint32_t)i))->data[0], 'l');
    vm_frame_leave(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(locals_begin_undefined, 0),
        VM_CASE(frames_nest, 0),
        VM_CASE(taking_a_local_leaves_it_undefined, 0),
        VM_CASE(temporaries_are_a_stack_above_the_locals, 0),
        VM_CASE(leaving_drops_temporaries, 0),
        VM_CASE(a_temporary_may_carry_a_result_out, 0),
        VM_CASE(many_frames_are_kept_apart, 0),
        VM_CASE(endless_recursion_bails_out, ONE_VARIANT),
        VM_CASE(a_full_stack_refuses_frames, ONE_VARIANT),
        VM_CASE(a_full_stack_refuses_temporaries, ONE_VARIANT),
        VM_CASE(locals_survive_cycles, 0),
    };
    return vm_cases_run("vm_frame", cases, sizeof(cases) / sizeof(cases[0]));
}
