/**
 * Whether the virtual machine, the library and the workloads store every edge through the barrier: all they do, under
 * a policy that compares the heap with what the barrier was told (tests/support/audit_policy.h).
 */
#include "check.h"

#include "audit_policy.h"
#include "manager_internal.h"
#include "stream.h"
#include "test_scale.h"
#include "trace_files.h"
#include "workload_run.h"

#include "workloads/trace.h"

/* A finding ends the process, when its VM goes at the latest. */
static void model_under_audit(unsigned modes)
{
    struct model_figures figures;
    const struct model_stream stream = {.seed = 11 + modes, .operations = (uint64_t)test_scale(20000, 500, 800)};
    const struct model_config config = {.custom_policy = &audit_policy_ops, .modes = modes};
    assert_int_equal(model_stream_try(&stream, &config, &figures, false), MODEL_AGREES);
    assert_true(figures.operations > 0);
}

static void R10_the_virtual_machine_stores_through_the_barrier(void **state)
{
    (void)state;
    model_under_audit(0);
    model_under_audit(MODEL_FPM);
    model_under_audit(MODEL_COLLECT_ALWAYS);
    model_under_audit(MODEL_LIMIT);
    model_under_audit(MODEL_SHARING_COUNTS | MODEL_PROMPT);
    model_under_audit(MODEL_COLLECT_ALWAYS | MODEL_SHARING_COUNTS | MODEL_PROMPT);
}

static void workload_under_audit(const char *name, enum sm_sapi sapi, const char *options, uint64_t steps)
{
    const struct wl_ops *ops = workload_find(name);
    struct workload_run run = workload_run_of(sapi, NULL, options, steps);
    run.manager.custom_policy = &audit_policy_ops;
    struct wl_instance *instance = workload_create(ops, &run);
    workload_steps(instance, steps);
    assert_int_equal(instance->ops->finish(instance), WL_STEP_DONE);
    assert_int_equal(audit_policy_take_findings(instance->mm), 0);
    assert_true(audit_policy_image_count(instance->mm) > 0);
    instance->ops->destroy(instance);
}

static void R10_workloads_store_through_the_barrier(void **state)
{
    (void)state;
    workload_under_audit("cli-queue", SM_SAPI_CLI, "scale=0.1,cache=20,log=20,services=10", 3);
    workload_under_audit("fpm-page", SM_SAPI_FPM, "posts=1,comments=1,paragraphs=1,options=3,plugins=1", 2);
    workload_under_audit("fpm-api", SM_SAPI_FPM, "providers=1,routes=2,posts=2,related=1,orders=1", 6);
    workload_under_audit("fpm-admin", SM_SAPI_FPM, "rows=2,columns=2,sections=2,globals=3", 20);
    workload_under_audit("fpm-upload", SM_SAPI_FPM, "files=2,file=2048,chunk=32,fields=2", 60);
    workload_under_audit("gcbench", SM_SAPI_CLI, "stretch=8,long-lived=6,array=100,min=2,max=4", 3);
    workload_under_audit("quads", SM_SAPI_CLI, "depth=4", 60);
    workload_under_audit("churn", SM_SAPI_CLI, "objects=2k", 30);
}

