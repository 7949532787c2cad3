#include "workers.h"

#include "hiccups.h"
#include "noise.h"
#include "progress.h"
#include "quantities.h"
#include "signals.h"
#include "worker.h"
#include "worker_totals.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of one place there may be several at a time: one at work, and others whose heaps are still being checked. */
enum { PROCESSES_MAX = 3 * HX_WORKERS_MAX };

/* From the moment at which all are ready until the first request can be due. */
static const uint64_t head_start_ns = 1000000;

struct process {
    pid_t pid;
    int pipe_fd; /* where it is read */
    bool is_ready;
    struct hx_worker *worker; /* shared with it */
};

/* A place among the workers. */
struct place {
    bool is_vacant;
    uint64_t request; /* left by whoever died waiting for it; HX_NO_REQUEST: none */
};

struct burst {
    const struct hx_plan *plan;
    struct hx_report *report;
    struct hx_burst_share *share;
    struct hx_control control;
    struct hx_signals *signals;
    struct hx_progress progress;
    struct hx_worker_totals totals;
    struct process processes[PROCESSES_MAX];
    unsigned process_count;
    unsigned ready_count; /* of the first ones */
    struct place places[HX_WORKERS_MAX];
    uint64_t gone_clock_bytes; /* allocated by processes that have ended */
    sm_status refusal;         /* of a worker's creation */
    struct sm_error *error;
};

/* The first failure explains the run; every one is a note. */
static void fail(struct burst *burst, enum hx_run_status status, const char *line)
{
    struct hx_report *report = burst->report;
    hx_note(&report->notes, "%s", line);
    if (report->status != HX_STATUS_OK)
        return;
    report->status = status;
    snprintf(report->error, sizeof(report->error), "%s", line);
}

static bool is_closed(const struct burst *burst)
{
    return burst->share->phase == HX_BURST_CLOSED;
}

static void close_burst(struct burst *burst, enum hx_stop reason)
{
    if (is_closed(burst))
        return;
    __atomic_store_n(&burst->share->stop, (uint32_t)reason, __ATOMIC_RELAXED);
    hx_burst_set_phase(burst->share, HX_BURST_CLOSED);
}

/* ---- Starting ---- */

static void *map_shared(size_t byte_count)
{
    void *bytes = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static struct hx_worker *map_worker(const struct burst *burst, unsigned index)
{
    const struct hx_burst *options = &burst->plan->burst;
    struct hx_worker *worker = (struct hx_worker *)map_shared(sizeof(*worker));
    if (worker == NULL)
        return NULL;
    worker->plan = burst->plan;
    worker->share = burst->share;
    worker->place = index;
    worker->request = burst->places[index].request;
    worker->quota = options->max_requests != 0 ? options->max_requests : UINT64_MAX;
    return worker;
}

/* The child has of the parent's descriptors only what all processes share. */
static pid_t fork_worker(struct hx_worker *worker, int *pipe_fd)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    /* What waits in a stream's buffer is written once, not twice. */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        worker->pipe_fd = ends[1];
        hx_worker_run(worker);
    }
    int error = errno;
    close(ends[1]);
    *pipe_fd = ends[0];
    if (pid < 0)
        close(ends[0]);
    errno = error;
    return pid;
}

static bool start_worker(struct burst *burst, unsigned index)
{
    struct place *place = &burst->places[index];
    struct process process = {.worker = map_worker(burst, index)};
    char line[SM_DETAIL_BYTES];
    if (process.worker != NULL)
        process.pid = fork_worker(process.worker, &process.pipe_fd);
    if (process.worker == NULL || process.pid < 0) {
        snprintf(line, sizeof(line), "worker %u could not be started: %s", index, strerror(errno));
        if (process.worker != NULL)
            munmap(process.worker, sizeof(*process.worker));
        fail(burst, HX_STATUS_INVALID, line);
        close_burst(burst, HX_STOP_FAILED);
        return false;
    }
    *place = (struct place){.is_vacant = false, .request = HX_NO_REQUEST};
    burst->processes[burst->process_count++] = process;
    return true;
}

static bool has_requests(const struct burst *burst, const struct place *place)
{
    uint64_t next = __atomic_load_n(&burst->share->next_request, __ATOMIC_RELAXED);
    return place->request != HX_NO_REQUEST || next < burst->share->request_count;
}

