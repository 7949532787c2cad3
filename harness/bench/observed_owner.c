#include "observed_owner.h"

#include "sapimem/epoch.h"

#include <errno.h>

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR)
        continue;
}

static void *own(void *argument)
{
    struct observed_owner *owner = argument;
    const struct sm_config config = {.policy = owner->policy, .pacing = "never"};
    struct sm_manager *mm = NULL;
    if (sm_manager_create(&config, &mm, &owner->error) == SM_OK)
        (void)sm_observers_allow(mm);
    owner->mm = mm;
    sem_post(&owner->ready);
    wait_for(&owner->leave);
    sm_manager_destroy(mm);
    return NULL;
}

static bool start(struct observed_owner *owner)
{
    owner->mm = NULL;
    owner->error = (struct sm_error){SM_ERR_SYSTEM, "no thread for the owner"};
    sem_init(&owner->ready, 0, 0);
    sem_init(&owner->leave, 0, 0);
    if (pthread_create(&owner->thread, NULL, own, owner) != 0)
        return false;
    wait_for(&owner->ready);
    return true;
}

static void end(struct observed_owner *owner)
{
    sem_post(&owner->leave);
    pthread_join(owner->thread, NULL);
    sem_destroy(&owner->ready);
    sem_destroy(&owner->leave);
    owner->mm = NULL;
}

struct sm_manager *observed_owner_acquire(struct observed_owner *owner)
{
    pthread_mutex_lock(&owner->lock);
    if (owner->user_count > 0 || start(owner))
        owner->user_count++;
    struct sm_manager *mm = owner->mm;
    pthread_mutex_unlock(&owner->lock);
    return mm;
}

void observed_owner_release(struct observed_owner *owner)
{
    pthread_mutex_lock(&owner->lock);
    if (owner->user_count > 0 && --owner->user_count == 0)
        end(owner);
    pthread_mutex_unlock(&owner->lock);
}
