#include "observers.h"

#include "object_sanity.h"
#include "quantities.h"
#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "workloads/random.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WALK_LENGTH = 64, STALL_POLL_NS = 1000000, REGISTER_POLL_NS = 100000 };

struct observer {
    struct hx_observers *all;
    unsigned index;
    pthread_t thread;
    struct sm_guard *guard;
    struct wl_random random;
    bool has_stalled;
    sm_status registered;
    struct hx_observers_result result;
};

struct hx_observers {
    struct hx_observers_config config;
    struct sm_root_provider roots; /* a copy: the table belongs to the owner */
    bool stop;                     /* relaxed: nothing is published through it */
    sem_t registered;              /* posted once by each thread */
    unsigned count;
    struct observer observers[HX_OBSERVERS_MAX];
};

/* Picks one of the edges it is shown, each with equal chance. */
struct edge_picker {
    struct sm_visitor visitor;
    struct wl_random *random;
    uint64_t seen;
    struct sm_object *picked;
};

static void pick_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct edge_picker *picker = (struct edge_picker *)visitor;
    picker->seen++;
    if (wl_random_below(picker->random, picker->seen) == 0)
        picker->picked = target;
}

static bool should_stop(const struct hx_observers *all)
{
    return __atomic_load_n(&all->stop, __ATOMIC_RELAXED);
}

static bool check_object(struct observer *observer, const struct sm_object *object)
{
    observer->result.objects_read++;
    if (hx_object_is_sane(observer->all->config.mm, object))
        return true;
    observer->result.broken_objects++;
    return false;
}

/* Walks from the roots; returns the last object met, or NULL. Under the observer's guard. */
static struct sm_object *walk(struct observer *observer)
{
    const struct hx_observers *all = observer->all;
    if (all->roots.enumerate == NULL)
        return NULL;
    struct edge_picker picker = {.visitor = {.edge = pick_edge, .shared = true}, .random = &observer->random};
    all->roots.enumerate(all->roots.context, &picker.visitor);
    struct sm_object *object = NULL;
    for (unsigned hops = 0; hops < WALK_LENGTH && picker.picked != NULL; hops++) {
        object = picker.picked;
        if (!check_object(observer, object))
            return NULL;
        picker.picked = NULL;
        picker.seen = 0;
        sm_trace(all->config.mm, object, &picker.visitor);
    }
    return object;
}

static bool must_stall(const struct observer *observer)
{
    const struct hx_observers_config *config = &observer->all->config;
    return config->stall != NULL && config->stall->observer == observer->index && !observer->has_stalled &&
           hx_control_clock(config->control) >= config->stall->at_bytes;
}

/* Under the guard: what was reachable when it began must still be whole when it ends. */
static void hold_guard(struct observer *observer, const struct sm_object *object)
{
    uint64_t duration_ns = observer->all->config.stall->duration_ns;
    uint64_t start_ns = hx_now_ns();
    struct timespec nap = {0, STALL_POLL_NS};
    while (!should_stop(observer->all) && (duration_ns == HX_STALL_FOREVER || hx_now_ns() - start_ns < duration_ns))
        nanosleep(&nap, NULL);
    if (object != NULL)
        check_object(observer, object);
    observer->has_stalled = true;
}

static void observe_once(struct observer *observer)
{
    if (must_stall(observer)) {
        sm_pin(observer->guard, SM_HERE " (--stall)");
        hold_guard(observer, walk(observer));
    } else {
        sm_pin(observer->guard, SM_HERE);
        walk(observer);
    }
    sm_unpin(observer->guard);
    observer->result.guards++;
}

static void *run(void *context)
{
    struct observer *observer = (struct observer *)context;
    struct hx_observers *all = observer->all;
    char name[32];
    snprintf(name, sizeof(name), "observer-%u", observer->index);
    observer->registered = sm_observer_register(all->config.mm, name, &observer->guard);
    sem_post(&all->registered);
    if (observer->registered != SM_OK)
        return NULL;
    while (!should_stop(all)) {
        observe_once(observer);
        sched_yield();
    }
    sm_observer_unregister(observer->guard);
    return NULL;
}

static void copy_provider(struct hx_observers *all)
{
    if (all->config.observed_roots == NULL)
        return;
    const struct sm_root_provider *provider;
    for (size_t i = 0; (provider = sm_roots_get(all->config.mm, i)) != NULL; i++)
        if (strcmp(provider->name, all->config.observed_roots) == 0)
            all->roots = *provider;
}

static sm_status fail_start(struct sm_error *error, sm_status status, const char *reason)
{
    error->status = status;
    snprintf(error->detail, sizeof(error->detail), "--observers: %s", reason);
    return status;
}

static bool start_thread(struct hx_observers *all)
{
    struct observer *observer = &all->observers[all->count];
    observer->all = all;
    observer->index = all->count;
    observer->random = wl_random_seeded(all->config.seed + all->count);
    if (pthread_create(&observer->thread, NULL, run, observer) != 0)
        return false;
    all->count++;
    return true;
}

/* Waits until each thread that was started has tried to register. The manager admits observers at the owner's safepoints. */
static sm_status await_registered(struct hx_observers *all)
{
    const struct timespec nap = {0, REGISTER_POLL_NS};
    for (unsigned i = 0; i < all->count; i++) {
        while (sem_trywait(&all->registered) != 0) {
            assert(errno == EAGAIN || errno == EINTR);
            sm_safepoint(all->config.mm);
            nanosleep(&nap, NULL);
        }
    }
    for (unsigned i = 0; i < all->count; i++)
        if (all->observers[i].registered != SM_OK)
            return all->observers[i].registered;
    return all->count == all->config.count ? SM_OK : SM_ERR_SYSTEM;
}

sm_status hx_observers_start(const struct hx_observers_config *config, struct hx_observers **observers,
                             struct sm_error *error)
{
    assert(config->count > 0 && config->count <= HX_OBSERVERS_MAX);
    struct hx_observers *all = (struct hx_observers *)calloc(1, sizeof(*all));
    if (all == NULL)
        return fail_start(error, SM_ERR_OUT_OF_MEMORY, "out of memory");
    all->config = *config;
    copy_provider(all);
    sem_init(&all->registered, 0, 0);
    while (all->count < config->count && start_thread(all))
        continue;
    sm_status status = await_registered(all);
    if (status == SM_OK) {
        *observers = all;
        return SM_OK;
    }
    hx_observers_stop(all);
    return fail_start(error, status, sm_status_name(status));
}

uint64_t hx_observers_cpu_ns(const struct hx_observers *all)
{
    uint64_t sum_ns = 0;
    for (unsigned i = 0; all != NULL && i < all->count; i++)
        sum_ns += hx_cpu_ns_of(all->observers[i].thread);
    return sum_ns;
}

struct hx_observers_result hx_observers_stop(struct hx_observers *all)
{
    struct hx_observers_result sum = {0, 0, 0};
    if (all == NULL)
        return sum;
    __atomic_store_n(&all->stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < all->count; i++) {
        pthread_join(all->observers[i].thread, NULL);
        sum.guards += all->observers[i].result.guards;
        sum.objects_read += all->observers[i].result.objects_read;
        sum.broken_objects += all->observers[i].result.broken_objects;
    }
    sem_destroy(&all->registered);
    free(all);
    return sum;
}
