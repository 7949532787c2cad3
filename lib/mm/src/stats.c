#include "manager_internal.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const trigger_names[SM_TRIGGER_COUNT] = {
    [SM_TRIGGER_THRESHOLD] = "threshold", [SM_TRIGGER_MANUAL] = "manual",   [SM_TRIGGER_PERIODIC] = "periodic",
    [SM_TRIGGER_EMERGENCY] = "emergency", [SM_TRIGGER_QUIESCE] = "quiesce", [SM_TRIGGER_BOUNDARY] = "boundary",
};

static const char *const cycle_kind_names[SM_CYCLE_KIND_COUNT] = {[SM_CYCLE_FULL] = "full", [SM_CYCLE_YOUNG] = "young"};

const char *sm_trigger_name(enum sm_trigger trigger)
{
    return (unsigned)trigger < SM_TRIGGER_COUNT ? trigger_names[trigger] : "unknown trigger";
}

const char *sm_cycle_kind_name(enum sm_cycle_kind kind)
{
    return (unsigned)kind < SM_CYCLE_KIND_COUNT ? cycle_kind_names[kind] : "unknown kind";
}

void sm_count_dead(struct sm_manager *mm, uint64_t objects, uint64_t payload_bytes)
{
    mm->counters.dead_objects += objects;
    mm->counters.dead_bytes += payload_bytes;
    SM_ASSERT(mm->counters.dead_objects <= mm->hot.alloc_count + mm->counters.extra_objects);
}

uint64_t sm_live_bytes(const struct sm_manager *mm)
{
    return mm->hot.alloc_bytes + mm->counters.extra_bytes - mm->counters.dead_bytes;
}

uint64_t sm_live_objects(const struct sm_manager *mm)
{
    return mm->hot.alloc_count + mm->counters.extra_objects - mm->counters.dead_objects;
}

void sm_sample_live(struct sm_manager *mm)
{
    uint64_t live_bytes = sm_live_bytes(mm);
    if (live_bytes > mm->counters.peak_live_bytes)
        mm->counters.peak_live_bytes = live_bytes;
}

uint64_t sm_backlog_bytes(const struct sm_manager *mm)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    return stats.backlog_bytes;
}

void sm_count_copy(struct sm_manager *mm, size_t bytes)
{
    mm->counters.copied_bytes += bytes;
    mm->counters.copy_count++;
}

void sm_count_copy_object(struct sm_manager *mm, const struct sm_object *object, uint64_t original_payload_bytes)
{
    uint64_t bytes = object->payload_bytes < original_payload_bytes ? object->payload_bytes : original_payload_bytes;
    mm->hot.alloc_bytes -= bytes;
    mm->hot.alloc_count--;
    mm->counters.extra_bytes += bytes;
    mm->counters.extra_objects++;
    sm_count_copy(mm, (size_t)bytes);
    /* Copies take memory as allocations do: the next cycle comes as much earlier. */
    sm_cycle_bring_forward(mm, bytes);
}

void sm_count_policy_bytes(struct sm_manager *mm, uint64_t bytes)
{
    mm->counters.policy_bytes += bytes;
}

static void fill_traffic(const struct sm_manager *mm, struct sm_stats *stats)
{
    const struct sm_counters *counters = &mm->counters;
    stats->alloc_bytes = mm->hot.alloc_bytes;
    stats->alloc_count = mm->hot.alloc_count;
    stats->resize_count = counters->resize_count;
    stats->policy_bytes = counters->policy_bytes;
    stats->copied_bytes = counters->copied_bytes;
    stats->copy_count = counters->copy_count;
    stats->requests = counters->request_count;
    stats->destructors_run = mm->finalizers.run_count;
    stats->committed_bytes = sm_committed_bytes(mm);
    stats->peak_committed_bytes = mm->reserve.peak_committed_bytes;
}

