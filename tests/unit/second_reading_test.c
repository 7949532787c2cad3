/* Bugs that a second reading of counts, destructors and bail-outs found; each case is named after its bug. */
#include "vm_fixture.h"
#include "manager_internal.h"
#include "vm_internal.h"

#include <string.h>

static const char *const one_property[] = {"x"};

/* A class defined once a request. */
static struct vm_class *class_with(struct vm *vm, const char *name, vm_destructor *destructor)
{
    struct vm_class *found = vm_class_find(vm, name);
    return found != NULL ? found : vm_class_define(vm, name, one_property, 1, destructor);
}

static struct sm_value instance_of(struct vm *vm, const char *name, vm_destructor *destructor)
{
    return vm_object_value(vm_object_new(vm, class_with(vm, name, destructor)));
}

static bool is_tracing(const struct vm_fixture *fixture)
{
    return (sm_policy_capabilities(fixture->mm) & (SM_CAP_COLLECT | SM_CAP_COUNTS)) == SM_CAP_COLLECT;
}

/* ---- Frames ---- */

static struct sm_value returns_null(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    (void)closure;
    return vm_null();
}

static const struct vm_function nothing = {"nothing", returns_null, 0, 0, 0};

/* Pushes and pops temporaries without entering a frame. */
static void calls_a_closure(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ++*(int *)vm_context(vm);
    struct vm_closure *closure = vm_closure_new(vm, &nothing, NULL, vm_undef());
    vm_temporary_push(vm, vm_closure_value(closure));
    vm_value_drop(vm, vm_closure_call(vm, closure, NULL));
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* The slots of the frame that is being left were still taken for the destructor's locals. */
static void a_destructor_has_temporaries_while_a_frame_is_left(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static int calls; /* where nothing is reclaimed destructors run after this function has returned */
    calls = 0;
    vm_context_set(vm, &calls);
    vm_frame_enter(vm, 3);
    vm_local_set(vm, 1, instance_of(vm, "Caller", calls_a_closure));
    vm_frame_leave(vm);
    assert_int_equal(calls, vm_fixture_is_prompt(fixture) ? 1 : 0);
    vm_fixture_settle(fixture);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(calls, 1);
}

/* ---- Safepoints inside destructors that interrupt C code ---- */

static void reaches_a_safepoint(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ++*(int *)vm_context(vm);
    vm_safepoint(vm);
    sm_collect_request(vm_manager(vm));
    vm_safepoint(vm);
}

/* Until the next safepoint of the code that asked for them the bytes live in any case. */
static void bytes_outlive_a_safepoint_of_a_destructor(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static int calls;
    calls = 0;
    vm_context_set(vm, &calls);
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, instance_of(vm, "Safe", reaches_a_safepoint));
    vm_safepoint(vm);
    void *bytes = sm_alloc_bytes(fixture->mm, 64);
    assert_non_null(bytes);
    vm_local_set(vm, 0, vm_null());
    assert_true(sm_is_valid(fixture->mm, sm_object_of_payload(bytes)));
    assert_int_equal(calls, vm_fixture_is_prompt(fixture) ? 1 : 0);
    vm_fixture_settle(fixture);
    if (vm_fixture_counts(fixture))
        assert_false(sm_is_valid(fixture->mm, sm_object_of_payload(bytes)));
    vm_frame_leave(vm);
}

/* Likewise what it has just made and not rooted yet, in an emergency. */
static void fresh_objects_outlive_a_safepoint_of_a_destructor(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static int calls;
    calls = 0;
    vm_context_set(vm, &calls);
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, instance_of(vm, "Safe", reaches_a_safepoint));
    vm_safepoint(vm);
    struct vm_array *fresh = vm_array_new(vm, VM_ARRAY_PACKED, 8);
    /* Past the distance at which policies ask for a safepoint. */
    for (int i = 0; i < 64; i++)
        vm_value_drop(vm, vm_string_value(vm_string_with_capacity(vm, 1000)));
    vm_local_set(vm, 0, vm_null());
    if (is_tracing(fixture)) {
        assert_int_equal(sm_cycle_run(fixture->mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY), SM_OK);
        assert_true(sm_is_valid(fixture->mm, &fresh->header));
    }
    vm_array_append(vm, fresh, vm_int(5));
    vm_local_set(vm, 0, vm_array_value(fresh));
    vm_fixture_settle(fixture);
    vm_assert_int(vm_array_get_index(vm_as_array(vm_local_get(vm, 0)), 0), 5);
    vm_frame_leave(vm);
}

