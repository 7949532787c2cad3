#include "runner.h"

#include "control.h"
#include "cycle_line.h"
#include "death_recording.h"
#include "hiccups.h"
#include "noise.h"
#include "observers.h"
#include "oracle.h"
#include "progress.h"
#include "quantities.h"
#include "run_notes.h"
#include "sapimem/policy.h"
#include "signals.h"
#include "spec_names.h"
#include "work_measure.h"
#include "workloads/checksum.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct run {
    const struct hx_plan *plan;
    struct hx_report *report;
    struct hx_event_sink *events;   /* NULL: nobody asked */
    const struct hx_server *server; /* NULL: the run makes its steps itself */
    struct hx_control control;
    struct hx_signals *signals; /* NULL: another process takes them */
    struct hx_observers *observers;
    struct hx_hiccups *hiccups; /* NULL: nobody measures them */
    struct hx_progress progress;
    struct hx_deaths deaths;
    struct wl_instance *instance; /* NULL until it is created */
    bool is_working;              /* between the first step and the last: pauses count only then */
    bool is_sampling;             /* until the last step */
    bool reached_end;             /* the work asked for was done */
    struct hx_work_start work_start;
};

static void set_status(struct run *run, enum hx_run_status status, const char *error)
{
    /* The first failure explains the run; what follows from it does not. */
    if (run->report->status != HX_STATUS_OK)
        return;
    run->report->status = status;
    snprintf(run->report->error, sizeof(run->report->error), "%s", error);
}

/* ---- hooks: on the VM thread, at safepoints ---- */

static void show_progress(struct run *run, const struct sm_stats *stats, uint64_t now_ns)
{
    if (hx_progress_is_due(&run->progress, now_ns))
        hx_progress_show(&run->progress, stats, run->instance != NULL ? run->instance->steps_done : 0, now_ns);
}

static void on_pause(void *context, const struct sm_pause_record *pause)
{
    struct run *run = (struct run *)context;
    if (!run->is_working)
        return;
    hx_pauses_add(&run->report->pauses, pause);
    hx_stops_add(&run->report->stops, pause->start_ns, pause->duration_ns);
}

static void on_cycle(void *context, const struct sm_cycle_record *cycle)
{
    struct run *run = (struct run *)context;
    hx_cycle_log_add(&run->report->cycles, cycle);
    if (run->is_sampling && run->instance != NULL && hx_plan_measures_all(run->plan))
        hx_sampler_cycle(&run->report->sampler, sm_hot(run->instance->mm)->alloc_bytes, cycle->backlog_bytes);
    if (run->plan->options.value[HX_OPT_TRACE_GC].count == 0)
        return;
    hx_progress_clear(&run->progress);
    hx_cycle_line_print(cycle, hx_now_ns() - run->report->sampler.start_ns, stderr);
}

static void on_guard_stall(void *context, const struct sm_guard_report *report)
{
    struct run *run = (struct run *)context;
    hx_guard_log_add(&run->report->guards, report);
}

static void on_event(void *context, const struct sm_event *event)
{
    hx_event_sink_add((struct hx_event_sink *)context, event);
}

static uint64_t oracle_garbage(const struct run *run, const struct sm_stats *stats)
{
    if (run->deaths.schedule != NULL)
        return hx_deaths_garbage(&run->deaths, stats);
    if (run->instance == NULL || run->instance->ops->garbage_bytes == NULL)
        return HX_UNKNOWN;
    return run->instance->ops->garbage_bytes(run->instance);
}

static void on_tick(void *context, struct sm_manager *mm)
{
    struct run *run = (struct run *)context;
    if (!run->is_sampling)
        return;
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    hx_control_set_clock(&run->control, stats.alloc_bytes);
    hx_sampler_tick(&run->report->sampler, &stats, oracle_garbage(run, &stats), false);
    if (run->progress.is_on)
        show_progress(run, &stats, hx_now_ns());
}

/* ---- phases ---- */

