/*
 * Workload "cli-dtor": a storm of destructors (story S11 of the study): all objects of a batch have one.
 *
 * A step makes a batch in an array, or linked in a list, and drops it with a single assignment. Where a share of the
 * objects form rings, which only a cycle collection finds, it lets go of rings and single objects in turn. A destructor
 * may touch objects of a world that lives on: a variable takes and leaves them, which makes possible roots of them
 * under a policy that counts. workloads/php/cli_dtor.php does the same in PHP.
 */
#include "block_bytes.h"
#include "vm_session.h"

#include <assert.h>
#include <stdio.h>

/* Runs of PHP's collector that find fewer than 100 objects raise its threshold: a ring is more than that. */
enum { OBJECTS_PER_SAMPLE = 64, RING_OBJECTS = 170 };
/* Over the world, all of which is visited unless its size is a multiple of this prime. */
enum { TOUCH_STRIDE = 7919 };

enum dtor_option { OPTION_OBJECTS, OPTION_LISTED, OPTION_CYCLIC, OPTION_TOUCH, OPTION_WORLD, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_OBJECTS] = {"objects", SM_OPTION_COUNT, "objects", "100000", 2, 1e8, NULL, "objects of a batch"},
    [OPTION_LISTED] = {"listed", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                       "each object refers to the one made before it, and only the last is held"},
    [OPTION_CYCLIC] = {"cyclic", SM_OPTION_REAL, "", "0", 0, 1, NULL,
                       "share of the objects that form rings of 170, which die only by a cycle collection"},
    [OPTION_TOUCH] = {"touch", SM_OPTION_COUNT, "objects", "0", 0, 1e6, NULL,
                      "objects of the world that each destructor takes into a variable and leaves again"},
    [OPTION_WORLD] = {"world", SM_OPTION_COUNT, "objects", "0", 0, 1e8, NULL, "objects that live on"},
};

/* The destructor reads the first. */
enum { NODE_NUMBER, NODE_NEXT, NODE_PROPERTIES };
enum { RESOURCE_NUMBER, RESOURCE_PROPERTIES };
/* Variables of a step. The last two make rings. */
enum { BATCH, NODE, HEAD, TAIL, LOCALS };

struct dtor {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t object_count, touch_count, world_count;
    double cyclic_share;
    bool is_listed;
    struct vm_class *node_class, *resource_class; /* borrowed: the class table holds them */
    const struct vm_array *world;                 /* borrowed: the global "world" holds it */
    uint64_t object_number;
};

extern const struct wl_ops wl_cli_dtor;

static struct dtor *dtor_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_dtor);
    return (struct dtor *)session;
}

/* ---- The destructor ---- */

/*
 * Which objects follows from the number alone: the order in which destructors run differs between policies. For that
 * reason it charges no mutator work either, whose results are read back.
 */
static void touch_world(struct dtor *dtor, uint64_t number)
{
    enum { OBJECT, DESTRUCTOR_LOCALS };
    struct vm *vm = dtor->session.vm;
    uint64_t index = number * dtor->touch_count % dtor->world_count * TOUCH_STRIDE % dtor->world_count;
    vm_frame_enter(vm, DESTRUCTOR_LOCALS);
    for (uint64_t i = 0; i < dtor->touch_count; i++) {
        vm_local_set(vm, OBJECT, vm_value_copy(vm, vm_array_get_index(dtor->world, (int64_t)index)));
        struct sm_value resource_number = vm_object_get(vm_as_object(vm_local_get(vm, OBJECT)), RESOURCE_NUMBER);
        dtor->session.instance.destructor_sum += (uint64_t)vm_as_int(resource_number);
        index = (index + TOUCH_STRIDE) % dtor->world_count;
    }
    vm_frame_leave(vm);
}

static void run_destructor(struct vm *vm, struct vm_object *object)
{
    struct dtor *dtor = dtor_of((struct vm_session *)vm_context(vm));
    vm_session_destructor(vm, object);
    if (dtor->touch_count != 0)
        touch_world(dtor, (uint64_t)vm_as_int(vm_object_get(object, NODE_NUMBER)));
}

/* ---- A batch ---- */

/* In local NODE. */
static void make_node(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    struct vm_object *node = vm_object_new(vm, dtor->node_class);
    vm_local_set(vm, NODE, vm_object_value(node));
    vm_object_set(vm, node, NODE_NUMBER, vm_int((int64_t)++dtor->object_number));
    mutator_work_charge(&dtor->session.work, 1);
}

static void append_node(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    make_node(dtor);
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), vm_local_take(vm, NODE));
}

static void push_node(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    make_node(dtor);
    vm_object_set(vm, vm_as_object(vm_local_get(vm, NODE)), NODE_NEXT, vm_local_take(vm, BATCH));
    vm_local_set(vm, BATCH, vm_local_take(vm, NODE));
}

