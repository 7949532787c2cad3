/*
 * Workload "linked": a large world that lives on, and small cyclic graphs that die at once and each hold one pointer into it.
 *
 * The case that ruins trial deletion: whatever the garbage refers to is tried as well. The live objects hang in one
 * container and point back to it. workloads/php/linked.php does the same in PHP.
 */
#include "block_bytes.h"
#include "vm_session.h"

#include <assert.h>

/* A graph: so many objects in a chain that points back as well, and a leaf. */
enum { CHAIN_OBJECTS = 10, GRAPH_OBJECTS = CHAIN_OBJECTS + 1, SAMPLES_PER_STEP = 16 };
/* Over the live objects, all of which it visits unless their number is a multiple of this prime. */
enum { TOUCH_STRIDE = 7919 };

enum linked_option { OPTION_OBJECTS, OPTION_GRAPHS, OPTION_LINKED, OPTION_TOUCH, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_OBJECTS] = {"objects", SM_OPTION_COUNT, "objects", "200000", 1, 1e8, NULL,
                        "objects that live in one container and point back to it"},
    [OPTION_GRAPHS] = {"graphs", SM_OPTION_COUNT, "graphs", "100", 1, 1e6, NULL,
                       "cyclic graphs of 11 objects in an iteration"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                       "each graph holds one pointer to the container, and so to all that lives"},
    [OPTION_TOUCH] = {"touch", SM_OPTION_COUNT, "objects", "0", 0, 1e6, NULL,
                      "live objects that a variable takes and leaves again after each graph"},
};

enum { NODE_A, NODE_B, NODE_C, NODE_PROPERTIES };
/* Variables of an iteration. */
enum { HEAD, TAIL, NODE, OBJECT, LOCALS };

struct linked {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t graph_count, touch_count;
    bool is_linked;
    struct vm_class *node_class;
    struct vm_object *container; /* borrowed: the global "app" holds it */
    uint64_t touch_index, graph_number;
    struct wl_random random; /* of the iteration under way */
};

extern const struct wl_ops wl_cli_linked;

static struct linked *linked_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_linked);
    return (struct linked *)session;
}

static struct vm *vm_of(const struct linked *linked)
{
    return linked->session.vm;
}

static struct vm_object *object_in(const struct linked *linked, uint32_t local)
{
    return vm_as_object(vm_local_get(vm_of(linked), local));
}

static const struct vm_array *live_list(const struct linked *linked)
{
    return vm_as_array(vm_object_get(linked->container, NODE_A));
}

/* ---- A graph ---- */

static struct sm_value new_node(struct linked *linked)
{
    mutator_work_charge(&linked->session.work, 1);
    return vm_object_value(vm_object_new(vm_of(linked), linked->node_class));
}

/* $owner->property = the object in a variable. */
static void refer(struct linked *linked, struct vm_object *owner, uint32_t property, uint32_t local)
{
    struct vm *vm = vm_of(linked);
    vm_object_set(vm, owner, property, vm_value_copy(vm, vm_local_get(vm, local)));
}

static void make_head(struct linked *linked)
{
    struct vm *vm = vm_of(linked);
    vm_session_assign(&linked->session, HEAD, new_node(linked));
    struct sm_value leaf = new_node(linked);
    vm_object_set(vm, vm_as_object(leaf), NODE_A, vm_int((int64_t)linked->graph_number));
    vm_object_set(vm, object_in(linked, HEAD), NODE_C, leaf);
    vm_session_assign(&linked->session, TAIL, vm_value_copy(vm, vm_local_get(vm, HEAD)));
}

static void extend(struct linked *linked, int position)
{
    struct vm *vm = vm_of(linked);
    vm_session_assign(&linked->session, NODE, new_node(linked));
    refer(linked, object_in(linked, NODE), NODE_A, TAIL);
    refer(linked, object_in(linked, TAIL), NODE_B, NODE);
    if (position + 1 < CHAIN_OBJECTS)
        vm_object_set(vm, object_in(linked, NODE), NODE_C, vm_int((int64_t)linked->graph_number + position));
    vm_session_assign(&linked->session, TAIL, vm_value_copy(vm, vm_local_get(vm, NODE)));
}

static void make_graph(struct linked *linked)
{
    struct vm *vm = vm_of(linked);
    linked->graph_number++;
    make_head(linked);
    for (int i = 1; i < CHAIN_OBJECTS; i++)
        extend(linked, i);
    if (linked->is_linked)
        vm_object_set(vm, object_in(linked, TAIL), NODE_C, vm_value_copy(vm, vm_object_value(linked->container)));
}

static void drop_graph(struct linked *linked)
{
    if (vm_session_leak_strikes(&linked->session))
        vm_session_leak(&linked->session, vm_local_get(vm_of(linked), HEAD));
    vm_session_assign(&linked->session, HEAD, vm_undef());
    vm_session_assign(&linked->session, TAIL, vm_undef());
    vm_session_assign(&linked->session, NODE, vm_undef());
}