static bool create_instance(struct run *run, struct sm_error *error)
{
    struct wl_config config = hx_plan_workload_config(run->plan);
    config.manager.hooks = (struct sm_hooks){
        .context = run,
        .on_pause = hx_plan_measures_all(run->plan) ? on_pause : NULL,
        .on_cycle = on_cycle,
        .on_guard_stall = on_guard_stall,
        .on_event = run->events != NULL ? on_event : NULL,
        .event_context = run->events,
        .on_tick = hx_plan_measures_all(run->plan) ? on_tick : NULL,
        .tick_bytes = hx_plan_measures_all(run->plan) ? run->plan->tick_bytes : 0,
    };
    config.manager.death_schedule = run->deaths.schedule;
    if (run->report->card != NULL)
        config.manager.death_recorder = run->report->card->recorder;
    uint64_t start_ns = hx_now_ns();
    struct wl_instance *instance = NULL;
    error->status = SM_OK;
    error->detail[0] = '\0';
    sm_status status = run->plan->workload->create(&config, &instance, error);
    if (status != SM_OK) {
        error->status = status;
        return false;
    }
    run->instance = instance;
    hx_metrics_set(&run->report->metrics, HX_METRIC_BOOT_NS, hx_now_ns() - start_ns);
    if (run->signals != NULL)
        hx_signals_attach(run->signals, instance->mm);
    return true;
}

static bool start_observers(struct run *run, struct sm_error *error)
{
    const struct hx_plan *plan = run->plan;
    if (plan->observer_count == 0)
        return true;
    if (run->instance->observed_roots == NULL)
        hx_note(&run->report->notes, "workload %s shows observers no roots: they only pin their guards",
                plan->workload_name);
    struct hx_observers_config config = {
        .mm = run->instance->mm,
        .observed_roots = run->instance->observed_roots,
        .count = plan->observer_count,
        .stall = plan->has_stall ? &plan->stall : NULL,
        .control = &run->control,
        .seed = plan->options.value[HX_OPT_SEED].count,
    };
    return hx_observers_start(&config, &run->observers, error) == SM_OK;
}

static bool work_is_done(const struct run *run, uint64_t clock_bytes, uint64_t now_ns)
{
    const struct hx_plan *plan = run->plan;
    return (plan->alloc_bytes != 0 && clock_bytes >= plan->alloc_bytes) ||
           (plan->steps != 0 && run->instance->steps_done >= plan->steps) ||
           (plan->work_ns != 0 && now_ns - run->work_start.now_ns >= plan->work_ns);
}

static void fail_on_step(struct run *run, enum wl_step step)
{
    const struct wl_instance *instance = run->instance;
    if (step == WL_STEP_INVALID)
        set_status(run, HX_STATUS_INVALID, instance->error.detail);
    else if (step == WL_STEP_FAILED)
        set_status(run, sm_error_status(instance->mm) == SM_ERR_OUT_OF_MEMORY ? HX_STATUS_OOM : HX_STATUS_INVALID,
                   sm_error_detail(instance->mm));
}

static bool was_stopped(struct run *run)
{
    switch (hx_control_stop(&run->control)) {
    case HX_STOP_INTERRUPTED:
        set_status(run, HX_STATUS_INTERRUPTED, "interrupted before the work was done");
        return true;
    case HX_STOP_TIMEOUT:
        set_status(run, HX_STATUS_TIMEOUT, "--timeout passed before the work was done");
        return true;
    case HX_STOP_FAILED:
        set_status(run, HX_STATUS_INTERRUPTED, "stopped, for another worker failed");
        return true;
    case HX_STOP_NONE:
        break;
    }
    return false;
}

