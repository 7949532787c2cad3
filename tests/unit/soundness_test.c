/**
 * Soundness, rule by rule: sequences of calls that would end in a lost root, a freed object or a wait without end.
 *
 * Named by the rules of the epoch policy (R1 to R14). Each case is one that no other file makes.
 */
#include "epoch_graph.h"

#include "epoch/epoch_internal.h"
#include "manager_internal.h"
#include "sapimem/extension.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, MANY = 100 };

static bool is_valid(struct graph *graph, const void *object)
{
    return sm_is_valid(graph->mm, object);
}

/* What was allocated before this is older than the last safepoint, and has no other claim to an emergency's mercy. */
static void pass_safepoint(struct graph *graph)
{
    sm_attention_request(graph->mm);
    sm_safepoint(graph->mm);
}

/* The next request for memory is refused, so the allocation that makes it begins an emergency cycle. */
static void force_emergency(struct graph *graph)
{
    uint64_t emergencies = graph_stats(graph).cycles;
    graph->mm->reserve.fail_after = graph->mm->reserve.request_count + 1;
    node_new(graph, 999);
    assert_int_equal(graph_stats(graph).cycles, emergencies + 1);
}

/* ---- R1: who may refer to the heap. ---- */

struct borrower {
    struct graph *graph;
    sm_handle outer; /**< the owner's */
    void *bytes;     /**< of sm_alloc_bytes */
    struct node *node;
    bool refused;
};

/* Everything that would let an observer keep an object, or end one. */
static bool everything_is_refused(const struct borrower *borrower)
{
    struct sm_manager *mm = borrower->graph->mm;
    struct sm_value value = sm_value_from_object(&borrower->node->header, 1);
    sm_scope scope = sm_scope_open(mm);
    sm_retire(mm, &borrower->node->header);
    return sm_handle_is_none(sm_alloc_value(mm, value)) && sm_handle_is_none(sm_handle_persist(mm, borrower->outer)) &&
           sm_handle_is_none(sm_bytes_handle(mm, borrower->bytes)) && sm_handle_is_none(sm_buffer_create(mm, 16)) &&
           sm_handle_set(mm, borrower->outer, value) == SM_ERR_WRONG_THREAD &&
           sm_handle_get(mm, borrower->outer, &value) == SM_ERR_WRONG_THREAD &&
           sm_handle_release(mm, borrower->outer) == SM_ERR_WRONG_THREAD && scope.depth == 0 &&
           sm_scope_close(mm, (sm_scope){1, 0}) == SM_ERR_WRONG_THREAD &&
           sm_collect(mm, SM_COLLECT_FULL) == SM_ERR_WRONG_THREAD &&
           sm_alloc(mm, borrower->graph->node_type, 64) == NULL && sm_alloc_bytes(mm, 16) == NULL;
}

static void *borrow(void *context)
{
    struct borrower *borrower = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(borrower->graph->mm, "borrower", &guard) != SM_OK)
        return NULL;
    sm_pin(guard, SM_HERE);
    borrower->refused = everything_is_refused(borrower);
    sm_unpin(guard);
    sm_observer_unregister(guard);
    return NULL;
}

static void test_R1_an_observer_is_refused_whatever_would_keep_an_object(void **state)
{
    (void)state;
    struct graph graph;
    pthread_t thread;
    graph_open_policy(&graph, "epoch");
    sm_scope scope = sm_scope_open(graph.mm);
    struct node *node = graph.roots[0] = node_new(&graph, 1);
    struct borrower borrower = {.graph = &graph, .bytes = sm_alloc_bytes(graph.mm, 16), .node = node};
    borrower.outer = sm_handle_persist(graph.mm, sm_alloc_value(graph.mm, sm_value_from_object(&node->header, 1)));
    assert_int_equal(sm_observers_allow(graph.mm), SM_OK);
    assert_int_equal(pthread_create(&thread, NULL, borrow, &borrower), 0);
    pthread_join(thread, NULL);
    assert_true(borrower.refused);
    /* Nothing came of it: the object was not retired, the handle not released, the scope not closed. */
    struct sm_value value;
    assert_true(is_valid(&graph, node) && node_is_intact(node));
    assert_int_equal(sm_handle_get(graph.mm, borrower.outer, &value), SM_OK);
    assert_int_equal(sm_scope_close(graph.mm, scope), SM_OK);
    assert_int_equal(graph_stats(&graph).retired_objects, 0);
    graph_close(&graph);
}

