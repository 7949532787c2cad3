#include "collector_shapes.h"

#include "sapivm/gc.h"

#include <assert.h>
#include <time.h>

enum { NODE_A, NODE_B, NODE_C, NODE_PROPERTIES };

/* The variables of the PHP program, in its order. */
enum { CONTAINER, LIST, HEAD, TAIL, NODE, OBJECT, LOCALS };

/* The stride over the live objects, which visits all of them unless their number is a multiple of this prime. */
enum { TOUCH_STRIDE = 7919 };

static const struct collector_shape shapes[] = {
    {"acyclic", 200500, 0.0, 10000, false, 0},  {"cyclic", 200500, 1.0, 0, false, 0},
    {"mixed", 200500, 0.5, 100000, false, 0},   {"linked", 200500, 0.5, 100000, true, 0},
    {"touched", 100250, 0.5, 100000, false, 5}, {"touch-only", 100250, -1.0, 100000, false, 5},
};

struct run {
    const struct collector_shape *shape;
    struct vm_class *node_class;
    collector_figures_read *read;
    void *context;
    struct collector_shape_result *result;
    uint64_t touch_index;
};

const struct collector_shape *collector_shape_at(size_t index)
{
    return index < sizeof(shapes) / sizeof(shapes[0]) ? &shapes[index] : NULL;
}

const struct collector_shape *collector_shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- The variables ---- */

/*
 * Assign to a variable (`value` taken). PHP's collector runs inside the decrement that fills the root
 * buffer; ours at the safepoint right after it.
 */
static void assign(struct vm *vm, uint32_t variable, struct sm_value value)
{
    vm_local_set(vm, variable, value);
    vm_safepoint(vm);
}

static struct vm_object *object_in(struct vm *vm, uint32_t variable)
{
    return vm_as_object(vm_local_get(vm, variable));
}

/* $variable->property = $from; the property was null before. */
static void set_property(struct vm *vm, uint32_t variable, uint32_t property, uint32_t from)
{
    vm_object_set(vm, object_in(vm, variable), property, vm_value_copy(vm, vm_local_get(vm, from)));
}

static struct sm_value new_node(struct vm *vm, const struct run *run)
{
    return vm_object_value(vm_object_new(vm, run->node_class));
}

/* ---- What lives throughout ---- */

static void make_live_heap(struct vm *vm, const struct run *run)
{
    assign(vm, CONTAINER, new_node(vm, run));
    assign(vm, LIST, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (uint64_t i = 0; i < run->shape->live_count; i++) {
        struct vm_array *list = vm_array_write(vm, vm_local_place(vm, LIST));
        vm_array_append(vm, list, new_node(vm, run));
        struct vm_object *node = vm_as_object(vm_array_get_index(list, (int64_t)i));
        vm_object_set(vm, node, NODE_A, vm_value_copy(vm, vm_local_get(vm, CONTAINER)));
        vm_safepoint(vm);
    }
    set_property(vm, CONTAINER, NODE_A, LIST);
}

/* ---- A round ---- */

static void make_graph(struct vm *vm, const struct run *run, bool cyclic)
{
    assign(vm, HEAD, new_node(vm, run));
    vm_object_set(vm, object_in(vm, HEAD), NODE_C, new_node(vm, run));
    assign(vm, TAIL, vm_value_copy(vm, vm_local_get(vm, HEAD)));
    for (int i = 1; i < COLLECTOR_SHAPE_RING_NODES; i++) {
        assign(vm, NODE, new_node(vm, run));
        if (cyclic)
            set_property(vm, NODE, NODE_A, TAIL);
        set_property(vm, TAIL, NODE_B, NODE);
        assign(vm, TAIL, vm_value_copy(vm, vm_local_get(vm, NODE)));
    }
    if (run->shape->linked)
        set_property(vm, TAIL, NODE_C, CONTAINER);
    assign(vm, HEAD, vm_undef());
    assign(vm, TAIL, vm_undef());
    assign(vm, NODE, vm_undef());
}

static void touch_live(struct vm *vm, struct run *run)
{
    for (uint64_t i = 0; i < run->shape->touch_count; i++) {
        const struct vm_array *list = vm_as_array(vm_local_get(vm, LIST));
        assign(vm, OBJECT, vm_value_copy(vm, vm_array_get_index(list, (int64_t)run->touch_index)));
        run->touch_index = (run->touch_index + TOUCH_STRIDE) % run->shape->live_count;
    }
}

static void make_rounds(struct vm *vm, struct run *run)
{
    double share = run->shape->cyclic;
    for (uint64_t graph = 0; graph < run->shape->graph_count; graph++) {
        if (share >= 0)
            make_graph(vm, run, (uint64_t)((double)(graph + 1) * share) > (uint64_t)((double)graph * share));
        touch_live(vm, run);
    }
}

static void run_shape(struct vm *vm, void *context)
{
    struct run *run = (struct run *)context;
    static const char *const names[NODE_PROPERTIES] = {"a", "b", "c"};
    run->node_class = vm_class_define(vm, "ShapeNode", names, NODE_PROPERTIES, NULL);
    vm_frame_enter(vm, LOCALS);
    make_live_heap(vm, run);
    (void)vm_gc_collect_cycles(vm);
    run->read(vm, run->context, &run->result->start);
    uint64_t began = now_ns();
    make_rounds(vm, run);
    run->result->wall_ns = now_ns() - began;
    run->read(vm, run->context, &run->result->rounds);
    began = now_ns();
    (void)vm_gc_collect_cycles(vm);
    run->result->final_ns = now_ns() - began;
    run->read(vm, run->context, &run->result->end);
    vm_frame_leave(vm);
}

sm_status collector_shape_run(struct vm *vm, const struct collector_shape *shape, collector_figures_read *read,
                              void *context, struct collector_shape_result *result)
{
    assert(shape->touch_count == 0 || shape->live_count > 0);
    struct run run = {.shape = shape, .read = read, .context = context, .result = result};
    return vm_try(vm, run_shape, &run);
}
