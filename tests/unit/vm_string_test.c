/* Strings: content, appending in place and not, hashes, interning. */
#include "vm_fixture.h"

#include "sapimem/extension.h"

#include <stdio.h>
#include <string.h>

static void new_string_holds_its_bytes(struct vm_fixture *fixture)
{
    struct vm_string *string = vm_string_new(fixture->vm, "a\0b", 3);
    assert_int_equal(string->length, 3);
    assert_memory_equal(string->data, "a\0b\0", 4);
    assert_int_equal(string->header.payload_bytes, VM_STRING_HEADER_BYTES + 3 + 1);
}

static void empty_string_is_terminated(struct vm_fixture *fixture)
{
    vm_assert_string(vm_string_value(vm_string_new(fixture->vm, "", 0)), "");
    vm_assert_string(vm_string_value(vm_string_new(fixture->vm, NULL, 0)), "");
}

static void uninitialised_string_has_its_length(struct vm_fixture *fixture)
{
    struct vm_string *string = vm_string_new(fixture->vm, NULL, 100);
    memset(string->data, 'x', 100);
    assert_int_equal(string->length, 100);
    assert_int_equal(string->data[100], '\0');
}

static void capacity_is_as_asked(struct vm_fixture *fixture)
{
    struct vm_string *string = vm_string_with_capacity(fixture->vm, 100);
    assert_int_equal(vm_string_capacity(string), 100);
    assert_int_equal(string->length, 0);
}

static void large_string_is_whole(struct vm_fixture *fixture)
{
    enum { LENGTH = 300000 };
    struct vm_string *string = vm_string_new(fixture->vm, NULL, LENGTH);
    memset(string->data, 'y', LENGTH);
    assert_int_equal(string->data[LENGTH], '\0');
    assert_int_equal(strlen(string->data), LENGTH);
}

static void format_writes_text(struct vm_fixture *fixture)
{
    vm_assert_string(vm_string_value(vm_string_format(fixture->vm, "%s-%d", "job", 42)), "job-42");
}

static void format_is_cut(struct vm_fixture *fixture)
{
    struct vm_string *string = vm_string_format(fixture->vm, "%05000d", 7);
    assert_int_equal(string->length, 4096);
    assert_int_equal(string->data[4095], '0');
}

static struct vm_string *local_string(struct vm *vm, uint32_t local)
{
    return vm_as_string(vm_local_get(vm, local));
}

static void append_within_room_stays_in_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_string *string = vm_string_with_capacity(vm, 16);
    vm_local_set(vm, 0, vm_string_value(string));
    vm_string_append(vm, vm_local_place(vm, 0), "abc", 3);
    vm_string_append(vm, vm_local_place(vm, 0), "defg", 4);
    vm_assert_string(vm_local_get(vm, 0), "abcdefg");
    assert_ptr_equal(local_string(vm, 0), string);
    vm_frame_leave(vm);
}

static void append_of_nothing_changes_nothing(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_string *string = vm_fixture_string(vm, "abc");
    vm_local_set(vm, 0, vm_string_value(string));
    vm_string_append(vm, vm_local_place(vm, 0), "", 0);
    assert_ptr_equal(local_string(vm, 0), string);
    vm_frame_leave(vm);
}

static void growth_doubles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "0123456789")));
    vm_string_append(vm, vm_local_place(vm, 0), "x", 1);
    assert_int_equal(vm_string_capacity(local_string(vm, 0)), 20);
    vm_string_append(vm, vm_local_place(vm, 0), "0123456789012345678901234567890123456789", 40);
    assert_int_equal(vm_string_capacity(local_string(vm, 0)), 51);
    vm_assert_string(vm_local_get(vm, 0), "0123456789x0123456789012345678901234567890123456789");
    vm_frame_leave(vm);
}

static void growth_by_pieces_keeps_every_byte(struct vm_fixture *fixture)
{
    enum { PIECES = 3000 };
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "")));
    for (int i = 0; i < PIECES; i++) {
        char piece[2] = {(char)('a' + i % 26), (char)('A' + i % 7)};
        vm_string_append(vm, vm_local_place(vm, 0), piece, sizeof(piece));
        vm_safepoint(vm);
    }
    const struct vm_string *string = local_string(vm, 0);
    assert_int_equal(string->length, 2 * PIECES);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(string->data[2 * i], 'a' + i % 26);
        assert_int_equal(string->data[2 * i + 1], 'A' + i % 7);
    }
    vm_frame_leave(vm);
}

