/**
 * Every entry of the public API that is the owner's alone: a forked child gets SM_ERR_FORKED from it (R14), an
 * observer SM_ERR_WRONG_THREAD (R1), and neither changes anything. The owner itself is never refused: so the table's
 * arguments are good ones, and the two refusals can be told from any other failure.
 */
#include "epoch_variants.h"

#include "sapimem/extension.h"

#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 20, BEYOND_THE_WINDOW = SM_INLINE_PAYLOAD_MAX + 1 }; /* the inline paths ask nobody who calls */
/** Exit statuses of a child: below these, the number of the entry that let it in. */
#define CHILD_DONE 100
#define CHILD_MOVED_SOMETHING 101

struct scene {
    struct graph *graph;
    struct node *node;         /**< rooted */
    struct node *destructible; /**< rooted, not registered */
    struct node *unwanted;     /**< to be retired */
    struct sm_object *cell;
    sm_handle local, persistent, bytes_handle, buffer;
    void *bytes;
    sm_scope scope;
    struct reader reader; /**< pinned: holds a batch back */
    sm_status refusal;    /**< what is expected */
};

/* For entries that answer with an object or a handle: no answer is the refusal. */
static sm_status refused_if(const struct scene *scene, bool refused)
{
    return refused ? scene->refusal : SM_OK;
}

static struct sm_value value_of(const struct scene *scene)
{
    return sm_value_from_object(&scene->node->header, 1);
}

static sm_status call_alloc(struct scene *scene)
{
    return refused_if(scene, sm_alloc(scene->graph->mm, scene->graph->node_type, BEYOND_THE_WINDOW) == NULL);
}

static sm_status call_alloc_leaf(struct scene *scene)
{
    return refused_if(scene, sm_alloc_leaf(scene->graph->mm, SM_TYPE_BYTES, BEYOND_THE_WINDOW) == NULL);
}

static sm_status call_resize(struct scene *scene)
{
    return refused_if(scene, sm_resize(scene->graph->mm, &scene->node->header, 4096) == NULL);
}

static sm_status call_free(struct scene *scene)
{
    return sm_free(scene->graph->mm, &scene->node->header);
}

static sm_status call_retire(struct scene *scene)
{
    sm_retire(scene->graph->mm, &scene->unwanted->header);
    return refused_if(scene, graph_is_valid(scene->graph, scene->unwanted));
}

static sm_status call_weak_make(struct scene *scene)
{
    return refused_if(scene, sm_weak_make(scene->graph->mm, &scene->node->header) == NULL);
}

static sm_status call_weak_entry_make(struct scene *scene)
{
    return refused_if(scene, sm_weak_entry_make(scene->graph->mm, &scene->node->header, value_of(scene)) == NULL);
}

static sm_status call_weak_get(struct scene *scene)
{
    return refused_if(scene, sm_weak_get(scene->graph->mm, scene->cell) == NULL);
}

static sm_status call_finalizer_register(struct scene *scene)
{
    return sm_finalizer_register(scene->graph->mm, &scene->destructible->header);
}

static sm_status call_type_register(struct scene *scene)
{
    const struct sm_type type = {.name = "another"};
    sm_type_id id;
    return sm_type_register(scene->graph->mm, &type, &id);
}

static sm_status call_roots_register(struct scene *scene)
{
    const struct sm_root_provider provider = {"another", graph_roots, scene->graph};
    return sm_roots_register(scene->graph->mm, &provider);
}

static sm_status call_roots_unregister(struct scene *scene)
{
    return sm_roots_unregister(scene->graph->mm, "another");
}

static sm_status call_alloc_value(struct scene *scene)
{
    return refused_if(scene, sm_handle_is_none(sm_alloc_value(scene->graph->mm, value_of(scene))));
}

static sm_status call_handle_get(struct scene *scene)
{
    struct sm_value value;
    return sm_handle_get(scene->graph->mm, scene->local, &value);
}

static sm_status call_handle_set(struct scene *scene)
{
    return sm_handle_set(scene->graph->mm, scene->local, value_of(scene));
}

