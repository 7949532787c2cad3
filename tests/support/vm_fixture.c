#include "vm_fixture.h"

#include "sapimem/policy.h"

#include "audit_policy.h"
#include "thread_coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vm_variant variants[] = {
    {"null", {.sapi = SM_SAPI_CLI, .policy = "null"}, false},
    {"arena", {.sapi = SM_SAPI_FPM, .policy = "arena"}, false},
    {"arena-bump", {.sapi = SM_SAPI_FPM, .policy = "arena:shape=bump", .sharing_counts = true}, false},
    {"arena-retract", {.sapi = SM_SAPI_FPM, .policy = "arena:shape=retract", .sharing_counts = true}, true},
    {"arena-reuse", {.sapi = SM_SAPI_FPM, .policy = "arena:shape=reuse,reuse-after=0", .sharing_counts = true}, true},
    {"arena-limit", {.sapi = SM_SAPI_FPM, .policy = "arena:limit=1M", .sharing_counts = true}, true},
    {"limit-passed", {.sapi = SM_SAPI_FPM, .policy = "arena:limit=4K", .sharing_counts = true}, true},
    {"limit-every-alloc",
     {.sapi = SM_SAPI_FPM, .policy = "arena:limit=1M", .collect_every_alloc = true, .sharing_counts = true},
     false},
    {"epoch", {.sapi = SM_SAPI_CLI, .policy = "epoch", .threshold_bytes = 64 * 1024}, false},
    {"epoch-young",
     {.sapi = SM_SAPI_CLI,
      .policy = "epoch:reclaim=inline,young=always,nursery=4K",
      .threshold_bytes = 32 * 1024,
      .collector_threads = SM_COLLECTOR_THREADS_NONE},
     false},
    {"epoch-every-safepoint",
     {.sapi = SM_SAPI_CLI, .policy = "epoch:reclaim=inline", .collect_every_safepoint = true},
     false},
    {"epoch-every-alloc",
     {.sapi = SM_SAPI_CLI, .policy = "epoch:reclaim=inline", .collect_every_alloc = true, .sharing_counts = true},
     false},
    {"marksweep-every-alloc", {.sapi = SM_SAPI_CLI, .policy = "marksweep", .collect_every_alloc = true}, false},
    {"audit", {.sapi = SM_SAPI_CLI, .custom_policy = &audit_policy_ops, .threshold_bytes = 64 * 1024}, false},
    {"refcount", {.sapi = SM_SAPI_CLI, .policy = "refcount"}, false},
    {"refcount-every-safepoint", {.sapi = SM_SAPI_CLI, .policy = "refcount", .collect_every_safepoint = true}, false},
};

enum { VARIANT_COUNT = sizeof(variants) / sizeof(variants[0]), NAME_BYTES = 128 };

/* One test of cmocka: its state, and the storage of its name. */
struct instance {
    struct vm_fixture fixture;
    const struct vm_case *test;
    char name[NAME_BYTES];
};

