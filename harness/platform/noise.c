#include "noise.h"

#include "proc_text.h"
#include "quantities.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Ticks are 10 ms: in less time they say nothing. */
static const uint64_t least_span_ns = 500000000;

enum { RUN_DELAY_PERCENT = 2 };

static const double stolen_limit = 0.01, others_limit = 0.05;

/* ---- The machine ---- */

static uint64_t cpu_of(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) != 0)
        return 0;
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    return seconds * 1000000000 + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* "cpu  user nice system idle iowait irq softirq steal ...". */
static bool read_ticks(uint64_t *busy_ticks, uint64_t *steal_ticks)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    char text[512];
    uint64_t ticks[FIELDS];
    if (!hx_proc_line("/proc/stat", text, sizeof(text)) || strncmp(text, "cpu ", 4) != 0)
        return false;
    char *rest = text + 4;
    for (int i = 0; i < FIELDS; i++)
        ticks[i] = strtoull(rest, &rest, 10);
    *busy_ticks = ticks[USER] + ticks[NICE] + ticks[SYSTEM] + ticks[IRQ] + ticks[SOFTIRQ];
    *steal_ticks = ticks[STEAL];
    return true;
}

void hx_machine_time_read(struct hx_machine_time *time)
{
    *time = (struct hx_machine_time){.now_ns = hx_now_ns()};
    time->is_known = read_ticks(&time->busy_ticks, &time->steal_ticks);
    time->own_cpu_ns = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
}

static bool can_compare(const struct hx_machine_time *from, const struct hx_machine_time *to)
{
    return from->is_known && to->is_known && to->now_ns - from->now_ns >= least_span_ns;
}

static double cpus(uint64_t ticks, const struct hx_machine_time *from, const struct hx_machine_time *to)
{
    double seconds = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return seconds * 1e9 / (double)(to->now_ns - from->now_ns);
}

double hx_machine_others(const struct hx_machine_time *from, const struct hx_machine_time *to)
{
    if (!can_compare(from, to))
        return 0;
    double own = (double)(to->own_cpu_ns - from->own_cpu_ns) / (double)(to->now_ns - from->now_ns);
    double others = cpus(to->busy_ticks - from->busy_ticks, from, to) - own;
    return others > 0 ? others : 0;
}

double hx_machine_stolen(const struct hx_machine_time *from, const struct hx_machine_time *to)
{
    return can_compare(from, to) ? cpus(to->steal_ticks - from->steal_ticks, from, to) : 0;
}

unsigned hx_usable_cpus(void)
{
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
        return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)CPU_COUNT(&usable);
}

/* ---- The run ---- */

/* A thread that waits for grace periods sleeps but for moments, and so do those for signals and hiccups. */
unsigned hx_plan_busy_threads(const struct hx_plan *plan)
{
    bool has_collector =
        plan->options.has_value[HX_OPT_COLLECTOR_THREADS] && plan->options.value[HX_OPT_COLLECTOR_THREADS].count == 1;
    unsigned workers = plan->burst.is_on ? plan->burst.worker_count : 1;
    return workers * (has_collector ? 2 : 1) + plan->observer_count;
}

static void judge_threads(struct hx_report *report)
{
    unsigned threads = hx_plan_busy_threads(report->plan), usable = hx_usable_cpus();
    if (threads > usable)
        hx_note(&report->noisy, "%u busy thread%s on %u usable CPU%s", threads, hx_plural_s(threads), usable,
                hx_plural_s(usable));
}

static void judge_run_delay(struct hx_report *report)
{
    const struct hx_metrics *metrics = &report->metrics;
    uint64_t delay_ns = metrics->value[HX_METRIC_RUN_DELAY_NS], cpu_ns = metrics->value[HX_METRIC_VM_CPU_NS];
    if (metrics->is_known[HX_METRIC_RUN_DELAY_NS] && delay_ns > cpu_ns / 100 * RUN_DELAY_PERCENT)
        hx_note(&report->noisy, "the VM thread waited %.1f %% of its CPU time for a CPU",
                100 * (double)delay_ns / (double)(cpu_ns != 0 ? cpu_ns : 1));
}

static void judge_machine(const struct hx_machine_time *start, struct hx_report *report)
{
    struct hx_machine_time end;
    hx_machine_time_read(&end);
    double free_cpus = (double)sysconf(_SC_NPROCESSORS_ONLN) - (double)hx_plan_busy_threads(report->plan);
    double others = hx_machine_others(start, &end), stolen = hx_machine_stolen(start, &end);
    if (others > (free_cpus > 0 ? free_cpus : 0) + others_limit)
        hx_note(&report->noisy, "other processes kept %.2f CPUs busy, and this run left %.0f", others,
                free_cpus > 0 ? free_cpus : 0);
    if (stolen > stolen_limit)
        hx_note(&report->noisy, "the hypervisor took %.2f CPUs", stolen);
}

void hx_noise_judge(const struct hx_machine_time *start, struct hx_report *report)
{
    judge_threads(report);
    judge_run_delay(report);
    judge_machine(start, report);
    for (size_t i = 0; i < report->noisy.count; i++)
        hx_note(&report->notes, "noisy: %.200s", report->noisy.lines[i]);
}