static void fill_vacancies(struct burst *burst)
{
    for (unsigned i = 0; i < burst->plan->burst.worker_count; i++) {
        struct place *place = &burst->places[i];
        bool is_wanted = place->is_vacant && !is_closed(burst) && has_requests(burst, place);
        if (is_wanted && burst->process_count < PROCESSES_MAX)
            (void)start_worker(burst, i);
    }
}

/* ---- Ends ---- */

/* What the worker was at, and marks the request that it leaves behind. */
static void describe_request(struct burst *burst, const struct hx_worker *worker, char *text, size_t text_bytes)
{
    if (worker->request == HX_NO_REQUEST || worker->request >= burst->share->request_count) {
        snprintf(text, text_bytes, "outside of requests");
        return;
    }
    struct hx_request_record *record = &burst->share->requests[worker->request];
    if (record->state == HX_REQUEST_QUEUED) {
        burst->places[worker->place].request = worker->request;
        snprintf(text, text_bytes, "while it waited for request %" PRIu64, worker->request);
        return;
    }
    record->state = HX_REQUEST_FAILED;
    snprintf(text, text_bytes, "in request %" PRIu64, worker->request);
}

/* Whether the process did what it should; says what not. */
static bool judge_end(struct burst *burst, const struct process *process, int how)
{
    const struct hx_worker *worker = process->worker;
    const struct hx_report *report = &worker->report;
    char where[80], line[SM_DETAIL_BYTES];
    if (worker->is_whole && worker->status != SM_OK) {
        burst->refusal = worker->status;
        *burst->error = worker->error;
        return false;
    }
    bool was_stopped = report->status == HX_STATUS_INTERRUPTED || report->status == HX_STATUS_TIMEOUT;
    if (worker->is_whole && (report->status == HX_STATUS_OK || was_stopped))
        return true;
    describe_request(burst, worker, where, sizeof(where));
    if (worker->is_whole)
        snprintf(line, sizeof(line), "worker %u, %s: %.250s", worker->place, where, report->error);
    else if (WIFSIGNALED(how))
        snprintf(line, sizeof(line), "worker %u was killed by signal %d (%s) %s", worker->place, WTERMSIG(how),
                 strsignal(WTERMSIG(how)), where);
    else
        snprintf(line, sizeof(line), "worker %u ended with exit code %d %s", worker->place, WEXITSTATUS(how), where);
    fail(burst, worker->is_whole ? report->status : HX_STATUS_INVALID, line);
    return false;
}

/* A process that ended early could not take its own figures: the system's are those of its whole life. */
static void take_figures_of_system(struct hx_worker *worker, const struct rusage *usage)
{
    struct hx_metrics *metrics = &worker->report.metrics;
    uint64_t cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
    hx_metrics_set(metrics, HX_METRIC_CPU_NS, cpu_us * 1000);
    hx_metrics_set(metrics, HX_METRIC_MINOR_FAULTS, (uint64_t)usage->ru_minflt);
    hx_metrics_set(metrics, HX_METRIC_MAJOR_FAULTS, (uint64_t)usage->ru_majflt);
    hx_metrics_set(metrics, HX_METRIC_ALLOC_BYTES, worker->clock_bytes);
    hx_metrics_set(metrics, HX_METRIC_PEAK_RSS_BYTES, worker->report.sampler.peak_rss_bytes);
}

/* A new one takes over from one that failed, unless it never came to its work: then the next would fail likewise. */
static void replace_failed(struct burst *burst, const struct process *process)
{
    if (burst->plan->burst.max_requests != 0 && process->is_ready && burst->refusal == SM_OK)
        burst->places[process->worker->place].is_vacant = true;
    else
        close_burst(burst, HX_STOP_FAILED);
}

static void take_end(struct burst *burst, unsigned index)
{
    struct process process = burst->processes[index];
    struct rusage usage = {0};
    int how = 0;
    close(process.pipe_fd);
    while (wait4(process.pid, &how, 0, &usage) < 0 && errno == EINTR)
        continue;
    if (!judge_end(burst, &process, how))
        replace_failed(burst, &process);
    if (!process.worker->is_whole)
        take_figures_of_system(process.worker, &usage);
    burst->gone_clock_bytes += process.worker->clock_bytes;
    hx_worker_totals_add(&burst->totals, burst->report, process.worker);
    munmap(process.worker, sizeof(*process.worker));
    burst->processes[index] = burst->processes[--burst->process_count];
}