static void *store_under_a_guard(void *context)
{
    struct graph *graph = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(graph->mm, "writer", &guard) != SM_OK)
        _exit(2);
    sm_pin(guard, SM_HERE);
    node_link(graph, graph->roots[0], 0, graph->roots[0]);
    _exit(3); /* the store went through */
}

/* In a process of its own, which the assertion ends. */
static void run_forbidden_store(void)
{
    struct graph graph;
    pthread_t thread;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    graph_open_policy(&graph, "epoch");
    graph.roots[0] = node_new(&graph, 1);
    if (sm_observers_allow(graph.mm) != SM_OK || pthread_create(&thread, NULL, store_under_a_guard, &graph) != 0)
        _exit(4);
    pthread_join(thread, NULL);
    _exit(5);
}

static void test_R1_a_checked_build_traps_an_observers_store(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2) {
        print_message("skipped: stores are checked from SM_ASSERT_LEVEL 2 on, this is %d\n", SM_ASSERT_LEVEL);
        skip();
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_forbidden_store();
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

struct value_stack {
    struct sm_value slots[8];
    size_t depth;
};

static void enumerate_stack(void *context, struct sm_visitor *visitor)
{
    const struct value_stack *stack = context;
    sm_visit_values(visitor, stack->slots, stack->depth);
}

/* A virtual machine's stack, local handles in scopes and persistent handles; regular cycles and emergencies alike. */
static void test_R1_stacks_scopes_and_handles_are_scanned(void **state)
{
    (void)state;
    struct graph graph;
    struct value_stack stack = {.depth = 0};
    graph_open_policy(&graph, "epoch:reclaim=inline");
    const struct sm_root_provider provider = {"stack", enumerate_stack, &stack};
    assert_int_equal(sm_roots_register(graph.mm, &provider), SM_OK);
    struct node *on_stack = node_new(&graph, 1);
    struct node *in_outer = node_new(&graph, 2);
    struct node *in_inner = node_new(&graph, 3);
    struct node *kept = node_new(&graph, 4);
    stack.slots[stack.depth++] = sm_value_from_object(&on_stack->header, 1);
    sm_scope outer = sm_scope_open(graph.mm);
    sm_alloc_value(graph.mm, sm_value_from_object(&in_outer->header, 1));
    sm_scope inner = sm_scope_open(graph.mm);
    sm_handle local = sm_alloc_value(graph.mm, sm_value_from_object(&kept->header, 1));
    sm_handle persistent = sm_handle_persist(graph.mm, local);
    sm_alloc_value(graph.mm, sm_value_from_object(&in_inner->header, 1));
    pass_safepoint(&graph);
    force_emergency(&graph);
    graph_collect(&graph);
    assert_true(is_valid(&graph, on_stack) && is_valid(&graph, in_outer) && is_valid(&graph, in_inner));
    assert_true(is_valid(&graph, kept));
    assert_int_equal(sm_scope_close(graph.mm, inner), SM_OK);
    graph_collect(&graph);
    assert_true(is_valid(&graph, in_outer) && is_valid(&graph, kept) && !is_valid(&graph, in_inner));
    assert_int_equal(sm_scope_close(graph.mm, outer), SM_OK);
    assert_int_equal(sm_handle_release(graph.mm, persistent), SM_OK);
    stack.depth = 0;
    graph_collect(&graph);
    assert_false(is_valid(&graph, on_stack) || is_valid(&graph, in_outer) || is_valid(&graph, kept));
    graph_close(&graph);
}

/* A buffer gives its bytes up as it grows; a second root on them would outlive them. */
static void test_R1_a_buffers_bytes_cannot_get_a_handle_of_their_own(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    sm_handle buffer = sm_buffer_create(graph.mm, 16);
    for (int growth = 0; growth < 3; growth++) {
        void *bytes = NULL;
        size_t byte_count = 0;
        assert_int_equal(sm_buffer_view(graph.mm, buffer, &bytes, &byte_count), SM_OK);
        assert_true(sm_handle_is_none(sm_bytes_handle(graph.mm, bytes)));
        assert_int_equal(sm_error_status(graph.mm), SM_ERR_INVALID_ARGUMENT);
        assert_int_equal(sm_buffer_append(graph.mm, buffer, "0123456789abcdef0123456789abcdef", 32), SM_OK);
        assert_int_equal(sm_buffer_reserve(graph.mm, buffer, 100u << growth), SM_OK);
        graph_collect(&graph);
    }
    graph_close(&graph);
}

/* ---- R3, R4: other managers of the process. ---- */

/* A thread that owns a manager and stays in the first iteration of its run loop. */
struct neighbour {
    const char *policy;
    bool allocates;
    _Atomic bool pinned, leave;
    bool gave_up; /**< nobody asked it to leave */
    struct graph graph;
};

static void *live_next_door(void *context)
{
    struct neighbour *neighbour = context;
    struct graph *graph = &neighbour->graph;
    graph_open_policy(graph, neighbour->policy);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    /* Pairs with the acquire in move_in. */
    atomic_store_explicit(&neighbour->pinned, true, memory_order_release);
    int ms = 0;
    for (; !atomic_load_explicit(&neighbour->leave, memory_order_relaxed) && ms < PATIENCE_MS; ms++) {
        for (uint64_t i = 0; neighbour->allocates && i < MANY; i++) {
            node_link(graph, graph->roots[0] = node_new(graph, i), 0, NULL);
            sm_safepoint(graph->mm);
        }
        sleep_ms(1);
    }
    neighbour->gave_up = ms == PATIENCE_MS;
    sm_unpin(sm_owner_guard(graph->mm));
    graph_close(graph);
    return NULL;
}

static pthread_t move_in(struct neighbour *neighbour)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, live_next_door, neighbour), 0);
    /* Pairs with the release in live_next_door. */
    while (!atomic_load_explicit(&neighbour->pinned, memory_order_acquire))
        sleep_ms(1);
    return thread;
}

