/* Grace periods and release: on our own thread, or inline. */
#include "epoch/reclaimer.h"

#include "assertion.h"
#include "pause.h"
#include "sapimem/policy.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { SLICE_OBJECTS = 4096 };
#define DESTROY_WAIT_NS UINT64_C(1000000000)

/* `mm` is NULL once the reclaimer is abandoned. Committed bytes fall after the memory is really free. */
static void release_group(struct epoch_reclaimer *reclaimer, struct epoch_batch *group, struct sm_manager *mm)
{
    while (group->object_count > 0) {
        uint64_t block_bytes = epoch_heap_release(group, SLICE_OBJECTS, &reclaimer->reclaimed);
        if (mm != NULL)
            sm_unreserve(mm, block_bytes);
        uint64_t before = atomic_fetch_sub_explicit(&reclaimer->backlog_bytes, block_bytes, memory_order_relaxed);
        SM_ASSERT(before >= block_bytes);
        (void)before;
    }
}

/* Under the lock. */
static struct epoch_batch take_queue(struct epoch_reclaimer *reclaimer)
{
    struct epoch_batch group = reclaimer->queue;
    reclaimer->queue = (struct epoch_batch){0};
    return group;
}

/* Under the lock. */
static void set_phase(struct epoch_reclaimer *reclaimer, enum epoch_phase phase)
{
    uint64_t awaited = phase == EPOCH_PHASE_WAITING ? reclaimer->queued_sequence : 0;
    reclaimer->phase = phase;
    atomic_store_explicit(&reclaimer->awaited_sequence, awaited, memory_order_relaxed);
    pthread_cond_broadcast(&reclaimer->done);
}

/* One group, from the queue to mimalloc. Called and left with the lock held. */
static void reclaim_group(struct epoch_reclaimer *reclaimer)
{
    struct epoch_batch group = take_queue(reclaimer);
    uint64_t sequence = reclaimer->queued_sequence;
    set_phase(reclaimer, EPOCH_PHASE_WAITING);
    /* R4: an owner that never leaves its iteration repins at its next safepoint. */
    if (reclaimer->threaded && !reclaimer->abandoned)
        sm_attention_request(reclaimer->mm);
    pthread_mutex_unlock(&reclaimer->lock);
    reclaimer->flavor->synchronize(); /* R2: liburcu alone decides; every guard active at retirement has ended */
    pthread_mutex_lock(&reclaimer->lock);
    struct sm_manager *mm = reclaimer->abandoned ? NULL : reclaimer->mm;
    set_phase(reclaimer, EPOCH_PHASE_RELEASING); /* from here abandonment waits */
    pthread_mutex_unlock(&reclaimer->lock);
    if (mm != NULL)
        sm_guards_synchronized(mm);
    release_group(reclaimer, &group, mm);
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->done_sequence = sequence;
    set_phase(reclaimer, EPOCH_PHASE_IDLE);
}

static void reclaimer_free(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(reclaimer->queue.object_count == 0);
    pthread_cond_destroy(&reclaimer->done);
    pthread_cond_destroy(&reclaimer->work);
    pthread_mutex_destroy(&reclaimer->lock);
    free(reclaimer);
}

static void *reclaimer_main(void *context)
{
    struct epoch_reclaimer *reclaimer = context;
    pthread_mutex_lock(&reclaimer->lock);
    for (;;) {
        while (reclaimer->queue.object_count == 0 && !reclaimer->stop)
            pthread_cond_wait(&reclaimer->work, &reclaimer->lock);
        if (reclaimer->queue.object_count == 0)
            break;
        reclaim_group(reclaimer);
    }
    bool abandoned = reclaimer->abandoned;
    pthread_mutex_unlock(&reclaimer->lock);
    if (abandoned)
        reclaimer_free(reclaimer);
    return NULL;
}

