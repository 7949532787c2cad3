/**
 * Destructors (R5): once, at safepoints, in order, able to resurrect and allocate; and weak cells.
 */
#include "check.h"
#include "list_policy.h"

#include "../../lib/mm/src/manager_internal.h"

#include "sapimem/extension.h"

#include <string.h>

enum { LOG_MAX = 64 };

/* Shared with the destructors through the type's context. */
struct log {
    size_t count;
    uint64_t ids[LOG_MAX];
    sm_type_id type;
    void (*action)(struct sm_manager *mm, struct sm_object *object, struct log *log);
    sm_handle resurrected;
    sm_status status;
    struct sm_object *weak;
    struct sm_object *seen_through_weak;
};

static void log_destruction(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct log *log = context;
    const struct sm_value *slots = sm_payload_const(object);
    if (log->count < LOG_MAX)
        log->ids[log->count] = slots[0].payload;
    log->count++;
    if (log->action != NULL)
        log->action(mm, object, log);
}

static void trace_slots(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, sm_payload_const(object), object->payload_bytes / sizeof(struct sm_value));
}

static struct sm_manager *manager_with_log(const struct sm_policy_ops *ops, struct log *log)
{
    struct sm_config config = {.pacing = "never"};
    struct sm_manager *mm = list_policy_manager(ops, &config);
    const struct sm_type type = {.name = "logged", .trace = trace_slots, .finalize = log_destruction, .context = log};
    assert_int_equal(sm_type_register(mm, &type, &log->type), SM_OK);
    return mm;
}

static struct sm_object *logged(struct sm_manager *mm, const struct log *log, uint64_t id)
{
    struct sm_object *object = sm_alloc(mm, log->type, 48);
    assert_non_null(object);
    ((struct sm_value *)sm_payload(object))[0].payload = id;
    assert_int_equal(sm_finalizer_register(mm, object), SM_OK);
    return object;
}

static void link_to(struct sm_manager *mm, struct sm_object *from, struct sm_object *to)
{
    struct sm_value *slots = sm_payload(from);
    sm_store(mm, from, &slots[1], sm_value_from_object(to, 0));
}

static uint64_t live_objects(const struct sm_manager *mm)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    return stats.live_objects;
}

static void test_R5_destructors_of_garbage_run_once_in_order(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    for (uint64_t id = 1; id <= 20; id++)
        logged(mm, &log, id);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(log.count, 20);
    for (uint64_t id = 1; id <= 20; id++)
        assert_int_equal(log.ids[id - 1], id);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(log.count, 20);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 20);
}

static void test_R5_object_and_what_it_reaches_need_a_second_cycle(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    struct sm_object *object = logged(mm, &log, 1);
    struct sm_object *reached = sm_alloc(mm, SM_TYPE_VALUES, 32);
    link_to(mm, object, reached);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_true(sm_is_valid(mm, object));
    assert_true(sm_is_valid(mm, reached));
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
}

static void test_live_objects_keep_their_destructors(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 1);
    sm_alloc_value(mm, sm_value_from_object(logged(mm, &log, 2), 0));
    logged(mm, &log, 3);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.ids[0], 1);
    assert_int_equal(log.ids[1], 3);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 3);
    assert_int_equal(log.ids[2], 2);
}

static void test_flags_follow_the_destructor(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    struct sm_object *object = logged(mm, &log, 1);
    assert_true((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) != 0);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_true((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0);
    assert_true((sm_object_flags(object) & SM_OBJECT_FINALIZED) != 0);
    assert_int_equal(sm_finalizer_register(mm, object), SM_ERR_INVALID_ARGUMENT);
    sm_manager_destroy(mm);
}

static void test_registration_is_checked(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    struct sm_object *object = logged(mm, &log, 1);
    assert_int_equal(sm_finalizer_register(mm, object), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(mm), "logged"));
    assert_int_equal(sm_finalizer_register(mm, sm_alloc(mm, SM_TYPE_VALUES, 16)), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(list_policy_of(mm)->calls.finalizer_register, 1);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 1);
}

static void resurrect(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    log->resurrected = sm_alloc_value(mm, sm_value_from_object(object, 0));
}

static void test_R5_resurrected_object_lives_on_and_is_not_destructed_again(void **state)
{
    (void)state;
    struct log log = {.action = resurrect};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    sm_scope scope = sm_scope_open(mm);
    struct sm_object *object = logged(mm, &log, 1);
    sm_collect(mm, SM_COLLECT_FULL);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_true(sm_is_valid(mm, object));
    assert_int_equal(log.count, 1);
    assert_int_equal(sm_scope_close(mm, scope), SM_OK);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(live_objects(mm), 0);
    assert_int_equal(log.count, 1);
    sm_manager_destroy(mm);
}

