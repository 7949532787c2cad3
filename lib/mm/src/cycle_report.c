/* What a cycle leaves behind: counts, rates, events; and cycles that go on beside the program. */
#include "event.h"
#include "manager_internal.h"

void sm_cycle_charge_from_now(struct sm_manager *mm)
{
    mm->cycles.charge_ns = sm_clock_ns();
    mm->cycles.charge_cpu_ns = sm_thread_cpu_ns();
    mm->cycles.charge_aside_ns = sm_pause_aside_ns(mm);
}

void sm_cycle_charge(struct sm_manager *mm, struct sm_cycle_record *record)
{
    const struct sm_cycles *cycles = &mm->cycles;
    uint64_t stop_ns = sm_clock_ns() - cycles->charge_ns - (sm_pause_aside_ns(mm) - cycles->charge_aside_ns);
    record->pause_ns += stop_ns;
    if (stop_ns > record->max_pause_ns)
        record->max_pause_ns = stop_ns;
    record->cpu_ns += sm_thread_cpu_ns() - cycles->charge_cpu_ns;
    sm_cycle_charge_from_now(mm);
}

void sm_cycle_tell_start(struct sm_manager *mm, enum sm_cycle_kind kind)
{
    if (mm->cycles.told_start)
        return;
    mm->cycles.told_start = true;
    sm_event(mm, SM_EVENT_CYCLE_START, kind, sm_live_bytes(mm), 0);
}

void sm_cycle_tell_end(struct sm_manager *mm, const struct sm_cycle_record *record)
{
    /* One that the policy ran inside another's collect began unseen; each end has a start all the same. */
    sm_cycle_tell_start(mm, record->kind);
    mm->cycles.told_start = false;
    sm_event(mm, SM_EVENT_CYCLE_END, record->kind, record->retired_bytes, record->pause_ns);
}

static void add_to_counters(struct sm_manager *mm, const struct sm_cycle_record *record, uint64_t backlog_before_bytes)
{
    struct sm_counters *counters = &mm->counters;
    counters->cycle_count++;
    counters->cycles_by_trigger[record->trigger]++;
    counters->cycles_by_kind[record->kind]++;
    counters->concurrent_count += record->is_concurrent;
    counters->fallback_count += record->is_fallback;
    counters->slice_count += record->slice_count;
    counters->assist_count += record->assist_count;
    counters->cycle_cpu_ns += record->cpu_ns;
    counters->collector_cpu_ns += record->collector_cpu_ns;
    counters->traced_objects += record->traced_objects;
    counters->logged_objects += record->logged_objects;
    uint64_t garbage_bytes = record->retired_bytes + backlog_before_bytes;
    if (garbage_bytes > counters->peak_garbage_bytes)
        counters->peak_garbage_bytes = garbage_bytes;
}

static uint64_t less(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

/*
 * Pacing learns from a full cycle, whatever started it. The next one has to take back what the program allocates and
 * young cycles leave, so that is the rate; their stops are no time of the program.
 */
static void observe_full(struct sm_manager *mm, const struct sm_cycle_record *record)
{
    struct sm_cycles *cycles = &mm->cycles;
    uint64_t end_ns = sm_clock_ns();
    uint64_t mutator_ns = less(end_ns - cycles->last_end_ns, record->pause_ns + cycles->young_pause_ns);
    uint64_t left_bytes = less(mm->hot.alloc_bytes - cycles->last_clock_bytes, cycles->young_retired_bytes);
    sm_pacing_observe(&cycles->input, record->live_bytes, left_bytes, mutator_ns,
                      record->cpu_ns + record->collector_cpu_ns);
    cycles->last_end_ns = end_ns;
    cycles->last_clock_bytes = mm->hot.alloc_bytes;
    cycles->young_retired_bytes = 0;
    cycles->young_pause_ns = 0;
}

static void observe_young(struct sm_manager *mm, const struct sm_cycle_record *record)
{
    mm->cycles.young_retired_bytes += record->retired_bytes;
    mm->cycles.young_pause_ns += record->pause_ns;
}

static void pace(struct sm_manager *mm, const struct sm_cycle_record *record, uint64_t backlog_before_bytes)
{
    if (record->kind == SM_CYCLE_YOUNG) {
        observe_young(mm, record);
        sm_cycle_put_off(mm);
    } else {
        observe_full(mm, record);
        sm_cycle_set_deadlines(mm, backlog_before_bytes);
    }
}

static uint64_t goal_bytes(const struct sm_manager *mm)
{
    uint64_t due_bytes = mm->cycles.next_clock_bytes;
    return due_bytes == UINT64_MAX ? 0 : sm_live_bytes(mm) + less(due_bytes, mm->hot.alloc_bytes);
}

void sm_cycle_count(struct sm_manager *mm, struct sm_cycle_record *record, uint64_t backlog_before_bytes)
{
    SM_ASSERT(record->index == 0 && (unsigned)record->kind < SM_CYCLE_KIND_COUNT);
    record->index = mm->counters.cycle_count + 1;
    if (record->clock_bytes == 0)
        record->clock_bytes = mm->hot.alloc_bytes;
    sm_count_dead(mm, record->retired_objects, record->retired_bytes);
    add_to_counters(mm, record, backlog_before_bytes);
    pace(mm, record, backlog_before_bytes);
    record->heap_bytes = sm_live_bytes(mm);
    record->goal_bytes = goal_bytes(mm);
    if (sm_finalizers_ready_count(&mm->finalizers) != 0)
        sm_attention_raise(mm, SM_ATTENTION_READY);
    sm_cycle_tell_end(mm, record);
    if (mm->hooks.on_cycle != NULL)
        mm->hooks.on_cycle(mm->hooks.context, record);
}

static void count_reported(struct sm_manager *mm, struct sm_cycle_record *record, uint64_t backlog_before_bytes)
{
    if (mm->cycles.running && record->pause_ns == 0)
        sm_cycle_charge(mm, record);
    sm_sample_live(mm);
    sm_cycle_count(mm, record, backlog_before_bytes);
    if (mm->cycles.running)
        sm_cycle_charge_from_now(mm);
}

void sm_cycle_report(struct sm_manager *mm, struct sm_cycle_record *record)
{
    SM_ASSERT(record->kind == SM_CYCLE_YOUNG || !mm->cycles.open);
    count_reported(mm, record, mm->cycles.running ? mm->cycles.backlog_before_bytes : 0);
}

void sm_cycle_open(struct sm_manager *mm)
{
    struct sm_cycles *cycles = &mm->cycles;
    SM_ASSERT(!cycles->open && sm_has(mm, SM_CAP_COLLECT));
    cycles->open = true;
    cycles->young_requested = false;
    cycles->open_backlog_bytes = sm_backlog_bytes(mm);
    sm_cycle_tell_start(mm, SM_CYCLE_FULL);
}

void sm_cycle_close(struct sm_manager *mm, struct sm_cycle_record *record)
{
    SM_ASSERT(mm->cycles.open && record->kind == SM_CYCLE_FULL);
    mm->cycles.open = false;
    count_reported(mm, record, mm->cycles.open_backlog_bytes);
}

bool sm_cycle_is_open(const struct sm_manager *mm)
{
    return mm->cycles.open;
}

uint32_t sm_collector_threads(const struct sm_manager *mm)
{
    return mm->cycles.collector_threads;
}