static sm_status call_handle_persist(struct scene *scene)
{
    return refused_if(scene, sm_handle_is_none(sm_handle_persist(scene->graph->mm, scene->local)));
}

static sm_status call_handle_release(struct scene *scene)
{
    return sm_handle_release(scene->graph->mm, scene->persistent);
}

static sm_status call_alloc_bytes(struct scene *scene)
{
    return refused_if(scene, sm_alloc_bytes(scene->graph->mm, 16) == NULL);
}

static sm_status call_bytes_handle(struct scene *scene)
{
    return refused_if(scene, sm_handle_is_none(sm_bytes_handle(scene->graph->mm, scene->bytes)));
}

static sm_status call_bytes_get(struct scene *scene)
{
    void *bytes;
    size_t size;
    return sm_bytes_get(scene->graph->mm, scene->bytes_handle, &bytes, &size);
}

static sm_status call_buffer_create(struct scene *scene)
{
    return refused_if(scene, sm_handle_is_none(sm_buffer_create(scene->graph->mm, 16)));
}

static sm_status call_buffer_reserve(struct scene *scene)
{
    return sm_buffer_reserve(scene->graph->mm, scene->buffer, 10000);
}

static sm_status call_buffer_append(struct scene *scene)
{
    return sm_buffer_append(scene->graph->mm, scene->buffer, "more", 4);
}

static sm_status call_buffer_view(struct scene *scene)
{
    void *bytes;
    size_t byte_count;
    return sm_buffer_view(scene->graph->mm, scene->buffer, &bytes, &byte_count);
}

static sm_status call_buffer_truncate(struct scene *scene)
{
    return sm_buffer_truncate(scene->graph->mm, scene->buffer, 0);
}

static sm_status call_scope_open(struct scene *scene)
{
    return refused_if(scene, sm_scope_open(scene->graph->mm).depth == 0);
}

static sm_status call_scope_close(struct scene *scene)
{
    return sm_scope_close(scene->graph->mm, scene->scope);
}

static sm_status call_observers_allow(struct scene *scene)
{
    return sm_observers_allow(scene->graph->mm);
}

static sm_status call_collect(struct scene *scene)
{
    return sm_collect(scene->graph->mm, SM_COLLECT_FULL);
}

static sm_status call_request_begin(struct scene *scene)
{
    return sm_request_begin(scene->graph->mm);
}

static sm_status call_request_end(struct scene *scene)
{
    return sm_request_end(scene->graph->mm);
}

static sm_status call_safepoint(struct scene *scene)
{
    uint64_t cycles = graph_stats(scene->graph).cycles;
    sm_collect_request(scene->graph->mm);
    sm_safepoint(scene->graph->mm);
    return refused_if(scene, graph_stats(scene->graph).cycles == cycles);
}

/* The one destructor that the first cases registered. */
static sm_status call_finalizers_run_all(struct scene *scene)
{
    sm_finalizers_run_all(scene->graph->mm);
    return refused_if(scene, graph_stats(scene->graph).destructors_run == 0);
}

static sm_status call_quiesce(struct scene *scene)
{
    return sm_quiesce(scene->graph->mm);
}

