/* Arrays: packed and hash behaviour case by case. The random comparison with an oracle is vm_array_model_test.c. */
#include "vm_fixture.h"

#include <string.h>

static struct vm_array *array_in_local(struct vm *vm, uint32_t local, enum vm_array_kind kind, size_t capacity)
{
    struct vm_array *array = vm_array_new(vm, kind, capacity);
    vm_local_set(vm, local, vm_array_value(array));
    return array;
}

static size_t storage_bytes(const struct vm_array *array)
{
    return array->storage == NULL ? 0 : (size_t)array->storage->payload_bytes;
}

static void sizes_are_those_of_php(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *packed = vm_array_new(vm, VM_ARRAY_PACKED, 3);
    struct vm_array *hash = vm_array_new(vm, VM_ARRAY_HASH, 9);
    assert_int_equal(packed->header.payload_bytes, 56);
    assert_int_equal(storage_bytes(packed), 8 * 16 + 8);
    assert_int_equal(storage_bytes(hash), 16 * 40);
}

/** Stands in for an observer: while it scans, the owner compacts what it scans. */
struct interrupted_scan {
    struct sm_visitor visitor;
    struct vm *vm;
    struct vm_array *array;
    bool has_written;
    bool met[8];
};

static void meet(struct sm_visitor *visitor, struct sm_object *target)
{
    struct interrupted_scan *scan = (struct interrupted_scan *)visitor;
    scan->met[((const struct vm_string *)target)->data[0] - '0'] = true;
    if (!scan->has_written) {
        scan->has_written = true;
        vm_array_set_index(scan->vm, scan->array, 100, vm_int(1));
    }
}

static void a_scan_misses_nothing_that_compaction_moves(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_HASH, 8);
    for (int i = 0; i < 8; i++)
        vm_array_set_index(vm, array, i * 10, vm_string_value(vm_string_format(vm, "%d", i)));
    for (int i = 0; i < 4; i++)
        assert_true(vm_array_unset_index(vm, array, i * 10));
    const struct sm_object *storage = array->storage;
    struct interrupted_scan scan = {.visitor = {.edge = meet}, .vm = vm, .array = array};
    sm_trace(fixture->mm, storage, &scan.visitor);
    assert_ptr_equal(array->storage, storage); /* compacted where it is */
    assert_int_equal(array->used, 5);
    for (int i = 4; i < 8; i++)
        assert_true(scan.met[i]);
    vm_frame_leave(vm);
}

static void an_empty_array_has_no_storage(struct vm_fixture *fixture)
{
    struct vm_array *array = vm_array_new(fixture->vm, VM_ARRAY_PACKED, 0);
    assert_null(array->storage);
    assert_int_equal(vm_array_count(array), 0);
    assert_int_equal(vm_array_get_index(array, 0).tag, VM_UNDEF);
    assert_int_equal(vm_array_get_key(array, vm_fixture_string(fixture->vm, "k")).tag, VM_UNDEF);
    assert_false(vm_array_unset_index(fixture->vm, array, 0));
    assert_null(vm_array_place_index(array, 0).slot);
}

static void an_empty_hash_finds_nothing(struct vm_fixture *fixture)
{
    struct vm_array *array = vm_array_new(fixture->vm, VM_ARRAY_HASH, 0);
    struct vm_string *key = vm_fixture_string(fixture->vm, "k");
    assert_int_equal(vm_array_get_index(array, 0).tag, VM_UNDEF);
    assert_int_equal(vm_array_get_key(array, key).tag, VM_UNDEF);
    assert_false(vm_array_unset_key(fixture->vm, array, key));
    assert_null(vm_array_place_key(array, key).slot);
}

static void appending_doubles_storage(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 1000; i++) {
        vm_array_append(vm, array, vm_int(i));
        vm_safepoint(vm);
    }
    assert_int_equal(storage_bytes(array), 1024 * 16 + VM_PACKED_UNUSED_BYTES);
    assert_int_equal(array->kind, VM_ARRAY_PACKED);
    for (int i = 0; i < 1000; i++)
        vm_assert_int(vm_array_get_index(array, i), i);
    vm_frame_leave(vm);
}

