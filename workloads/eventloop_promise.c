/* Promises as React's: two closures that settle one share it by reference, handlers are closures that settle another. */
#include "eventloop.h"

#include "block_bytes.h"

/* With so many frames the cycle has 24 objects, arrays and closures. */
enum { TRACE_FRAMES = 8 };

struct sm_value eventloop_call(struct eventloop *eventloop, struct sm_value closure, struct sm_value argument)
{
    eventloop_work(eventloop, 1);
    return vm_closure_call(eventloop_vm(eventloop), vm_as_closure(closure), &argument);
}

static void call_and_drop(struct eventloop *eventloop, struct sm_value closure, struct sm_value argument)
{
    vm_value_drop(eventloop_vm(eventloop), eventloop_call(eventloop, closure, argument));
}

/* ---- Settling ---- */

/* The handlers leave the promise before the first of them runs. `value` is borrowed. */
static void run_handlers(struct eventloop *eventloop, struct vm_object *promise, struct sm_value value)
{
    struct vm *vm = eventloop_vm(eventloop);
    if (vm_tag_of(vm_object_get(promise, PROMISE_HANDLERS)) != VM_ARRAY)
        return;
    struct sm_value handlers = eventloop_property(eventloop, promise, PROMISE_HANDLERS);
    vm_temporary_push(vm, handlers);
    vm_object_set(vm, promise, PROMISE_HANDLERS, vm_null());
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(handlers), &position, &entry);)
        call_and_drop(eventloop, entry.value, vm_value_copy(vm, value));
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* Locals of the settling closures: the value, and the promise by reference. */
static void settle(struct vm *vm, struct vm_closure *closure, enum promise_state state)
{
    struct eventloop *eventloop = eventloop_of(vm);
    struct sm_value target = *vm_closure_variable(vm, closure, 0).slot;
    if (vm_tag_of(target) != VM_OBJECT)
        return;
    struct vm_object *promise = vm_as_object(target);
    vm_object_set(vm, promise, PROMISE_STATE, vm_int(state));
    vm_object_set(vm, promise, PROMISE_RESULT, vm_value_copy(vm, vm_local_get(vm, 0)));
    run_handlers(eventloop, promise, vm_local_get(vm, 0));
    eventloop_work(eventloop, 2);
}

/* $target = null: the closures may live on, and must not keep the promise. */
static struct sm_value resolve(struct vm *vm, struct vm_closure *closure)
{
    settle(vm, closure, PROMISE_FULFILLED);
    vm_reference_set(vm, vm_as_reference(vm_closure_capture(closure, 0)), vm_null());
    return vm_null();
}

/* Here it is kept, so that an exception whose trace holds the closures and the promise that keeps it are a cycle. */
static struct sm_value reject(struct vm *vm, struct vm_closure *closure)
{
    settle(vm, closure, PROMISE_REJECTED);
    return vm_null();
}

static const struct vm_function resolve_function = {"resolve", resolve, 1, 1, 0};
static const struct vm_function reject_function = {"reject", reject, 1, 1, 0};

struct eventloop_deferred eventloop_defer(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *promise = eventloop_object(eventloop, CLASS_PROMISE);
    vm_object_set(vm, promise, PROMISE_STATE, vm_int(PROMISE_PENDING));
    struct sm_value target =
        vm_heap_value(vm_reference_new(vm, vm_value_copy(vm, vm_object_value(promise))), VM_REFERENCE);
    struct sm_value again = vm_value_copy(vm, target);
    struct vm_closure *resolver = vm_closure_new(vm, &resolve_function, &target, vm_undef());
    struct vm_closure *rejecter = vm_closure_new(vm, &reject_function, &again, vm_undef());
    eventloop_work(eventloop, 3);
    return (struct eventloop_deferred){promise, vm_closure_value(resolver), vm_closure_value(rejecter)};
}

/* ---- then() ---- */

/* Locals of a handler: the value, and its bound variables. */
enum { HANDLED_VALUE, HANDLED_CALLBACK, HANDLED_RESOLVE, HANDLED_REJECT };