/* In an order in which the owner can make every call. */
static const struct entry {
    const char *name;
    sm_status (*call)(struct scene *scene);
} entries[] = {
    {"sm_alloc", call_alloc},
    {"sm_alloc_leaf", call_alloc_leaf},
    {"sm_resize", call_resize},
    {"sm_free", call_free},
    {"sm_retire", call_retire},
    {"sm_weak_make", call_weak_make},
    {"sm_weak_entry_make", call_weak_entry_make},
    {"sm_weak_get", call_weak_get},
    {"sm_finalizer_register", call_finalizer_register},
    {"sm_type_register", call_type_register},
    {"sm_roots_register", call_roots_register},
    {"sm_roots_unregister", call_roots_unregister},
    {"sm_alloc_value", call_alloc_value},
    {"sm_handle_get", call_handle_get},
    {"sm_handle_set", call_handle_set},
    {"sm_handle_persist", call_handle_persist},
    {"sm_handle_release", call_handle_release},
    {"sm_alloc_bytes", call_alloc_bytes},
    {"sm_bytes_handle", call_bytes_handle},
    {"sm_bytes_get", call_bytes_get},
    {"sm_buffer_create", call_buffer_create},
    {"sm_buffer_reserve", call_buffer_reserve},
    {"sm_buffer_append", call_buffer_append},
    {"sm_buffer_view", call_buffer_view},
    {"sm_buffer_truncate", call_buffer_truncate},
    {"sm_scope_open", call_scope_open},
    {"sm_scope_close", call_scope_close},
    {"sm_observers_allow", call_observers_allow},
    {"sm_collect", call_collect},
    {"sm_safepoint", call_safepoint},
    {"sm_finalizers_run_all", call_finalizers_run_all},
    {"sm_request_begin", call_request_begin},
    {"sm_request_end", call_request_end},
    {"sm_quiesce", call_quiesce},
};

enum { ENTRY_COUNT = sizeof(entries) / sizeof(entries[0]) };
_Static_assert(sizeof(entries) / sizeof(entries[0]) < CHILD_DONE, "a child's exit status names its entry");

/* A backlog behind a reader, an open batch of an owner in its iteration, and something for every entry. */
static void scene_open(struct scene *scene, struct graph *graph)
{
    struct sm_manager *mm = graph->mm;
    *scene = (struct scene){.graph = graph};
    scene->node = graph->roots[0] = node_new(graph, 1);
    scene->destructible = graph->roots[1] = node_try(graph, graph->destructible_type, 2, 0);
    scene->unwanted = node_new(graph, 3);
    scene->cell = sm_weak_make(mm, &scene->node->header);
    graph->roots[2] = (struct node *)scene->cell;
    scene->local = sm_alloc_value(mm, value_of(scene));
    scene->persistent = sm_handle_persist(mm, scene->local);
    scene->bytes = sm_alloc_bytes(mm, 16);
    scene->bytes_handle = sm_bytes_handle(mm, scene->bytes);
    scene->buffer = sm_buffer_create(mm, 16);
    scene->scope = sm_scope_open(mm);
    reader_start(&scene->reader, mm);
    reader_do(&scene->reader, READER_PIN);
    graph_retire_one(graph);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    graph_retire_one(graph);
}

static void scene_close(struct scene *scene)
{
    reader_stop(&scene->reader);
    scene->graph->roots[2] = NULL;
}

/* What a refused call must not have moved. */
struct figures {
    uint64_t alloc_count, live_objects, retired_objects, committed_bytes, cycles, destructors, requests, open_objects;
};

static struct figures figures_of(const struct graph *graph)
{
    struct sm_stats stats = graph_stats(graph);
    return (struct figures){
        stats.alloc_count, stats.live_objects,    stats.retired_objects, stats.committed_bytes,
        stats.cycles,      stats.destructors_run, stats.requests,        graph_epoch(graph)->open.object_count};
}

static bool nothing_moved(const struct scene *scene, const struct figures *before)
{
    struct figures after = figures_of(scene->graph);
    return memcmp(before, &after, sizeof(after)) == 0 && node_is_intact(scene->node) &&
           node_is_intact(scene->unwanted) && graph_is_valid(scene->graph, scene->unwanted);
}

/* ---- The owner: nothing is refused. ---- */

static void owner_calls(struct graph *graph)
{
    struct scene scene;
    scene_open(&scene, graph);
    reader_do(&scene.reader, READER_UNPIN);
    sm_unpin(sm_owner_guard(graph->mm));
    scene.refusal = SM_ERR_FORKED;
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        sm_status status = entries[i].call(&scene);
        if (status == SM_ERR_FORKED || status == SM_ERR_WRONG_THREAD)
            fail_msg("%s: %s", entries[i].name, sm_status_name(status));
    }
    scene_close(&scene);
}

