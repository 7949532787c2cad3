/*
 * Workload "arrays": a few arrays of a million elements, some of them objects, written in place at random; and one more that
 * grows element by element until it is as large, and starts anew.
 */
#include "block_bytes.h"
#include "vm_session.h"

#include <assert.h>

enum { ARRAYS_MAX = 8, WRITES_PER_SAFEPOINT = 32, SAMPLES_PER_STEP = 64 };

enum arrays_option { OPTION_ARRAYS, OPTION_ELEMENTS, OPTION_BOXED, OPTION_WRITES, OPTION_GROWTH, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_ARRAYS] = {"arrays", SM_OPTION_COUNT, "arrays", "3", 1, ARRAYS_MAX, NULL, "arrays that live on"},
    [OPTION_ELEMENTS] = {"elements", SM_OPTION_COUNT, "elements", "1000000", 16, 1e8, NULL, "of each"},
    [OPTION_BOXED] = {"boxed", SM_OPTION_REAL, "", "0.25", 0.125, 1, NULL,
                      "share of the elements that are objects; the others are numbers"},
    [OPTION_WRITES] = {"writes", SM_OPTION_COUNT, "elements", "8192", 1, 1e8, NULL,
                       "elements replaced at random in a step, over all arrays"},
    [OPTION_GROWTH] = {"growth", SM_OPTION_COUNT, "elements", "16384", 1, 1e8, NULL,
                       "elements appended to the growing array in a step"},
};

enum { BOX_NUMBER, BOX_PROPERTIES };
/* Properties of the holder: the arrays that live on, and the one that grows. */
enum { HOLDER_GROWING = ARRAYS_MAX, HOLDER_PROPERTIES };

struct arrays {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t array_count, element_count, write_count, growth;
    double boxed;
    struct vm_class *box_class;
    struct vm_object *holder; /* borrowed: the global "arrays" holds it */
    uint64_t element_number;  /* elements made so far */
    struct wl_random random;  /* of the step under way */
};

extern const struct wl_ops wl_arrays;

static struct arrays *arrays_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_arrays);
    return (struct arrays *)session;
}

/* ---- Elements ---- */

/* The share is spread evenly. */
static uint64_t boxed_below(double share, uint64_t index)
{
    return (uint64_t)((double)index * share);
}

static bool is_boxed(const struct arrays *arrays, uint64_t index)
{
    return boxed_below(arrays->boxed, index + 1) > boxed_below(arrays->boxed, index);
}

static struct sm_value make_element(struct arrays *arrays, uint64_t index)
{
    struct vm *vm = arrays->session.vm;
    struct sm_value number = vm_int((int64_t)++arrays->element_number);
    if (!is_boxed(arrays, index))
        return number;
    struct vm_object *box = vm_object_new(vm, arrays->box_class);
    vm_object_set(vm, box, BOX_NUMBER, number);
    return vm_object_value(box);
}

/* To read, and to write in place: nobody shares them. */
static const struct vm_array *array_at(const struct arrays *arrays, uint32_t property)
{
    return vm_as_array(vm_object_get(arrays->holder, property));
}

static struct vm_array *writable(struct arrays *arrays, uint32_t property)
{
    return vm_array_write(arrays->session.vm, vm_object_place(arrays->holder, property));
}

static void append(struct arrays *arrays, uint32_t property, uint64_t count)
{
    struct vm *vm = arrays->session.vm;
    uint64_t first = vm_array_count(array_at(arrays, property));
    for (uint64_t i = 0; i < count; i++) {
        struct sm_value element = make_element(arrays, first + i);
        vm_array_append(vm, writable(arrays, property), element);
        if (i % WRITES_PER_SAFEPOINT == 0)
            vm_safepoint(vm);
    }
}

static void write_some(struct arrays *arrays)
{
    struct vm *vm = arrays->session.vm;
    for (uint64_t i = 0; i < arrays->write_count; i++) {
        uint32_t property = (uint32_t)wl_random_below(&arrays->random, arrays->array_count);
        uint64_t index = wl_random_below(&arrays->random, arrays->element_count);
        struct sm_value element = make_element(arrays, index);
        if (vm_session_leak_strikes(&arrays->session))
            vm_session_leak(&arrays->session, vm_array_get_index(array_at(arrays, property), (int64_t)index));
        vm_array_set_index(vm, writable(arrays, property), (int64_t)index, element);
        mutator_work_charge(&arrays->session.work, 1);
        if (i % WRITES_PER_SAFEPOINT == 0)
            vm_safepoint(vm);
    }
}

static struct vm_array *start_array(struct arrays *arrays, uint32_t property, uint64_t capacity)
{
    struct vm_array *array = vm_array_new(arrays->session.vm, VM_ARRAY_PACKED, capacity);
    vm_object_set(arrays->session.vm, arrays->holder, property, vm_array_value(array));
    return array;
}

/* ---- Reading back, faults ---- */

static void fold_element(struct arrays *arrays, uint32_t property, uint64_t index)
{
    vm_session_fold_value(&arrays->session, vm_array_get_index(array_at(arrays, property), (int64_t)index), 2);
}

