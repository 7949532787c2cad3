/*
 * Workload "cli-tick": a game or simulation loop over a large world that lives on (story S3 of the study).
 *
 * A tick is one vm_iteration: it takes objects of the world in turn, moves them, makes some aim at another one, sends
 * one packet, and leaves next to no garbage. What a collector costs here is stops: a tick has a budget of 50 ms.
 * workloads/php/cli_tick.php does the same in PHP.
 */
#include "block_bytes.h"
#include "text.h"
#include "vm_session.h"

#include <assert.h>

/* Over the world, all of which it visits unless its size is a multiple of this prime. */
enum { TOUCH_STRIDE = 7919 };
enum { ENTITIES_PER_CHUNK = 64, TOUCHES_PER_AIM = 64, TOUCHES_PER_UPDATE = 500, SAMPLES_PER_TICK = 16 };
enum { FIELD_SIZE = 1 << 20 };

enum tick_option { OPTION_WORLD, OPTION_TOUCH, OPTION_GARBAGE, OPTION_LINKED, OPTION_REST, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_WORLD] = {"world", SM_OPTION_COUNT, "objects", "200000", 2, 1e8, NULL,
                      "objects that live on, in chunks of 64"},
    [OPTION_TOUCH] = {"touch", SM_OPTION_COUNT, "objects", "10000", 1, 1e8, NULL,
                      "of them that a tick takes into a variable, writes to and leaves"},
    [OPTION_GARBAGE] = {"garbage", SM_OPTION_COUNT, "pairs", "10", 0, 1e6, NULL,
                        "pairs of objects that refer to each other and die within the tick"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                       "each of the pairs refers to an object of the world, and so to all of it"},
    [OPTION_REST] = {"rest", SM_OPTION_COUNT, "microseconds", "0", 0, 1e6, NULL,
                     "blocking call at the end of a tick, in which the thread is offline"},
};

enum { ENTITY_ID, ENTITY_X, ENTITY_Y, ENTITY_HEADING, ENTITY_HEALTH, ENTITY_CHUNK, ENTITY_TARGET, ENTITY_PROPERTIES };
enum { CHUNK_NUMBER, CHUNK_ENTITIES, CHUNK_WORLD, CHUNK_PROPERTIES };
enum { WORLD_ENTITIES, WORLD_CHUNKS, WORLD_TICK, WORLD_PROPERTIES };
enum { EVENT_ID, EVENT_CONTEXT, EVENT_ENTITY, EVENT_PROPERTIES };
/* Variables of a tick. */
enum { ENTITY, EVENT, CONTEXT, PACKET, LOCALS };

struct tick {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t touch_count, garbage_count, rest_us;
    bool is_linked;
    struct vm_class *entity_class, *chunk_class, *world_class, *event_class; /* borrowed: the class table holds them */
    struct vm_object *world;                                                 /* borrowed: the global "world" holds it */
    uint64_t touch_index;
    struct wl_random random; /* of the tick under way */
};

extern const struct wl_ops wl_cli_tick;

static struct tick *tick_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_tick);
    return (struct tick *)session;
}

static struct vm *vm_of(const struct tick *tick)
{
    return tick->session.vm;
}

static void work(struct tick *tick, uint32_t operation_count)
{
    mutator_work_charge(&tick->session.work, operation_count);
}

static const struct vm_array *entities(const struct tick *tick)
{
    return vm_as_array(vm_object_get(tick->world, WORLD_ENTITIES));
}

static struct vm_object *entity_at(const struct tick *tick, uint64_t index)
{
    return vm_as_object(vm_array_get_index(entities(tick), (int64_t)index));
}

static struct vm_object *object_in(const struct tick *tick, uint32_t local)
{
    return vm_as_object(vm_local_get(vm_of(tick), local));
}

/* A variable takes `value` over. PHP's collector runs inside the decrement that this is, ours at the safepoint after it. */
static void assign(struct tick *tick, uint32_t local, struct sm_value value)
{
    vm_local_set(vm_of(tick), local, value);
    vm_safepoint(vm_of(tick));
}

static int64_t number_in(const struct vm_object *object, uint32_t property)
{
    return vm_as_int(vm_object_get(object, property));
}

/* ---- A tick ---- */

static void move(struct tick *tick, struct vm_object *entity)
{
    struct vm *vm = vm_of(tick);
    int64_t heading = number_in(entity, ENTITY_HEADING);
    vm_object_set(vm, entity, ENTITY_X, vm_int((number_in(entity, ENTITY_X) + heading) % FIELD_SIZE));
    vm_object_set(vm, entity, ENTITY_Y, vm_int((number_in(entity, ENTITY_Y) + heading / 2 + 1) % FIELD_SIZE));
    vm_object_set(vm, entity, ENTITY_HEADING, vm_int((heading * 5 + 1) % 1024));
    work(tick, 3);
}

