#include "epoch_reader.h"

enum { PATIENCE_MS = 20000, NOT_YET_MS = 20 };

const char *const epoch_flavors[EPOCH_FLAVOR_COUNT] = {"memb", "qsbr", "mb", "bp"};

static void reader_act(struct sm_guard *guard, enum reader_step step)
{
    switch (step) {
    case READER_PIN:
        sm_pin(guard, READER_SITE);
        return;
    case READER_UNPIN:
        sm_unpin(guard);
        return;
    case READER_REPIN:
        sm_repin(guard, READER_SITE);
        return;
    case READER_OFFLINE:
        sm_offline(guard);
        return;
    case READER_ONLINE:
        sm_online(guard);
        return;
    case READER_END:
        sm_observer_unregister(guard);
        return;
    }
}

static void *reader_main(void *context)
{
    struct reader *reader = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(reader->mm, READER_NAME, &guard) != SM_OK)
        return NULL;
    enum reader_step step;
    do {
        sem_post(&reader->done);
        sem_wait(&reader->go);
        step = reader->step;
        reader_act(guard, step);
    } while (step != READER_END);
    sem_post(&reader->done);
    return NULL;
}

void reader_start(struct reader *reader, struct sm_manager *mm)
{
    *reader = (struct reader){.mm = mm};
    assert_int_equal(sm_observers_allow(mm), SM_OK);
    sem_init(&reader->go, 0, 0);
    sem_init(&reader->done, 0, 0);
    assert_int_equal(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
    sem_wait(&reader->done);
}

void reader_do(struct reader *reader, enum reader_step step)
{
    reader->step = step;
    sem_post(&reader->go);
    sem_wait(&reader->done);
}

void reader_stop(struct reader *reader)
{
    reader_do(reader, READER_END);
    pthread_join(reader->thread, NULL);
    sem_destroy(&reader->go);
    sem_destroy(&reader->done);
}

void graph_open_flavor(struct graph *graph, const char *flavor, const char *more)
{
    char policy[128];
    snprintf(policy, sizeof(policy), "epoch:flavor=%s%s", flavor, more);
    graph_open_policy(graph, policy);
}

static void run_body(struct graph *graph, reader_body *body)
{
    struct reader reader;
    reader_start(&reader, graph->mm);
    body(graph, &reader);
    reader_stop(&reader);
    graph_close(graph);
}

void with_reader(const char *policy, reader_body *body)
{
    struct graph graph;
    graph_open_policy(&graph, policy);
    run_body(&graph, body);
}

void with_reader_in_every_flavor(reader_body *body)
{
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        struct graph graph;
        graph_open_flavor(&graph, epoch_flavors[f], "");
        run_body(&graph, body);
    }
}

void graph_retire_one(struct graph *graph)
{
    sm_retire(graph->mm, &node_new(graph, 1)->header);
}

bool graph_reclaims_while_idle(struct graph *graph, uint64_t object_count)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        if (graph_stats(graph).reclaimed_objects >= object_count)
            return true;
        sleep_ms(1);
    }
    return false;
}

uint64_t graph_reclaimed_after_a_while(struct graph *graph)
{
    sleep_ms(NOT_YET_MS);
    return graph_stats(graph).reclaimed_objects;
}
