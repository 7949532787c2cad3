/*
 * Workload "destructors": a storm of them (story S11 of the study): all objects of a batch have one, and die at once.
 *
 * A step makes a batch in an array, or linked in a list, and drops it with a single assignment.
 */
#include "block_bytes.h"
#include "vm_session.h"

#include <assert.h>

enum { OBJECTS_PER_SAMPLE = 64 };

enum destructors_option { OPTION_OBJECTS, OPTION_LISTED, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_OBJECTS] = {"objects", SM_OPTION_COUNT, "objects", "100000", 2, 1e8, NULL, "objects of a batch"},
    [OPTION_LISTED] = {"listed", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                       "each object refers to the one made before it, and only the last is held"},
};

/* The destructor reads the first. */
enum { NODE_NUMBER, NODE_NEXT, NODE_PROPERTIES };
enum { BATCH, NODE, LOCALS };

struct destructors {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t object_count;
    bool is_listed;
    struct vm_class *node_class;
    uint64_t object_number;
};

extern const struct wl_ops wl_destructors;

static struct destructors *destructors_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_destructors);
    return (struct destructors *)session;
}

/* ---- A batch ---- */

/* In local NODE. */
static void make_node(struct destructors *storm)
{
    struct vm *vm = storm->session.vm;
    struct vm_object *node = vm_object_new(vm, storm->node_class);
    vm_local_set(vm, NODE, vm_object_value(node));
    vm_object_set(vm, node, NODE_NUMBER, vm_int((int64_t)++storm->object_number));
    mutator_work_charge(&storm->session.work, 1);
}

static void append_node(struct destructors *storm)
{
    struct vm *vm = storm->session.vm;
    make_node(storm);
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), vm_local_take(vm, NODE));
}

static void push_node(struct destructors *storm)
{
    struct vm *vm = storm->session.vm;
    make_node(storm);
    vm_object_set(vm, vm_as_object(vm_local_get(vm, NODE)), NODE_NEXT, vm_local_take(vm, BATCH));
    vm_local_set(vm, BATCH, vm_local_take(vm, NODE));
}

static void make_batch(struct destructors *storm)
{
    struct vm *vm = storm->session.vm;
    if (!storm->is_listed)
        vm_local_set(vm, BATCH, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, storm->object_count)));
    for (uint64_t i = 0; i < storm->object_count; i++) {
        if (storm->is_listed)
            push_node(storm);
        else
            append_node(storm);
        vm_safepoint(vm);
    }
}

/* The object made `age` objects before the last one, when it is known where it is; `from` moves along the list. */
static struct sm_value next_of(const struct destructors *storm, struct sm_value from, uint64_t age)
{
    const struct vm *vm = storm->session.vm;
    if (storm->is_listed)
        return age == 0 ? vm_local_get(vm, BATCH) : vm_object_get(vm_as_object(from), NODE_NEXT);
    return vm_array_get_index(vm_as_array(vm_local_get(vm, BATCH)), (int64_t)(storm->object_count - 1 - age));
}

/* ---- Reading back, faults ---- */

static void fold_node(struct destructors *storm, const struct vm_object *node)
{
    vm_session_fold_value(&storm->session, vm_object_get(node, NODE_NUMBER), 1);
    vm_session_fold(&storm->session, vm_tag_of(vm_object_get(node, NODE_NEXT)));
}

static void fold_batch(struct destructors *storm)
{
    struct sm_value node = vm_undef();
    for (uint64_t age = 0; age < storm->object_count; age++) {
        node = next_of(storm, node, age);
        if (vm_tag_of(node) != VM_OBJECT)
            break;
        if (vm_session_leak_strikes(&storm->session))
            vm_session_leak(&storm->session, node);
        if (age % OBJECTS_PER_SAMPLE == 0)
            fold_node(storm, vm_as_object(node));
    }
}

/* In the object made last: its number, and what refers to it. */
static void inject_faults(struct destructors *storm)
{
    struct vm *vm = storm->session.vm;
    struct sm_value last = next_of(storm, vm_undef(), 0), before = next_of(storm, last, 1);
    if (vm_session_fault_strikes(&storm->session, WL_FAULT_FLIP_BYTE))
        vm_object_set(vm, vm_as_object(last), NODE_NUMBER, vm_int((int64_t)storm->object_number ^ 1));
    if (!vm_session_fault_strikes(&storm->session, WL_FAULT_FLIP_EDGE))
        return;
    if (storm->is_listed)
        vm_local_set(vm, BATCH, vm_value_copy(vm, before));
    else
        vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, BATCH)), (int64_t)storm->object_count - 1,
                           vm_value_copy(vm, before));
}

static void run_storm(struct vm_session *session)
{
    struct destructors *storm = destructors_of(session);
    vm_frame_enter(session->vm, LOCALS);
    make_batch(storm);
    inject_faults(storm);
    fold_batch(storm);
    vm_local_set(session->vm, BATCH, vm_undef());
    vm_safepoint(session->vm);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void boot(struct vm_session *session)
{
    static const char *const names[NODE_PROPERTIES] = {"number", "next"};
    struct destructors *storm = destructors_of(session);
    storm->object_count = session->options->value[OPTION_OBJECTS].count;
    storm->is_listed = session->options->value[OPTION_LISTED].count != 0;
    storm->object_number = session->seed & UINT32_MAX;
    storm->node_class = vm_class_define(session->vm, "Handle", names, NODE_PROPERTIES, vm_session_destructor);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct destructors), &wl_destructors, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_storm);
}

/* When a batch is complete. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_OBJECTS].count;
    uint64_t list_bytes = values->value[OPTION_LISTED].count != 0 ? 0 : block_bytes_packed(objects);
    return objects * block_bytes_object(NODE_PROPERTIES) + list_bytes + mutator_work_block_bytes();
}

const struct wl_ops wl_destructors = {
    .name = "destructors",
    .summary = "batches of 100,000 objects with destructors, each batch dropped at once",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 60,
    .create = create,
    .step = step,
    .finish = vm_session_finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