static void replay_under_audit(const char *path)
{
    struct wl_instance *instance = NULL;
    struct sm_error error = {0};
    struct wl_config config = {.trace_path = path};
    config.manager.sapi = wl_trace_sapi(path);
    config.manager.custom_policy = &audit_policy_ops;
    if (wl_trace.create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    enum wl_step step = WL_STEP_MORE;
    while (step == WL_STEP_MORE)
        step = wl_trace.step(instance);
    assert_int_equal(step, WL_STEP_DONE);
    assert_int_equal(audit_policy_take_findings(instance->mm), 0);
    wl_trace.destroy(instance);
}

static void R10_replays_store_through_the_barrier(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", replay_under_audit) > 0);
    trace_visit_prefix("symfony-blog.sapitrace.zst", (size_t)test_scale(20000, 5000, 5000), replay_under_audit);
}

static struct vm *vm_under_audit(void)
{
    struct vm *vm = NULL;
    const struct vm_config config = {.manager = {.custom_policy = &audit_policy_ops, .pacing = "never"}};
    assert_int_equal(vm_create(&config, &vm, NULL), SM_OK);
    return vm;
}

static const struct vm_array *watched;
static size_t emptied_count;

/* A marker that looks at the first `used` slots must find what is taken away now, or see that it was. */
static void watch_store(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                        struct sm_value value)
{
    if (watched != NULL && owner == watched->storage && !is_pointer && value.tag == VM_UNDEF) {
        size_t element_bytes = watched->kind == VM_ARRAY_PACKED ? sizeof(struct sm_value) : sizeof(struct vm_bucket);
        size_t offset = (size_t)((char *)slot - (char *)sm_payload(owner));
        assert_true(offset / element_bytes < watched->used);
        emptied_count++;
    }
    audit_policy_ops.store_slow(policy, owner, slot, is_pointer, value);
}

static void unset_all(struct vm *vm, struct vm_array *array, int64_t count)
{
    watched = array;
    for (int64_t index = 1; index < count; index += 2)
        assert_true(vm_array_unset_index(vm, array, index));
    for (int64_t index = count - 2; index >= 0; index -= 2)
        assert_true(vm_array_unset_index(vm, array, index));
    assert_int_equal(array->used, 0);
    watched = NULL;
}

static void R8_an_array_shrinks_after_its_slots_were_emptied(void **state)
{
    enum { ELEMENTS = 100 };
    (void)state;
    struct vm *vm = vm_under_audit();
    struct sm_policy_ops ops = audit_policy_ops;
    ops.store_slow = watch_store;
    vm_manager(vm)->ops = &ops; /* the policy itself knows its own */
    for (int kind = VM_ARRAY_PACKED; kind <= VM_ARRAY_HASH; kind++) {
        struct vm_array *array = vm_array_new(vm, (enum vm_array_kind)kind, 0);
        vm_global_set(vm, "list", vm_array_value(array));
        for (int64_t index = 0; index < ELEMENTS; index++)
            vm_array_set_index(vm, array, index, vm_string_value(vm_string_new(vm, "x", 1)));
        unset_all(vm, array, ELEMENTS);
    }
    assert_int_equal(emptied_count, 2 * ELEMENTS);
    vm_manager(vm)->ops = &audit_policy_ops;
    vm_destroy(vm);
}

/* The control: an edge written plainly is a finding in an object that a safepoint has seen, and none in a fresh one. */
static void a_plain_store_is_found_in_an_old_object_only(void **state)
{
    (void)state;
    struct vm *vm = vm_under_audit();
    struct sm_manager *mm = vm_manager(vm);
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 8);
    struct sm_value *slot = (struct sm_value *)sm_payload(array->storage);
    array->used = array->count = 1;
    slot[0] = vm_string_value(vm_string_new(vm, "one", 3));
    vm_global_set(vm, "list", vm_array_value(array));
    sm_safepoint(mm);
    assert_int_equal(audit_policy_take_findings(mm), 0);
    struct vm_string *other = vm_string_new(vm, "two", 3);
    slot[0] = vm_string_value(other);
    assert_int_equal(audit_policy_take_findings(mm), 1);
    slot[1].payload = 7; /* a number */
    assert_int_equal(audit_policy_take_findings(mm), 0);
    slot[1] = slot[0]; /* moved, as by a compaction */
    slot[0] = vm_undef();
    assert_int_equal(audit_policy_take_findings(mm), 1);
    slot[1].tag = VM_UNDEF;
    assert_int_equal(audit_policy_take_findings(mm), 1);
    vm_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(R10_the_virtual_machine_stores_through_the_barrier),
        cmocka_unit_test(R10_workloads_store_through_the_barrier),
        cmocka_unit_test(R10_replays_store_through_the_barrier),
        cmocka_unit_test(R8_an_array_shrinks_after_its_slots_were_emptied),
        cmocka_unit_test(a_plain_store_is_found_in_an_old_object_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