static void append_to_a_copy_leaves_the_original(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_string_value(vm_string_with_capacity(vm, 64)));
    vm_string_append(vm, vm_local_place(vm, 0), "base", 4);
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_string_append(vm, vm_local_place(vm, 1), "+one", 4);
    vm_string_append(vm, vm_local_place(vm, 0), "+two", 4);
    vm_assert_string(vm_local_get(vm, 0), "base+two");
    vm_assert_string(vm_local_get(vm, 1), "base+one");
    vm_frame_leave(vm);
}

static void the_copy_made_by_an_append_is_counted(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_stats before, after;
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "shared")));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    sm_stats_get(fixture->mm, &before);
    vm_string_append(vm, vm_local_place(vm, 1), "!", 1);
    sm_stats_get(fixture->mm, &after);
    assert_int_equal(after.copy_count - before.copy_count, 1);
    assert_int_equal(after.copied_bytes - before.copied_bytes, 24 + 6 + 1);
    /* As if it had grown: to twice its room. */
    assert_int_equal(after.alloc_bytes - before.alloc_bytes, 6);
    vm_frame_leave(vm);
}

static void append_in_a_slot_of_the_heap(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, 0, vm_array_value(array));
    vm_array_append(vm, array, vm_string_value(vm_fixture_string(vm, "x")));
    for (int i = 0; i < 200; i++) {
        vm_string_append(vm, vm_array_place_index(array, 0), "0123456789", 10);
        vm_safepoint(vm);
    }
    assert_int_equal(vm_as_string(vm_array_get_index(array, 0))->length, 2001);
    vm_frame_leave(vm);
}

static void a_key_is_not_changed_by_appending_to_its_variable(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, 0, vm_array_value(array));
    vm_local_set(vm, 1, vm_string_value(vm_string_with_capacity(vm, 32)));
    vm_string_append(vm, vm_local_place(vm, 1), "key", 3);
    vm_array_set_key(vm, array, local_string(vm, 1), vm_int(1));
    vm_string_append(vm, vm_local_place(vm, 1), "hole", 4);
    vm_assert_int(vm_array_get_key(array, vm_fixture_string(vm, "key")), 1);
    vm_assert_string(vm_local_get(vm, 1), "keyhole");
    vm_frame_leave(vm);
}

/** A handle is a second holder that the sharing bit knows nothing of. */
static void a_handle_keeps_the_string_that_growth_left(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "kept")));
    sm_handle handle = sm_alloc_value(fixture->mm, vm_local_get(vm, 0));
    for (int i = 0; i < 100; i++)
        vm_string_append(vm, vm_local_place(vm, 0), "0123456789", 10);
    vm_fixture_collect(fixture);
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_OK);
    assert_true(sm_is_valid(fixture->mm, sm_value_object(value)));
    assert_memory_equal(vm_as_string(value)->data, "kept", 4);
    vm_frame_leave(vm);
}

static void hash_follows_content(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_string_with_capacity(vm, 32)));
    vm_string_append(vm, vm_local_place(vm, 0), "abc", 3);
    uint64_t before = vm_string_hash(local_string(vm, 0));
    vm_string_append(vm, vm_local_place(vm, 0), "d", 1);
    uint64_t after = vm_string_hash(local_string(vm, 0));
    assert_true(before != after);
    assert_true(before == vm_string_hash(vm_fixture_string(vm, "abc")));
    assert_true(after == vm_string_hash(vm_fixture_string(vm, "abcd")));
    vm_frame_leave(vm);
}

static void hashes_of_near_strings_differ(struct vm_fixture *fixture)
{
    enum { COUNT = 500 };
    uint64_t hashes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        hashes[i] = vm_string_hash(vm_string_format(fixture->vm, "user.%d.name", i));
        assert_true(hashes[i] != 0);
        for (int j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
    }
}

static void zero_bytes_count_in_the_hash(struct vm_fixture *fixture)
{
    assert_true(vm_string_hash(vm_string_new(fixture->vm, "\0", 1)) !=
                vm_string_hash(vm_string_new(fixture->vm, "\0\0", 2)));
}

static void equality_is_by_content(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_string *left = vm_fixture_string(vm, "same");
    assert_true(vm_string_equal(left, left));
    assert_true(vm_string_equal(left, vm_fixture_string(vm, "same")));
    assert_false(vm_string_equal(left, vm_fixture_string(vm, "sane")));
    assert_false(vm_string_equal(left, vm_fixture_string(vm, "sames")));
}

