/** Workload cards: counts of a small program against figures worked out by hand, and of random ones against a model. */
#include "counted_graph.h"

#include "workload_card.h"
#include "workloads/random.h"

#include <string.h>

/* ---- A run that is watched. ---- */

struct watched {
    struct hx_card *card;
    struct graph graph;
    sm_type_id string, hash;
};

static void watched_open(struct watched *watched, enum sm_sapi sapi, uint64_t warmup_steps)
{
    struct sm_error error = {0};
    assert_int_equal(hx_card_create(warmup_steps, &watched->card, &error), SM_OK);
    const struct sm_config config = {.sapi = sapi, .death_recorder = watched->card->recorder};
    graph_open(&watched->graph, "refcount", &config);
    const struct sm_type string = {.name = "string"}, hash = {.name = "hash-storage"};
    assert_int_equal(sm_type_register(watched->graph.mm, &string, &watched->string), SM_OK);
    assert_int_equal(sm_type_register(watched->graph.mm, &hash, &watched->hash), SM_OK);
}

static void watched_close(struct watched *watched)
{
    graph_close(&watched->graph);
    hx_card_destroy(watched->card);
}

static struct sm_object *leaf(struct watched *watched, sm_type_id type, size_t bytes)
{
    struct sm_object *object = sm_alloc_leaf(watched->graph.mm, type, bytes);
    assert_non_null(object);
    return object;
}

static void drop(struct watched *watched, void *object)
{
    graph_drop(&watched->graph, object);
}

static struct sm_object *resize(struct watched *watched, struct sm_object *object, size_t bytes)
{
    struct sm_object *resized = sm_resize(watched->graph.mm, object, bytes);
    assert_non_null(resized);
    if (resized != object)
        sm_retire(watched->graph.mm, object);
    return resized;
}

static void end_work(struct watched *watched)
{
    struct sm_error error = {0};
    assert_int_equal(hx_card_end_work(watched->card, &error), SM_OK);
}

static uint64_t lifetimes_of(const struct hx_histogram *histogram, uint64_t lifetime)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HX_HISTOGRAM_BUCKETS; i++)
        if (hx_histogram_bucket_low(i) <= lifetime && lifetime <= hx_histogram_bucket_high(i))
            count += histogram->buckets[i];
    return count;
}

static void assert_ends(const struct hx_card_part *part, uint64_t counted, uint64_t cycle, uint64_t request,
                        uint64_t never)
{
    assert_int_equal(part->ends[SM_DEATH_COUNTED], counted);
    assert_int_equal(part->ends[SM_DEATH_CYCLE], cycle);
    assert_int_equal(part->ends[SM_DEATH_REQUEST], request);
    assert_int_equal(part->ends[SM_DEATH_NEVER], never);
}

/* ---- By hand. ---- */

/* The clock after each line stands behind it; nodes of two edges have 48 bytes. */
static void run_two_steps(struct watched *watched)
{
    struct graph *graph = &watched->graph;
    struct sm_object *boot = leaf(watched, watched->string, 10); /* 10 */
    hx_card_begin_steps(watched->card);
    drop(watched, leaf(watched, watched->string, 20)); /* 30 */
    struct graph_node *first = graph_plain(graph, 1);  /* 78 */
    struct graph_node *second = graph_plain(graph, 2); /* 126 */
    graph_link(graph, first, 0, second);
    graph_link(graph, second, 0, first);
    drop(watched, first);
    drop(watched, second);
    struct sm_object *kept = leaf(watched, watched->string, 100); /* 226 */
    drop(watched, boot);
    hx_card_end_step(watched->card);
    kept = resize(watched, kept, 164);                   /* 290 */
    drop(watched, leaf(watched, watched->string, 5000)); /* 5290 */
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_FULL), SM_OK);
    drop(watched, kept);
    (void)leaf(watched, watched->hash, 320); /* 5610 */
    hx_card_end_step(watched->card);
    end_work(watched);
}

static void test_counts_sizes_and_kinds(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_CLI, 0);
    run_two_steps(&watched);
    const struct hx_card_part *work = &watched.card->parts[HX_CARD_WORK];
    assert_int_equal(watched.card->parts[HX_CARD_BOOT].blocks, 1);
    assert_int_equal(watched.card->parts[HX_CARD_BOOT].bytes, 10);
    assert_int_equal(work->blocks, 6);
    assert_int_equal(work->bytes, 20 + 2 * 48 + 100 + 5000 + 320);
    assert_int_equal(work->resizes, 1);
    assert_int_equal(work->growth_bytes, 64);
    assert_int_equal(work->kind_blocks[HX_CARD_STRING], 3);
    assert_int_equal(work->kind_blocks[HX_CARD_OTHER], 2);
    assert_int_equal(work->kind_blocks[HX_CARD_HASH], 1);
    assert_int_equal(work->kind_bytes[HX_CARD_STRING], 5120);
    /* 20 bytes are 3 words, 100 are 13. */
    assert_int_equal(work->small_blocks[HX_CARD_STRING][3], 1);
    assert_int_equal(work->small_blocks[HX_CARD_STRING][13], 1);
    assert_int_equal(work->large_blocks[HX_CARD_STRING], 1);
    assert_int_equal(work->small_blocks[HX_CARD_OTHER][6], 2);
    assert_int_equal(work->small_blocks[HX_CARD_HASH][40], 1);
    watched_close(&watched);
}