static void keys_double_storage(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_HASH, 0);
    for (int i = 0; i < 1000; i++) {
        vm_array_set_key(vm, array, vm_string_format(vm, "key%d", i), vm_int(i));
        vm_safepoint(vm);
    }
    assert_int_equal(storage_bytes(array), 1024 * 40);
    for (int i = 0; i < 1000; i++)
        vm_assert_int(vm_array_get_key(array, vm_string_format(vm, "key%d", i)), i);
    vm_frame_leave(vm);
}

static void a_key_is_found_by_content(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, array, vm_fixture_string(vm, "name"), vm_int(1));
    vm_array_set_key(vm, array, vm_fixture_string(vm, "name"), vm_int(2));
    assert_int_equal(vm_array_count(array), 1);
    vm_assert_int(vm_array_get_key(array, vm_intern(vm, "name", 4)), 2);
}

static void a_numeric_string_is_no_index(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_index(vm, array, 5, vm_int(1));
    vm_array_set_key(vm, array, vm_fixture_string(vm, "5"), vm_int(2));
    assert_int_equal(vm_array_count(array), 2);
    vm_assert_int(vm_array_get_index(array, 5), 1);
}

static void an_index_equal_to_a_hash_is_not_that_key(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_HASH, 0);
    struct vm_string *key = vm_fixture_string(vm, "collide");
    vm_array_set_key(vm, array, key, vm_int(1));
    assert_int_equal(vm_array_get_index(array, (int64_t)vm_string_hash(key)).tag, VM_UNDEF);
    vm_array_set_index(vm, array, (int64_t)vm_string_hash(key), vm_int(2));
    vm_assert_int(vm_array_get_key(array, key), 1);
    assert_true(vm_array_unset_index(vm, array, (int64_t)vm_string_hash(key)));
    vm_assert_int(vm_array_get_key(array, key), 1);
}

static void a_string_key_makes_a_hash(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_int(10));
    vm_array_append(vm, array, vm_int(11));
    vm_array_set_key(vm, array, vm_fixture_string(vm, "k"), vm_int(12));
    vm_array_append(vm, array, vm_int(13));
    assert_int_equal(array->kind, VM_ARRAY_HASH);
    assert_int_equal(vm_array_count(array), 4);
    vm_assert_int(vm_array_get_index(array, 1), 11);
    vm_assert_int(vm_array_get_index(array, 2), 13);
}

static void a_far_index_makes_a_hash(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_int(1));
    vm_array_set_index(vm, array, 1000000, vm_int(2));
    assert_int_equal(array->kind, VM_ARRAY_HASH);
    vm_array_append(vm, array, vm_int(3));
    vm_assert_int(vm_array_get_index(array, 1000001), 3);
}

static void a_negative_index_makes_a_hash(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_set_index(vm, array, -3, vm_int(1));
    vm_array_append(vm, array, vm_int(2));
    vm_assert_int(vm_array_get_index(array, -3), 1);
    vm_assert_int(vm_array_get_index(array, 0), 2);
}

static void a_near_hole_stays_packed(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_int(0));
    vm_array_set_index(vm, array, 5, vm_int(5));
    assert_int_equal(array->kind, VM_ARRAY_PACKED);
    assert_int_equal(vm_array_count(array), 2);
    assert_int_equal(vm_array_get_index(array, 3).tag, VM_UNDEF);
}

static void assert_order(const struct vm_array *array, const int64_t *indices, size_t index_count)
{
    struct vm_array_entry entry;
    size_t position = 0;
    for (size_t i = 0; i < index_count; i++) {
        assert_true(vm_array_next(array, &position, &entry));
        assert_null(entry.key);
        assert_true(entry.index == indices[i]);
    }
    assert_false(vm_array_next(array, &position, &entry));
}

static void filling_a_hole_keeps_insertion_order(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_set_index(vm, array, 0, vm_int(0));
    vm_array_set_index(vm, array, 5, vm_int(5));
    vm_array_set_index(vm, array, 3, vm_int(3));
    assert_order(array, (const int64_t[]){0, 5, 3}, 3);
}

static void overwriting_keeps_the_place_in_order(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (int i = 0; i < 4; i++)
        vm_array_append(vm, array, vm_int(i));
    vm_array_set_index(vm, array, 1, vm_int(100));
    assert_order(array, (const int64_t[]){0, 1, 2, 3}, 4);
    vm_assert_int(vm_array_get_index(array, 1), 100);
}

