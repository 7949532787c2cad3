/** The table of objects: order, gaps, sweeps, what is recent, refused memory. */
#include "manager_fixture.h"
#include "marker.h"
#include "object_table.h"

#include <stdlib.h>

enum { MANY = 3 * SM_TABLE_SEGMENT_SLOTS + 100, PAYLOAD_BYTES = 40 };

/** What a policy's block begins with. */
struct block {
    uint64_t padding, index;
    struct sm_object object;
};

struct books {
    struct sm_manager *mm;
    struct sm_object_table table;
    struct block *blocks;
};

static int open_books(void **state)
{
    static struct books books;
    books.mm = manager_open(&(struct sm_config){.policy = "null"});
    books.blocks = calloc(MANY, sizeof(*books.blocks));
    assert_non_null(books.blocks);
    sm_object_table_init(&books.table, books.mm);
    *state = &books;
    return 0;
}

static int close_books(void **state)
{
    struct books *books = *state;
    sm_object_table_finish(&books->table);
    free(books->blocks);
    assert_int_equal(manager_committed_bytes(books->mm), 0);
    sm_manager_destroy(books->mm);
    return 0;
}

static void add(struct books *books, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        struct sm_object *object = &books->blocks[i].object;
        object->payload_bytes = PAYLOAD_BYTES;
        assert_true(sm_object_table_reserve(&books->table));
        sm_object_table_add(&books->table, object, PAYLOAD_BYTES);
    }
}

/** Objects seen, each after the one before it. */
struct order {
    size_t count;
    const struct sm_object *last;
};

static void see(void *context, struct sm_object *object)
{
    struct order *order = context;
    assert_true(object > order->last);
    order->last = object;
    order->count++;
}

static void assert_holds(const struct books *books, size_t object_count, size_t recent_count)
{
    struct order all = {0}, recent = {0};
    sm_object_table_walk(&books->table, see, &all);
    sm_object_table_walk_recent(&books->table, see, &recent);
    assert_int_equal(all.count, object_count);
    assert_int_equal(recent.count, recent_count);
    assert_int_equal(sm_object_table_count(&books->table), object_count);
    assert_int_equal(books->table.live_bytes, object_count * PAYLOAD_BYTES);
    assert_true(sm_object_table_is_consistent(&books->table, 0));
}

static void entries_keep_their_order_across_segments(void **state)
{
    struct books *books = *state;
    add(books, 0, MANY);
    assert_holds(books, MANY, MANY);
    assert_true(sm_object_table_has(&books->table, &books->blocks[MANY - 1].object));
    assert_int_equal(manager_committed_bytes(books->mm), 4 * SM_TABLE_SEGMENT_BYTES);
}

static void what_is_recent_follows_safepoints_removals_and_sweeps(void **state)
{
    struct books *books = *state;
    add(books, 0, 1000);
    sm_object_table_safepoint(&books->table);
    assert_holds(books, 1000, 0);
    add(books, 1000, 1500);
    sm_object_table_remove(&books->table, &books->blocks[10].object);
    sm_object_table_remove(&books->table, &books->blocks[1000].object);
    assert_false(sm_object_table_has(&books->table, &books->blocks[10].object));
    assert_holds(books, 1498, 499);
    for (size_t i = 0; i < 1500; i += 2)
        books->blocks[i].object.flags = SM_MARK_A;
    struct order dead = {0};
    sm_object_table_sweep(&books->table, SM_MARK_A, see, &dead);
    assert_int_equal(dead.count, 750);
    assert_holds(books, 748, 249);
    sm_object_table_safepoint(&books->table);
    sm_object_table_sweep(&books->table, SM_MARK_A, see, &dead);
    assert_holds(books, 748, 0);
}

static void the_word_before_a_dead_object_is_free_for_use(void **state)
{
    struct books *books = *state;
    add(books, 0, 10);
    books->blocks[7].object.flags = SM_MARK_B;
    sm_object_table_remove(&books->table, &books->blocks[3].object);
    books->blocks[3].index = UINT64_MAX;
    struct order dead = {0};
    sm_object_table_sweep(&books->table, SM_MARK_B, see, &dead);
    books->blocks[0].index = UINT64_MAX;
    assert_int_equal(dead.count, 8);
    assert_holds(books, 1, 1);
}

static void segments_are_given_back_but_one(void **state)
{
    struct books *books = *state;
    struct order dead = {0};
    add(books, 0, MANY);
    sm_object_table_sweep(&books->table, SM_MARK_A, see, &dead);
    assert_int_equal(dead.count, MANY);
    assert_holds(books, 0, 0);
    assert_int_equal(manager_committed_bytes(books->mm), SM_TABLE_SEGMENT_BYTES);
}

static void removing_alone_does_not_grow_the_table(void **state)
{
    struct books *books = *state;
    add(books, 0, 1);
    for (size_t i = 0; i < 20 * SM_TABLE_SEGMENT_SLOTS; i++) {
        add(books, 1, 2);
        sm_object_table_remove(&books->table, &books->blocks[1].object);
    }
    assert_holds(books, 1, 1);
    assert_in_range(manager_committed_bytes(books->mm), 1, 2 * SM_TABLE_SEGMENT_BYTES);
}

static void a_broken_index_or_a_dead_flag_is_noticed(void **state)
{
    struct books *books = *state;
    add(books, 0, 10);
    books->blocks[4].index = 5;
    assert_false(sm_object_table_is_consistent(&books->table, 0));
    books->blocks[4].index = 4;
    books->blocks[6].object.flags = 0x0400;
    assert_true(sm_object_table_is_consistent(&books->table, 0));
    assert_false(sm_object_table_is_consistent(&books->table, 0x0400));
    books->blocks[6].object.payload_bytes++;
    assert_false(sm_object_table_is_consistent(&books->table, 0));
}

static void refused_memory_changes_nothing(void **state)
{
    (void)state;
    static struct block block;
    struct sm_object_table table;
    struct sm_manager *mm = manager_open(&(struct sm_config){.policy = "null", .fail_alloc_after = 1});
    sm_object_table_init(&table, mm);
    assert_false(sm_object_table_reserve(&table));
    assert_int_equal(manager_committed_bytes(mm), 0);
    assert_true(sm_object_table_reserve(&table));
    sm_object_table_add(&table, &block.object, 0);
    assert_true(sm_object_table_has(&table, &block.object));
    sm_object_table_finish(&table);
    sm_manager_destroy(mm);
}

#define WITH_BOOKS(test) cmocka_unit_test_setup_teardown(test, open_books, close_books)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOOKS(entries_keep_their_order_across_segments),
        WITH_BOOKS(what_is_recent_follows_safepoints_removals_and_sweeps),
        WITH_BOOKS(the_word_before_a_dead_object_is_free_for_use),
        WITH_BOOKS(segments_are_given_back_but_one),
        WITH_BOOKS(removing_alone_does_not_grow_the_table),
        WITH_BOOKS(a_broken_index_or_a_dead_flag_is_noticed),
        cmocka_unit_test(refused_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
