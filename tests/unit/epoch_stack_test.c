/**
 * A stack that is deeper than one pause may look at (R11): full cycles beside the program take its roots in pieces, young
 * cycles what changed; whatever is pushed, popped, overwritten or moved in between, what it had at the snapshot lives, and what it
 * has.
 *
 * The oracle is the stack itself: each of its nodes is whole, after every step.
 */
#include "epoch_stages.h"

#include "test_scale.h"

enum { DEPTH_MAX = 80000, SAVED = 4096, ROOT_SAVED = 0 };

struct pile {
    struct graph graph;
    uint64_t random, next_id;
    size_t depth, unvisited, clean; /* roots.h: the two marks */
    struct node *slots[DEPTH_MAX];
    bool is_silent; /* for the control: it tells nobody what it pops */
};

static uint64_t next_random(struct pile *pile, uint64_t bound)
{
    pile->random = pile->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (pile->random >> 33) % bound;
}

/* ---- The provider. ---- */

static size_t visit_slots(struct pile *pile, struct sm_visitor *visitor, size_t from, size_t end)
{
    for (size_t i = end; i-- > from;)
        sm_visit_pointer(visitor, &pile->slots[i]);
    return from;
}

static void enumerate(void *context, struct sm_visitor *visitor)
{
    struct pile *pile = context;
    (void)visit_slots(pile, visitor, 0, pile->depth);
}

static size_t below(size_t end, size_t budget)
{
    return budget < end ? end - budget : 0;
}

static size_t enumerate_top(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct pile *pile = context;
    pile->clean = pile->depth;
    return pile->unvisited = visit_slots(pile, visitor, below(pile->depth, budget), pile->depth);
}

static size_t enumerate_more(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct pile *pile = context;
    return pile->unvisited = visit_slots(pile, visitor, below(pile->unvisited, budget), pile->unvisited);
}

static size_t enumerate_changed(void *context, struct sm_visitor *visitor)
{
    struct pile *pile = context;
    size_t count = pile->depth - visit_slots(pile, visitor, pile->clean, pile->depth);
    pile->clean = pile->depth;
    return count;
}

static void forget(void *context)
{
    struct pile *pile = context;
    pile->unvisited = pile->clean = 0;
}

/* Before anything at `index` or above changes. */
static void reach_down_to(struct pile *pile, size_t index)
{
    if (index < pile->unvisited && !pile->is_silent)
        sm_roots_reach(pile->graph.mm, pile, pile->unvisited - index);
    if (index < pile->clean)
        pile->clean = index;
}

/* ---- The program. ---- */

static void push(struct pile *pile, size_t count)
{
    for (; count > 0 && pile->depth < DEPTH_MAX; count--)
        pile->slots[pile->depth++] = node_new(&pile->graph, pile->next_id++);
}

static void save(struct pile *pile, struct node *node)
{
    struct sm_object *saved = &pile->graph.roots[ROOT_SAVED]->header;
    sm_store(pile->graph.mm, saved, (struct sm_value *)sm_payload(saved) + next_random(pile, SAVED), value_of(node));
}

/* What is popped goes, or into an array that is old and may have been marked. */
static void pop(struct pile *pile, size_t count)
{
    size_t end = below(pile->depth, count);
    reach_down_to(pile, end);
    for (size_t i = end; i < pile->depth; i += 1 + next_random(pile, 50))
        save(pile, pile->slots[i]);
    pile->depth = end;
}

/* At any depth: another node, or one more edge below the one that is there. */
static void overwrite(struct pile *pile)
{
    size_t index = next_random(pile, pile->depth);
    reach_down_to(pile, index);
    if (next_random(pile, 2) == 0)
        save(pile, pile->slots[index]);
    pile->slots[index] = node_new(&pile->graph, pile->next_id++);
}

static void link_below(struct pile *pile)
{
    struct node *node = pile->slots[next_random(pile, pile->depth)];
    node_link(&pile->graph, node, next_random(pile, GRAPH_EDGES), node_new(&pile->graph, pile->next_id++));
}

static void expect_node(const struct pile *pile, const struct node *node, bool is_deep)
{
    assert_true(node_is_intact(node));
    if (is_deep)
        assert_true(graph_is_valid(&pile->graph, node));
    for (size_t edge = 0; edge < GRAPH_EDGES; edge++)
        assert_true(node_edge(node, edge) == NULL || node_is_intact(node_edge(node, edge)));
}

/* To ask the heap about each would be quadratic. */
static void check(struct pile *pile)
{
    for (size_t i = 0; i < pile->depth; i++)
        expect_node(pile, pile->slots[i], next_random(pile, 3000) == 0);
    const struct sm_object *saved = &pile->graph.roots[ROOT_SAVED]->header;
    const struct sm_value *values = sm_payload_const(saved);
    for (size_t i = 0; i < SAVED; i++)
        if (sm_value_is_heap(values[i]))
            expect_node(pile, (const struct node *)sm_value_object(values[i]), next_random(pile, 300) == 0);
}

static void open_pile(struct pile *pile, const char *policy, uint64_t seed)
{
    const struct sm_root_stack stack = {.provider = {"pile", enumerate, pile},
                                        .enumerate_top = enumerate_top,
                                        .enumerate_more = enumerate_more,
                                        .enumerate_changed = enumerate_changed,
                                        .forget = forget};
    memset(pile, 0, sizeof(*pile));
    pile->random = seed;
    stages_open(&pile->graph, policy);
    assert_int_equal(sm_roots_register_stack(pile->graph.mm, &stack), SM_OK);
    struct sm_object *saved = sm_alloc(pile->graph.mm, SM_TYPE_VALUES, SAVED * sizeof(struct sm_value));
    assert_non_null(saved);
    pile->graph.roots[ROOT_SAVED] = (struct node *)(void *)saved;
}

