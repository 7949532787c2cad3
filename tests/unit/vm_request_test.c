/* Requests and root providers: each kind of root keeps its object alive, and lets it go. */
#include "vm_fixture.h"

#include <stdio.h>
#include <string.h>

/* A fresh object that nothing refers to yet, of a class that the request keeps. */
static struct vm_object *fresh_object(struct vm *vm)
{
    struct vm_class *class_entry = vm_class_find(vm, "Thing");
    if (class_entry == NULL)
        class_entry = vm_class_define(vm, "Thing", NULL, 0, NULL);
    return vm_object_new(vm, class_entry);
}

static void assert_kept(struct vm_fixture *fixture, const void *object)
{
    vm_fixture_collect(fixture);
    vm_fixture_collect(fixture);
    assert_true(sm_is_valid(fixture->mm, (const struct sm_object *)object));
}

static void assert_let_go(struct vm_fixture *fixture, const void *object)
{
    vm_fixture_collect(fixture);
    assert_false(sm_is_valid(fixture->mm, (const struct sm_object *)object));
}

static void nothing_refers_to_it_it_goes(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_value_drop(fixture->vm, vm_object_value(object));
    assert_let_go(fixture, object);
}

static void a_local_keeps_its_object(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_frame_enter(fixture->vm, 1);
    vm_local_set(fixture->vm, 0, vm_object_value(object));
    assert_kept(fixture, object);
    vm_local_set(fixture->vm, 0, vm_null());
    assert_let_go(fixture, object);
    vm_frame_leave(fixture->vm);
}

static void leaving_a_frame_lets_its_locals_go(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_frame_enter(fixture->vm, 1);
    vm_local_set(fixture->vm, 0, vm_object_value(object));
    vm_frame_enter(fixture->vm, 4);
    assert_kept(fixture, object);
    vm_frame_leave(fixture->vm);
    vm_frame_leave(fixture->vm);
    assert_let_go(fixture, object);
}

static void a_temporary_keeps_its_object(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_temporary_push(fixture->vm, vm_object_value(object));
    assert_kept(fixture, object);
    vm_value_drop(fixture->vm, vm_temporary_pop(fixture->vm));
    assert_let_go(fixture, object);
}

static void a_global_keeps_its_object(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_global_set(fixture->vm, "kept", vm_object_value(object));
    assert_kept(fixture, object);
    vm_global_set(fixture->vm, "kept", vm_undef());
    assert_let_go(fixture, object);
}

static void a_constant_keeps_its_object(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_constant_set(fixture->vm, "KEPT", vm_object_value(object));
    assert_kept(fixture, object);
    vm_constant_set(fixture->vm, "KEPT", vm_int(1));
    assert_let_go(fixture, object);
    vm_assert_int(vm_constant_get(fixture->vm, "KEPT"), 1);
}

static void extension_data_keeps_its_object(struct vm_fixture *fixture)
{
    struct vm_object *object = fresh_object(fixture->vm);
    vm_extension_data_set(fixture->vm, "gettext", vm_object_value(object));
    assert_kept(fixture, object);
    vm_extension_data_set(fixture->vm, "gettext", vm_undef());
    assert_let_go(fixture, object);
}

static void the_class_table_keeps_its_class(struct vm_fixture *fixture)
{
    static const char *const names[] = {"first", "second"};
    struct vm_class *class_entry = vm_class_define(fixture->vm, "Kept", names, 2, NULL);
    struct vm_array *property_names = class_entry->property_names;
    assert_kept(fixture, class_entry);
    assert_kept(fixture, property_names);
    assert_true(vm_class_remove(fixture->vm, "Kept"));
    /* Nobody counts who uses a class: only a trace finds out. */
    if (vm_fixture_counts(fixture)) {
        assert_kept(fixture, class_entry);
        return;
    }
    assert_let_go(fixture, class_entry);
    assert_let_go(fixture, property_names);
}

