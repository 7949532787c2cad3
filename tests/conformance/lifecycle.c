/** G30 to G39: requests, guards, destructors, several managers, and the table itself. */
#include "conformance.h"

#include <string.h>

static void request_end_gives_everything_back(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.sapi = SM_SAPI_FPM});
    size_t before = walk_count(fixture);
    for (int request = 0; request < 20; request++) {
        assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
        for (uint64_t i = 0; i < 3000; i++)
            fixture->roots[i % ROOTS_MAX] = node_new(fixture, i);
        assert_non_null(sm_alloc_bytes(fixture->mm, 3 << 20));
        memset(fixture->roots, 0, sizeof(fixture->roots));
        assert_int_equal(sm_request_end(fixture->mm), SM_OK);
        assert_int_equal(walk_count(fixture), before);
    }
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    assert_int_equal(stats.requests, 20);
    assert_int_equal(stats.live_objects, before);
    assert_true(stats.committed_bytes < (8 << 20));
}

static void what_was_made_before_the_request_survives_it(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.sapi = SM_SAPI_FPM});
    struct node *boot = fixture->roots[0] = node_new(fixture, 77);
    for (int request = 0; request < 5; request++) {
        assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
        for (uint64_t i = 0; i < 2000; i++)
            node_new(fixture, i);
        assert_int_equal(sm_request_end(fixture->mm), SM_OK);
        assert_int_equal(boot->id, 77);
        assert_true(sm_is_valid(fixture->mm, &boot->header));
    }
}

static void guards_nest_under_every_policy(struct fixture *fixture)
{
    struct sm_guard *guard = sm_owner_guard(fixture->mm);
    assert_int_equal(sm_guard_depth(guard), 0);
    uint64_t epoch = sm_epoch_current(fixture->mm);
    sm_pin(guard, SM_HERE);
    assert_true(sm_epoch_current(fixture->mm) > epoch);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_guard_depth(guard), 2);
    epoch = sm_epoch_current(fixture->mm);
    sm_repin(guard, SM_HERE);
    assert_int_equal(sm_epoch_current(fixture->mm), epoch); /* nested: nothing happens */
    sm_offline(guard);
    sm_online(guard);
    sm_unpin(guard);
    sm_repin(guard, SM_HERE);
    assert_true(sm_epoch_current(fixture->mm) > epoch);
    for (int i = 0; i < 5; i++)
        sm_pin(guard, SM_HERE);
    sm_guard_restore(guard, 1);
    assert_int_equal(sm_guard_depth(guard), 1);
    sm_unpin(guard);
}

/* Between two iterations that allocate more than a page, with a safepoint that has work. */
static struct node *node_of_an_iteration(struct fixture *fixture, uint64_t id, uint64_t *epoch)
{
    sm_pin(sm_owner_guard(fixture->mm), SM_HERE);
    *epoch = sm_epoch_current(fixture->mm);
    sm_attention_request(fixture->mm);
    sm_safepoint(fixture->mm);
    for (int i = 0; i < 3; i++)
        assert_non_null(sm_alloc_leaf(fixture->mm, SM_TYPE_BYTES, 3000));
    struct node *node = fixture->roots[id] = node_new(fixture, id);
    sm_unpin(sm_owner_guard(fixture->mm));
    return node;
}

static void epoch_tags_tell_the_iteration(struct fixture *fixture)
{
    uint64_t first_epoch, second_epoch;
    const struct node *first = node_of_an_iteration(fixture, 1, &first_epoch);
    const struct node *second = node_of_an_iteration(fixture, 2, &second_epoch);
    uint64_t first_tag = sm_epoch_of(fixture->mm, &first->header);
    uint64_t second_tag = sm_epoch_of(fixture->mm, &second->header);
    assert_true(first_tag < second_epoch && second_tag >= second_epoch);
    assert_true(second_tag <= sm_epoch_current(fixture->mm));
    assert_int_equal(sm_collect(fixture->mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(sm_epoch_of(fixture->mm, &first->header), first_tag);
    assert_int_equal(sm_epoch_of(fixture->mm, &second->header), second_tag);
}

static void destructors_run_exactly_once(struct fixture *fixture)
{
    for (uint64_t i = 0; i < 50; i++)
        node_root(fixture, i % 10, destructible_new(fixture, i));
    sm_safepoint(fixture->mm);
    assert_int_equal(sm_quiesce(fixture->mm), SM_OK);
    size_t early = fixture->destructor_calls;
    assert_int_equal(early, fixture->capabilities & SM_CAP_COLLECT ? 40 : 0);
    sm_finalizers_run_all(fixture->mm);
    assert_int_equal(fixture->destructor_calls, 50);
    sm_finalizers_run_all(fixture->mm);
    assert_int_equal(fixture->destructor_calls, 50);
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    assert_int_equal(stats.destructors_run, 50);
}

static void destructors_run_at_request_end(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.sapi = SM_SAPI_FPM});
    for (size_t request = 1; request <= 3; request++) {
        assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
        for (uint64_t i = 0; i < 10; i++)
            destructible_new(fixture, i);
        assert_int_equal(sm_request_end(fixture->mm), SM_OK);
        assert_int_equal(fixture->destructor_calls, 10 * request);
    }
}

