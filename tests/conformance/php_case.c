/* What the cases of PHP's tests share: classes, small graphs, and the expectations by capability. */
#include "php_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Building ---- */

void php_note(struct vm *vm, struct vm_object *object)
{
    struct php_log *log = vm_context(vm);
    assert_in_range(log->count, 0, PHP_LOG_MAX - 1);
    log->numbers[log->count++] = vm_as_int(vm_object_get(object, PHP_NUMBER));
}

struct vm_class *php_class(struct vm *vm, const char *name, vm_destructor *destructor)
{
    static const char *const properties[PHP_PROPERTY_COUNT] = {"p", "q", "r", "number"};
    return vm_class_define(vm, name, properties, PHP_PROPERTY_COUNT, destructor);
}

void php_begin(struct vm_fixture *fixture, struct php_log *log)
{
    struct vm *vm = fixture->vm;
    *log = (struct php_log){0};
    vm_context_set(vm, log);
    php_class(vm, "Plain", NULL);
    php_class(vm, "Logged", php_note);
    vm_global_set(vm, "kept", vm_null());
}

struct vm_object *php_object(struct vm *vm, const char *class_name, int64_t number)
{
    struct vm_object *object = vm_object_new(vm, vm_class_find(vm, class_name));
    vm_object_set(vm, object, PHP_NUMBER, vm_int(number));
    return object;
}

struct vm_object *php_plain(struct vm *vm)
{
    return php_object(vm, "Plain", 0);
}

struct vm_object *php_logged(struct vm *vm, int64_t number)
{
    return php_object(vm, "Logged", number);
}

struct sm_value php_share(struct vm *vm, struct vm_object *object)
{
    return vm_value_copy(vm, vm_object_value(object));
}

void php_link(struct vm *vm, struct vm_object *from, uint32_t property, struct vm_object *to)
{
    vm_object_set(vm, from, property, php_share(vm, to));
}

struct sm_value php_list(struct vm *vm, size_t count, const struct sm_value *values)
{
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, count);
    for (size_t i = 0; i < count; i++)
        vm_array_append(vm, list, values[i]);
    return vm_array_value(list);
}

struct sm_value php_reference_value(struct vm_reference *reference)
{
    return vm_heap_value(reference, VM_REFERENCE);
}

void php_reference_append(struct vm *vm, struct vm_reference *reference, struct sm_value value)
{
    struct vm_place place = {&reference->header, &reference->value};
    vm_array_append(vm, vm_array_write(vm, place), value);
}

struct sm_value php_text(struct vm *vm, const char *text)
{
    return vm_string_value(vm_fixture_string(vm, text));
}

void php_drop_cycle(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    php_link(vm, object, PHP_P, object);
    vm_value_drop(vm, vm_object_value(object));
}

/* ---- What the policy promises ---- */

bool php_keeps_garbage(const struct vm_fixture *fixture)
{
    return (sm_policy_capabilities(fixture->mm) & SM_CAP_COLLECT) == 0;
}

bool php_is_boehm(const struct vm_fixture *fixture)
{
    return strcmp(sm_policy_name(fixture->mm), "boehm") == 0;
}

uint64_t php_live(struct vm_fixture *fixture)
{
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    return stats.live_objects;
}

uint64_t php_settled(struct vm_fixture *fixture)
{
    vm_fixture_settle(fixture);
    return php_live(fixture);
}

uint64_t php_collect(struct vm_fixture *fixture)
{
    uint64_t collected = vm_gc_collect_cycles(fixture->vm);
    vm_safepoint(fixture->vm);
    return collected;
}

/* ---- Gone ---- */

/* A conservative policy may keep any one of them; not many. */
static void nearly_all_repetitions_die(struct vm_fixture *fixture, php_build *build)
{
    struct vm *vm = fixture->vm;
    const uint64_t repetitions = test_scale(1000, 100, 100);
    uint64_t before = php_settled(fixture), built = 0;
    for (uint64_t i = 0; i < repetitions; i++) {
        uint64_t live = php_live(fixture);
        vm_value_drop(vm, build(vm));
        built += php_live(fixture) - live;
        if (i % 100 == 99)
            php_collect(fixture);
    }
    uint64_t after = php_settled(fixture);
    assert_true(built >= repetitions);
    assert_in_range(after, 0, before + built / 10);
}