static void fill_cycles(const struct sm_manager *mm, struct sm_stats *stats)
{
    const struct sm_counters *counters = &mm->counters;
    stats->cycles = counters->cycle_count;
    for (size_t i = 0; i < SM_TRIGGER_COUNT; i++)
        stats->cycles_by_trigger[i] = counters->cycles_by_trigger[i];
    for (size_t i = 0; i < SM_CYCLE_KIND_COUNT; i++)
        stats->cycles_by_kind[i] = counters->cycles_by_kind[i];
    stats->concurrent_cycles = counters->concurrent_count;
    stats->fallbacks = counters->fallback_count;
    stats->slices = counters->slice_count;
    stats->assists = counters->assist_count;
    stats->cycle_cpu_ns = counters->cycle_cpu_ns;
    stats->collector_cpu_ns = counters->collector_cpu_ns;
    stats->traced_objects = counters->traced_objects;
    stats->logged_objects = counters->logged_objects;
    stats->peak_garbage_bytes = counters->peak_garbage_bytes;
    stats->pauses = mm->pauses.count;
    stats->pause_total_ns = mm->pauses.total_ns;
    stats->pause_max_ns = mm->pauses.max_ns;
    stats->guard_stalls = mm->guards.stall_count;
    stats->epoch = sm_epoch_current(mm);
    bool paced = sm_has(mm, SM_CAP_COLLECT) && mm->cycles.threshold_bytes != UINT64_MAX;
    stats->threshold_bytes = paced ? mm->cycles.threshold_bytes : 0;
}

void sm_external_change(struct sm_manager *mm, int64_t change_bytes)
{
    struct sm_counters *counters = &mm->counters;
    SM_ASSERT(change_bytes >= 0 || counters->external_bytes >= (uint64_t)-change_bytes);
    counters->external_bytes += (uint64_t)change_bytes;
    if (counters->external_bytes > counters->peak_external_bytes)
        counters->peak_external_bytes = counters->external_bytes;
    if (change_bytes > 0)
        sm_cycle_bring_forward(mm, (uint64_t)change_bytes);
}

/* Kept by the manager for every policy alike, so written last: a policy's own count cannot disagree. */
static void fill_live(const struct sm_manager *mm, struct sm_stats *stats)
{
    const struct sm_counters *counters = &mm->counters;
    stats->live_bytes = sm_live_bytes(mm);
    stats->live_objects = sm_live_objects(mm);
    stats->external_bytes = counters->external_bytes;
    stats->peak_external_bytes = counters->peak_external_bytes;
    stats->retired_bytes = counters->dead_bytes;
    stats->retired_objects = counters->dead_objects;
    stats->peak_live_bytes =
        counters->peak_live_bytes > stats->live_bytes ? counters->peak_live_bytes : stats->live_bytes;
}

void sm_stats_get(const struct sm_manager *mm, struct sm_stats *stats)
{
    *stats = (struct sm_stats){0};
    fill_traffic(mm, stats);
    fill_cycles(mm, stats);
    fill_live(mm, stats);
    mm->ops->stats(mm->policy, stats);
    fill_live(mm, stats);
}

static void print_row(FILE *stream, const char *name, uint64_t value, const char *unit)
{
    fprintf(stream, "%-18s %16" PRIu64 " %s\n", name, value, unit);
}

void sm_stats_print(const struct sm_manager *mm, void *stream)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    fprintf(stream, "%-18s %16s\n", "policy", mm->ops->name);
    print_row(stream, "allocated", stats.alloc_bytes, "bytes");
    print_row(stream, "allocations", stats.alloc_count, "objects");
    print_row(stream, "live", stats.live_bytes, "bytes");
    print_row(stream, "live objects", stats.live_objects, "objects");
    print_row(stream, "peak live", stats.peak_live_bytes, "bytes");
    print_row(stream, "committed", stats.committed_bytes, "bytes");
    print_row(stream, "peak committed", stats.peak_committed_bytes, "bytes");
    print_row(stream, "retired", stats.retired_bytes, "bytes");
    print_row(stream, "reclaimed", stats.reclaimed_bytes, "bytes");
    print_row(stream, "backlog", stats.backlog_bytes, "bytes");
    print_row(stream, "peak backlog", stats.peak_backlog_bytes, "bytes");
    print_row(stream, "cycles", stats.cycles, "times");
    print_row(stream, "young cycles", stats.cycles_by_kind[SM_CYCLE_YOUNG], "times");
    print_row(stream, "destructors run", stats.destructors_run, "times");
    print_row(stream, "pauses", stats.pauses, "times");
    print_row(stream, "pause total", stats.pause_total_ns, "ns");
    print_row(stream, "pause max", stats.pause_max_ns, "ns");
}