/* A trace has its own end, which may come before the one asked for: then the figures are those of less work. */
static void note_early_end(struct run *run, uint64_t clock_bytes)
{
    const struct hx_plan *plan = run->plan;
    struct hx_notes *notes = &run->report->notes;
    char done[HX_QUANTITY_BYTES], asked[HX_QUANTITY_BYTES];
    if (plan->steps != 0)
        hx_note(notes, "the trace ended after %s of %s steps", hx_format_count(run->instance->steps_done, done),
                hx_format_count(plan->steps, asked));
    else if (plan->alloc_bytes != 0)
        hx_note(notes, "the trace ended after %s of %s bytes", hx_format_count(clock_bytes, done),
                hx_format_count(plan->alloc_bytes, asked));
    else if (plan->work_ns != 0)
        hx_note(notes, "the trace ended before the %s asked for", hx_format_ns(plan->work_ns, asked));
}

static void end_step(struct run *run, uint64_t start_ns, uint64_t now_ns)
{
    struct hx_report *report = run->report;
    if (report->card != NULL)
        hx_card_end_step(report->card);
    if (!hx_plan_measures_all(run->plan))
        return;
    hx_histogram_add(&report->service_ns, now_ns - start_ns);
    if (report->steps != NULL)
        hx_step_log_add(report->steps, start_ns, now_ns);
}

/* Steps until the work is done, someone asks for an end, or a step fails. */
static void run_steps(struct run *run)
{
    struct wl_instance *instance = run->instance;
    bool needs_clock = hx_plan_measures_all(run->plan) || run->plan->work_ns != 0 || run->progress.is_on;
    uint64_t now_ns = run->work_start.now_ns;
    uint64_t start_ns = now_ns;
    uint64_t steps_timed = instance->steps_done;
    while (!was_stopped(run)) {
        enum wl_step step = instance->ops->step(instance);
        if (needs_clock)
            now_ns = hx_now_ns();
        /* A trace replays a long iteration in several calls: it takes from its first to its last. */
        if (instance->steps_done != steps_timed) {
            end_step(run, start_ns, now_ns);
            steps_timed = instance->steps_done;
            start_ns = now_ns;
        }
        uint64_t clock_bytes = sm_hot(instance->mm)->alloc_bytes;
        hx_control_set_clock(&run->control, clock_bytes);
        if (step == WL_STEP_FAILED || step == WL_STEP_INVALID) {
            fail_on_step(run, step);
            return;
        }
        bool is_done = work_is_done(run, clock_bytes, now_ns);
        if (step == WL_STEP_DONE || is_done) {
            if (!is_done)
                note_early_end(run, clock_bytes);
            run->reached_end = true;
            return;
        }
        if (run->progress.is_on && hx_progress_is_due(&run->progress, now_ns)) {
            struct sm_stats stats;
            sm_stats_get(instance->mm, &stats);
            show_progress(run, &stats, now_ns);
        }
    }
}

/* Steps that come as requests by number. */
static void serve_requests(struct run *run)
{
    enum wl_step step = run->server->serve(run->server->context, run->instance, &run->control);
    fail_on_step(run, step);
    run->reached_end = step == WL_STEP_DONE;
    (void)was_stopped(run);
}

/* Where the process stands; what it takes is no part of the steps. */
static void take_checkpoint(struct run *run, const char *name)
{
    struct hx_report *report = run->report;
    assert(report->checkpoint_count < HX_CHECKPOINTS_MAX);
    struct hx_checkpoint *checkpoint = &report->checkpoints[report->checkpoint_count];
    *checkpoint = (struct hx_checkpoint){.name = name};
    if (run->instance != NULL)
        checkpoint->clock_bytes = sm_hot(run->instance->mm)->alloc_bytes;
    if (hx_process_memory_checkpoint(&report->sampler.memory, checkpoint))
        report->checkpoint_count++;
}

static void measure_end_of_work(struct run *run)
{
    struct sm_stats stats;
    sm_stats_get(run->instance->mm, &stats);
    hx_sampler_tick(&run->report->sampler, &stats, oracle_garbage(run, &stats), true);
    hx_work_measure(&run->work_start, &stats, hx_plan_measures_all(run->plan), run->report);
    take_checkpoint(run, "steps");
}

