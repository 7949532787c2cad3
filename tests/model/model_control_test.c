/* Controls of the model test: with each of these errors planted a run must differ, and without it agree. */
#include "stream.h"

#include "check.h"
#include "manager_internal.h"
#include "weak.h"

enum { OPERATIONS = 1500, TAMPER_AT = 200, SEEDS = 4 };

/* ---- Errors, each planted once ---- */

static struct model *model_of(struct vm *vm)
{
    return (struct model *)vm_context(vm);
}

/* A global that holds what `wanted` asks for; NULL: none does now. */
static struct oracle_value *find_global(struct vm *vm, enum oracle_kind kind, struct sm_value *value)
{
    struct model *model = model_of(vm);
    char name[16];
    for (uint32_t i = 0; i < MODEL_GLOBALS; i++) {
        if (model->globals[i].kind != kind)
            continue;
        model_global_name(i, name);
        *value = vm_global_get(vm, name);
        return &model->globals[i];
    }
    return NULL;
}

static bool lose_root(struct vm *vm)
{
    return sm_roots_unregister(vm_manager(vm), "globals") == SM_OK;
}

/* As if a second holder had not been counted in. */
static bool lose_increment(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_OBJECT, &value) == NULL)
        return false;
    sm_value_drop(vm_manager(vm), value);
    return true;
}

/* As if a holder that went had not been counted out. */
static bool lose_decrement(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_OBJECT, &value) == NULL)
        return false;
    sm_value_copy(vm_manager(vm), value);
    return true;
}

/* A block that is given back while it is held, and once more when its holder goes. */
static bool free_early(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_STRING, &value) == NULL)
        return false;
    return sm_free(vm_manager(vm), sm_value_object(value)) == SM_OK;
}

static bool lose_write(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_OBJECT, &value) == NULL)
        return false;
    vm_as_object(value)->properties[1] = vm_bool(true);
    return true;
}

static bool flip_byte(struct vm *vm)
{
    struct sm_value value;
    const struct oracle_value *string = find_global(vm, ORACLE_STRING, &value);
    if (string == NULL || string->number == 0)
        return false;
    vm_as_string(value)->data[0] ^= 1;
    return true;
}

static bool destruct_twice(struct vm *vm)
{
    struct sm_value value;
    const struct oracle_value *expected = find_global(vm, ORACLE_OBJECT, &value);
    if (expected == NULL || expected->node->class_index != 1 || expected->node->destructor_runs != 0)
        return false;
    struct vm_object *object = vm_as_object(value);
    object->class_entry->destructor(vm, object);
    return true;
}

/* The object is not registered with anybody as one that has a destructor to run. */
static bool lose_destructor(struct vm *vm)
{
    struct sm_value value;
    const struct oracle_value *expected = find_global(vm, ORACLE_OBJECT, &value);
    if (expected == NULL || !expected->node->has_destructor || expected->node->destructor_runs != 0)
        return false;
    sm_object_clear_flags(sm_value_object(value), SM_OBJECT_FINALIZABLE);
    return true;
}

static bool lose_weak(struct vm *vm)
{
    struct sm_value value;
    const struct oracle_value *weak = find_global(vm, ORACLE_WEAK, &value);
    if (weak == NULL || weak->node == NULL || vm_weak_get(vm, value) == NULL)
        return false;
    ((struct sm_weak_cell *)sm_value_object(value))->target = NULL;
    return weak->node->is_certain;
}

/* A bound variable by value changes in the closure itself, as if a call had written through to it. */
static bool change_capture(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_CLOSURE, &value) == NULL)
        return false;
    const struct vm_closure *closure = vm_as_closure(value);
    ((struct vm_bucket *)sm_payload(closure->captures->storage))[1].value = vm_bool(true);
    return true;
}

static bool skip_step(struct vm *vm)
{
    struct sm_value value;
    const struct oracle_value *generator = find_global(vm, ORACLE_GENERATOR, &value);
    if (generator == NULL || generator->node->progress.has_ended)
        return false;
    vm_as_generator(value)->state++;
    return true;
}

static bool lose_map_entry(struct vm *vm)
{
    struct sm_value map, key, value;
    size_t position = 0;
    const struct oracle_value *expected = find_global(vm, ORACLE_MAP, &map);
    if (expected == NULL || !vm_weak_map_next(vm, vm_as_weak_map(map), &position, &key, &value))
        return false;
    uint64_t id = (uint64_t)vm_as_int(vm_object_get(vm_as_object(key), 0));
    bool is_certain = oracle_node_find(&model_of(vm)->oracle, id)->is_certain;
    return vm_weak_map_remove(vm, vm_as_weak_map(map), key) && is_certain;
}

static bool lose_exception(struct vm *vm)
{
    if (!vm_exception_pending(vm))
        return false;
    vm_value_drop(vm, vm_exception_take(vm));
    return true;
}

/* Bytes as they are, and a content that hashes as another one: what only the hash compares. */
static bool rename_class(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_OBJECT, &value) == NULL)
        return false;
    vm_as_object(value)->class_entry->name->data[0] = 'c';
    return true;
}