static void unsetting_the_last_keeps_the_next_index(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 3; i++)
        vm_array_append(vm, array, vm_int(i));
    assert_true(vm_array_unset_index(vm, array, 2));
    assert_true(vm_array_unset_index(vm, array, 1));
    vm_array_append(vm, array, vm_int(9));
    assert_order(array, (const int64_t[]){0, 3}, 2);
    assert_false(vm_array_unset_index(vm, array, 2));
}

static void a_queue_does_not_grow_without_bound(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 20; i++)
        vm_array_append(vm, array, vm_int(i));
    for (int i = 0; i < 5000; i++) {
        assert_true(vm_array_unset_index(vm, array, i));
        vm_array_append(vm, array, vm_int(i + 20));
    }
    assert_int_equal(vm_array_count(array), 20);
    assert_true(storage_bytes(array) <= 64 * 40);
    vm_assert_int(vm_array_get_index(array, 5019), 5019);
    vm_frame_leave(vm);
}

static void body_append_at_the_end(struct vm *vm, void *context)
{
    (void)context;
    vm_array_append(vm, vm_as_array(vm_local_get(vm, 0)), vm_int(2));
}

static void appending_past_the_last_index_bails_out(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_HASH, 0);
    vm_array_set_index(vm, array, INT64_MAX, vm_int(1));
    assert_int_equal(vm_try(vm, body_append_at_the_end, NULL), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(vm_array_count(array), 1);
    vm_assert_int(vm_array_get_index(array, INT64_MAX), 1);
    vm_frame_leave(vm);
}

static void body_too_large(struct vm *vm, void *context)
{
    (void)context;
    vm_array_new(vm, VM_ARRAY_HASH, SIZE_MAX);
}

static void an_impossible_capacity_bails_out(struct vm_fixture *fixture)
{
    assert_int_equal(vm_try(fixture->vm, body_too_large, NULL), SM_ERR_OUT_OF_MEMORY);
}

/* ---- Copy on write ---- */

static void an_unshared_array_is_written_in_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    assert_ptr_equal(vm_array_write(vm, vm_local_place(vm, 0)), array);
    vm_frame_leave(vm);
}

static void a_write_to_a_copy_leaves_the_original(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_int(1));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *copy = vm_array_write(vm, vm_local_place(vm, 1));
    assert_ptr_not_equal(copy, array);
    vm_array_append(vm, copy, vm_int(2));
    vm_array_set_index(vm, copy, 0, vm_int(100));
    vm_assert_int(vm_array_get_index(array, 0), 1);
    assert_int_equal(vm_array_count(array), 1);
    assert_ptr_equal(vm_array_write(vm, vm_local_place(vm, 1)), copy);
    vm_frame_leave(vm);
}

static void a_write_to_the_original_leaves_the_copy(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, array, vm_fixture_string(vm, "k"), vm_int(1));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *written = vm_array_write(vm, vm_local_place(vm, 0));
    vm_array_unset_key(vm, written, vm_fixture_string(vm, "k"));
    vm_safepoint(vm);
    vm_assert_int(vm_array_get_key(vm_as_array(vm_local_get(vm, 1)), vm_fixture_string(vm, "k")), 1);
    vm_frame_leave(vm);
}

static void nested_arrays_are_copied_when_written(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *outer = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, outer, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_append(vm, vm_array_write(vm, vm_array_place_index(outer, 0)), vm_int(1));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *copy = vm_array_write(vm, vm_local_place(vm, 1));
    struct vm_array *inner = vm_array_write(vm, vm_array_place_index(copy, 0));
    vm_array_append(vm, inner, vm_int(2));
    assert_int_equal(vm_array_count(inner), 2);
    assert_int_equal(vm_array_count(vm_as_array(vm_array_get_index(outer, 0))), 1);
    vm_frame_leave(vm);
}

static void strings_in_a_copied_array_are_not_written_in_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_string_value(vm_string_with_capacity(vm, 50)));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *copy = vm_array_write(vm, vm_local_place(vm, 1));
    vm_string_append(vm, vm_array_place_index(copy, 0), "changed", 7);
    vm_assert_string(vm_array_get_index(array, 0), "");
    vm_assert_string(vm_array_get_index(copy, 0), "changed");
    vm_frame_leave(vm);
}