static void allocate_and_pin(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    struct sm_object *made = sm_alloc(mm, SM_TYPE_VALUES, 64);
    assert_non_null(made);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    link_to(mm, object, made);
    sm_unpin(sm_owner_guard(mm));
    log->status = SM_OK;
}

static void test_R5_destructor_may_allocate_store_and_pin(void **state)
{
    (void)state;
    struct log log = {.action = allocate_and_pin, .status = SM_ERR_SYSTEM};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 1);
    assert_int_equal(sm_quiesce(mm), SM_OK);
    assert_int_equal(log.status, SM_OK);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
}

static void collect_inside(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    log->status = sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(sm_quiesce(mm), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_request_end(mm), SM_ERR_INVALID_ARGUMENT);
    sm_safepoint(mm);
    assert_true(sm_is_valid(mm, object));
}

static void test_collecting_inside_a_destructor_waits_for_the_next_safepoint(void **state)
{
    (void)state;
    struct log log = {.action = collect_inside, .status = SM_ERR_SYSTEM};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 1);
    logged(mm, &log, 2);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(log.status, SM_OK);
    assert_int_equal(log.count, 2);
    assert_int_equal(list_policy_of(mm)->calls.collect, 1);
    sm_safepoint(mm);
    assert_int_equal(list_policy_of(mm)->calls.collect, 2);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
}

static void count_pause(void *context, const struct sm_pause_record *pause)
{
    ++((int *)context)[pause->cause];
}

static void test_a_cycle_and_its_drain_are_one_pause(void **state)
{
    (void)state;
    struct log log = {0};
    int pauses[SM_PAUSE_CAUSE_COUNT] = {0};
    struct sm_config config = {.hooks = {.context = pauses, .on_pause = count_pause}};
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, &config);
    const struct sm_type type = {.name = "logged", .trace = trace_slots, .finalize = log_destruction, .context = &log};
    assert_int_equal(sm_type_register(mm, &type, &log.type), SM_OK);
    for (uint64_t id = 0; id < 10; id++)
        logged(mm, &log, id);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(log.count, 10);
    assert_int_equal(pauses[SM_PAUSE_CYCLE], 1);
    assert_int_equal(pauses[SM_PAUSE_DESTRUCTORS], 0);
    for (uint64_t id = 0; id < 10; id++)
        logged(mm, &log, id);
    sm_finalizers_run_all(mm); /* a drain of its own */
    assert_int_equal(log.count, 20);
    assert_int_equal(pauses[SM_PAUSE_CYCLE], 1);
    assert_int_equal(pauses[SM_PAUSE_DESTRUCTORS], 1);
    sm_manager_destroy(mm);
}

static void test_destructors_due_after_an_emergency_run_at_the_next_safepoint(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 1);
    sm_attention_request(mm);
    sm_safepoint(mm);
    assert_int_equal(sm_cycle_run(mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY), SM_OK);
    assert_int_equal(log.count, 0);
    sm_safepoint(mm);
    assert_int_equal(log.count, 1);
    sm_manager_destroy(mm);
}

static void test_run_all_runs_live_objects_too_and_keeps_them(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    struct sm_object *object = logged(mm, &log, 1);
    sm_alloc_value(mm, sm_value_from_object(object, 0));
    logged(mm, &log, 2);
    sm_finalizers_run_all(mm);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.ids[0], 1);
    assert_int_equal(log.ids[1], 2);
    assert_true(sm_is_valid(mm, object));
    sm_finalizers_run_all(mm);
    assert_int_equal(log.count, 2);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 2);
}

static void make_another(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    (void)object;
    logged(mm, log, log->count);
}

static void test_destroy_cuts_off_destructors_that_never_stop(void **state)
{
    (void)state;
    struct log log = {.action = make_another};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 0);
    sm_manager_destroy(mm);
    assert_true(log.count >= 2 && log.count < 100);
}

static void test_registering_inside_a_destructor_survives_growth(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    for (uint64_t id = 0; id < 1000; id++)
        logged(mm, &log, id);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(log.count, 1000);
    for (uint64_t id = 0; id < 40; id++) {
        logged(mm, &log, id);
        if (id == 20)
            log.action = make_another;
    }
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(log.count, 1040);
    log.action = NULL;
    sm_quiesce(mm);
    assert_int_equal(log.count, 1080);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
}

static void make_another_up_to_six(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    if (log->count < 6)
        make_another(mm, object, log);
}

static void test_quiesce_goes_on_while_destructors_make_garbage(void **state)
{
    (void)state;
    struct log log = {.action = make_another_up_to_six};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    logged(mm, &log, 0);
    assert_int_equal(sm_quiesce(mm), SM_OK);
    assert_int_equal(log.count, 6);
    assert_int_equal(live_objects(mm), 0);
    sm_manager_destroy(mm);
}