/* ---- Ends of requests ---- */

static void makes_another(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ++*(int *)vm_context(vm);
    struct sm_value next = instance_of(vm, "Endless", makes_another);
    sm_handle local = sm_alloc_value(vm_manager(vm), next);
    (void)sm_handle_persist(vm_manager(vm), local);
    vm_value_drop(vm, next);
}

/* The last one of an endless line kept its registration, which nothing had a place for any more. */
static void an_endless_line_of_destructors_is_cut_off(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static int calls;
    calls = 0;
    vm_context_set(vm, &calls);
    struct sm_value first = instance_of(vm, "Endless", makes_another);
    sm_handle local = sm_alloc_value(fixture->mm, first);
    assert_false(sm_handle_is_none(sm_handle_persist(fixture->mm, local)));
    vm_value_drop(vm, first);
    vm_fixture_reopen(fixture, NULL);
    int at_end = calls;
    assert_true(at_end >= 1);
    vm_fixture_settle(fixture);
    assert_int_equal(calls, at_end);
}

static void puts_another_in_its_place(struct vm *vm, struct vm_object *object)
{
    int *calls = vm_context(vm);
    (void)object;
    if (++*calls < 1000)
        vm_global_set(vm, "again", instance_of(vm, "Again", puts_another_in_its_place));
}

/* Each pass over the globals made the next one necessary; PHP goes on only while their number changes. */
static void a_global_that_comes_back_does_not_hold_up_the_end(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static int calls;
    calls = 0;
    vm_context_set(vm, &calls);
    vm_global_set(vm, "again", instance_of(vm, "Again", puts_another_in_its_place));
    vm_fixture_reopen(fixture, NULL);
    assert_in_range(calls, 1, 100);
}

struct search_log {
    int calls, indexed;
};

static void looks_for_the_index(struct vm *vm, struct vm_object *object)
{
    struct search_log *log = vm_context(vm);
    (void)object;
    log->calls++;
    log->indexed += vm_manager(vm)->finalizers.is_indexed;
}

/* Every destructor at the end of a request was looked for among all that had run: 6 s for 100,000 of them. */
static void the_end_of_a_request_looks_destructors_up(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct search_log log = {0};
    if (fixture->variant->manager.sapi != SM_SAPI_FPM)
        vm_request_begin(vm);
    bool was_indexed = fixture->mm->finalizers.is_indexed;
    vm_context_set(vm, &log);
    struct vm_array *elements = vm_array_new(vm, VM_ARRAY_PACKED, 3);
    struct sm_value holder = instance_of(vm, "Looks", looks_for_the_index);
    vm_object_set(vm, vm_as_object(holder), 0, vm_array_value(elements));
    for (int i = 0; i < 3; i++)
        vm_array_append(vm, elements, instance_of(vm, "Looks", looks_for_the_index));
    vm_global_set(vm, "holder", holder);
    vm_request_end(vm);
    assert_int_equal(log.calls, 4);
    assert_int_equal(log.indexed, 4);
    assert_int_equal(fixture->mm->finalizers.is_indexed, was_indexed);
    vm_request_begin(vm);
}

enum { LINE_COUNT = 100, KILLER = 2, KILLED_FIRST = 40, KILLED_COUNT = 59 };

struct line {
    int order[LINE_COUNT * 2];
    int count;
};

static void remembers_its_place(struct vm *vm, struct vm_object *object)
{
    struct line *line = vm_context(vm);
    int64_t number = vm_as_int(vm_object_get(object, 0));
    line->order[line->count++] = (int)number;
    if (number != KILLER)
        return;
    vm_global_set(vm, "killed", vm_null());
    struct sm_value late = instance_of(vm, "Placed", remembers_its_place);
    vm_object_set(vm, vm_as_object(late), 0, vm_int(LINE_COUNT));
    struct vm_place kept = vm_global_place(vm, "kept");
    vm_array_append(vm, vm_array_write(vm, kept), late);
}