static struct sm_value handle(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    struct sm_value value = vm_value_copy(vm, vm_local_get(vm, HANDLED_VALUE));
    if (vm_tag_of(value) == VM_OBJECT && vm_as_object(value)->class_entry == eventloop->classes[CLASS_EXCEPTION]) {
        call_and_drop(eventloop, vm_local_get(vm, HANDLED_REJECT), value);
        return vm_null();
    }
    struct sm_value result = eventloop_call(eventloop, vm_local_get(vm, HANDLED_CALLBACK), value);
    call_and_drop(eventloop, vm_local_get(vm, HANDLED_RESOLVE), result);
    return vm_null();
}

static const struct vm_function handle_function = {"handle", handle, 1, 3, 0};

struct vm_object *eventloop_then(struct eventloop *eventloop, struct vm_object *promise, struct sm_value callback)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct eventloop_deferred child = eventloop_defer(eventloop);
    struct sm_value captures[] = {callback, child.resolve, child.reject};
    struct sm_value handler =
        vm_closure_value(vm_closure_new(vm, &handle_function, captures, eventloop_this(eventloop)));
    if (vm_tag_of(vm_object_get(promise, PROMISE_HANDLERS)) != VM_ARRAY)
        vm_object_set(vm, promise, PROMISE_HANDLERS, vm_array_value(eventloop_list(eventloop, &handler, 1)));
    else
        vm_array_append(vm, eventloop_writable(eventloop, promise, PROMISE_HANDLERS), handler);
    eventloop_work(eventloop, 2);
    return child.promise;
}

/* ---- Errors ---- */

static struct vm_array *make_frame(struct eventloop *eventloop, int64_t line, struct sm_value arguments)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *frame = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, frame, eventloop->keys[KEY_FILE], eventloop_key(eventloop, KEY_PATH));
    vm_array_set_key(vm, frame, eventloop->keys[KEY_LINE], vm_int(line));
    vm_array_set_key(vm, frame, eventloop->keys[KEY_FUNCTION], eventloop_key(eventloop, KEY_DATA));
    vm_array_set_key(vm, frame, eventloop->keys[KEY_CLASS], eventloop_key(eventloop, KEY_SESSION));
    vm_array_set_key(vm, frame, eventloop->keys[KEY_ARGS], arguments);
    eventloop_work(eventloop, 3);
    return frame;
}

static struct vm_array *make_trace(struct eventloop *eventloop, const struct sm_value *arguments, size_t count)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *trace = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int64_t i = 0; i < TRACE_FRAMES; i++) {
        struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        for (size_t j = 0; j < count; j++)
            vm_array_append(vm, list, vm_value_copy(vm, arguments[j]));
        vm_array_append(vm, trace, vm_array_value(make_frame(eventloop, 100 + i, vm_array_value(list))));
    }
    eventloop_work(eventloop, TRACE_FRAMES);
    return trace;
}

/* Properties of PHP's class: message, string, code, file, line, trace, previous. */
enum { EXCEPTION_MESSAGE, EXCEPTION_LINE = 4, EXCEPTION_TRACE };

void eventloop_throw(struct eventloop *eventloop, const struct sm_value *arguments, size_t count)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *exception = eventloop_object(eventloop, CLASS_EXCEPTION);
    vm_object_set(
        vm, exception, EXCEPTION_MESSAGE,
        vm_string_value(vm_string_format(vm, "request %llu was refused", (unsigned long long)eventloop->answered)));
    vm_object_set(vm, exception, EXCEPTION_LINE, vm_int(100));
    vm_object_set(vm, exception, EXCEPTION_TRACE, vm_array_value(make_trace(eventloop, arguments, count)));
    vm_throw(vm, vm_object_value(exception));
}

/* ---- Sizes ---- */

uint64_t eventloop_closure_block_bytes(uint64_t capture_count)
{
    uint64_t closure = sm_block_bytes(sizeof(struct vm_closure) - sizeof(struct sm_object));
    return closure + (capture_count == 0 ? 0 : block_bytes_hash(capture_count));
}

uint64_t eventloop_deferred_block_bytes(void)
{
    return block_bytes_object(PROMISE_PROPERTIES) + 2 * eventloop_closure_block_bytes(1) +
           sm_block_bytes(sizeof(struct vm_reference) - sizeof(struct sm_object));
}
