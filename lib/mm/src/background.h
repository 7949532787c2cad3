/**
 * Threads of the library's own, and waits with a deadline.
 *
 * Signals are for the embedder's own threads, so those that work for us block them all. Deadlines are on the monotonic
 * clock, whatever happens to the wall's.
 */
#ifndef SM_BACKGROUND_H
#define SM_BACKGROUND_H

#include "pause.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/** What the thread started next must not receive; `before` is what to restore. */
static inline void sm_signals_block(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static inline void sm_signals_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/** As pthread_create, the new thread receiving no signals. */
static inline int sm_thread_start(pthread_t *thread, void *(*body)(void *context), void *context)
{
    sigset_t before;
    sm_signals_block(&before);
    int failed = pthread_create(thread, NULL, body, context);
    sm_signals_restore(&before);
    return failed;
}

/** A condition whose timed waits take sm_deadline_after. False: the system refused. */
static inline bool sm_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return false;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return failed == 0;
}

static inline struct timespec sm_deadline_after(uint64_t timeout_ns)
{
    uint64_t deadline_ns = sm_clock_ns() + timeout_ns;
    return (struct timespec){.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
}

#endif
