/*
 * The fault sweep over a program of every kind of operation, for each policy: the first, second, ... request for memory
 * fails, until a run never gets that far; once alone, and once with all that follow it, until memory is there again.
 */
#include "stream.h"

#include "check.h"
#include "manager_internal.h"
#include "test_scale.h"
#include "thread_coverage.h"

enum { OPERATIONS = 500, OPERATIONS_LONG = 8000, REQUESTS_FEW = 40, FAULTS_MAX = 4000, SEED = 7 };

struct sweep {
    char name[64];
    const struct sm_policy_ops *ops;
    unsigned modes;
    uint64_t operations;
};

/* ---- Without any memory ---- */

enum { SQUEEZE_BYTES = 4000, SQUEEZE_STRINGS = 20000 };

static void fill(struct vm *vm, void *context)
{
    (void)context;
    for (int i = 0; i < SQUEEZE_STRINGS; i++)
        vm_temporary_push(vm, vm_string_value(vm_string_with_capacity(vm, SQUEEZE_BYTES)));
}

static void require_refusal(struct model *model)
{
    sm_status status = vm_try(model->vm, fill, NULL);
    if (status != SM_ERR_OUT_OF_MEMORY || sm_error_status(model->mm) != SM_ERR_OUT_OF_MEMORY)
        model_fail(model, "%s where there is no memory, and not %s", sm_status_name(status),
                   sm_status_name(SM_ERR_OUT_OF_MEMORY));
    model->bailout_total++;
    model_check(model, false);
}

/* In the middle of the run: what is left is used up, which must surface, and then there is memory again. */
static bool squeeze(struct vm *vm)
{
    struct model *model = (struct model *)vm_context(vm);
    struct sm_reserve_state *reserve = &model->mm->reserve;
    /* At the latest now: a policy may grow by so much at a time that the squeeze would not get that far. */
    if (reserve->fail_after > reserve->request_count)
        reserve->fail_after = reserve->request_count + 1;
    require_refusal(model);
    reserve->fail_after = 0;
    model->must_succeed = true;
    return true;
}

/* As if the refusal never surfaced. */
static bool overlook(struct vm *vm)
{
    struct model *model = (struct model *)vm_context(vm);
    model->mm->reserve.fail_after = 0;
    require_refusal(model);
    return true;
}

/* As if there were no memory after all. */
static bool relapse(struct vm *vm)
{
    struct model *model = (struct model *)vm_context(vm);
    (void)squeeze(vm);
    model->mm->reserve.fail_after = 1;
    return true;
}

/* ---- Runs ---- */

static enum model_outcome run(const struct sweep *sweep, uint64_t fail_alloc_after, bool (*act)(struct vm *vm),
                              struct model_figures *figures)
{
    struct model_stream stream = {.seed = SEED, .operations = sweep->operations};
    struct model_config config = {
        .policy = sweep->ops->name, .modes = sweep->modes, .check_every = 50, .fail_alloc_after = fail_alloc_after};
    if (act != NULL) {
        config.tamper = act;
        config.tamper_at = sweep->operations / 2;
        config.fail_alloc_count = UINT64_MAX;
    }
    return model_stream_try(&stream, &config, figures, act == overlook || act == relapse);
}

/* A policy takes memory in chunks, so few requests reach the system: then a longer program. */
static uint64_t prepare(struct sweep *sweep)
{
    struct model_figures clean;
    sweep->operations = OPERATIONS;
    assert_int_equal(run(sweep, 0, NULL, &clean), MODEL_AGREES);
    if (clean.requests >= REQUESTS_FEW)
        return clean.requests;
    sweep->operations = test_scale(OPERATIONS_LONG, OPERATIONS_LONG / 4, OPERATIONS_LONG / 4);
    assert_int_equal(run(sweep, 0, NULL, &clean), MODEL_AGREES);
    return clean.requests;
}

static void require_agreement(const struct sweep *sweep, uint64_t fault, enum model_outcome outcome)
{
    /* Creating the manager may be what fails; then nothing is left behind, which the leak check sees. */
    if (outcome != MODEL_AGREES && outcome != MODEL_REFUSED)
        fail_msg("%s: request %llu for memory failed, and then the run did not agree", sweep->name,
                 (unsigned long long)fault);
}