static void move_out(struct neighbour *neighbour, pthread_t thread)
{
    atomic_store_explicit(&neighbour->leave, true, memory_order_relaxed);
    pthread_join(thread, NULL);
}

static void retire_some(struct graph *graph, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        sm_retire(graph->mm, &node_new(graph, i)->header);
}

/* liburcu's domain is the process: an owner that has no garbage of its own holds back that of others. */
static void test_R4_an_owner_without_garbage_lets_other_managers_reclaim(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch:flavor=memb", "epoch:flavor=qsbr", "epoch:flavor=mb",
                                           "epoch:flavor=bp"};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct neighbour neighbour = {.policy = policies[p], .allocates = true};
        pthread_t thread = move_in(&neighbour);
        struct graph graph;
        graph_open_policy(&graph, policies[p]);
        retire_some(&graph, MANY);
        for (int ms = 0; graph_stats(&graph).backlog_bytes != 0 && ms < PATIENCE_MS; ms++)
            sleep_ms(1);
        uint64_t backlog_bytes = graph_stats(&graph).backlog_bytes;
        move_out(&neighbour, thread);
        assert_int_equal(backlog_bytes, 0);
        assert_false(neighbour.gave_up);
        graph_close(&graph);
    }
}

static void test_R3_destroying_does_not_wait_for_other_managers_guards(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch", "epoch:reclaim=inline"};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct neighbour neighbour = {.policy = "epoch"};
        pthread_t thread = move_in(&neighbour);
        struct graph graph;
        graph_open_policy(&graph, policies[p]);
        retire_some(&graph, MANY);
        graph_close(&graph);
        move_out(&neighbour, thread);
        assert_false(neighbour.gave_up);
    }
}

/* A cycle goes offline at any depth; what nesting the C code around it has stays, and so does what it rooted. */
static void test_R4_a_cycle_inside_nested_pins_keeps_nesting_and_roots(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    struct node *kept = node_new(&graph, 1);
    node_link(&graph, kept, 0, node_new(&graph, 2));
    sm_alloc_value(graph.mm, sm_value_from_object(&kept->header, 1));
    node_new(&graph, 3);
    graph_collect(&graph);
    struct sm_guard_report report;
    assert_int_equal(sm_guard_depth(guard), 2);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
    assert_true(is_valid(&graph, kept) && node_is_intact(node_edge(kept, 0)));
    sm_unpin(guard);
    sm_unpin(guard);
    graph_close(&graph);
}

