/* Grace periods and release: on our own thread, in line, or by liburcu's. */
#include "epoch/reclaimer.h"

#include "epoch/heap.h"

#include "assertion.h"
#include "background.h"
#include "sapimem/policy.h"

#include <errno.h>
#include <stdlib.h>

#define DESTROY_WAIT_NS UINT64_C(1000000000)

const char *const epoch_backend_names[EPOCH_BACKEND_COUNT + 1] = {
    [EPOCH_BACKEND_THREAD] = "thread",
    [EPOCH_BACKEND_INLINE] = "inline",
    [EPOCH_BACKEND_CALL_RCU] = "call_rcu",
    [EPOCH_BACKEND_DEFER_RCU] = "defer_rcu",
};

/* Whether a thread of our own works for it. */
static bool has_thread(const struct epoch_reclaimer *reclaimer)
{
    return reclaimer->backend == EPOCH_BACKEND_THREAD || reclaimer->backend == EPOCH_BACKEND_DEFER_RCU;
}

/* ---- One batch, from the queue to the pool. ---- */

/* Under the lock. */
static void set_phase(struct epoch_reclaimer *reclaimer, enum epoch_phase phase)
{
    uint64_t awaited = phase == EPOCH_PHASE_WAITING ? reclaimer->waiting_sequence : 0;
    reclaimer->phase = phase;
    atomic_store_explicit(&reclaimer->awaited_sequence, awaited, memory_order_relaxed);
    pthread_cond_broadcast(&reclaimer->done);
}

/* Under the lock: the queue's grace period begins. */
static void begin_waiting(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(reclaimer->phase == EPOCH_PHASE_IDLE);
    epoch_batch_splice(&reclaimer->waiting, &reclaimer->queue);
    reclaimer->waiting_sequence = reclaimer->queued_sequence;
    set_phase(reclaimer, EPOCH_PHASE_WAITING);
    /* R4: an owner that never leaves its iteration repins at its next safepoint. */
    if (reclaimer->backend != EPOCH_BACKEND_INLINE && !reclaimer->abandoned)
        sm_attention_request(reclaimer->mm);
}