static void references_in_a_copied_array_stay_shared(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    struct vm_reference *reference = vm_reference_new(vm, vm_int(1));
    /* A second holder, or a policy that counts would unwrap it. */
    vm_local_set(vm, 2, vm_heap_value(reference, VM_REFERENCE));
    vm_array_append(vm, array, vm_value_copy(vm, vm_local_get(vm, 2)));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *copy = vm_array_write(vm, vm_local_place(vm, 1));
    vm_array_append(vm, copy, vm_int(9));
    vm_reference_set(vm, reference, vm_int(2));
    vm_assert_int(vm_value_deref(vm_array_get_index(array, 0)), 2);
    vm_assert_int(vm_value_deref(vm_array_get_index(copy, 0)), 2);
    vm_frame_leave(vm);
}

static void a_copied_hash_finds_its_keys(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_HASH, 0);
    for (int i = 0; i < 20; i++)
        vm_array_set_key(vm, array, vm_string_format(vm, "k%d", i), vm_int(i));
    for (int i = 0; i < 20; i += 3)
        vm_array_unset_key(vm, array, vm_string_format(vm, "k%d", i));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    struct vm_array *copy = vm_array_write(vm, vm_local_place(vm, 1));
    vm_local_set(vm, 0, vm_null());
    vm_safepoint(vm);
    for (int i = 0; i < 20; i++) {
        struct sm_value value = vm_array_get_key(copy, vm_string_format(vm, "k%d", i));
        assert_int_equal(value.tag, i % 3 == 0 ? VM_UNDEF : VM_INT);
    }
    vm_frame_leave(vm);
}

static void the_copy_made_by_a_write_is_counted(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_stats before, after;
    vm_frame_enter(vm, 2);
    vm_array_append(vm, array_in_local(vm, 0, VM_ARRAY_PACKED, 0), vm_int(1));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    sm_stats_get(fixture->mm, &before);
    vm_array_write(vm, vm_local_place(vm, 1));
    sm_stats_get(fixture->mm, &after);
    assert_int_equal(after.copy_count - before.copy_count, 2); /* head and storage */
    assert_int_equal(after.copied_bytes - before.copied_bytes, 56 + 8 * 16 + VM_PACKED_UNUSED_BYTES);
    /* Which writes copy depends on the sharing scheme: none of it is on the clock. */
    assert_int_equal(after.alloc_bytes, before.alloc_bytes);
    vm_frame_leave(vm);
}

static void an_array_appended_to_itself_is_a_copy(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_array_append(vm, array_in_local(vm, 0, VM_ARRAY_PACKED, 0), vm_int(1));
    struct sm_value self = vm_value_copy(vm, vm_local_get(vm, 0));
    struct vm_array *written = vm_array_write(vm, vm_local_place(vm, 0));
    vm_array_append(vm, written, self);
    assert_int_equal(vm_array_count(written), 2);
    assert_int_equal(vm_array_count(vm_as_array(vm_array_get_index(written, 1))), 1);
    vm_frame_leave(vm);
}

static void elements_are_let_go(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 0);
    struct vm_string *first = vm_fixture_string(vm, "first");
    struct vm_string *second = vm_fixture_string(vm, "second");
    struct vm_string *key = vm_fixture_string(vm, "key");
    vm_array_append(vm, array, vm_string_value(first));
    vm_array_set_key(vm, array, key, vm_string_value(second));
    vm_value_drop(vm, vm_string_value(key));
    vm_fixture_collect(fixture);
    assert_true(sm_is_valid(fixture->mm, &first->header));
    assert_true(sm_is_valid(fixture->mm, &second->header));
    assert_true(sm_is_valid(fixture->mm, &key->header));
    vm_array_unset_index(vm, array, 0);
    vm_array_unset_key(vm, array, key);
    vm_fixture_collect(fixture);
    assert_false(sm_is_valid(fixture->mm, &first->header));
    assert_false(sm_is_valid(fixture->mm, &second->header));
    assert_false(sm_is_valid(fixture->mm, &key->header));
    vm_frame_leave(vm);
}

