/* The mutator-work kernel: a bytecode program of 20 instructions over a small world of live objects. */
#include "mutator_work.h"

#include "block_bytes.h"
#include "workloads/checksum.h"

#include <assert.h>
#include <stdio.h>

enum { NODE_COUNT = 64, NAME_COUNT = 32, NAME_BYTES = 32 };

enum world_property { WORLD_NODES, WORLD_NAMES, WORLD_PROBES, WORLD_TABLE, WORLD_PROPERTIES };
enum node_property { NODE_NUMBER, NODE_LINK, NODE_PROPERTIES };

/* Locals of a call. */
enum { LEFT, RIGHT, SUBJECT, OTHER, LOCAL_COUNT };

/* What a call holds in C: its borrowed arrays and the running result. */
struct activation {
    struct vm *vm;
    const struct vm_array *nodes;
    const struct vm_array *names;
    const struct vm_array *probes;
    const struct vm_array *table;
    uint64_t accumulator;
};

typedef void opcode_handler(struct activation *call, unsigned operand);

static struct sm_value pick(const struct vm_array *list, uint64_t selector)
{
    return vm_array_get_index(list, (int64_t)(selector % vm_array_count(list)));
}

static void opcode_add(struct activation *call, unsigned operand)
{
    uint64_t sum = vm_local_get(call->vm, LEFT).payload + vm_local_get(call->vm, RIGHT).payload + operand;
    vm_local_set(call->vm, LEFT, vm_int((int64_t)sum));
    call->accumulator ^= sum;
}

static void opcode_load(struct activation *call, unsigned operand)
{
    vm_local_set(call->vm, RIGHT, vm_int((int64_t)(call->accumulator >> (operand & 31))));
}

/* Comparisons of equal length but separate strings, so that bytes are read. */
static void opcode_compare(struct activation *call, unsigned operand)
{
    uint64_t selector = call->accumulator + operand;
    struct vm_string *name = vm_as_string(pick(call->names, selector));
    struct vm_string *probe = vm_as_string(pick(call->probes, selector));
    call->accumulator += vm_string_equal(name, probe) ? operand : operand + 1;
}

static void opcode_lookup(struct activation *call, unsigned operand)
{
    struct vm_string *probe = vm_as_string(pick(call->probes, call->accumulator + operand));
    struct sm_value found = vm_array_get_key(call->table, probe);
    call->accumulator += vm_tag_of(found) == VM_INT ? found.payload : operand;
}

static void opcode_fetch_property(struct activation *call, unsigned operand)
{
    struct vm_object *subject = vm_as_object(vm_local_get(call->vm, SUBJECT));
    call->accumulator = wl_mix(call->accumulator + vm_object_get(subject, NODE_NUMBER).payload + operand);
}

static void opcode_assign_object(struct activation *call, unsigned operand)
{
    struct sm_value node = pick(call->nodes, call->accumulator + operand);
    vm_local_set(call->vm, SUBJECT, vm_value_copy(call->vm, node));
}

/* `$other = $subject->link`: a pointer chase. */
static void opcode_follow_link(struct activation *call, unsigned operand)
{
    (void)operand;
    struct vm_object *subject = vm_as_object(vm_local_get(call->vm, SUBJECT));
    vm_local_set(call->vm, OTHER, vm_value_copy(call->vm, vm_object_get(subject, NODE_LINK)));
}

static void opcode_send_object(struct activation *call, unsigned operand)
{
    vm_temporary_push(call->vm, vm_value_copy(call->vm, vm_local_get(call->vm, SUBJECT)));
    struct sm_value argument = vm_temporary_pop(call->vm);
    call->accumulator += vm_object_get(vm_as_object(argument), NODE_NUMBER).payload ^ operand;
    vm_value_drop(call->vm, argument);
}

static void opcode_store_object(struct activation *call, unsigned operand)
{
    struct vm_object *subject = vm_as_object(vm_local_get(call->vm, SUBJECT));
    struct sm_value target = pick(call->nodes, call->accumulator + operand);
    vm_object_set(call->vm, subject, NODE_LINK, vm_value_copy(call->vm, target));
}

/* An internal function that reads a string: strpos, strlen of a needle, a checksum. */
static void opcode_scan(struct activation *call, unsigned operand)
{
    const struct vm_string *name = vm_as_string(pick(call->names, call->accumulator + operand));
    uint64_t state = call->accumulator;
    for (size_t i = 0; i < name->length; i++)
        state = (state ^ (unsigned char)name->data[i]) * UINT64_C(0x100000001b3);
    call->accumulator = state;
}

struct instruction {
    opcode_handler *handler;
    unsigned operand;
};

/*
 * One call. Seven copies of objects (three assignments, two links, one argument, one store) and their
 * drops are 3.2 (fpm-page) and 3.6 (cli-queue) count operations an allocation, beside the workloads' own
 * (scripts/mutator-rates). One store a call is 0.2 to 0.3 an allocation.
 */
