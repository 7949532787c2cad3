/* Each check looks at what the context says, or asks the machine itself. */
#include "doctor.h"

#include "build_info.h"
#include "proc_text.h"
#include "quantities.h"

#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct examined {
    const struct hx_context *context;
    const struct hx_watched *watched;
};

static void find(struct hx_finding *finding, enum hx_soundness verdict, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void find(struct hx_finding *finding, enum hx_soundness verdict, const char *advice, const char *format, ...)
{
    va_list arguments;
    finding->verdict = verdict;
    finding->advice = verdict == HX_SOUNDNESS_OK ? NULL : advice;
    va_start(arguments, format);
    vsnprintf(finding->detail, sizeof(finding->detail), format, arguments);
    va_end(arguments);
}

static enum hx_soundness warn_if(bool is_bad)
{
    return is_bad ? HX_SOUNDNESS_WARNING : HX_SOUNDNESS_OK;
}

static const struct hx_fact *fact(const struct examined *examined, const char *name)
{
    return hx_context_find(examined->context, NULL, name);
}

/* ---- CPUs ---- */

static void check_cpus(const struct examined *examined, struct hx_finding *finding)
{
    (void)examined;
    unsigned usable = hx_usable_cpus();
    find(finding, warn_if(usable < 3),
         "expect collector and reclaimer to take time from the program; runs with more busy threads than CPUs say so",
         "%u usable; a run's VM thread and collector are busy at once, and who measures needs a third", usable);
}

static void check_governor(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *governor = fact(examined, "governor");
    if (governor == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "the system tells no frequency governor");
        return;
    }
    find(finding, warn_if(strcmp(governor->text, "performance") != 0), "cpupower frequency-set -g performance", "%s",
         governor->text);
}

static void check_turbo(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *turbo = fact(examined, "turbo");
    if (turbo == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "the system does not tell whether the CPU may overclock itself");
        return;
    }
    find(finding, warn_if(turbo->count != 0),
         "echo 1 >/sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 >/sys/devices/system/cpu/cpufreq/boost",
         "turbo %s", turbo->count != 0 ? "on" : "off");
}

static void check_virtual(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *virtualised = fact(examined, "virtualised");
    if (virtualised == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "the CPU does not tell whether it is a virtual one");
        return;
    }
    find(finding, warn_if(virtualised->count != 0),
         "compare only what ran interleaved; page faults cost more than on metal",
         virtualised->count != 0 ? "a virtual machine" : "no hypervisor");
}

static void check_steal(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_watched *watched = examined->watched;
    if (!watched->begin.is_known) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "no /proc/stat");
        return;
    }
    double stolen = hx_machine_stolen(&watched->begin, &watched->end);
    find(finding, warn_if(stolen > 0.01), "use a machine whose CPUs are not shared",
         "the hypervisor took %.2f CPUs over a second", stolen);
}

static void check_quota(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *quota = hx_context_find(examined->context, "cgroup", "cpu_max");
    if (quota == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "no cpu.max of a cgroup of version 2");
        return;
    }
    find(finding, warn_if(strncmp(quota->text, "max", 3) != 0), "lift cpu.max: a run that uses up its quota is stopped",
         "cpu.max %s", quota->text);
}

/* ---- Who else is there ---- */

static void check_load(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *load = fact(examined, "load_average");
    if (load == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "no load average");
        return;
    }
    find(finding, warn_if(load->real > 0.5), "wait until what ran before has ended, a minute or so",
         "%.2f over the last minute", load->real);
}

static void check_others(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_watched *watched = examined->watched;
    if (!watched->begin.is_known) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "no /proc/stat");
        return;
    }
    double others = hx_machine_others(&watched->begin, &watched->end);
    find(finding, warn_if(others > 0.05), "end what runs beside (top shows it)",
         "other processes kept %.2f CPUs busy over a second", others);
}

static void check_hiccups(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_histogram *hiccups = &examined->watched->hiccups_ns;
    char p50[HX_QUANTITY_BYTES], p99[HX_QUANTITY_BYTES], max[HX_QUANTITY_BYTES];
    if (hiccups->count == 0) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "the system refused a thread");
        return;
    }
    uint64_t p99_ns = hx_histogram_quantile(hiccups, 0.99);
    find(finding, warn_if(p99_ns > 200000), "pauses shorter than these say nothing",
         "a sleep of 1 ms is late by p50 %s, p99 %s, max %s", hx_format_ns(hx_histogram_quantile(hiccups, 0.5), p50),
         hx_format_ns(p99_ns, p99), hx_format_ns(hiccups->maximum, max));
}

/* ---- Memory ---- */

static void check_huge_pages(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *pages = fact(examined, "transparent_huge_pages");
    if (pages == NULL) {
        find(finding, HX_SOUNDNESS_OK, NULL, "the kernel has no transparent huge pages");
        return;
    }
    find(finding, warn_if(strcmp(pages->text, "always") == 0),
         "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled: RSS grows in steps of 2 MiB otherwise", "%s",
         pages->text);
}