static void test_lifetimes_and_cyclic_deaths(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_CLI, 0);
    run_two_steps(&watched);
    const struct hx_card_part *work = &watched.card->parts[HX_CARD_WORK];
    assert_ends(&watched.card->parts[HX_CARD_BOOT], 1, 0, 0, 0);
    assert_ends(work, 3, 2, 0, 1);
    assert_int_equal(work->lifetime.count, 5);
    assert_int_equal(work->lifetime.total, 0 + (5290 - 78) + (5290 - 126) + (5290 - 226) + 0);
    assert_int_equal(lifetimes_of(&work->lifetime, 0), 2);
    assert_int_equal(work->kind_lifetime[HX_CARD_OTHER].maximum, 5290 - 78);
    assert_int_equal(work->kind_lifetime[HX_CARD_STRING].maximum, 5290 - 226);
    assert_int_equal(work->kind_survivors[HX_CARD_HASH], 1);
    /* Each node of the ring held the other. */
    assert_int_equal(work->degree.count, 2);
    assert_int_equal(work->degree.total, 2);
    watched_close(&watched);
}

static void test_live_bytes_and_what_outlives_its_step(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_CLI, 0);
    run_two_steps(&watched);
    const struct hx_card *card = watched.card;
    assert_int_equal(card->clock_bytes, 5610);
    assert_int_equal(card->work_start_clock_bytes, 10);
    assert_int_equal(card->peak_live_bytes, 2 * 48 + 164 + 5000);
    assert_int_equal(card->work_peak_bytes, 2 * 48 + 164 + 5000);
    assert_int_equal((uint64_t)card->live_area,
                     10 * 20 + 10 * 48 + 58 * 48 + 106 * 100 + 196 * 64 + 260 * 5000 + 0 * 320);
    assert_int_equal(card->steps.count, 2);
    /* The ring and the string of the first step, the table of the second. */
    assert_int_equal(card->steps.survivor_blocks, 4);
    assert_int_equal(card->steps.survivor_bytes, 2 * 48 + 100 + 320);
    watched_close(&watched);
}

/* ---- Requests, destructors, warm-up. ---- */

static void test_what_a_request_leaves_survives(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_FPM, 0);
    struct sm_manager *mm = watched.graph.mm;
    hx_card_begin_steps(watched.card);
    for (int request = 0; request < 2; request++) {
        assert_int_equal(sm_request_begin(mm), SM_OK);
        drop(&watched, leaf(&watched, watched.string, 24));
        (void)leaf(&watched, watched.string, 40);
        assert_int_equal(sm_request_end(mm), SM_OK);
        hx_card_end_step(watched.card);
    }
    end_work(&watched);
    const struct hx_card_part *work = &watched.card->parts[HX_CARD_WORK];
    assert_ends(work, 2, 0, 2, 0);
    assert_int_equal(work->lifetime.count, 2);
    assert_int_equal(work->kind_survivors[HX_CARD_STRING], 2);
    assert_int_equal(watched.card->steps.survivor_blocks, 2);
    assert_int_equal(watched.card->steps.survivor_bytes, 80);
    assert_int_equal(watched.card->live_bytes, 0);
    assert_int_equal(watched.card->work_peak_bytes, 40);
    watched_close(&watched);
}

static void make_a_leaf(struct graph *graph, struct graph_node *node)
{
    (void)node;
    graph_drop(graph, graph_leaf(graph));
}

static void test_destructors_make_blocks_too(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_CLI, 0);
    watched.graph.on_destroy = make_a_leaf;
    hx_card_begin_steps(watched.card);
    drop(&watched, graph_destructible(&watched.graph, 1));
    end_work(&watched);
    const struct hx_card_part *work = &watched.card->parts[HX_CARD_WORK];
    assert_int_equal(watched.graph.destroyed_count, 1);
    assert_int_equal(work->blocks, 2);
    assert_int_equal(work->lifetime.total, 10);
    assert_ends(work, 2, 0, 0, 0);
    watched_close(&watched);
}

