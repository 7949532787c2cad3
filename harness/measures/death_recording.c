#include "death_recording.h"

#include "progress.h"
#include "quantities.h"
#include "sampler.h"
#include "sapimem/policy.h"
#include "signals.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char recording_policy[] = "refcount";

/** How often the waiting process looks for a signal, and how often it tells how far the recording is. */
enum { WAIT_NS = 20000000, TELL_EVERY_NS = 200000000 };

/* What the recording process tells; shared memory. */
struct verdict {
    /* How far it is, while it works: a figure to show, so relaxed on both sides. */
    uint64_t alloc_bytes;
    uint64_t steps;
    bool is_done;
    struct sm_error error; /* status SM_OK: the record is whole */
};

/* ---- In the recording process. ---- */

/* The run's own workload, with nothing of the run's policy. */
static struct wl_config recording_config(const struct hx_plan *plan, struct sm_death_recorder *recorder)
{
    struct wl_config config = hx_plan_workload_config(plan);
    config.manager = (struct sm_config){
        .sapi = plan->sapi,
        .policy = recording_policy,
        .death_recorder = recorder,
    };
    config.prompt_destructors = false;
    return config;
}

static sm_status step_failure(const struct wl_instance *instance, enum wl_step step, struct sm_error *error)
{
    const char *detail = step == WL_STEP_INVALID ? instance->error.detail : sm_error_detail(instance->mm);
    snprintf(error->detail, sizeof(error->detail), "recording deaths: %.300s", detail);
    error->status = step == WL_STEP_INVALID ? SM_ERR_INVALID_ARGUMENT : sm_error_status(instance->mm);
    return error->status;
}

static bool work_is_done(const struct hx_plan *plan, const struct wl_instance *instance)
{
    return (plan->alloc_bytes != 0 && sm_hot(instance->mm)->alloc_bytes >= plan->alloc_bytes) ||
           (plan->steps != 0 && instance->steps_done >= plan->steps);
}

/* As the run itself goes, up to its final drain; what cycles keep is looked for after each step. */
static sm_status record_steps(const struct hx_plan *plan, struct wl_instance *instance, struct verdict *verdict,
                              struct sm_error *error)
{
    enum wl_step step;
    do {
        step = instance->ops->step(instance);
        if (step == WL_STEP_FAILED || step == WL_STEP_INVALID)
            return step_failure(instance, step, error);
        sm_death_record_trace(instance->mm);
        __atomic_store_n(&verdict->alloc_bytes, sm_hot(instance->mm)->alloc_bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&verdict->steps, instance->steps_done, __ATOMIC_RELAXED);
    } while (step != WL_STEP_DONE && !work_is_done(plan, instance));
    step = instance->ops->finish(instance);
    if (step == WL_STEP_FAILED || step == WL_STEP_INVALID)
        return step_failure(instance, step, error);
    return sm_quiesce(instance->mm);
}

static sm_status record(const struct hx_plan *plan, const struct sm_death_tape *tape, struct verdict *verdict)
{
    struct sm_error *error = &verdict->error;
    struct sm_death_recorder *recorder = NULL;
    struct wl_instance *instance = NULL;
    sm_status status = sm_death_recorder_create(tape, &recorder, error);
    if (status != SM_OK)
        return status;
    struct wl_config config = recording_config(plan, recorder);
    status = plan->workload->create(&config, &instance, error);
    if (status == SM_OK)
        status = record_steps(plan, instance, verdict, error);
    if (status == SM_OK)
        status = sm_death_recorder_finish(recorder, error);
    /* The process ends here: what it holds goes with it. */
    return status;
}

_Noreturn static void recording_process(const struct hx_plan *plan, const struct sm_death_tape *tape,
                                        struct verdict *verdict)
{
    hx_signals_let_end(true);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    verdict->error.status = record(plan, tape, verdict);
    verdict->is_done = true;
    _exit(0);
}

/* ---- In the waiting one. ---- */

static bool signal_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
                                         sigismember(&pending, SIGHUP) == 1);
}

static sm_status refuse(struct sm_error *error, const char *why)
{
    snprintf(error->detail, sizeof(error->detail), "recording deaths under %s: %.300s", recording_policy, why);
    error->status = SM_ERR_SYSTEM;
    return SM_ERR_SYSTEM;
}

static void end_process(pid_t process)
{
    kill(process, SIGKILL);
    (void)waitpid(process, NULL, 0);
}

/* Whether anybody is told follows from --progress and the terminal, as of the run itself. */
static bool is_told(const struct hx_plan *plan)
{
    uint64_t choice = plan->options.value[HX_OPT_PROGRESS].count;
    return choice == HX_PROGRESS_ALWAYS || (choice == HX_PROGRESS_AUTO && isatty(STDERR_FILENO) != 0);
}

