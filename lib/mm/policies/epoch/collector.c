/* Jobs beside the program. */
#include "epoch/collector.h"

#include "epoch/heap.h"

#include "background.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Steps, on whatever thread has the job. ---- */

/* What the program has logged; false: nothing. */
static bool take_shared(struct epoch_collector *collector)
{
    pthread_mutex_lock(&collector->lock);
    struct epoch_log_chunk *chunk = epoch_log_take(&collector->shared);
    pthread_mutex_unlock(&collector->lock);
    if (chunk == NULL)
        return false;
    for (size_t i = 0; i < chunk->count; i++)
        epoch_marker_visit(collector->marker, (struct sm_object *)chunk->entries[i]);
    free(chunk);
    return true;
}

static bool mark_step(struct epoch_collector *collector, uint64_t *done)
{
    return epoch_marker_drain_some(collector->marker, EPOCH_COLLECTOR_STEP, done) && !take_shared(collector);
}

static bool sweep_step(struct epoch_collector *collector, uint64_t *done)
{
    struct epoch_batch batch = {0};
    for (int i = 0; i < 16; i++, ++*done)
        if (!epoch_heap_sweep_one(collector->heap, &collector->unconcluded, &batch)) {
            epoch_collector_add_swept(collector, &batch);
            return true;
        }
    epoch_collector_add_swept(collector, &batch);
    return false;
}

/* Returns whether nothing is left. */
static bool step(struct epoch_collector *collector, enum epoch_job job, uint64_t *done)
{
    if (job == EPOCH_JOB_MARK)
        return mark_step(collector, done);
    return job != EPOCH_JOB_SWEEP || sweep_step(collector, done);
}

/* ---- The thread. ---- */

/* Under the lock. */
static void set_done(struct epoch_collector *collector, bool is_done)
{
    atomic_store_explicit(&collector->is_done, is_done, memory_order_relaxed);
    pthread_cond_broadcast(&collector->rested);
}

static bool must_stop(const struct epoch_collector *collector)
{
    return atomic_load_explicit(&collector->must_stop, memory_order_relaxed);
}

static bool has_work(const struct epoch_collector *collector)
{
    return collector->job != EPOCH_JOB_NONE && !must_stop(collector) && !epoch_collector_is_done(collector);
}

/* Until done, or the owner wants it. Called and left with the lock held. */
static void work(struct epoch_collector *collector)
{
    enum epoch_job job = collector->job;
    uint64_t done = 0, start_ns = sm_thread_cpu_ns();
    bool is_done = false;
    collector->is_running = true;
    pthread_mutex_unlock(&collector->lock);
    while (!is_done && !must_stop(collector))
        is_done = step(collector, job, &done);
    pthread_mutex_lock(&collector->lock);
    collector->marked_objects += done;
    collector->cpu_ns += sm_thread_cpu_ns() - start_ns;
    collector->is_running = false;
    /* The owner may have handed over more between the last look and the lock. */
    set_done(collector, is_done && collector->shared.count == 0);
    if (is_done)
        sm_attention_request(collector->mm);
}

static void *collector_main(void *context)
{
    struct epoch_collector *collector = context;
    pthread_mutex_lock(&collector->lock);
    while (!collector->ends) {
        if (has_work(collector))
            work(collector);
        else
            pthread_cond_wait(&collector->work, &collector->lock);
    }
    pthread_mutex_unlock(&collector->lock);
    return NULL;
}

static void destroy_primitives(struct epoch_collector *collector)
{
    pthread_cond_destroy(&collector->rested);
    pthread_cond_destroy(&collector->work);
    pthread_mutex_destroy(&collector->lock);
}