static void aim(struct tick *tick, struct vm_object *entity)
{
    struct vm *vm = vm_of(tick);
    uint64_t other = wl_random_below(&tick->random, vm_array_count(entities(tick)));
    vm_object_set(vm, entity, ENTITY_TARGET, vm_value_copy(vm, vm_object_value(entity_at(tick, other))));
    work(tick, 2);
}

/* One line of the packet. */
static void report(struct tick *tick, const struct vm_object *entity)
{
    struct vm *vm = vm_of(tick);
    struct vm_string *line =
        vm_string_format(vm, "%lld %lld,%lld;", (long long)number_in(entity, ENTITY_ID),
                         (long long)number_in(entity, ENTITY_X), (long long)number_in(entity, ENTITY_Y));
    text_append_string(vm, vm_local_place(vm, PACKET), line);
    vm_value_drop(vm, vm_string_value(line));
    work(tick, 2);
}

static void touch(struct tick *tick)
{
    struct vm *vm = vm_of(tick);
    for (uint64_t i = 0; i < tick->touch_count; i++) {
        assign(tick, ENTITY, vm_value_copy(vm, vm_object_value(entity_at(tick, tick->touch_index))));
        struct vm_object *entity = object_in(tick, ENTITY);
        move(tick, entity);
        if (i % TOUCHES_PER_AIM == 0)
            aim(tick, entity);
        if (i % TOUCHES_PER_UPDATE == 0)
            report(tick, entity);
        tick->touch_index = (tick->touch_index + TOUCH_STRIDE) % vm_array_count(entities(tick));
    }
}

/* An event and its context, which refer to each other. */
static void make_garbage(struct tick *tick)
{
    struct vm *vm = vm_of(tick);
    for (uint64_t i = 0; i < tick->garbage_count; i++) {
        assign(tick, EVENT, vm_object_value(vm_object_new(vm, tick->event_class)));
        assign(tick, CONTEXT, vm_object_value(vm_object_new(vm, tick->event_class)));
        struct vm_object *event = object_in(tick, EVENT), *context = object_in(tick, CONTEXT);
        vm_object_set(vm, event, EVENT_ID, vm_int((int64_t)i));
        vm_object_set(vm, event, EVENT_CONTEXT, vm_value_copy(vm, vm_object_value(context)));
        vm_object_set(vm, context, EVENT_CONTEXT, vm_value_copy(vm, vm_object_value(event)));
        if (tick->is_linked)
            vm_object_set(vm, event, EVENT_ENTITY, vm_value_copy(vm, vm_local_get(vm, ENTITY)));
        work(tick, 4);
        if (vm_session_leak_strikes(&tick->session))
            vm_session_leak(&tick->session, vm_local_get(vm, EVENT));
    }
}

/* ---- Reading back, faults ---- */

static void fold_entity(struct tick *tick, const struct vm_object *entity)
{
    const struct vm_object *chunk = vm_as_object(vm_object_get(entity, ENTITY_CHUNK));
    for (uint32_t property = ENTITY_ID; property <= ENTITY_HEALTH; property++)
        vm_session_fold_value(&tick->session, vm_object_get(entity, property), 1);
    vm_session_fold_value(&tick->session, vm_object_get(chunk, CHUNK_NUMBER), 1);
    const struct vm_object *target = vm_as_object(vm_object_get(entity, ENTITY_TARGET));
    vm_session_fold_value(&tick->session, vm_object_get(target, ENTITY_ID), 1);
}

/* In the entity that was touched last. */
static void inject_faults(struct tick *tick)
{
    struct vm *vm = vm_of(tick);
    struct vm_object *entity = object_in(tick, ENTITY);
    if (vm_session_fault_strikes(&tick->session, WL_FAULT_FLIP_BYTE))
        vm_object_set(vm, entity, ENTITY_HEALTH, vm_int(number_in(entity, ENTITY_HEALTH) ^ 1));
    if (vm_session_fault_strikes(&tick->session, WL_FAULT_FLIP_EDGE)) {
        const struct vm_object *target = vm_as_object(vm_object_get(entity, ENTITY_TARGET));
        uint64_t next = (uint64_t)(number_in(target, ENTITY_ID) + 1) % vm_array_count(entities(tick));
        vm_object_set(vm, entity, ENTITY_TARGET, vm_value_copy(vm, vm_object_value(entity_at(tick, next))));
    }
}

static void run_tick(struct vm_session *session)
{
    struct tick *tick = tick_of(session);
    struct vm *vm = session->vm;
    uint64_t number = session->instance.steps_done + 1;
    tick->random = vm_session_random(session, number);
    vm_object_set(vm, tick->world, WORLD_TICK, vm_int((int64_t)number));
    vm_frame_enter(vm, LOCALS);
    vm_local_set(vm, PACKET, vm_string_value(vm_string_with_capacity(vm, 256)));
    touch(tick);
    make_garbage(tick);
    inject_faults(tick);
    fold_entity(tick, object_in(tick, ENTITY));
    for (int i = 0; i < SAMPLES_PER_TICK; i++)
        fold_entity(tick, entity_at(tick, wl_random_below(&tick->random, vm_array_count(entities(tick)))));
    vm_session_fold_value(session, vm_local_get(vm, PACKET), 1);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(vm);
    if (tick->rest_us > 0)
        vm_block(vm, tick->rest_us);
}

