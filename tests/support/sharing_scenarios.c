#include "sharing_scenarios.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ELEMENTS = 25000, ELEMENTS_ROOM = 32768, ARRAY_BYTES = 56 + ELEMENTS_ROOM * 16 + VM_PACKED_UNUSED_BYTES };
enum { ENTRIES = 20000, ENTRIES_ROOM = 32768, SAFEPOINT_EVERY = 16 };

enum { BIG, RESULT, LOCALS };

static uint64_t mixed(uint64_t index)
{
    index *= UINT64_C(0x9e3779b97f4a7c15);
    return index ^ (index >> 29);
}

/* ---- 25,000 elements, shared and unshared before each write ---- */

static void fill_big(struct vm *vm)
{
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, ELEMENTS);
    vm_local_set(vm, BIG, vm_array_value(array));
    for (int64_t i = 0; i < ELEMENTS; i++)
        vm_array_append(vm, array, vm_int(i));
}

static void write_big(struct vm *vm, uint64_t index)
{
    struct vm_array *array = vm_array_write(vm, vm_local_place(vm, BIG));
    vm_array_set_index(vm, array, (int64_t)(mixed(index) % ELEMENTS), vm_int((int64_t)index));
}

/* `function last(array $a) { return $a[24999]; }`: the argument shares the caller's array for the length of the call. */
static int64_t call_with(struct vm *vm, struct sm_value array)
{
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_value_copy(vm, array));
    int64_t last = vm_as_int(vm_array_get_index(vm_as_array(vm_local_get(vm, 0)), ELEMENTS - 1));
    vm_frame_leave(vm);
    return last;
}

static void run_argument(struct vm *vm, uint64_t operations, struct sharing_figures *figures)
{
    fill_big(vm);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < operations; i++) {
        sum += (uint64_t)call_with(vm, vm_local_get(vm, BIG));
        write_big(vm, i);
        if (i % SAFEPOINT_EVERY == 0)
            vm_safepoint(vm);
    }
    figures->checksum = sum ^ vm_value_hash(vm, vm_local_get(vm, BIG), 2);
}

/* `$copy = $big; unset($copy); $big[$i] = ...`: once shared, written for ever after. */
static void run_once_shared(struct vm *vm, uint64_t operations, struct sharing_figures *figures)
{
    fill_big(vm);
    vm_local_set(vm, RESULT, vm_value_copy(vm, vm_local_get(vm, BIG)));
    vm_local_set(vm, RESULT, vm_undef());
    for (uint64_t i = 0; i < operations; i++) {
        write_big(vm, i);
        if (i % SAFEPOINT_EVERY == 0)
            vm_safepoint(vm);
    }
    figures->checksum = vm_value_hash(vm, vm_local_get(vm, BIG), 2);
}

/* `$view = new View($big); unset($view);`: the second owner dies, and only a count of objects would tell at once. */
static void run_dead_holder(struct vm *vm, uint64_t operations, struct sharing_figures *figures)
{
    static const char *const names[] = {"items"};
    struct vm_class *view_class = vm_class_define(vm, "View", names, 1, NULL);
    fill_big(vm);
    for (uint64_t i = 0; i < operations; i++) {
        struct vm_object *view = vm_object_new(vm, view_class);
        vm_local_set(vm, RESULT, vm_object_value(view));
        vm_object_set(vm, view, 0, vm_value_copy(vm, vm_local_get(vm, BIG)));
        vm_local_set(vm, RESULT, vm_undef());
        write_big(vm, i);
        if (i % SAFEPOINT_EVERY == 0)
            vm_safepoint(vm);
    }
    figures->checksum = vm_value_hash(vm, vm_local_get(vm, BIG), 2);
}

/* ---- An LRU map of 20,000 entries ---- */

static struct vm_place map_place(struct vm *vm)
{
    return vm_object_place(vm_as_object(vm_global_get(vm, "cache")), 0);
}

static struct sm_value new_entry(struct vm *vm, uint64_t key)
{
    struct vm_array *entry = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, entry, vm_string_value(vm_string_format(vm, "value-%llu", (unsigned long long)key)));
    vm_array_append(vm, entry, vm_int(0));
    return vm_array_value(entry);
}