sm_status epoch_collector_init(struct epoch_collector *collector, struct sm_manager *mm, struct epoch_heap *heap,
                               struct epoch_marker *marker, bool has_thread)
{
    *collector = (struct epoch_collector){.mm = mm, .heap = heap, .marker = marker, .has_thread = has_thread};
    pthread_mutex_init(&collector->lock, NULL);
    (void)sm_condition_init(&collector->work);
    (void)sm_condition_init(&collector->rested);
    int failed = has_thread ? sm_thread_start(&collector->thread, collector_main, collector) : 0;
    if (failed == 0)
        return SM_OK;
    destroy_primitives(collector);
    return sm_policy_fail(mm, SM_ERR_SYSTEM, "policy epoch: the system refused the collector's thread (error %d)",
                          failed);
}

void epoch_collector_finish(struct epoch_collector *collector)
{
    pthread_mutex_lock(&collector->lock);
    collector->ends = true;
    atomic_store_explicit(&collector->must_stop, true, memory_order_relaxed);
    pthread_cond_broadcast(&collector->work);
    pthread_mutex_unlock(&collector->lock);
    if (collector->has_thread)
        pthread_join(collector->thread, NULL);
    epoch_log_clear(&collector->shared);
    destroy_primitives(collector);
}

/* ---- The owner's side. ---- */

void epoch_collector_begin(struct epoch_collector *collector, enum epoch_job job)
{
    pthread_mutex_lock(&collector->lock);
    SM_ASSERT(!collector->is_running);
    if (job == EPOCH_JOB_MARK)
        collector->marked_objects = collector->cpu_ns = 0;
    collector->job = job;
    pthread_mutex_unlock(&collector->lock);
    epoch_collector_resume(collector);
}

void epoch_collector_resume(struct epoch_collector *collector)
{
    pthread_mutex_lock(&collector->lock);
    atomic_store_explicit(&collector->must_stop, false, memory_order_relaxed);
    atomic_store_explicit(&collector->is_done, collector->job == EPOCH_JOB_NONE, memory_order_relaxed);
    pthread_cond_signal(&collector->work);
    pthread_mutex_unlock(&collector->lock);
}

void epoch_collector_hand(struct epoch_collector *collector, struct epoch_log *log)
{
    pthread_mutex_lock(&collector->lock);
    epoch_log_splice(&collector->shared, log);
    atomic_store_explicit(&collector->is_done, false, memory_order_relaxed);
    pthread_cond_signal(&collector->work);
    pthread_mutex_unlock(&collector->lock);
}

void epoch_collector_stop(struct epoch_collector *collector)
{
    pthread_mutex_lock(&collector->lock);
    atomic_store_explicit(&collector->must_stop, true, memory_order_relaxed);
    while (collector->is_running)
        pthread_cond_wait(&collector->rested, &collector->lock);
    pthread_mutex_unlock(&collector->lock);
}

bool epoch_collector_work(struct epoch_collector *collector, uint64_t budget)
{
    uint64_t done = 0;
    bool is_done = false;
    while (!is_done && done < budget)
        is_done = step(collector, collector->job, &done);
    collector->marked_objects += done;
    atomic_store_explicit(&collector->is_done, is_done, memory_order_relaxed);
    return is_done;
}

bool epoch_collector_wait(struct epoch_collector *collector, uint64_t timeout_ns)
{
    struct timespec deadline = sm_deadline_after(timeout_ns);
    int failed = 0;
    pthread_mutex_lock(&collector->lock);
    while (!epoch_collector_is_done(collector) && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&collector->rested, &collector->lock, &deadline);
    bool is_done = epoch_collector_is_done(collector);
    pthread_mutex_unlock(&collector->lock);
    return is_done;
}

void epoch_collector_add_swept(struct epoch_collector *collector, struct epoch_batch *batch)
{
    pthread_mutex_lock(&collector->lock);
    epoch_batch_splice(&collector->swept, batch);
    pthread_mutex_unlock(&collector->lock);
}

void epoch_collector_take_swept(struct epoch_collector *collector, struct epoch_batch *batch)
{
    pthread_mutex_lock(&collector->lock);
    epoch_batch_splice(batch, &collector->swept);
    pthread_mutex_unlock(&collector->lock);
}