/* The embedder's signals are for its own threads: ours blocks them all. */
static int start_thread(struct epoch_reclaimer *reclaimer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&reclaimer->thread, NULL, reclaimer_main, reclaimer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Deadlines are on the monotonic clock, whatever happens to the wall's. */
static void init_conditions(struct epoch_reclaimer *reclaimer)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reclaimer->work, &monotonic);
    pthread_cond_init(&reclaimer->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

sm_status epoch_reclaimer_create(struct sm_manager *mm, const struct epoch_flavor *flavor, bool threaded,
                                 struct epoch_reclaimer **reclaimer)
{
    struct epoch_reclaimer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy epoch: no memory for the reclaimer");
    made->mm = mm;
    made->flavor = flavor;
    made->threaded = threaded;
    pthread_mutex_init(&made->lock, NULL);
    init_conditions(made);
    int failed = threaded ? start_thread(made) : 0;
    if (failed != 0) {
        reclaimer_free(made);
        return sm_policy_fail(mm, SM_ERR_SYSTEM, "policy epoch: the system refused the reclaimer thread (error %d)",
                              failed);
    }
    *reclaimer = made;
    return SM_OK;
}

void epoch_reclaimer_push(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch)
{
    SM_ASSERT(batch->object_count > 0);
    pthread_mutex_lock(&reclaimer->lock);
    SM_ASSERT(!reclaimer->stop);
    epoch_batch_splice(&reclaimer->queue, batch);
    reclaimer->queued_sequence++;
    pthread_cond_signal(&reclaimer->work);
    pthread_mutex_unlock(&reclaimer->lock);
}

static struct timespec deadline_after(uint64_t timeout_ns)
{
    uint64_t deadline_ns = sm_clock_ns() + timeout_ns;
    return (struct timespec){.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
}

/* Under the lock. False: the deadline passed. */
static bool wait_sequence(struct epoch_reclaimer *reclaimer, uint64_t sequence, uint64_t timeout_ns)
{
    struct timespec deadline = {0};
    if (timeout_ns != EPOCH_FOREVER)
        deadline = deadline_after(timeout_ns);
    while (reclaimer->done_sequence < sequence) {
        int failed = timeout_ns == EPOCH_FOREVER
                         ? pthread_cond_wait(&reclaimer->done, &reclaimer->lock)
                         : pthread_cond_timedwait(&reclaimer->done, &reclaimer->lock, &deadline);
        if (failed == ETIMEDOUT)
            return reclaimer->done_sequence >= sequence;
    }
    return true;
}

bool epoch_reclaimer_wait(struct epoch_reclaimer *reclaimer, uint64_t timeout_ns)
{
    SM_ASSERT(reclaimer->threaded);
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    pthread_mutex_lock(&reclaimer->lock);
    bool all = wait_sequence(reclaimer, reclaimer->queued_sequence, timeout_ns);
    pthread_mutex_unlock(&reclaimer->lock);
    return all;
}

void epoch_reclaimer_drain_inline(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(!reclaimer->threaded);
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    pthread_mutex_lock(&reclaimer->lock);
    if (reclaimer->queue.object_count > 0)
        reclaim_group(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
}

/* Leave thread and reclaimer to themselves. Under the lock. */
static void abandon(struct epoch_reclaimer *reclaimer)
{
    reclaimer->abandoned = true;
    sm_unreserve(reclaimer->mm, (size_t)epoch_backlog_bytes(reclaimer)); /* the manager's books close now */
    pthread_detach(reclaimer->thread);
}

/* Under the lock. Whether all is released, in time or while the thread was busy with the manager. */
static bool finish_work(struct epoch_reclaimer *reclaimer, uint64_t timeout_ns)
{
    uint64_t sequence = reclaimer->queued_sequence;
    if (wait_sequence(reclaimer, sequence, timeout_ns))
        return true;
    while (reclaimer->phase == EPOCH_PHASE_RELEASING)
        pthread_cond_wait(&reclaimer->done, &reclaimer->lock);
    return reclaimer->done_sequence >= sequence;
}

static void destroy_threaded(struct epoch_reclaimer *reclaimer)
{
    uint64_t timeout_ns = epoch_thread_in_guard() ? 0 : DESTROY_WAIT_NS;
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->stop = true;
    pthread_cond_signal(&reclaimer->work);
    bool finished = finish_work(reclaimer, timeout_ns);
    if (!finished)
        abandon(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
    if (!finished)
        return;
    pthread_join(reclaimer->thread, NULL);
    reclaimer_free(reclaimer);
}

void epoch_reclaimer_destroy(struct epoch_reclaimer *reclaimer)
{
    if (reclaimer->threaded) {
        destroy_threaded(reclaimer);
        return;
    }
    struct epoch_batch group = take_queue(reclaimer);
    release_group(reclaimer, &group, reclaimer->mm);
    reclaimer_free(reclaimer);
}
