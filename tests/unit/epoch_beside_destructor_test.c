/**
 * R5 beside the program: destructors that become due are chosen in pieces, between which the program runs, registers, drops
 * and resurrects; each runs once, on what is whole; and what they can reach lives until they have run.
 */
#include "epoch_stages.h"

#include "test_scale.h"

enum { MORTALS_MAX = 30000, ROOT_ARRAY = 0, ROOT_SAVED, ROOT_CLASS };

/** An object with a destructor and something below it. */
struct mortal {
    struct sm_object header;
    struct sm_value below;
    uint64_t number;
};

struct world {
    struct graph graph;
    sm_type_id type;
    uint8_t runs[MORTALS_MAX]; /* of each destructor */
    size_t run_count, made_count;
    void (*on_destroy)(struct world *world, struct mortal *mortal);
};

static void trace_mortal(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, &((const struct mortal *)object)->below, 1);
}

static struct node *below_of(const struct mortal *mortal)
{
    return (struct node *)sm_value_object(mortal->below);
}

static void destroy_mortal(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct world *world = context;
    struct mortal *mortal = (struct mortal *)object;
    assert_ptr_equal(mm, world->graph.mm);
    assert_true(mortal->number < world->made_count && below_of(mortal)->id == mortal->number);
    assert_lives(&world->graph, below_of(mortal));
    world->runs[mortal->number]++;
    world->run_count++;
    if (world->on_destroy != NULL)
        world->on_destroy(world, mortal);
}

static void open_world(struct world *world, const char *policy)
{
    memset(world, 0, sizeof(*world));
    stages_open(&world->graph, policy);
    const struct sm_type type = {.name = "mortal", .trace = trace_mortal, .finalize = destroy_mortal, .context = world};
    assert_int_equal(sm_type_register(world->graph.mm, &type, &world->type), SM_OK);
}

/* The roots go before the last destructors run. */
static void close_world(struct world *world)
{
    world->on_destroy = NULL;
    graph_close(&world->graph);
}

static struct mortal *mortal_new(struct world *world)
{
    struct sm_manager *mm = world->graph.mm;
    struct mortal *mortal = (struct mortal *)sm_alloc(mm, world->type, sizeof(*mortal) - SM_HEADER_BYTES);
    if (mortal == NULL || world->made_count == MORTALS_MAX) {
        fail_msg("no room for another mortal");
        return NULL;
    }
    mortal->number = world->made_count++;
    struct node *node = node_new(&world->graph, mortal->number);
    sm_store(mm, &mortal->header, &mortal->below, value_of(node));
    assert_int_equal(sm_finalizer_register(mm, &mortal->header), SM_OK);
    return mortal;
}

static struct sm_object *array_new(struct world *world, size_t root, size_t count)
{
    struct sm_object *array = sm_alloc(world->graph.mm, SM_TYPE_VALUES, count * sizeof(struct sm_value));
    assert_non_null(array);
    world->graph.roots[root] = (struct node *)(void *)array;
    return array;
}

static void put(struct world *world, size_t root, size_t index, struct sm_object *object)
{
    struct sm_object *array = &world->graph.roots[root]->header;
    struct sm_value value = object == NULL ? (struct sm_value){0, 0} : sm_value_from_object(object, 1);
    sm_store(world->graph.mm, array, (struct sm_value *)sm_payload(array) + index, value);
}

static void assert_ran_once(const struct world *world, size_t first, size_t end, size_t step)
{
    for (size_t i = first; i < end; i += step)
        if (world->runs[i] != 1)
            fail_msg("destructor %zu ran %u times", i, world->runs[i]);
}

/* ---- Chosen in pieces. ---- */

enum { MANY = IS_THREAD_SANITIZED ? 9000 : 12000 }; /* more than two pieces */

static void make_many(struct world *world)
{
    array_new(world, ROOT_ARRAY, MANY);
    array_new(world, ROOT_SAVED, MORTALS_MAX);
    for (size_t i = 0; i < MANY; i++)
        put(world, ROOT_ARRAY, i, &mortal_new(world)->header);
    graph_collect(&world->graph);
    for (size_t i = 0; i < MANY; i += 2)
        put(world, ROOT_ARRAY, i, NULL);
}

/* Between two pieces: one is made and kept, one made and dropped, one of the living dropped. */
static void live_on(struct world *world, size_t step)
{
    put(world, ROOT_ARRAY, 2 * step, &mortal_new(world)->header);
    (void)mortal_new(world);
    put(world, ROOT_ARRAY, MANY - 1 - 2 * step, NULL);
}

static size_t finish_with_life(struct world *world)
{
    size_t steps = 0;
    for (; stage_of(&world->graph) != EPOCH_STAGE_NONE; steps++) {
        live_on(world, steps);
        pass_safepoint(&world->graph);
    }
    return steps;
}

static void test_R5_destructors_are_chosen_in_pieces_and_run_once(void **state)
{
    static struct world world;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        open_world(&world, stages_policies[p]);
        make_many(&world);
        start_cycle(&world.graph);
        size_t steps = finish_with_life(&world);
        assert_true(steps > 5);
        assert_int_equal(world.run_count, MANY / 2); /* those that were dead at the snapshot, and no others */
        assert_ran_once(&world, 0, MANY, 2);
        assert_true(epoch_heap_is_consistent(&graph_epoch(&world.graph)->heap));
        assert_int_equal(sm_quiesce(world.graph.mm), SM_OK);
        assert_int_equal(world.run_count, MANY / 2 + 2 * steps);
        assert_ran_once(&world, MANY + 1, world.made_count, 2);
        assert_int_equal(graph_stats(&world.graph).live_objects, MANY + 2);
        close_world(&world);
    }
}