/* A destructor that kills many that were to come, and makes one, moved those between behind it. */
static void the_line_of_destructors_at_the_end_keeps_its_order(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct line line = {{0}, 0};
    vm_context_set(vm, &line);
    vm_global_set(vm, "kept", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, LINE_COUNT)));
    vm_global_set(vm, "killed", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, LINE_COUNT)));
    for (int i = 0; i < LINE_COUNT; i++) {
        struct sm_value value = instance_of(vm, "Placed", remembers_its_place);
        vm_object_set(vm, vm_as_object(value), 0, vm_int(i));
        bool is_killed = i >= KILLED_FIRST && i < KILLED_FIRST + KILLED_COUNT;
        struct vm_place place = vm_global_place(vm, is_killed ? "killed" : "kept");
        vm_array_append(vm, vm_array_write(vm, place), value);
    }
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(line.count, LINE_COUNT + 1);
    int previous = -1;
    for (int i = 0; i < line.count; i++) {
        bool is_killed = line.order[i] >= KILLED_FIRST && line.order[i] < KILLED_FIRST + KILLED_COUNT;
        if (is_killed)
            continue;
        assert_true(line.order[i] > previous);
        previous = line.order[i];
    }
}

/* ---- Generators ---- */

struct echo {
    int steps;
    int64_t last;
    bool unset, end_request;
};

static enum vm_generator_step echoes(struct vm *vm, struct vm_generator *generator)
{
    struct echo *echo = vm_context(vm);
    struct sm_value sent = vm_generator_sent(generator);
    vm_generator_local_set(vm, generator, 0, vm_int(++echo->steps));
    if (vm_tag_of(sent) == VM_INT)
        echo->last = vm_as_int(sent);
    if (echo->unset)
        vm_global_set(vm, "generator", vm_null());
    if (echo->end_request) {
        vm_request_end(vm);
        vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
    }
    if (echo->steps >= 3)
        return vm_generator_return(vm, generator, vm_null());
    return vm_generator_yield(vm, generator, vm_int(echo->steps), 1);
}

static void runs_finally(struct vm *vm, struct vm_generator *generator)
{
    (void)vm;
    (void)generator;
}

static const struct vm_generator_function echoing = {"echoing", echoes, NULL, 1};
static const struct vm_generator_function guarded = {"guarded", echoes, runs_finally, 1};

static void goes_on_with_it(struct vm *vm, struct vm_object *object)
{
    (void)object;
    struct sm_value generator = vm_global_get(vm, "generator");
    if (vm_tag_of(generator) == VM_GENERATOR)
        vm_generator_next(vm, vm_as_generator(generator));
}

/* What was sent before dies when something is sent after it; its destructor ended the generator, which ran on. */
static void a_destructor_of_what_was_sent_goes_on_with_the_generator(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct echo echo = {0};
    vm_context_set(vm, &echo);
    struct vm_generator *generator = vm_generator_new(vm, &echoing, NULL, 0);
    vm_global_set(vm, "generator", vm_generator_value(generator));
    (void)vm_generator_send(vm, generator, instance_of(vm, "Goes on", goes_on_with_it));
    assert_int_equal(echo.steps, 2);
    echo.last = 0;
    (void)vm_generator_send(vm, generator, vm_int(77));
    assert_int_equal(echo.steps, 3);
    assert_true(echo.last == 77);
    assert_false(vm_generator_valid(vm, generator));
    vm_global_set(vm, "generator", vm_null());
    vm_fixture_settle(fixture);
}

/* Its body gave up the last holder, and the call looked at it afterwards. */
static void a_generator_that_gives_itself_up_lives_through_the_call(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct echo echo = {.unset = true};
    vm_context_set(vm, &echo);
    for (int call = 0; call < 2; call++) {
        echo.steps = 0;
        struct vm_generator *generator = vm_generator_new(vm, &echoing, NULL, 0);
        vm_global_set(vm, "generator", vm_generator_value(generator));
        if (call == 0)
            assert_true(vm_generator_valid(vm, generator));
        else
            assert_true(vm_generator_key(vm, generator) == 0);
        assert_int_equal(echo.steps, 1);
    }
    vm_fixture_settle(fixture);
}

static void collect_every_alloc(struct sm_config *config)
{
    config->collect_every_alloc = true;
}

enum { OWNER_LOCALS = 4 };

static enum vm_generator_step owns_objects(struct vm *vm, struct vm_generator *generator)
{
    if (vm_generator_state(generator) == 1)
        return vm_generator_return(vm, generator, vm_null());
    for (uint32_t i = 0; i < OWNER_LOCALS; i++)
        vm_generator_local_set(vm, generator, i, instance_of(vm, "Caller", calls_a_closure));
    return vm_generator_yield(vm, generator, vm_null(), 1);
}