/* ---- Watching ---- */

static void take_word(struct burst *burst, struct process *process, char word)
{
    if (word == HX_WORKER_READY) {
        process->is_ready = true;
        burst->ready_count++;
    } else if (process->worker->quota == 0 && process->worker->request == HX_NO_REQUEST) {
        burst->places[process->worker->place].is_vacant = true;
    }
}

/* False: the process has ended. */
static bool take_words(struct burst *burst, struct process *process)
{
    char words[8];
    ssize_t count = read(process->pipe_fd, words, sizeof(words));
    for (ssize_t i = 0; i < count; i++)
        take_word(burst, process, words[i]);
    return count > 0 || (count < 0 && errno == EINTR);
}

static void open_when_ready(struct burst *burst)
{
    struct hx_burst_share *share = burst->share;
    if (share->phase != HX_BURST_BOOTING || burst->ready_count < burst->plan->burst.worker_count)
        return;
    hx_notes_tell(&burst->plan->told);
    share->open_ns = hx_now_ns() + head_start_ns;
    hx_burst_set_phase(share, HX_BURST_OPEN);
}

static void take_signals(struct burst *burst)
{
    hx_signals_take(burst->signals);
    __atomic_store_n(&burst->share->cycle_requests, burst->control.cycle_requests, __ATOMIC_RELAXED);
}

static void show_progress(struct burst *burst)
{
    struct sm_stats stats = {.alloc_bytes = burst->gone_clock_bytes};
    uint64_t now_ns = hx_now_ns(), done = 0;
    if (!hx_progress_is_due(&burst->progress, now_ns))
        return;
    for (unsigned i = 0; i < burst->process_count; i++)
        stats.alloc_bytes += __atomic_load_n(&burst->processes[i].worker->clock_bytes, __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < burst->share->request_count; i++)
        done += __atomic_load_n(&burst->share->requests[i].state, __ATOMIC_RELAXED) == HX_REQUEST_DONE;
    hx_progress_show(&burst->progress, &stats, done, now_ns);
}

static int wait_ms(struct burst *burst)
{
    enum { PROGRESS_MS = 100 };
    int deadline_ms = hx_signals_check_deadline(burst->signals);
    if (!burst->progress.is_on || (deadline_ms >= 0 && deadline_ms < PROGRESS_MS))
        return deadline_ms;
    return PROGRESS_MS;
}

/* Until the last process has ended. */
static void watch(struct burst *burst)
{
    while (burst->process_count > 0) {
        struct pollfd files[PROCESSES_MAX + 1];
        unsigned count = burst->process_count;
        int timeout_ms = wait_ms(burst);
        if (burst->control.stop != HX_STOP_NONE)
            close_burst(burst, hx_control_stop(&burst->control));
        for (unsigned i = 0; i < count; i++)
            files[i] = (struct pollfd){.fd = burst->processes[i].pipe_fd, .events = POLLIN};
        files[count] = (struct pollfd){.fd = hx_signals_fd(burst->signals), .events = POLLIN};
        if (poll(files, count + 1, timeout_ms) > 0) {
            if ((files[count].revents & POLLIN) != 0)
                take_signals(burst);
            /* From the back: the place of one that ended is taken by the last. */
            for (unsigned i = count; i-- > 0;)
                if (files[i].revents != 0 && !take_words(burst, &burst->processes[i]))
                    take_end(burst, i);
        }
        open_when_ready(burst);
        fill_vacancies(burst);
        show_progress(burst);
    }
}

/* ---- The whole ---- */

static sm_status out_of_memory(struct sm_error *error)
{
    snprintf(error->detail, sizeof(error->detail), "no memory for the records of the requests");
    error->status = SM_ERR_SYSTEM;
    return SM_ERR_SYSTEM;
}

static sm_status draw_requests(struct burst *burst)
{
    const struct hx_plan *plan = burst->plan;
    uint64_t count = plan->steps;
    struct hx_burst_share *share = (struct hx_burst_share *)map_shared(sizeof(*share));
    burst->share = share;
    if (share == NULL)
        return out_of_memory(burst->error);
    share->request_count = count;
    share->parent = getpid();
    share->requests = (struct hx_request_record *)map_shared(count * sizeof(*share->requests));
    uint64_t *due_ns = share->requests != NULL ? (uint64_t *)calloc(count, sizeof(*due_ns)) : NULL;
    if (due_ns == NULL)
        return out_of_memory(burst->error);
    if (plan->burst.has_arrivals)
        hx_arrivals_draw(&plan->burst.arrivals, plan->options.value[HX_OPT_SEED].count, due_ns, count);
    for (uint64_t i = 0; i < count; i++)
        share->requests[i].due_ns = due_ns[i];
    free(due_ns);
    return SM_OK;
}

