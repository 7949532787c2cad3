#include "context.h"

#include "build_info.h"
#include "loaded_libraries.h"
#include "proc_text.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct hx_fact *add(struct hx_context *context, const char *group, const char *name, enum hx_fact_kind kind)
{
    assert(context->count < HX_FACTS_MAX);
    struct hx_fact *fact = &context->facts[context->count];
    if (context->count < HX_FACTS_MAX - 1)
        context->count++;
    memset(fact, 0, sizeof(*fact));
    fact->group = group;
    fact->kind = kind;
    snprintf(fact->name, sizeof(fact->name), "%.47s", name);
    return fact;
}

/* NULL says unknown. */
static void add_text(struct hx_context *context, const char *group, const char *name, const char *text)
{
    struct hx_fact *fact = add(context, group, name, text != NULL ? HX_FACT_TEXT : HX_FACT_UNKNOWN);
    if (text != NULL)
        snprintf(fact->text, sizeof(fact->text), "%.255s", text);
}

static void add_count(struct hx_context *context, const char *group, const char *name, bool is_known, uint64_t count)
{
    add(context, group, name, is_known ? HX_FACT_COUNT : HX_FACT_UNKNOWN)->count = count;
}

static void add_bool(struct hx_context *context, const char *name, bool is_known, bool truth)
{
    add(context, NULL, name, is_known ? HX_FACT_BOOL : HX_FACT_UNKNOWN)->count = truth ? 1 : 0;
}

static void add_line(struct hx_context *context, const char *group, const char *name, const char *path)
{
    char text[256];
    add_text(context, group, name, hx_proc_line(path, text, sizeof(text)) ? text : NULL);
}

/* ---- the machine ---- */

/* The text after "field<tabs>: " in /proc/cpuinfo's first processor. */
static bool read_cpuinfo(const char *field, char *text, size_t text_bytes)
{
    char info[8192];
    if (!hx_proc_read("/proc/cpuinfo", info, sizeof(info)))
        return false;
    const char *line = strstr(info, field);
    const char *colon = line != NULL ? strchr(line, ':') : NULL;
    if (colon == NULL)
        return false;
    const char *start = colon + 1 + strspn(colon + 1, " ");
    snprintf(text, text_bytes, "%.*s", (int)strcspn(start, "\n"), start);
    return true;
}