static void replaced_storage_is_retired(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = array_in_local(vm, 0, VM_ARRAY_PACKED, 8);
    struct sm_object *storage = array->storage;
    for (int i = 0; i < 9; i++)
        vm_array_append(vm, array, vm_int(i));
    assert_ptr_not_equal(array->storage, storage);
    assert_false(sm_is_valid(fixture->mm, storage));
    vm_frame_leave(vm);
}

static void the_hash_of_an_array_is_of_its_content(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *packed = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_array *hash = vm_array_new(vm, VM_ARRAY_HASH, 32);
    for (int i = 0; i < 5; i++) {
        vm_array_append(vm, packed, vm_string_value(vm_string_format(vm, "v%d", i)));
        vm_array_append(vm, hash, vm_string_value(vm_string_format(vm, "v%d", i)));
    }
    uint64_t before = vm_value_hash(vm, vm_array_value(packed), 2);
    assert_true(before == vm_value_hash(vm, vm_array_value(hash), 2));
    vm_as_string(vm_array_get_index(hash, 3))->data[0] ^= 1;
    assert_true(before != vm_value_hash(vm, vm_array_value(hash), 2));
    vm_as_string(vm_array_get_index(hash, 3))->data[0] ^= 1;
    vm_array_unset_index(vm, hash, 4);
    assert_true(before != vm_value_hash(vm, vm_array_value(hash), 2));
}

static void the_hash_of_an_array_knows_its_order(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_array *forward = vm_array_new(vm, VM_ARRAY_HASH, 0);
    struct vm_array *backward = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (int i = 0; i < 3; i++) {
        vm_array_set_index(vm, forward, i, vm_int(i));
        vm_array_set_index(vm, backward, 2 - i, vm_int(2 - i));
    }
    assert_true(vm_value_hash(vm, vm_array_value(forward), 1) != vm_value_hash(vm, vm_array_value(backward), 1));
    assert_true(vm_value_hash(vm, vm_array_value(forward), 0) == vm_value_hash(vm, vm_array_value(backward), 0));
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(sizes_are_those_of_php, 0),
        VM_CASE(an_empty_array_has_no_storage, 0),
        VM_CASE(an_empty_hash_finds_nothing, 0),
        VM_CASE(appending_doubles_storage, 0),
        VM_CASE(keys_double_storage, 0),
        VM_CASE(a_key_is_found_by_content, 0),
        VM_CASE(a_numeric_string_is_no_index, 0),
        VM_CASE(an_index_equal_to_a_hash_is_not_that_key, 0),
        VM_CASE(a_string_key_makes_a_hash, 0),
        VM_CASE(a_far_index_makes_a_hash, 0),
        VM_CASE(a_negative_index_makes_a_hash, 0),
        VM_CASE(a_near_hole_stays_packed, 0),
        VM_CASE(filling_a_hole_keeps_insertion_order, 0),
        VM_CASE(overwriting_keeps_the_place_in_order, 0),
        VM_CASE(unsetting_the_last_keeps_the_next_index, 0),
        VM_CASE(a_queue_does_not_grow_without_bound, 0),
        VM_CASE(appending_past_the_last_index_bails_out, 0),
        VM_CASE(an_impossible_capacity_bails_out, 0),
        VM_CASE(an_unshared_array_is_written_in_place, 0),
        VM_CASE(a_write_to_a_copy_leaves_the_original, 0),
        VM_CASE(a_write_to_the_original_leaves_the_copy, 0),
        VM_CASE(nested_arrays_are_copied_when_written, 0),
        VM_CASE(strings_in_a_copied_array_are_not_written_in_place, 0),
        VM_CASE(references_in_a_copied_array_stay_shared, 0),
        VM_CASE(a_copied_hash_finds_its_keys, 0),
        VM_CASE(the_copy_made_by_a_write_is_counted, 0),
        VM_CASE(an_array_appended_to_itself_is_a_copy, 0),
        VM_CASE(elements_are_let_go, SM_CAP_COLLECT),
        VM_CASE(replaced_storage_is_retired, SM_CAP_RETIRE),
        VM_CASE(a_scan_misses_nothing_that_compaction_moves, 0),
        VM_CASE(the_hash_of_an_array_is_of_its_content, 0),
        VM_CASE(the_hash_of_an_array_knows_its_order, 0),
    };
    return vm_cases_run("vm_array", cases, sizeof(cases) / sizeof(cases[0]));
}