static void test_the_owner_is_refused_nothing(void **state)
{
    (void)state;
    in_every_variant(owner_calls);
}

/* ---- R14: a forked child. ---- */

/* The number of the first entry that let the child in; CHILD_DONE when none did. */
static int child_calls(struct scene *scene)
{
    struct sm_manager *mm = scene->graph->mm;
    struct sm_guard *guard = NULL;
    for (int i = 0; i < ENTRY_COUNT; i++) {
        mm->error.status = SM_OK;
        if (entries[i].call(scene) != SM_ERR_FORKED || sm_error_status(mm) != SM_ERR_FORKED)
            return i;
    }
    return sm_observer_register(mm, "child", &guard) == SM_ERR_FORKED && guard == NULL ? CHILD_DONE : ENTRY_COUNT;
}

static int child_result(struct scene *scene)
{
    alarm(CHILD_SECONDS); /* ends a child that waits for a thread that it lost */
    struct figures before = figures_of(scene->graph);
    int result = child_calls(scene);
    sm_manager_destroy(scene->graph->mm);
    if (result != CHILD_DONE)
        return result;
    return nothing_moved(scene, &before) ? CHILD_DONE : CHILD_MOVED_SOMETHING;
}

static void fork_and_call(struct graph *graph)
{
    struct scene scene;
    scene_open(&scene, graph);
    scene.refusal = SM_ERR_FORKED;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_result(&scene));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) < ENTRY_COUNT)
        fail_msg("%s lets a forked child in", entries[WEXITSTATUS(status)].name);
    assert_int_equal(WEXITSTATUS(status), CHILD_DONE);
    /* The parent's backlog is its own still, and drains. */
    reader_do(&scene.reader, READER_UNPIN);
    sm_unpin(sm_owner_guard(graph->mm));
    assert_true(graph_reclaims(graph, 2));
    scene_close(&scene);
}

static void test_R14_every_entry_fails_in_a_forked_child_and_destroy_leaves_all_alone(void **state)
{
    (void)state;
    in_every_variant(fork_and_call);
}

/* ---- R1: an observer. ---- */

struct intruder {
    struct scene *scene;
    size_t refused_count; /**< of the entries, in their order, until one was let in */
};

static void *intrude(void *context)
{
    struct intruder *intruder = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(intruder->scene->graph->mm, "intruder", &guard) != SM_OK)
        return NULL;
    sm_pin(guard, SM_HERE);
    size_t i = 0;
    while (i < ENTRY_COUNT && entries[i].call(intruder->scene) == SM_ERR_WRONG_THREAD)
        i++;
    intruder->refused_count = i;
    sm_unpin(guard);
    sm_observer_unregister(guard);
    return NULL;
}

static void observe_and_call(struct graph *graph)
{
    struct scene scene;
    pthread_t thread;
    scene_open(&scene, graph);
    scene.refusal = SM_ERR_WRONG_THREAD;
    struct figures before = figures_of(graph);
    struct intruder intruder = {.scene = &scene};
    assert_int_equal(pthread_create(&thread, NULL, intrude, &intruder), 0);
    pthread_join(thread, NULL);
    if (intruder.refused_count < ENTRY_COUNT)
        fail_msg("%s lets an observer in", entries[intruder.refused_count].name);
    assert_true(nothing_moved(&scene, &before));
    assert_int_equal(sm_error_status(graph->mm), SM_OK); /* the line is the owner's */
    reader_do(&scene.reader, READER_UNPIN);
    sm_unpin(sm_owner_guard(graph->mm));
    scene_close(&scene);
}

static void test_R1_every_entry_of_the_owner_is_refused_to_an_observer(void **state)
{
    (void)state;
    in_every_variant(observe_and_call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_owner_is_refused_nothing),
        cmocka_unit_test(test_R14_every_entry_fails_in_a_forked_child_and_destroy_leaves_all_alone),
        cmocka_unit_test(test_R1_every_entry_of_the_owner_is_refused_to_an_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
