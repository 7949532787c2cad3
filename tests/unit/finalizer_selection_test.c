/**
 * Selections of due destructors, whole, young and in pieces, against a plain list: random interleavings with
 * registrations, deaths, objects taken out and destructors run.
 */
#include "check.h"

#include "finalizer_selection.h"
#include "manager_internal.h"

#include <string.h>

enum { SUBJECTS = 400, STEPS = 4000, SEEDS = 40 };

enum state { UNUSED, REGISTERED, READY, RUN };

struct subject {
    struct sm_object *object;
    enum state state;
    bool is_alive;
    bool is_young;  /**< no whole or young selection has asked about it */
    bool is_before; /**< registered before the open selection in pieces began, */
    bool is_due;    /**< which has not asked about it yet */
};

/** Subjects are numbered in order of registration; the number is in the payload. */
struct model {
    struct sm_manager *mm;
    sm_type_id type;
    struct subject subjects[SUBJECTS];
    size_t count;
    size_t ready[SUBJECTS]; /**< numbers, in order */
    size_t ready_first, ready_end;
    size_t ran[SUBJECTS];
    size_t ran_count;
    bool is_open;
    size_t asked_count; /**< by the call that runs */
    bool asks_due_only;
    size_t handed_out;
    uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

static size_t number_of(const struct sm_object *object)
{
    return (size_t)((const struct sm_value *)sm_payload_const(object))->payload;
}

static void note_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct model *model = context;
    (void)mm;
    assert_true(model->ran_count < SUBJECTS);
    model->ran[model->ran_count++] = number_of(object);
}

static struct model *model_of_policy; /* of the run that is on: a policy cannot carry it */

static void note_hand_out(struct sm_policy *policy, struct sm_object *object)
{
    (void)policy;
    (void)object;
    model_of_policy->handed_out++;
}

static void open_model(struct model *model, uint64_t seed, bool is_indexed)
{
    const struct sm_config config = {.policy = "null", .pacing = "never"};
    const struct sm_type type = {.name = "noted", .finalize = note_destructor, .context = model};
    memset(model, 0, sizeof(*model));
    model->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    assert_int_equal(sm_manager_create(&config, &model->mm, NULL), SM_OK);
    assert_int_equal(sm_type_register(model->mm, &type, &model->type), SM_OK);
    model->mm->finalizers.is_indexed = is_indexed;
    model_of_policy = model;
    sm_finalizers_watch(model->mm, note_hand_out);
}

/* ---- The operations, on both sides. ---- */

static void register_one(struct model *model)
{
    if (model->count == SUBJECTS)
        return;
    struct subject *subject = &model->subjects[model->count];
    *subject = (struct subject){.state = REGISTERED, .is_alive = true, .is_young = true};
    subject->object = sm_alloc(model->mm, model->type, sizeof(struct sm_value));
    assert_non_null(subject->object);
    ((struct sm_value *)sm_payload(subject->object))->payload = model->count++;
    assert_int_equal(sm_finalizer_register(model->mm, subject->object), SM_OK);
}

/* A random subject in this state; NULL when the drawn one is in another. */
static struct subject *draw_subject(struct model *model, enum state state)
{
    struct subject *subject = model->count == 0 ? NULL : &model->subjects[draw(model, model->count)];
    return subject != NULL && subject->state == state ? subject : NULL;
}

static void kill_one(struct model *model)
{
    struct subject *subject = draw_subject(model, REGISTERED);
    if (subject != NULL)
        subject->is_alive = false;
}

static void take_out_one(struct model *model)
{
    struct subject *subject = draw_subject(model, REGISTERED);
    if (subject == NULL)
        return;
    size_t ran_count = model->ran_count;
    sm_finalizer_run_now(model->mm, subject->object);
    assert_int_equal(model->ran_count, ran_count + 1);
    assert_int_equal(model->ran[ran_count], number_of(subject->object));
    subject->state = RUN;
}