static bool keep_garbage(struct vm *vm)
{
    struct sm_value value;
    if (find_global(vm, ORACLE_OBJECT, &value) == NULL)
        return false;
    struct sm_manager *mm = vm_manager(vm);
    sm_scope scope = sm_scope_open(mm);
    sm_handle kept = sm_handle_persist(mm, sm_alloc_value(mm, value));
    return sm_scope_close(mm, scope) == SM_OK && !sm_handle_is_none(kept);
}

/* ---- Policies with an error ---- */

/* From here on the manager calls another table; the policy itself knows its own. */
static bool spoil(struct vm *vm, void (*change)(struct sm_policy_ops *ops))
{
    struct sm_manager *mm = vm_manager(vm);
    struct sm_policy_ops *ops = (struct sm_policy_ops *)oracle_memory(NULL, sizeof(*ops));
    *ops = *mm->ops;
    change(ops);
    mm->ops = ops;
    return true;
}

/* Leaves one in three dying objects where it is, with what it holds. */
static void forget_dead(struct sm_policy *policy, struct sm_object *object)
{
    if (((uintptr_t)object / SM_ALIGNMENT) % 3 != 0 || (sm_object_flags(object) & SM_OBJECT_FINALIZABLE) != 0)
        policy->ops->value_dead(policy, object);
}

static struct sm_object *answer_nothing(struct sm_policy *policy, struct sm_object *cell)
{
    (void)policy;
    (void)cell;
    return NULL;
}

static void change_dead(struct sm_policy_ops *ops)
{
    ops->value_dead = forget_dead;
}

static void change_weak(struct sm_policy_ops *ops)
{
    ops->weak_get = answer_nothing;
}

static bool spoil_dead(struct vm *vm)
{
    return spoil(vm, change_dead);
}

static bool spoil_weak(struct vm *vm)
{
    return spoil(vm, change_weak);
}

/* ---- Cases ---- */

struct control {
    const char *name;
    const char *policy;
    bool (*tamper)(struct vm *vm);
    unsigned modes;
};

static enum model_outcome outcome(const struct control *control, uint64_t seed, bool is_planted)
{
    struct model_figures figures;
    struct model_stream stream = {.seed = seed, .operations = OPERATIONS};
    struct model_config config = {
        .policy = control->policy, .modes = control->modes, .check_every = 1, .is_deep = true, .tamper_at = TAMPER_AT};
    if (is_planted)
        config.tamper = control->tamper;
    return model_stream_try(&stream, &config, &figures, true);
}

static void test_planted_error_is_found(void **state)
{
    const struct control *control = (const struct control *)*state;
    const struct sm_policy_ops *ops = sm_policy_find(control->policy);
    assert_non_null(ops);
    assert_null(ops->unavailable);
    bool is_found = false;
    for (uint64_t seed = 1; seed <= SEEDS && !is_found; seed++) {
        assert_int_equal(outcome(control, seed, false), MODEL_AGREES);
        is_found = outcome(control, seed, true) == MODEL_DIFFERS;
    }
    assert_true(is_found);
}

static const struct control controls[] = {
    {"a lost root: epoch", "epoch", lose_root, MODEL_COLLECT_ALWAYS},
    {"a lost root: marksweep", "marksweep", lose_root, MODEL_COLLECT_ALWAYS},
    {"a lost write: epoch", "epoch", lose_write, 0},
    {"a flipped byte: arena", "arena", flip_byte, MODEL_FPM},
    {"a flipped byte: null", "null", flip_byte, 0},
    {"a destructor that runs twice: epoch", "epoch", destruct_twice, 0},
    {"a destructor that runs twice: refcount", "refcount", destruct_twice, 0},
    {"a destructor that never runs: refcount", "refcount", lose_destructor, 0},
    {"a weak reference that forgets: epoch", "epoch", lose_weak, 0},
    {"weak references that never answer: marksweep", "marksweep", spoil_weak, 0},
    {"a bound variable that changes: epoch", "epoch", change_capture, 0},
    {"a generator that skips a step: epoch", "epoch", skip_step, 0},
    {"a weak map that loses a key: marksweep", "marksweep", lose_map_entry, 0},
    {"an exception that is lost: refcount", "refcount", lose_exception, 0},
    {"a hash of other content: epoch", "epoch", rename_class, 0},
    {"garbage that stays: epoch", "epoch", keep_garbage, 0},
    {"garbage that stays: marksweep", "marksweep", keep_garbage, 0},
    {"a lost increment: refcount", "refcount", lose_increment, 0},
    {"a lost decrement: refcount", "refcount", lose_decrement, 0},
    {"a block freed twice: refcount", "refcount", free_early, 0},
    {"deaths that are forgotten: refcount", "refcount", spoil_dead, 0},
};

enum { CONTROL_COUNT = sizeof(controls) / sizeof(controls[0]) };

int main(void)
{
    struct CMUnitTest tests[CONTROL_COUNT];
    for (size_t i = 0; i < CONTROL_COUNT; i++)
        tests[i] = (struct CMUnitTest){controls[i].name, test_planted_error_is_found, NULL, NULL,
                                       (void *)(uintptr_t)&controls[i]};
    return _cmocka_run_group_tests("model controls", tests, CONTROL_COUNT, NULL, NULL);
}
