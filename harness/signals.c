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

/* timeout(1) signals its child and then the child's group: what comes that soon is the same wish, not a second one. */
static const uint64_t same_wish_ns = 1000000000;

struct hx_signals {
    struct hx_control *control;
    const struct hx_output *outputs;
    size_t output_count;
    pthread_mutex_t lock; /* guards mm and deadline_ns */
    struct sm_manager *mm;
    uint64_t deadline_ns; /* 0: none */
    bool has_thread;
    bool is_interrupted;
    uint64_t interrupted_ns; /* when the first interrupt came */
    int signal_fd;
    int wake_fd;
    sigset_t old_mask;
    pthread_t thread;
};

static void take_interrupt(struct hx_signals *signals)
{
    static const char line[] = "harness: stopped at once, nothing written\n";
    uint64_t now_ns = hx_now_ns();
    if (!signals->is_interrupted) {
        signals->is_interrupted = true;
        signals->interrupted_ns = now_ns;
        hx_control_request_stop(signals->control, HX_STOP_INTERRUPTED);
        return;
    }
    if (now_ns - signals->interrupted_ns < same_wish_ns)
        return;
    for (size_t i = 0; i < signals->output_count; i++)
        hx_output_abandon(&signals->outputs[i]);
    /* Not through stdio: the thread that is cut short may hold the stream's lock. */
    ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)written;
    _exit(EXIT_INTERRUPTED);
}

void hx_signals_take(struct hx_signals *signals)
{
    struct signalfd_siginfo info;
    if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo != SIGUSR1) {
        take_interrupt(signals);
        return;
    }
    __atomic_add_fetch(&signals->control->cycle_requests, 1, __ATOMIC_RELAXED);
    /* The lock keeps the manager from being destroyed between the test and the call. */
    pthread_mutex_lock(&signals->lock);
    if (signals->mm != NULL)
        sm_collect_request(signals->mm);
    pthread_mutex_unlock(&signals->lock);
}

int hx_signals_fd(const struct hx_signals *signals)
{
    return signals->signal_fd;
}

int hx_signals_check_deadline(struct hx_signals *signals)
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
        int ready = poll(files, 2, hx_signals_check_deadline(signals));
        if (ready < 0 && errno != EINTR)
            return NULL;
        if (ready > 0 && (files[1].revents & POLLIN) != 0)
            return NULL;
        if (ready > 0 && (files[0].revents & POLLIN) != 0)
            hx_signals_take(signals);
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

static void fill_ending(sigset_t *mask)
{
    struct sigaction hangup;
    sigemptyset(mask);
    sigaddset(mask, SIGINT);
    sigaddset(mask, SIGTERM);
    /* Under nohup a hangup means nothing; blocked, it would be delivered all the same. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(mask, SIGHUP);
}

static void fill_all(sigset_t *mask)
{
    fill_ending(mask);
    sigaddset(mask, SIGUSR1);
}

void hx_signals_hold(void)
{
    sigset_t mask;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    fill_all(&mask);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
}

void hx_signals_let_end(bool may_end)
{
    sigset_t mask;
    fill_ending(&mask);
    pthread_sigmask(may_end ? SIG_UNBLOCK : SIG_BLOCK, &mask, NULL);
}

sm_status hx_signals_open(struct hx_control *control, uint64_t timeout_ns, const struct hx_output *outputs,
                          size_t output_count, struct hx_signals **opened)
{
    struct hx_signals *signals = (struct hx_signals *)calloc(1, sizeof(*signals));
    if (signals == NULL)
        return SM_ERR_SYSTEM;
    *signals = (struct hx_signals){.control = control, .outputs = outputs, .output_count = output_count};
    signals->deadline_ns = timeout_ns != 0 ? hx_now_ns() + timeout_ns : 0;
    signals->is_interrupted = hx_control_stop(control) == HX_STOP_INTERRUPTED;
    signals->interrupted_ns = hx_now_ns();
    pthread_mutex_init(&signals->lock, NULL);
    sigset_t mask;
    fill_all(&mask);
    if (open_files(signals, &mask) != SM_OK) {
        release(signals);
        return SM_ERR_SYSTEM;
    }
    pthread_sigmask(SIG_BLOCK, &mask, &signals->old_mask);
    *opened = signals;
    return SM_OK;
}

sm_status hx_signals_start(struct hx_control *control, uint64_t timeout_ns, const struct hx_output *outputs,
                           size_t output_count, struct hx_signals **started)
{
    struct hx_signals *signals = NULL;
    if (hx_signals_open(control, timeout_ns, outputs, output_count, &signals) != SM_OK)
        return SM_ERR_SYSTEM;
    signals->has_thread = pthread_create(&signals->thread, NULL, watch, signals) == 0;
    if (!signals->has_thread) {
        hx_signals_stop(signals);
        return SM_ERR_SYSTEM;
    }
    *started = signals;
    return SM_OK;
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

static void end_thread(struct hx_signals *signals)
{
    uint64_t one = 1;
    ssize_t written = write(signals->wake_fd, &one, sizeof(one));
    assert(written == (ssize_t)sizeof(one));
    (void)written;
    pthread_join(signals->thread, NULL);
}

void hx_signals_stop(struct hx_signals *signals)
{
    if (signals == NULL)
        return;
    if (signals->has_thread)
        end_thread(signals);
    pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
    release(signals);
}
