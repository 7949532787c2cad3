/**
 * A manager whose owner is a thread of its own that waits at a safepoint, so that benchmark threads can be observers.
 *
 * Shared by the threads of one run: the first to arrive starts it, the last to leave ends it. Threads: any.
 */
#ifndef OBSERVED_OWNER_H
#define OBSERVED_OWNER_H

#include "sapimem/manager.h"

#include <pthread.h>
#include <semaphore.h>

struct observed_owner {
    const char *policy;
    pthread_mutex_t lock;
    unsigned user_count;
    pthread_t thread;
    sem_t ready, leave;
    struct sm_manager *mm; /**< NULL: refused, and `error` says why */
    struct sm_error error;
};

/** The manager, or NULL. Each call is matched by a release, whatever it returned. */
struct sm_manager *observed_owner_acquire(struct observed_owner *owner);
void observed_owner_release(struct observed_owner *owner);

#endif