static void test_one_refusal_is_survived(void **state)
{
    struct sweep *sweep = (struct sweep *)*state;
    struct model_figures faulty;
    uint64_t fault = 1, surfaced = 0, refused = 0;
    (void)prepare(sweep);
    for (; fault < FAULTS_MAX; fault++) {
        enum model_outcome outcome = run(sweep, fault, NULL, &faulty);
        require_agreement(sweep, fault, outcome);
        refused += outcome == MODEL_REFUSED;
        surfaced += faulty.bailouts != 0;
        if (faulty.requests < fault && outcome == MODEL_AGREES)
            break;
    }
    print_message("%s: %llu faults, %llu refused an operation, %llu a manager\n", sweep->name,
                  (unsigned long long)(fault - 1), (unsigned long long)surfaced, (unsigned long long)refused);
    /* One alone need not surface: what collects tries again after an emergency cycle. */
    assert_in_range(fault, 2, FAULTS_MAX - 1);
}

/* Every request that the first half of the run makes, and the first after it. */
static void test_lasting_refusal_surfaces_and_ends(void **state)
{
    struct sweep *sweep = (struct sweep *)*state;
    struct model_figures faulty;
    uint64_t last = prepare(sweep), refused = 0, without_request = 0, squeezed = 0;
    /* Where requests are many, each of the first, and then ever fewer. */
    for (uint64_t fault = 1; fault <= last; fault += 1 + fault / test_scale(64, 32, 3)) {
        enum model_outcome outcome = run(sweep, fault, squeeze, &faulty);
        require_agreement(sweep, fault, outcome);
        refused += outcome == MODEL_REFUSED;
        if (outcome == MODEL_REFUSED)
            continue;
        assert_int_not_equal(faulty.bailouts, 0);
        /* A request that could not begin ends the stream. */
        squeezed += faulty.has_tampered;
        without_request += !faulty.has_tampered;
    }
    print_message("%s: of %llu requests, %llu refused a manager, %llu a request, %llu operations until the half\n",
                  sweep->name, (unsigned long long)last, (unsigned long long)refused,
                  (unsigned long long)without_request, (unsigned long long)squeezed);
    assert_int_not_equal(squeezed, 0);
}

/* The sweep can fail: a refusal that does not surface, and memory that does not come back, are found. */
static void test_controls(void **state)
{
    struct sweep *sweep = (struct sweep *)*state;
    struct model_figures faulty;
    uint64_t last = prepare(sweep), found[2] = {0, 0};
    bool wants_relapse = last >= REQUESTS_FEW;
    for (uint64_t fault = last; fault > 0 && (found[0] == 0 || (wants_relapse && found[1] == 0)); fault--) {
        found[0] += run(sweep, fault, overlook, &faulty) == MODEL_DIFFERS;
        found[1] += wants_relapse && run(sweep, fault, relapse, &faulty) == MODEL_DIFFERS;
    }
    assert_int_not_equal(found[0], 0);
    /* Where a request is many chunks' worth, what was squeezed out is enough for the rest. */
    assert_int_equal(found[1] != 0, wants_relapse);
}

enum { SWEEPS_MAX = 32, TESTS_EACH = 3 };

int main(void)
{
    static const unsigned modes[] = {0, MODEL_FPM};
    static const struct {
        const char *name;
        void (*run)(void **state);
    } kinds[TESTS_EACH] = {{"one refusal", test_one_refusal_is_survived},
                           {"lasting refusal", test_lasting_refusal_surfaces_and_ends},
                           {"controls", test_controls}};
    struct sweep sweeps[SWEEPS_MAX * TESTS_EACH];
    struct CMUnitTest tests[SWEEPS_MAX * TESTS_EACH];
    const struct sm_policy_ops *ops;
    size_t count = 0;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL && i < SWEEPS_MAX / 2; i++) {
        if (ops->unavailable != NULL || !is_run_in_this_build(ops->capabilities))
            continue;
        for (size_t m = 0; m < 2 * TESTS_EACH; m++, count++) {
            struct sweep *sweep = &sweeps[count];
            *sweep = (struct sweep){.ops = ops, .modes = modes[m / TESTS_EACH]};
            snprintf(sweep->name, sizeof(sweep->name), "%s, modes %u, %s", ops->name, sweep->modes,
                     kinds[m % TESTS_EACH].name);
            tests[count] = (struct CMUnitTest){sweep->name, kinds[m % TESTS_EACH].run, NULL, NULL, sweep};
        }
    }
    return _cmocka_run_group_tests("fault sweep", tests, count, NULL, NULL);
}
