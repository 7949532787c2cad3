/* Generators: their frames, steps, and end. */
#include "vm_internal.h"

_Static_assert(sizeof(struct vm_generator) - sizeof(struct sm_object) == 288,
               "a generator is as large as zend_generator");
_Static_assert(offsetof(struct vm_generator_frame, locals) - sizeof(struct sm_object) == 80, "Zend's call frame");

enum phase { PHASE_NEW, PHASE_SUSPENDED, PHASE_RUNNING, PHASE_ENDED };

static struct vm_generator_frame *frame_new(struct vm *vm, struct vm_generator *generator)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, generator);
    size_t payload_bytes = sizeof(struct vm_generator_frame) - sizeof(struct sm_object) +
                           generator->function->local_count * sizeof(struct sm_value);
    struct sm_object *frame = vm_alloc(vm, vm->types.generator_frame, payload_bytes);
    vm->held_count = held_count;
    return (struct vm_generator_frame *)frame;
}

static struct vm_generator *alloc_generator(struct vm *vm, const struct vm_generator_function *function)
{
    struct vm_generator *generator =
        (struct vm_generator *)vm_alloc(vm, vm->types.generator, sizeof(*generator) - sizeof(struct sm_object));
    generator->identity.handle = ++vm->last_handle;
    generator->function = function;
    generator->key = -1;
    if (function->finally != NULL && vm->prompt_destructors)
        sm_object_set_flags(&generator->identity.header, SM_OBJECT_COUNTED);
    return generator;
}

struct vm_generator *vm_generator_new(struct vm *vm, const struct vm_generator_function *function,
                                      const struct sm_value *arguments, uint32_t argument_count)
{
    VM_ASSERT(argument_count <= function->local_count);
    struct sm_value *top = vm->top;
    for (uint32_t i = 0; i < argument_count; i++)
        vm_temporary_push(vm, arguments[i]);
    struct vm_generator *generator = alloc_generator(vm, function);
    struct vm_generator_frame *frame = frame_new(vm, generator);
    for (uint32_t i = 0; i < argument_count; i++)
        frame->locals[i] = top[i];
    generator->frame = frame;
    vm->top = top;
    return generator;
}

/* ---- The end ---- */

/* The frame and what was sent go; what it returned stays. */
static void end(struct vm *vm, struct vm_generator *generator)
{
    struct sm_manager *mm = vm_manager(vm);
    struct sm_object *owner = &generator->identity.header;
    generator->phase = PHASE_ENDED;
    generator->key = -1;
    sm_store(mm, owner, &generator->sent, vm_undef());
    sm_store(mm, owner, &generator->current, vm_undef());
    struct vm_generator_frame *frame = generator->frame;
    if (frame == NULL)
        return;
    /* Beside tracing the counts of what its locals held would stay too high: nobody drops a frame's locals but this. */
    if (!vm_counting(vm))
        for (uint32_t i = 0; i < generator->function->local_count; i++)
            sm_store(mm, &frame->header, &frame->locals[i], vm_undef());
    sm_store_pointer(mm, owner, &generator->frame, NULL);
}

static void run_finally(struct vm *vm, struct sm_object *object)
{
    struct vm_generator *generator = (struct vm_generator *)object;
    generator->function->finally(vm, generator);
}

void vm_generator_finalize(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct vm *vm = (struct vm *)context;
    struct vm_generator *generator = (struct vm_generator *)object;
    VM_ASSERT(vm_manager(vm) == mm && generator->phase != PHASE_RUNNING);
    (void)mm;
    if (generator->phase != PHASE_SUSPENDED)
        return;
    generator->phase = PHASE_RUNNING;
    vm_destructor_run(vm, run_finally, object);
    end(vm, generator);
}

void vm_generators_abort(struct vm *vm, struct vm_generator *outermost_kept)
{
    /* Where the request has ended meanwhile, that one is gone, and so are all others. */
    while (vm->running_generator != NULL && vm->running_generator != outermost_kept) {
        struct vm_generator *generator = vm->running_generator;
        vm->running_generator = generator->outer_running;
        generator->outer_running = NULL;
        generator->phase = PHASE_ENDED;
        generator->key = -1;
    }
}

/* ---- Steps ---- */

/* Only one that was begun has a `finally` to run, as in PHP. */
static void begin(struct vm *vm, struct vm_generator *generator)
{
    if (generator->function->finally != NULL &&
        sm_finalizer_register(vm_manager(vm), &generator->identity.header) != SM_OK)
        vm_fail_allocation(vm);
}

/* A temporary while it runs and is looked at afterwards: a root, and one holder more, for its body may give up all others. */
static void hold(struct vm *vm, struct vm_generator *generator)
{
    vm_temporary_push(vm, vm_value_copy(vm, vm_generator_value(generator)));
}