static void measure_utilization(struct run *run)
{
    struct hx_report *report = run->report;
    uint64_t start_ns = run->work_start.now_ns;
    struct hx_interval span = {start_ns, start_ns + report->metrics.value[HX_METRIC_WALL_NS]};
    if (!hx_plan_measures_all(run->plan))
        return;
    if (!hx_utilization_measure(&report->utilization, &report->stops, span))
        hx_note(&report->notes, "no memory for the mutator utilization");
    if (report->steps != NULL)
        hx_metered_measure(report->steps->times, report->steps->count, &report->metered);
}

/* What the end of the run does to the heap is not the workload's. */
static void end_card(struct run *run)
{
    struct sm_error error = {SM_OK, ""};
    if (run->report->card != NULL && hx_card_end_work(run->report->card, &error) != SM_OK)
        set_status(run, HX_STATUS_OOM, error.detail);
}

static void work(struct run *run)
{
    struct hx_metrics *metrics = &run->report->metrics;
    struct hx_work_threads threads = {run->observers, run->hiccups};
    take_checkpoint(run, "boot");
    hx_metrics_set(metrics, HX_METRIC_BOOT_ALLOC_BYTES, sm_hot(run->instance->mm)->alloc_bytes);
    hx_hiccups_record(run->hiccups, true);
    hx_work_begin(&run->work_start, run->instance->mm, threads);
    run->is_working = true;
    if (run->report->card != NULL)
        hx_card_begin_steps(run->report->card);
    if (run->server != NULL)
        serve_requests(run);
    else
        run_steps(run);
    hx_work_end_clocks(&run->work_start, threads, metrics);
    run->is_working = false;
    hx_hiccups_record(run->hiccups, false);
    end_card(run);
    measure_end_of_work(run);
    run->is_sampling = false;
    hx_progress_end(&run->progress);
    if (run->signals != NULL)
        hx_signals_work_done(run->signals);
}

static void end_observers(struct run *run)
{
    if (run->observers == NULL)
        return;
    struct hx_observers_result result = hx_observers_stop(run->observers);
    run->observers = NULL;
    hx_metrics_set(&run->report->metrics, HX_METRIC_OBSERVER_GUARDS, result.guards);
    hx_metrics_set(&run->report->metrics, HX_METRIC_OBSERVER_READS, result.objects_read);
    if (result.broken_objects > 0) {
        char line[SM_DETAIL_BYTES];
        snprintf(line, sizeof(line), "observers read %" PRIu64 " broken object%s under their guards",
                 result.broken_objects, hx_plural_s(result.broken_objects));
        set_status(run, HX_STATUS_INVALID, line);
    }
}

static void quiesce(struct run *run)
{
    if (!hx_plan_has_cycles(run->plan) && run->deaths.schedule == NULL)
        return;
    uint64_t start_ns = hx_now_ns();
    sm_status status = sm_quiesce(run->instance->mm);
    hx_metrics_set(&run->report->metrics, HX_METRIC_QUIESCE_NS, hx_now_ns() - start_ns);
    if (status != SM_OK) {
        char line[SM_DETAIL_BYTES];
        snprintf(line, sizeof(line), "quiesce: %s: %.300s", sm_status_name(status), sm_error_detail(run->instance->mm));
        set_status(run, HX_STATUS_INVALID, line);
    }
}

static void consult_oracle(struct run *run)
{
    struct hx_metrics *metrics = &run->report->metrics;
    struct hx_oracle_result result;
    if (hx_oracle_run(run->instance->mm, &result) != SM_OK) {
        hx_note(&run->report->notes,
                "oracle: no memory for the visited set; leaked and retained objects are not known");
        return;
    }
    hx_metrics_set(metrics, HX_METRIC_LEAKED_OBJECTS, result.leaked_objects);
    hx_metrics_set(metrics, HX_METRIC_LEAKED_BYTES, result.leaked_bytes);
    hx_metrics_set(metrics, HX_METRIC_RETAINED_OBJECTS, result.retained_objects);
    hx_metrics_set(metrics, HX_METRIC_RETAINED_BYTES, result.retained_bytes);
    if (result.missing_objects > 0 || result.broken_objects > 0) {
        char line[SM_DETAIL_BYTES];
        snprintf(line, sizeof(line),
                 "oracle: reachable objects: %" PRIu64 " not the manager's, %" PRIu64 " with broken headers",
                 result.missing_objects, result.broken_objects);
        set_status(run, HX_STATUS_INVALID, line);
    }
}