static void add(_Atomic uint64_t *count, uint64_t amount)
{
    atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

static void count_delay(struct epoch_reclaimed *reclaimed, uint64_t sealed_ns)
{
    uint64_t delay_ns = sm_clock_ns() - sealed_ns;
    add(&reclaimed->batches, 1);
    add(&reclaimed->delay_total_ns, delay_ns);
    /* One thread at a time writes here. */
    if (delay_ns > atomic_load_explicit(&reclaimed->delay_max_ns, memory_order_relaxed))
        atomic_store_explicit(&reclaimed->delay_max_ns, delay_ns, memory_order_relaxed);
}

/* `batch` as it was before its release. The count of objects goes last and is released: who acquires it (`stats`) has seen
   these objects leave the backlog. */
static void count_released(struct epoch_reclaimer *reclaimer, const struct epoch_batch *batch)
{
    uint64_t before = atomic_fetch_sub_explicit(&reclaimer->backlog_bytes, batch->room_bytes, memory_order_relaxed);
    SM_ASSERT(before >= batch->room_bytes);
    (void)before;
    add(&reclaimer->reclaimed.payload_bytes, batch->payload_bytes);
    add(&reclaimer->reclaimed.room_bytes, batch->room_bytes);
    count_delay(&reclaimer->reclaimed, batch->sealed_ns);
    atomic_fetch_add_explicit(&reclaimer->reclaimed.objects, batch->object_count, memory_order_release);
}

/* What is released goes back to whoever needs it first, and the rest of the surplus to the system. */
static void release(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch)
{
    const struct epoch_batch before = *batch;
    sm_guards_synchronized(reclaimer->mm);
    epoch_heap_release(reclaimer->heap, batch);
    count_released(reclaimer, &before);
    /* The surplus goes back to the system; our own thread does that where nobody waits for it. */
    if (before.trims_pool && has_thread(reclaimer))
        reclaimer->is_trim_due = true;
    else if (before.trims_pool)
        (void)epoch_pool_trim(&reclaimer->heap->pool);
}

/* The grace period is over. Called and left with the lock held. */
static void end_waiting(struct epoch_reclaimer *reclaimer)
{
    struct epoch_batch batch = reclaimer->waiting;
    uint64_t sequence = reclaimer->waiting_sequence;
    reclaimer->waiting = (struct epoch_batch){0};
    if (!reclaimer->abandoned && !epoch_batch_is_empty(&batch)) {
        set_phase(reclaimer, EPOCH_PHASE_RELEASING); /* from here abandonment waits */
        pthread_mutex_unlock(&reclaimer->lock);
        release(reclaimer, &batch);
        pthread_mutex_lock(&reclaimer->lock);
    }
    reclaimer->done_sequence = sequence;
    reclaimer->is_waited_for = false;
    set_phase(reclaimer, EPOCH_PHASE_IDLE);
}

static void reclaimer_free(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(epoch_batch_is_empty(&reclaimer->queue) && epoch_batch_is_empty(&reclaimer->waiting));
    pthread_cond_destroy(&reclaimer->done);
    pthread_cond_destroy(&reclaimer->work);
    pthread_mutex_destroy(&reclaimer->lock);
    free(reclaimer);
}

/* ---- Back-ends `thread` and `defer_rcu`. ---- */

/* Called and left with the lock held. */
static void trim(struct epoch_reclaimer *reclaimer, size_t (*how)(struct epoch_pool *pool))
{
    reclaimer->is_trim_due = false;
    pthread_mutex_unlock(&reclaimer->lock);
    (void)how(&reclaimer->heap->pool);
    pthread_mutex_lock(&reclaimer->lock);
}

/* Under the lock. Returns with something in the queue, or to stop. */
static void await_work(struct epoch_reclaimer *reclaimer)
{
    bool is_trimmed = false;
    if (reclaimer->is_trim_due && !reclaimer->stop)
        trim(reclaimer, epoch_pool_trim);
    while (epoch_batch_is_empty(&reclaimer->queue) && !reclaimer->stop) {
        struct timespec deadline = sm_deadline_after(EPOCH_IDLE_TRIM_NS);
        int failed = is_trimmed ? pthread_cond_wait(&reclaimer->work, &reclaimer->lock)
                                : pthread_cond_timedwait(&reclaimer->work, &reclaimer->lock, &deadline);
        if (failed != ETIMEDOUT || !epoch_batch_is_empty(&reclaimer->queue) || reclaimer->stop)
            continue;
        /* Nothing for a while: what is free is not needed. */
        trim(reclaimer, epoch_pool_trim_all);
        is_trimmed = true;
    }
}

/* On liburcu's defer thread. */
static void deferred_until_now(void *context)
{
    struct epoch_reclaimer *reclaimer = context;
    pthread_mutex_lock(&reclaimer->lock);
    end_waiting(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
}

/* R2: liburcu alone decides; every guard active at retirement has ended. Called and left with the lock held. */
static void wait_here(struct epoch_reclaimer *reclaimer)
{
    begin_waiting(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
    reclaimer->flavor->synchronize();
    pthread_mutex_lock(&reclaimer->lock);
    end_waiting(reclaimer);
}

/* Run the ring here and now rather than when liburcu's thread comes to it. Called and left with the lock held. */
static void hurry(struct epoch_reclaimer *reclaimer)
{
    pthread_mutex_unlock(&reclaimer->lock);
    reclaimer->flavor->defer_barrier_thread();
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->is_waited_for = false;
}

/* The same by defer_rcu, which may run what is in the ring at once, and that takes the lock. */
static void wait_deferred(struct epoch_reclaimer *reclaimer)
{
    begin_waiting(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
    reclaimer->flavor->defer(deferred_until_now, reclaimer);
    pthread_mutex_lock(&reclaimer->lock);
    while (reclaimer->phase != EPOCH_PHASE_IDLE) {
        if (reclaimer->is_waited_for)
            hurry(reclaimer);
        else
            pthread_cond_wait(&reclaimer->done, &reclaimer->lock);
    }
}

/*
 * A grace period interrupts every processor, so a little garbage waits a moment for more. Called and left with the
 * lock held.
 */
static void gather(struct epoch_reclaimer *reclaimer)
{
    struct timespec deadline = sm_deadline_after(EPOCH_GATHER_NS);
    int failed = 0;
    while (reclaimer->queue.room_bytes < EPOCH_GATHER_BYTES && !reclaimer->is_waited_for && !reclaimer->stop &&
           failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&reclaimer->work, &reclaimer->lock, &deadline);
}

static void work(struct epoch_reclaimer *reclaimer, void (*wait)(struct epoch_reclaimer *reclaimer))
{
    for (;;) {
        if (!reclaimer->abandoned)
            await_work(reclaimer);
        gather(reclaimer);
        if (!epoch_batch_is_empty(&reclaimer->queue))
            wait(reclaimer);
        else if (reclaimer->stop)
            return;
        /* Otherwise a cycle has taken back meanwhile what there was. */
    }
}

static void *reclaimer_main(void *context)
{
    struct epoch_reclaimer *reclaimer = context;
    const struct epoch_flavor *flavor = reclaimer->backend == EPOCH_BACKEND_DEFER_RCU ? reclaimer->flavor : NULL;
    bool is_deferring = flavor != NULL && epoch_thread_defer_register(flavor);
    pthread_mutex_lock(&reclaimer->lock);
    /* Without memory for the ring the thread waits itself: later than never. */
    work(reclaimer, is_deferring ? wait_deferred : wait_here);
    bool abandoned = reclaimer->abandoned;
    pthread_mutex_unlock(&reclaimer->lock);
    if (abandoned)
        reclaimer_free(reclaimer);
    if (is_deferring)
        epoch_thread_defer_unregister(flavor);
    return NULL;
}

/* ---- Back-end `call_rcu`: one batch at a time is with liburcu. ---- */

static void called_back(struct epoch_deferred *deferred);

/* Under the lock. */
static void start_call(struct epoch_reclaimer *reclaimer)
{
    sigset_t before;
    begin_waiting(reclaimer);
    sm_signals_block(&before); /* the first call in the process starts liburcu's worker */
    reclaimer->flavor->call(&reclaimer->deferred, called_back);
    sm_signals_restore(&before);
}

/* On liburcu's worker thread. */
static void called_back(struct epoch_deferred *deferred)
{
    struct epoch_reclaimer *reclaimer = (struct epoch_reclaimer *)(void *)deferred;
    pthread_mutex_lock(&reclaimer->lock);
    end_waiting(reclaimer);
    bool abandoned = reclaimer->abandoned;
    if (!abandoned && !epoch_batch_is_empty(&reclaimer->queue))
        start_call(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
    if (abandoned)
        reclaimer_free(reclaimer);
}

/* ---- Beginning. ---- */

sm_status epoch_reclaimer_create(struct sm_manager *mm, struct epoch_heap *heap, const struct epoch_flavor *flavor,
                                 enum epoch_backend backend, struct epoch_reclaimer **reclaimer)
{
    struct epoch_reclaimer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy epoch: no memory for the reclaimer");
    made->mm = mm;
    made->heap = heap;
    made->flavor = flavor;
    made->backend = backend;
    pthread_mutex_init(&made->lock, NULL);
    (void)sm_condition_init(&made->work);
    (void)sm_condition_init(&made->done);
    int failed = has_thread(made) ? sm_thread_start(&made->thread, reclaimer_main, made) : 0;
    if (failed != 0) {
        reclaimer_free(made);
        return sm_policy_fail(mm, SM_ERR_SYSTEM, "policy epoch: the system refused the reclaimer thread (error %d)",
                              failed);
    }
    *reclaimer = made;
    return SM_OK;
}

/* ---- The owner's side. ---- */

void epoch_reclaimer_push(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch)
{
    SM_ASSERT(!epoch_batch_is_empty(batch));
    pthread_mutex_lock(&reclaimer->lock);
    SM_ASSERT(!reclaimer->stop);
    epoch_batch_splice(&reclaimer->queue, batch);
    reclaimer->queued_sequence++;
    if (reclaimer->backend == EPOCH_BACKEND_CALL_RCU && reclaimer->phase == EPOCH_PHASE_IDLE)
        start_call(reclaimer);
    pthread_cond_signal(&reclaimer->work);
    pthread_mutex_unlock(&reclaimer->lock);
}

void epoch_reclaimer_withdraw(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch)
{
    pthread_mutex_lock(&reclaimer->lock);
    while (reclaimer->phase == EPOCH_PHASE_RELEASING)
        pthread_cond_wait(&reclaimer->done, &reclaimer->lock);
    epoch_batch_take_living(&reclaimer->waiting, batch);
    epoch_batch_splice(batch, &reclaimer->queue);
    /* Nothing is left to wait for but what is in its grace period. */
    reclaimer->queued_sequence =
        reclaimer->phase == EPOCH_PHASE_IDLE ? reclaimer->done_sequence : reclaimer->waiting_sequence;
    pthread_mutex_unlock(&reclaimer->lock);
}

/* Under the lock. False: the deadline passed. */
static bool wait_sequence(struct epoch_reclaimer *reclaimer, uint64_t sequence, uint64_t timeout_ns)
{
    struct timespec deadline = {0};
    if (timeout_ns != EPOCH_FOREVER)
        deadline = sm_deadline_after(timeout_ns);
    while (reclaimer->done_sequence < sequence) {
        reclaimer->is_waited_for = true;
        pthread_cond_broadcast(&reclaimer->done);
        pthread_cond_signal(&reclaimer->work);
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
    SM_ASSERT(epoch_reclaimer_is_threaded(reclaimer));
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    pthread_mutex_lock(&reclaimer->lock);
    bool all = wait_sequence(reclaimer, reclaimer->queued_sequence, timeout_ns);
    pthread_mutex_unlock(&reclaimer->lock);
    return all;
}

void epoch_reclaimer_drain_inline(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(!epoch_reclaimer_is_threaded(reclaimer));
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    pthread_mutex_lock(&reclaimer->lock);
    if (!epoch_batch_is_empty(&reclaimer->queue))
        wait_here(reclaimer);
    pthread_mutex_unlock(&reclaimer->lock);
}

void epoch_reclaimer_release_unread(struct epoch_reclaimer *reclaimer)
{
    SM_ASSERT(!epoch_reclaimer_is_threaded(reclaimer));
    pthread_mutex_lock(&reclaimer->lock);
    if (!epoch_batch_is_empty(&reclaimer->queue)) {
        begin_waiting(reclaimer);
        end_waiting(reclaimer);
    }
    pthread_mutex_unlock(&reclaimer->lock);
}

/* ---- The end. ---- */

/* Under the lock. Whether nobody waits any more; in the end a release that has begun is waited for in any case. */
static bool is_idle_within(struct epoch_reclaimer *reclaimer, uint64_t timeout_ns)
{
    struct timespec deadline = sm_deadline_after(timeout_ns);
    int failed = 0;
    while (reclaimer->phase == EPOCH_PHASE_WAITING && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&reclaimer->done, &reclaimer->lock, &deadline);
    while (reclaimer->phase == EPOCH_PHASE_RELEASING)
        pthread_cond_wait(&reclaimer->done, &reclaimer->lock);
    return reclaimer->phase == EPOCH_PHASE_IDLE;
}

/* Whoever waits is left to itself; what it waits for is the heap's, which goes now. */
static void drop_batches(struct epoch_reclaimer *reclaimer)
{
    struct epoch_batch dropped = {0};
    epoch_batch_splice(&dropped, &reclaimer->waiting);
    epoch_batch_splice(&dropped, &reclaimer->queue);
    epoch_batch_forget_list(&dropped);
}

void epoch_reclaimer_destroy(struct epoch_reclaimer *reclaimer)
{
    uint64_t timeout_ns = epoch_thread_in_guard() ? 0 : DESTROY_WAIT_NS;
    bool is_joined = has_thread(reclaimer);
    pthread_t thread = reclaimer->thread;
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->stop = true;
    drop_batches(reclaimer);
    pthread_cond_signal(&reclaimer->work);
    bool abandoned = reclaimer->abandoned = !is_idle_within(reclaimer, timeout_ns);
    pthread_mutex_unlock(&reclaimer->lock);
    /* Abandoned, it may be gone by now. */
    if (is_joined && abandoned)
        pthread_detach(thread);
    else if (is_joined)
        pthread_join(thread, NULL);
    if (!abandoned)
        reclaimer_free(reclaimer);
}