static uint64_t next_boxed(const struct arrays *arrays, uint64_t index)
{
    do
        index = (index + 1) % arrays->element_count;
    while (!is_boxed(arrays, index));
    return index;
}

static void flip_byte(struct arrays *arrays, uint64_t index)
{
    const struct sm_value element = vm_array_get_index(array_at(arrays, 0), (int64_t)index);
    struct vm_object *box = vm_as_object(element);
    int64_t number = vm_as_int(vm_object_get(box, BOX_NUMBER));
    vm_object_set(arrays->session.vm, box, BOX_NUMBER, vm_int(number ^ 1));
}

static void flip_edge(struct arrays *arrays, uint64_t index)
{
    struct vm *vm = arrays->session.vm;
    struct sm_value other = vm_array_get_index(array_at(arrays, 0), (int64_t)next_boxed(arrays, index));
    vm_array_set_index(vm, writable(arrays, 0), (int64_t)index, vm_value_copy(vm, other));
}

/* A fault is planted where an element is about to be read. */
static void inject_faults(struct arrays *arrays)
{
    uint64_t index = next_boxed(arrays, wl_random_below(&arrays->random, arrays->element_count));
    if (vm_session_fault_strikes(&arrays->session, WL_FAULT_FLIP_BYTE))
        flip_byte(arrays, index);
    if (vm_session_fault_strikes(&arrays->session, WL_FAULT_FLIP_EDGE))
        flip_edge(arrays, index);
    fold_element(arrays, 0, index);
}

static void fold_samples(struct arrays *arrays)
{
    for (unsigned i = 0; i < SAMPLES_PER_STEP; i++) {
        uint32_t property = (uint32_t)wl_random_below(&arrays->random, arrays->array_count);
        fold_element(arrays, property, wl_random_below(&arrays->random, arrays->element_count));
    }
    uint64_t grown = vm_array_count(array_at(arrays, HOLDER_GROWING));
    fold_element(arrays, HOLDER_GROWING, wl_random_below(&arrays->random, grown));
}

static void run_step(struct vm_session *session)
{
    struct arrays *arrays = arrays_of(session);
    arrays->random = vm_session_random(session, session->instance.steps_done + 1);
    write_some(arrays);
    uint64_t room = arrays->element_count - vm_array_count(array_at(arrays, HOLDER_GROWING));
    append(arrays, HOLDER_GROWING, room < arrays->growth ? room : arrays->growth);
    inject_faults(arrays);
    fold_samples(arrays);
    if (vm_array_count(array_at(arrays, HOLDER_GROWING)) == arrays->element_count)
        (void)start_array(arrays, HOLDER_GROWING, 0);
    vm_session_fold(session, session->work.accumulator);
}

/* ---- The workload ---- */

static void define_classes(struct arrays *arrays)
{
    static const char *const box_names[BOX_PROPERTIES] = {"number"};
    static const char *const holder_names[HOLDER_PROPERTIES] = {"p0", "p1", "p2", "p3",     "p4",
                                                                "p5", "p6", "p7", "growing"};
    struct vm *vm = arrays->session.vm;
    arrays->box_class = vm_class_define(vm, "Box", box_names, BOX_PROPERTIES, NULL);
    struct vm_class *holder_class = vm_class_define(vm, "Holder", holder_names, HOLDER_PROPERTIES, NULL);
    arrays->holder = vm_object_new(vm, holder_class);
    vm_global_set(vm, "arrays", vm_object_value(arrays->holder));
}

static void boot(struct vm_session *session)
{
    struct arrays *arrays = arrays_of(session);
    arrays->array_count = session->options->value[OPTION_ARRAYS].count;
    arrays->element_count = session->options->value[OPTION_ELEMENTS].count;
    arrays->boxed = session->options->value[OPTION_BOXED].real;
    arrays->write_count = session->options->value[OPTION_WRITES].count;
    arrays->growth = session->options->value[OPTION_GROWTH].count;
    define_classes(arrays);
    for (uint32_t i = 0; i < arrays->array_count; i++) {
        (void)start_array(arrays, i, arrays->element_count);
        append(arrays, i, arrays->element_count);
    }
    (void)start_array(arrays, HOLDER_GROWING, 0);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct arrays), &wl_arrays, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_step);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct arrays *arrays = arrays_of(vm_session_of(instance));
    for (uint32_t i = 0; i < arrays->array_count; i++)
        for (uint64_t index = 0; index < arrays->element_count; index++)
            fold_element(arrays, i, index);
    vm_session_fold(&arrays->session, instance->steps_done);
    return WL_STEP_DONE;
}

/* When the growing array is as large as the others, just before it starts anew. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t elements = values->value[OPTION_ELEMENTS].count;
    uint64_t boxes = boxed_below(values->value[OPTION_BOXED].real, elements);
    uint64_t array_bytes = block_bytes_packed(elements) + boxes * block_bytes_object(BOX_PROPERTIES);
    return (values->value[OPTION_ARRAYS].count + 1) * array_bytes + mutator_work_block_bytes();
}

const struct wl_ops wl_arrays = {
    .name = "arrays",
    .summary = "three arrays of a million elements, written at random, and one that grows until it is as large",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 600,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