static void measure_totals(struct run *run)
{
    struct hx_metrics *metrics = &run->report->metrics;
    struct sm_stats stats;
    sm_stats_get(run->instance->mm, &stats);
    hx_metrics_set(metrics, HX_METRIC_STEPS, run->instance->steps_done);
    hx_metrics_set_totals(metrics, &stats);
    uint64_t garbage_bytes = run->report->sampler.peak_garbage_bytes;
    bool has_oracle = run->instance->ops->garbage_bytes != NULL || run->deaths.schedule != NULL;
    if (!has_oracle || !hx_plan_measures_all(run->plan))
        garbage_bytes = stats.peak_garbage_bytes;
    hx_metrics_set(metrics, HX_METRIC_PEAK_GARBAGE_BYTES, garbage_bytes);
}

/* After the last step. A run that found its heap wrong does not touch it again. */
static void conclude(struct run *run)
{
    struct hx_report *report = run->report;
    struct wl_instance *instance = run->instance;
    if (run->reached_end)
        fail_on_step(run, instance->ops->finish(instance));
    end_observers(run);
    if (report->status != HX_STATUS_INVALID)
        quiesce(run);
    if (report->status != HX_STATUS_INVALID) {
        take_checkpoint(run, "quiesce");
        consult_oracle(run);
    }
    if (report->status != HX_STATUS_INVALID)
        sm_finalizers_run_all(instance->mm);
    report->destructor_sum = instance->destructor_sum;
    if (report->status == HX_STATUS_OK)
        hx_metrics_set(&report->metrics, HX_METRIC_CHECKSUM,
                       wl_checksum_fold(instance->checksum, instance->destructor_sum));
    measure_totals(run);
    measure_utilization(run);
    hx_note_trace(&report->notes, run->plan, instance);
}

static void judge_repeatability(struct run *run)
{
    struct hx_report *report = run->report;
    if (report->status != HX_STATUS_OK || run->plan->work_ns != 0)
        report->repeatability = HX_REPEATABLE_NOT;
    else
        report->repeatability = run->plan->runs_inline ? HX_REPEATABLE_WHOLLY : HX_REPEATABLE_WORK;
}

/* What a refusal to create means: wrong arguments, an invalid trace among them, refuse the run; a full memory is its result. */
static sm_status judge_creation(struct run *run, struct sm_error *error)
{
    if (error->status == SM_ERR_OUT_OF_MEMORY)
        set_status(run, HX_STATUS_OOM, error->detail);
    else if (error->status == SM_ERR_SYSTEM)
        set_status(run, HX_STATUS_INVALID, error->detail);
    else if (run->plan->trace_path != NULL)
        return hx_refuse_spec("workload", run->plan->workload_name, error);
    else
        return error->status;
    return SM_OK;
}

static void tear_down(struct run *run)
{
    /* A run that never came to its work has no other figures. */
    if (!run->report->metrics.is_known[HX_METRIC_PEAK_RSS_BYTES])
        hx_metrics_set(&run->report->metrics, HX_METRIC_PEAK_RSS_BYTES, hx_process_memory_peak());
    if (run->signals != NULL)
        hx_signals_attach(run->signals, NULL);
    if (run->instance != NULL)
        run->plan->workload->destroy(run->instance);
    run->instance = NULL;
    hx_sampler_end(&run->report->sampler);
}