static void interning_makes_one_string(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_string *first = vm_intern(vm, "name", 4);
    vm_safepoint(vm);
    assert_ptr_equal(vm_intern(vm, "name", 4), first);
    assert_ptr_not_equal(vm_intern(vm, "names", 5), first);
}

static void an_interned_string_is_never_written(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_string *interned = vm_intern(vm, "prefix", 6);
    vm_local_set(vm, 0, vm_value_copy(vm, vm_string_value(interned)));
    vm_string_append(vm, vm_local_place(vm, 0), "-tail", 5);
    vm_assert_string(vm_string_value(interned), "prefix");
    vm_assert_string(vm_local_get(vm, 0), "prefix-tail");
    assert_ptr_equal(vm_intern(vm, "prefix", 6), interned);
    vm_frame_leave(vm);
}

static void a_removed_interned_string_is_still_not_written(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_string *interned = vm_intern(vm, "gone", 4);
    vm_local_set(vm, 0, vm_value_copy(vm, vm_string_value(interned)));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_string_value(interned)));
    assert_true(vm_interner_remove(vm, "gone", 4));
    assert_false(vm_interner_remove(vm, "gone", 4));
    vm_string_append(vm, vm_local_place(vm, 0), "!", 1);
    vm_assert_string(vm_local_get(vm, 1), "gone");
    assert_ptr_not_equal(vm_intern(vm, "gone", 4), interned);
    vm_frame_leave(vm);
}

static void many_interned_strings_are_found_again(struct vm_fixture *fixture)
{
    enum { COUNT = 1000 };
    struct vm *vm = fixture->vm;
    char name[32];
    for (int i = 0; i < COUNT; i++)
        vm_intern(vm, name, (size_t)snprintf(name, sizeof(name), "symbol%d", i));
    struct sm_stats before, after;
    sm_stats_get(fixture->mm, &before);
    for (int i = 0; i < COUNT; i++)
        vm_assert_string(vm_string_value(vm_intern(vm, name, (size_t)snprintf(name, sizeof(name), "symbol%d", i))),
                         name);
    sm_stats_get(fixture->mm, &after);
    assert_int_equal(after.alloc_count, before.alloc_count);
}

static void body_too_long(struct vm *vm, void *context)
{
    (void)context;
    vm_string_with_capacity(vm, SIZE_MAX - 8);
}

static void an_impossible_length_bails_out(struct vm_fixture *fixture)
{
    assert_int_equal(vm_try(fixture->vm, body_too_long, NULL), SM_ERR_OUT_OF_MEMORY);
    assert_non_null(strstr(sm_error_detail(fixture->mm), "1 TiB"));
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(new_string_holds_its_bytes, 0),
        VM_CASE(empty_string_is_terminated, 0),
        VM_CASE(uninitialised_string_has_its_length, 0),
        VM_CASE(capacity_is_as_asked, 0),
        VM_CASE(large_string_is_whole, 0),
        VM_CASE(format_writes_text, 0),
        VM_CASE(format_is_cut, 0),
        VM_CASE(append_within_room_stays_in_place, 0),
        VM_CASE(append_of_nothing_changes_nothing, 0),
        VM_CASE(growth_doubles, 0),
        VM_CASE(growth_by_pieces_keeps_every_byte, 0),
        VM_CASE(append_to_a_copy_leaves_the_original, 0),
        VM_CASE(the_copy_made_by_an_append_is_counted, 0),
        VM_CASE(append_in_a_slot_of_the_heap, 0),
        VM_CASE(a_key_is_not_changed_by_appending_to_its_variable, 0),
        VM_CASE(a_handle_keeps_the_string_that_growth_left, SM_CAP_COLLECT),
        VM_CASE(hash_follows_content, 0),
        VM_CASE(hashes_of_near_strings_differ, 0),
        VM_CASE(zero_bytes_count_in_the_hash, 0),
        VM_CASE(equality_is_by_content, 0),
        VM_CASE(interning_makes_one_string, 0),
        VM_CASE(an_interned_string_is_never_written, 0),
        VM_CASE(a_removed_interned_string_is_still_not_written, 0),
        VM_CASE(many_interned_strings_are_found_again, 0),
        VM_CASE(an_impossible_length_bails_out, 0),
    };
    return vm_cases_run("vm_string", cases, sizeof(cases) / sizeof(cases[0]));
}