/* ---- R9: weak loads. ---- */

static void refuse_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    (void)visitor;
    (void)target;
    fail_msg("a weak cell has an edge");
}

static void test_R9_weak_get_answers_while_reachable_and_is_the_only_door(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct node *target = graph.roots[0] = node_new(&graph, 1);
    struct sm_object *cell = sm_weak_make(graph.mm, &target->header);
    graph.roots[1] = (struct node *)cell;
    for (int cycle = 0; cycle < 3; cycle++) {
        graph_collect(&graph);
        assert_ptr_equal(sm_weak_get(graph.mm, cell), target);
    }
    struct sm_visitor owner = {refuse_edge, false};
    struct sm_visitor observer = {refuse_edge, true};
    sm_trace(graph.mm, cell, &owner);
    sm_trace(graph.mm, cell, &observer);
    graph.roots[0] = NULL;
    assert_ptr_equal(sm_weak_get(graph.mm, cell), target); /* garbage, but not retired: it may come back */
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    assert_false(is_valid(&graph, target));
    graph_close(&graph);
}

static void test_R9_a_handle_made_from_a_weak_get_is_a_root(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cell = sm_weak_make(graph.mm, &node_new(&graph, 1)->header);
    graph.roots[1] = (struct node *)cell;
    pass_safepoint(&graph);
    struct sm_object *target = sm_weak_get(graph.mm, cell);
    sm_handle local = sm_alloc_value(graph.mm, sm_value_from_object(target, 1));
    sm_handle kept = sm_handle_persist(graph.mm, local);
    graph_collect(&graph);
    assert_ptr_equal(sm_weak_get(graph.mm, cell), target);
    assert_int_equal(sm_handle_set(graph.mm, local, (struct sm_value){0, 0}), SM_OK);
    assert_int_equal(sm_handle_release(graph.mm, kept), SM_OK);
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    graph_close(&graph);
}

/* What weak_get handed out is in a C local, as safe until the next safepoint as what was allocated: an emergency keeps it. */
static void weak_gets_survive_an_emergency(uint64_t count)
{
    struct graph graph;
    struct node *handed_out[MANY];
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cells = sm_alloc(graph.mm, SM_TYPE_VALUES, (count + 1) * sizeof(struct sm_value));
    graph.roots[0] = (struct node *)cells;
    struct sm_value *slots = sm_payload(cells);
    for (uint64_t i = 0; i <= count; i++)
        sm_store(graph.mm, cells, &slots[i],
                 sm_value_from_object(sm_weak_make(graph.mm, &node_new(&graph, i)->header), 1));
    pass_safepoint(&graph);
    for (uint64_t i = 0; i < count; i++)
        handed_out[i] = (struct node *)sm_weak_get(graph.mm, sm_value_object(slots[i]));
    force_emergency(&graph);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(is_valid(&graph, handed_out[i]) && node_is_intact(handed_out[i]));
        assert_ptr_equal(sm_weak_get(graph.mm, sm_value_object(slots[i])), handed_out[i]);
    }
    /* Past the safepoint they are garbage again, for an emergency too. */
    pass_safepoint(&graph);
    force_emergency(&graph);
    for (uint64_t i = 0; i <= count; i++)
        assert_null(sm_weak_get(graph.mm, sm_value_object(slots[i])));
    graph_close(&graph);
}

static void test_R9_what_weak_get_handed_out_survives_an_emergency(void **state)
{
    (void)state;
    weak_gets_survive_an_emergency(1);
    weak_gets_survive_an_emergency(4);
    weak_gets_survive_an_emergency(MANY);
}

