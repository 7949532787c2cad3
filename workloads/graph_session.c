/* What workloads without a VM share: creation, roots, steps, faults, the checksum. */
#include "graph_session.h"

#include <stdio.h>
#include <string.h>

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    const struct graph_session *session = (const struct graph_session *)context;
    for (size_t i = 0; i < GRAPH_ROOT_COUNT; i++)
        sm_visit_pointer(visitor, &session->roots[i]);
}

static void copy_error(const struct graph_session *session, struct sm_error *error)
{
    struct sm_manager *mm = session->instance.mm;
    error->status = sm_error_status(mm);
    snprintf(error->detail, sizeof(error->detail), "%s", sm_error_detail(mm));
}

/* Under FPM all of the program is one request, which never ends. */
static sm_status start(struct graph_session *session)
{
    struct sm_manager *mm = session->instance.mm;
    sm_status status = sm_roots_register(mm, &(struct sm_root_provider){"globals", enumerate_roots, session});
    if (status == SM_OK && sm_manager_sapi(mm) == SM_SAPI_FPM)
        status = sm_request_begin(mm);
    return status;
}

sm_status graph_session_open(struct graph_session *session, const struct wl_ops *ops, const struct wl_config *config,
                             struct sm_error *error)
{
    struct wl_instance *instance = &session->instance;
    sm_status status = sm_manager_create(&config->manager, &instance->mm, error);
    if (status != SM_OK)
        return status;
    instance->ops = ops;
    instance->checksum = WL_CHECKSUM_START;
    instance->observed_roots = "globals";
    session->seed = config->seed;
    session->fault = config->fault;
    session->fault_period = config->fault_period;
    status = start(session);
    if (status == SM_OK)
        return SM_OK;
    if (error != NULL)
        copy_error(session, error);
    graph_session_close(session);
    return status;
}

void graph_session_close(struct graph_session *session)
{
    sm_manager_destroy(session->instance.mm);
    session->instance.mm = NULL;
}

bool graph_session_run(struct graph_session *session, const char *site, bool (*body)(struct graph_session *session))
{
    struct sm_manager *mm = session->instance.mm;
    struct sm_guard *guard = sm_owner_guard(mm);
    sm_pin(guard, site);
    bool done = body(session);
    if (done)
        sm_safepoint(mm);
    else
        copy_error(session, &session->instance.error);
    sm_unpin(guard);
    return done;
}

sm_status graph_session_boot(struct graph_session *session, const char *site,
                             bool (*body)(struct graph_session *session), struct sm_error *error)
{
    if (graph_session_run(session, site, body))
        return SM_OK;
    if (error != NULL)
        *error = session->instance.error;
    return session->instance.error.status;
}

enum wl_step graph_session_step(struct graph_session *session, const char *site,
                                bool (*body)(struct graph_session *session))
{
    if (!graph_session_run(session, site, body))
        return WL_STEP_FAILED;
    session->instance.steps_done++;
    return WL_STEP_MORE;
}

/* What values say to a policy that counts everything; one that traces hears nothing. */
static struct sm_value edge_to(void *object)
{
    return sm_value_from_object((struct sm_object *)object, 0);
}

void graph_drop(struct graph_session *session, void *object)
{
    if (object != NULL)
        sm_value_drop(session->instance.mm, edge_to(object));
}

void graph_root_take(struct graph_session *session, size_t root, void *object)
{
    struct sm_object *old = session->roots[root];
    /* Pairs with the acquire in sm_visit_pointer: an observer sees the object whole. */
    __atomic_store_n(&session->roots[root], (struct sm_object *)object, __ATOMIC_RELEASE);
    graph_drop(session, old);
}

bool graph_fault_strikes(const struct graph_session *session, enum wl_fault fault)
{
    return session->fault == fault && session->instance.steps_done + 1 == session->fault_period;
}

static bool leak_strikes(struct graph_session *session)
{
    if (session->fault != WL_FAULT_LEAK || session->fault_period == 0)
        return false;
    return ++session->dying_count % session->fault_period == 0;
}

/* The list's cell takes over the head's count, and has its own of the object. */
bool graph_dies(struct graph_session *session, void *object)
{
    struct sm_manager *mm = session->instance.mm;
    if (!leak_strikes(session))
        return true;
    struct sm_object *cell = sm_alloc(mm, SM_TYPE_VALUES, 2 * sizeof(struct sm_value));
    if (cell == NULL)
        return false;
    struct sm_value *slots = (struct sm_value *)sm_payload(cell);
    struct sm_object *previous = session->roots[GRAPH_ROOT_LEAKS];
    sm_store(mm, cell, &slots[0], edge_to(object));
    if (previous != NULL)
        sm_store_move(mm, cell, &slots[1], edge_to(previous));
    __atomic_store_n(&session->roots[GRAPH_ROOT_LEAKS], cell, __ATOMIC_RELEASE);
    return true;
}

bool graph_root_die(struct graph_session *session, size_t root)
{
    if (!graph_dies(session, session->roots[root]))
        return false;
    graph_root_take(session, root, NULL);
    return true;
}