/* Workers leave it to the process that started them. */
static void tell_notes(struct run *run)
{
    hx_progress_clear(&run->progress);
    if (run->server == NULL)
        hx_notes_tell(&run->plan->told);
}

static enum hx_run_status recording_failure(const struct run *run, sm_status status)
{
    if (run->deaths.stop == HX_STOP_INTERRUPTED)
        return HX_STATUS_INTERRUPTED;
    if (run->deaths.stop == HX_STOP_TIMEOUT)
        return HX_STATUS_TIMEOUT;
    return status == SM_ERR_OUT_OF_MEMORY ? HX_STATUS_OOM : HX_STATUS_INVALID;
}

/* The timeout is one for recording and run together; 0 would mean none. */
static uint64_t timeout_left(const struct run *run)
{
    uint64_t timeout_ns = run->plan->timeout_ns;
    if (timeout_ns == 0)
        return 0;
    return timeout_ns > run->deaths.record_ns ? timeout_ns - run->deaths.record_ns : 1;
}

/* The run in this process, from its heap's creation to its end. */
static sm_status execute(struct run *run, struct sm_error *error)
{
    sm_status status = SM_OK;
    struct hx_report *report = run->report;
    hx_sampler_begin(&report->sampler);
    if (run->events != NULL)
        run->events->start_ns = report->sampler.start_ns;
    take_checkpoint(run, "start");
    hx_metrics_set(&report->metrics, HX_METRIC_BASELINE_RSS_BYTES, report->sampler.points[0].rss_bytes);
    if (report->status != HX_STATUS_OK) {
        tell_notes(run);
    } else if (!create_instance(run, error)) {
        status = judge_creation(run, error);
        /* A refusal is one line and no more. */
        if (status == SM_OK)
            tell_notes(run);
    } else if (!start_observers(run, error)) {
        set_status(run, HX_STATUS_INVALID, error->detail);
    } else {
        tell_notes(run);
        work(run);
        conclude(run);
    }
    tear_down(run);
    judge_repeatability(run);
    hx_note_run(report, &run->deaths);
    return status;
}

sm_status hx_run_serve(const struct hx_plan *plan, struct hx_report *report, const struct hx_server *server,
                       struct sm_error *error)
{
    struct run run = {.plan = plan, .report = report, .server = server, .is_sampling = true};
    return execute(&run, error);
}

sm_status hx_run_execute(const struct hx_plan *plan, struct hx_report *report, struct hx_event_sink *events,
                         const struct hx_output *outputs, size_t output_count, struct sm_error *error)
{
    assert(report->plan == plan);
    struct run run = {.plan = plan, .report = report, .events = events, .is_sampling = true};
    struct hx_machine_time machine;
    hx_context_gather(&report->context);
    sm_status status = hx_deaths_record(plan, &run.deaths, error);
    /* Wrong arguments refuse the run; anything else that ends the recording is what came of it. */
    if (status == SM_ERR_INVALID_ARGUMENT || status == SM_ERR_UNSUPPORTED)
        return status;
    if (status != SM_OK)
        set_status(&run, recording_failure(&run, status), error->detail);
    if (hx_signals_start(&run.control, timeout_left(&run), outputs, output_count, &run.signals) != SM_OK) {
        hx_deaths_finish(&run.deaths);
        snprintf(error->detail, sizeof(error->detail), "the system refused a thread for signals");
        return SM_ERR_SYSTEM;
    }
    hx_progress_begin(&run.progress, plan, hx_now_ns());
    if (hx_plan_measures_all(plan) && hx_usable_cpus() > 1)
        run.hiccups = hx_hiccups_start(HX_HICCUPS_THREAD, &report->hiccups_ns);
    hx_machine_time_read(&machine);
    status = execute(&run, error);
    hx_hiccups_stop(run.hiccups);
    hx_noise_judge(&machine, report);
    hx_deaths_finish(&run.deaths);
    hx_progress_end(&run.progress);
    hx_signals_stop(run.signals);
    return status;
}