static void the_interner_keeps_its_string(struct vm_fixture *fixture)
{
    struct vm_string *string = vm_intern(fixture->vm, "kept", 4);
    assert_kept(fixture, string);
    assert_true(vm_interner_remove(fixture->vm, "kept", 4));
    assert_let_go(fixture, string);
}

static void a_forgotten_interned_string_lives_with_its_holder(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_string *string = vm_intern(vm, "held", 4);
    vm_temporary_push(vm, vm_value_copy(vm, vm_string_value(string)));
    assert_true(vm_interner_remove(vm, "held", 4));
    assert_kept(fixture, string);
    vm_value_drop(vm, vm_temporary_pop(vm));
    assert_let_go(fixture, string);
}

static void the_end_of_the_request_lets_everything_go(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    const void *objects[6];
    objects[0] = fresh_object(vm);
    vm_global_set(vm, "g", vm_object_value(fresh_object(vm)));
    objects[1] = vm_as_object(vm_global_get(vm, "g"));
    vm_constant_set(vm, "C", vm_string_value(vm_fixture_string(vm, "constant")));
    objects[2] = vm_as_string(vm_constant_get(vm, "C"));
    objects[3] = vm_class_find(vm, "Thing");
    objects[4] = vm_intern(vm, "interned", 8);
    vm_extension_data_set(vm, "x", vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 4)));
    objects[5] = vm_as_array(vm_extension_data_get(vm, "x"));
    vm_request_end(vm);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        assert_let_go(fixture, objects[i]);
    vm_request_begin(vm);
    assert_null(vm_class_find(vm, "Thing"));
}

/* ---- Which provider speaks for which root ---- */

struct edge_search {
    struct sm_visitor visitor;
    const struct sm_object *wanted;
    size_t edge_count;
    bool found;
};

static void note_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct edge_search *search = (struct edge_search *)visitor;
    search->edge_count++;
    search->found = search->found || target == search->wanted;
}

static const struct sm_root_provider *provider_called(struct sm_manager *mm, const char *name)
{
    for (size_t i = 0; i < sm_roots_count(mm); i++)
        if (strcmp(sm_roots_get(mm, i)->name, name) == 0)
            return sm_roots_get(mm, i);
    fail_msg("no provider called %s", name);
    return NULL;
}

static struct edge_search enumerate(struct vm_fixture *fixture, const char *name, const void *wanted)
{
    struct edge_search search = {{note_edge, false}, (const struct sm_object *)wanted, 0, false};
    const struct sm_root_provider *provider = provider_called(fixture->mm, name);
    provider->enumerate(provider->context, &search.visitor);
    return search;
}

static void frames_enumerate_locals_and_temporaries(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_object *object = fresh_object(vm);
    assert_int_equal(enumerate(fixture, "frames", object).edge_count, 0);
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 1, vm_object_value(object));
    vm_temporary_push(vm, vm_value_copy(vm, vm_object_value(object)));
    vm_temporary_push(vm, vm_int(3));
    struct edge_search search = enumerate(fixture, "frames", object);
    assert_true(search.found);
    assert_int_equal(search.edge_count, 2);
    vm_frame_leave(vm);
    assert_int_equal(enumerate(fixture, "frames", object).edge_count, 0);
}

static void each_table_is_one_root(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    char name[16];
    fresh_object(vm);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "name%d", i);
        vm_global_set(vm, name, vm_int(i));
        vm_constant_set(vm, name, vm_int(i));
        vm_extension_data_set(vm, name, vm_int(i));
    }
    static const char *const providers[] = {"globals", "constants", "classes", "interner", "extension-data"};
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
        assert_int_equal(enumerate(fixture, providers[i], NULL).edge_count, 1);
}

/* ---- Tables ---- */

static void names_are_found_and_replaced(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    assert_int_equal(vm_global_get(vm, "a").tag, VM_UNDEF);
    vm_global_set(vm, "a", vm_int(1));
    vm_global_set(vm, "a", vm_int(2));
    vm_assert_int(vm_global_get(vm, "a"), 2);
    vm_global_set(vm, "a", vm_undef());
    assert_int_equal(vm_global_get(vm, "a").tag, VM_UNDEF);
    vm_global_set(vm, "never there", vm_undef());
}