static void unmap(struct burst *burst)
{
    if (burst->share == NULL)
        return;
    if (burst->share->requests != NULL)
        munmap(burst->share->requests, burst->share->request_count * sizeof(*burst->share->requests));
    munmap(burst->share, sizeof(*burst->share));
}

/* Stopped before the last request: an end that nobody waited for changes nothing. */
static void judge_stop(struct burst *burst)
{
    struct hx_report *report = burst->report;
    if (report->status != HX_STATUS_OK || report->metrics.value[HX_METRIC_STEPS] == burst->share->request_count)
        return;
    bool is_timeout = burst->share->stop == HX_STOP_TIMEOUT;
    report->status = is_timeout ? HX_STATUS_TIMEOUT : HX_STATUS_INTERRUPTED;
    snprintf(report->error, sizeof(report->error), "%s before the work was done",
             is_timeout ? "--timeout passed" : "interrupted");
}

static void run_workers(struct burst *burst)
{
    hx_progress_begin(&burst->progress, burst->plan, hx_now_ns());
    burst->report->sampler.start_ns = hx_now_ns();
    struct hx_machine_time machine;
    struct hx_hiccups *hiccups = NULL;
    hx_machine_time_read(&machine);
    if (hx_plan_measures_all(burst->plan) && hx_usable_cpus() > 1)
        hiccups = hx_hiccups_start(HX_HICCUPS_PROCESS, &burst->report->hiccups_ns);
    hx_hiccups_record(hiccups, true);
    for (unsigned i = 0; i < burst->plan->burst.worker_count; i++) {
        burst->places[i].request = HX_NO_REQUEST;
        if (!is_closed(burst))
            (void)start_worker(burst, i);
    }
    watch(burst);
    hx_hiccups_stop(hiccups);
    hx_progress_end(&burst->progress);
    hx_worker_totals_finish(&burst->totals, burst->report, burst->share);
    judge_stop(burst);
    hx_noise_judge(&machine, burst->report);
    if (burst->report->status == HX_STATUS_OK)
        burst->report->repeatability = HX_REPEATABLE_SPREAD;
}

sm_status hx_workers_run(const struct hx_plan *plan, struct hx_report *report, const struct hx_output *outputs,
                         size_t output_count, struct sm_error *error)
{
    struct burst burst = {.plan = plan, .report = report, .error = error};
    hx_context_gather(&report->context);
    report->burst = (struct hx_burst_report *)calloc(1, sizeof(*report->burst));
    sm_status status = report->burst != NULL ? draw_requests(&burst) : out_of_memory(error);
    if (status == SM_OK &&
        hx_signals_open(&burst.control, plan->timeout_ns, outputs, output_count, &burst.signals) != SM_OK) {
        snprintf(error->detail, sizeof(error->detail), "the system refused a descriptor for signals");
        status = SM_ERR_SYSTEM;
    }
    if (status == SM_OK) {
        report->burst->worker_count = plan->burst.worker_count;
        report->burst->has_arrivals = plan->burst.has_arrivals;
        run_workers(&burst);
        status = burst.refusal;
    }
    hx_signals_stop(burst.signals);
    unmap(&burst);
    return status;
}

sm_status hx_workers_try(sm_status (*attempt)(const struct hx_plan *plan, struct sm_error *error),
                         const struct hx_plan *plan, struct sm_error *error)
{
    struct sm_error *verdict = (struct sm_error *)map_shared(sizeof(*verdict));
    if (verdict == NULL)
        return out_of_memory(error);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        verdict->status = attempt(plan, verdict);
        _exit(0);
    }
    int how = 0;
    while (pid > 0 && waitpid(pid, &how, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0 || how != 0) {
        verdict->status = SM_ERR_SYSTEM;
        snprintf(verdict->detail, sizeof(verdict->detail), "a process that tries the manager %s",
                 pid < 0 ? "could not be started" : "ended early");
    }
    *error = *verdict;
    munmap(verdict, sizeof(*verdict));
    return error->status;
}