static const struct instruction program[MUTATOR_OPCODES_PER_CALL] = {
    {opcode_assign_object, 1}, {opcode_load, 7},
    {opcode_add, 3},           {opcode_fetch_property, 11},
    {opcode_scan, 5},          {opcode_lookup, 17},
    {opcode_follow_link, 0},   {opcode_compare, 2},
    {opcode_assign_object, 3}, {opcode_add, 9},
    {opcode_lookup, 31},       {opcode_load, 13},
    {opcode_follow_link, 0},   {opcode_fetch_property, 3},
    {opcode_send_object, 13},  {opcode_compare, 37},
    {opcode_assign_object, 7}, {opcode_scan, 19},
    {opcode_store_object, 43}, {opcode_add, 53},
};

void mutator_work_call(struct mutator_work *work)
{
    struct vm_object *world = work->world;
    assert(world != NULL);
    struct activation call = {
        .vm = work->vm,
        .nodes = vm_as_array(vm_object_get(world, WORLD_NODES)),
        .names = vm_as_array(vm_object_get(world, WORLD_NAMES)),
        .probes = vm_as_array(vm_object_get(world, WORLD_PROBES)),
        .table = vm_as_array(vm_object_get(world, WORLD_TABLE)),
        .accumulator = work->accumulator,
    };
    vm_frame_enter(work->vm, LOCAL_COUNT);
    vm_local_set(work->vm, LEFT, vm_int((int64_t)work->calls_run));
    vm_local_set(work->vm, RIGHT, vm_int(1));
    for (unsigned i = 0; i < MUTATOR_OPCODES_PER_CALL; i++)
        program[i].handler(&call, program[i].operand);
    vm_frame_leave(work->vm);
    work->accumulator = call.accumulator;
    work->opcodes_run += MUTATOR_OPCODES_PER_CALL;
    work->calls_run++;
}

/* Every other probe differs from its name in the last byte. */
static struct vm_string *make_name(struct vm *vm, unsigned index, bool probe)
{
    char text[NAME_BYTES + 1];
    snprintf(text, sizeof(text), "App\\Services\\Worker%02u\\handle", index);
    size_t length = strlen(text);
    memset(text + length, 'a' + (int)(index % 26), sizeof(text) - length);
    if (probe && index % 2 == 1)
        text[NAME_BYTES - 1] = '#';
    return vm_string_new(vm, text, NAME_BYTES);
}

static void fill_names(struct vm *vm, struct vm_array *names, bool probe)
{
    for (unsigned i = 0; i < NAME_COUNT; i++)
        vm_array_append(vm, names, vm_string_value(make_name(vm, i, probe)));
}

static void fill_table(struct vm *vm, struct vm_array *table, const struct vm_array *names)
{
    for (unsigned i = 0; i < NAME_COUNT; i++)
        vm_array_set_key(vm, table, vm_as_string(vm_array_get_index(names, (int64_t)i)),
                         vm_int((int64_t)wl_mix(i + 1)));
}

static void fill_nodes(struct vm *vm, struct vm_array *nodes)
{
    static const char *const names[NODE_PROPERTIES] = {"number", "link"};
    struct vm_class *node_class = vm_class_define(vm, "MutatorNode", names, NODE_PROPERTIES, NULL);
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        struct vm_object *node = vm_object_new(vm, node_class);
        vm_object_set(vm, node, NODE_NUMBER, vm_int((int64_t)i));
        vm_array_append(vm, nodes, vm_object_value(node));
    }
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        struct vm_object *node = vm_as_object(vm_array_get_index(nodes, (int64_t)i));
        struct sm_value link = vm_array_get_index(nodes, (int64_t)((i * 7 + 3) % NODE_COUNT));
        vm_object_set(vm, node, NODE_LINK, vm_value_copy(vm, link));
    }
}

static struct vm_array *add_array(struct vm *vm, struct vm_object *world, uint32_t property, enum vm_array_kind kind,
                                  size_t capacity)
{
    struct vm_array *array = vm_array_new(vm, kind, capacity);
    vm_object_set(vm, world, property, vm_array_value(array));
    return array;
}

void mutator_work_boot(struct mutator_work *work, struct vm *vm, bool enabled)
{
    static const char *const names[WORLD_PROPERTIES] = {"nodes", "names", "probes", "table"};
    struct vm_class *world_class = vm_class_define(vm, "MutatorWorld", names, WORLD_PROPERTIES, NULL);
    struct vm_object *world = vm_object_new(vm, world_class);
    vm_global_set(vm, "mutator-work", vm_object_value(world));
    fill_nodes(vm, add_array(vm, world, WORLD_NODES, VM_ARRAY_PACKED, NODE_COUNT));
    struct vm_array *name_list = add_array(vm, world, WORLD_NAMES, VM_ARRAY_PACKED, NAME_COUNT);
    fill_names(vm, name_list, false);
    fill_names(vm, add_array(vm, world, WORLD_PROBES, VM_ARRAY_PACKED, NAME_COUNT), true);
    fill_table(vm, add_array(vm, world, WORLD_TABLE, VM_ARRAY_HASH, NAME_COUNT), name_list);
    work->vm = vm;
    work->world = world;
    work->enabled = enabled;
}

uint64_t mutator_work_block_bytes(void)
{
    return block_bytes_object(WORLD_PROPERTIES) + NODE_COUNT * block_bytes_object(NODE_PROPERTIES) +
           UINT64_C(2) * NAME_COUNT * block_bytes_string(NAME_BYTES) + block_bytes_packed(NODE_COUNT) +
           2 * block_bytes_packed(NAME_COUNT) + block_bytes_hash(NAME_COUNT);
}