static void test_steps_that_warm_up_are_boot(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched, SM_SAPI_CLI, 2);
    hx_card_begin_steps(watched.card);
    for (size_t step = 1; step <= 5; step++) {
        drop(&watched, leaf(&watched, watched.string, 8 * step));
        hx_card_end_step(watched.card);
    }
    end_work(&watched);
    assert_int_equal(watched.card->parts[HX_CARD_BOOT].blocks, 2);
    assert_int_equal(watched.card->work_start_clock_bytes, 8 + 16);
    assert_int_equal(watched.card->parts[HX_CARD_WORK].bytes, 24 + 32 + 40);
    assert_int_equal(watched.card->steps.count, 3);
    watched_close(&watched);
}

/* ---- Against a model. ---- */

enum { MODEL_LIVE_MAX = 64, MODEL_OPERATIONS = 20000, MODEL_STEP = 500, MODEL_BYTES_MAX = 6000 };

struct model {
    struct {
        struct sm_object *object;
        uint64_t birth_bytes, bytes, step;
    } live[MODEL_LIVE_MAX];
    size_t count;
    uint64_t clock_bytes, live_bytes, peak_bytes, lifetime_total, deaths, births, resizes, step, survivors;
};

static void model_live(struct model *model, uint64_t change)
{
    model->live_bytes += change;
    model->peak_bytes = model->live_bytes > model->peak_bytes ? model->live_bytes : model->peak_bytes;
}

static void model_make(struct model *model, struct watched *watched, uint64_t bytes)
{
    model->births++;
    model->clock_bytes += bytes;
    model->live[model->count].object = leaf(watched, watched->string, bytes);
    model->live[model->count].birth_bytes = model->clock_bytes;
    model->live[model->count].bytes = bytes;
    model->live[model->count++].step = model->step;
    model_live(model, bytes);
}

static void model_resize(struct model *model, struct watched *watched, size_t index, uint64_t bytes)
{
    uint64_t old_bytes = model->live[index].bytes;
    model->live[index].object = resize(watched, model->live[index].object, bytes);
    model->resizes += bytes != old_bytes;
    model->clock_bytes += bytes > old_bytes ? bytes - old_bytes : 0;
    model->live[index].bytes = bytes;
    model_live(model, bytes - old_bytes);
}

static void model_drop(struct model *model, struct watched *watched, size_t index)
{
    drop(watched, model->live[index].object);
    model->deaths++;
    model->lifetime_total += model->clock_bytes - model->live[index].birth_bytes;
    model->live_bytes -= model->live[index].bytes;
    model->live[index] = model->live[--model->count];
}

static void model_end_step(struct model *model, struct watched *watched)
{
    for (size_t i = 0; i < model->count; i++)
        model->survivors += model->live[i].step == model->step;
    model->step++;
    hx_card_end_step(watched->card);
}

static void model_operate(struct model *model, struct watched *watched, struct wl_random *random)
{
    uint64_t bytes = wl_random_below(random, MODEL_BYTES_MAX), choice = wl_random_below(random, 8);
    if (model->count == 0 || (choice < 4 && model->count < MODEL_LIVE_MAX))
        model_make(model, watched, bytes);
    else if (choice == 7)
        model_resize(model, watched, (size_t)wl_random_below(random, model->count), bytes);
    else
        model_drop(model, watched, (size_t)wl_random_below(random, model->count));
}

static void test_random_programs_are_counted_as_by_a_model(void **state)
{
    (void)state;
    struct watched watched;
    struct model model = {0};
    struct wl_random random = wl_random_seeded(20240501);
    watched_open(&watched, SM_SAPI_CLI, 0);
    hx_card_begin_steps(watched.card);
    for (int i = 1; i <= MODEL_OPERATIONS; i++) {
        model_operate(&model, &watched, &random);
        if (i % MODEL_STEP == 0)
            model_end_step(&model, &watched);
    }
    end_work(&watched);
    const struct hx_card_part *work = &watched.card->parts[HX_CARD_WORK];
    assert_int_equal(work->blocks, model.births);
    assert_int_equal(work->resizes, model.resizes);
    assert_ends(work, model.deaths, 0, 0, model.count);
    assert_int_equal(work->lifetime.total, model.lifetime_total);
    assert_int_equal(watched.card->clock_bytes, model.clock_bytes);
    assert_int_equal(watched.card->peak_live_bytes, model.peak_bytes);
    assert_int_equal(watched.card->steps.survivor_blocks, model.survivors);
    assert_int_equal(watched.card->live_bytes, 0);
    watched_close(&watched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_sizes_and_kinds),
        cmocka_unit_test(test_lifetimes_and_cyclic_deaths),
        cmocka_unit_test(test_live_bytes_and_what_outlives_its_step),
        cmocka_unit_test(test_what_a_request_leaves_survives),
        cmocka_unit_test(test_destructors_make_blocks_too),
        cmocka_unit_test(test_steps_that_warm_up_are_boot),
        cmocka_unit_test(test_random_programs_are_counted_as_by_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
