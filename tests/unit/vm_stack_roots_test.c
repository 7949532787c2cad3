/**
 * The VM stack as roots in pieces (R11), against a plain copy of it: whatever the program does between two pieces, every
 * slot is visited with what it held at the beginning, and what changed since the last time is visited by the next young
 * enumeration.
 */
#include "check.h"

#include "vm_internal.h"

#include "test_scale.h"

enum { SLOTS_MAX = 6000, IDS_MAX = 400000, NESTING_MAX = 5, SEEDS = 30, LOCALS_MAX = 3 };

/* Marks the objects it sees; those of the test have a number of their own as their count, which policy null leaves alone. */
struct seen {
    struct sm_visitor visitor;
    uint32_t round;
    uint32_t rounds[IDS_MAX]; /**< in which it was last seen */
};

struct slots {
    size_t count;
    uint32_t ids[SLOTS_MAX]; /**< 0: nothing of the test's */
};

struct frame {
    size_t begin;
    uint32_t local_count;
    struct vm_place first; /**< local 0, taken when it was innermost */
};

struct world {
    struct vm *vm;
    struct sm_manager *mm;
    uint64_t random;
    struct slots stack;
    size_t frame_count;
    struct frame frames[SLOTS_MAX];
    size_t kept_frames, kept_slots; /**< the code that runs now may not leave or pop these */
    unsigned nesting;
    struct vm_generator *generator;
    bool is_generator_running;
    uint32_t last_id;
    bool is_open;
    struct slots snapshot; /**< the stack when the open enumeration began */
    struct slots clean;    /**< what was visited by the last that ended */
    struct seen pieces;    /**< by the open enumeration, */
    struct seen whole;     /**< and by any other */
};

static uint64_t draw(struct world *world, uint64_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % below;
}

static uint32_t id_of(struct sm_value value)
{
    uint32_t count = sm_value_is_heap(value) ? sm_value_object(value)->count : 0;
    return count > 1 && count < IDS_MAX ? count : 0;
}

static void see(struct sm_visitor *visitor, struct sm_object *target)
{
    struct seen *seen = (struct seen *)visitor;
    seen->rounds[id_of(sm_value_from_object(target, 0))] = seen->round;
}

static struct sm_visitor *look_anew(struct seen *seen)
{
    seen->visitor.edge = see;
    seen->round++;
    return &seen->visitor;
}

static void number(struct world *world, struct sm_object *object)
{
    assert_true(world->last_id + 1 < IDS_MAX);
    object->count = ++world->last_id;
}

static struct sm_value fresh(struct world *world)
{
    struct sm_object *object = sm_alloc_leaf(world->mm, SM_TYPE_BYTES, sizeof(uint64_t));
    assert_non_null(object);
    number(world, object);
    return sm_value_from_object(object, VM_STRING);
}

/* ---- The program, on both sides. ---- */

static struct frame *innermost(struct world *world)
{
    return &world->frames[world->frame_count - 1];
}

static void push_id(struct world *world, uint32_t id)
{
    assert_true(world->stack.count < SLOTS_MAX);
    world->stack.ids[world->stack.count++] = id;
}

static void note_frame(struct world *world, uint32_t local_count)
{
    struct vm_place first = {NULL, NULL};
    if (local_count > 0)
        first = vm_local_place(world->vm, 0);
    world->frames[world->frame_count++] = (struct frame){world->stack.count, local_count, first};
    for (uint32_t i = 0; i < local_count; i++)
        push_id(world, 0);
}

static bool is_full(const struct world *world)
{
    return world->stack.count + 50 > SLOTS_MAX || world->frame_count + 10 > SLOTS_MAX;
}

static void enter(struct world *world)
{
    uint32_t local_count = (uint32_t)draw(world, LOCALS_MAX + 1);
    if (is_full(world))
        return;
    vm_frame_enter(world->vm, local_count);
    note_frame(world, local_count);
}

static void leave(struct world *world)
{
    if (world->frame_count == world->kept_frames)
        return;
    vm_frame_leave(world->vm);
    world->stack.count = innermost(world)->begin;
    world->frame_count--;
}

static void leave_many(struct world *world)
{
    for (uint64_t count = draw(world, 200); count > 0; count--)
        leave(world);
}

static void enter_many(struct world *world)
{
    for (uint64_t count = draw(world, 200); count > 0; count--)
        enter(world);
}

static void push(struct world *world)
{
    if (is_full(world))
        return;
    vm_temporary_push(world->vm, fresh(world));
    push_id(world, world->last_id);
}

static bool may_pop(struct world *world)
{
    const struct frame *frame = innermost(world);
    return world->stack.count > world->kept_slots && world->stack.count > frame->begin + frame->local_count;
}

static void pop(struct world *world)
{
    if (may_pop(world))
        assert_int_equal(id_of(vm_temporary_pop(world->vm)), world->stack.ids[--world->stack.count]);
}

static void set_local(struct world *world)
{
    const struct frame *frame = innermost(world);
    if (frame->local_count == 0)
        return;
    uint32_t local = (uint32_t)draw(world, frame->local_count);
    vm_local_set(world->vm, local, fresh(world));
    world->stack.ids[frame->begin + local] = world->last_id;
}