static void tell(const struct verdict *verdict, uint64_t elapsed_ns)
{
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    char allocated[HX_QUANTITY_BYTES], elapsed[HX_QUANTITY_BYTES];
    uint64_t steps = __atomic_load_n(&verdict->steps, __ATOMIC_RELAXED);
    fprintf(stderr, "%srecording deaths under %s  %s  %s allocated  %" PRIu64 " step%s%s",
            is_terminal ? "\r\033[K" : "", recording_policy, hx_format_ns(elapsed_ns, elapsed),
            hx_format_bytes(__atomic_load_n(&verdict->alloc_bytes, __ATOMIC_RELAXED), allocated), steps,
            hx_plural_s(steps), is_terminal ? "" : "\n");
    fflush(stderr);
}

static void clear(const struct hx_plan *plan)
{
    if (is_told(plan) && isatty(STDERR_FILENO) != 0)
        fputs("\r\033[K", stderr);
}

/* Why not to wait any longer. */
static enum hx_stop stop_reason(const struct hx_plan *plan, uint64_t start_ns)
{
    if (signal_is_pending())
        return HX_STOP_INTERRUPTED;
    bool is_late = plan->timeout_ns != 0 && hx_now_ns() - start_ns >= plan->timeout_ns;
    return is_late ? HX_STOP_TIMEOUT : HX_STOP_NONE;
}

static sm_status wait_for(pid_t process, const struct hx_plan *plan, const struct verdict *verdict, enum hx_stop *stop,
                          struct sm_error *error)
{
    const struct timespec rest = {0, WAIT_NS};
    uint64_t start_ns = hx_now_ns(), next_tell_ns = is_told(plan) ? start_ns : UINT64_MAX;
    int how = 0;
    pid_t ended;
    while ((ended = waitpid(process, &how, WNOHANG)) == 0) {
        uint64_t now_ns = hx_now_ns();
        if (now_ns >= next_tell_ns) {
            tell(verdict, now_ns - start_ns);
            next_tell_ns = now_ns + TELL_EVERY_NS;
        }
        *stop = stop_reason(plan, start_ns);
        if (*stop != HX_STOP_NONE) {
            end_process(process);
            return refuse(error, *stop == HX_STOP_TIMEOUT ? "--timeout passed before it ended" : "interrupted");
        }
        nanosleep(&rest, NULL);
    }
    if (ended < 0)
        return refuse(error, strerror(errno));
    /* A terminal's interrupt goes to both processes. */
    if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGINT || WTERMSIG(how) == SIGTERM || WTERMSIG(how) == SIGHUP))
        *stop = HX_STOP_INTERRUPTED;
    if (!verdict->is_done)
        return refuse(error, *stop == HX_STOP_INTERRUPTED ? "interrupted" : "its process ended early");
    *error = verdict->error;
    return error->status;
}

static sm_status record_apart(const struct hx_plan *plan, const struct sm_death_tape *tape, enum hx_stop *stop,
                              struct sm_error *error)
{
    struct verdict *verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdict == MAP_FAILED)
        return refuse(error, strerror(errno));
    /* What waits in a stream's buffer is written once, not twice. */
    fflush(NULL);
    pid_t process = fork();
    if (process == 0)
        recording_process(plan, tape, verdict);
    sm_status status = process < 0 ? refuse(error, strerror(errno)) : wait_for(process, plan, verdict, stop, error);
    munmap(verdict, sizeof(*verdict));
    return status;
}

sm_status hx_deaths_record(const struct hx_plan *plan, struct hx_deaths *deaths, struct sm_error *error)
{
    struct sm_death_tape tape;
    *deaths = (struct hx_deaths){0};
    if (!plan->records_deaths)
        return SM_OK;
    sm_status status = sm_death_tape_create(&tape, error);
    if (status != SM_OK)
        return status;
    uint64_t start_ns = hx_now_ns();
    status = record_apart(plan, &tape, &deaths->stop, error);
    clear(plan);
    if (status == SM_OK)
        status = sm_death_schedule_open(&tape, &deaths->schedule, error);
    /* The schedule has mapped what it reads. */
    sm_death_tape_close(&tape);
    deaths->record_ns = hx_now_ns() - start_ns;
    return status;
}

uint64_t hx_deaths_garbage(const struct hx_deaths *deaths, const struct sm_stats *stats)
{
    if (deaths->schedule == NULL)
        return HX_UNKNOWN;
    uint64_t live_bytes = sm_death_schedule_live_bytes(deaths->schedule, stats->alloc_count);
    return stats->live_bytes > live_bytes ? stats->live_bytes - live_bytes : 0;
}

void hx_deaths_finish(struct hx_deaths *deaths)
{
    sm_death_schedule_close(deaths->schedule);
    *deaths = (struct hx_deaths){0};
}