static void test_R9_a_regular_cycle_owes_nothing_to_what_weak_get_handed_out(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cell = sm_weak_make(graph.mm, &node_new(&graph, 1)->header);
    graph.roots[0] = (struct node *)cell;
    pass_safepoint(&graph);
    assert_non_null(sm_weak_get(graph.mm, cell));
    graph_collect(&graph); /* a safepoint by its contract */
    assert_null(sm_weak_get(graph.mm, cell));
    force_emergency(&graph); /* must not look for what the cycle freed */
    graph_close(&graph);
}

static void test_R9_retiring_what_weak_get_handed_out_ends_its_claim(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cells[2];
    for (size_t i = 0; i < 2; i++) {
        cells[i] = sm_weak_make(graph.mm, &node_new(&graph, i)->header);
        graph.roots[i] = (struct node *)cells[i];
    }
    pass_safepoint(&graph);
    struct sm_object *first = sm_weak_get(graph.mm, cells[0]);
    struct sm_object *second = sm_weak_get(graph.mm, cells[1]);
    sm_retire(graph.mm, first);
    force_emergency(&graph);
    assert_null(sm_weak_get(graph.mm, cells[0]));
    assert_ptr_equal(sm_weak_get(graph.mm, cells[1]), second);
    graph_close(&graph);
}

/* ---- R12: counts decide sharing, never reclamation. ---- */

static void scramble_count(void *context, struct sm_object *object)
{
    static const uint32_t counts[] = {0, 1, 2, UINT32_MAX, 0x80000000u};
    size_t *next = context;
    object->count = counts[(*next)++ % (sizeof(counts) / sizeof(counts[0]))];
}

struct outcome {
    uint64_t live_objects, live_bytes, retired_objects, traced_objects, destroyed;
};

/* A list with garbage hanging from each node, a ring of garbage, destructors and weak cells. */
static void build_mixed(struct graph *graph)
{
    struct node *ring = destructible_new(graph, 1);
    node_link(graph, ring, 0, ring);
    for (uint64_t i = 0; i < MANY; i++) {
        struct node *node = node_new(graph, i);
        node_link(graph, node, 0, graph->roots[0]);
        node_link(graph, node_new(graph, i), 0, node);
        graph->roots[0] = node;
    }
    graph->roots[1] = (struct node *)sm_weak_make(graph->mm, &ring->header);
}

static struct outcome collect_with(bool scramble)
{
    struct graph graph;
    struct outcome outcome = {0};
    size_t next = 0;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    build_mixed(&graph);
    if (scramble)
        sm_walk(graph.mm, scramble_count, &next);
    graph_collect(&graph);
    if (scramble)
        sm_walk(graph.mm, scramble_count, &next);
    force_emergency(&graph);
    graph_collect(&graph);
    struct sm_stats stats = graph_stats(&graph);
    outcome.live_objects = stats.live_objects;
    outcome.live_bytes = stats.live_bytes;
    outcome.retired_objects = stats.retired_objects;
    outcome.traced_objects = graph.mm->counters.traced_objects;
    outcome.destroyed = graph.destroyed_count;
    graph_close(&graph);
    return outcome;
}

static void test_R12_garbage_in_the_counts_changes_nothing(void **state)
{
    (void)state;
    struct outcome plain = collect_with(false);
    struct outcome scrambled = collect_with(true);
    assert_int_equal(plain.live_objects, MANY + 1);
    assert_int_equal(plain.destroyed, 1);
    assert_int_equal(scrambled.live_objects, plain.live_objects);
    assert_int_equal(scrambled.live_bytes, plain.live_bytes);
    assert_int_equal(scrambled.retired_objects, plain.retired_objects);
    assert_int_equal(scrambled.traced_objects, plain.traced_objects);
    assert_int_equal(scrambled.destroyed, plain.destroyed);
}

/* A header's count of zero is no reason to reclaim, one of the largest no reason to keep. */
static void test_R12_reachability_wins_over_any_count(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct node *reachable = graph.roots[0] = node_new(&graph, 1);
    struct node *garbage = node_new(&graph, 2);
    reachable->header.count = 0;
    garbage->header.count = UINT32_MAX;
    graph_collect(&graph);
    assert_true(is_valid(&graph, reachable));
    assert_false(is_valid(&graph, garbage));
    assert_int_equal(reachable->header.count, 0);
    graph_close(&graph);
}

/* ---- R14: longjmp. ---- */