static void check_layout(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_fact *aslr = fact(examined, "aslr");
    if (aslr == NULL) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "the system does not tell whether addresses are random");
        return;
    }
    find(finding, warn_if(aslr->count != 0),
         "take many runs, so that layouts average out, or setarch -R for one layout only", "addresses are %s",
         aslr->count != 0 ? "random: each run has another layout" : "fixed");
}

static void check_swap(const struct examined *examined, struct hx_finding *finding)
{
    char info[4096], used[HX_QUANTITY_BYTES];
    uint64_t total = 0, left = 0;
    (void)examined;
    if (!hx_proc_read("/proc/meminfo", info, sizeof(info)) || !hx_proc_field(info, "SwapTotal:", &total) ||
        !hx_proc_field(info, "SwapFree:", &left)) {
        find(finding, HX_SOUNDNESS_UNKNOWN, NULL, "no /proc/meminfo");
        return;
    }
    find(finding, warn_if(total != 0), "swapoff -a: what is swapped out is missing in RSS",
         total != 0 ? "on, %s used" : "off", hx_format_bytes((total - left) * 1024, used));
}

/* ---- Instruments ---- */

static void check_clock(const struct examined *examined, struct hx_finding *finding)
{
    enum { READS = 100000 };
    struct timespec resolution;
    const struct hx_fact *source = fact(examined, "clock_source");
    clock_getres(CLOCK_MONOTONIC, &resolution);
    uint64_t start_ns = hx_now_ns(), now_ns = start_ns;
    for (int i = 0; i < READS; i++)
        now_ns = hx_now_ns();
    double read_ns = (double)(now_ns - start_ns) / READS;
    find(finding, warn_if(read_ns > 100 || resolution.tv_nsec > 1000),
         "use a clock source that needs no system call (tsc): each pause is timed by two reads",
         "%s, resolution %ld ns, a read %.0f ns", source != NULL ? source->text : "unknown source", resolution.tv_nsec,
         read_ns);
}

static void check_counters(const struct examined *examined, struct hx_finding *finding)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    (void)examined;
    long counter = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
    bool is_there = counter >= 0;
    if (is_there)
        close((int)counter);
    find(finding, warn_if(!is_there), "times alone can be compared, for nothing counts instructions",
         is_there ? "hardware counters can be read" : "no hardware counters");
}

/* ---- This program ---- */

static void check_environment(const struct examined *examined, struct hx_finding *finding)
{
    const struct hx_context *context = examined->context;
    char names[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < context->count && used < sizeof(names); i++) {
        const struct hx_fact *fact = &context->facts[i];
        if (fact->group != NULL && strcmp(fact->group, "environment") == 0)
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used == 0 ? "" : ", ", fact->name);
    }
    if (used == 0)
        find(finding, HX_SOUNDNESS_OK, NULL, "no variables that change how memory is allocated");
    else
        find(finding, HX_SOUNDNESS_WARNING, "unset them", "set, and may change how memory is allocated: %s", names);
}

static void check_build(const struct examined *examined, struct hx_finding *finding)
{
    bool is_slow =
        *hx_build_info.sanitizers != '\0' || hx_build_info.checked || strcmp(hx_build_info.build_type, "Debug") == 0;
    (void)examined;
    find(finding, warn_if(is_slow || strcmp(hx_build_info.assertions, "none") != 0), "scripts/build release",
         "%s, assertions %s, sanitizers %s", hx_build_info.build_type, hx_build_info.assertions,
         *hx_build_info.sanitizers != '\0' ? hx_build_info.sanitizers : "none");
}

static void check_tree(const struct examined *examined, struct hx_finding *finding)
{
    (void)examined;
    find(finding, warn_if(hx_build_info.git_dirty), "commit what changed, so that results name their program",
         "commit %.12s%s", hx_build_info.git_commit, hx_build_info.git_dirty ? ", changed" : "");
}

static const struct {
    const char *name;
    void (*check)(const struct examined *examined, struct hx_finding *finding);
} checks[] = {
    {"cpus", check_cpus},
    {"governor", check_governor},
    {"turbo", check_turbo},
    {"virtual", check_virtual},
    {"steal", check_steal},
    {"quota", check_quota},
    {"load", check_load},
    {"others", check_others},
    {"hiccups", check_hiccups},
    {"huge-pages", check_huge_pages},
    {"layout", check_layout},
    {"swap", check_swap},
    {"clock", check_clock},
    {"counters", check_counters},
    {"environment", check_environment},
    {"build", check_build},
    {"tree", check_tree},
};

static const size_t check_count = sizeof(checks) / sizeof(checks[0]);

_Static_assert(sizeof(checks) / sizeof(checks[0]) <= (size_t)HX_FINDINGS_MAX, "there is room for all checks");

void hx_doctor_examine(const struct hx_context *context, const struct hx_watched *watched, struct hx_findings *findings)
{
    const struct examined examined = {context, watched};
    findings->count = check_count;
    for (size_t i = 0; i < check_count; i++) {
        findings->list[i] = (struct hx_finding){.check = checks[i].name};
        checks[i].check(&examined, &findings->list[i]);
    }
}