static void add_cpus(struct hx_context *context)
{
    char text[4096];
    add_text(context, NULL, "cpu_model", read_cpuinfo("model name", text, sizeof(text)) ? text : NULL);
    cpu_set_t usable;
    bool is_known = sched_getaffinity(0, sizeof(usable), &usable) == 0;
    add_count(context, NULL, "cpus_usable", is_known, is_known ? (uint64_t)CPU_COUNT(&usable) : 0);
    add_count(context, NULL, "cpus_online", true, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
    add_line(context, NULL, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    bool has_flags = read_cpuinfo("flags", text, sizeof(text));
    uint64_t is_off = 0, is_on = 0;
    bool knows_off = hx_proc_number("/sys/devices/system/cpu/intel_pstate/no_turbo", &is_off);
    bool knows_on = hx_proc_number("/sys/devices/system/cpu/cpufreq/boost", &is_on);
    add_bool(context, "turbo", knows_off || knows_on, knows_off ? is_off == 0 : is_on != 0);
    add_line(context, NULL, "clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    add_bool(context, "virtualised", has_flags, has_flags && strstr(text, " hypervisor") != NULL);
}

/* The word in brackets of "always [madvise] never". */
static void add_transparent_huge_pages(struct hx_context *context)
{
    char text[128];
    char *open =
        hx_proc_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) ? strchr(text, '[') : NULL;
    if (open != NULL)
        open[strcspn(open, "]")] = '\0';
    add_text(context, NULL, "transparent_huge_pages", open != NULL ? open + 1 : NULL);
}

static void add_system(struct hx_context *context)
{
    struct utsname name;
    char kernel[160];
    bool is_known = uname(&name) == 0;
    if (is_known)
        snprintf(kernel, sizeof(kernel), "%.60s %.60s %.30s", name.sysname, name.release, name.machine);
    add_text(context, NULL, "kernel", is_known ? kernel : NULL);
    add_transparent_huge_pages(context);
    uint64_t randomise = 0;
    bool knows_randomise = hx_proc_number("/proc/sys/kernel/randomize_va_space", &randomise);
    int persona = personality(0xffffffff);
    add_bool(context, "aslr", knows_randomise, randomise != 0 && (persona & ADDR_NO_RANDOMIZE) == 0);
    struct sysinfo info;
    bool knows_memory = sysinfo(&info) == 0;
    add_count(context, NULL, "memory_bytes", knows_memory, knows_memory ? (uint64_t)info.totalram * info.mem_unit : 0);
    add_count(context, NULL, "swap_bytes", knows_memory, knows_memory ? (uint64_t)info.totalswap * info.mem_unit : 0);
    add_count(context, NULL, "page_bytes", true, (uint64_t)sysconf(_SC_PAGESIZE));
    double load = 0;
    bool knows_load = getloadavg(&load, 1) == 1;
    add(context, NULL, "load_average", knows_load ? HX_FACT_REAL : HX_FACT_UNKNOWN)->real = load;
}

/* Of this process's own group, where the system has it, else of the one at the root of what it sees. */
static void add_limit(struct hx_context *context, const char *name, const char *group, const char *file)
{
    char path[512], text[256];
    snprintf(path, sizeof(path), "/sys/fs/cgroup%.300s/%s", group, file);
    bool is_known = hx_proc_line(path, text, sizeof(text));
    if (!is_known) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", file);
        is_known = hx_proc_line(path, text, sizeof(text));
    }
    add_text(context, "cgroup", name, is_known ? text : NULL);
}

static void add_cgroup(struct hx_context *context)
{
    char groups[4096], group[300] = "";
    /* The line of version 2: "0::/path". */
    const char *line = hx_proc_read("/proc/self/cgroup", groups, sizeof(groups)) ? strstr(groups, "0::/") : NULL;
    if (line != NULL && (line == groups || line[-1] == '\n'))
        snprintf(group, sizeof(group), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    add_limit(context, "memory_max", group, "memory.max");
    add_limit(context, "memory_high", group, "memory.high");
    add_limit(context, "cpu_max", group, "cpu.max");
}

/* ---- the build ---- */

static void add_build(struct hx_context *context)
{
    add_text(context, "build", "version", hx_build_info.version);
    add_text(context, "build", "git_commit", hx_build_info.git_commit);
    struct hx_fact *dirty = add(context, "build", "git_dirty", HX_FACT_BOOL);
    dirty->count = hx_build_info.git_dirty ? 1 : 0;
    add_text(context, "build", "compiler", hx_build_info.compiler);
    add_text(context, "build", "c_flags", hx_build_info.c_flags);
    add_text(context, "build", "build_type", hx_build_info.build_type);
    add_text(context, "build", "sanitizers", hx_build_info.sanitizers);
    add_text(context, "build", "assertions", hx_build_info.assertions);
}

static void add_libraries(struct hx_context *context)
{
    struct hx_loaded_library libraries[HX_LIBRARIES_MAX];
    size_t count = hx_loaded_libraries(libraries, HX_LIBRARIES_MAX);
    for (size_t i = 0; i < count; i++)
        add_text(context, "libraries", libraries[i].name, libraries[i].version);
}

/* Variables that change how memory is allocated, as they are set. */
static void add_environment(struct hx_context *context)
{
    static const char *const prefixes[] = {"LD_PRELOAD=", "GLIBC_TUNABLES=", "MALLOC_",
                                           "MIMALLOC_",   "ASAN_OPTIONS=",   "TSAN_OPTIONS="};
    enum { VARIABLES_MAX = 16 };
    size_t added = 0;
    for (char **variable = environ; *variable != NULL; variable++) {
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && added < VARIABLES_MAX; i++) {
            if (strncmp(*variable, prefixes[i], strlen(prefixes[i])) != 0)
                continue;
            char name[48];
            size_t length = strcspn(*variable, "=");
            snprintf(name, sizeof(name), "%.*s", (int)length, *variable);
            add_text(context, "environment", name, (*variable)[length] == '=' ? *variable + length + 1 : "");
            added++;
        }
    }
}

void hx_context_gather(struct hx_context *context)
{
    context->count = 0;
    add_cpus(context);
    add_system(context);
    add_cgroup(context);
    add_build(context);
    add_libraries(context);
    add_environment(context);
}

static bool is_in(const struct hx_fact *fact, const char *group)
{
    return group == NULL ? fact->group == NULL : fact->group != NULL && strcmp(fact->group, group) == 0;
}

const struct hx_fact *hx_context_find(const struct hx_context *context, const char *group, const char *name)
{
    for (size_t i = 0; i < context->count; i++) {
        const struct hx_fact *fact = &context->facts[i];
        if (is_in(fact, group) && strcmp(fact->name, name) == 0)
            return fact->kind != HX_FACT_UNKNOWN ? fact : NULL;
    }
    return NULL;
}