static void test_R14_a_guard_left_offline_is_online_at_the_catch_point(void **state)
{
    (void)state;
    struct graph graph;
    jmp_buf catch_point;
    struct sm_guard_report report;
    graph_open_policy(&graph, "epoch");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_pin(guard, SM_HERE);
    if (setjmp(catch_point) == 0) {
        sm_pin(guard, SM_HERE);
        sm_offline(guard);
        sm_offline(guard);
        longjmp(catch_point, 1);
    }
    sm_guard_restore(guard, 1);
    assert_int_equal(sm_guard_depth(guard), 1);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    sm_pin(guard, SM_HERE);
    sm_unpin(guard);
    sm_unpin(guard);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 0);
    graph_close(&graph);
}

static void test_R14_an_unpinned_guard_left_offline_can_be_pinned_again(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_guard_report report;
    graph_open_policy(&graph, "epoch");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_offline(guard);
    sm_guard_restore(guard, 0);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    sm_offline(guard);
    graph_close(&graph); /* ends it all the same */
}

/* ---- R14: fork. ---- */

/* Everything a child still may do on its way out of the parent's iteration; some thread of the parent's held each lock. */
static void leave_iteration_of_the_parent(struct graph *graph)
{
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    struct sm_guard_report report;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(PATIENCE_MS / 1000); /* ends a child that waits for a thread it does not have */
    (void)sm_guard_reports(graph->mm, &report, 1);
    sm_offline(guard);
    sm_online(guard);
    sm_repin(guard, SM_HERE);
    sm_unpin(guard);
    sm_manager_destroy(graph->mm);
    _exit(0);
}

static void test_R14_a_child_leaves_its_parents_guard_without_the_parents_threads(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch");
    struct epoch_reclaimer *reclaimer = epoch_of_base(graph.mm->policy)->reclaimer;
    sm_pin(sm_owner_guard(graph.mm), SM_HERE);
    sm_retire(graph.mm, &node_new(&graph, 1)->header);
    sm_attention_raise(graph.mm, SM_ATTENTION_OBSERVERS); /* an observer waits for its registration */
    pthread_mutex_lock(&reclaimer->lock);
    pthread_mutex_lock(&graph.mm->guards.lock);
    pid_t child = fork();
    if (child == 0)
        leave_iteration_of_the_parent(&graph);
    pthread_mutex_unlock(&graph.mm->guards.lock);
    pthread_mutex_unlock(&reclaimer->lock);
    assert_true(child > 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    sm_unpin(sm_owner_guard(graph.mm));
    graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R1_an_observer_is_refused_whatever_would_keep_an_object),
        cmocka_unit_test(test_R1_a_checked_build_traps_an_observers_store),
        cmocka_unit_test(test_R1_stacks_scopes_and_handles_are_scanned),
        cmocka_unit_test(test_R1_a_buffers_bytes_cannot_get_a_handle_of_their_own),
        cmocka_unit_test(test_R3_destroying_does_not_wait_for_other_managers_guards),
        cmocka_unit_test(test_R4_an_owner_without_garbage_lets_other_managers_reclaim),
        cmocka_unit_test(test_R4_a_cycle_inside_nested_pins_keeps_nesting_and_roots),
        cmocka_unit_test(test_R9_weak_get_answers_while_reachable_and_is_the_only_door),
        cmocka_unit_test(test_R9_a_handle_made_from_a_weak_get_is_a_root),
        cmocka_unit_test(test_R9_what_weak_get_handed_out_survives_an_emergency),
        cmocka_unit_test(test_R9_a_regular_cycle_owes_nothing_to_what_weak_get_handed_out),
        cmocka_unit_test(test_R9_retiring_what_weak_get_handed_out_ends_its_claim),
        cmocka_unit_test(test_R12_garbage_in_the_counts_changes_nothing),
        cmocka_unit_test(test_R12_reachability_wins_over_any_count),
        cmocka_unit_test(test_R14_a_guard_left_offline_is_online_at_the_catch_point),
        cmocka_unit_test(test_R14_an_unpinned_guard_left_offline_can_be_pinned_again),
        cmocka_unit_test(test_R14_a_child_leaves_its_parents_guard_without_the_parents_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