static void open_vm(struct vm_fixture *fixture, const struct sm_config *config)
{
    struct vm_config vm_config = {.manager = *config, .prompt_destructors = fixture->variant->prompt_destructors};
    struct sm_error error = {0};
    if (vm_create(&vm_config, &fixture->vm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    fixture->mm = vm_manager(fixture->vm);
    if (config->sapi == SM_SAPI_FPM)
        vm_request_begin(fixture->vm);
}

static int setup(void **state)
{
    struct instance *instance = *state;
    open_vm(&instance->fixture, &instance->fixture.variant->manager);
    return 0;
}

static int teardown(void **state)
{
    struct instance *instance = *state;
    vm_destroy(instance->fixture.vm);
    instance->fixture.vm = NULL;
    return 0;
}

static void run(void **state)
{
    struct instance *instance = *state;
    instance->test->run(&instance->fixture);
}

void vm_fixture_reopen(struct vm_fixture *fixture, void (*change)(struct sm_config *config))
{
    struct sm_config config = fixture->variant->manager;
    if (change != NULL)
        change(&config);
    vm_destroy(fixture->vm);
    fixture->vm = NULL;
    open_vm(fixture, &config);
}

/* Options may decide what a policy can do, so one is made. */
static uint32_t capabilities_of(const struct vm_variant *variant)
{
    struct sm_manager *mm = NULL;
    if (sm_manager_create(&variant->manager, &mm, NULL) != SM_OK)
        return 0;
    uint32_t capabilities = sm_policy_capabilities(mm);
    sm_manager_destroy(mm);
    return capabilities;
}

/* Reclaims and, with a cycle at every step or no collector thread, collects on the program's own thread. */
static bool is_inline(const struct vm_variant *variant)
{
    return variant->manager.policy != NULL && strstr(variant->manager.policy, "reclaim=inline") != NULL;
}

static size_t fill(struct instance *instances, const struct vm_variant *from, size_t variant_count,
                   const struct vm_case *cases, size_t case_count)
{
    size_t filled = 0;
    for (size_t v = 0; v < variant_count; v++) {
        uint32_t capabilities = capabilities_of(&from[v]);
        if (!is_run_in_this_build(capabilities) || (IS_THREAD_SANITIZED && is_inline(&from[v])))
            continue;
        for (size_t c = 0; c < case_count; c++) {
            if ((cases[c].needs & ~capabilities) != 0)
                continue;
            struct instance *instance = &instances[filled++];
            instance->fixture.variant = &from[v];
            instance->test = &cases[c];
            snprintf(instance->name, sizeof(instance->name), "%s: %s", from[v].name, cases[c].name);
        }
    }
    return filled;
}

static int run_variants(const char *group, const struct vm_variant *from, size_t variant_count,
                        const struct vm_case *cases, size_t case_count)
{
    struct instance *instances = calloc(case_count * variant_count, sizeof(*instances));
    struct CMUnitTest *tests = calloc(case_count * variant_count, sizeof(*tests));
    if (instances == NULL || tests == NULL)
        abort();
    size_t test_count = fill(instances, from, variant_count, cases, case_count);
    for (size_t i = 0; i < test_count; i++)
        tests[i] = (struct CMUnitTest){instances[i].name, run, setup, teardown, &instances[i]};
    int failures = _cmocka_run_group_tests(group, tests, test_count, NULL, NULL);
    free(tests);
    free(instances);
    return failures;
}

int vm_cases_run(const char *group, const struct vm_case *cases, size_t case_count)
{
    return run_variants(group, variants, VARIANT_COUNT, cases, case_count);
}

/* ---- Every policy ---- */

enum {
    MODE_COUNT = 4,
    POLICIES_MAX = 16,
    VARIANT_NAME_BYTES = 64,
    ALL_MAX = POLICIES_MAX * MODE_COUNT + VARIANT_COUNT
};

/* The ways to drive one policy; the last two only where no count is kept anyway, nor its word used otherwise (malloc). */
static size_t modes_of(const struct sm_policy_ops *ops, struct vm_variant *into, char (*names)[VARIANT_NAME_BYTES])
{
    static const struct {
        const char *suffix;
        enum sm_sapi sapi;
        bool sharing_counts, prompt;
    } modes[MODE_COUNT] = {{"cli", SM_SAPI_CLI, false, false},
                           {"fpm", SM_SAPI_FPM, false, false},
                           {"sharing-counts", SM_SAPI_CLI, true, false},
                           {"prompt", SM_SAPI_CLI, true, true}};
    bool has_own_counts = (ops->capabilities & SM_CAP_COUNTS) != 0 || strcmp(ops->name, "malloc") == 0;
    size_t count = has_own_counts ? 2 : MODE_COUNT;
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], VARIANT_NAME_BYTES, "%s-%s", ops->name, modes[i].suffix);
        into[i] =
            (struct vm_variant){names[i],
                                {.sapi = modes[i].sapi, .policy = ops->name, .sharing_counts = modes[i].sharing_counts},
                                modes[i].prompt};
    }
    return count;
}

int vm_cases_run_all_policies(const char *group, const struct vm_case *cases, size_t case_count)
{
    struct vm_variant all[ALL_MAX];
    char names[POLICIES_MAX * MODE_COUNT][VARIANT_NAME_BYTES];
    size_t count = 0;
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL && i < POLICIES_MAX; i++) {
        if (ops->unavailable == NULL)
            count += modes_of(ops, &all[count], &names[count]);
    }
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        if (strncmp(variants[i].name, "arena-", 6) == 0)
            all[count++] = variants[i];
    }
    return run_variants(group, all, count, cases, case_count);
}

bool vm_fixture_counts(const struct vm_fixture *fixture)
{
    return (sm_policy_capabilities(fixture->mm) & SM_CAP_COUNTS) != 0;
}

bool vm_fixture_is_prompt(const struct vm_fixture *fixture)
{
    return vm_fixture_counts(fixture) || fixture->variant->prompt_destructors;
}

void vm_fixture_let_cycles_end(struct vm_fixture *fixture)
{
    while (sm_cycle_is_open(fixture->mm)) {
        sm_attention_request(fixture->mm);
        vm_safepoint(fixture->vm);
    }
}

bool vm_fixture_is_exact(const struct vm_fixture *fixture)
{
    return (sm_policy_capabilities(fixture->mm) & SM_CAP_COLLECT) != 0 &&
           strcmp(sm_policy_name(fixture->mm), "boehm") != 0;
}

void vm_fixture_settle(struct vm_fixture *fixture)
{
    assert_int_equal(sm_quiesce(fixture->mm), SM_OK);
    vm_safepoint(fixture->vm);
}

void vm_fixture_collect(struct vm_fixture *fixture)
{
    assert_int_equal(sm_collect(fixture->mm, SM_COLLECT_FULL), SM_OK);
    vm_safepoint(fixture->vm);
}

struct vm_string *vm_fixture_string(struct vm *vm, const char *text)
{
    return vm_string_new(vm, text, strlen(text));
}

void vm_assert_string(struct sm_value value, const char *text)
{
    assert_int_equal(value.tag, VM_STRING);
    const struct vm_string *string = vm_as_string(value);
    assert_int_equal(string->length, strlen(text));
    assert_string_equal(string->data, text);
}

void vm_assert_int(struct sm_value value, int64_t number)
{
    assert_int_equal(value.tag, VM_INT);
    assert_true(vm_as_int(value) == number);
}