static const struct vm_generator_function owning = {"owning", owns_objects, NULL, OWNER_LOCALS};

/* The frame of a generator that ends was nobody's while its locals were dropped; their destructors allocate. */
static void the_frame_of_an_ending_generator_outlives_its_locals(struct vm_fixture *fixture)
{
    static int calls;
    calls = 0;
    vm_fixture_reopen(fixture, collect_every_alloc);
    struct vm *vm = fixture->vm;
    vm_context_set(vm, &calls);
    vm_frame_enter(vm, 1);
    struct vm_generator *generator = vm_generator_new(vm, &owning, NULL, 0);
    vm_local_set(vm, 0, vm_generator_value(generator));
    vm_generator_next(vm, generator);
    vm_safepoint(vm);
    sm_attention_request(fixture->mm);
    vm_safepoint(vm);
    vm_generator_next(vm, generator);
    assert_int_equal(calls, vm_fixture_is_prompt(fixture) ? OWNER_LOCALS : 0);
    assert_false(vm_generator_valid(vm, generator));
    vm_fixture_settle(fixture);
    vm_frame_leave(vm);
}

static void step_it(struct vm *vm, void *context)
{
    vm_generator_next(vm, context);
}

/* exit() inside a body: the generator died as one that runs, and stayed the innermost that runs. */
static void a_body_ends_the_request(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct echo echo = {.end_request = true};
    vm_context_set(vm, &echo);
    if (fixture->variant->manager.sapi != SM_SAPI_FPM)
        vm_request_begin(vm);
    struct vm_generator *generator = vm_generator_new(vm, &guarded, NULL, 0);
    vm_global_set(vm, "generator", vm_generator_value(generator));
    assert_int_equal(vm_try(vm, step_it, generator), SM_ERR_INVALID_ARGUMENT);
    assert_null(vm->running_generator);
    vm_request_begin(vm);
    vm_context_set(vm, &echo);
    echo = (struct echo){0};
    generator = vm_generator_new(vm, &guarded, NULL, 0);
    vm_global_set(vm, "generator", vm_generator_value(generator));
    assert_int_equal(vm_try(vm, step_it, generator), SM_OK);
    assert_int_equal(echo.steps, 1);
    vm_request_end(vm);
    vm_request_begin(vm);
}

/* ---- Bail-outs ---- */

static void fails_inside(struct vm *vm, struct vm_object *object)
{
    (void)object;
    vm_fail(vm, SM_ERR_UNSUPPORTED, "a line of the destructor's");
}

static void fails_with_a_local(struct vm *vm, void *context)
{
    (void)context;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, instance_of(vm, "Fails", fails_inside));
    vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "the line of the bail-out");
}

