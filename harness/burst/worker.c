#include "worker.h"

#include "quantities.h"
#include "runner.h"
#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/manager.h"

#include <assert.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- The phase, as a futex: it outlives the death of whoever waits ---- */

void hx_burst_set_phase(struct hx_burst_share *share, enum hx_burst_phase phase)
{
    __atomic_store_n(&share->phase, (uint32_t)phase, __ATOMIC_RELEASE);
    syscall(SYS_futex, &share->phase, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static enum hx_burst_phase phase_of(const struct hx_burst_share *share)
{
    return (enum hx_burst_phase)__atomic_load_n(&share->phase, __ATOMIC_ACQUIRE);
}

/* Sleep while the phase is `phase`, until CLOCK_MONOTONIC `until_ns`; UINT64_MAX: without end. Returns the phase then. */
static enum hx_burst_phase wait_in_phase(struct hx_burst_share *share, enum hx_burst_phase phase, uint64_t until_ns)
{
    struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    while (phase_of(share) == phase && (until_ns == UINT64_MAX || hx_now_ns() < until_ns))
        syscall(SYS_futex, &share->phase, FUTEX_WAIT_BITSET, phase, until_ns == UINT64_MAX ? NULL : &until, NULL,
                FUTEX_BITSET_MATCH_ANY);
    return phase_of(share);
}

/* ---- Requests ---- */

/* Draws a number unless one was left to it; false when there is none. */
static bool draw_request(struct hx_worker *worker)
{
    struct hx_burst_share *share = worker->share;
    if (worker->quota == 0)
        return false;
    if (worker->request == HX_NO_REQUEST)
        worker->request = __atomic_fetch_add(&share->next_request, 1, __ATOMIC_RELAXED);
    if (worker->request >= share->request_count) {
        worker->request = HX_NO_REQUEST;
        return false;
    }
    if (worker->quota != UINT64_MAX)
        worker->quota--;
    return true;
}

/* An idle worker holds nothing back: it is offline, as in any blocking call. False: the burst was closed meanwhile. */
static bool wait_until_due(struct hx_worker *worker, struct sm_manager *mm)
{
    struct hx_burst_share *share = worker->share;
    struct hx_request_record *record = &share->requests[worker->request];
    uint64_t now_ns = hx_now_ns();
    /* In a closed loop it is due when it is taken, but not before all are ready. */
    if (!worker->plan->burst.has_arrivals)
        record->due_ns = now_ns > share->open_ns ? now_ns - share->open_ns : 0;
    sm_offline(sm_owner_guard(mm));
    enum hx_burst_phase phase = wait_in_phase(share, HX_BURST_OPEN, share->open_ns + record->due_ns);
    sm_online(sm_owner_guard(mm));
    return phase == HX_BURST_OPEN;
}

static enum wl_step serve_one(struct hx_worker *worker, struct wl_instance *instance, struct hx_control *control)
{
    struct hx_request_record *record = &worker->share->requests[worker->request];
    struct wl_request request = {worker->request, hx_burst_is_cold(&worker->plan->burst, worker->request)};
    record->worker = worker->place;
    record->start_ns = hx_now_ns() - worker->share->open_ns;
    __atomic_store_n(&record->state, HX_REQUEST_BEGUN, __ATOMIC_RELAXED);
    enum wl_step step = instance->ops->serve(instance, &request);
    uint64_t clock_bytes = sm_hot(instance->mm)->alloc_bytes;
    hx_control_set_clock(control, clock_bytes);
    __atomic_store_n(&worker->clock_bytes, clock_bytes, __ATOMIC_RELAXED);
    if (step != WL_STEP_MORE) {
        record->state = HX_REQUEST_FAILED;
        return step;
    }
    record->end_ns = hx_now_ns() - worker->share->open_ns;
    record->checksum = instance->checksum;
    record->state = HX_REQUEST_DONE;
    if (hx_plan_measures_all(worker->plan))
        hx_histogram_add(&worker->report.service_ns, record->end_ns - record->start_ns);
    __atomic_store_n(&worker->requests_done, worker->requests_done + 1, __ATOMIC_RELAXED);
    worker->request = HX_NO_REQUEST;
    return step;
}

static void collect_if_asked(const struct hx_worker *worker, struct sm_manager *mm, uint64_t *seen)
{
    uint64_t asked = __atomic_load_n(&worker->share->cycle_requests, __ATOMIC_RELAXED);
    if (asked != *seen)
        sm_collect_request(mm);
    *seen = asked;
}

static void tell(const struct hx_worker *worker, char word)
{
    ssize_t written = write(worker->pipe_fd, &word, 1);
    assert(written == 1);
    (void)written;
}

static enum wl_step serve_requests(struct hx_worker *worker, struct wl_instance *instance, struct hx_control *control)
{
    uint64_t cycles_seen = __atomic_load_n(&worker->share->cycle_requests, __ATOMIC_RELAXED);
    while (draw_request(worker)) {
        if (!wait_until_due(worker, instance->mm)) {
            hx_control_request_stop(control, (enum hx_stop)__atomic_load_n(&worker->share->stop, __ATOMIC_RELAXED));
            return WL_STEP_MORE;
        }
        collect_if_asked(worker, instance->mm, &cycles_seen);
        enum wl_step step = serve_one(worker, instance, control);
        if (step != WL_STEP_MORE)
            return step;
    }
    return WL_STEP_DONE;
}

static enum wl_step serve(void *context, struct wl_instance *instance, struct hx_control *control)
{
    struct hx_worker *worker = (struct hx_worker *)context;
    tell(worker, HX_WORKER_READY);
    (void)wait_in_phase(worker->share, HX_BURST_BOOTING, UINT64_MAX);
    enum wl_step step = serve_requests(worker, instance, control);
    /* What comes now are the harness's own checks: whoever takes over need not wait for them. */
    tell(worker, HX_WORKER_SERVED);
    return step;
}

void hx_worker_run(struct hx_worker *worker)
{
    struct hx_server server = {.context = worker, .serve = serve};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != worker->share->parent)
        _exit(1);
    /* Resident before the heap is made, so that it is no growth of the run's. */
    memset(&worker->report, 0, sizeof(worker->report));
    worker->report.plan = worker->plan;
    /* Requests are due to the microsecond; the default slack is fifty of them. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    worker->status = hx_run_serve(worker->plan, &worker->report, &server, &worker->error);
    worker->is_whole = true;
    _exit(0);
}