static void touch_live(struct linked *linked)
{
    struct vm *vm = vm_of(linked);
    for (uint64_t i = 0; i < linked->touch_count; i++) {
        struct sm_value object = vm_array_get_index(live_list(linked), (int64_t)linked->touch_index);
        vm_session_assign(&linked->session, OBJECT, vm_value_copy(vm, object));
        mutator_work_charge(&linked->session.work, 1);
        linked->touch_index = (linked->touch_index + TOUCH_STRIDE) % vm_array_count(live_list(linked));
    }
}

/* ---- Reading back, faults ---- */

static void fold_number(struct linked *linked, const struct vm_object *object, uint32_t property)
{
    vm_session_fold_value(&linked->session, vm_object_get(object, property), 1);
}

/* Along the chain: whether each object points back to the one before it, and what else it holds. */
static void fold_graph(struct linked *linked)
{
    const struct vm_object *node = object_in(linked, HEAD);
    fold_number(linked, vm_as_object(vm_object_get(node, NODE_C)), NODE_A);
    while (vm_tag_of(vm_object_get(node, NODE_B)) == VM_OBJECT) {
        const struct vm_object *next = vm_as_object(vm_object_get(node, NODE_B));
        vm_session_fold(&linked->session, vm_as_object(vm_object_get(next, NODE_A)) == node ? 1 : 2);
        if (vm_tag_of(vm_object_get(next, NODE_C)) == VM_OBJECT)
            fold_number(linked, vm_as_object(vm_object_get(next, NODE_C)), NODE_B);
        else
            fold_number(linked, next, NODE_C);
        node = next;
    }
}

static void fold_live(struct linked *linked, uint64_t index)
{
    const struct vm_object *object = vm_as_object(vm_array_get_index(live_list(linked), (int64_t)index));
    fold_number(linked, object, NODE_B);
    fold_number(linked, vm_as_object(vm_object_get(object, NODE_A)), NODE_B);
}

/* In the second object of the chain. */
static void inject_faults(struct linked *linked)
{
    struct vm *vm = vm_of(linked);
    struct vm_object *second = vm_as_object(vm_object_get(object_in(linked, HEAD), NODE_B));
    if (vm_session_fault_strikes(&linked->session, WL_FAULT_FLIP_BYTE))
        vm_object_set(vm, second, NODE_C, vm_int(vm_as_int(vm_object_get(second, NODE_C)) ^ 1));
    if (vm_session_fault_strikes(&linked->session, WL_FAULT_FLIP_EDGE))
        refer(linked, second, NODE_B, TAIL);
}

static void run_iteration(struct vm_session *session)
{
    struct linked *linked = linked_of(session);
    linked->random = vm_session_random(session, session->instance.steps_done + 1);
    vm_frame_enter(session->vm, LOCALS);
    for (uint64_t i = 0; i < linked->graph_count; i++) {
        make_graph(linked);
        if (i + 1 == linked->graph_count) {
            inject_faults(linked);
            fold_graph(linked);
        }
        drop_graph(linked);
        touch_live(linked);
    }
    for (int i = 0; i < SAMPLES_PER_STEP; i++)
        fold_live(linked, wl_random_below(&linked->random, vm_array_count(live_list(linked))));
    vm_session_fold(session, linked->touch_index);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void make_live(struct linked *linked, uint64_t count)
{
    struct vm *vm = vm_of(linked);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, count);
    vm_object_set(vm, linked->container, NODE_A, vm_array_value(list));
    for (uint64_t i = 0; i < count; i++) {
        struct vm_object *object = vm_object_new(vm, linked->node_class);
        vm_array_append(vm, list, vm_object_value(object));
        vm_object_set(vm, object, NODE_A, vm_value_copy(vm, vm_object_value(linked->container)));
        vm_object_set(vm, object, NODE_B, vm_int((int64_t)i));
        vm_safepoint(vm);
    }
}

static void boot(struct vm_session *session)
{
    static const char *const names[NODE_PROPERTIES] = {"a", "b", "c"};
    struct linked *linked = linked_of(session);
    linked->graph_count = session->options->value[OPTION_GRAPHS].count;
    linked->touch_count = session->options->value[OPTION_TOUCH].count;
    linked->is_linked = session->options->value[OPTION_LINKED].count != 0;
    linked->node_class = vm_class_define(session->vm, "Node", names, NODE_PROPERTIES, NULL);
    linked->container = vm_object_new(session->vm, linked->node_class);
    vm_global_set(session->vm, "app", vm_object_value(linked->container));
    vm_object_set(session->vm, linked->container, NODE_B, vm_int((int64_t)(session->seed & INT32_MAX)));
    make_live(linked, session->options->value[OPTION_OBJECTS].count);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct linked), &wl_cli_linked, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_iteration);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct linked *linked = linked_of(vm_session_of(instance));
    for (uint64_t i = 0; i < vm_array_count(live_list(linked)); i++)
        fold_live(linked, i);
    vm_session_fold(&linked->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_OBJECTS].count;
    return (objects + 1) * block_bytes_object(NODE_PROPERTIES) + block_bytes_packed(objects) +
           mutator_work_block_bytes();
}

const struct wl_ops wl_cli_linked = {
    .name = "linked",
    .summary = "many objects in one container, and cyclic graphs that die at once, each with a pointer to it",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 4000,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
