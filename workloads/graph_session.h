/**
 * A workload that drives a manager without a VM: the part of its state and life that all of them share.
 *
 * Graphs hang from a few numbered roots, which are one root provider that observers may walk too.
 */
#ifndef GRAPH_SESSION_H
#define GRAPH_SESSION_H

#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/roots.h"
#include "workloads/random.h"
#include "workloads/workload.h"

/** Root 0 heads the list of what a leak fault keeps; the others are the workload's. */
enum { GRAPH_ROOT_LEAKS = 0, GRAPH_ROOT_FIRST = 1, GRAPH_ROOT_COUNT = 4 };

/** First member of such a workload's state. */
struct graph_session {
    struct wl_instance instance; /* First: the workload interface relies on it. */
    uint64_t seed;
    enum wl_fault fault;
    uint64_t fault_period;
    uint64_t dying_count; /**< objects that a leak fault has looked at */
    struct sm_object *roots[GRAPH_ROOT_COUNT];
};

/** Create the manager and fill the session in. Errors: as sm_manager_create; nothing is left behind then. */
sm_status graph_session_open(struct graph_session *session, const struct wl_ops *ops, const struct wl_config *config,
                             struct sm_error *error);

/** Destroy the manager. */
void graph_session_close(struct graph_session *session);

/**
 * Run `body` under the owner's guard, with a safepoint at its end.
 *
 * Returns:     what `body` does. False stands for an allocation that failed: the manager's line is then the session's error.
 */
bool graph_session_run(struct graph_session *session, const char *site, bool (*body)(struct graph_session *session));

/** The same as the last part of creation: types, roots, what lives on. Errors: what failed, with the line in `error`. */
sm_status graph_session_boot(struct graph_session *session, const char *site,
                             bool (*body)(struct graph_session *session), struct sm_error *error);

/** The same as a step of the workload. */
enum wl_step graph_session_step(struct graph_session *session, const char *site,
                                bool (*body)(struct graph_session *session));

/** `root` refers to `object`, whose count it takes over, and no longer to what it did. NULL is fine. */
void graph_root_take(struct graph_session *session, size_t root, void *object);

/** Give up a count that the caller holds. */
void graph_drop(struct graph_session *session, void *object);

/** Whether `fault` strikes in the step now running. */
bool graph_fault_strikes(const struct graph_session *session, enum wl_fault fault);

/**
 * `object` is about to lose its last holder; call it before. Where a leak fault strikes it stays reachable for ever.
 *
 * Returns:     false when there was no memory to keep it.
 */
bool graph_dies(struct graph_session *session, void *object);

/** Likewise for what `root` refers to, which is let go. */
bool graph_root_die(struct graph_session *session, size_t root);

static inline struct graph_session *graph_session_of(struct wl_instance *instance)
{
    return (struct graph_session *)instance;
}

/** Fold a word into the instance's checksum. */
static inline void graph_fold(struct graph_session *session, uint64_t word)
{
    session->instance.checksum = wl_checksum_fold(session->instance.checksum, word);
}

#endif
