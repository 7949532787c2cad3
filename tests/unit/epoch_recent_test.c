/**
 * What an emergency takes for younger than the last safepoint (R7): everything that was made since, of any size, in windows, holes and
 * blocks of its own, however many stretches that is; but for what was given up by hand, whose room may be in use again by then.
 *
 * The oracle is a list of what was made since. The seed is printed; EPOCH_RECENT_SEED=N replays one.
 */
#include "epoch_stages.h"

#include "test_scale.h"

enum { MADE_MAX = 4000 };

struct made {
    struct sm_object *object;
    unsigned char pattern;
};

struct recent {
    struct graph graph;
    uint64_t random;
    size_t count;
    struct made made[MADE_MAX];
};

static uint64_t next_random(struct recent *recent, uint64_t bound)
{
    recent->random = recent->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (recent->random >> 33) % bound;
}

static size_t random_bytes(struct recent *recent)
{
    static const uint64_t bounds[] = {40, 300, 3000, 3000, 20000, 60000, 200000};
    return next_random(recent, bounds[next_random(recent, next_random(recent, 4) == 0 ? 7 : 4)]);
}

static void make(struct recent *recent)
{
    if (recent->count == MADE_MAX)
        return;
    struct made *made = &recent->made[recent->count++];
    made->object = sm_alloc_leaf(recent->graph.mm, SM_TYPE_BYTES, random_bytes(recent));
    made->pattern = (unsigned char)next_random(recent, 256);
    assert_non_null(made->object);
    memset(sm_payload(made->object), made->pattern, (size_t)made->object->payload_bytes);
}

static void check(const struct recent *recent)
{
    for (size_t i = 0; i < recent->count; i++) {
        const struct made *made = &recent->made[i];
        const unsigned char *bytes = sm_payload_const(made->object);
        size_t count = (size_t)made->object->payload_bytes;
        assert_true(graph_is_valid(&recent->graph, made->object));
        assert_true(count == 0 || (bytes[0] == made->pattern && memcmp(bytes, bytes + 1, count - 1) == 0));
    }
}

static void give_up(struct recent *recent)
{
    if (recent->count == 0)
        return;
    size_t index = next_random(recent, recent->count);
    sm_retire(recent->graph.mm, recent->made[index].object);
    recent->made[index] = recent->made[--recent->count];
}

static void emergency(struct recent *recent)
{
    check(recent);
    run_emergency(&recent->graph);
    check(recent);
    assert_true(graph_stats(&recent->graph).live_objects >= recent->count);
}

/* They are in nobody's hands any more. */
static void pass(struct recent *recent)
{
    recent->count = 0;
    pass_safepoint(&recent->graph);
}

static void step(struct recent *recent)
{
    uint64_t what = next_random(recent, 1000);
    if (what < 700)
        make(recent);
    else if (what < 850)
        give_up(recent);
    else if (what < 900)
        (void)epoch_drain(graph_epoch(&recent->graph), SM_PAUSE_GRACE, EPOCH_FOREVER);
    else if (what < 960)
        emergency(recent);
    else if (what < 970)
        check(recent);
    else if (next_random(recent, 3) == 0)
        pass(recent);
}

static void run(const char *policy, const char *pacing, uint64_t seed)
{
    static struct recent recent;
    const struct sm_config config = {
        .policy = policy, .pacing = pacing, .collector_threads = SM_COLLECTOR_THREADS_NONE};
    memset(&recent, 0, sizeof(recent));
    recent.random = seed;
    graph_open(&recent.graph, &config);
    for (uint64_t i = 0; i < test_scale(4000, 1500, 800); i++)
        step(&recent);
    pass(&recent);
    assert_int_equal(sm_quiesce(recent.graph.mm), SM_OK);
    assert_int_equal(graph_stats(&recent.graph).live_objects, 0);
    assert_int_equal(graph_stats(&recent.graph).reclaimed_objects, graph_stats(&recent.graph).alloc_count);
    graph_close(&recent.graph);
}

static void test_R7_everything_made_since_the_last_safepoint_lives_through_emergencies(void **state)
{
    static const char *const policies[] = {
        "epoch:reclaim=inline,young=always,debug=poison", "epoch:reclaim=inline,young=never,debug=poison",
        "epoch:reclaim=thread,young=always,debug=poison", "epoch:reclaim=thread,young=never,debug=none"};
    static const char *const pacings[] = {"never", "fixed:1M"};
    const char *given = getenv("EPOCH_RECENT_SEED");
    const uint64_t first = given == NULL ? 1 : strtoull(given, NULL, 10);
    const uint64_t last = given == NULL ? test_scale(6, 3, 2) : first;
    (void)state;
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)last);
    for (uint64_t seed = first; seed <= last; seed++)
        for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++)
            for (size_t pacing = 0; pacing < sizeof(pacings) / sizeof(pacings[0]); pacing++)
                run(policies[p], pacings[pacing], seed);
}

/* Large, and its blocks are somebody else's by now. */
static void test_R7_a_large_object_that_was_given_up_and_reused_is_not_looked_at(void **state)
{
    struct graph graph;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        stages_open(&graph, stages_policies[p]);
        struct sm_object *large = sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 200000);
        sm_retire(graph.mm, large);
        assert_true(epoch_drain(graph_epoch(&graph), SM_PAUSE_GRACE, EPOCH_FOREVER));
        for (int i = 0; i < 100; i++)
            memset(sm_payload(sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 3000)), 0xFF, 3000);
        run_emergency(&graph);
        assert_int_equal(graph_stats(&graph).live_objects, 100);
        graph_close(&graph);
    }
}

/* Only what is younger than the safepoint is spared, though it lies side by side with what is not. */
static void test_R7_what_is_older_than_the_safepoint_is_taken(void **state)
{
    struct graph graph;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        stages_open(&graph, stages_policies[p]);
        const struct node *before = node_new(&graph, 1);
        pass_safepoint(&graph);
        const struct node *after = node_new(&graph, 2);
        for (int i = 0; i < 3; i++) {
            run_emergency(&graph);
            assert_false(graph_is_valid(&graph, before));
            assert_lives(&graph, after);
        }
        pass_safepoint(&graph);
        run_emergency(&graph);
        assert_int_equal(graph_stats(&graph).live_objects, 0);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R7_everything_made_since_the_last_safepoint_lives_through_emergencies),
        cmocka_unit_test(test_R7_a_large_object_that_was_given_up_and_reused_is_not_looked_at),
        cmocka_unit_test(test_R7_what_is_older_than_the_safepoint_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
