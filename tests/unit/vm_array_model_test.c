/*
 * Arrays against a plain oracle: random operations on a few variables that are copied, written, unset
 * and compared as a whole, in order. The seed is printed; VM_ARRAY_SEED=N replays one.
 */
#include "vm_fixture.h"
#include "workloads/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES = 4, ENTRIES_MAX = 400, OPERATIONS = 20000, OPERATIONS_FORCED = 2500, KEYS = 60, INDICES = 120 };

/* An element's value: an integer, a string "v<number>", or a list of `extent` integers from `number` up. */
enum model_kind { MODEL_INT, MODEL_STRING, MODEL_LIST, MODEL_KINDS };

struct model_entry {
    bool named; /**< the key is the string "key<index>" */
    int64_t index;
    enum model_kind kind;
    int64_t number;
    int64_t extent;
};

struct model_array {
    size_t count;
    int64_t next_index;
    struct model_entry entries[ENTRIES_MAX];
};

struct model {
    struct vm *vm;
    struct wl_random random;
    int64_t next_number;
    struct model_array variables[VARIABLES];
};

/* ---- The oracle ---- */

static struct model_entry *model_find(struct model_array *array, bool named, int64_t index)
{
    for (size_t i = 0; i < array->count; i++)
        if (array->entries[i].named == named && array->entries[i].index == index)
            return &array->entries[i];
    return NULL;
}

static void model_set(struct model_array *array, struct model_entry entry)
{
    struct model_entry *found = model_find(array, entry.named, entry.index);
    if (found == NULL)
        found = &array->entries[array->count++];
    *found = entry;
    if (!entry.named && entry.index >= array->next_index)
        array->next_index = entry.index + 1;
}

static bool model_unset(struct model_array *array, bool named, int64_t index)
{
    struct model_entry *found = model_find(array, named, index);
    if (found == NULL)
        return false;
    size_t after = array->count - (size_t)(found - array->entries) - 1;
    memmove(found, found + 1, after * sizeof(*found));
    array->count--;
    return true;
}

/* ---- Both sides ---- */

static struct model_entry random_entry(struct model *model, bool named, int64_t index)
{
    enum model_kind kind = (enum model_kind)wl_random_below(&model->random, MODEL_KINDS);
    return (struct model_entry){named, index, kind, model->next_number++, kind == MODEL_LIST ? 1 : 0};
}

static struct sm_value build(struct vm *vm, const struct model_entry *entry)
{
    if (entry->kind == MODEL_INT)
        return vm_int(entry->number);
    if (entry->kind == MODEL_STRING)
        return vm_string_value(vm_string_format(vm, "v%lld", (long long)entry->number));
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, list, vm_int(entry->number));
    return vm_array_value(list);
}

static struct vm_string *key_string(struct vm *vm, int64_t index)
{
    return vm_string_format(vm, "key%lld", (long long)index);
}

static void check_value(struct sm_value value, const struct model_entry *entry)
{
    char text[32];
    if (entry->kind == MODEL_INT) {
        vm_assert_int(value, entry->number);
    } else if (entry->kind == MODEL_STRING) {
        snprintf(text, sizeof(text), "v%lld", (long long)entry->number);
        vm_assert_string(value, text);
    } else {
        assert_int_equal(vm_tag_of(value), VM_ARRAY);
        assert_int_equal(vm_array_count(vm_as_array(value)), entry->extent);
        for (int64_t i = 0; i < entry->extent; i++)
            vm_assert_int(vm_array_get_index(vm_as_array(value), i), entry->number + i);
    }
}

static void check_variable(struct model *model, uint32_t variable)
{
    const struct vm_array *array = vm_as_array(vm_local_get(model->vm, variable));
    const struct model_array *expected = &model->variables[variable];
    struct vm_array_entry entry;
    size_t position = 0;
    char text[32];
    assert_int_equal(vm_array_count(array), expected->count);
    assert_true(array->next_index == expected->next_index);
    for (size_t i = 0; i < expected->count; i++) {
        assert_true(vm_array_next(array, &position, &entry));
        assert_int_equal(entry.key != NULL, expected->entries[i].named);
        snprintf(text, sizeof(text), "key%lld", (long long)expected->entries[i].index);
        if (entry.key != NULL)
            vm_assert_string(vm_string_value(entry.key), text);
        else
            assert_true(entry.index == expected->entries[i].index);
        check_value(entry.value, &expected->entries[i]);
    }
    assert_false(vm_array_next(array, &position, &entry));
}

/* ---- Operations on one variable ---- */

static struct vm_array *writable(struct model *model, uint32_t variable)
{
    return vm_array_write(model->vm, vm_local_place(model->vm, variable));
}

static void do_append(struct model *model, uint32_t variable)
{
    struct model_array *expected = &model->variables[variable];
    struct model_entry entry = random_entry(model, false, expected->next_index);
    vm_array_append(model->vm, writable(model, variable), build(model->vm, &entry));
    model_set(expected, entry);
}

