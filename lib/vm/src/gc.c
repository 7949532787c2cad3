/* What a program may ask of the collector; the VM watches cycles for it, in front of the embedder's hooks. */
#include "vm_internal.h"

#include "sapimem/policy.h"

/* ---- Hooks ---- */

static void see_pause(void *context, const struct sm_pause_record *pause)
{
    const struct sm_hooks *hooks = &((struct vm *)context)->collector.hooks;
    hooks->on_pause(hooks->context, pause);
}

static void see_cycle(void *context, const struct sm_cycle_record *cycle)
{
    struct vm_collector *collector = &((struct vm *)context)->collector;
    collector->previous_cycle_bytes = collector->last_cycle_bytes;
    collector->last_cycle_bytes = cycle->clock_bytes;
    collector->retired_objects += cycle->retired_objects;
    if (collector->hooks.on_cycle != NULL)
        collector->hooks.on_cycle(collector->hooks.context, cycle);
}

static void see_guard_stall(void *context, const struct sm_guard_report *report)
{
    const struct sm_hooks *hooks = &((struct vm *)context)->collector.hooks;
    hooks->on_guard_stall(hooks->context, report);
}

static void see_tick(void *context, struct sm_manager *mm)
{
    const struct sm_hooks *hooks = &((struct vm *)context)->collector.hooks;
    hooks->on_tick(hooks->context, mm);
}

void vm_collector_watch(struct vm *vm, struct sm_hooks *hooks)
{
    vm->collector.hooks = *hooks;
    hooks->context = vm;
    hooks->on_cycle = see_cycle;
    if (hooks->on_pause != NULL)
        hooks->on_pause = see_pause;
    if (hooks->on_guard_stall != NULL)
        hooks->on_guard_stall = see_guard_stall;
    if (hooks->on_tick != NULL)
        hooks->on_tick = see_tick;
}

/* ---- Delays ---- */

/* A counting policy runs them inside the cycle that found them, which the VM has not been told of yet. */
static void count_delayed(struct vm *vm)
{
    struct vm_collector *collector = &vm->collector;
    struct vm_destructor_stats *stats = &collector->destructors;
    uint64_t now_bytes = sm_hot(vm_manager(vm))->alloc_bytes;
    uint64_t found_bytes = vm_counting(vm) ? now_bytes : collector->last_cycle_bytes;
    uint64_t alive_bytes = vm_counting(vm) ? collector->last_cycle_bytes : collector->previous_cycle_bytes;
    stats->delayed++;
    stats->delay_at_least_bytes += now_bytes - found_bytes;
    stats->delay_at_most_bytes += now_bytes - alive_bytes;
    if (now_bytes - alive_bytes > stats->delay_max_bytes)
        stats->delay_max_bytes = now_bytes - alive_bytes;
}

void vm_collector_count_destructor(struct vm *vm)
{
    struct vm_destructor_stats *stats = &vm->collector.destructors;
    stats->run++;
    if (vm->shutting_down)
        stats->at_shutdown++;
    else if (sm_finalizer_is_prompt(vm_manager(vm)))
        stats->prompt++;
    else
        count_delayed(vm);
}

struct vm_destructor_stats vm_destructor_stats(const struct vm *vm)
{
    return vm->collector.destructors;
}

/* ---- Asked by programs ---- */

static struct sm_stats stats_of(struct vm *vm)
{
    struct sm_stats stats;
    sm_stats_get(vm_manager(vm), &stats);
    return stats;
}

struct vm_gc_status vm_gc_status(struct vm *vm)
{
    struct sm_stats stats = stats_of(vm);
    if (vm_counting(vm))
        return (struct vm_gc_status){stats.root_runs, stats.collected_objects, stats.root_threshold, stats.roots};
    /* A young cycle is no run of PHP's collector: it looks at no more than what was made since the last. */
    uint64_t full_cycles = stats.cycles_by_kind[SM_CYCLE_FULL];
    return (struct vm_gc_status){full_cycles, vm->collector.retired_objects, stats.threshold_bytes, 0};
}

uint64_t vm_gc_collect_cycles(struct vm *vm)
{
    uint64_t before = vm_gc_status(vm).collected;
    (void)sm_collect(vm_manager(vm), SM_COLLECT_FULL);
    return vm_gc_status(vm).collected - before;
}

void vm_gc_enable(struct vm *vm)
{
    vm->collector.is_disabled = false;
    sm_cycles_enable(vm_manager(vm), true);
}

void vm_gc_disable(struct vm *vm)
{
    vm->collector.is_disabled = true;
    sm_cycles_enable(vm_manager(vm), false);
}

bool vm_gc_enabled(const struct vm *vm)
{
    return !vm->collector.is_disabled;
}

uint64_t vm_memory_get_usage(struct vm *vm, bool real)
{
    struct sm_stats stats = stats_of(vm);
    return real ? stats.committed_bytes : stats.live_bytes;
}

uint64_t vm_memory_get_peak_usage(struct vm *vm, bool real)
{
    struct sm_stats stats = stats_of(vm);
    if (real)
        return stats.peak_committed_bytes;
    return stats.peak_live_bytes > stats.live_bytes ? stats.peak_live_bytes : stats.live_bytes;
}