static void run_ready(struct model *model)
{
    size_t first = model->ran_count, count = model->ready_end - model->ready_first;
    assert_int_equal(sm_finalizers_run_ready(model->mm), count);
    for (size_t i = 0; i < count; i++) {
        size_t number = model->ready[model->ready_first++];
        assert_int_equal(model->ran[first + i], number);
        model->subjects[number].state = RUN;
    }
}

/* What is asked about, in which order, is the selections' to say; what becomes of it is the model's. */
static bool ask(void *context, const struct sm_object *object)
{
    struct model *model = context;
    struct subject *subject = &model->subjects[number_of(object)];
    assert_int_equal(subject->state, REGISTERED);
    assert_true(!model->asks_due_only || subject->is_due);
    model->asked_count++;
    subject->is_due = subject->is_due && !model->asks_due_only;
    if (!subject->is_alive) {
        subject->state = READY;
        model->ready[model->ready_end++] = number_of(object);
    }
    return subject->is_alive;
}

static size_t count_where(const struct model *model, bool (*holds)(const struct subject *subject))
{
    size_t count = 0;
    for (size_t i = 0; i < model->count; i++)
        count += model->subjects[i].state == REGISTERED && holds(&model->subjects[i]);
    return count;
}

static bool any(const struct subject *subject)
{
    return subject->state == REGISTERED;
}

static bool young(const struct subject *subject)
{
    return subject->is_young;
}

static bool due(const struct subject *subject)
{
    return subject->is_due;
}

static void select_young(struct model *model)
{
    size_t ready_end = model->ready_end, expected = count_where(model, young);
    model->asked_count = 0;
    size_t moved = sm_finalizers_select_young(model->mm, ask, model);
    assert_int_equal(moved, model->ready_end - ready_end);
    assert_int_equal(model->asked_count, expected);
    for (size_t i = 0; i < model->count; i++)
        model->subjects[i].is_young = false;
}

static void select_whole(struct model *model)
{
    size_t ready_end = model->ready_end, expected = count_where(model, any);
    model->asked_count = 0;
    size_t moved = sm_finalizers_select(model->mm, ask, model);
    assert_int_equal(moved, model->ready_end - ready_end);
    assert_int_equal(model->asked_count, expected);
    for (size_t i = 0; i < model->count; i++) {
        model->subjects[i].is_young = false;
        model->subjects[i].is_due = model->is_open && model->subjects[i].is_before;
    }
}

static void begin(struct model *model)
{
    sm_finalizers_select_begin(model->mm);
    model->is_open = true;
    for (size_t i = 0; i < model->count; i++)
        model->subjects[i].is_before = model->subjects[i].is_due = true;
}

static void end(struct model *model)
{
    assert_int_equal(count_where(model, due), 0);
    model->is_open = false;
    for (size_t i = 0; i < model->count; i++)
        model->subjects[i].is_before = model->subjects[i].is_due = false;
}

static bool select_some(struct model *model, size_t budget)
{
    size_t moved = 0, ready_end = model->ready_end;
    model->asked_count = 0;
    model->asks_due_only = true;
    bool has_ended = sm_finalizers_select_some(model->mm, ask, model, budget, &moved);
    model->asks_due_only = false;
    assert_int_equal(moved, model->ready_end - ready_end);
    assert_true(model->asked_count <= budget);
    assert_true(has_ended || model->is_open);
    if (has_ended)
        end(model);
    return has_ended;
}

/* ---- After each step. ---- */

struct newest {
    struct sm_visitor visitor;
    const struct model *model;
    size_t next;
};

static void see_newest(struct sm_visitor *visitor, struct sm_object *target)
{
    struct newest *newest = (struct newest *)visitor;
    assert_int_equal(number_of(target), newest->model->ready[newest->next++]);
}

static void check_ready(struct model *model)
{
    size_t count = model->ready_end - model->ready_first;
    assert_int_equal(sm_finalizers_ready_count(&model->mm->finalizers), count);
    size_t wanted = draw(model, count + 2), seen = wanted < count ? wanted : count;
    struct newest newest = {{see_newest, false}, model, model->ready_end - seen};
    sm_finalizers_visit_newest(model->mm, &newest.visitor, wanted);
    assert_int_equal(newest.next, model->ready_end);
}