static void do_set(struct model *model, uint32_t variable)
{
    bool named = wl_random_chance(&model->random, 1, 3);
    int64_t index = (int64_t)wl_random_below(&model->random, named ? KEYS : INDICES) - (named ? 0 : 4);
    struct model_entry entry = random_entry(model, named, index);
    struct sm_value value = build(model->vm, &entry);
    if (named)
        vm_array_set_key(model->vm, writable(model, variable), key_string(model->vm, index), value);
    else
        vm_array_set_index(model->vm, writable(model, variable), index, value);
    model_set(&model->variables[variable], entry);
}

static void do_unset(struct model *model, uint32_t variable)
{
    struct model_array *expected = &model->variables[variable];
    bool named = wl_random_chance(&model->random, 1, 3);
    int64_t index = (int64_t)wl_random_below(&model->random, named ? KEYS : INDICES);
    if (expected->count > 0 && wl_random_chance(&model->random, 3, 4)) {
        const struct model_entry *victim = &expected->entries[wl_random_below(&model->random, expected->count)];
        named = victim->named;
        index = victim->index;
    }
    struct vm_array *array = writable(model, variable);
    bool removed = named ? vm_array_unset_key(model->vm, array, key_string(model->vm, index))
                         : vm_array_unset_index(model->vm, array, index);
    assert_int_equal(removed, model_unset(expected, named, index));
}

/* Write into a nested list or string where it lives. */
static void do_nested(struct model *model, uint32_t variable)
{
    struct model_array *expected = &model->variables[variable];
    if (expected->count == 0)
        return;
    struct model_entry *entry = &expected->entries[wl_random_below(&model->random, expected->count)];
    struct vm_array *array = writable(model, variable);
    struct vm_place place = entry->named ? vm_array_place_key(array, key_string(model->vm, entry->index))
                                         : vm_array_place_index(array, entry->index);
    assert_non_null(place.slot);
    if (entry->kind == MODEL_LIST) {
        struct vm_array *list = vm_array_write(model->vm, place);
        vm_array_append(model->vm, list, vm_int(entry->number + entry->extent++));
    } else if (entry->kind == MODEL_STRING && entry->number < INT32_MAX) {
        vm_string_append(model->vm, place, "0", 1);
        entry->number *= 10;
    }
}

static void do_copy(struct model *model, uint32_t variable)
{
    uint32_t target = (uint32_t)wl_random_below(&model->random, VARIABLES);
    vm_local_set(model->vm, target, vm_value_copy(model->vm, vm_local_get(model->vm, variable)));
    if (target != variable)
        model->variables[target] = model->variables[variable];
}

static void do_clear(struct model *model, uint32_t variable)
{
    bool hash = wl_random_chance(&model->random, 1, 2);
    struct vm_array *array = vm_array_new(model->vm, hash ? VM_ARRAY_HASH : VM_ARRAY_PACKED, hash ? 3 : 0);
    vm_local_set(model->vm, variable, vm_array_value(array));
    model->variables[variable].count = 0;
    model->variables[variable].next_index = 0;
}

static void step(struct model *model)
{
    uint32_t variable = (uint32_t)wl_random_below(&model->random, VARIABLES);
    uint64_t choice = wl_random_below(&model->random, 100);
    if (model->variables[variable].count + 1 >= ENTRIES_MAX / 2 || choice == 0)
        do_clear(model, variable);
    else if (choice < 25)
        do_append(model, variable);
    else if (choice < 55)
        do_set(model, variable);
    else if (choice < 78)
        do_unset(model, variable);
    else if (choice < 93)
        do_nested(model, variable);
    else
        do_copy(model, variable);
}

static uint64_t chosen_seed(void)
{
    const char *text = getenv("VM_ARRAY_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 20260101;
}

static void random_operations_agree_with_the_oracle(struct vm_fixture *fixture)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    uint64_t seed = chosen_seed();
    int operations = fixture->variant->manager.collect_every_safepoint ? OPERATIONS_FORCED : OPERATIONS;
    print_message("seed %llu, %d operations\n", (unsigned long long)seed, operations);
    model->vm = fixture->vm;
    model->next_number = 1;
    model->random = wl_random_seeded(seed);
    vm_frame_enter(fixture->vm, VARIABLES);
    for (uint32_t i = 0; i < VARIABLES; i++)
        do_clear(model, i);
    for (int i = 0; i < operations; i++) {
        step(model);
        vm_safepoint(fixture->vm);
        if (i % 20 == 0)
            for (uint32_t variable = 0; variable < VARIABLES; variable++)
                check_variable(model, variable);
    }
    vm_frame_leave(fixture->vm);
    free(model);
}

int main(void)
{
    static const struct vm_case cases[] = {VM_CASE(random_operations_agree_with_the_oracle, 0)};
    return vm_cases_run("vm_array_model", cases, 1);
}