static void take_local(struct world *world)
{
    const struct frame *frame = innermost(world);
    if (frame->local_count == 0)
        return;
    uint32_t local = (uint32_t)draw(world, frame->local_count);
    assert_int_equal(id_of(vm_local_take(world->vm, local)), world->stack.ids[frame->begin + local]);
    world->stack.ids[frame->begin + local] = 0;
}

/* As a reference argument is written, whose variable is in any of the frames below. */
static void set_place(struct world *world)
{
    const struct frame *frame = &world->frames[draw(world, world->frame_count)];
    if (frame->local_count == 0)
        return;
    uint32_t local = (uint32_t)draw(world, frame->local_count);
    struct vm_place place = {NULL, frame->first.slot + local};
    vm_place_set(world->vm, place, fresh(world));
    world->stack.ids[frame->begin + local] = world->last_id;
}

/* ---- Code that runs inside: it may use the stack above, and is left in one way or another. ---- */

static void step(struct world *world);

struct outside {
    size_t kept_frames, kept_slots, frame_count, slot_count;
    unsigned nesting;
};

static struct outside go_inside(struct world *world)
{
    struct outside outside = {world->kept_frames, world->kept_slots, world->frame_count, world->stack.count,
                              world->nesting};
    world->kept_frames = world->frame_count;
    world->kept_slots = world->stack.count;
    world->nesting++;
    return outside;
}

static void run_some(struct world *world)
{
    for (uint64_t count = draw(world, 60); count > 0; count--)
        step(world);
}

/* Back to the frames and slots there were, by leaving and popping. */
static void clean_up(struct world *world)
{
    while (world->frame_count > world->kept_frames)
        leave(world);
    while (may_pop(world))
        pop(world);
}

static void come_outside(struct world *world, const struct outside *outside)
{
    world->kept_frames = outside->kept_frames;
    world->kept_slots = outside->kept_slots;
    world->nesting = outside->nesting;
}

static void try_body(struct vm *vm, void *context)
{
    struct world *world = context;
    run_some(world);
    if (draw(world, 2) == 0)
        vm_bailout(vm, SM_ERR_SYSTEM);
}

/* A bail-out leaves all frames at once. */
static void try(struct world *world)
{
    if (world->nesting == NESTING_MAX || is_full(world))
        return;
    bool was_generator_running = world->is_generator_running;
    struct outside outside = go_inside(world);
    if (vm_try(world->vm, try_body, world) != SM_OK) {
        world->frame_count = outside.frame_count;
        world->stack.count = outside.slot_count;
        if (world->is_generator_running != was_generator_running)
            world->generator = NULL;
        world->is_generator_running = was_generator_running;
    }
    come_outside(world, &outside);
}

enum { CALL_LOCALS = 2 };

static struct sm_value call_body(struct vm *vm, struct vm_closure *closure)
{
    struct world *world = vm_context(vm);
    push_id(world, id_of(vm_closure_value(closure)));
    note_frame(world, CALL_LOCALS);
    struct outside outside = go_inside(world);
    run_some(world);
    clean_up(world);
    come_outside(world, &outside);
    world->stack.count = innermost(world)->begin - 1;
    world->frame_count--;
    return fresh(world);
}

/* The result is handed to a slot of the caller's. */
static void call(struct world *world)
{
    static const struct vm_function function = {.name = "f", .body = call_body, .local_count = CALL_LOCALS};
    if (world->nesting == NESTING_MAX || is_full(world))
        return;
    struct vm_closure *closure = vm_closure_new(world->vm, &function, NULL, vm_undef());
    number(world, &closure->identity.header);
    struct sm_value result = vm_closure_call(world->vm, closure, NULL);
    assert_int_not_equal(id_of(result), 0);
}

static enum vm_generator_step generator_body(struct vm *vm, struct vm_generator *generator)
{
    struct world *world = vm_context(vm);
    struct outside outside = go_inside(world);
    run_some(world);
    clean_up(world);
    come_outside(world, &outside);
    vm_generator_local_set(vm, generator, 0, fresh(world));
    return vm_generator_yield(vm, generator, fresh(world), 1);
}

/* Its frame is on the heap; on the stack are the generator and what it was sent before. */
static void resume(struct world *world)
{
    static const struct vm_generator_function function = {.name = "g", .body = generator_body, .local_count = 1};
    size_t slot_count = world->stack.count;
    if (world->nesting == NESTING_MAX || world->is_generator_running || is_full(world))
        return;
    bool is_new = world->generator == NULL;
    if (is_new) {
        world->generator = vm_generator_new(world->vm, &function, NULL, 0);
        number(world, &world->generator->identity.header);
    }
    push_id(world, id_of(vm_generator_value(world->generator)));
    if (!is_new)
        push_id(world, 0);
    world->is_generator_running = true;
    vm_generator_next(world->vm, world->generator);
    world->is_generator_running = false;
    world->stack.count = slot_count;
}

/* ---- Enumerations. ---- */