static void let_go(struct vm *vm)
{
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* The caller holds it. */
static void resume(struct vm *vm, struct vm_generator *generator)
{
    if (generator->phase == PHASE_NEW)
        begin(vm, generator);
    generator->phase = PHASE_RUNNING;
    generator->outer_running = vm->running_generator;
    vm->running_generator = generator;
    struct sm_value *top = vm->top;
    enum vm_generator_step step = generator->function->body(vm, generator);
    VM_ASSERT(vm->top == top && vm->running_generator == generator);
    (void)top;
    vm->running_generator = generator->outer_running;
    generator->outer_running = NULL;
    generator->phase = PHASE_SUSPENDED;
    if (step == VM_GENERATOR_RETURNED)
        end(vm, generator);
}

static void refuse_running(struct vm *vm, const struct vm_generator *generator)
{
    if (generator->phase == PHASE_RUNNING)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "generator %s runs already: it cannot be resumed",
                generator->function->name);
}

/* Whether it was: then it is held. */
static bool begin_if_new(struct vm *vm, struct vm_generator *generator)
{
    if (generator->phase != PHASE_NEW)
        return false;
    hold(vm, generator);
    resume(vm, generator);
    return true;
}

/* One whose body bailed out still has what it yielded before. */
static struct sm_value current_of(const struct vm_generator *generator)
{
    return generator->phase == PHASE_ENDED ? vm_undef() : generator->current;
}

static void send(struct vm *vm, struct vm_generator *generator, struct sm_value value)
{
    if (generator->phase != PHASE_SUSPENDED) {
        vm_value_drop(vm, value);
        return;
    }
    /* What was sent before goes after the step, for its destructor may go on with the generator. */
    vm_temporary_push(vm, generator->sent);
    sm_store_move(vm_manager(vm), &generator->identity.header, &generator->sent, value);
    resume(vm, generator);
    vm_value_drop(vm, vm_temporary_pop(vm));
}

bool vm_generator_valid(struct vm *vm, struct vm_generator *generator)
{
    bool held = begin_if_new(vm, generator);
    bool valid = generator->phase != PHASE_ENDED;
    if (held)
        let_go(vm);
    return valid;
}

struct sm_value vm_generator_current(struct vm *vm, struct vm_generator *generator)
{
    bool held = begin_if_new(vm, generator);
    struct sm_value current = current_of(generator);
    if (held)
        let_go(vm);
    return current;
}

int64_t vm_generator_key(struct vm *vm, struct vm_generator *generator)
{
    bool held = begin_if_new(vm, generator);
    int64_t key = generator->key;
    if (held)
        let_go(vm);
    return key;
}

void vm_generator_next(struct vm *vm, struct vm_generator *generator)
{
    refuse_running(vm, generator);
    if (!begin_if_new(vm, generator)) {
        hold(vm, generator);
        send(vm, generator, vm_null());
    }
    let_go(vm);
}

struct sm_value vm_generator_send(struct vm *vm, struct vm_generator *generator, struct sm_value value)
{
    refuse_running(vm, generator);
    hold(vm, generator);
    if (generator->phase == PHASE_NEW) {
        vm_temporary_push(vm, value);
        resume(vm, generator);
        value = vm_temporary_pop(vm);
    }
    send(vm, generator, value);
    struct sm_value current = current_of(generator);
    let_go(vm);
    return current;
}

struct sm_value vm_generator_returned(const struct vm_generator *generator)
{
    return generator->returned;
}

/* ---- For bodies ---- */

static struct sm_value *local_slot(const struct vm_generator *generator, uint32_t local)
{
    VM_ASSERT(generator->frame != NULL && local < generator->function->local_count);
    return &generator->frame->locals[local];
}

struct sm_value vm_generator_local_get(const struct vm_generator *generator, uint32_t local)
{
    return *local_slot(generator, local);
}

void vm_generator_local_set(struct vm *vm, struct vm_generator *generator, uint32_t local, struct sm_value value)
{
    sm_store_take(vm_manager(vm), &generator->frame->header, local_slot(generator, local), value);
}

struct vm_place vm_generator_local_place(struct vm_generator *generator, uint32_t local)
{
    return (struct vm_place){&generator->frame->header, local_slot(generator, local)};
}

enum vm_generator_step vm_generator_yield(struct vm *vm, struct vm_generator *generator, struct sm_value value,
                                          uint32_t next_state)
{
    VM_ASSERT(generator->phase == PHASE_RUNNING);
    generator->state = next_state;
    generator->key++;
    sm_store_take(vm_manager(vm), &generator->identity.header, &generator->current, value);
    return VM_GENERATOR_YIELDED;
}

enum vm_generator_step vm_generator_return(struct vm *vm, struct vm_generator *generator, struct sm_value value)
{
    VM_ASSERT(generator->phase == PHASE_RUNNING);
    sm_store_take(vm_manager(vm), &generator->identity.header, &generator->returned, value);
    return VM_GENERATOR_RETURNED;
}