static void test_request_end_runs_what_is_due(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_manager *mm = manager_with_log(&list_policy_tracing_ops, &log);
    sm_request_begin(mm);
    logged(mm, &log, 1);
    assert_int_equal(sm_cycle_run(mm, SM_COLLECT_FULL, SM_TRIGGER_MANUAL), SM_OK);
    logged(mm, &log, 2);
    assert_int_equal(sm_request_end(mm), SM_OK);
    assert_int_equal(log.count, 1);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 2);
}

static void test_bulk_free_request_end_runs_all_in_order(void **state)
{
    (void)state;
    struct log log = {0};
    struct sm_config config = {.sapi = SM_SAPI_FPM};
    struct sm_manager *mm = NULL;
    assert_int_equal(sm_manager_create(&config, &mm, NULL), SM_OK);
    const struct sm_type type = {.name = "logged", .trace = trace_slots, .finalize = log_destruction, .context = &log};
    assert_int_equal(sm_type_register(mm, &type, &log.type), SM_OK);
    for (int request = 0; request < 2; request++) {
        sm_request_begin(mm);
        for (uint64_t id = 1; id <= 3; id++)
            logged(mm, &log, id);
        assert_int_equal(sm_request_end(mm), SM_OK);
    }
    assert_int_equal(log.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(log.ids[i], i % 3 + 1);
    sm_manager_destroy(mm);
    assert_int_equal(log.count, 6);
}

static void look_through_weak(struct sm_manager *mm, struct sm_object *object, struct log *log)
{
    (void)object;
    log->seen_through_weak = sm_weak_get(mm, log->weak);
}

static void test_R5_weak_cell_still_answers_inside_the_destructor(void **state)
{
    (void)state;
    struct log log = {.action = look_through_weak};
    struct sm_config config = {.policy = "epoch:reclaim=inline", .pacing = "never"};
    struct sm_manager *mm = NULL;
    assert_int_equal(sm_manager_create(&config, &mm, NULL), SM_OK);
    const struct sm_type type = {.name = "logged", .trace = trace_slots, .finalize = log_destruction, .context = &log};
    assert_int_equal(sm_type_register(mm, &type, &log.type), SM_OK);
    struct sm_object *object = logged(mm, &log, 1);
    log.weak = sm_weak_make(mm, object);
    sm_alloc_value(mm, sm_value_from_object(log.weak, 0));
    assert_ptr_equal(sm_weak_get(mm, log.weak), object);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(log.count, 1);
    assert_ptr_equal(log.seen_through_weak, object);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_null(sm_weak_get(mm, log.weak));
    sm_manager_destroy(mm);
}

static void test_weak_cell_without_the_capability_holds_its_target(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, NULL);
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 16);
    struct sm_object *cell = sm_weak_make(mm, object);
    assert_int_equal(cell->type, SM_TYPE_WEAK_CELL);
    assert_int_equal(cell->payload_bytes, 16);
    assert_ptr_equal(sm_weak_get(mm, cell), object);
    sm_manager_destroy(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R5_destructors_of_garbage_run_once_in_order),
        cmocka_unit_test(test_R5_object_and_what_it_reaches_need_a_second_cycle),
        cmocka_unit_test(test_live_objects_keep_their_destructors),
        cmocka_unit_test(test_flags_follow_the_destructor),
        cmocka_unit_test(test_registration_is_checked),
        cmocka_unit_test(test_R5_resurrected_object_lives_on_and_is_not_destructed_again),
        cmocka_unit_test(test_R5_destructor_may_allocate_store_and_pin),
        cmocka_unit_test(test_collecting_inside_a_destructor_waits_for_the_next_safepoint),
        cmocka_unit_test(test_a_cycle_and_its_drain_are_one_pause),
        cmocka_unit_test(test_destructors_due_after_an_emergency_run_at_the_next_safepoint),
        cmocka_unit_test(test_run_all_runs_live_objects_too_and_keeps_them),
        cmocka_unit_test(test_destroy_cuts_off_destructors_that_never_stop),
        cmocka_unit_test(test_registering_inside_a_destructor_survives_growth),
        cmocka_unit_test(test_quiesce_goes_on_while_destructors_make_garbage),
        cmocka_unit_test(test_request_end_runs_what_is_due),
        cmocka_unit_test(test_bulk_free_request_end_runs_all_in_order),
        cmocka_unit_test(test_R5_weak_cell_still_answers_inside_the_destructor),
        cmocka_unit_test(test_weak_cell_without_the_capability_holds_its_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