static struct vm_object *object_in(const struct dtor *dtor, uint32_t local)
{
    return vm_as_object(vm_local_get(dtor->session.vm, local));
}

static struct sm_value copy_of(const struct dtor *dtor, uint32_t local)
{
    return vm_value_copy(dtor->session.vm, vm_local_get(dtor->session.vm, local));
}

/* Held by its first object, which the batch's array takes. */
static void append_ring(struct dtor *dtor, uint64_t count)
{
    struct vm *vm = dtor->session.vm;
    make_node(dtor);
    vm_session_assign(&dtor->session, HEAD, copy_of(dtor, NODE));
    vm_session_assign(&dtor->session, TAIL, copy_of(dtor, NODE));
    for (uint64_t i = 1; i < count; i++) {
        make_node(dtor);
        vm_object_set(vm, object_in(dtor, TAIL), NODE_NEXT, copy_of(dtor, NODE));
        vm_session_assign(&dtor->session, TAIL, copy_of(dtor, NODE));
    }
    vm_object_set(vm, object_in(dtor, TAIL), NODE_NEXT, copy_of(dtor, HEAD));
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), copy_of(dtor, HEAD));
    for (uint32_t local = NODE; local < LOCALS; local++)
        vm_session_assign(&dtor->session, local, vm_undef());
}

/* Rings and single objects in turn, so that at any time the share of what is made already is in rings. */
static void make_rings(struct dtor *dtor)
{
    uint64_t in_rings = 0;
    for (uint64_t made = 0; made < dtor->object_count;) {
        uint64_t left = dtor->object_count - made, count = left < RING_OBJECTS ? left : RING_OBJECTS;
        if ((double)in_rings < dtor->cyclic_share * (double)(made + 1)) {
            append_ring(dtor, count);
            in_rings += count;
        } else {
            append_node(dtor);
            count = 1;
        }
        made += count;
        vm_safepoint(dtor->session.vm);
    }
}

static void make_batch(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    if (dtor->cyclic_share > 0) {
        vm_local_set(vm, BATCH, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
        make_rings(dtor);
        return;
    }
    if (!dtor->is_listed)
        vm_local_set(vm, BATCH, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, dtor->object_count)));
    for (uint64_t i = 0; i < dtor->object_count; i++) {
        if (dtor->is_listed)
            push_node(dtor);
        else
            append_node(dtor);
        vm_safepoint(vm);
    }
}

/* One element after the other where there are rings: the collector gets its turn in between. */
static void drop_batch(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    uint64_t count = dtor->cyclic_share > 0 ? vm_array_count(vm_as_array(vm_local_get(vm, BATCH))) : 0;
    for (uint64_t i = 0; i < count; i++) {
        vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), (int64_t)i, vm_null());
        vm_safepoint(vm);
    }
    vm_session_assign(&dtor->session, BATCH, vm_undef());
}

/* Objects that the array holds, or that are in the list. */
static uint64_t held_count(const struct dtor *dtor)
{
    return dtor->is_listed ? dtor->object_count : vm_array_count(vm_as_array(vm_local_get(dtor->session.vm, BATCH)));
}

/* The one held `age` places before the last one, when it is known where it is; `from` moves along the list. */
static struct sm_value next_of(const struct dtor *dtor, struct sm_value from, uint64_t age)
{
    const struct vm *vm = dtor->session.vm;
    if (dtor->is_listed)
        return age == 0 ? vm_local_get(vm, BATCH) : vm_object_get(vm_as_object(from), NODE_NEXT);
    return vm_array_get_index(vm_as_array(vm_local_get(vm, BATCH)), (int64_t)(held_count(dtor) - 1 - age));
}

/* ---- Reading back, faults ---- */

static void fold_node(struct dtor *dtor, const struct vm_object *node)
{
    vm_session_fold_value(&dtor->session, vm_object_get(node, NODE_NUMBER), 1);
    vm_session_fold(&dtor->session, vm_tag_of(vm_object_get(node, NODE_NEXT)));
}

/* Its length too. */
static void fold_ring(struct dtor *dtor, const struct vm_object *head)
{
    uint64_t count = 0;
    const struct vm_object *node = head;
    do {
        if (count++ % OBJECTS_PER_SAMPLE == 0)
            fold_node(dtor, node);
        node = vm_as_object(vm_object_get(node, NODE_NEXT));
    } while (node != head);
    vm_session_fold(&dtor->session, count);
}

static void fold_batch(struct dtor *dtor)
{
    struct sm_value node = vm_undef();
    uint64_t count = held_count(dtor);
    for (uint64_t age = 0; age < count; age++) {
        node = next_of(dtor, node, age);
        if (vm_tag_of(node) != VM_OBJECT)
            break;
        if (vm_session_leak_strikes(&dtor->session))
            vm_session_leak(&dtor->session, node);
        if (age % OBJECTS_PER_SAMPLE == 0)
            fold_node(dtor, vm_as_object(node));
        if (!dtor->is_listed && vm_tag_of(vm_object_get(vm_as_object(node), NODE_NEXT)) == VM_OBJECT)
            fold_ring(dtor, vm_as_object(node));
    }
}