static void require_seen(const struct seen *seen, uint32_t id)
{
    assert_true(id == 0 || seen->rounds[id] == seen->round);
}

static void begin(struct world *world)
{
    if (world->is_open)
        return;
    size_t budget = (size_t)draw(world, 100);
    size_t left = sm_roots_enumerate_begin(world->mm, look_anew(&world->pieces), budget);
    assert_true(left + budget <= world->stack.count || left == 0 || left <= innermost(world)->begin);
    world->is_open = true;
    world->snapshot = world->stack;
}

static void go_on(struct world *world)
{
    (void)sm_roots_enumerate_some(world->mm, (size_t)draw(world, 40));
}

static void end(struct world *world)
{
    if (!world->is_open)
        return;
    while (sm_roots_enumerate_some(world->mm, 1 + (size_t)draw(world, 300)) != 0)
        continue;
    for (size_t i = 0; i < world->snapshot.count; i++)
        require_seen(&world->pieces, world->snapshot.ids[i]);
    sm_roots_enumerate_end(world->mm);
    world->is_open = false;
    world->clean = world->snapshot;
}

static void give_up(struct world *world)
{
    if (!world->is_open)
        return;
    bool has_ended = sm_roots_enumerate_some(world->mm, 0) == 0;
    sm_roots_enumerate_end(world->mm);
    world->is_open = false;
    if (has_ended)
        world->clean = world->snapshot;
    else
        world->clean.count = 0;
}

static void look_at_all(struct world *world)
{
    sm_roots_enumerate(world->mm, look_anew(&world->whole));
    for (size_t i = 0; i < world->stack.count; i++)
        require_seen(&world->whole, world->stack.ids[i]);
}

static void look_at_changed(struct world *world)
{
    if (world->is_open)
        return;
    size_t count = sm_roots_enumerate_young(world->mm, look_anew(&world->whole));
    assert_true(count <= world->stack.count);
    for (size_t i = 0; i < world->stack.count; i++)
        if (i >= world->clean.count || world->clean.ids[i] != world->stack.ids[i])
            require_seen(&world->whole, world->stack.ids[i]);
    world->clean = world->stack;
}

static void forget_clean(struct world *world)
{
    if (world->is_open)
        return;
    sm_roots_forget_clean(world->mm);
    world->clean.count = 0;
}

/* ---- The invariants, and a step. ---- */

static void require_same_below(const struct world *world, const struct slots *slots, const struct sm_value *mark)
{
    size_t count = (size_t)(mark - world->vm->stack);
    assert_true(count <= slots->count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(id_of(world->vm->stack[i]), slots->ids[i]);
}

static void check(const struct world *world)
{
    const struct vm *vm = world->vm;
    const struct vm_stack_marks *marks = &vm->marks;
    assert_int_equal(vm->top - vm->stack, world->stack.count);
    assert_int_equal(vm->frame_count, world->frame_count);
    assert_true(marks->watermark <= vm->locals);
    assert_ptr_equal(marks->watermark, marks->unvisited > marks->clean ? marks->unvisited : marks->clean);
    if (world->is_open)
        require_same_below(world, &world->snapshot, marks->unvisited);
    else
        assert_ptr_equal(marks->unvisited, vm->stack);
    require_same_below(world, world->is_open ? &world->snapshot : &world->clean, marks->clean);
}

static void step(struct world *world)
{
    static const struct {
        unsigned weight;
        void (*run)(struct world *world);
    } operations[] = {
        {30, enter},      {26, leave},     {25, push},      {20, pop},    {30, set_local},  {10, take_local},
        {8, set_place},   {2, enter_many}, {2, leave_many}, {4, try},     {4, call},        {4, resume},
        {8, begin},       {30, go_on},     {6, end},        {1, give_up}, {3, look_at_all}, {10, look_at_changed},
        {1, forget_clean}};
    uint64_t choice = draw(world, 224);
    size_t i = 0;
    for (; choice >= operations[i].weight; i++)
        choice -= operations[i].weight;
    operations[i].run(world);
    check(world);
}

static void open_world(struct world *world, uint64_t seed)
{
    const struct vm_config config = {.manager = {.policy = "null", .pacing = "never"}};
    memset(world, 0, sizeof(*world));
    world->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    assert_int_equal(vm_create(&config, &world->vm, NULL), SM_OK);
    world->mm = vm_manager(world->vm);
    vm_context_set(world->vm, world);
    vm_frame_enter(world->vm, 2);
    note_frame(world, 2);
    world->last_id = 1;
    world->kept_frames = 1;
    world->kept_slots = world->stack.count;
}

static void close_world(struct world *world)
{
    end(world);
    vm_destroy(world->vm);
}

static void R11_pieces_and_young_ones_agree_with_a_copy_of_the_stack(void **state)
{
    static struct world world;
    (void)state;
    for (uint64_t seed = 1; seed <= test_scale(SEEDS, 6, 6); seed++) {
        open_world(&world, seed);
        for (int i = 0; i < 1500; i++)
            step(&world);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(R11_pieces_and_young_ones_agree_with_a_copy_of_the_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