static void tables_do_not_mix(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_global_set(vm, "n", vm_int(1));
    vm_constant_set(vm, "n", vm_int(2));
    vm_extension_data_set(vm, "n", vm_int(3));
    vm_assert_int(vm_global_get(vm, "n"), 1);
    vm_assert_int(vm_constant_get(vm, "n"), 2);
    vm_assert_int(vm_extension_data_get(vm, "n"), 3);
    assert_null(vm_class_find(vm, "n"));
}

static void a_lookup_allocates_nothing(struct vm_fixture *fixture)
{
    struct sm_stats before, after;
    vm_global_set(fixture->vm, "known", vm_int(1));
    sm_stats_get(fixture->mm, &before);
    assert_int_equal(vm_global_get(fixture->vm, "unknown").tag, VM_UNDEF);
    assert_int_equal(vm_constant_get(fixture->vm, "unknown").tag, VM_UNDEF);
    assert_null(vm_class_find(fixture->vm, "unknown"));
    vm_global_set(fixture->vm, "known", vm_int(2));
    sm_stats_get(fixture->mm, &after);
    assert_int_equal(after.alloc_count, before.alloc_count);
}

static void an_array_in_a_global_is_written_through_its_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_global_set(vm, "list", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_temporary_push(vm, vm_value_copy(vm, vm_global_get(vm, "list")));
    for (int i = 0; i < 50; i++) {
        vm_array_append(vm, vm_array_write(vm, vm_global_place(vm, "list")), vm_int(i));
        vm_safepoint(vm);
    }
    assert_int_equal(vm_array_count(vm_as_array(vm_global_get(vm, "list"))), 50);
    assert_int_equal(vm_array_count(vm_as_array(vm_temporary_pop(vm))), 0);
    assert_null(vm_global_place(vm, "unknown").slot);
}

/* ---- Beginning and end ---- */

static void a_request_begins_empty(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_request_end(vm);
    for (int i = 0; i < 20; i++) {
        vm_request_begin(vm);
        assert_int_equal(vm_global_get(vm, "left over").tag, VM_UNDEF);
        assert_int_equal(fresh_object(vm)->handle, 1);
        assert_int_equal(vm_class_find(vm, "Thing")->id, 1);
        vm_global_set(vm, "left over", vm_int(i));
        vm_frame_enter(vm, 3);
        vm_temporary_push(vm, vm_int(1));
        vm_request_end(vm);
        assert_int_equal(vm_frame_depth(vm), 0);
    }
    vm_request_begin(vm);
}

static void body_begin(struct vm *vm, void *context)
{
    (void)context;
    vm_request_begin(vm);
}

static void body_end(struct vm *vm, void *context)
{
    (void)context;
    vm_request_end(vm);
}

static void requests_do_not_nest(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_request_end(vm);
    vm_request_begin(vm);
    vm_global_set(vm, "still", vm_int(1));
    assert_int_equal(vm_try(vm, body_begin, NULL), SM_ERR_INVALID_ARGUMENT);
    vm_assert_int(vm_global_get(vm, "still"), 1);
    vm_request_end(vm);
    assert_int_equal(vm_try(vm, body_end, NULL), SM_ERR_INVALID_ARGUMENT);
}

static void a_request_may_end_inside_a_try(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    assert_int_equal(vm_try(vm, body_end, NULL), SM_OK);
    assert_int_equal(vm_frame_depth(vm), 0);
    vm_request_begin(vm);
    vm_global_set(vm, "next", vm_int(1));
}

struct shutdown_log {
    int calls;
    bool global_seen;
    bool constant_seen;
    bool class_seen;
    sm_status nested_end;
};

