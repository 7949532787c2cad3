#include "hiccups.h"

#include "quantities.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Shared memory. The flags carry nothing but themselves, so relaxed order serves; `recorded` is read when it has ended. */
struct hx_hiccups {
    enum hx_hiccups_watcher watcher;
    pthread_t thread;
    pid_t process;
    struct hx_histogram *overshoot_ns;
    bool is_on, must_end;
    struct hx_histogram recorded;
};

static void sleep_until(uint64_t time_ns)
{
    struct timespec until = {(time_t)(time_ns / 1000000000), (long)(time_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void *watch(void *context)
{
    struct hx_hiccups *hiccups = (struct hx_hiccups *)context;
    /* The default slack, 50 us, is not the platform's jitter. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    while (!__atomic_load_n(&hiccups->must_end, __ATOMIC_RELAXED)) {
        bool was_on = __atomic_load_n(&hiccups->is_on, __ATOMIC_RELAXED);
        uint64_t due_ns = hx_now_ns() + HX_HICCUP_SLEEP_NS;
        sleep_until(due_ns);
        uint64_t now_ns = hx_now_ns();
        if (was_on && __atomic_load_n(&hiccups->is_on, __ATOMIC_RELAXED))
            hx_histogram_add(&hiccups->recorded, now_ns - due_ns);
    }
    return NULL;
}

static bool start_process(struct hx_hiccups *hiccups)
{
    pid_t parent = getpid();
    /* What waits in a stream's buffer is written once, not twice. */
    fflush(NULL);
    hiccups->process = fork();
    if (hiccups->process != 0)
        return hiccups->process > 0;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        watch(hiccups);
    _exit(0);
}

struct hx_hiccups *hx_hiccups_start(enum hx_hiccups_watcher watcher, struct hx_histogram *overshoot_ns)
{
    struct hx_hiccups *hiccups = (struct hx_hiccups *)mmap(NULL, sizeof(*hiccups), PROT_READ | PROT_WRITE,
                                                           MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (hiccups == MAP_FAILED)
        return NULL;
    hiccups->watcher = watcher;
    hiccups->overshoot_ns = overshoot_ns;
    bool is_started = watcher == HX_HICCUPS_THREAD ? pthread_create(&hiccups->thread, NULL, watch, hiccups) == 0
                                                   : start_process(hiccups);
    if (is_started)
        return hiccups;
    munmap(hiccups, sizeof(*hiccups));
    return NULL;
}

void hx_hiccups_record(struct hx_hiccups *hiccups, bool is_on)
{
    if (hiccups != NULL)
        __atomic_store_n(&hiccups->is_on, is_on, __ATOMIC_RELAXED);
}

uint64_t hx_hiccups_cpu_ns(const struct hx_hiccups *hiccups)
{
    return hiccups != NULL && hiccups->watcher == HX_HICCUPS_THREAD ? hx_cpu_ns_of(hiccups->thread) : 0;
}

void hx_hiccups_stop(struct hx_hiccups *hiccups)
{
    if (hiccups == NULL)
        return;
    __atomic_store_n(&hiccups->must_end, true, __ATOMIC_RELAXED);
    if (hiccups->watcher == HX_HICCUPS_THREAD)
        pthread_join(hiccups->thread, NULL);
    else
        while (waitpid(hiccups->process, NULL, 0) < 0 && errno == EINTR)
            continue;
    hx_histogram_merge(hiccups->overshoot_ns, &hiccups->recorded);
    munmap(hiccups, sizeof(*hiccups));
}