void php_expect_gone(struct vm_fixture *fixture, uint64_t live_before, uint64_t collected, php_build *build)
{
    if (vm_fixture_counts(fixture)) {
        if (collected == 0)
            assert_int_equal(php_live(fixture), live_before);
        assert_int_equal(php_collect(fixture), collected);
        assert_int_equal(php_live(fixture), live_before);
        assert_int_equal(php_collect(fixture), 0);
    } else if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(php_settled(fixture), live_before);
        assert_int_equal(php_collect(fixture), 0);
    } else if (!php_keeps_garbage(fixture) && build != NULL) {
        nearly_all_repetitions_die(fixture, build);
    }
}

/* Nothing that is reachable was lost or changed. */
static void expect_whole(struct vm_fixture *fixture, unsigned depth, uint64_t hash)
{
    struct sm_value kept = vm_global_get(fixture->vm, "kept");
    assert_true(sm_is_valid(fixture->mm, sm_value_object(kept)));
    assert_true(vm_value_hash(fixture->vm, kept, depth) == hash);
}

static void collection_changes_nothing(struct vm_fixture *fixture, uint64_t live, unsigned depth, uint64_t hash)
{
    if (vm_fixture_counts(fixture)) {
        assert_int_equal(php_collect(fixture), 0);
        assert_int_equal(php_live(fixture), live);
    }
    (void)php_settled(fixture);
    (void)php_collect(fixture);
    expect_whole(fixture, depth, hash);
}

static void graph_case(struct vm_fixture *fixture, php_build *build, uint64_t collected, unsigned depth)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_global_set(vm, "kept", build(vm));
    uint64_t live = php_live(fixture);
    struct sm_value kept = vm_global_get(vm, "kept");
    uint64_t hash = vm_value_hash(vm, kept, depth);
    collection_changes_nothing(fixture, live, depth, hash);
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, collected, build);
    if ((sm_policy_capabilities(fixture->mm) & SM_CAP_DEATHS) != 0) {
        assert_in_range(php_live(fixture), live_before, live);
    } else if (php_keeps_garbage(fixture)) {
        assert_int_equal(php_live(fixture), live);
        assert_true(vm_value_hash(vm, kept, depth) == hash);
    }
}

void php_graph_case(struct vm_fixture *fixture, php_build *build, uint64_t collected)
{
    graph_case(fixture, build, collected, PHP_HASH_DEPTH);
}

void php_wide_case(struct vm_fixture *fixture, php_build *build, uint64_t collected)
{
    graph_case(fixture, build, collected, PHP_WIDE_DEPTH);
}

/* ---- Destructors ---- */

void php_expect_destructors(struct vm_fixture *fixture, const struct php_log *log, size_t count)
{
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(log->count, count);
    else if (!php_keeps_garbage(fixture) || fixture->variant->prompt_destructors)
        assert_in_range(log->count, 0, count);
    else
        assert_int_equal(log->count, 0);
}

void php_expect_order(const struct vm_fixture *fixture, const struct php_log *log, const char *numbers)
{
    char line[PHP_LOG_MAX] = "";
    if (!vm_fixture_counts(fixture))
        return;
    for (size_t i = 0; i < log->count; i++) {
        size_t length = strlen(line);
        snprintf(line + length, sizeof(line) - length, i == 0 ? "%lld" : " %lld", (long long)log->numbers[i]);
    }
    assert_string_equal(line, numbers);
}

void php_expect_at_end(struct vm_fixture *fixture, const struct php_log *log, size_t count)
{
    vm_request_end(fixture->vm);
    assert_int_equal(log->count, count);
    for (size_t i = 0; i < log->count; i++)
        for (size_t j = i + 1; j < log->count; j++)
            assert_true(log->numbers[i] == 0 || log->numbers[i] != log->numbers[j]);
    vm_request_begin(fixture->vm);
}

/* ---- All of them ---- */

int php_cases_run(void)
{
    static const struct php_suite *const suites[] = {&php_graphs,      &php_functions,     &php_holders,
                                                     &php_destructors, &php_resurrections, &php_weak,
                                                     &php_collector,   &php_requests};
    int failures = 0;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        failures += vm_cases_run_all_policies("php", suites[i]->cases, suites[i]->count);
    return failures;
}