/* In the object held last: its number, and what refers to it. */
static void inject_faults(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    struct sm_value last = next_of(dtor, vm_undef(), 0), before = next_of(dtor, last, 1);
    if (vm_session_fault_strikes(&dtor->session, WL_FAULT_FLIP_BYTE))
        vm_object_set(vm, vm_as_object(last), NODE_NUMBER,
                      vm_int(vm_as_int(vm_object_get(vm_as_object(last), NODE_NUMBER)) ^ 1));
    if (!vm_session_fault_strikes(&dtor->session, WL_FAULT_FLIP_EDGE))
        return;
    if (dtor->is_listed)
        vm_local_set(vm, BATCH, vm_value_copy(vm, before));
    else
        vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), (int64_t)held_count(dtor) - 1,
                           vm_value_copy(vm, before));
}

static void run_storm(struct vm_session *session)
{
    struct dtor *dtor = dtor_of(session);
    vm_frame_enter(session->vm, LOCALS);
    make_batch(dtor);
    inject_faults(dtor);
    fold_batch(dtor);
    drop_batch(dtor);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void make_world(struct dtor *dtor)
{
    struct vm *vm = dtor->session.vm;
    struct vm_array *world = vm_array_new(vm, VM_ARRAY_PACKED, dtor->world_count);
    dtor->world = world;
    vm_global_set(vm, "world", vm_array_value(world));
    for (uint64_t i = 0; i < dtor->world_count; i++) {
        struct vm_object *resource = vm_object_new(vm, dtor->resource_class);
        vm_array_append(vm, world, vm_object_value(resource));
        vm_object_set(vm, resource, RESOURCE_NUMBER, vm_int((int64_t)i + 1));
        vm_safepoint(vm);
    }
}

static void boot(struct vm_session *session)
{
    static const char *const names[NODE_PROPERTIES] = {"number", "next"};
    struct dtor *dtor = dtor_of(session);
    const union sm_option_value *value = session->options->value;
    dtor->object_count = value[OPTION_OBJECTS].count;
    dtor->is_listed = value[OPTION_LISTED].count != 0;
    dtor->cyclic_share = value[OPTION_CYCLIC].real;
    dtor->touch_count = value[OPTION_TOUCH].count;
    dtor->world_count = value[OPTION_WORLD].count;
    dtor->object_number = session->seed & UINT32_MAX;
    dtor->node_class = vm_class_define(session->vm, "Handle", names, NODE_PROPERTIES, run_destructor);
    if (dtor->world_count == 0)
        return;
    dtor->resource_class = vm_class_define(session->vm, "Resource", names, RESOURCE_PROPERTIES, NULL);
    make_world(dtor);
}

/* NULL, or what is wrong with options that go together. */
static const char *refusal_of(const union sm_option_value *value)
{
    if (value[OPTION_TOUCH].count > 0 && value[OPTION_WORLD].count == 0)
        return "touch: expected a world of at least one object (world)";
    if (value[OPTION_CYCLIC].real > 0 && value[OPTION_LISTED].count != 0)
        return "listed: expected no rings (cyclic=0)";
    return NULL;
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    const char *refusal = refusal_of(config->options->value);
    if (refusal != NULL) {
        error->status = SM_ERR_INVALID_ARGUMENT;
        snprintf(error->detail, sizeof(error->detail), "cli-dtor: %s", refusal);
        return SM_ERR_INVALID_ARGUMENT;
    }
    return vm_session_create(sizeof(struct dtor), &wl_cli_dtor, config, boot, instance, error);
}

/* The last destructors run when the world may be gone. */
static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        dtor_of(vm_session_of(instance))->touch_count = 0;
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_storm);
}

/* Elements of a batch's array: single objects, and the first one of each ring. */
static uint64_t array_length(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_OBJECTS].count;
    uint64_t in_rings = (uint64_t)(values->value[OPTION_CYCLIC].real * (double)objects);
    return objects - in_rings + (in_rings + RING_OBJECTS - 1) / RING_OBJECTS;
}

/* When a batch is complete. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_OBJECTS].count, world = values->value[OPTION_WORLD].count;
    uint64_t array_bytes = values->value[OPTION_LISTED].count != 0 ? 0 : block_bytes_packed(array_length(values));
    uint64_t world_bytes = world == 0 ? 0 : world * block_bytes_object(RESOURCE_PROPERTIES) + block_bytes_packed(world);
    return objects * block_bytes_object(NODE_PROPERTIES) + array_bytes + world_bytes + mutator_work_block_bytes();
}

const struct wl_ops wl_cli_dtor = {
    .name = "cli-dtor",
    .summary = "batches of 100,000 objects with destructors, each batch dropped at once",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 170,
    .create = create,
    .step = step,
    .finish = vm_session_finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