/* A destructor that fails while the stack is put back wrote its own line over the one the bail-out came with. */
static void a_bail_out_keeps_its_line(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    assert_int_equal(vm_try(vm, fails_with_a_local, NULL), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(sm_error_detail(fixture->mm), "the line of the bail-out");
    vm_fixture_settle(fixture);
}

/* ---- Exceptions ---- */

/* Whatever a script puts into `previous`, only what can be thrown is part of the chain. */
static void a_previous_that_cannot_be_thrown_ends_the_chain(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_object *first = vm_exception_new(vm, "first");
    vm_throw(vm, vm_object_value(first));
    struct vm_object *second = vm_exception_new(vm, "second");
    vm_object_set(vm, second, 2, instance_of(vm, "Plain", NULL));
    vm_throw(vm, vm_object_value(second));
    struct sm_value taken = vm_exception_take(vm);
    assert_ptr_equal(sm_value_object(taken), &second->header);
    assert_ptr_equal(sm_value_object(vm_exception_previous(taken)), &first->header);
    vm_value_drop(vm, taken);
    assert_false(vm_exception_pending(vm));
}

/* ---- Counts ---- */

static void saturates(struct vm *vm, struct vm_object *object)
{
    (void)vm;
    object->header.count = SM_COUNT_MAX;
}

/* A count that got to its end stays there, after a destructor as well. */
static void a_destructor_leaves_a_full_count_full(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    if (!vm_fixture_is_prompt(fixture))
        return;
    vm_frame_enter(vm, 2);
    struct sm_value value = instance_of(vm, "Full", saturates);
    vm_local_set(vm, 0, vm_weak_new(vm, vm_as_object(value)));
    vm_value_drop(vm, value);
    assert_true(vm_as_object(value)->header.count == SM_COUNT_MAX);
    vm_frame_leave(vm);
}

/* ---- Cycles inside destructors ---- */

static void collects(struct vm *vm, struct vm_object *object)
{
    (void)object;
    (void)vm_gc_collect_cycles(vm);
}

/* Objects that waited for their turn to die were possible roots still, with the link of the wait in their headers. */
static void a_cycle_inside_a_destructor_leaves_alone_what_waits_to_die(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    for (int i = 0; i < 2; i++) {
        struct vm_array *outer = vm_array_new(vm, VM_ARRAY_PACKED, 8);
        vm_local_set(vm, 0, vm_array_value(outer));
        vm_array_append(vm, outer, instance_of(vm, "Collects", collects));
        for (int k = 0; k < 4; k++) {
            struct sm_value child = instance_of(vm, "Child", NULL);
            vm_object_set(vm, vm_as_object(child), 0, instance_of(vm, "Grandchild", NULL));
            vm_value_drop(vm, vm_value_copy(vm, child));
            vm_array_append(vm, outer, child);
        }
        vm_local_set(vm, 0, vm_null());
    }
    vm_frame_leave(vm);
    vm_fixture_settle(fixture);
}

static void threshold_of_two_roots(struct sm_config *config)
{
    config->pacing = "zend:2";
}

static struct sm_value possible_root(struct vm *vm)
{
    struct sm_value value = instance_of(vm, "Child", NULL);
    vm_object_set(vm, vm_as_object(value), 0, instance_of(vm, "Grandchild", NULL));
    vm_value_drop(vm, vm_value_copy(vm, value));
    return value;
}

/* Likewise where the buffer is full: the late roots were counted up and down, which killed a waiting one twice. */
static void a_cycle_for_late_roots_leaves_alone_what_waits_to_die(struct vm_fixture *fixture)
{
    static int calls;
    calls = 0;
    vm_fixture_reopen(fixture, threshold_of_two_roots);
    struct vm *vm = fixture->vm;
    vm_context_set(vm, &calls);
    vm_global_set(vm, "first", possible_root(vm));
    vm_global_set(vm, "second", possible_root(vm));
    vm_global_set(vm, "third", possible_root(vm));
    vm_frame_enter(vm, 1);
    struct vm_array *outer = vm_array_new(vm, VM_ARRAY_PACKED, 8);
    vm_local_set(vm, 0, vm_array_value(outer));
    vm_array_append(vm, outer, instance_of(vm, "Safe", reaches_a_safepoint));
    for (int i = 0; i < 3; i++)
        vm_array_append(vm, outer, possible_root(vm));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(calls, 1);
    vm_frame_leave(vm);
    vm_fixture_settle(fixture);
}

static const struct vm_case cases[] = {
    VM_CASE(a_destructor_has_temporaries_while_a_frame_is_left, 0),
    VM_CASE(bytes_outlive_a_safepoint_of_a_destructor, 0),
    VM_CASE(fresh_objects_outlive_a_safepoint_of_a_destructor, 0),
    VM_CASE(an_endless_line_of_destructors_is_cut_off, 0),
    VM_CASE(a_global_that_comes_back_does_not_hold_up_the_end, 0),
    VM_CASE(the_end_of_a_request_looks_destructors_up, 0),
    VM_CASE(the_line_of_destructors_at_the_end_keeps_its_order, SM_CAP_COUNTS),
    VM_CASE(a_destructor_of_what_was_sent_goes_on_with_the_generator, 0),
    VM_CASE(a_generator_that_gives_itself_up_lives_through_the_call, 0),
    VM_CASE(the_frame_of_an_ending_generator_outlives_its_locals, 0),
    VM_CASE(a_body_ends_the_request, 0),
    VM_CASE(a_bail_out_keeps_its_line, 0),
    VM_CASE(a_previous_that_cannot_be_thrown_ends_the_chain, 0),
    VM_CASE(a_destructor_leaves_a_full_count_full, 0),
    VM_CASE(a_cycle_inside_a_destructor_leaves_alone_what_waits_to_die, 0),
    VM_CASE(a_cycle_for_late_roots_leaves_alone_what_waits_to_die, SM_CAP_COUNTS),
};

int main(void)
{
    return vm_cases_run_all_policies("second_reading", cases, sizeof(cases) / sizeof(cases[0]));
}
