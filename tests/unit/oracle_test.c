/** The reachability oracle, on heaps whose answer is known. */
#include "oracle.h"

#include "sapimem/alloc.h"
#include "sapimem/roots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { OBJECTS = 10000 };

/* One root slot that the test fills. */
struct fixture {
    struct sm_manager *mm;
    struct sm_object *root;
};

static void enumerate(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, &((struct fixture *)context)->root);
}

static void open_fixture(struct fixture *fixture, const char *policy)
{
    struct sm_config config = {.policy = policy, .pacing = NULL};
    const struct sm_root_provider provider = {"test", enumerate, fixture};
    fixture->root = NULL;
    assert_int_equal(sm_manager_create(&config, &fixture->mm, NULL), SM_OK);
    assert_int_equal(sm_roots_register(fixture->mm, &provider), SM_OK);
}

static void close_fixture(struct fixture *fixture)
{
    fixture->root = NULL;
    assert_int_equal(sm_roots_unregister(fixture->mm, "test"), SM_OK);
    sm_manager_destroy(fixture->mm);
}

/* A pair: two values. */
static struct sm_object *new_pair(struct fixture *fixture, struct sm_object *first, struct sm_object *second)
{
    struct sm_object *pair = sm_alloc(fixture->mm, SM_TYPE_VALUES, 2 * sizeof(struct sm_value));
    assert_non_null(pair);
    struct sm_value *slots = sm_payload(pair);
    if (first != NULL)
        sm_store(fixture->mm, pair, &slots[0], sm_value_from_object(first, 0));
    if (second != NULL)
        sm_store(fixture->mm, pair, &slots[1], sm_value_from_object(second, 0));
    return pair;
}

static struct hx_oracle_result ask(struct fixture *fixture)
{
    struct hx_oracle_result result;
    assert_int_equal(hx_oracle_run(fixture->mm, &result), SM_OK);
    assert_int_equal(result.missing_objects, 0);
    assert_int_equal(result.broken_objects, 0);
    return result;
}

static void test_empty_heap(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "null");
    struct hx_oracle_result result = ask(&fixture);
    assert_int_equal(result.retained_objects, 0);
    assert_int_equal(result.leaked_objects, 0);
    close_fixture(&fixture);
}

/* A list, each of whose pairs also refers to the one before: every object once, however often it is met. */
static void test_shared_and_cyclic(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "null");
    struct sm_object *last = new_pair(&fixture, NULL, NULL), *first = last;
    for (size_t i = 1; i < OBJECTS; i++)
        last = new_pair(&fixture, last, first);
    sm_store(fixture.mm, first, sm_payload(first), sm_value_from_object(last, 0));
    fixture.root = first;
    struct hx_oracle_result result = ask(&fixture);
    assert_int_equal(result.retained_objects, OBJECTS);
    assert_int_equal(result.retained_bytes, OBJECTS * 32);
    assert_int_equal(result.leaked_objects, 0);
    close_fixture(&fixture);
}

static void test_unreachable_is_leaked(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "null");
    struct sm_object *kept = new_pair(&fixture, NULL, NULL);
    struct sm_object *cycle = new_pair(&fixture, kept, NULL);
    sm_store(fixture.mm, cycle, (struct sm_value *)sm_payload(cycle) + 1,
             sm_value_from_object(new_pair(&fixture, cycle, NULL), 0));
    fixture.root = kept;
    struct hx_oracle_result result = ask(&fixture);
    assert_int_equal(result.retained_objects, 1);
    assert_int_equal(result.leaked_objects, 2);
    assert_int_equal(result.leaked_bytes, 64);
    close_fixture(&fixture);
}

/* What a collecting policy reclaims is not leaked; what it must keep is retained. */
static void test_agrees_with_a_collector(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "epoch:reclaim=inline");
    for (size_t i = 0; i < OBJECTS; i++) {
        struct sm_object *pair = new_pair(&fixture, fixture.root, NULL);
        if (i % 2 == 0)
            fixture.root = pair;
    }
    assert_int_equal(ask(&fixture).leaked_objects, OBJECTS / 2);
    assert_int_equal(sm_quiesce(fixture.mm), SM_OK);
    struct hx_oracle_result result = ask(&fixture);
    assert_int_equal(result.retained_objects, OBJECTS / 2);
    assert_int_equal(result.leaked_objects, 0);
    close_fixture(&fixture);
}

/* A root that is no object of the manager: the sign of memory freed too early. */
static void test_missing_object_is_noticed(void **state)
{
    (void)state;
    struct fixture fixture, other;
    struct hx_oracle_result result;
    open_fixture(&fixture, "null");
    open_fixture(&other, "null");
    fixture.root = new_pair(&other, NULL, NULL);
    assert_int_equal(hx_oracle_run(fixture.mm, &result), SM_OK);
    assert_int_equal(result.missing_objects, 1);
    fixture.root->type = UINT16_MAX;
    assert_int_equal(hx_oracle_run(fixture.mm, &result), SM_OK);
    assert_int_equal(result.broken_objects, 1);
    fixture.root->type = SM_TYPE_VALUES;
    close_fixture(&other);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_heap),
        cmocka_unit_test(test_shared_and_cyclic),
        cmocka_unit_test(test_unreachable_is_leaked),
        cmocka_unit_test(test_agrees_with_a_collector),
        cmocka_unit_test(test_missing_object_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