static void shutdown_destructor(struct vm *vm, struct vm_object *object)
{
    struct shutdown_log *log = (struct shutdown_log *)vm_context(vm);
    log->calls++;
    log->global_seen = vm_global_get(vm, "g").tag != VM_UNDEF;
    log->constant_seen = vm_constant_get(vm, "C").tag == VM_INT;
    log->class_seen = vm_class_find(vm, "Closing") == object->class_entry;
    vm_global_set(vm, "made by a destructor", vm_string_value(vm_fixture_string(vm, "late")));
    log->nested_end = vm_try(vm, body_end, NULL);
}

static void destructors_run_at_the_end_with_the_context_in_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct shutdown_log log = {0};
    vm_context_set(vm, &log);
    vm_constant_set(vm, "C", vm_int(1));
    struct vm_class *class_entry = vm_class_define(vm, "Closing", NULL, 0, shutdown_destructor);
    vm_global_set(vm, "g", vm_object_value(vm_object_new(vm, class_entry)));
    vm_request_end(vm);
    assert_int_equal(log.calls, 1);
    assert_false(log.global_seen);
    assert_true(log.constant_seen);
    assert_true(log.class_seen);
    assert_int_equal(log.nested_end, SM_ERR_INVALID_ARGUMENT);
    vm_request_begin(vm);
    assert_int_equal(vm_global_get(vm, "made by a destructor").tag, VM_UNDEF);
}

static void requests_give_their_memory_back(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_stats stats;
    uint64_t first_committed_bytes = 0;
    vm_request_end(vm);
    for (int request = 0; request < 200; request++) {
        vm_request_begin(vm);
        vm_global_set(vm, "list", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
        for (int i = 0; i < 500; i++) {
            struct vm_array *list = vm_array_write(vm, vm_global_place(vm, "list"));
            vm_array_append(vm, list, vm_string_value(vm_string_format(vm, "item %d of request %d", i, request)));
        }
        vm_request_end(vm);
        sm_stats_get(fixture->mm, &stats);
        assert_int_equal(stats.live_bytes, 0);
        if (request == 0)
            first_committed_bytes = stats.committed_bytes;
        assert_true(stats.committed_bytes <= first_committed_bytes);
    }
    vm_request_begin(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(nothing_refers_to_it_it_goes, SM_CAP_COLLECT),
        VM_CASE(a_local_keeps_its_object, SM_CAP_COLLECT),
        VM_CASE(leaving_a_frame_lets_its_locals_go, SM_CAP_COLLECT),
        VM_CASE(a_temporary_keeps_its_object, SM_CAP_COLLECT),
        VM_CASE(a_global_keeps_its_object, SM_CAP_COLLECT),
        VM_CASE(a_constant_keeps_its_object, SM_CAP_COLLECT),
        VM_CASE(extension_data_keeps_its_object, SM_CAP_COLLECT),
        VM_CASE(the_class_table_keeps_its_class, SM_CAP_COLLECT),
        VM_CASE(the_interner_keeps_its_string, SM_CAP_COLLECT),
        VM_CASE(a_forgotten_interned_string_lives_with_its_holder, SM_CAP_COLLECT),
        VM_CASE(the_end_of_the_request_lets_everything_go, SM_CAP_COLLECT),
        VM_CASE(frames_enumerate_locals_and_temporaries, 0),
        VM_CASE(each_table_is_one_root, 0),
        VM_CASE(names_are_found_and_replaced, 0),
        VM_CASE(tables_do_not_mix, 0),
        VM_CASE(a_lookup_allocates_nothing, 0),
        VM_CASE(an_array_in_a_global_is_written_through_its_place, 0),
        VM_CASE(a_request_begins_empty, 0),
        VM_CASE(requests_do_not_nest, 0),
        VM_CASE(a_request_may_end_inside_a_try, 0),
        VM_CASE(destructors_run_at_the_end_with_the_context_in_place, 0),
        VM_CASE(requests_give_their_memory_back, SM_CAP_BULK_FREE),
    };
    return vm_cases_run("vm_request", cases, sizeof(cases) / sizeof(cases[0]));
}
