#include "signals.h"

#include "quantities.h"
#include "sapimem/manager.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130 };

struct hx_signals {
    struct hx_control *control;
    const struct hx_output *outputs;
    size_t output_count;
    pthread_mutex_t lock; /* guards mm and deadline_ns */
    struct sm_manager *mm;
    uint64_t deadline_ns; /* 0: none */
    unsigned interrupt_count;
    int signal_fd;
    int wake_fd;
    sigset_t old_mask;
    pthread_t thread;
};

static void take_interrupt(struct hx_signals *signals)
{
    if (++signals->interrupt_count == 1) {
        hx_control_request_stop(signals->control, HX_STOP_INTERRUPTED);
        return;
    }
    for (size_t i = 0; i < signals->output_count; i++)
        hx_output_abandon(&signals->outputs[i]);
    _exit(EXIT_INTERRUPTED);
}

static void take_signal(struct hx_signals *signals)
{
    struct signalfd_siginfo info;
    if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo != SIGUSR1) {
        take_interrupt(signals);
        return;
    }
    /* The lock keeps the manager from being destroyed between the test and the call. */
    pthread_mutex_lock(&signals->lock);
    if (signals->mm != NULL)
        sm_collect_request(signals->mm);
    pthread_mutex_unlock(&signals->lock);
}

/* Milliseconds for poll until the deadline, -1 without one; asks for the stop when it has passed. */
static int check_deadline(struct hx_signals *signals)
{
    pthread_mutex_lock(&signals->lock);
    uint64_t deadline_ns = signals->deadline_ns;
    uint64_t now_ns = deadline_ns != 0 ? hx_now_ns() : 0;
    int wait_ms = -1;
    if (deadline_ns != 0 && now_ns >= deadline_ns) {
        hx_control_request_stop(signals->control, HX_STOP_TIMEOUT);
        signals->deadline_ns = 0;
    } else if (deadline_ns != 0) {
        uint64_t left_ms = (deadline_ns - now_ns) / 1000000 + 1;
        wait_ms = left_ms < 1000000 ? (int)left_ms : 1000000;
    }
    pthread_mutex_unlock(&signals->lock);
    return wait_ms;
}

static void *watch(void *context)
{
    struct hx_signals *signals = (struct hx_signals *)context;
    for (;;) {
        struct pollfd files[] = {{.fd = signals->signal_fd, .events = POLLIN},
                                 {.fd = signals->wake_fd, .events = POLLIN}};
        int ready = poll(files, 2, check_deadline(signals));
        if (ready < 0 && errno != EINTR)
            return NULL;
        if (ready > 0 && (files[1].revents & POLLIN) != 0)
            return NULL;
        if (ready > 0 && (files[0].revents & POLLIN) != 0)
            take_signal(signals);
    }
}

static sm_status open_files(struct hx_signals *signals, const sigset_t *mask)
{
    signals->signal_fd = signalfd(-1, mask, SFD_CLOEXEC);
    signals->wake_fd = eventfd(0, EFD_CLOEXEC);
    return signals->signal_fd >= 0 && signals->wake_fd >= 0 ? SM_OK : SM_ERR_SYSTEM;
}

static void release(struct hx_signals *signals)
{
    if (signals->signal_fd >= 0)
        close(signals->signal_fd);
    if (signals->wake_fd >= 0)
        close(signals->wake_fd);
    pthread_mutex_destroy(&signals->lock);
    free(signals);
}

sm_status hx_signals_start(struct hx_control *control, uint64_t timeout_ns, const struct hx_output *outputs,
                           size_t output_count, struct hx_signals **started)
{
    struct hx_signals *signals = (struct hx_signals *)calloc(1, sizeof(*signals));
    if (signals == NULL)
        return SM_ERR_SYSTEM;
    *signals = (struct hx_signals){.control = control, .outputs = outputs, .output_count = output_count};
    signals->deadline_ns = timeout_ns != 0 ? hx_now_ns() + timeout_ns : 0;
    pthread_mutex_init(&signals->lock, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    if (open_files(signals, &mask) != SM_OK)
        goto failed;
    pthread_sigmask(SIG_BLOCK, &mask, &signals->old_mask);
    if (pthread_create(&signals->thread, NULL, watch, signals) != 0)
        goto failed_masked;
    *started = signals;
    return SM_OK;
failed_masked:
    pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
failed:
    release(signals);
    return SM_ERR_SYSTEM;
}

void hx_signals_attach(struct hx_signals *signals, struct sm_manager *mm)
{
    pthread_mutex_lock(&signals->lock);
    signals->mm = mm;
    pthread_mutex_unlock(&signals->lock);
}

void hx_signals_work_done(struct hx_signals *signals)
{
    pthread_mutex_lock(&signals->lock);
    signals->deadline_ns = 0;
    pthread_mutex_unlock(&signals->lock);
}

void hx_signals_stop(struct hx_signals *signals)
{
    if (signals == NULL)
        return;
    uint64_t one = 1;
    ssize_t written = write(signals->wake_fd, &one, sizeof(one));
    assert(written == (ssize_t)sizeof(one));
    (void)written;
    pthread_join(signals->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
    release(signals);
}