static void fill_map(struct vm *vm)
{
    static const char *const names[] = {"map"};
    struct vm_object *cache = vm_object_new(vm, vm_class_define(vm, "Cache", names, 1, NULL));
    vm_global_set(vm, "cache", vm_object_value(cache));
    vm_object_set(vm, cache, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, ENTRIES)));
    for (uint64_t key = 0; key < ENTRIES; key++) {
        vm_local_set(vm, RESULT, new_entry(vm, key));
        struct vm_array *map = vm_array_write(vm, map_place(vm));
        vm_array_set_index(vm, map, (int64_t)key, vm_local_take(vm, RESULT));
        if (key % SAFEPOINT_EVERY == 0)
            vm_safepoint(vm);
    }
}

/* `$e = $this->map[$k]; unset($this->map[$k]); $e[1]++; $this->map[$k] = $e;` */
static void update_entry(struct vm *vm, int64_t key)
{
    struct vm_array *map = vm_as_array(*map_place(vm).slot);
    vm_local_set(vm, RESULT, vm_value_copy(vm, vm_array_get_index(map, key)));
    vm_array_unset_index(vm, vm_array_write(vm, map_place(vm)), key);
    struct vm_array *entry = vm_array_write(vm, vm_local_place(vm, RESULT));
    vm_array_set_index(vm, entry, 1, vm_int(vm_as_int(vm_array_get_index(entry, 1)) + 1));
    map = vm_array_write(vm, map_place(vm));
    vm_array_set_index(vm, map, key, vm_local_take(vm, RESULT));
}

/* Now and then somebody looks at the whole map: `foreach ($this->map as $k => $e)` holds it for a while. */
static uint64_t look_at_map(struct vm *vm)
{
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_value_copy(vm, *map_place(vm).slot));
    struct vm_array_entry entry;
    uint64_t sum = 0;
    size_t position = 0, seen = 0;
    while (seen++ < 8 && vm_array_next(vm_as_array(vm_local_get(vm, 0)), &position, &entry))
        sum = mixed(sum + (uint64_t)entry.index);
    vm_frame_leave(vm);
    return sum;
}

static void run_lru(struct vm *vm, uint64_t operations, struct sharing_figures *figures)
{
    uint64_t sum = 0;
    fill_map(vm);
    for (uint64_t i = 0; i < operations; i++) {
        update_entry(vm, (int64_t)(mixed(i) % ENTRIES));
        if (i % 100 == 0)
            sum += look_at_map(vm);
        if (i % SAFEPOINT_EVERY == 0)
            vm_safepoint(vm);
    }
    figures->checksum = sum ^ vm_value_hash(vm, *map_place(vm).slot, 3);
}

static const struct sharing_scenario scenarios[] = {
    {"argument", "an array passed to a function before each write", ARRAY_BYTES, 100000, 500, run_argument},
    {"once-shared", "an array shared once, then written", ARRAY_BYTES, 100000, 100000, run_once_shared},
    {"lru-map", "a map of entries, looked at every 100 updates", 56 + ENTRIES_ROOM * 40, 200000, 20000, run_lru},
    {"dead-holder", "a short-lived object holds the array before each write", ARRAY_BYTES, 1000, 500, run_dead_holder},
};

const struct sharing_scenario *sharing_scenario(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}

struct job {
    const struct sharing_scenario *scenario;
    uint64_t operations;
    struct sharing_figures *figures;
};

static void run_job(struct vm *vm, void *context)
{
    const struct job *job = context;
    vm_frame_enter(vm, LOCALS);
    job->scenario->run(vm, job->operations, job->figures);
    vm_frame_leave(vm);
}

static void fail(const struct sharing_scenario *scenario, const char *policy, const char *line)
{
    fprintf(stderr, "sharing scenario %s under %s: %s\n", scenario->name, policy, line);
    abort();
}

void sharing_scenario_run(const struct sharing_scenario *scenario, const char *policy, bool counts, uint64_t operations,
                          struct sharing_figures *figures)
{
    struct vm_config config = {.manager = {.policy = policy, .sharing_counts = counts}};
    struct vm *vm = NULL;
    struct sm_error error;
    struct sm_stats stats;
    struct job job = {scenario, operations, figures};
    if (vm_create(&config, &vm, &error) != SM_OK)
        fail(scenario, policy, error.detail);
    if (vm_iteration(vm, SM_HERE, run_job, &job) != SM_OK)
        fail(scenario, policy, sm_error_detail(vm_manager(vm)));
    sm_stats_get(vm_manager(vm), &stats);
    figures->copied_bytes = stats.copied_bytes;
    figures->copy_count = stats.copy_count;
    vm_destroy(vm);
}