static void close_pile(struct pile *pile)
{
    pile->depth = pile->unvisited = pile->clean = 0;
    graph_close(&pile->graph);
}

static size_t roots_left(const struct pile *pile)
{
    return graph_epoch(&pile->graph)->beside.roots_left;
}

/* ---- In pieces. ---- */

/* Each safepoint takes one; what lies deeper than the first is not looked at in the pause of the snapshot. */
static void test_R11_a_deep_stack_is_taken_in_pieces(void **state)
{
    static struct pile pile;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        size_t pieces = 0;
        open_pile(&pile, stages_policies[p], 1);
        push(&pile, DEPTH_MAX);
        collect_young(&pile.graph);
        start_cycle(&pile.graph);
        for (size_t left = roots_left(&pile); left != 0; pieces++) {
            pass_safepoint(&pile.graph);
            assert_true(roots_left(&pile) < left);
            left = roots_left(&pile);
        }
        assert_true(pieces > 2);
        finish_cycle(&pile.graph);
        check(&pile);
        assert_int_equal(graph_stats(&pile.graph).live_objects, DEPTH_MAX + 1);
        close_pile(&pile);
    }
}

/* The last edge to a node is a slot that no piece has come to. */
static void test_R1_what_is_popped_before_its_piece_came_lives(void **state)
{
    static struct pile pile;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++)
        for (size_t pieces = 0; pieces < 4; pieces++) {
            open_pile(&pile, stages_policies[p], pieces + 1);
            push(&pile, DEPTH_MAX);
            collect_young(&pile.graph);
            start_cycle(&pile.graph);
            for (size_t i = 0; i < pieces; i++)
                pass_safepoint(&pile.graph);
            (void)mark_some(&pile.graph, UINT64_MAX); /* the array that they go to has been read */
            pop(&pile, DEPTH_MAX - 100);
            push(&pile, 1000);
            finish_cycle(&pile.graph);
            check(&pile);
            close_pile(&pile);
        }
}

/* The control: popped without a word, they are lost, and the checker says so. */
static void test_R1_a_stack_that_is_popped_without_a_word_is_noticed(void **state)
{
    static struct pile pile;
    (void)state;
    open_pile(&pile, stages_policies[1], 1);
    push(&pile, DEPTH_MAX);
    start_cycle(&pile.graph);
    (void)mark_some(&pile.graph, UINT64_MAX);
    pile.is_silent = true;
    pop(&pile, DEPTH_MAX);
    pile.unvisited = 0;
    mark_rest(&pile.graph);
    assert_false(epoch_marking_is_complete(graph_epoch(&pile.graph)));
    struct sm_object *saved = &pile.graph.roots[ROOT_SAVED]->header;
    for (size_t i = 0; i < SAVED; i++) /* so that it can end */
        ((struct sm_value *)sm_payload(saved))[i] = (struct sm_value){0, 0};
    finish_cycle(&pile.graph);
    close_pile(&pile);
}

/* ---- Random steps. ---- */

static void random_cycle(struct pile *pile)
{
    struct graph *graph = &pile->graph;
    switch (next_random(pile, 12)) {
    case 0:
        run_emergency(graph);
        return;
    case 1:
        graph_collect(graph);
        return;
    case 2:
    case 3:
        if (stage_of(graph) == EPOCH_STAGE_NONE)
            start_cycle(graph);
        return;
    case 4:
    case 5:
    case 6:
        collect_young(graph); /* which ends a cycle that marks */
        return;
    default:
        (void)mark_some(graph, next_random(pile, 3000));
        pass_safepoint(graph);
    }
}

static void random_step(struct pile *pile)
{
    uint64_t what = next_random(pile, 100);
    if (what < 20)
        push(pile, next_random(pile, next_random(pile, 4) == 0 ? 30000 : 100));
    else if (what < 30)
        pop(pile, next_random(pile, next_random(pile, 4) == 0 ? 40000 : 100));
    else if (what < 60 && pile->depth != 0)
        overwrite(pile);
    else if (what < 80 && pile->depth != 0)
        link_below(pile);
    else
        random_cycle(pile);
}

static void test_R1_R11_every_node_of_the_stack_is_whole_after_every_step(void **state)
{
    static struct pile pile;
    static const char *const policies[] = {"epoch:reclaim=inline,young=always,nursery=1M,debug=poison",
                                           "epoch:reclaim=inline,young=never,debug=poison",
                                           "epoch:reclaim=thread,young=auto,nursery=1M,debug=poison"};
    const uint64_t seeds = test_scale(4, 2, 1), steps = test_scale(1500, 500, 300);
    (void)state;
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++)
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            print_message("%s, seed %llu\n", policies[p], (unsigned long long)seed);
            open_pile(&pile, policies[p], seed);
            for (uint64_t step = 0; step < steps; step++) {
                random_step(&pile);
                if (step % 10 == 0)
                    check(&pile);
            }
            finish_cycle(&pile.graph);
            pop(&pile, DEPTH_MAX);
            check(&pile);
            close_pile(&pile);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R11_a_deep_stack_is_taken_in_pieces),
        cmocka_unit_test(test_R1_what_is_popped_before_its_piece_came_lives),
        cmocka_unit_test(test_R1_a_stack_that_is_popped_without_a_word_is_noticed),
        cmocka_unit_test(test_R1_R11_every_node_of_the_stack_is_whole_after_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