static void destructor_registration_is_checked(struct fixture *fixture)
{
    struct node *plain = fixture->roots[0] = node_new(fixture, 1);
    assert_int_equal(sm_finalizer_register(fixture->mm, &plain->header), SM_ERR_INVALID_ARGUMENT);
    struct node *node = fixture->roots[1] = destructible_new(fixture, 2);
    assert_int_equal(sm_finalizer_register(fixture->mm, &node->header), SM_ERR_INVALID_ARGUMENT);
}

static void managers_are_independent(struct fixture *fixture)
{
    struct fixture other = {.ops = fixture->ops, .variant = fixture->variant};
    fixture_open(&other, &(struct sm_config){0});
    fixture->roots[0] = node_new(fixture, 1);
    other.roots[0] = node_new(&other, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        node_drop(fixture, node_new(fixture, i));
        node_drop(&other, node_new(&other, i));
    }
    assert_int_equal(sm_quiesce(other.mm), SM_OK);
    assert_false(sm_is_valid(fixture->mm, &other.roots[0]->header));
    fixture_close(&other);
    assert_int_equal(sm_quiesce(fixture->mm), SM_OK);
    assert_int_equal(fixture->roots[0]->id, 1);
}

static void operations_match_capabilities(struct fixture *fixture)
{
    const struct sm_policy_ops *ops = fixture->ops;
    const struct {
        uint32_t bit;
        bool present;
    } optional[] = {
        {SM_CAP_RESIZE, ops->resize != NULL},
        {SM_CAP_FREE, ops->free != NULL},
        {SM_CAP_BARRIER, ops->store_slow != NULL},
        {SM_CAP_COUNTS, ops->value_dead != NULL},
        {SM_CAP_COUNTS, ops->value_candidate != NULL},
        {SM_CAP_DEATHS, ops->known_dead != NULL},
        {SM_CAP_PIN, ops->pin != NULL},
        {SM_CAP_PIN, ops->unpin != NULL},
        {SM_CAP_PIN, ops->repin != NULL},
        {SM_CAP_PIN, ops->offline != NULL},
        {SM_CAP_PIN, ops->online != NULL},
        {SM_CAP_COLLECT, ops->collect != NULL},
        {SM_CAP_RETIRE, ops->retire != NULL},
        {SM_CAP_WEAK, ops->weak_make != NULL},
        {SM_CAP_WEAK, ops->weak_get != NULL},
        {SM_CAP_EPOCH_TAGS, ops->epoch_of != NULL},
    };
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
        assert_int_equal(optional[i].present, (ops->capabilities & optional[i].bit) != 0);
    if (ops->capabilities & SM_CAP_OBSERVERS)
        assert_true(ops->capabilities & SM_CAP_PIN);
    assert_true(ops->name[0] != '\0' && ops->summary[0] != '\0');
    assert_ptr_equal(sm_policy_find(ops->name), ops);
}

static void observers_are_refused_without_the_capability(struct fixture *fixture)
{
    if (fixture->capabilities & SM_CAP_OBSERVERS)
        return;
    struct sm_guard *guard = NULL;
    assert_int_equal(sm_observer_register(fixture->mm, "observer", &guard), SM_ERR_UNSUPPORTED);
    assert_null(guard);
}

const struct conformance_test lifecycle_tests[] = {
    {"G30_request_end_gives_everything_back", request_end_gives_everything_back, SM_CAP_BULK_FREE},
    {"G31_what_was_made_before_the_request_survives_it", what_was_made_before_the_request_survives_it, 0},
    {"G32_guards_nest_under_every_policy", guards_nest_under_every_policy, 0},
    {"G33_epoch_tags_tell_the_iteration", epoch_tags_tell_the_iteration, SM_CAP_EPOCH_TAGS | SM_CAP_COLLECT},
    {"G34_destructors_run_exactly_once", destructors_run_exactly_once, 0},
    {"G35_destructors_run_at_request_end", destructors_run_at_request_end, SM_CAP_BULK_FREE},
    {"G36_destructor_registration_is_checked", destructor_registration_is_checked, 0},
    {"G37_managers_are_independent", managers_are_independent, 0},
    {"G38_operations_match_capabilities", operations_match_capabilities, 0},
    {"G39_observers_are_refused_without_the_capability", observers_are_refused_without_the_capability, 0},
    {NULL, NULL, 0},
};