static void check_slot(const struct sm_finalizers *finalizers, const struct subject *subject, size_t slot)
{
    assert_ptr_equal(finalizers->registered[slot], subject->object);
    assert_int_equal(slot >= finalizers->young_from, subject->is_young);
    if (finalizers->is_indexed)
        assert_int_equal(sm_object_map_find(&finalizers->index, subject->object)->value, slot);
}

/* The table holds the registered subjects in order, and room to move all of them. */
static void check(struct model *model)
{
    const struct sm_finalizers *finalizers = &model->mm->finalizers;
    size_t slot = 0, gap_count = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (model->subjects[i].state != REGISTERED)
            continue;
        for (; slot < finalizers->count && finalizers->registered[slot] == NULL; slot++)
            gap_count++;
        assert_true(slot < finalizers->count);
        check_slot(finalizers, &model->subjects[i], slot++);
    }
    for (; slot < finalizers->count; slot++, gap_count++)
        assert_null(finalizers->registered[slot]);
    assert_int_equal(finalizers->gap_count, gap_count);
    size_t held = finalizers->count - gap_count + sm_finalizers_ready_count(finalizers);
    assert_true(held <= finalizers->ready_capacity);
    check_ready(model);
}

static void step(struct model *model)
{
    uint64_t choice = draw(model, 100);
    if (choice < 30)
        register_one(model);
    else if (choice < 55)
        kill_one(model);
    else if (choice < 65)
        take_out_one(model);
    else if (choice < 70)
        run_ready(model);
    else if (choice < 76)
        select_young(model);
    else if (choice < 78)
        select_whole(model);
    else if (choice < 81)
        begin(model);
    else if (choice < 82)
        sm_finalizers_compact(&model->mm->finalizers);
    else
        (void)select_some(model, 1 + draw(model, 8));
}

/* Whatever was registered has run once by the end, however a selection was left. */
static void close_model(struct model *model)
{
    sm_finalizers_run_all(model->mm);
    assert_int_equal(model->mm->finalizers.count, 0);
    assert_int_equal(model->ran_count, model->count);
    /* Each as its destructor runs, and all that the end chooses before the first of these does. */
    assert_true(model->handed_out >= model->count);
    bool has_run[SUBJECTS] = {false};
    for (size_t i = 0; i < model->ran_count; i++) {
        assert_false(has_run[model->ran[i]]);
        has_run[model->ran[i]] = true;
    }
    sm_manager_destroy(model->mm);
}

static void run_seed(uint64_t seed, bool is_indexed)
{
    static struct model model;
    open_model(&model, seed, is_indexed);
    for (size_t i = 0; i < STEPS && model.count < SUBJECTS; i++) {
        step(&model);
        check(&model);
    }
    close_model(&model);
}

static void R5_selections_agree_with_a_plain_list(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(seed, false);
        run_seed(seed, true);
    }
}

/* R11: a piece costs its budget, and the pieces come to an end beside a program that registers less than that. */
static void R11_pieces_end_beside_registrations(void **state)
{
    static struct model model;
    (void)state;
    open_model(&model, 1, false);
    for (int i = 0; i < 100; i++)
        register_one(&model);
    begin(&model);
    size_t pieces = 1;
    for (; !select_some(&model, 4); pieces++) {
        register_one(&model);
        check(&model);
    }
    assert_in_range(pieces, 25, 35);
    assert_int_equal(count_where(&model, young), 100 + pieces - 1);
    close_model(&model);
}

static void a_selection_that_was_not_begun_has_ended(void **state)
{
    static struct model model;
    size_t moved = 1;
    (void)state;
    open_model(&model, 1, false);
    register_one(&model);
    assert_true(sm_finalizers_select_some(model.mm, ask, &model, 10, &moved));
    assert_int_equal(moved, 0);
    assert_int_equal(count_where(&model, young), 1);
    check(&model);
    close_model(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(R5_selections_agree_with_a_plain_list),
        cmocka_unit_test(R11_pieces_end_beside_registrations),
        cmocka_unit_test(a_selection_that_was_not_begun_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
