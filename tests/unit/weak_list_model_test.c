/**
 * The list of weak cells and entries against a plain table: random interleavings of cells made, deaths, objects given up,
 * and sweeps: whole, young and in pieces.
 */
#include "check.h"

#include "manager_internal.h"
#include "weak_list.h"

#include <string.h>

enum { CELLS = 300, TARGETS = 100, STEPS = 3000, SEEDS = 40 };

struct subject {
    struct sm_object *object;
    struct sm_object *target; /**< of a cell; NULL: it is not in the list */
    bool is_cell, is_alive;
    bool is_young;  /**< of a cell: no young or whole sweep has seen it, and none in pieces has begun since */
    bool was_young; /**< when one in pieces began, which has yet to come to it */
    bool is_due;    /**< of a cell: the open sweep in pieces has not come to it */
};

/** Targets, then cells; a subject's number is its object's count, which policy null leaves alone. */
struct model {
    struct sm_manager *mm;
    struct sm_weak_list list;
    struct subject subjects[TARGETS + CELLS];
    size_t count;
    bool asks_young_only, asks_due_only;
    size_t asked_count; /**< cells, by the call that runs */
    uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

static struct subject *add(struct model *model, struct sm_object *object, bool is_cell)
{
    struct subject *subject = &model->subjects[model->count];
    assert_non_null(object);
    object->count = (uint32_t)model->count++;
    *subject = (struct subject){.object = object, .is_cell = is_cell, .is_alive = true, .is_young = true};
    return subject;
}

static struct subject *subject_of(struct model *model, const struct sm_object *object)
{
    return &model->subjects[object->count];
}

static bool is_entry(const struct subject *subject)
{
    return subject->object->type == SM_TYPE_WEAK_ENTRY;
}

static void open_model(struct model *model, uint64_t seed)
{
    const struct sm_config config = {.policy = "null", .pacing = "never"};
    memset(model, 0, sizeof(*model));
    model->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    assert_int_equal(sm_manager_create(&config, &model->mm, NULL), SM_OK);
    for (int i = 0; i < TARGETS; i++)
        (void)add(model, sm_alloc(model->mm, SM_TYPE_VALUES, sizeof(struct sm_value)), false);
}

/* ---- The operations, on both sides. ---- */

static void make_cell(struct model *model)
{
    struct sm_object *target = model->subjects[draw(model, TARGETS)].object;
    if (model->count == TARGETS + CELLS || !subject_of(model, target)->is_alive)
        return;
    struct sm_object *cell = draw(model, 2) == 0
                                 ? sm_weak_make(model->mm, target)
                                 : sm_weak_entry_make(model->mm, target, sm_value_from_object(target, 0));
    add(model, cell, true)->target = target;
    sm_weak_list_add(&model->list, cell);
}

static void kill_one(struct model *model)
{
    model->subjects[draw(model, model->count)].is_alive = false;
}

static void revive_targets(struct model *model)
{
    for (size_t i = 0; i < TARGETS; i++)
        model->subjects[i].is_alive = true;
}

static void leave_list(struct subject *cell)
{
    cell->target = NULL;
    cell->is_due = false;
}

static void give_up_one(struct model *model)
{
    struct subject *subject = &model->subjects[draw(model, model->count)];
    sm_weak_list_forget(&model->list, model->mm, subject->object);
    if (subject->is_cell)
        leave_list(subject);
    for (size_t i = TARGETS; i < model->count; i++)
        if (model->subjects[i].target == subject->object)
            leave_list(&model->subjects[i]);
    subject->is_alive = subject->is_alive && !subject->is_cell; /* the target's slot in the model is used again */
}

static void get_one(struct model *model)
{
    if (model->count == TARGETS)
        return;
    const struct subject *cell = &model->subjects[TARGETS + draw(model, model->count - TARGETS)];
    assert_ptr_equal(sm_weak_list_target(cell->object), cell->target);
    assert_ptr_equal(sm_weak_list_get(&model->list, cell->object), cell->target);
    if (draw(model, 8) == 0)
        sm_weak_list_handed_back(&model->list);
}

/* A cell is asked about before its target is; what follows from the answers is known by then. */
static bool ask(void *context, const struct sm_object *object)
{
    struct model *model = context;
    struct subject *subject = subject_of(model, object);
    if (!subject->is_cell)
        return subject->is_alive;
    assert_non_null(subject->target);
    assert_true(!model->asks_young_only || subject->is_young);
    assert_true(!model->asks_due_only || subject->is_due);
    model->asked_count++;
    /* A sweep in pieces spares what is young, so it stays so. */
    subject->is_young = model->asks_due_only && subject->was_young;
    subject->is_due = subject->was_young = false;
    if (!subject->is_alive || !subject_of(model, subject->target)->is_alive)
        subject->target = NULL;
    return subject->is_alive;
}

static size_t count_where(const struct model *model, bool (*holds)(const struct subject *cell))
{
    size_t count = 0;
    for (size_t i = TARGETS; i < model->count; i++)
        count += model->subjects[i].target != NULL && holds(&model->subjects[i]);
    return count;
}

static bool any(const struct subject *cell)
{
    return cell->target != NULL;
}

static bool young(const struct subject *cell)
{
    return cell->is_young;
}

static bool due(const struct subject *cell)
{
    return cell->is_due;
}

static void sweep_young(struct model *model)
{
    size_t expected = count_where(model, young);
    model->asked_count = 0;
    model->asks_young_only = true;
    sm_weak_list_sweep_young(&model->list, model->mm, ask, model);
    model->asks_young_only = false;
    assert_int_equal(model->asked_count, expected);
}

static void sweep_whole(struct model *model)
{
    size_t expected = count_where(model, any);
    model->asked_count = 0;
    sm_weak_list_sweep(&model->list, model->mm, ask, model);
    assert_int_equal(model->asked_count, expected);
}

static void begin(struct model *model)
{
    sm_weak_list_sweep_begin(&model->list);
    for (size_t i = TARGETS; i < model->count; i++) {
        struct subject *cell = &model->subjects[i];
        cell->is_due = cell->target != NULL;
        cell->was_young = cell->was_young || cell->is_young;
        cell->is_young = false;
    }
}

static void sweep_some(struct model *model, size_t budget)
{
    size_t due_count = count_where(model, due);
    model->asked_count = 0;
    model->asks_due_only = true;
    bool has_ended = sm_weak_list_sweep_some(&model->list, model->mm, ask, model, budget);
    model->asks_due_only = false;
    assert_int_equal(model->asked_count, budget < due_count ? budget : due_count);
    assert_int_equal(has_ended, count_where(model, due) == 0);
}

/* ---- After each step. ---- */

static void check_cell(const struct subject *cell, bool is_linked)
{
    struct sm_object *target = sm_weak_list_target(cell->object);
    assert_ptr_equal(target, cell->target);
    assert_int_equal(is_linked, target != NULL);
    if (!is_linked)
        assert_null(((const struct sm_weak_cell *)cell->object)->next);
    /* One that died goes as it is. */
    if (is_entry(cell) && cell->is_alive)
        assert_ptr_equal(sm_value_object(*sm_weak_entry_value(cell->object)), target);
}

static void check(struct model *model)
{
    bool is_linked[TARGETS + CELLS] = {false};
    for (size_t age = 0; age < SM_WEAK_AGE_COUNT; age++) {
        for (const struct sm_weak_cell *cell = model->list.cells[age]; cell != NULL; cell = cell->next) {
            assert_false(is_linked[cell->header.count]);
            is_linked[cell->header.count] = true;
            assert_int_equal(age == SM_WEAK_YOUNG, subject_of(model, &cell->header)->is_young);
        }
    }
    for (size_t i = TARGETS; i < model->count; i++)
        check_cell(&model->subjects[i], is_linked[i]);
}

static void step(struct model *model)
{
    uint64_t choice = draw(model, 100);
    if (choice < 40)
        make_cell(model);
    else if (choice < 60)
        kill_one(model);
    else if (choice < 65)
        give_up_one(model);
    else if (choice < 72)
        get_one(model);
    else if (choice < 78)
        sweep_young(model);
    else if (choice < 80)
        sweep_whole(model);
    else if (choice < 84)
        begin(model);
    else
        sweep_some(model, 1 + draw(model, 8));
    if (draw(model, 200) == 0) {
        sweep_whole(model); /* nothing may refer to what died any more */
        revive_targets(model);
    }
}

static void R9_sweeps_agree_with_a_plain_table(void **state)
{
    static struct model model;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        open_model(&model, seed);
        for (size_t i = 0; i < STEPS && model.count < TARGETS + CELLS; i++) {
            step(&model);
            check(&model);
        }
        sm_manager_destroy(model.mm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(R9_sweeps_agree_with_a_plain_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