/* ---- The workload ---- */

static struct vm_object *make_chunk(struct tick *tick, uint64_t number)
{
    struct vm *vm = vm_of(tick);
    struct vm_object *chunk = vm_object_new(vm, tick->chunk_class);
    vm_array_append(vm, vm_array_write(vm, vm_object_place(tick->world, WORLD_CHUNKS)), vm_object_value(chunk));
    vm_object_set(vm, chunk, CHUNK_NUMBER, vm_int((int64_t)number));
    vm_object_set(vm, chunk, CHUNK_WORLD, vm_value_copy(vm, vm_object_value(tick->world)));
    vm_object_set(vm, chunk, CHUNK_ENTITIES, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, ENTITIES_PER_CHUNK)));
    return chunk;
}

/* Held by the world and by its chunk. */
static void make_entity(struct tick *tick, struct vm_object *chunk, uint64_t id)
{
    struct vm *vm = vm_of(tick);
    struct vm_object *entity = vm_object_new(vm, tick->entity_class);
    struct sm_value value = vm_object_value(entity);
    vm_array_append(vm, vm_array_write(vm, vm_object_place(tick->world, WORLD_ENTITIES)), value);
    vm_array_append(vm, vm_array_write(vm, vm_object_place(chunk, CHUNK_ENTITIES)), vm_value_copy(vm, value));
    vm_object_set(vm, entity, ENTITY_ID, vm_int((int64_t)id));
    vm_object_set(vm, entity, ENTITY_X, vm_int((int64_t)wl_random_below(&tick->random, FIELD_SIZE)));
    vm_object_set(vm, entity, ENTITY_Y, vm_int((int64_t)wl_random_below(&tick->random, FIELD_SIZE)));
    vm_object_set(vm, entity, ENTITY_HEADING, vm_int((int64_t)wl_random_below(&tick->random, 1024)));
    vm_object_set(vm, entity, ENTITY_HEALTH, vm_int(100));
    vm_object_set(vm, entity, ENTITY_CHUNK, vm_value_copy(vm, vm_object_value(chunk)));
    vm_object_set(vm, entity, ENTITY_TARGET, vm_value_copy(vm, value));
}

static void make_world(struct tick *tick, uint64_t count)
{
    struct vm *vm = vm_of(tick);
    vm_object_set(vm, tick->world, WORLD_ENTITIES, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, count)));
    vm_object_set(vm, tick->world, WORLD_CHUNKS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_object *chunk = NULL;
    for (uint64_t i = 0; i < count; i++) {
        if (i % ENTITIES_PER_CHUNK == 0)
            chunk = make_chunk(tick, i / ENTITIES_PER_CHUNK);
        make_entity(tick, chunk, i);
        vm_safepoint(vm);
    }
}

static void boot(struct vm_session *session)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6"};
    struct tick *tick = tick_of(session);
    const union sm_option_value *value = session->options->value;
    tick->touch_count = value[OPTION_TOUCH].count;
    tick->garbage_count = value[OPTION_GARBAGE].count;
    tick->is_linked = value[OPTION_LINKED].count != 0;
    tick->rest_us = value[OPTION_REST].count;
    tick->random = vm_session_random(session, 0);
    tick->entity_class = vm_class_define(session->vm, "Entity", names, ENTITY_PROPERTIES, NULL);
    tick->chunk_class = vm_class_define(session->vm, "Chunk", names, CHUNK_PROPERTIES, NULL);
    tick->world_class = vm_class_define(session->vm, "World", names, WORLD_PROPERTIES, NULL);
    tick->event_class = vm_class_define(session->vm, "Event", names, EVENT_PROPERTIES, NULL);
    tick->world = vm_object_new(session->vm, tick->world_class);
    vm_global_set(session->vm, "world", vm_object_value(tick->world));
    make_world(tick, value[OPTION_WORLD].count);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct tick), &wl_cli_tick, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_tick);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct tick *tick = tick_of(vm_session_of(instance));
    for (uint64_t i = 0; i < vm_array_count(entities(tick)); i++)
        fold_entity(tick, entity_at(tick, i));
    return vm_session_finish(instance);
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_WORLD].count;
    uint64_t chunks = (objects + ENTITIES_PER_CHUNK - 1) / ENTITIES_PER_CHUNK;
    uint64_t chunk = block_bytes_object(CHUNK_PROPERTIES) + block_bytes_packed(ENTITIES_PER_CHUNK);
    return objects * block_bytes_object(ENTITY_PROPERTIES) + block_bytes_packed(objects) + chunks * chunk +
           block_bytes_packed(chunks) + block_bytes_object(WORLD_PROPERTIES) + mutator_work_block_bytes();
}

const struct wl_ops wl_cli_tick = {
    .name = "cli-tick",
    .summary = "50 ms ticks over a large world that lives on: much is touched, next to nothing dies",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 1000,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