static void resurrect(struct world *world, struct mortal *mortal)
{
    put(world, ROOT_SAVED, mortal->number, mortal->number % 3 == 0 ? &mortal->header : &below_of(mortal)->header);
}

/* Itself, or what is below it, while marking goes on. */
static void test_R5_what_a_destructor_saves_between_two_pieces_lives(void **state)
{
    static struct world world;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        open_world(&world, stages_policies[p]);
        world.on_destroy = resurrect;
        make_many(&world);
        start_cycle(&world.graph);
        size_t steps = finish_with_life(&world);
        assert_int_equal(world.run_count, MANY / 2);
        assert_int_equal(sm_quiesce(world.graph.mm), SM_OK);
        assert_ran_once(&world, 0, MANY, 2);
        const struct sm_value *saved = (const struct sm_value *)sm_payload(&world.graph.roots[ROOT_SAVED]->header);
        for (size_t i = 0; i < MANY; i += 2) {
            assert_true(graph_is_valid(&world.graph, sm_value_object(saved[i])));
            if (i % 3 != 0)
                assert_lives(&world.graph, (struct node *)sm_value_object(saved[i]));
        }
        assert_int_equal(world.run_count, MANY / 2 + 2 * steps);
        close_world(&world);
    }
}

/* ---- What is young has a destructor too. ---- */

/* Registered while it marks, dead soon after: a young cycle has to ask about it still. */
static void test_R5_destructors_of_what_was_made_while_it_marks_run_once(void **state)
{
    static struct world world;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (int stage = EPOCH_STAGE_MARKING; stage <= EPOCH_STAGE_SWEEPING; stage++) {
            open_world(&world, stages_policies[p]);
            array_new(&world, ROOT_ARRAY, 4);
            put(&world, ROOT_ARRAY, 0, &mortal_new(&world)->header);
            start_cycle(&world.graph);
            go_to(&world.graph, (enum epoch_stage)stage);
            put(&world, ROOT_ARRAY, 1, &mortal_new(&world)->header);
            (void)mortal_new(&world);
            finish_cycle(&world.graph);
            put(&world, ROOT_ARRAY, 1, NULL);
            for (int i = 0; i < 3; i++) {
                collect_young(&world.graph);
                sm_safepoint(world.graph.mm);
            }
            assert_int_equal(sm_quiesce(world.graph.mm), SM_OK);
            assert_int_equal(world.run_count, 2);
            assert_ran_once(&world, 1, 3, 1);
            close_world(&world);
        }
}

/* ---- The end of a program, in the midst of a cycle. ---- */

static void pass_safepoints(struct world *world, struct mortal *mortal)
{
    (void)mortal;
    for (int i = 0; i < 4; i++) {
        for (int n = 0; n < 20; n++)
            (void)sm_alloc_leaf(world->graph.mm, SM_TYPE_BYTES, 3000);
        pass_safepoint(&world->graph);
    }
}

static void save_and_pass(struct world *world, struct mortal *mortal)
{
    put(world, ROOT_SAVED, mortal->number, &mortal->header);
    pass_safepoints(world, mortal);
}

/* All destructors run, of the living and of the dead, while the cycle goes on beneath them. */
static void run_all_at(const char *policy, uint64_t marked, enum epoch_stage stage,
                       void (*on_destroy)(struct world *world, struct mortal *mortal))
{
    static struct world world;
    enum { COUNT = 40 };
    open_world(&world, policy);
    array_new(&world, ROOT_ARRAY, COUNT);
    array_new(&world, ROOT_SAVED, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        put(&world, ROOT_ARRAY, i, &mortal_new(&world)->header);
    graph_collect(&world.graph);
    for (size_t i = 0; i < COUNT; i += 2)
        put(&world, ROOT_ARRAY, i, NULL);
    start_cycle(&world.graph);
    (void)mark_some(&world.graph, marked);
    go_to(&world.graph, stage);
    world.on_destroy = on_destroy;
    sm_finalizers_run_all(world.graph.mm);
    assert_int_equal(world.run_count, COUNT);
    assert_ran_once(&world, 0, COUNT, 1);
    finish_cycle(&world.graph);
    assert_int_equal(sm_quiesce(world.graph.mm), SM_OK);
    assert_int_equal(world.run_count, COUNT);
    close_world(&world);
}

static void test_R5_all_destructors_run_at_any_moment_of_a_cycle(void **state)
{
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        for (uint64_t marked = 0; marked < 60; marked += test_scale(7, 7, 20)) {
            run_all_at(stages_policies[p], marked, EPOCH_STAGE_MARKING, NULL);
            run_all_at(stages_policies[p], marked, EPOCH_STAGE_MARKING, pass_safepoints);
            run_all_at(stages_policies[p], marked, EPOCH_STAGE_MARKING, save_and_pass);
        }
        for (int stage = EPOCH_STAGE_CLEARING; stage <= EPOCH_STAGE_SWEEPING; stage++)
            run_all_at(stages_policies[p], 0, (enum epoch_stage)stage, save_and_pass);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R5_destructors_are_chosen_in_pieces_and_run_once),
        cmocka_unit_test(test_R5_what_a_destructor_saves_between_two_pieces_lives),
        cmocka_unit_test(test_R5_destructors_of_what_was_made_while_it_marks_run_once),
        cmocka_unit_test(test_R5_all_destructors_run_at_any_moment_of_a_cycle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
